#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""seeds.py TARGET FOLDER: writes inputs to begin with, one file each.

What a well-behaved guest, viewer or server does, so that a search starts behind the door and not in
front of it; and as found-NAME what once went wrong, as small as it gets. Every build of the tests
plays them."""

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
    yield "draw-2d-parts", (gpu_header(2) + draw_2d + gpu("transfer", res=1, x=3, y=4, w=5, h=6) +
                            gpu("flush", res=1, x=3, y=4, w=5, h=6) + gpu("detach", res=1) +
                            gpu("detach", res=1) + gpu("transfer", res=1, **whole) +
                            gpu("attach", res=1, entries=3, y=1) + gpu("transfer", res=1, **whole))
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
    # A fence signals before its maker has answered.
    yield "found-fence-before-it-was-made", (gpu_header(1) + context + gpu("manner", misc=4) +
                           gpu("info", FENCE | RING, ctx=1) + gpu("answer", misc=1) + gpu("calm"))
    # Behind an unmapping and a mapping. The model gave up too soon.
    yield "found-late-answer-of-none", (gpu_header(1, misc=1) + context + blob +
                           gpu("map", res=2) + gpu("manner", misc=1) + gpu("unref", res=2) + blob +
                           gpu("map", res=2, offset=3) + show +
                           gpu("flush", FENCE | RING, res=2, w=32, h=32, ctx=1) + gpu("calm"))
    # A flush that waited for a mapping is told to viewers when the loop has nothing else to do. The model
    # gave up too soon; and what was not told yet was left behind at the end.
    waited = (context + blob + show + gpu("manner", misc=1) + gpu("map", res=2) +
              gpu("flush", FENCE, res=2, w=32, h=32))
    yield "found-flush-that-waited", gpu_header(1) + waited + gpu("calm")
    yield "found-end-with-a-flush", gpu_header(1, misc=0x30) + waited + gpu("window")
    # The guest flips while a viewer reads, and more than once.
    yield "flip-while-read", (gpu_header(1) + context + blob + show + gpu("manner", misc=2) +
                              gpu("flush", res=2, w=32, h=32) + draw_2d +
                              gpu("flush", res=2, w=32, h=32) + show +
                              gpu("flush", FENCE, res=2, w=32, h=32) + gpu("release") +
                              gpu("ctx_destroy", ctx=1) + gpu("calm"))
    yield "lost-context", (gpu_header(1) + context + gpu("manner", misc=4) + blob +
                           gpu("submit", FENCE | RING, ctx=1, entries=4) + gpu("lose", ctx=1) +
                           blob + gpu("ctx_destroy", ctx=1) + context + gpu("calm"))
    yield "reset", (gpu_header(1) + context + gpu("manner", misc=7) + blob + gpu("map", res=2) +
                    gpu("reset") + context + blob + gpu("calm"))
    # A viewer that still reads when the guest resets, and when the machine ends.
    yield "found-orphan-of-a-reset", (gpu_header(1) + gpu("manner", misc=2) + draw_2d +
                                      gpu("reset") + gpu("release") + draw_2d)
    yield "viewer-outlives-the-device", (gpu_header(1, misc=0x10) + gpu("manner", misc=2) +
                                               draw_2d)
    # Refused, and so answered and gone, before its resource was.
    yield "found-guest-blob-outside-of-ram", gpu_header(1) + gpu(
        "create_blob", res=3, entries=4, x=38, y=1, size=3)
    yield "found-guest-blob-of-too-few-pages", gpu_header(1) + gpu(
        "create_blob", res=3, entries=1, y=1, size=9)
    yield "pause", (gpu_header(1) + context + gpu("manner", misc=4) + blob +
                    gpu("pause", misc=7, w=800, h=600) + gpu("calm"))
    yield "monitors", (gpu_header(4) + gpu("mode", head=2, w=800, h=600, misc=60) + gpu("info") +
                       gpu("edid", head=2) + gpu("config", misc=1, size=16) +
                       gpu("mode", head=2, misc=60) + gpu("timer") + gpu("edid", head=2))
    yield "opaque", (gpu_header(1) + context + gpu("manner", misc=4) + blob + gpu("answer", misc=4) +
                     gpu("map", res=2) + show + gpu("cursor", res=2) + gpu("calm"))
    yield "many-maps", gpu_header(1) + context + b"".join(
        gpu("create_blob", res=r, ctx=1, head=1, fmt=1, size=0) + gpu("map", res=r, offset=r)
        for r in range(1, 11)) + gpu("pause")
    yield "huge-monitor", gpu_header(1) + gpu("mode", w=8192, h=64, x=5000, y=5, misc=60) + gpu(
        "edid") + gpu("mode", w=8192, h=8192, misc=0xff, size=1000000) + gpu("edid")
    yield "cursor", (gpu_header(1) + gpu("create_2d", res=4, w=64, h=64) +
                     gpu("cursor", res=4, x=3, y=4, w=1, h=1) + gpu("move", x=5, y=6) +
                     gpu("cursor"))
    yield "batch", (gpu_header(1, misc=2) + b"".join(
        gpu("create_2d", NO_KICK, res=r, w=8, h=8) for r in range(1, 9)) + gpu("info"))
    yield "end-in-the-middle", (gpu_header(1, misc=0x30) + context + gpu("manner", misc=7) + blob +
                                draw_2d + gpu("submit", FENCE | RING, ctx=1))
    # Nobody answers a mapping any more.
    yield "found-end-while-mapping", (gpu_header(1, misc=0x10) + context + blob +
                                      gpu("manner", misc=1) + gpu("map", res=2))


# --- vhost: fuzz_vhost.c ---------------------------------------------------------------------

VHOST = {name: number for number, name in enumerate(
    "message bytes half boot stop ram chain kick reply reply_wrong map unmap config answer "
    "close_channel close deaf".split())}
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
    resume = vhost("boot", request=5, how=3 + 16)
    yield "resume", (start + resume + vhost("answer", how=1) + vhost("chain", how=2, size=9) +
                     vhost("chain", how=2, request=1) + vhost("stop") + vhost("answer", how=2) +
                     resume + vhost("answer", how=0) + vhost("chain", how=2, request=2))
    yield "memory-moves", start + boot + vhost("chain", how=2) + vhost(
        "message", REQUESTS["SET_MEM_TABLE"], 1, NEED_REPLY | 0x40) + vhost("chain", how=2)
    yield "deaf", start + boot + vhost("deaf", 200, how=1) + vhost("chain", how=2) + vhost("deaf")
    yield "select", vhost("message", how=2) + boot + vhost(
        "message", REQUESTS["SET_CONFIG"], how=NEED_REPLY, a=0, b=8, c=3)
    yield "reset", start + boot + vhost("chain", how=2) + vhost("stop") + boot
    yield "config", (start + boot + vhost("config", 0, how=1, size=8, a=5) + vhost("reply") +
                     vhost("message", REQUESTS["SET_CONFIG"], how=NEED_REPLY, a=0, b=8, c=3))
    yield "half", start + vhost("half", REQUESTS["SET_MEM_TABLE"], 1, NEED_REPLY, size=7)
    # The device stops while a request is unread: it comes as one that nobody knows.
    unread = vhost("deaf", how=2)
    yield "found-request-taken-back", (start + boot + unread + vhost("map", a=1) + vhost("stop") +
                                       vhost("deaf") + boot + vhost("reply") + vhost("reply"))
    yield "taken-back-unmap", (start + boot + map_one + unread + vhost("unmap", a=1) +
                               vhost("stop") + boot + vhost("deaf") + vhost("reply"))
    yield "taken-back-config", (start + boot + unread + vhost("config", how=1, size=8) +
                                vhost("stop") + vhost("deaf") + boot)
    yield "stops-while-it-reads", (start + boot + unread + vhost("map", a=1) + vhost(
        "stop", how=2) + vhost("deaf") + boot + vhost("reply") + vhost("reply"))
    yield "unread-and-closed", start + boot + unread + vhost("map", a=1) + vhost("close_channel")
    yield "unread-at-the-end", start + boot + unread + vhost("map", a=1) + vhost("close")
    for last in range(4):
        yield f"talks-to-the-end-{last}", vhost("message", last, 1, how=8) + boot
    yield "window-files", vhost("message", how=4) + boot + map_one + vhost("map", a=9) + vhost(
        "reply", how=2) + vhost("reply") + vhost("unmap", a=1) + vhost("reply") * 2 + vhost("stop")
    yield "starves", (start + boot + vhost("answer", how=4) + vhost("chain", how=2) +
                      vhost("answer", how=8) + vhost("chain", how=2))
    yield "kicks-again", start + boot + vhost("answer", how=4) + b"".join(
        vhost("chain", i, how=2) for i in range(30)) + vhost("answer") + vhost("kick")
    for kind in (6, 7):
        yield f"dead-kick-{kind}", start + boot + vhost(
            "message", REQUESTS["SET_VRING_KICK"], kind << 4 | 1, NEED_REPLY) + vhost("kick")
    one_ring = vhost("stop") + b"".join(
        vhost("message", REQUESTS[name], fds, NEED_REPLY, a=a) for name, fds, a in (
            ("SET_VRING_NUM", 0, 8), ("SET_VRING_BASE", 0, 0), ("SET_VRING_ADDR", 0, 0),
            ("SET_VRING_KICK", 0x11, 0), ("SET_VRING_ENABLE", 0, 1)))
    yield "second-ring-fails", start + boot + one_ring + b"".join(
        vhost("message", REQUESTS[name], fds, NEED_REPLY, a=a, b=b, c=1) for name, fds, a, b in (
            ("SET_VRING_NUM", 0, 8, 0), ("SET_VRING_ADDR", 0, 0, 1 << 63 | 9),
            ("SET_VRING_KICK", 0x21, 0, 0), ("SET_VRING_ENABLE", 0, 1, 0))) + boot
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


# --- server: fuzz_server.c -------------------------------------------------------------------

SERVER = {name: number for number, name in enumerate(
    "call call_wrong raw connect close_peer listen answer answer_wrong listener_raw listener_call "
    "close_listener read scanout update disable cursor pointer size state timer call_bent "
    "answer_bent flood greet".split())}
# The first of two, one for each console.
METHODS = {name: 2 * number for number, name in enumerate(
    "key_press key_release press release position motion touch monitor hesper_motion scroll "
    "ui_info register get get_all set introspect".split())}
METHODS.update({"vm_get": 32, "vm_get_all": 33, "objects": 34, "ping": 35})


def words(*numbers):
    return b"".join(struct.pack("<H", number) for number in numbers)


def server(kind, which=0, what=0, head=0, values=b""):
    return bytes([SERVER[kind], which, what, head]) + values.ljust(36, b"\0")[:36]


def call(name, *numbers):
    return server("call", what=METHODS[name], values=words(*numbers))


def server_seeds():
    start = server("call")
    ready = server("read") * 3
    size = server("size", values=bytes([100, 100]))
    picture = server("scanout", values=bytes([31, 31, 0, 0]))
    update = server("update", values=bytes([0, 0, 32, 32]))
    listen = ready + server("listen") + ready + server("answer")
    for name in METHODS:
        yield name, start + ready + size + call(name, 1, 1, 5, 5) + ready
    yield "keys", start + ready + call("key_press", 30) + call("key_press", 30) + call(
        "key_release", 30) + call("press", 3) + call("press", 0)
    yield "touch", start + ready + size + server("call", what=METHODS["touch"], values=words(
        0, 2, 160, 160)) + call("touch", 1, 2, 0xff00, 0xff01) + call("touch", 2, 2)
    yield "one-slot-of-two-viewers", start + ready + size + server("connect", 1) + ready + call(
        "touch", 0, 2, 5, 5) + server("call", 1, METHODS["touch"], values=words(0, 2, 5, 5))
    socket = server("call", head=2)
    yield "by-a-socket", socket + ready + call("key_press", 30) + server("connect", 1) + ready + \
        server("close_peer") + ready + server("connect", 2)
    yield "by-a-socket-and-all-at-once", server("call", head=3) + server("connect", 1) + server(
        "connect", 2) + server("connect", 3)
    news = server("state", what=1, values=b"\1") + server("state", what=1, values=b"\2")
    yield "news-wait", start + ready + call("get_all", 1) + server("read", what=2) + (
        news * 60) + server("read") + ready
    # It has calls to be answered, does not read, and is gone.
    yield "found-deaf-viewer-that-ends", start + ready + call("key_press", 30) + server(
        "read", what=2) + server("flood", what=METHODS["touch"], head=255) + server("read", what=2)
    yield "two-viewers", (start + ready + server("connect", 1) + ready + call("key_press", 30) +
                          server("call", 1, values=words(30)) + server("close_peer") + ready)
    yield "frames", start + listen + picture + update + server("answer") * 3 + update + server(
        "answer")
    yield "frames-dma-buf", (start + listen + server("scanout", what=0x40, values=bytes(
        [31, 31, 0, 0])) + update + server("answer") * 3 + server(
            "scanout", what=0x40, values=bytes([31, 31, 9, 0])) + update + server("answer") * 2)
    yield "frames-refused", start + listen + picture + update + server("answer", what=1) * 4
    yield "frames-bytes", (start + ready + server("listen") + ready + server("answer", what=6) +
                           picture + update + server("answer") + update)
    yield "late", start + listen + picture + update * 3 + server("timer") + update + server(
        "answer") * 3
    yield "deaf", start + listen + server("read", what=3) + picture + (
        update + server("pointer", what=1) + call("get_all", 0)) * 20
    yield "cursor", start + listen + server("cursor", values=bytes([64, 64, 1, 0, 1])) + server(
        "pointer", what=1, values=bytes([5])) + server("answer") * 3 + server("cursor", what=1)
    yield "gone", start + listen + picture + update + server("close_listener") + update
    yield "end-in-the-middle", server("call", head=1) + listen + picture + update * 2
    yield "strange-listener", start + ready + b"".join(
        server("listen", what=0x80, values=bytes([0, kind])) for kind in range(5))
    # sd-bus drops these and forgets to free what came with them.
    yield "found-message-without-its-descriptor", start + ready + server(
        "call", values=words(1)) + server("call_wrong", head=0x24) + ready
    yield "found-message-of-more-descriptors", start + ready + server(
        "call", values=words(1)) + server("call_wrong", head=0x61) + ready
    yield "found-call-with-a-reply-serial", start + listen + server(
        "listener_call", what=27, head=0xfc) + ready
    yield "found-signal-with-a-reply-serial", start + listen + server(
        "listener_call", what=27, head=0xff) + ready
    yield "wrong", start + ready + b"".join(
        server("call_wrong", what=METHODS["register"], head=head) for head in range(40))
    bends = [bytes([place, byte]) for place in (1, 3, 4, 8, 12, 16, 17, 18, 19, 20, 24, 30)
             for byte in (0, 1, 5, 200)]
    for i in range(0, len(bends), 4):
        yield f"bent-{i}", start + ready + b"".join(server("connect") + ready + server(
            "call_bent", head=0x80, values=bytes(16) + bend) + ready for bend in bends[i:i + 4])
    # The interface of a call becomes its destination, or its sender.
    for field in (6, 7):
        yield f"named-{field}", start + ready + server(
            "call_bent", head=0x80, values=bytes(16) + bytes([56, field])) + ready
    yield "in-pieces", start + ready + b"".join(
        server("call_bent", head=head) for head in range(1, 100, 9))
    yield "flood", start + ready + server("read", what=2) + server(
        "flood", what=METHODS["get_all"], head=255) + server("read") + ready
    for name, lines in {"external": (0, 5, 8), "data": (1, 2, 5, 8), "again": (9, 3, 5, 8),
                        "never": (4, 6, 7, 4), "junk": (10, 10)}.items():
        yield "greet-" + name, start + server("greet", what=2, head=len(lines), values=bytes(
            lines)) + ready + server("call", values=words(1)) + ready
    yield "states", start + listen + b"".join(
        server("state", what=what, values=bytes([what & 1])) for what in range(6))


# --- client: fuzz_client.c -------------------------------------------------------------------

CLIENT = {name: number for number, name in enumerate(
    "answer answer_odd signal raw server_call picture picture_odd listener_answer listener_raw "
    "close_listener close listen ignore input monitor done deaf timer qmp answer_bent "
    "picture_bent".split())}
PICTURES = {name: number for number, name in enumerate(
    "map update_map dmabuf update_dmabuf dmabuf2 bytes update_bytes disable mouse cursor".split())}


def client(kind, which=0, what=0, how=0, values=b""):
    return bytes([CLIENT[kind], which, what, how]) + values.ljust(44, b"\0")[:44]


def picture(name, width=32, height=32, stride=0, offset=0, x=0, y=0, fmt=0, change=15, odd=0, how=0):
    return client("picture", what=PICTURES[name], how=how, values=bytes(
        [width - 1, height - 1, stride, offset, x, y, fmt, change, odd]))


def client_seeds():
    start = client("answer", how=1)
    two = client("answer", how=3)
    wait = client("deaf") * 3
    known = wait + client("answer", what=1) + wait + client("answer") * 5 + wait
    shown = start + known + client("answer") + wait
    yield "consoles", two + wait + client("answer", what=3) + wait + client("answer") * 15
    yield "map", shown + picture("map") + picture("update_map") + client("done") + picture("map")
    yield "map-offset", shown + picture("map", offset=16, stride=64) + picture("update_map", x=3)
    yield "map-short", shown + b"".join(picture("map", change=i, odd=23) for i in range(6))
    yield "dmabuf", shown + picture("dmabuf") + picture("update_dmabuf") + client("done")
    yield "dmabuf2", shown + picture("dmabuf2", x=2, y=2, offset=4) + picture("update_dmabuf")
    yield "bytes", shown + picture("bytes") + picture("update_bytes", 8, 8, x=3) + client("done") * 2
    yield "bytes-16", shown + picture("bytes", stride=255, how=1) + picture("bytes", how=3)
    yield "modifier", shown + picture("dmabuf", change=0x8f, odd=5) + picture("dmabuf", change=0x4f)
    yield "unread-input", shown + client("deaf", what=1) + b"".join(
        client("input", 0x80, what, 255, words(30, 1, 5, 5)) for what in range(7)) + client("deaf")
    yield "wheel", (start + wait + client("answer", what=1) + wait + client("answer") * 4 + client(
        "answer", how=0x80) + wait + client("answer") + wait + b"".join(client(
            "input", what=4, values=struct.pack("<ii", dx, dy)) for dx, dy in (
                (0, 500), (0, -100), (300, 0), (-70, -70))))
    yield "disable", shown + picture("map") + picture("disable") + picture("update_map")
    yield "cursor", shown + picture("cursor") + picture("mouse", change=1)
    yield "cursor-wrong", shown + b"".join(picture("cursor", change=change, odd=odd)
                                           for change in (0, 1) for odd in (0, 8, 11, 23))
    yield "signals", shown + b"".join(client("signal", what=i, values=bytes([1, 5, 0, 7, 0, 1]))
                                      for i in range(6))
    yield "input", shown + b"".join(client("input", what=i, values=words(30, 1, 5, 5))
                                    for i in range(7)) + client("monitor", values=b"\1" * 20)
    yield "stock", (start + wait + client("answer", what=1) + wait + client("answer") * 4 +
                    client("answer", how=0x80) + wait + client("answer") + wait + client(
                        "input", what=4, values=words(0, 0, 1000, 0)))
    yield "too-early", start + wait + client("answer", how=0x80) + client("timer") + known
    yield "refused", start + known + client("answer", what=3, how=0x80)
    for place in (1, 4, 8, 12, 16, 20, 40, 60):
        yield f"bent-{place}", shown + picture("map") + client("picture_bent", values=bytes(
            [31, 31]).ljust(24, b"\0") + bytes([place, 7]))
    yield "answer-bent", start + wait + client("answer_bent", what=1, values=bytes(24) + b"\1\3")
    yield "gone", shown + picture("map") + picture("update_map") + client("close") + client("done")
    yield "ignored", shown + picture("map") + picture("update_map") + client("ignore") + client(
        "done") + client("listen") + wait + client("answer") + wait + picture("map")
    yield "qmp", client("answer", what=1, how=1) + b"".join(
        client("qmp", what=i) for i in (0, 1, 4, 2, 3)) + wait
    queued = shown + client("deaf", what=1) + client("input", 0x80, 2, 255, words(5, 0, 5, 0))
    yield "unread-releases", queued + b"".join(
        client("input", 0, what, 0, values) for what, values in (
            (0, words(30, 1)), (0, words(30, 0)), (1, bytes([1, 1])), (1, bytes([1, 0])),
            (5, bytes([0, 1])), (5, bytes([1, 1])), (5, bytes([2, 1])), (5, bytes([3, 1])),
            (6, b""))) + client("deaf") * 3
    yield "interfaces", shown + client("picture_odd", 0, 255) + client("picture_odd", 0, 255, 1)
    yield "qmp-refuses-the-display", client("answer", what=1, how=1) + b"".join(
        client("qmp", what=i) for i in (0, 1, 2, 7)) + wait
    yield "qmp-no", client("answer", what=1, how=1) + client("qmp") + client("qmp", what=5)


# --- input: fuzz_input.c ---------------------------------------------------------------------

INPUT = {name: number for number, name in enumerate(
    "post post_odd status kick key button move_to move_by scroll touch release_all flood pause "
    "reset select".split())}


def event(kind, a=0, b=0, c=0, d=0):
    return struct.pack("<BBHII", INPUT[kind], a, b, c & 0xffffffff, d & 0xffffffff)


def input_seeds():
    keyboard, tablet, mouse, touch = (event("post", kind) for kind in range(4))
    yield "keys", (keyboard + event("post", 63) + event("key", 1, 30) + event("key", 0, 30) +
                   event("status", b=1, c=1) + event("status", b=1))
    yield "late-buffers", keyboard + event("key", 1, 30) + event("key", 1, 31) + event("post", 3) + \
        event("post", 1) + event("post", 9)
    yield "pointer", tablet + event("post", 63) + event("move_to", c=5, d=6) + event(
        "button", 3) + event("scroll", 1, c=120, d=-60) + event("button", 2)
    yield "mouse", mouse + event("post", 63) + event("move_by", c=5, d=-6) + event(
        "scroll", 0, c=0, d=240) + event("button", 1) + event("release_all")
    yield "fingers", touch + event("post", 63) + b"".join(
        event("touch", 0, slot, slot, 7) + event("touch", 1, slot, 9, 9)
        for slot in range(10)) + event("post", 63) + event("touch", 2, 3) + event("release_all")
    yield "flood", keyboard + event("flood", 200, c=3) + event("post", 63) * 4
    yield "flood-touch", touch + event("flood", 200, c=3) + event("post", 63) * 4
    yield "pause", keyboard + event("post", 5) + event("key", 1, 30) + event("pause") + event(
        "post", 20)
    yield "reset", keyboard + event("post", 5) + event("key", 1, 30) + event("reset") + event(
        "post", 20) + event("key", 1, 30)
    yield "odd-buffers", keyboard + event("post_odd", 3, 4) + event("post_odd", 0, 16) + event(
        "key", 1, 30) + event("status", 4) + event("status", 6)
    yield "select", keyboard + b"".join(event("select", b=what, d=2) for what in (
        1, 3, 0x10, 0x0111, 0x0211, 0x0311, 0x1111, 0x1411, 0x12, 0x2f12))
    yield "statuses-in-one-go", keyboard + event("status", 16, b=1, c=1) * 64 + event("kick", 1)
    yield "found-statuses-without-a-kick", keyboard + event("key", 1, 30) + event(
        "status", 16, b=1, c=1) * 64
    yield "rubbish-in-one-go", keyboard + event("post_odd", 0, 4) * 64 + event("key", 1, 30)


# --- render: fuzz_render.c -------------------------------------------------------------------

RENDER = {name: number for number, name in enumerate(
    "create destroy blob import unref attach detach submit reset ready done fence lost raw read "
    "deaf die timer spawn_fails pause".split())}


def render(kind, which=0, what=0, how=0, a=0, b=0, c=0):
    return struct.pack("<BBBBIQQ", RENDER[kind], which, what, how, a, b, c)


def render_seeds():
    start = render("create")
    made = render("ready") + render("create", a=5) + render("done")
    blob = render("blob", what=1, how=1, b=3)
    memory = render("done", what=1, b=3)
    yield "context", start + made + render("destroy")
    yield "blob", start + made + blob + memory + render("attach", what=1) + render(
        "detach", what=1) + render("unref", what=1)
    yield "blob-refused", start + made + blob + render("done", how=0x40)
    yield "blob-short", start + made + blob + render("done", what=1, how=2, b=3)
    yield "blob-shrinks", start + made + blob + render("done", what=1, how=1, b=3)
    yield "submit", start + made + render("submit", how=1, a=8) + render("fence") + render(
        "submit", how=0x81, a=90000) + render("fence")
    yield "fence-too-many", start + made + render("fence")
    yield "two", (start + made + render("ready", 1) + render("create", 1) +
                  render("done", 1) + blob + memory + render("attach", 1, 1) + render("unref",
                                                                                     what=1))
    two = (start + made + render("ready", 1) + render("create", 1) + render("done", 1) + blob +
           render("attach", 1, 1) + render("submit", 1, how=1, a=8))
    yield "promised", two + memory + render("detach", 1, 1) + render("unref", what=1)
    yield "promised-in-vain", two + render("done", how=0x40) + render("detach", 1, 1)
    yield "promised-and-detached", (two + render("detach", 1, 1) + render("attach", 1, 1) + memory +
                                    render("submit", 1, how=1, a=8))
    yield "promised-by-the-dead", two + render("die") + render("submit", 1, how=1, a=8)
    yield "promised-to-the-dead", two + render("destroy", 1) + memory
    yield "promised-at-the-end", two + render("reset")
    yield "import", start + made + render("import", what=2) + render("attach", what=2) + render(
        "detach", what=2)
    full = render("submit", how=0x60, a=8000)
    yield "deaf", (start + made + render("deaf", how=1) + full + blob + render("import", what=2) +
                   render("attach", what=2) + render("submit", how=0x81, a=30000) * 3 +
                   render("deaf") + render("read") * 3)
    yield "deaf-dies", start + made + render("deaf", how=1) + full + blob + render("die")
    yield "deaf-destroyed", start + made + render("deaf", how=1) + full + blob + render(
        "fence") + render("destroy")
    yield "deaf-reset", start + made + render("deaf", how=1) + full + blob + render("reset")
    yield "deaf-watched", render("create", how=1) + made + render("deaf", how=1) + full + render(
        "timer") * 10
    # Rings, which a context that is lost leaves behind.
    ring = render("submit", what=1, how=0x10)
    rings = ring + render("submit", what=1, how=0x10, a=2, b=4, c=64) + render(
        "submit", what=1, how=0x10, a=1, b=1 << 63 | 2) + render("submit", what=1, how=0x18, a=20)
    yield "rings", start + made + blob + memory + rings + render("lost")
    time = b"".join(render("timer", what=what) for what in range(4))
    yield "rings-and-hang", (render("create", how=2) + made + blob + memory + ring +
                             render("submit", what=1, how=1) + render("pause", how=1) + time +
                             render("pause") + time * 10)
    yield "rings-without-memory", start + made + blob + rings + render("unref", what=1) + render(
        "die")
    # More files than may wait for a process.
    yield "files-wait", start + made + render("deaf", how=1) + full * 2 + (
        render("import", what=2, how=0x20) + render("unref", what=2)) * 6
    yield "watchdog", render("create", how=1) + made + blob + render("timer") * 10
    yield "lost", start + made + blob + render("lost", what=65) + render("destroy")
    yield "dies", start + made + blob + render("submit", how=1) + render("die") + render("destroy")
    yield "spare-dies", start + render("ready") + render("die") + render("ready") + render("die")
    yield "no-spare", start + render("spawn_fails", how=1) + render("die") + render("create")
    yield "reset", start + made + blob + render("submit", how=1) + render("reset") + made


# --- the others ------------------------------------------------------------------------------

def wire_seeds():
    for kind in range(1, 12):
        yield f"datagram-{kind}", bytes([0, 0x10 | (0x80 if kind > 7 else 0), 64, 0, kind])
        yield f"datagram-fd-{kind}", bytes([0, 0x11 | (0x80 if kind > 7 else 0), 64, 0, kind])
        yield f"message-{kind}", bytes([1, kind - 1, 0, 0, 0]) + bytes(range(80))
    yield "pages", bytes([2, 0, 1, 2, 2, 1, 1, 0, 3, 1, 0, 0])
    yield "pages-two-files", bytes([2, 0, 2, 3, 3, 0, 1, 0, 4, 1, 1, 8, 1, 0, 0])
    yield "pages-beyond", bytes([2, 0, 1, 1, 1, 15, 2, 0])


def config_seeds():
    for name, text in {
            "number": "3", "list": "1920x1080@59.94,side:1280x1024@75/376x301mm,x:off",
            "names": "a:off,b:640x480", "wrong": "1x1,:,@,/"}.items():
        yield "outputs-" + name, b"\0\0" + text.encode()
    yield "hesperd", (b"\1\0--fd=3\n--outputs=2\n--render=none\n--window-size=64\n"
                      b"--watchdog=2.5\n--log=debug\n--sandbox=strict\n--name=a\n--max-outputs=4")
    yield "view", (b"\1\1--socket=s\n--size=640x480\n--refresh=59.94\n--scale=fit\n"
                   b"--console=1\n--headless\n--screenshot=a.png\n--pointer=auto\n--device=0")
    yield "found-odd-window-beside-check-sandbox", (
        b"\1\0--fd=3\n--window-size=28\n--check-sandbox")
    yield "view-qmp", b"\1\1--qmp=q\n--cursor=draw\n--filter=nearest\n--frames=9"
    yield "qmp", (b'\2\50{"QMP": {}}\r\n{"return": {}}\n{"event": "STOP"}\n'
                  b'{"error": {"desc": "no"}}\n')
    greeting = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'
    for name, quits in (("monitor", 3), ("monitor-quits-early", 0), ("monitor-ends", 2)):
        yield name, (bytes([5, quits, 50]) + greeting + b'{"return": {}}\n{"event": "STOP"}\n'
                     b'no\n{"error": {"desc": "no"}}\n{"return": {}}\n{"error": {}}\n')
    yield "monitor-refuses", bytes([5, 1, 9]) + greeting + b'{"error": {"desc": "no"}}\n'
    yield "control", (b'\2\7hello {"kernel": 1}\napp = {"frames": 3}\n7 > some words\n7 = 255\n'
                      b"7 ? not found\n8 = 256\n")
    yield "qemu-log", (b"\2\377qemu-system-x86_64: Failed preparing vhost-user memory table msg\n"
                       b"q: vhost_set_mem_table failed: No buffer space available (105)\n")
    yield "found-line-of-nuls", b"\2\7\0\0\nwords\n"
    yield "version", b"\3QEMU emulator version 11.1.3 (Debian 1:11.1.3)\n"
    yield "report", (
        b'\4{"memory_path":"dma-buf","host_device":"d","virglrenderer":"1","frames_dropped":1,'
        b'"blob_path_cpu_copied_bytes":0,"scanout_blob_commands":3,"contexts":1}\n'
        b'{"width":1,"height":1,"format":"f","frames_presented":3,"frames_dropped":0,'
        b'"seconds":1.5,"fps":60,"frame_ms":{},"cpu_copied_bytes":0}\n{"frames":3}\n'
        b'{"mesa":"26"}')


def edid_seeds():
    for width, height, rate in ((640, 480, 60000), (1920, 1080, 59940), (3840, 2160, 143856),
                                (8192, 8192, 30000), (64, 64, 1000), (64, 64, 1000000),
                                (8192, 64, 240000)):
        for width_mm, height_mm in ((0, 0), (527, 296), (4095, 10), (4095, 4095)):
            yield f"{width}x{height}-{rate}-{width_mm}", struct.pack(
                "<6I", width, height, width_mm, height_mm, rate, 7) + b"NAME OF IT"
    # Millimetres that readers take for a ratio.
    yield "found-size-of-a-ratio", struct.pack("<6I", 64, 64, 4, 3, 60000, 7)


SEEDS = {"gpu": gpu_seeds, "vhost": vhost_seeds, "rings": rings_seeds, "server": server_seeds,
         "client": client_seeds, "input": input_seeds, "render": render_seeds, "wire": wire_seeds,
         "config": config_seeds, "edid": edid_seeds}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    target, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for name, data in SEEDS.get(target, lambda: ())():
        name = name if name.startswith("found-") else "seed-" + name
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
