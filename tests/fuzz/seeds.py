#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""seeds.py TARGET FOLDER: writes inputs to begin with, one file each: what a well-behaved guest,
viewer or server does, so that a search starts behind the door and not in front of it."""

import os
import struct
import sys

# --- gpu: fuzz_gpu.c -------------------------------------------------------------------------

GPU = {name: number for number, name in enumerate(
    "info create_2d unref set_scanout flush transfer attach detach capset_info capset edid uuid "
    "create_blob set_scanout_blob ctx_create ctx_destroy ctx_attach ctx_detach create_3d to_3d "
    "from_3d submit map unmap cursor move".split())}
GPU.update({name: 32 + number for number, name in enumerate(
    "mode timer answer signal manner window release lose pause reset config memory scribble calm "
    "raw".split())})
FENCE, RING, INDIRECT, NO_KICK, CUT = 1, 2, 4, 8, 16


def gpu(kind, how=0, res=0, ctx=0, x=0, y=0, w=0, h=0, head=0, fmt=0, entries=0, misc=0, offset=0,
        size=0):
    return struct.pack("<BBBBHHHHBBBBII", GPU[kind], how, res, ctx, x, y, w, h, head, fmt, entries,
                       misc, offset, size)


def gpu_header(heads=1, misc=0, pages=0):
    return struct.pack("<BBBBHHHHBBBBII", 0, 0, 0, 0, 0, 0, 0, 0, heads - 1, pages, 0, misc, 0, 0)


def gpu_seeds():
    whole = {"w": 64, "h": 64}
    draw_2d = (gpu("info", INDIRECT) + gpu("edid") + gpu("create_2d", res=1, **whole) +
               gpu("attach", CUT, res=1, entries=4, x=0, y=1) +
               gpu("set_scanout", res=1, **whole) + gpu("transfer", res=1, **whole) +
               gpu("flush", FENCE, res=1, **whole))
    context = gpu("ctx_create", ctx=1, w=4, fmt=65) + gpu("capset_info") + gpu("capset", misc=4)
    blob = gpu("create_blob", res=2, ctx=1, head=1, fmt=1, size=4)
    show = gpu("set_scanout_blob", res=2, w=32, h=32, size=0)
    yield "draw-2d", gpu_header(2) + draw_2d
    yield "draw-2d-away", (gpu_header(2) + draw_2d + gpu("unref", res=1) +
                           gpu("flush", res=1, **whole) + gpu("set_scanout") + gpu("timer"))
    yield "context", (gpu_header(1) + context + gpu("submit", FENCE | RING, ctx=0x11, entries=8) +
                      gpu("submit", FENCE | RING, ctx=0x21, entries=8) + gpu("ctx_destroy", ctx=1))
    yield "blob", (gpu_header(1) + context + blob + gpu("map", res=2, offset=3) + show +
                   gpu("flush", FENCE, res=2, w=32, h=32) + gpu("unmap", res=2) +
                   gpu("unref", res=2) + gpu("ctx_destroy", ctx=1))
    yield "blob-none", (gpu_header(1, misc=1) + context + blob + gpu("map", res=2, offset=3) +
                        show + gpu("flush", FENCE | RING, res=2, w=32, h=32, ctx=1) +
                        gpu("unref", res=2))
    yield "guest-blob", (gpu_header(1) + context +
                         gpu("create_blob", res=3, head=0, entries=4, y=1, size=3) +
                         gpu("ctx_attach", res=3, ctx=1) + gpu("set_scanout_blob", res=3, w=32,
                                                               h=32) +
                         gpu("flush", FENCE, res=3, w=32, h=32) + gpu("cursor", res=3) +
                         gpu("ctx_detach", res=3, ctx=1) + gpu("unref", res=3))
    yield "late-answers", (gpu_header(1) + context + gpu("manner", misc=7) + blob +
                           gpu("map", res=2) + show + gpu("flush", FENCE, res=2, w=32, h=32) +
                           gpu("unref", res=2) + gpu("answer") + gpu("window") + gpu("release") +
                           gpu("calm"))
    yield "late-fences", (gpu_header(1) + context + gpu("manner", misc=4) +
                          gpu("ctx_attach", FENCE | RING, res=1, ctx=1) +
                          gpu("submit", FENCE | RING, ctx=1, entries=4) +
                          gpu("answer", misc=2) + gpu("answer", misc=1) + gpu("signal") +
                          gpu("ctx_destroy", ctx=1) + gpu("calm"))
    yield "fences-first", (gpu_header(1) + context + gpu("manner", misc=4) +
                           gpu("info", FENCE | RING, ctx=1) + gpu("answer", misc=1) + gpu("calm"))
    yield "lost-context", (gpu_header(1) + context + gpu("manner", misc=4) + blob +
                           gpu("submit", FENCE | RING, ctx=1, entries=4) + gpu("lose", ctx=1) +
                           blob + gpu("ctx_destroy", ctx=1) + context + gpu("calm"))
    yield "reset", (gpu_header(1) + context + gpu("manner", misc=7) + blob + gpu("map", res=2) +
                    gpu("reset") + context + blob + gpu("calm"))
    yield "reset-while-shown", (gpu_header(1) + gpu("manner", misc=2) + draw_2d + gpu("reset") +
                                gpu("release") + draw_2d)
    yield "pause", (gpu_header(1) + context + gpu("manner", misc=4) + blob +
                    gpu("pause", misc=7, w=800, h=600) + gpu("calm"))
    yield "monitors", (gpu_header(4) + gpu("mode", head=2, w=800, h=600, misc=60) + gpu("info") +
                       gpu("edid", head=2) + gpu("config", misc=1, size=16) +
                       gpu("mode", head=2, misc=60) + gpu("timer") + gpu("edid", head=2))
    yield "cursor", (gpu_header(1) + gpu("create_2d", res=4, w=64, h=64) +
                     gpu("cursor", res=4, x=3, y=4, w=1, h=1) + gpu("move", x=5, y=6) +
                     gpu("cursor"))
    yield "batch", (gpu_header(1, misc=2) + b"".join(
        gpu("create_2d", NO_KICK, res=r, w=8, h=8) for r in range(1, 9)) + gpu("info"))
    yield "end-in-the-middle", (gpu_header(1, misc=0x30) + context + gpu("manner", misc=7) + blob +
                                draw_2d + gpu("submit", FENCE | RING, ctx=1))
    yield "end-with-a-map", gpu_header(1, misc=0x10) + context + blob + gpu("manner", misc=1) + gpu(
        "map", res=2)


SEEDS = {"gpu": gpu_seeds}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    target, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for name, data in SEEDS.get(target, lambda: ())():
        with open(os.path.join(folder, "seed-" + name), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
