# SPDX-License-Identifier: MIT
"""Attacks from below the guest's kernel: hesper-front (guest/front) takes the device from its driver,
plays one itself, gives it back, and a cube has to draw. One subtest for each attack; after each the
host looks whether anything stayed.

HESPER_FRONT: names or groups of attacks, separated by spaces (default: all).
HESPER_FRONT_SEED: of what is random (default 1)."""

import os
import sys
import time

from machine import Machine, wait_for
from processes import busy, keeps_freed, memory

# Low enough that attacks reach them.
LIMITS = ("--max-contexts=6", "--max-mappings=256", "--max-memory=512", "--max-resources=2048")
SEED = os.environ.get("HESPER_FRONT_SEED", "1")
# A guest's driver whose screen is 1280 x 800 has it in up to 1000 pages, 16 bytes for each.
SCREEN_PIECES = 16 * 1000
# What a run may add to hesperd's own memory, which the allocator keeps: KiB.
GROWTH = 32 << 10

machine = None


class Attack:
    def __init__(self, line):
        head, self.expects = line.split(": ", 1)
        self.group, self.name, self.end = head.split(" ")


def attacks():
    wanted = os.environ.get("HESPER_FRONT", "").split()
    found = [Attack(line) for line in machine.guest.run("hesper-front --list").lines]
    return [a for a in found if not wanted or a.name in wanted or a.group in wanted]


def held():
    """What the guest has of hesperd, by hesperd's own account."""
    return {name: limit["now"] for name, limit in machine.stats()["limits"].items()}


def files():
    return len(os.listdir(f"/proc/{machine.device()}/fd"))


def same(before):
    """The guest's kernel gives the last things of a program back after its end."""
    def difference():
        now = held()
        return {name: (before[name], now[name]) for name in before
                if before[name] != now[name] and name != "memory"}
    try:
        wait_for("what was held before", lambda: not difference(), timeout=10)
    except AssertionError:
        raise AssertionError(f"held before and after: {difference()}") from None
    now = held()
    assert abs(before["memory"] - now["memory"]) <= SCREEN_PIECES, (before, now)


def run(attack, before, files_before):
    """None, or why it is left out."""
    if attack.end == "left-out":
        return attack.expects
    log = len(machine.log("hesperd.log"))
    command = machine.guest.start(f"hesper-front --seed {SEED} {attack.name}").wait(240)
    machine.alive()
    assert command.code == 0 and command.lines[-1].startswith("PASS"), command.output
    assert machine.qmp.run("query-status")["status"] == "running"
    same(before)
    # The cube's context ends after its program.
    wait_for("contexts' end", lambda: not busy(machine.daemon.pid))
    wait_for("closed files", lambda: files() <= files_before)
    if attack.end == "broken":
        said = machine.log("hesperd.log")[log:]
        assert "is broken by the guest" in said, f"the queue did not stop:\n{said}"
    return None


def report(number, attack, function):
    """True when it passed."""
    start = time.monotonic()
    try:
        left_out = function()
    except Exception as error:  # noqa: BLE001 - a test's failure, whatever it is
        for line in str(error).splitlines():
            print(f"# {line}")
        print(f"not ok {number} {attack.name}", flush=True)
        return False
    note = f" # SKIP {left_out}" if left_out else ""
    print(f"ok {number} {attack.name}{note}", flush=True)
    print(f"# {attack.name}: {time.monotonic() - start:.1f} s", file=sys.stderr)
    return True


def main():
    global machine
    failed = 0
    with Machine(*LIMITS, devices=None) as machine:
        # The first program takes longest, and makes what stays: caches, a spare.
        machine.guest.run("hesper-cube --frames 10 --json -", 120)
        wait_for("contexts' end", lambda: not busy(machine.daemon.pid))
        before, files_before, kib = held(), files(), memory(machine.device())
        table = attacks()
        assert len({a.name for a in table}) == len(table), "two attacks of one name"
        print(f"1..{len(table)}", flush=True)
        for number, attack in enumerate(table, 1):
            if not report(number, attack, lambda a=attack: run(a, before, files_before)):
                failed += 1
                if machine.qemu.poll() is not None or machine.daemon.poll() is not None:
                    print("Bail out! the machine is gone", flush=True)
                    return 1
        grown = memory(machine.device()) - kib
        print(f"# hesperd grew by {grown} KiB over {len(table)} attacks")
        assert grown < GROWTH + keeps_freed(machine.device()), f"hesperd grew by {grown} KiB"
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
