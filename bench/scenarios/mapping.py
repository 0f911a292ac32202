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

# Of programs with so many live mappings: what one more costs is their difference.
FEWER, FEW = 10, 60

COLUMNS = (("guest_us", "guest: create and map, µs"), ("map_us", "hesperd: decoded to answered, µs"),
           ("create_us", "hesperd: blob made, µs"), ("own_us", "CPU of hesperd for one more, µs"),
           ("qemu_us", "CPU of QEMU's main thread for one more, µs"))


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


def _cpu_us(pid, main_only=False):
    return sum(ns for number, (_, ns, _) in watch.threads(pid).items()
               if not main_only or int(number) == pid) / 1000


def _round(bench, count):
    """One machine: a warm-up, then count maps. The guest's times, the device's, and CPU time."""
    with tempfile.TemporaryDirectory(prefix="hesper-bench-") as folder:
        path = os.path.join(folder, "trace.json")
        with Machine(f"--trace={path}", devices=None) as machine:
            found = _times(bench, machine, count)
        spans = traced(path, ("map", "blob"))
        return {**found, "map": spans["map"][-count:], "create": spans["blob"][-count:]}


def _map(bench, machine, count):
    """What the guest says, and the CPU time of hesperd and of QEMU's own thread (not the guest's), all
    for count blobs, which are freed again."""
    own, qemu = _cpu_us(machine.device()), _cpu_us(machine.qemu.pid, True)
    bench.say(f"{NAME}: {count} blobs are mapped")
    said = machine.guest.run(f"hesper-memory times {count}", 120)
    us = json.loads(next(line for line in said.lines if line.startswith("{")))["us"]
    return us, _cpu_us(machine.device()) - own, _cpu_us(machine.qemu.pid, True) - qemu


def _times(bench, machine, count):
    """CPU time for one more blob: a program with few against one with fewer, and with many against few."""
    _map(bench, machine, FEWER)
    runs = [(n, *_map(bench, machine, n)) for n in (FEWER, FEW, count)]
    found = {"guest": runs[-1][1]}
    for key, at in (("own", 2), ("qemu", 3)):
        found[key] = {words: (more[at] - less[at]) / (more[0] - less[0]) for words, less, more in
                      (("few", runs[0], runs[1]), ("many", runs[1], runs[2]))}
    return found


def run(names, bench):
    chosen = [step for step in STEPS if f"{NAME}/live/{step[0]}-{step[1]}" in names]
    count = max(FEW + 1, max(last for _, last in chosen) + 1)
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
            "own_us": spread([found["own"]["few" if last < FEW else "many"] for found in rounds]),
            "qemu_us": spread([found["qemu"]["few" if last < FEW else "many"] for found in rounds])},
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
        own = [_get(results, step, "own_us")["median"] for step in (STEPS[0], STEPS[-1])]
        qemu = [_get(results, step, "qemu_us")["median"] for step in (STEPS[0], STEPS[-1])]
        found.append({"what": f"hesperd's CPU for a blob, above {FEW} live ones against below "
                      f"(QEMU's: {qemu[0]:.0f}, {qemu[1]:.0f} µs)", "wanted": "no growth (≤ 1.2 ×)",
                      "got": f"{own[0]:.0f}, {own[1]:.0f} µs", "met": own[1] <= 1.2 * own[0]})
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
