#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures hesper. `hesper bench` starts it and says where the programs are; see docs/performance.md.

results.json: {"about", "started", "seconds", "amount", "rounds", "scenarios": {name: {"figures": {key:
number or {"median", "min", "max", "n"}}, …}}}. A scenario that cannot run here has "not_here", another's
program that does not run "does_not_run", what went wrong "failed", with words.
"""

import argparse
import datetime
import json
import os
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness  # noqa: E402
import report  # noqa: E402
import scenarios  # noqa: E402


def parse(arguments):
    parser = argparse.ArgumentParser(prog="hesper bench", description=__doc__.splitlines()[0])
    parser.add_argument("patterns", nargs="*", metavar="SCENARIO")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--samples", choices=sorted(harness.AMOUNTS), default="short")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--out", default=os.path.join("build", "bench"))
    parser.add_argument("--report-of", metavar="RESULTS.json")
    return parser.parse_args(arguments)


def show_list(chosen, given):
    width = max(len(s.name) for s in chosen)
    for scenario in chosen:
        mark = "  " if scenario.short or given else "- "
        print(f"{mark}{scenario.name:{width}}  {scenario.words}")
    if not given:
        print("\nThose with a dash are measured when they are named: 'hesper bench PATTERN…'")


def run_family(family, names, bench):
    try:
        family.run(names, bench)
        return
    except harness.NotHere as error:
        key, words = "not_here", str(error)
    except harness.Failed as error:
        key, words = "failed", str(error)
    except Exception as error:  # noqa: BLE001 - the other families go on, and the figures are kept
        key, words = "failed", f"{type(error).__name__}: {error}"
        traceback.print_exc()
    for name in names:
        bench.results.setdefault(name, {"figures": {}, key: words})


def measure(chosen, options):
    bench = harness.Bench(options.samples, options.rounds)
    about = harness.describe()
    start = time.monotonic()
    begun = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    broken_off = False
    try:
        for family in scenarios.FAMILIES:
            names = [s.name for s in chosen if s.name.split("/")[0] == family.NAME]
            if names:
                run_family(family, names, bench)
    except KeyboardInterrupt:
        broken_off = True
    finally:
        bench.progress.finish()
    names = [s.name for s in chosen]

    def place(name):
        """Parts of a scenario, and what the others are compared with, beside their own."""
        return next((i for i, n in enumerate(names) if harness.matches(name, n)), len(names))

    return {"about": about, "started": begun, "seconds": round(time.monotonic() - start, 1),
            "amount": options.samples, "rounds": bench.rounds, "broken_off": broken_off,
            "scenarios": dict(sorted(bench.results.items(), key=lambda item: place(item[0])))}


def main(arguments):
    options = parse(arguments)
    known = [s for family in scenarios.FAMILIES for s in family.scenarios()]
    if options.report_of:
        with open(options.report_of, encoding="utf-8") as file:
            results = json.load(file)
    else:
        try:
            chosen = known if options.list and not options.patterns else \
                harness.select(known, options.patterns)
        except ValueError as error:
            print(f"hesper bench: {error}. Try 'hesper bench --list'", file=sys.stderr)
            return 2
        if options.list:
            show_list(chosen, options.patterns)
            return 0
        results = measure(chosen, options)
    os.makedirs(options.out, exist_ok=True)
    path = os.path.join(options.out, "results.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1, ensure_ascii=False)
        file.write("\n")
    report.show(results, scenarios.FAMILIES, sys.stdout)
    written, complaint = report.write(results, scenarios.FAMILIES, options.out)
    print(f"\n{path}\n{written}")
    if complaint:
        print(f"hesper bench: the report has no plots: {complaint}", file=sys.stderr)
    if results.get("broken_off"):
        return 130
    return 1 if any("failed" in r for r in results["scenarios"].values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
