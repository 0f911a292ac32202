# SPDX-License-Identifier: MIT
"""Pictures that a guest draws into while they are read, with pacing and without (src/gpu/pacing.c)."""

import time

from guests import Machine, wait_for
from harness import Failed, Scenario
from tearing import TearingViewer

NAME = "tearing"
WORDS = ("hesper-cube --pattern draws as fast as it can to two buffers; a viewer reads each picture out of "
         "the guest's own buffer, from top to bottom, for so long")

ROWS = 16
PICTURES = 10000
# ms that a picture is read for: less than the guest takes to draw the next one, and more.
READS = (4, 15)
WAYS = {"release": "pacing on", "none": "pacing off"}
# Without pacing there is more of it, and less to wait for.
WITHOUT = 0.1
PATIENCE = 600

COLUMNS = (("torn", "torn pictures"), ("pictures", "pictures read in time"), ("late", "read too late"),
           ("drawn_hz", "drawn by the guest, 1/s"), ("read_hz", "read, 1/s"),
           ("paced", "flipped away from while read"))


def scenarios():
    for ms in READS:
        for way, words in WAYS.items():
            yield Scenario(f"{NAME}/{ms}ms/{way}", f"{words}, each read for {ms} ms", False)


def _watch(bench, way, ms, count):
    with Machine("--pacing", way, "--refresh=240", "--size=1280x800") as machine:
        with TearingViewer(machine.path("display"), ROWS, ms / 1000) as viewer:
            cube = machine.guest.start(f"hesper-cube --pattern {ROWS} --frames 0 --buffers 2 --no-throttle")
            wait_for("pictures", lambda: viewer.pictures > 20, timeout=60)
            before = machine.stats()
            start, pictures, torn, late = time.monotonic(), viewer.pictures, viewer.torn, viewer.late
            while viewer.pictures < pictures + count:
                if time.monotonic() > start + PATIENCE:
                    raise Failed(f"{viewer.pictures - pictures} of {count} pictures in {PATIENCE} s")
                bench.say(f"{way}, {ms} ms: {viewer.pictures - pictures} of {count} pictures, "
                          f"{viewer.torn - torn} torn")
                time.sleep(1)
            took = time.monotonic() - start
            after = machine.stats()
            found = {"torn": viewer.torn - torn, "pictures": viewer.pictures - pictures,
                     "late": viewer.late - late,
                     "drawn_hz": round((after["flushes"] - before["flushes"]) / took, 1),
                     "read_hz": round((viewer.pictures - pictures) / took, 1),
                     "paced": after["paced"] - before["paced"]}
            cube.signal()
            cube.wait()
            return found


def run(names, bench):
    for ms in READS:
        for way in WAYS:
            name = f"{NAME}/{ms}ms/{way}"
            if name in names:
                bench.say(f"{way}, {ms} ms: a guest boots")
                count = bench.count(PICTURES * (1 if way == "release" else WITHOUT), 50)
                bench.record(name, _watch(bench, way, ms, count), samples={"pictures": count})


def targets(results):
    found = []
    for ms in READS:
        on, off = (results.get(f"{NAME}/{ms}ms/{way}", {}).get("figures") for way in WAYS)
        if on:
            found.append({"what": f"torn pictures, pacing on, read for {ms} ms", "wanted": "0",
                          "got": f"{on['torn']} of {on['pictures']}", "met": on["torn"] == 0})
        if off and ms == READS[-1]:
            found.append({"what": f"the same with pacing off, read for {ms} ms", "wanted": "some",
                          "got": f"{off['torn']} of {off['pictures']}",
                          "met": off["torn"] > 0})
    return found


def plots(results):
    return ()
