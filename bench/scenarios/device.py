# SPDX-License-Identifier: MIT
"""hesperd alone: a scripted front end in place of QEMU and guest, a renderer that draws nothing."""

from harness import Scenario, ratios, run_json, spread

NAME = "device"
WORDS = "hesperd's own cost of a command, without a guest (null renderer)"

BATCHES = (1, 4, 16, 64, 256)
KINDS = {
    "no-op": "GET_CAPSET_INFO, the cheapest command that is answered with something",
    "display-info": "GET_DISPLAY_INFO",
    "create-unref": "RESOURCE_CREATE_BLOB of a guest's page, RESOURCE_UNREF, in turn",
    "create-unref-2d": "RESOURCE_CREATE_2D of 64x64, RESOURCE_UNREF, in turn",
    "flush": "RESOURCE_FLUSH of what a screen shows, without a viewer",
    "cursor": "MOVE_CURSOR",
    "submit": "SUBMIT_3D of 64 bytes",
    "fence": "SUBMIT_3D of 64 bytes with a fence",
}
# Ways to wait for a single answer: the front end sleeps until the interrupt, or looks all the time.
WAITS = {"interrupt": ("apart", "interrupt"), "spin": ("apart", "spin"),
         "one-core": ("one", "interrupt")}
# What there is more and more of, with which command it is measured, and in batches of how many.
GROWTH = {
    "resources": ((10, 100, 1000, 10000), "flush-hidden", 64),
    "resources-at-rest": ((10, 100, 1000, 10000), "flush-hidden", 64),
    "contexts": ((1, 4, 16, 64), "submit", 64),
    "scanouts": ((1, 2, 4, 8, 16), "flush", 64),
    "entries": ((1, 16, 256, 1024, 4096), "create-unref", 8),
}
# Beside what grows: at rest are all but ten, which the commands name; else they name any.
OPTIONS = {"resources-at-rest": {"touched": 10}}
TARGETS = {"resources": 1.2, "resources-at-rest": 1.2, "contexts": 1.2}

COLUMNS = (
    ("per_s", "commands/s"), ("wall_ns", "ns per command"), ("cpu_ns", "CPU ns of hesperd"),
    ("p50", "p50 µs"), ("p90", "p90 µs"), ("p99", "p99 µs"), ("max", "max µs"),
    ("growth", "× the least"), ("answered", "answered"),
)


def scenarios():
    for wait in WAITS:
        for kind, words in KINDS.items():
            if kind == "no-op" or wait == "interrupt":
                yield Scenario(f"{NAME}/{kind}/single/{wait}", f"{words}; one at a time",
                               kind in ("no-op", "fence"))
    for kind, words in KINDS.items():
        for batch in BATCHES[1:]:
            yield Scenario(f"{NAME}/{kind}/batch-{batch}", f"{words}; {batch} with one kick",
                           kind == "no-op" or batch == 64)
    yield Scenario(f"{NAME}/no-op/batch-64/one-core",
                   f"{KINDS['no-op']}; 64 with one kick, both on one processor")
    for what, (sizes, kind, _) in GROWTH.items():
        for size in sizes:
            yield Scenario(f"{NAME}/growth/{what}/{size}", f"{kind} with {size} {what}")


