# SPDX-License-Identifier: MIT
"""Screens that nobody sees."""

import os
import shutil
import subprocess

from harness import NotHere


def start_xvfb(width, height):
    """(process, environment of its clients)."""
    if not shutil.which("Xvfb"):
        raise NotHere("there is no Xvfb. Fix: install xvfb")
    read, write = os.pipe()
    process = subprocess.Popen(
        ["Xvfb", "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset", "-displayfd",
         str(write)], pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    if not number:
        process.wait()
        raise NotHere(f"Xvfb does not start with {width}x{height}")
    return process, {"DISPLAY": f":{number}", "WAYLAND_DISPLAY": "", "SDL_VIDEODRIVER": "x11"}


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
