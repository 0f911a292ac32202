#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_demo_variants.py HESPER OUT: the other program, the guest's own swapchain, another size."""

import os
import sys

from launched import Picture, Run, check, load, without_display

FRAMES = 90


def main():
    hesper, out = sys.argv[1:]
    run = Run(hesper, "demo", "triangle", "--headless", "--wsi", "display", "--size", "800x600",
              "--frames", str(FRAMES), "--out", out, env=without_display())
    try:
        status = run.wait(1800)
    finally:
        run.end()
    check(status == 0, f"exit status {status}")
    check(run.lines[-1].startswith("demo: triangle 800x600, "), f"it ends with {run.lines[-1]!r}")
    summary = load(os.path.join(out, "summary.json"))
    check(summary["frames_flipped"] == FRAMES, f"{summary['frames_flipped']} flips")
    check(summary["scanout_blob_commands"] >= FRAMES, "the swapchain's images are no blobs")
    check(summary["cpu_copied_bytes"] == 0, f"{summary['cpu_copied_bytes']} bytes were copied")
    picture = Picture(os.path.join(out, "triangle.png"))
    check((picture.width, picture.height) == (800, 600), "the picture's size is wrong")
    # A triangle with a colour in each corner: all three are strong somewhere.
    for channel, name in enumerate(("red", "green", "blue")):
        strong = [c for c in picture.colours()
                  if c[channel] > 120 and c[channel] > 1.5 * max(c[:channel] + c[channel + 1:])]
        check(len(strong) > 10, f"nothing in the picture is {name}")


if __name__ == "__main__":
    main()
