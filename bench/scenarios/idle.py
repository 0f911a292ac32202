# SPDX-License-Identifier: MIT
"""What hesper costs while nothing moves, and until something does."""

import json
import os
import subprocess
import tempfile
import time

import watch
from guests import Machine, below, wait_for
from harness import Failed, Scenario, spread

NAME = "idle"
WORDS = "hesper with a still picture, until it is there, and on disk"

STILL = {"alone": "hesperd, a scripted guest shows a still picture, nobody looks",
         "viewed": "hesperd, the same with hesper-view beside it",
         "viewer": "hesper-view of the same",
         "guest": "hesperd, a real guest whose cube stands still, with hesper-view beside it",
         "guest-viewer": "hesper-view of the same"}
STARTS = {"hesperd": "from fork until hesperd is ready, as it is used",
          "hesperd-none": "the same without a renderer",
          "hesper-view": "from fork until its first picture was drawn, headless"}
BINARIES = ("hesperd", "hesper-view", "hesper-render", "hesper")
SECONDS = 20
SIZE = "1280x800"

COLUMNS = (("cpu_percent", "CPU %"), ("wakeups_per_s", "wakeups/s"), ("rss_mib", "RSS MiB"),
           ("all_mib", "PSS MiB with helpers"), ("processes", "processes"), ("fds", "descriptors"),
           ("ms", "ms"), ("kib", "KiB"), ("wakers", "who wakes up (per s)"))


def scenarios():
    for name, words in STILL.items():
        yield Scenario(f"{NAME}/still/{name}", words, not name.startswith("guest"))
    for name, words in STARTS.items():
        yield Scenario(f"{NAME}/start/{name}", words)
    yield Scenario(f"{NAME}/binaries", "sizes of the programs, stripped of what debuggers read")


def _pids(pid):
    return [pid] + [p.pid for p in below(pid)]


def _device(pid):
    """hesperd's other half, which is the device (hesperd/keeper.c)."""
    for process in below(pid):
        if process.parent == pid and process.name == "hesperd":
            return process.pid
    return pid


def _rest(bench, pid, main):
    """Figures of a process and all below it; main is the one whose memory counts."""
    pids = _pids(pid)
    found = watch.rest(pids, max(2, SECONDS * bench.part))
    wakers = ", ".join(f"{name} {rate:g}" for name, rate in found.pop("wakers").items())
    return {"cpu_percent": round(found["cpu_percent"], 3),
            "wakeups_per_s": round(found["wakeups_per_s"], 2), "rss_mib": watch.rss_kib(main) / 1024,
            "all_mib": sum(watch.pss_kib(p) for p in pids) / 1024, "processes": len(pids),
            "fds": watch.fds(main), "wakers": wakers or "nobody"}


def _settle(pids):
    """Until two seconds pass without a change; what goes on for ever is what is looked for."""
    for _ in range(15):
        if watch.rest(pids, 1)["wakeups_per_s"] < 1:
            return


