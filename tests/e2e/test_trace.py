# SPDX-License-Identifier: MIT
"""Traces of a machine and its viewers: every stage, every frame's way from the guest's flip to the
screen, what was left out and why; and what a viewer that is killed leaves."""

import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from machine import Machine, program, run_tests, wait_for
from tracecheck import Trace
from xserver import XServer

STAGES = {"hesperd": {"flip", "notify", "blob", "map", "submit", "fence", "folded", "late"},
          "hesper-view": {"arrive", "wait", "display", "gpu copy", "present", "answered"}}

machine = None
server = None


def holders(path):
    """The processes that have the file open, of those that we may look into: as root, all."""
    found = set()
    wanted = os.stat(path)
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for fd in glob.glob(f"/proc/{pid}/fd/*"):
            try:
                if os.path.samestat(os.stat(fd), wanted):
                    found.add(int(pid))
            except OSError:
                pass  # closed meanwhile
    return found


def merge(out, *files):
    run = subprocess.run([program("HESPER"), "trace", *files, "-o", out, "--json"], check=False,
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout), run.stderr


def wait_for_flips(count):
    before = machine.stats()["scanout_blob_commands"]
    wait_for("flips", lambda: machine.stats()["scanout_blob_commands"] > before + count, timeout=60)


def test_frames_are_followed():
    """A viewer with a window, and one that stops for a while and is then killed."""
    window = machine.viewer("--trace", machine.path("window.json"), window=True, env=server.env)
    other = machine.viewer("--trace", machine.path("killed.json"))
    cube = machine.guest.start("hesper-cube --frames 0")
    wait_for_flips(60)
    # Neither renderers nor who runs errands, nor hesperd's other half.
    for name, owner in (("hesperd.json", machine.device()), ("window.json", window.process.pid)):
        found = holders(machine.path(name))
        assert found == {owner} or (not found and os.geteuid() != 0), (name, found, owner)
    other.process.send_signal(signal.SIGSTOP)
    dropped = machine.stats()["frames_dropped"]
    wait_for("dropped frames", lambda: machine.stats()["frames_dropped"] > dropped + 5)
    other.process.send_signal(signal.SIGCONT)
    wait_for_flips(60)
    cube.signal()
    cube.wait()
    summary = window.stop()
    other.kill()
    print(f"# {summary['frames_presented']} frames presented in the window")
    machine.frames = summary["frames_presented"]


def test_killed_viewer_leaves_whole_lines():
    with open(machine.path("killed.json"), encoding="utf-8") as file:
        text = file.read()
    events = json.loads(text + "\n]")
    assert len(events) > 60 and events[0]["name"] == "process_name"


def test_counters_at_any_time():
    """SIGUSR1 writes the summary while the viewer goes on."""
    shown = machine.log("hesperd.log").count("a viewer shows head 0")
    viewer = machine.viewer()
    # Before it listens to signals, one would end it.
    wait_for("viewer", lambda: machine.log("hesperd.log").count("a viewer shows head 0") > shown)
    cube = machine.guest.start("hesper-cube --frames 0")

    def presented():
        viewer.process.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
        if not os.path.exists(viewer.summary_path):
            return 0
        with open(viewer.summary_path, encoding="utf-8") as file:
            return json.load(file)["frames_presented"]

    first = wait_for("a summary with frames", presented)
    wait_for("one with more", lambda: presented() > first)
    cube.signal()
    cube.wait()
    assert viewer.stop()["frames_presented"] > first


def test_view_passes_it_on():
    path = machine.path("passed.json")
    subprocess.run([program("HESPER"), "view", "--socket", machine.path("display"), "--headless",
                    "--screenshot", machine.path("passed.png"), "--trace", path],
                   check=True, stdin=subprocess.DEVNULL, timeout=60)
    trace = Trace(path)
    assert list(trace.programs.values()) == ["hesper-view"]
    # Without hesperd's part it is known when a picture came, not what it came from.
    (way,) = trace.chains(first="t").values()
    assert [part["name"] for part in way] == ["arrive", "gpu copy", "present"], way


def test_merged_trace():
    """After hesperd's end, when its file is complete."""
    machine.close()
    with open(machine.path("hesperd.json"), encoding="utf-8") as file:
        assert len(json.load(file)) > 100
    figures, words = merge(machine.path("all.json"), *(machine.path(name) for name in (
        "hesperd.json", "window.json", "killed.json")))
    assert words == "", words
    trace = Trace(machine.path("all.json"))
    assert sorted(trace.programs.values()) == ["hesper-view", "hesper-view", "hesperd"]
    stages = trace.stages()
    for name, expected in STAGES.items():
        missing = expected - {stage for owner, stage in stages if owner == name}
        assert not missing, f"{name} has no {missing}"
    times = [event.get("ts", 0) for event in trace.events]
    assert times == sorted(times), "the merged file is not in order"
    overlapping = trace.overlapping(["hesperd", "hesper-view"])
    assert not overlapping, overlapping
    presented, whole = trace.complete()
    print(f"# of {presented} frames presented, {whole} have their whole way")
    assert presented >= machine.frames and whole >= 0.9 * presented
    # `hesper trace` says the same, by the figures of each frame instead of its arrows.
    frames = figures["frames"]
    assert frames["presented"] == presented and abs(frames["complete"] - whole) <= 2, frames
    last = 0
    for name in ("notified", "arrived", "submitted", "copied", "presented"):
        row = frames[f"decoded_to_{name}"]
        assert row["count"] == frames["complete"]
        assert last <= row["p50_us"] <= row["p90_us"] <= row["p99_us"] <= row["max_us"], frames
        last = row["p50_us"]
    reasons = {row["reason"] for row in figures["left_out"] if row["what"] == "folded"}
    assert reasons & {"the viewer is late", "the one before is on its way"}, reasons
    # The guest's own numbers: each flush of the head once, in order.
    flips = [event for event in trace.events if event["ph"] == "X" and event["name"] == "flip"]
    numbers = [event["args"]["flush"] for event in sorted(flips, key=lambda e: e["ts"])]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers


def main():
    global machine, server
    trace = tempfile.mktemp(prefix="hesper-trace-")
    with XServer() as server, Machine("--log=info", f"--trace={trace}") as machine:
        os.rename(trace, machine.path("hesperd.json"))
        return run_tests([test_frames_are_followed, test_killed_viewer_leaves_whole_lines,
                          test_counters_at_any_time, test_view_passes_it_on, test_merged_trace])


if __name__ == "__main__":
    sys.exit(main())
