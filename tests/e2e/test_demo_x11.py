#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_demo_x11.py HESPER OUT: the demo opens a real window under Xvfb, which shows the cube.

OUT/x11-root.png, a picture of the whole X screen, is kept. A second viewer is opened on the running
machine, and killing the demo's window ends the demo in order.
"""

import os
import re
import shutil
import subprocess
import sys
import time

from launched import Picture, Run, Runtime, check, check_cube, fail, load


def start_x():
    if shutil.which("Xvfb") is None:
        print("no Xvfb on this machine")
        sys.exit(77)
    read, write = os.pipe()
    server = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1000x24",
                               "-nolisten", "tcp"], pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    check(number, "Xvfb did not start")
    return server, f":{number}"


def windows(display):
    """title → (x, y, width, height) of the top-level windows that have a title."""
    text = subprocess.run(["xwininfo", "-display", display, "-root", "-tree"], check=True,
                          capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        match = re.search(r'"(.*)": \(.*\)\s+(\d+)x(\d+)\+\S+\s+\+(-?\d+)\+(-?\d+)', line)
        if match:
            title, width, height, x, y = match.groups()
            found[title] = (int(x), int(y), int(width), int(height))
    return found


def find_window(display, start, timeout):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for title, place in windows(display).items():
            if title.startswith(start) and re.search(r"\d+(\.\d+)? fps", title):
                return title, place
        time.sleep(0.1)
    fail(f"no window has a title with a frame rate: {windows(display)}")
    return None


def grab(display, path, place=None):
    xwd = subprocess.run(["xwd", "-display", display, "-root", "-silent"], check=True,
                         capture_output=True).stdout
    crop = [] if place is None else ["-crop", f"{place[2]}x{place[3]}+{place[0]}+{place[1]}",
                                     "+repage"]
    subprocess.run(["magick", "xwd:-", *crop, path], input=xwd, check=True)


def main():
    hesper, out = sys.argv[1], sys.argv[2]
    os.makedirs(out, exist_ok=True)
    server, display = start_x()
    try:
        with Runtime() as runtime:
            env = {"DISPLAY": display, "WAYLAND_DISPLAY": None, "SDL_VIDEODRIVER": None,
                   "XDG_RUNTIME_DIR": runtime.path}
            run = Run(hesper, "demo", "cube", "--keep-running", "--out", out, env=env)
            try:
                look(run, display, out, hesper, env)
                status = run.wait(60)
            finally:
                run.end()
            check(status == 0, f"exit status {status}")
            run.check_nothing_left()
            runtime.check_empty()
        check(run.lines[-1].startswith("demo: cube 1280x800, "), "there is no last line")
        summary = load(os.path.join(out, "summary.json"))
        check(summary["frames_presented"] > 60, f"only {summary['frames_presented']} frames")
        check(summary["cpu_copied_bytes"] == 0, f"{summary['cpu_copied_bytes']} bytes were copied")
    finally:
        server.terminate()
        server.wait()


def look(run, display, out, hesper, env):
    run.wait_line("first frame … ", 1800)
    title, place = find_window(display, "hesper cube", 30)
    print(f"window {title!r} at {place}")
    grab(display, os.path.join(out, "x11-root.png"))
    cropped = os.path.join(out, "x11-window.png")
    grab(display, cropped, place)
    check_cube(Picture(cropped))
    # It spins: another moment, another picture.
    again = os.path.join(out, "x11-window-2.png")
    time.sleep(0.7)
    grab(display, again, place)
    check(Picture(cropped).data != Picture(again).data, "the window does not change")

    # `hesper view` finds the machine by itself, and its end disturbs nothing.
    shot = os.path.join(out, "second-viewer.png")
    second = Run(hesper, "view", "--headless", "--screenshot", shot, env=env)
    check(second.wait(60) == 0, "the second viewer failed")
    check_cube(Picture(shot))
    check(run.process.poll() is None, "the demo ended with its second viewer")

    # As the window's close button: the viewer leaves with status 0.
    os.kill(run.find("hesper-view"), 15)
    run.wait_line("the window was closed", 30)


if __name__ == "__main__":
    main()
