#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_demo.py HESPER OUT: `hesper demo` on a host without a screen, from start to end.

The summary, the picture and the last line are right; hesperd and hesper-view map no GL library and
hesperd no Vulkan driver; nothing is left behind.
"""

import os
import re
import sys

from launched import Picture, Run, Runtime, check, check_cube, load, without_display
from tracecheck import Trace

FRAMES = 600
KEYS = ("app width height format refresh_hz frames_flipped frames_presented frames_dropped seconds "
        "fps frame_ms memory_path cpu_copied_bytes scanout_blob_commands contexts host_device "
        "accel qemu guest_mesa virglrenderer picture").split()
GL = re.compile(r"/lib(GL|GLX|EGL|GLESv\d|OpenGL|GLdispatch|OSMesa)[._]|_dri\.so|libgallium")
# Drivers and what only they need; libvulkan.so itself is the loader, which libvirglrenderer links.
VULKAN_DRIVER = re.compile(r"/libvulkan_|libLLVM|libVkLayer|libnvidia|/amdvlk")


def mapped(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        return sorted({line.split()[-1] for line in maps if line.rstrip().endswith(".so")
                       or ".so." in line})


def check_maps(run):
    hesperd, view = run.find("hesperd"), run.find("hesper-view")
    libraries = {"hesperd": mapped(hesperd), "hesper-view": mapped(view)}
    for name, maps in libraries.items():
        check(len(maps) > 3, f"{name} maps {maps}: that cannot be all")
        found = [m for m in maps if GL.search(m)]
        check(not found, f"{name} maps a GL library: {found}")
    check(any(VULKAN_DRIVER.search(m) for m in libraries["hesper-view"]), "the viewer maps no "
          "Vulkan driver: the pattern of this test is wrong")
    found = [m for m in libraries["hesperd"] if VULKAN_DRIVER.search(m)]
    check(not found, f"hesperd maps a Vulkan driver: {found}")


def check_summary(summary, picture):
    check(list(summary) == KEYS, f"the summary's keys are {list(summary)}")
    check((summary["width"], summary["height"]) == (1280, 800), "the size is wrong")
    check(summary["app"] == "cube" and summary["format"] == "B8G8R8X8", "app or format is wrong")
    check(summary["frames_flipped"] == FRAMES, f"{summary['frames_flipped']} frames were flipped")
    check(summary["scanout_blob_commands"] >= FRAMES, "too few SET_SCANOUT_BLOB")
    check(summary["contexts"] >= 1, "no context was made")
    check(summary["cpu_copied_bytes"] == 0, f"{summary['cpu_copied_bytes']} bytes were copied")
    seen = summary["frames_presented"] + summary["frames_dropped"]
    check(abs(seen - FRAMES) <= 1, f"of {FRAMES} frames {seen} were presented or dropped")
    check(summary["frames_presented"] >= 0.5 * FRAMES, "most frames were dropped")
    check(abs(summary["fps"] * summary["seconds"] - summary["frames_presented"]) < 3,
          "fps and seconds do not fit together")
    check(0 < summary["frame_ms"]["p50"] <= summary["frame_ms"]["p99"], "frame_ms is wrong")
    check(summary["memory_path"] in ("host-memory", "dma-buf"), "memory_path is wrong")
    check(summary["picture"] == picture, "the path of the picture is wrong")


def check_trace(out, summary):
    """One file of all three programs, and the stages that the machine came up by."""
    trace = Trace(os.path.join(out, "trace.json"))
    names = sorted(trace.programs.values())
    check(names == ["hesper", "hesper-view", "hesperd"], f"the trace is of {names}")
    stages = {stage for program, stage in trace.stages() if program == "hesper"}
    wanted = {"guest image", "device", "boot", "viewer", "first frame", "program", "end"}
    check(stages == wanted, f"the launcher's stages are {stages}")
    check(not trace.overlapping(["hesper"]), "the launcher's stages overlap")
    presented, whole = trace.complete()
    check(presented >= summary["frames_presented"], f"only {presented} frames are in the trace")
    check(whole >= 0.9 * presented, f"of {presented} frames only {whole} have their whole way")
    check(not [name for name in os.listdir(os.path.join(out, "logs")) if "trace" in name],
          "parts of the trace are left")


def main():
    hesper, out = sys.argv[1], sys.argv[2]
    with Runtime() as runtime:
        run = Run(hesper, "demo", "cube", "--frames", str(FRAMES), "--out", out,
                  "--trace", os.path.join(out, "trace.json"),
                  env={**without_display(), "XDG_RUNTIME_DIR": runtime.path})
        try:
            run.wait_line("first frame … ", 1800)
            check_maps(run)
            status = run.wait(300)
        finally:
            run.end()
        check(status == 0, f"exit status {status}")
        run.check_nothing_left()
        runtime.check_empty()

    picture = os.path.join(out, "cube.png")
    summary = load(os.path.join(out, "summary.json"))
    check_summary(summary, picture)
    check("going on without a window" in run.text, "it did not say that it opens no window")
    expected = (f"demo: cube 1280x800, {summary['frames_presented']} frames, "
                f"{summary['fps']:.1f} fps, {summary['memory_path']} path, "
                "0 bytes copied by the CPU")
    check(run.lines[-1] == expected, f"the last line is {run.lines[-1]!r}, not {expected!r}")
    check_cube(Picture(picture))
    check_trace(out, summary)


if __name__ == "__main__":
    main()