def _measure(bench, kind, batch, *, cpus="apart", wait="interrupt", **population):
    commands = bench.count(20000 if batch > 1 else 5000, 2 * batch) // 2 * 2
    options = [f"--{key}={value}" for key, value in population.items()]
    renderer = ["--render=none", "--outputs=16", "--max-outputs=16"]
    result = run_json(
        [bench.tool("hesper-bench-device"), "--hesperd", bench.program("hesperd", "HESPERD"),
         "--case", kind, "--batch", batch, "--wait", wait, "--cpus", cpus, "--commands", commands,
         "--warm-up", max(2 * batch, commands // 10), "--rounds", 1, *options, "--", *renderer])
    if result["answered"] != result["commands"]:
        raise AssertionError(f"{kind}: {result['commands']} commands, {result['answered']} answers")
    return result


def _figures(results):
    """Of one result for each round."""
    rounds = [r["rounds"][0] for r in results]
    figures = {"wall_ns": spread([r["wall_ns"] for r in rounds]),
               "cpu_ns": spread([r["cpu_ns"] for r in rounds]),
               "per_s": spread([1e9 / r["wall_ns"] for r in rounds]),
               "answered": sum(r["answered"] for r in results)}
    if results[0]["batch"] == 1:
        for key in ("p50", "p90", "p99", "max"):
            figures[key] = spread([r["batch_us"][key] for r in results])
    return figures


def _plan(name):
    """(kind, batch, named options) of a scenario that is not of growth."""
    parts = name.split("/")
    if parts[2] == "single":
        cpus, wait = WAITS[parts[3]]
        return parts[1], 1, {"cpus": cpus, "wait": wait}
    return parts[1], int(parts[2].removeprefix("batch-")), {"cpus": "one" if len(parts) > 3 else "apart"}


def _samples(bench, result):
    return {"rounds": bench.rounds, "commands_in_a_round": result["batch_us"]["n"] * result["batch"]}


def run(names, bench):
    plain = [n for n in names if n.split("/")[1] != "growth"]
    found = {name: [] for name in plain}
    for turn in range(bench.rounds):
        for index, name in enumerate(plain):
            bench.say(f"{NAME}, round {turn + 1} of {bench.rounds}: {index + 1} of {len(plain)}, {name}")
            kind, batch, options = _plan(name)
            found[name].append(_measure(bench, kind, batch, **options))
    for name, results in found.items():
        bench.record(name, _figures(results), samples=_samples(bench, results[0]))
    for what, (sizes, kind, batch) in GROWTH.items():
        chosen = [s for s in sizes if f"{NAME}/growth/{what}/{s}" in names]
        if chosen:
            _grow(bench, what, chosen, kind, batch)


def _grow(bench, what, sizes, kind, batch):
    """In turns, so that each ratio is of neighbours; the least is always among them."""
    sizes = sorted({GROWTH[what][0][0], *sizes})
    found = {size: [] for size in sizes}
    for turn in range(bench.rounds):
        for size in sizes:
            bench.say(f"{NAME}, round {turn + 1} of {bench.rounds}: {kind} with {size} {what}")
            population = {what.split("-")[0]: size, **OPTIONS.get(what, {})}
            found[size].append(_measure(bench, kind, batch, **population))
    least = [r["rounds"][0]["cpu_ns"] for r in found[sizes[0]]]
    for size, results in found.items():
        figures = _figures(results)
        figures["growth"] = spread(ratios([r["rounds"][0]["cpu_ns"] for r in results], least))
        bench.record(f"{NAME}/growth/{what}/{size}", figures, samples=_samples(bench, results[0]))


def _get(results, name, key):
    return results.get(name, {}).get("figures", {}).get(key)


def targets(results):
    found = []
    rates = [r["figures"]["per_s"]["median"] for name, r in results.items()
             if name.startswith(f"{NAME}/no-op/batch-") and "per_s" in r["figures"]]
    if rates:
        found.append({"what": "no-op commands in batches, hesperd on one core",
                      "wanted": "≥ 300,000/s", "got": f"{max(rates):,.0f}/s",
                      "met": max(rates) >= 300000})
    for wait in WAITS:
        slow = _get(results, f"{NAME}/no-op/single/{wait}", "p99")
        if slow:
            found.append({"what": f"a no-op alone, p99 ({wait})", "wanted": "≤ 100 µs",
                          "got": f"{slow['median']:.0f} µs", "met": slow["median"] <= 100})
    for what, most in TARGETS.items():
        sizes = GROWTH[what][0]
        grown = _get(results, f"{NAME}/growth/{what}/{sizes[-1]}", "growth")
        if grown:
            words = {"resources": "resources, of which any is named",
                     "resources-at-rest": "resources, of which ten are named"}.get(what, what)
            found.append({"what": f"CPU per command, {sizes[0]} to {sizes[-1]:,} {words}",
                          "wanted": f"≤ {most} ×", "got": f"{grown['median']:.2f} ×",
                          "met": grown["median"] <= most})
    return found


def _point(x, figure):
    return [x, figure["median"], figure["min"], figure["max"]]


def plots(results):
    series = []
    for kind in KINDS:
        points = [_point(1, f) for f in [_get(results, f"{NAME}/{kind}/single/interrupt", "wall_ns")] if f]
        points += [_point(batch, f) for batch in BATCHES[1:]
                   for f in [_get(results, f"{NAME}/{kind}/batch-{batch}", "wall_ns")] if f]
        if len(points) > 1:
            series.append({"name": kind, "points": points})
    if series:
        yield {"file": "device-batch", "kind": "lines", "logx": 2, "logy": True,
               "title": "A command's time, by the number that go with one kick", "x": "commands in a batch",
               "y": "ns per command", "series": series}
    series = []
    for what, (sizes, kind, _) in GROWTH.items():
        points = [_point(size, f) for size in sizes
                  for f in [_get(results, f"{NAME}/growth/{what}/{size}", "cpu_ns")] if f]
        if len(points) > 1:
            series.append({"name": f"{kind}, by {what}", "points": points})
    if series:
        yield {"file": "device-growth", "kind": "lines", "logx": 10, "logy": True,
               "title": "CPU time of a command, by what there is", "x": "how many there are",
               "y": "CPU ns of hesperd per command", "series": series}
