#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""help.py PROGRAM [COMMAND]: --help and the manual page of a program or sub-command agree, and the
parser knows every option that they name."""

import re
import shutil
import subprocess
import sys


def ask(*args):
    run = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         check=False, timeout=60)
    return run.returncode, run.stdout, run.stderr


def fail(text):
    print(text)
    sys.exit(1)


def main():
    command = sys.argv[1:]
    status, text, errors = ask(*command, "--help")
    if status != 0 or errors:
        fail(f"--help ended with {status}: {errors}")
    in_help = re.findall(r"^  (?:-\w, |    )--([\w-]+)(=?)", text, re.MULTILINE)
    status, source, _ = ask(*command, "--man-page")
    in_man = re.findall(r"^(?:\*-\w\*, )?\*--([\w-]+)\*(=?)", source, re.MULTILINE)
    if status != 0 or sorted(in_help) != sorted(in_man):
        fail(f"in --help: {in_help}, in the manual page: {in_man}")
    if len(in_help) < 2:
        fail(f"there are only {in_help}: the pattern of this test is wrong")
    for name, takes in in_help:
        if takes:
            # Without its value: the parser must ask for it, and so know the option.
            status, _, errors = ask(*command, f"--{name}")
            if status == 0 or f"--{name} needs a value" not in errors:
                fail(f"--{name} is not asked for its value: {errors}")
        elif name in ("help", "version"):
            status, _, errors = ask(*command, f"--{name}")
            if status != 0:
                fail(f"--{name} ended with {status}: {errors}")
    status, _, errors = ask(*command, "--no-such-option")
    if status == 0 or "no-such-option" not in errors:
        fail(f"an unknown option is not told: {errors}")
    if shutil.which("scdoc"):
        run = subprocess.run(["scdoc"], input=source, capture_output=True, text=True, check=False)
        if run.returncode != 0 or ".TH" not in run.stdout:
            fail(f"scdoc does not take the page: {run.stderr}")


if __name__ == "__main__":
    main()
