#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_doctor.py HESPER SOURCE: `hesper doctor` tells what is, and its exit status what is broken."""

import json
import os
import subprocess
import sys

from launched import check

SUBJECTS = {"Vulkan device", "memory path", "QEMU", "accelerator", "renderer", "sandbox", "guest image",
            "display"}


def ask(hesper, *args, **env):
    environment = {k: v for k, v in {**os.environ, **env}.items() if v is not None}
    run = subprocess.run([hesper, "doctor", *args], env=environment, stdin=subprocess.DEVNULL,
                         capture_output=True, text=True, check=False, timeout=120)
    return run.returncode, run.stdout


def findings(text):
    return {finding["subject"]: finding for finding in json.loads(text)}


def main():
    hesper, source = sys.argv[1:]
    fake = os.path.join(source, "tests", "fake", "qemu")

    status, text = ask(hesper, "--json", DISPLAY=None, WAYLAND_DISPLAY=None)
    found = findings(text)
    check(SUBJECTS <= set(found), f"it tells of {sorted(found)} only")
    broken = [s for s, f in found.items() if f["health"] == "broken"]
    check(status == 0 and not broken, f"exit status {status}, broken here: {broken}")
    check(found["memory path"]["text"].startswith(("host-memory: ", "dma-buf: ")), "no memory path")
    check(found["display"]["health"] == "warning", "it sees a display that is not there")
    check(all(f["fix"] for f in found.values() if f["health"] != "ok"), "a fix is missing")
    if found["accelerator"]["text"].startswith("TCG"):
        check(found["accelerator"]["health"] == "warning", "TCG is no more than a way out")

    status, text = ask(hesper, "--json", DISPLAY=":7", WAYLAND_DISPLAY=None)
    check("X11 (:7)" in findings(text)["display"]["text"], "it does not see DISPLAY")

    status, text = ask(hesper, "--json", "--qemu", fake, FAKE_QEMU="9.0")
    check(status == 1, f"exit status {status} with an old QEMU")
    check("9.0 is too old" in findings(text)["QEMU"]["text"], "it does not say that QEMU is old")

    status, text = ask(hesper, "--json", VK_DRIVER_FILES="/nonexistent.json")
    check(status == 1, f"exit status {status} without a Vulkan driver")
    vulkan = findings(text)["Vulkan device"]
    check(vulkan["health"] == "broken" and "vulkan" in vulkan["fix"], f"no Vulkan: {vulkan}")

    status, text = ask(hesper)
    check(status == 0 and all(s in text for s in SUBJECTS), f"as text: {text}")


if __name__ == "__main__":
    main()
