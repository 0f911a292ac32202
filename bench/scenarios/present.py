# SPDX-License-Identifier: MIT
"""hesper-view at full rate: finished pictures in memfds, served by hesperd's own display server, the next
as soon as the last is answered. Beside it, in turns, loops of nothing but the copy."""

import json
import os
import shutil
import subprocess
import tempfile
import time

import screens
from harness import Failed, NotHere, Scenario, ratios, run_json, spread

NAME = "present"
WORDS = "hesper-view at full rate, beside bare copies of the same size on the same driver"

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440), "4k": (3840, 2160),
         "8k": (7680, 4320)}
BARE = {"copy": "vkCmdCopyBufferToImage out of imported pages, alone in a loop",
        "blit": "vkCmdBlitImage from image to image, alone in a loop",
        "memcpy": "memcpy into the driver's memory, alone in a loop"}
PATHS = {"host-memory": "the GPU copies out of the guest's pages",
         "dma-buf": "the GPU copies out of the guest's dma-buf",
         "copy": "the CPU copies into the driver's memory, then the GPU does"}
VIEWS = {"headless": "into images", "x11": "into a window of Xvfb",
         "wayland": "into a window of weston without a screen"}

COLUMNS = (("ms", "ms per frame"), ("fps", "frames/s"), ("over_bare", "× bare copy"),
           ("over_copy", "copy path ÷ this"), ("cpu_ms", "CPU ms per frame"),
           ("cpu_own_ms", "of that not the driver's"), ("p99_ms", "p99 ms"),
           ("shown", "% shown"), ("copied", "bytes copied by the CPU"))


def scenarios():
    for size in SIZES:
        for kind, words in BARE.items():
            yield Scenario(f"{NAME}/{size}/bare/{kind}", words)
        for view, into in VIEWS.items():
            for path, words in PATHS.items():
                short = path != "dma-buf" and (view == "headless" or size in ("1080p", "4k"))
                yield Scenario(f"{NAME}/{size}/{path}/{view}", f"{words}, {into}", short)


def _frames(bench, size):
    """About as long for each size, and enough of the largest."""
    width, height = SIZES[size]
    return bench.count(min(400, max(60, round(400e6 / (width * height)))), 5)


