#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""limits.py HESPERD DOCUMENT: the table of limits in docs/security.md has every limit of hesperd, with
the default that --help tells."""

import re
import subprocess
import sys


def main():
    hesperd, document = sys.argv[1:]
    text = subprocess.run([hesperd, "--help"], check=True, capture_output=True, text=True).stdout
    text = re.sub(r"\n {10,}", " ", text)
    real = {}
    for line in text.splitlines():
        match = re.match(r"\s+(--max-[\w-]+)=(?:N|MIB|KIB)\s", line)
        default = re.search(r"\(default: (\d+)\)$", line)
        if match and match[1] != "--max-outputs":
            real[match[1]] = default and default[1]
    with open(document) as file:
        rows = re.findall(r"^\| `(--max-[\w-]+)` \| ([^|]+) \|", file.read(), re.MULTILINE)
    told = {name: value if value.isdigit() else None for name, value in rows}
    if len(real) < 5 or told != real:
        print(f"hesperd has {real}, {document} tells of {told}")
        sys.exit(1)


if __name__ == "__main__":
    main()
