# SPDX-License-Identifier: MIT
"""Pictures that the guest draws into while a viewer reads them: with and without pacing."""

import sys

from machine import Machine, run_tests, wait_for
from tearing import TearingViewer

ROWS = 16
# The guest draws as fast as it can to two buffers, and the viewer reads each picture for so long.
READS = 0.015
PICTURES = 150


def torn(pacing):
    """How many of so many pictures were torn, and of how many the guest drew."""
    with Machine("--pacing", pacing, "--refresh=240", "--size=640x480") as machine:
        with TearingViewer(machine.path("display"), ROWS, READS) as viewer:
            cube = machine.guest.start(f"hesper-cube --pattern {ROWS} --frames 0 --buffers 2 "
                                       "--no-throttle")
            wait_for("pictures", lambda: viewer.pictures > 5, timeout=60)
            before, torn_before, flips = viewer.pictures, viewer.torn, machine.stats()["flushes"]
            wait_for("more of them", lambda: viewer.pictures >= before + PICTURES, timeout=120)
            count, bad = viewer.pictures - before, viewer.torn - torn_before
            stats = machine.stats()
            flips = stats["flushes"] - flips
            print(f"# {pacing}: {count} pictures of {flips}, {bad} torn, {viewer.late} too late, "
                  f"{stats['paced']} times paced; {viewer.examples[:1]}")
            cube.signal()
            cube.wait()
            return bad / count, flips / count, stats


def test_pacing():
    """A viewer that reads for 15 ms, on whatever host: few are torn that were, and the guest waits."""
    without, ahead, stats = torn("none")
    assert stats["paced"] == 0
    assert without > 0.2, f"nothing to be seen: {without}"
    with_it, behind, stats = torn("release")
    assert stats["paced"] > 0
    assert with_it < without / 3, f"{with_it} torn, {without} without"
    assert behind < ahead, f"{behind} drawn for each that is read, {ahead} without"


if __name__ == "__main__":
    sys.exit(run_tests([test_pacing]))
