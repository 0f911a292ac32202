# SPDX-License-Identifier: MIT
"""RESOURCE_MAP_BLOB under stock QEMU, with more and more blobs that stay mapped."""

import json
import os
import tempfile

import watch
from guests import Machine
from harness import Failed, Scenario, spread

NAME = "map"
WORDS = ("Making and mapping a blob of 64 KiB in a guest, by how many are mapped already; the guest's kernel "
         "waits for both")

# Live mappings, from and to.
STEPS = ((0, 9), (10, 49), (50, 99), (100, 199), (200, 299), (300, 399))

COLUMNS = (("guest_us", "guest: create and map, µs"), ("map_us", "hesperd: decoded to answered, µs"),
           ("create_us", "hesperd: blob made, µs"), ("own_us", "hesperd's CPU for each, µs"))


def scenarios():
    for first, last in STEPS:
        yield Scenario(f"{NAME}/live/{first}-{last}", f"with {first} to {last} live mappings", last < 100)


def traced(path, names):
    """{name: [µs]} of hesperd's trace: what began and ended, in the order in which it began."""
    with open(path, encoding="utf-8") as file:
        text = file.read().rstrip().rstrip(",")
    events = json.loads(text if text.endswith("]") else text + "]")
    found, begun = {name: [] for name in names}, {}
    for event in events:
        key = (event.get("name"), event.get("id2", {}).get("local"))
        if key[0] in found and event["ph"] == "b":
            begun[key] = event["ts"]
            found[key[0]].append(key)
        elif key in begun and event["ph"] == "e":
            begun[key] = event["ts"] - begun[key]
    return {name: [begun[key] for key in keys] for name, keys in found.items()}


def _cpu_us(pid):
    return sum(ns for _, ns, _ in watch.threads(pid).values()) / 1000


def _round(bench, count):
    """One machine: a warm-up, then count maps. The guest's times, the device's, and its CPU time."""
    with tempfile.TemporaryDirectory(prefix="hesper-bench-") as folder:
        path = os.path.join(folder, "trace.json")
        with Machine(f"--trace={path}", devices=None) as machine:
            found = _times(bench, machine, count)
        spans = traced(path, ("map", "blob"))
        return {**found, "map": spans["map"][-count:], "create": spans["blob"][-count:]}


def _times(bench, machine, count):
    machine.guest.run("hesper-memory times 10")
    before = _cpu_us(machine.device())
    bench.say(f"{NAME}: {count} blobs are mapped")
    said = machine.guest.run(f"hesper-memory times {count}", 120)
    own = (_cpu_us(machine.device()) - before) / count
    us = json.loads(next(line for line in said.lines if line.startswith("{")))["us"]
    return {"guest": us, "own": own}


def run(names, bench):
    chosen = [step for step in STEPS if f"{NAME}/live/{step[0]}-{step[1]}" in names]
    count = max(last for _, last in chosen) + 1
    rounds = []
    for turn in range(bench.rounds):
        bench.say(f"{NAME}, round {turn + 1} of {bench.rounds}: a guest boots")
        rounds.append(_round(bench, count))
    for found in rounds:
        if any(len(found[key]) != count for key in ("guest", "map", "create")):
            raise Failed(f"{count} blobs, but the trace has {len(found['map'])} maps of them")
    for first, last in chosen:
        def part(key):
            return spread([us for found in rounds for us in found[key][first:last + 1]])
        bench.record(f"{NAME}/live/{first}-{last}", {
            "guest_us": part("guest"), "map_us": part("map"), "create_us": part("create"),
            "own_us": spread([found["own"] for found in rounds])},
            samples={"machines": bench.rounds, "maps_each": last + 1 - first})


def _get(results, step, key):
    return results.get(f"{NAME}/live/{step[0]}-{step[1]}", {}).get("figures", {}).get(key)


def targets(results):
    few, many = _get(results, STEPS[0], "map_us"), _get(results, STEPS[-1], "map_us")
    found = []
    if few:
        found.append({"what": "RESOURCE_MAP_BLOB, few live mappings, median", "wanted": "≤ 500 µs",
                      "got": f"{few['median']:.0f} µs", "met": few["median"] <= 500})
    if few and many:
        found.append({"what": "the same with 300 to 399, of it hesperd's own CPU time",
                      "wanted": "as QEMU has it", "got": f"{many['median']:.0f} µs, "
                      f"{_get(results, STEPS[-1], 'own_us')['median']:.0f} µs", "met": None})
    return found


def plots(results):
    series = []
    for key, words in (("guest_us", "guest: create and map"), ("map_us", "hesperd: map, QEMU's part in it"),
                       ("create_us", "hesperd: create")):
        points = [[(step[0] + step[1]) // 2, f["median"], f["min"], f["max"]] for step in STEPS
                  for f in [_get(results, step, key)] if f]
        if len(points) > 1:
            series.append({"name": words, "points": points})
    if series:
        yield {"file": "map", "kind": "lines", "logy": True, "title": "Mapping a blob, by live mappings",
               "x": "live mappings", "y": "µs", "series": series}
