# SPDX-License-Identifier: MIT
"""The soak of bench/soak.py for a few rounds. What is left behind by each, be it one descriptor, one
mapped region, one blob or one process, is more than SLACK at the end."""

import sys

from machine import run_tests
from processes import keeps_freed
from soak import LIMITS, Soak

ROUNDS = 6
# Mesa keeps a second 8 MiB of its own once the first is used up, however late that is: a resource, a
# mapping, a file.
SLACK = 2
# Allocators keep what they had; one that leaks a blob (64 KiB) a mapping is far above this.
SLACK_KIB = 4096

soak = None


def test_nothing_is_left():
    soak.begin()
    keep = {process: keeps_freed(pid) for process, pid in soak.pids.items()}
    for _ in range(ROUNDS):
        soak.round(seconds=3)
    soak.finish()
    print(f"# {soak.did}")
    first, last = soak.rest[0], soak.rest[-1]
    wrong = []
    for name in ("processes", "memfds", *(set(LIMITS) - {"memory"})):
        if last["machine"][name] > first["machine"][name] + SLACK:
            wrong.append(f"{name}: {[s['machine'][name] for s in soak.rest]}")
    for process in soak.pids:
        kept = keep[process]
        for name in ("fds",) if kept else ("fds", "maps"):
            if last[process][name] > first[process][name] + SLACK:
                wrong.append(f"{process}, {name}: {[s[process][name] for s in soak.rest]}")
        if last[process]["anonymous_kib"] > first[process]["anonymous_kib"] + SLACK_KIB + kept:
            wrong.append(f"{process}, memory: {[s[process]['anonymous_kib'] for s in soak.rest]}")
    assert not wrong, "\n".join(wrong)


def main():
    global soak
    soak = Soak().start()
    with soak.machine:
        return run_tests([test_nothing_is_left])


if __name__ == "__main__":
    sys.exit(main())
