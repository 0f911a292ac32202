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


# --- vhost: fuzz_vhost.c ---------------------------------------------------------------------

VHOST = {name: number for number, name in enumerate(
    "message bytes half boot stop ram chain kick reply reply_wrong map unmap config answer "
    "close_channel close".split())}
REQUESTS = {"GET_FEATURES": 1, "SET_FEATURES": 2, "SET_OWNER": 3, "SET_MEM_TABLE": 5,
            "SET_VRING_NUM": 8, "SET_VRING_ADDR": 9, "SET_VRING_BASE": 10, "GET_VRING_BASE": 11,
            "SET_VRING_KICK": 12, "SET_VRING_CALL": 13, "SET_VRING_ERR": 14,
            "GET_PROTOCOL_FEATURES": 15, "SET_PROTOCOL_FEATURES": 16, "GET_QUEUE_NUM": 17,
            "SET_VRING_ENABLE": 18, "SET_BACKEND_REQ_FD": 21, "GET_CONFIG": 24, "SET_CONFIG": 25,
            "GET_SHMEM_CONFIG": 44}
NEED_REPLY, WRONG_SIZE, WRONG_FLAGS, ODD = 1, 2, 4, 8


def vhost(kind, request=0, fds=0, how=0, size=0, a=0, b=0, c=0):
    return struct.pack("<BBBBIQQQ", VHOST[kind], request, fds, how, size, a, b, c)


def vhost_seeds():
    start = vhost("message")
    boot = vhost("boot", request=5, how=3 + 8)
    map_one = vhost("map", a=1) + vhost("reply") + vhost("reply")
    for name, number in REQUESTS.items():
        fds = {"SET_MEM_TABLE": 2, "SET_VRING_KICK": 0x11, "SET_VRING_CALL": 0x31,
               "SET_VRING_ERR": 0x31, "SET_BACKEND_REQ_FD": 0x41}.get(name, 0)
        yield name.lower(), start + vhost("message", number, fds, NEED_REPLY, a=1, b=8, c=0)
    yield "boot", start + boot + vhost("chain", how=2, size=16) + vhost("kick")
    yield "map", start + boot + map_one + vhost("unmap", a=1) + vhost("reply") + vhost("reply")
    yield "map-echoed", (start + boot + vhost("map", a=1) + vhost("reply", how=2) +
                         vhost("reply") + vhost("message", 5, 1, NEED_REPLY))
    yield "map-refused", start + boot + vhost("map", a=1) + vhost("reply", how=1) + map_one
    yield "map-stopped", (start + boot + vhost("map", a=1) + vhost("stop") + vhost("reply") +
                          boot + vhost("reply"))
    yield "map-many", start + boot + b"".join(
        vhost("map", a=i) for i in range(8)) + vhost("reply") * 16
    yield "pause", (start + boot + vhost("answer", how=1) + vhost("chain", how=2) + vhost("stop") +
                    vhost("answer", how=2) + boot)
    yield "reset", start + boot + vhost("chain", how=2) + vhost("stop") + boot
    yield "config", (start + boot + vhost("config", 0, how=1, size=8, a=5) + vhost("reply") +
                     vhost("message", REQUESTS["SET_CONFIG"], how=NEED_REPLY, a=0, b=8, c=3))
    yield "half", start + vhost("half", REQUESTS["SET_MEM_TABLE"], 1, NEED_REPLY, size=7)
    yield "half-fds", start + vhost("half", REQUESTS["SET_MEM_TABLE"], 9, NEED_REPLY, size=20)
    yield "no-channel", start + boot + vhost("close_channel") + vhost("map", a=2)
    yield "channel-twice", start + boot + map_one + boot + map_one
    yield "gone", start + boot + vhost("map", a=1) + vhost("close")


# --- rings: fuzz_rings.c ---------------------------------------------------------------------

RINGS = {name: number for number, name in enumerate(
    "desc indirect avail bytes available pop read push drop notify rearm suspend stop reset start "
    "memory call later".split())}
DESC_NEXT, DESC_WRITE, DESC_INDIRECT = 1, 2, 4


def ring(kind, a=0, b=0, c=0, d=0):
    return struct.pack("<BBHIQ", RINGS[kind], a, b, c, d)


def rings_seeds():
    start = ring("desc")
    two = (ring("desc", DESC_NEXT, 0, 24 | 1 << 12, 0x3000) +
           ring("desc", DESC_WRITE, 1, 100, 0x2f00))
    table = (ring("indirect", DESC_NEXT, 0, 64 | 1 << 12, 0x1800) +
             ring("indirect", DESC_NEXT | DESC_WRITE, 1, 64 | 2 << 12, 0x2ff0) +
             ring("indirect", DESC_WRITE, 2, 299, 0x2f80))
    use = ring("pop") + ring("read", c=50) + ring("push", c=30) + ring("notify") + ring("rearm")
    yield "two", start + two + ring("available") + use
    yield "border", (start + ring("desc", DESC_WRITE | 3 << 5, 0, 200, 8) + ring("available") +
                     use)
    yield "indirect", (start + table + ring("desc", DESC_INDIRECT | 4 << 5, 0, 32) +
                       ring("available") + use)
    yield "indirect-changes", (start + table + ring("desc", DESC_INDIRECT | 4 << 5, 0, 32) +
                               ring("available") + ring("later", 0x41, 1, 2 << 12 | 90, 5) + use)
    yield "loop", (start + ring("desc", DESC_NEXT, 0, 24 | 1 << 12) +
                   ring("desc", DESC_NEXT, 1, 24) + ring("available") + use)
    yield "last-page", start + ring("desc", 5 << 5, 0, 100, 3900) + ring("available") + use
    yield "pause", (start + two + ring("available") + ring("pop") + ring("suspend") +
                    ring("push", c=9) + ring("start") + ring("notify"))
    yield "stop", (start + two + ring("available") + ring("pop") + ring("stop") +
                   ring("push", c=9) + ring("start") + ring("notify"))
    yield "reset", (start + two + ring("available") + ring("pop") + ring("reset") +
                    ring("push") + ring("drop"))
    yield "too-many", start + two + ring("avail", b=1, c=4000) + use
    yield "wraps", ring("desc", 0, 0, 0xfffe) + (two + ring("available") + use) * 3
    yield "memory", start + two + ring("memory", 1) + ring("available") + use


SEEDS = {"gpu": gpu_seeds, "vhost": vhost_seeds, "rings": rings_seeds}


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
