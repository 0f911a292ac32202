#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/soak.py [--minutes N] [--json FILE] [--plot FILE.svg]: does anything grow?

The load and the samples are those of tests/e2e/soak.py. The verdict compares, for each series of
samples at rest, the median of the last quarter with that of the first, the first three minutes left out:
within 2 % is flat. Run it where hesper was built:  ./dev bench/soak.py --minutes 30
"""

import argparse
import json
import statistics
import sys
import time

from guests import describe_all
from soak_plot import draw

from soak import PROCESS_SERIES, Soak

WARM_UP = 180  # seconds: a heap takes some hundred contexts to reach its working size
FLAT = 0.02
SUMS = ("frames_sent", "maps")
PARTS = ("anonymous_kib",)  # of what is judged: told, not judged


def quarters(samples):
    """Those of the first and of the last quarter of the time after the warm-up."""
    first, last = WARM_UP, samples[-1]["seconds"]
    quarter = (last - first) / 4
    return ([s for s in samples if first <= s["seconds"] <= first + quarter],
            [s for s in samples if s["seconds"] >= last - quarter])


def verdicts(samples):
    begin, end = quarters(samples)
    for group, values in samples[-1].items():
        for name in PROCESS_SERIES if group != "machine" else values:
            if group == "seconds" or name in SUMS:
                continue
            before = statistics.median(s[group][name] for s in begin)
            after = statistics.median(s[group][name] for s in end)
            change = (after - before) / before if before else float(after != before)
            yield {"of": group, "series": name, "first_quarter": before, "last_quarter": after,
                   "change": round(change, 5),
                   "flat": None if name in PARTS else abs(change) <= FLAT}


WORDS = {True: "flat", False: "NOT FLAT", None: "(a part of rss_kib)"}


def show(found):
    for v in found:
        print(f"{v['of']:15} {v['series']:14} {v['first_quarter']:>12g} → {v['last_quarter']:>12g} "
              f"{v['change'] * 100:+7.2f} %  {WORDS[v['flat']]}")


def to_columns(samples):
    """A list of numbers for each series: a tenth of the size."""
    columns = {"seconds": [s["seconds"] for s in samples]}
    for group in samples[0]:
        if group != "seconds":
            columns[group] = {name: [s[group][name] for s in samples] for name in samples[0][group]}
    return columns


def from_columns(columns):
    return [{"seconds": seconds, **{group: {name: values[i] for name, values in series.items()}
                                    for group, series in columns.items() if group != "seconds"}}
            for i, seconds in enumerate(columns["seconds"])]


def judge(result, options):
    result["verdict"] = list(verdicts(result["at_rest"]))
    show(result["verdict"])
    if options.json:
        packed = {**result, **{kind: to_columns(result[kind]) for kind in ("at_rest", "under_load")}}
        with open(options.json, "w") as file:
            json.dump(packed, file, separators=(",", ":"))
            file.write("\n")
    if options.plot:
        with open(options.plot, "w") as file:
            file.write(draw(result))
    return 1 if any(v["flat"] is False for v in result["verdict"]) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--json")
    parser.add_argument("--plot")
    parser.add_argument("--again", metavar="JSON", help="judge and plot what was measured before")
    options = parser.parse_args()
    if options.again:
        with open(options.again) as file:
            result = json.load(file)
        for kind in ("at_rest", "under_load"):
            result[kind] = from_columns(result[kind])
        return judge(result, options)
    soak = Soak().start()
    with soak.machine:
        about = describe_all(soak.machine)
        print(json.dumps(about, indent=1), flush=True)
        soak.begin()
        end = time.monotonic() + options.minutes * 60
        while time.monotonic() < end:
            soak.round()
            if soak.did["rounds"] % 10 == 0:
                print(f"{soak.rest[-1]['seconds']:.0f} s: {soak.did}", flush=True)
        soak.finish()
    print(json.dumps(soak.did))
    return judge({"about": about, "did": soak.did, "at_rest": soak.rest, "under_load": soak.load},
                 options)


if __name__ == "__main__":
    sys.exit(main())