def _viewer(bench, socket, *options):
    return subprocess.Popen([bench.program("hesper-view", "HESPER_VIEW"), "--socket", socket, "--wait",
                             "20", "--headless", *options], stdin=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def _still(bench, names):
    """hesperd held by a scripted front end; with and without a viewer."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="hesper-bench-") as folder:
        socket = os.path.join(folder, "display")
        stats = os.path.join(folder, "stats.json")
        holder = subprocess.Popen(
            [bench.tool("hesper-bench-device"), "--hesperd", bench.program("hesperd", "HESPERD"),
             "--hold", SIZE, "--cpus", "free", "--", f"--display={socket}", f"--stats={stats}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        viewer = None
        try:
            line = holder.stdout.readline()
            if not line:
                raise Failed("hesperd did not start")
            pid = json.loads(line)["pid"]
            device = _device(pid)
            _settle(_pids(pid))
            if "alone" in names:
                bench.say(f"{NAME}: hesperd rests")
                found["alone"] = _rest(bench, pid, device)
            if "viewed" in names or "viewer" in names:
                viewer = _viewer(bench, socket)
                _settle(_pids(viewer.pid))
                bench.say(f"{NAME}: hesperd rests, and is looked at")
                found["viewed"] = _rest(bench, pid, device)
                bench.say(f"{NAME}: hesper-view rests")
                found["viewer"] = _rest(bench, viewer.pid, viewer.pid)
        finally:
            if viewer is not None:
                viewer.kill()
                viewer.wait()
            holder.stdin.close()
            try:
                holder.wait(20)
            except subprocess.TimeoutExpired:
                holder.kill()
                holder.wait()
            holder.stdout.close()
    return found


def _guest(bench):
    bench.say(f"{NAME}: a guest boots")
    with Machine() as machine:
        cube = machine.guest.start("hesper-cube --frames 0")
        viewer = machine.viewer()
        wait_for("pictures", lambda: machine.stats()["frames_sent"] > 30, 60)
        machine.guest.run("kill -STOP $(pidof hesper-cube)")
        _settle(_pids(machine.daemon.pid))
        bench.say(f"{NAME}: hesperd rests, a guest's cube stands still")
        found = {"guest": _rest(bench, machine.daemon.pid, machine.device())}
        bench.say(f"{NAME}: hesper-view rests, a guest's cube stands still")
        found["guest-viewer"] = _rest(bench, viewer.process.pid, viewer.process.pid)
        machine.guest.run("kill -CONT $(pidof hesper-cube)")
        cube.signal()
        cube.wait(20)
        viewer.kill()
        return found


def _ready_ms(bench, *options):
    read, write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="hesper-bench-") as folder:
        start = time.monotonic()
        process = subprocess.Popen(
            [bench.program("hesperd", "HESPERD"), f"--socket-path={folder}/vhost",
             f"--display={folder}/display", f"--ready-fd={write}", *options], pass_fds=[write],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as pipe:
            line = pipe.readline()
        took = time.monotonic() - start
        process.terminate()
        process.wait(20)
    if not line.startswith("ready "):
        raise Failed("hesperd did not start")
    return took * 1000


def _first_picture_ms(bench):
    with tempfile.TemporaryDirectory(prefix="hesper-bench-") as folder:
        socket = os.path.join(folder, "display")
        server = subprocess.Popen([bench.tool("hesper-bench-present"), "--hold", "--socket", socket,
                                   "--size", SIZE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
        try:
            while not os.path.exists(socket):
                if server.poll() is not None:
                    raise Failed("hesper-bench-present did not start")
                time.sleep(0.01)
            start = time.monotonic_ns()
            viewer = _viewer(bench, socket)
            line = server.stdout.readline()
            viewer.kill()
            viewer.wait()
        finally:
            server.stdin.close()
            server.wait(20)
            server.stdout.close()
    if not line:
        raise Failed("hesper-view drew nothing")
    return (json.loads(line)["first_ns"] - start) / 1e6


def _start(bench, name):
    count = bench.count(20, 3)
    times = []
    for turn in range(count):
        bench.say(f"{NAME}: start {turn + 1} of {count}, {name}")
        if name == "hesper-view":
            times.append(_first_picture_ms(bench))
        else:
            times.append(_ready_ms(bench, *(["--render=none"] if name == "hesperd-none" else [])))
    # The first finds nothing in any cache.
    bench.record(f"{NAME}/start/{name}", {"ms": spread(times[1:])}, samples={"starts": count - 1})


def stripped_kib(path):
    with tempfile.NamedTemporaryFile() as copy:
        run = subprocess.run(["strip", "-o", copy.name, path], check=False, capture_output=True)
        return os.path.getsize(copy.name if run.returncode == 0 else path) / 1024


def _render(bench):
    """hesper-render: in a build directory, or where the benchmarks' programs are installed, too."""
    folder = os.path.dirname(bench.tool("hesper-bench-device"))
    places = (os.path.join(folder, "..", *way, "hesper-render")
              for way in (("src", "render", "program"), ()))
    return next((path for path in places if os.path.exists(path)), None)


def _binaries(bench):
    hesperd = os.path.realpath(bench.program("hesperd", "HESPERD"))
    places = {"hesperd": hesperd, "hesper-view": bench.program("hesper-view", "HESPER_VIEW"),
              "hesper-render": _render(bench), "hesper": os.environ.get("HESPER")}
    for name in BINARIES:
        if places[name]:
            bench.record(f"{NAME}/binaries/{name}", {"kib": stripped_kib(places[name])})
    bench.record(f"{NAME}/binaries", {"kib": sum(
        r["figures"]["kib"] for n, r in bench.results.items() if n.startswith(f"{NAME}/binaries/"))})


def run(names, bench):
    still = [n.split("/")[2] for n in names if n.startswith(f"{NAME}/still/")]
    found = _still(bench, still) if set(still) & {"alone", "viewed", "viewer"} else {}
    if set(still) & {"guest", "guest-viewer"}:
        found.update(_guest(bench))
    for name in still:
        bench.record(f"{NAME}/still/{name}", found[name],
                     samples={"seconds": max(2, SECONDS * bench.part)})
    for name in STARTS:
        if f"{NAME}/start/{name}" in names:
            _start(bench, name)
    if f"{NAME}/binaries" in names:
        _binaries(bench)


def targets(results):
    def get(name, key):
        return results.get(f"{NAME}/{name}", {}).get("figures", {}).get(key)

    found = []
    for name in STILL:
        cpu, wakeups = get(f"still/{name}", "cpu_percent"), get(f"still/{name}", "wakeups_per_s")
        who = "hesper-view" if "viewer" in name else "hesperd"
        if cpu is not None:
            found.append({"what": f"{who} at rest ({name}), CPU and wakeups",
                          "wanted": "0.0 %, none that repeat", "got": f"{cpu:.2f} %, {wakeups:g}/s",
                          "met": round(cpu, 1) == 0 and wakeups < 0.2})
        rss = get(f"still/{name}", "rss_mib")
        if rss is not None and who == "hesperd":
            found.append({"what": f"hesperd's memory ({name})", "wanted": "≤ 20 MiB",
                          "got": f"{rss:.1f} MiB", "met": rss <= 20})
    ready = get("start/hesperd", "ms")
    if ready:
        found.append({"what": "hesperd's start", "wanted": "≤ 50 ms",
                      "got": f"{ready['median']:.0f} ms", "met": ready["median"] <= 50})
    return found


def plots(results):
    return []