class Screen:
    """Where the viewer shows its pictures."""

    def __init__(self, view, size, folder):
        self.width, self.height = SIZES[size]
        self.env, self.options, self.processes = {}, [], []
        if view == "headless":
            self.options = ["--headless"]
        elif view == "x11":
            self._start_x()
        else:
            self._start_weston(folder)

    def _start_x(self):
        process, self.env = screens.start_xvfb(self.width, self.height)
        self.processes.append(process)
        self.options = ["--size", f"{self.width}x{self.height}", "--no-resize", "--scale", "1:1"]

    def _start_weston(self, folder):
        if not shutil.which("weston"):
            raise NotHere("there is no weston. Fix: install weston")
        path = os.path.join(folder, "wayland-bench")
        self.env = {"XDG_RUNTIME_DIR": folder, "WAYLAND_DISPLAY": "wayland-bench", "DISPLAY": "",
                    "SDL_VIDEODRIVER": "wayland"}
        log = os.path.join(folder, "weston.log")
        weston = subprocess.Popen(
            ["weston", "--backend=headless", "--renderer=pixman", "--socket=wayland-bench",
             f"--width={self.width}", f"--height={self.height}", "--idle-time=0", f"--log={log}"],
            env=dict(os.environ, **self.env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.processes.append(weston)
        end = time.monotonic() + 20
        while not os.path.exists(path):
            if weston.poll() is not None or time.monotonic() > end:
                raise NotHere("weston does not start without a screen")
            time.sleep(0.02)
        self.options = ["--size", f"{self.width}x{self.height}", "--no-resize", "--scale", "1:1",
                        "--full-screen"]

    def close(self):
        for process in self.processes:
            screens.stop(process)


def _wait(process, what, timeout):
    try:
        _, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed(f"{what} still runs after {timeout} s") from None
    return errors or ""


def show(bench, size, path, view):
    """One round: what hesper-bench-present says, with the viewer's summary in "view"."""
    width, height = SIZES[size]
    frames = _frames(bench, size)
    with tempfile.TemporaryDirectory(prefix="hesper-bench-") as folder:
        os.chmod(folder, 0o700)
        screen = None
        server = viewer = None
        socket, summary = os.path.join(folder, "display"), os.path.join(folder, "summary.json")
        try:
            screen = Screen(view, size, folder)
            server = subprocess.Popen(
                [bench.tool("hesper-bench-present"), "--socket", socket, "--size", f"{width}x{height}",
                 "--frames", str(frames), "--warm-up", str(max(5, frames // 10))],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            viewer = subprocess.Popen(
                [bench.program("hesper-view", "HESPER_VIEW"), "--socket", socket, "--wait", "20",
                 "--summary", summary, "--import", "copy" if path == "copy" else "auto",
                 *screen.options],
                env=dict(os.environ, **screen.env), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True)
            try:
                said, errors = server.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                raise Failed(f"{frames} frames of {size} take longer than 120 s") from None
            view_errors = _wait(viewer, "hesper-view", 30)
            if server.returncode != 0 or viewer.returncode != 0:
                raise Failed(f"{errors.strip()} {view_errors.strip()}"[-400:])
            with open(summary) as file:
                return {**json.loads(said), "view": json.load(file)}
        finally:
            for process in (viewer, server):
                if process is not None and process.poll() is None:
                    process.kill()
                    process.communicate()
            if screen is not None:
                screen.close()


def check(result, path):
    """What was measured is what is said: the path, and who copied."""
    view = result["view"]
    if view["memory_path"] != path:
        raise NotHere(f"pictures come by {view['memory_path']} on this host")
    copied = view["cpu_copied_bytes"] + result["copied"]
    if (copied > 0) != (path == "copy"):
        raise Failed(f"{copied} bytes were copied by the CPU on the path {path}")
    return copied


def _bare(bench, size, kind):
    width, height = SIZES[size]
    frames = _frames(bench, size)
    return run_json([bench.tool("hesper-bench-copy"), "--size", f"{width}x{height}", "--kind", kind,
                     "--frames", frames, "--warm-up", max(5, frames // 10)])


def _one(bench, size, middle, last):
    if middle == "bare":
        result = _bare(bench, size, last)
    else:
        if middle == "dma-buf":
            raise NotHere(why_no_dma_buf())
        result = show(bench, size, middle, last)
        result["all_copied"] = check(result, middle)
    return result


def why_no_dma_buf():
    if not os.path.exists("/dev/udmabuf") and not os.path.isdir("/dev/dri"):
        return "this host makes no dma-bufs: neither /dev/udmabuf nor /dev/dri is there"
    return "frames without a guest are memfds; a guest's are measured by guest/…"


def run(names, bench):
    for size in SIZES:
        chosen = [tuple(n.split("/")[2:]) for n in names if n.split("/")[1] == size]
        if chosen:
            _run_size(bench, size, chosen)


def _run_size(bench, size, chosen):
    # What the others are compared with is always there.
    order = list(dict.fromkeys([("bare", "copy")] + chosen))
    found, why = {key: [] for key in order}, {}
    for turn in range(bench.rounds):
        for index, key in enumerate(order):
            if key in why:
                continue
            bench.say(f"{NAME} {size}, round {turn + 1} of {bench.rounds}: {index + 1} of {len(order)}, "
                      f"{'/'.join(key)}")
            try:
                found[key].append(_one(bench, size, *key))
            except NotHere as error:
                why[key] = ("not_here", str(error))
            except (Failed, OSError) as error:
                why[key] = ("failed", str(error))
    for key in order:
        name = "/".join((NAME, size) + key)
        if key in why:
            bench.results[name] = {"figures": {}, why[key][0]: why[key][1]}
        else:
            bench.record(name, _figures(found, key), samples={
                "rounds": bench.rounds, "frames_in_a_round": _frames(bench, size)},
                driver=_driver(found[key][0]))


def _driver(result):
    view = result.get("view", result)
    return f"{view['device']}, {view['driver']}"


def _ms(results):
    return [r["rounds"][0]["ms"] for r in results]


def _figures(found, key):
    results = found[key]
    figures = {"ms": spread(_ms(results)), "fps": spread([1000 / ms for ms in _ms(results)]),
               "p99_ms": spread([r["interval_us"]["p99"] / 1000 for r in results]),
               "over_bare": spread(ratios(_ms(results), _ms(found["bare", "copy"])))}
    if key[0] != "bare":
        figures["cpu_ms"] = spread([r["rounds"][0]["cpu_ms"] for r in results])
        figures["cpu_own_ms"] = spread([r["rounds"][0]["cpu_own_ms"] for r in results])
        # Not of the last one, which was still on its way.
        figures["shown"] = min(round(100 * r["view"]["frames_presented"] / (r["sent"] - 1), 1)
                               for r in results)
        figures["copied"] = max(r["all_copied"] for r in results)
        other = found.get(("copy", key[1]))
        if key[0] != "copy" and other and len(other) == len(results):
            figures["over_copy"] = spread(ratios(_ms(other), _ms(results)))
    return figures


def _get(results, name, key):
    return results.get(name, {}).get("figures", {}).get(key)


def targets(results):
    found = []
    for size in list(SIZES)[1:]:
        over = _get(results, f"{NAME}/{size}/host-memory/headless", "over_bare")
        if over:
            found.append({"what": f"{size}, host memory, headless: time of the bare copy",
                          "wanted": "≤ 1.10 ×", "got": f"{over['median']:.2f} × "
                          f"({over['min']:.2f}–{over['max']:.2f})", "met": over["median"] <= 1.10})
    faster = _get(results, f"{NAME}/4k/host-memory/headless", "over_copy")
    if faster:
        found.append({"what": "4k, headless: the copying path, as a multiple", "wanted": "≥ 1.5 ×",
                      "got": f"{faster['median']:.2f} ×", "met": faster["median"] >= 1.5})
    return found


def plots(results):
    series = []
    for words, path in (("bare copy", "bare/copy"), ("host memory, headless", "host-memory/headless"),
                        ("copy, headless", "copy/headless"), ("host memory, X11", "host-memory/x11"),
                        ("host memory, Wayland", "host-memory/wayland")):
        points = [[size, f["median"], f["min"], f["max"]] for size in SIZES
                  for f in [_get(results, f"{NAME}/{size}/{path}", "ms")] if f]
        if points:
            series.append({"name": words, "points": points})
    if series:
        yield {"file": "present", "kind": "bars", "logy": True, "title": "Time of a frame", "x": "",
               "y": "ms per frame", "series": series}
