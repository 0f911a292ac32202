#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/chain.py [--rounds N] [--json FILE]: the whole chain, measured.

One guest, one run. Flip rate of hesper-cube at 240 Hz with no viewer and with a headless one, in
turn, and vkmark's headless scenes. Medians with (min–max); figures that are compared come from the
same run. Run it where hesper was built, on an otherwise idle machine:  ./dev bench/chain.py
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "e2e"))
os.environ.setdefault("HESPERD", os.path.join(HERE, "..", "build", "bin", "hesperd"))
os.environ.setdefault("HESPER_VIEW", os.path.join(HERE, "..", "build", "bin", "hesper-view"))

from machine import Machine, wait_for  # noqa: E402

FRAMES = 960


def spread(values):
    return {"median": round(statistics.median(values), 2), "min": round(min(values), 2),
            "max": round(max(values), 2), "n": len(values)}


def show(name, unit, result):
    print(f"{name:44} {result['median']:9} {unit:7} ({result['min']}–{result['max']}, "
          f"n={result['n']})", flush=True)


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {"model": names[0] if names else platform.machine(), "count": len(names)}


def describe(machine):
    stats = machine.stats()
    qemu = subprocess.run([os.environ.get("HESPER_QEMU", "qemu-system-x86_64"), "--version"],
                          capture_output=True, text=True, check=True).stdout.splitlines()[0]
    with open("/proc/loadavg") as file:
        load = file.read().split()[0]
    return {"processor": processor(), "kernel": platform.release(), "qemu": qemu,
            "guest": machine.guest.hello, "load_at_start": float(load),
            **{key: stats[key] for key in ("memory_path", "host_device", "host_driver",
                                           "virglrenderer", "hesper")}}


def cube(machine):
    result = machine.guest.run(f"hesper-cube --frames {FRAMES} --json -", 120).json()
    assert result["errors"] == []
    return result


def flips(machine, rounds):
    alone, shown, presented, dropped, latency = [], [], [], 0, []
    for _ in range(rounds):
        alone.append(cube(machine)["fps"])
        sent = machine.stats()["frames_sent"]
        viewer = machine.viewer()
        wait_for("viewer", lambda: machine.stats()["frames_sent"] > sent)
        shown.append(cube(machine)["fps"])
        summary = viewer.stop()
        presented.append(1000 / summary["frame_ms"]["p50"])
        latency.append(summary["present_ms"]["p50"])
        dropped += summary["frames_dropped"]
    return {"flips_per_s_no_viewer": spread(alone), "flips_per_s_viewer": spread(shown),
            "ratio": spread([b / a for a, b in zip(alone, shown)]),
            "presents_per_s_at_median_interval": spread(presented),
            "present_ms": spread(latency), "frames_dropped_by_viewer": dropped}


def vkmark(machine, scene, rounds):
    rates = []
    for _ in range(rounds):
        output = machine.guest.run(f"vkmark --winsys headless -b {scene}:duration=6", 60).output
        rates += [float(line.split("FPS:")[1].split()[0]) for line in output.splitlines()
                  if "FPS:" in line]
    return spread(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    with Machine("--refresh=240") as machine:
        result = {"about": describe(machine)}
        print(json.dumps(result["about"], indent=1))
        result["flips"] = flips(machine, options.rounds)
        for name, unit in (("flips_per_s_no_viewer", "1/s"), ("flips_per_s_viewer", "1/s"),
                           ("ratio", ""), ("presents_per_s_at_median_interval", "1/s"),
                           ("present_ms", "ms")):
            show("cube 1280x800 at 240 Hz: " + name, unit, result["flips"][name])
        result["vkmark"] = {}
        for scene in ("cube", "clear"):
            result["vkmark"][scene] = vkmark(machine, scene, options.rounds)
            show(f"vkmark headless {scene} 800x600", "fps", result["vkmark"][scene])
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
