#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_demo_desktop.py HESPER OUT FAKE-USER: `hesper demo desktop`, with two monitors and no window for
so many frames, and in a window that a person types into and then closes.

OUT/desktop.png is kept.
"""

import os
import sys
import time

from launched import Picture, Run, Runtime, check, load, without_display
from xserver import XServer

FRAMES = 60
SIZE = (1280, 800)
TERMINAL = (60, 310, 700, 250)  # of it, what is below the greeting
GREEN = (0x9c, 0xcf, 0x8f)  # regular2 of guest/desktop/config/foot/foot.ini


def check_files(run, out):
    check(run.lines[-1].startswith(f"demo: desktop {SIZE[0]}x{SIZE[1]}, "),
          f"it ends with {run.lines[-1]!r}")
    summary = load(os.path.join(out, "summary.json"))
    check(summary["app"] == "desktop" and summary["frames_presented"] >= FRAMES, f"{summary}")
    check(summary["cpu_copied_bytes"] == 0, f"{summary['cpu_copied_bytes']} bytes were copied")
    check(summary["scanout_blob_commands"] >= FRAMES, "the compositor's buffers are no blobs")
    check(summary["contexts"] >= 2, "the compositor and the cube are no two contexts")
    picture = Picture(os.path.join(out, "desktop.png"))
    check((picture.width, picture.height) == SIZE, "the picture's size is wrong")
    check(len(picture.colours()) > 300, "the picture shows no desktop")


def check_headless(hesper, out):
    run = Run(hesper, "demo", "desktop", "--headless", "--outputs", "2", "--frames", str(FRAMES),
              "--out", out, env=without_display())
    try:
        status = run.wait(1800)
    finally:
        run.end()
    check(status == 0, f"exit status {status}")
    check_files(run, out)
    run.check_nothing_left()


def green_share(x11, window):
    x, y, _, _ = x11.place(window)
    path = os.path.join(x11.dir, "root.png")
    x11.run("magick", "import", "-window", "root", path)
    picture = Picture(path)
    points = [(x + TERMINAL[0] + dx, y + TERMINAL[1] + dy)
              for dx in range(0, TERMINAL[2], 7) for dy in range(0, TERMINAL[3], 7)]
    return sum(picture.pixel(*point) == GREEN for point in points) / len(points)


def type_into(x11, window):
    x11.focus(window)
    x11.xdotool("type", "--delay", "20", "printf '\\033[42m%900s\\033[0m\\n'")
    x11.xdotool("key", "Return")
    end = time.monotonic() + 30
    while green_share(x11, window) < 0.5:
        check(time.monotonic() < end, "what was typed did not change the picture")
        time.sleep(0.1)


def check_window(hesper, out, fake_user):
    with XServer() as x11, Runtime() as runtime:
        run = Run(hesper, "demo", "desktop", "--size", f"{SIZE[0]}x{SIZE[1]}", "--out", out,
                  env={**x11.env, "XDG_RUNTIME_DIR": runtime.path})
        try:
            run.wait_line(r"^hesper: desktop .* after the program's start", 300)
            window = x11.find("hesper desktop")
            check(x11.place(window)[2:] == SIZE, f"the window is at {x11.place(window)}")
            type_into(x11, window)
            picture = os.path.join(out, "desktop.png")
            end = time.monotonic() + 60
            while not os.path.exists(picture):
                check(time.monotonic() < end, "no picture was taken")
                time.sleep(0.1)
            check(run.process.poll() is None, "it does not stay until its window is closed")
            x11.run(fake_user, "close", str(window))
            run.wait_line("the window was closed", 30)
            status = run.wait(60)
        finally:
            run.end()
        check(status == 0, f"exit status {status}")
        check_files(run, out)
        run.check_nothing_left()
        runtime.check_empty()


def main():
    hesper, out, fake_user = sys.argv[1:]
    check_headless(hesper, os.path.join(out, "two-outputs"))
    check_window(hesper, out, fake_user)


if __name__ == "__main__":
    main()
