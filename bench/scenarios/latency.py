# SPDX-License-Identifier: MIT
"""Where a frame's time goes, from the guest's flip to the screen: what hesper trace says of traces."""

import os
import tempfile

import screens
from guests import Machine, cube, wait_for
from harness import Failed, Scenario, run_json, spread
from scenarios.mapping import traced

NAME = "latency"
WORDS = ("A guest's cube on KMS, 1280x800, from its flip to the screen, and the fences of a program that waits "
         "for each frame; by traces of hesperd and hesper-view (docs/tracing.md)")

# View and the guest's refresh rate.
FRAMES = {"headless-60": (None, 60), "headless-240": (None, 240), "x11-60": ("x11", 60)}
STEPS = {"decoded_to_notified": "viewer notified", "decoded_to_arrived": "arrived there",
         "decoded_to_submitted": "GPU copy submitted", "decoded_to_copied": "GPU copy done",
         "decoded_to_presented": "presented", "decoded_to_answered": "device has its answer"}

COLUMNS = (("p50", "p50 µs"), ("p90", "p90 µs"), ("p99", "p99 µs"), ("max", "max µs"), ("mean", "mean µs"),
           ("count", "how many"))


def scenarios():
    for name, (view, rate) in FRAMES.items():
        yield Scenario(f"{NAME}/frame/{name}", f"flip to screen, {rate} Hz, "
                       f"{'a window of Xvfb' if view else 'no window'}", name == "headless-60")
    yield Scenario(f"{NAME}/fence", "a fence of vkmark's cube: from its creation until the guest has its answer")


def _merge(rounds):
    """Of percentiles of several rounds: spreads of each."""
    return {"p50": spread([r["p50_us"] for r in rounds]), "p90": spread([r["p90_us"] for r in rounds]),
            "p99": spread([r["p99_us"] for r in rounds]), "max": spread([r["max_us"] for r in rounds]),
            "count": sum(r["count"] for r in rounds)}


def _frame_round(bench, view, rate):
    """hesper trace's figures of one machine."""
    frames = bench.count(10 * rate, rate)
    screen, env = None, {}
    with tempfile.TemporaryDirectory(prefix="hesper-bench-") as folder:
        device, viewer_file = os.path.join(folder, "device.json"), os.path.join(folder, "view.json")
        try:
            if view == "x11":
                screen, env = screens.start_xvfb(1280, 800)
            with Machine(f"--refresh={rate}", f"--trace={device}", devices=None) as machine:
                sent = machine.stats()["frames_sent"]
                viewer = machine.viewer(f"--trace={viewer_file}", "--no-resize",
                                        window=view is not None, env=env)
                wait_for("viewer", lambda: machine.stats()["frames_sent"] > sent)
                cube(machine.guest, frames)
                viewer.stop()
        finally:
            if screen is not None:
                screens.stop(screen)
        return run_json([bench.program("hesper", "HESPER"), "trace", "--json", device, viewer_file])


def _frames(bench, name):
    view, rate = FRAMES[name]
    rounds = []
    for turn in range(bench.rounds):
        bench.say(f"{NAME}, round {turn + 1} of {bench.rounds}: a cube at {name}")
        found = _frame_round(bench, view, rate)["frames"]
        if found["complete"] == 0:
            raise Failed(f"of {found['presented']} frames none is all there in the traces")
        rounds.append(found)
    for step in STEPS:
        if all(step in r for r in rounds):
            bench.record(f"{NAME}/frame/{name}/{step.removeprefix('decoded_to_')}",
                         _merge([r[step] for r in rounds]), samples={"machines": bench.rounds})


def _fences(bench):
    rounds = []
    for turn in range(bench.rounds):
        bench.say(f"{NAME}, round {turn + 1} of {bench.rounds}: fences")
        with tempfile.TemporaryDirectory(prefix="hesper-bench-") as folder:
            device = os.path.join(folder, "device.json")
            with Machine(f"--trace={device}", devices=None) as machine:
                seconds = max(1, 6 * bench.part)
                machine.guest.run(f"vkmark --winsys headless -b cube:duration={seconds:g}", 60)
            times = sorted(t for t in traced(device, ("fence",))["fence"])
        if not times:
            raise Failed("the trace has no fence")
        rounds.append({"mean": sum(times) / len(times), "count": len(times), "max_us": times[-1],
                       **{f"p{p}_us": times[min(len(times) - 1, len(times) * p // 100)]
                          for p in (50, 90, 99)}})
    bench.record(f"{NAME}/fence", {**_merge(rounds), "mean": spread([r["mean"] for r in rounds])},
                 samples={"machines": bench.rounds})


def run(names, bench):
    for name in FRAMES:
        if f"{NAME}/frame/{name}" in names:
            _frames(bench, name)
    if f"{NAME}/fence" in names:
        _fences(bench)


def targets(results):
    found = []
    submitted = results.get(f"{NAME}/frame/headless-60/submitted", {}).get("figures")
    if submitted:
        for key, most in (("p50", 150), ("p99", 1000)):
            got = submitted[key]["median"]
            found.append({"what": f"flip decoded to GPU copy submitted, {key}", "wanted": f"≤ {most} µs",
                          "got": f"{got:.0f} µs", "met": got <= most})
    fence = results.get(f"{NAME}/fence", {}).get("figures", {}).get("mean")
    if fence:
        found.append({"what": "a fence, created to retired, mean", "wanted": "≤ 120 µs",
                      "got": f"{fence['median']:.0f} µs", "met": fence["median"] <= 120})
    return found


def plots(results):
    series = []
    for key in ("p50", "p99"):
        points = []
        for name in FRAMES:
            for step in STEPS:
                place = f"{NAME}/frame/{name}/{step.removeprefix('decoded_to_')}"
                figure = results.get(place, {}).get("figures", {}).get(key)
                if figure and name == "headless-60":
                    points.append([STEPS[step], figure["median"], figure["min"], figure["max"]])
        if points:
            series.append({"name": f"{key}, headless, 60 Hz", "points": points})
    if series:
        yield {"file": "latency", "kind": "bars", "logy": True,
               "title": "A frame's way, since the guest's flip was decoded", "x": "", "y": "µs",
               "series": series}
