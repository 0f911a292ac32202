#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/sandbox.py [--rounds N] [--json FILE]: what the sandbox costs.

Two machines, one with --sandbox=strict and one with --sandbox=off (device, renderers and viewer), take
turns in one run: hesper-cube on the screen with a viewer, which is paced by the guest's 240 Hz, and off
the screen, which is not. Ratios are of neighbouring turns; medians with (min–max). Run it where
hesper was built, on an otherwise idle machine:  ./dev bench/sandbox.py
"""

import argparse
import json
import sys

from guests import Machine, cube, describe_all, show, wait_for
from harness import ratios, spread

OFF_SCREEN = "hesper-cube --wsi headless --size 640x480 --frames 600 --json -"


def on_screen(machine, mode):
    sent = machine.stats()["frames_sent"]
    viewer = machine.viewer(f"--sandbox={mode}")
    wait_for("viewer", lambda: machine.stats()["frames_sent"] > sent)
    fps = cube(machine.guest, 960)["fps"]
    viewer.stop()
    return fps


def off_screen(machine):
    result = machine.guest.run(OFF_SCREEN, 120).json()
    assert result["errors"] == []
    return result["fps"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    with Machine("--refresh=240", "--sandbox=strict", devices=None) as closed, \
            Machine("--refresh=240", "--sandbox=off", devices=None) as open_:
        about = describe_all(closed)
        # Shaders are compiled once for each.
        for machine, mode in ((closed, "strict"), (open_, "off")):
            on_screen(machine, mode)
            off_screen(machine)
        turns = {"screen": ([], []), "headless": ([], [])}
        for turn in range(options.rounds):
            # Who is first takes turns, too.
            order = [(closed, "strict", 0), (open_, "off", 1)]
            for machine, mode, index in order if turn % 2 == 0 else reversed(order):
                turns["screen"][index].append(on_screen(machine, mode))
                turns["headless"][index].append(off_screen(machine))
    results = {}
    for name, (on, off) in turns.items():
        results[name] = {"sandbox_fps": spread(on), "open_fps": spread(off),
                         "ratio": spread(ratios(on, off))}
        show(f"{name}, sandboxed", "fps", results[name]["sandbox_fps"])
        show(f"{name}, --sandbox=off", "fps", results[name]["open_fps"])
        show(f"{name}, ratio", "", results[name]["ratio"])
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": about, "results": results}, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
