# SPDX-License-Identifier: MIT
"""A hostile program in the guest (guest/attack): each of its attacks is a test here, and after each
all is as before. A cube is on the screen all the time, but for the attacks that need the screen: then
it is a new cube that draws, and checks its pixels.

HESPER_ATTACKS: names of attacks or groups to run instead of all. HESPER_SEED: another seed."""

import os
import sys

from machine import Machine, run_tests, wait_for
from processes import busy

WATCHDOG = 8  # seconds
# As many take QEMU a few seconds; 4096, the default, minutes (protocols Q14).
MAPPINGS = 512
SEED = int(os.environ.get("HESPER_SEED", "1"))
CUBE_EVERY = 20
# Its own frames come and go all the time.
PASSING = ("fences", "command")
CHECKED_CUBE = "hesper-cube --frames 12 --check 4 --json -"

machine = None
cube = None
viewer = None
rest = None  # what there is when nobody attacks


class Attack:
    def __init__(self, line):
        self.name, self.group, lost, refused, screen, self.words = line.split("\t", 5)
        self.lost = None if lost == "any" else int(lost)
        self.refused = int(refused)
        self.screen = screen == "screen"
        self.left_out = self.words.startswith("left out: ")


def held():
    """What hesperd and its processes hold for the guest."""
    stats = machine.stats()
    found = {name: value["now"] for name, value in stats["limits"].items()
             if name not in PASSING}
    found["processes"] = len(busy(machine.daemon.pid))
    found["descriptors of hesperd"] = len(os.listdir(f"/proc/{machine.device()}/fd"))
    return found


def wait_for_rest():
    """All that was there before, and nothing else. The cube's own Mesa takes another pool of memory now
    and then: a new cube has not, so what is there beside that was left behind."""
    last = {}

    def same():
        nonlocal last
        last = held()
        return last == rest
    try:
        wait_for("rest", same, timeout=3 if cube.code is None else 60)
    except AssertionError:
        if cube.code is None:
            cube.signal()
            cube.check()
            show_cube()
        try:
            wait_for("rest", same, timeout=60)
        except AssertionError:
            more = {name: (rest[name], value) for name, value in last.items()
                    if value != rest[name]}
            raise AssertionError(f"left behind (before, now): {more}") from None


def settle():
    """What there is once it has been the same for a while."""
    seen = []

    def steady():
        seen.append(held())
        return len(seen) >= 5 and all(one == seen[-1] for one in seen[-5:])
    wait_for("rest", steady, timeout=60, step=0.1)
    return seen[-1]


def flips():
    return machine.stats()["scanout_blob_commands"]


def check_cube_goes_on():
    before = flips()
    wait_for("flips", lambda: flips() > before + 2, timeout=60)


def check_new_cube(options=""):
    result = machine.guest.run(f"{CHECKED_CUBE} {options}", 120)
    assert result.json()["mismatches"] == 0, result.output


def attack_once(attack):
    before = machine.stats()
    run = machine.guest.start(f"hesper-attack --seed {SEED} {attack.name}")
    run.wait(240)
    machine.alive()
    assert run.code == 0 and run.lines and run.lines[-1].startswith("PASS"), run.output
    if attack.screen:
        check_new_cube()
        assert viewer.process.poll() is None, "the viewer ended:\n" + machine.log("view.log")
    else:
        check_cube_goes_on()
    wait_for_rest()
    after = machine.stats()
    lost = after["contexts_lost"] - before["contexts_lost"]
    refused = after["command_errors"] - before["command_errors"]
    assert attack.lost in (None, lost), f"{lost} contexts were lost, not {attack.lost}"
    assert refused >= attack.refused, f"only {refused} commands were refused"
    machine.alive()


def show_cube():
    global cube
    cube = machine.guest.start("hesper-cube --frames 0")
    check_cube_goes_on()


def start_cube():
    global rest
    show_cube()
    rest = settle()


def stop_cube():
    global rest, viewer
    cube.signal()
    cube.check()
    viewer = machine.viewer()
    # So that what the console and the viewer need is there.
    check_new_cube()
    rest = settle()


def as_test(attack):
    def test():
        if attack.left_out:
            return attack.words
        if attack.screen and cube.code is None:
            stop_cube()
        attack_once(attack)
        return None
    test.__name__ = f"{attack.group} {attack.name}"
    return test


def cube_test(number):
    def test():
        check_new_cube("--wsi headless")
        if cube.code is None:
            check_cube_goes_on()
        wait_for_rest()
    test.__name__ = f"a new cube after {number} attacks"
    return test


def tests_of(attacks):
    tests = []
    for number, attack in enumerate(attacks, 1):
        tests.append(as_test(attack))
        if number % CUBE_EVERY == 0 or number == len(attacks):
            tests.append(cube_test(number))
    return tests


def main():
    global machine
    wanted = os.environ.get("HESPER_ATTACKS", "").split()
    with Machine(f"--watchdog={WATCHDOG}", f"--max-mappings={MAPPINGS}",
                 size="640x480") as machine:
        table = machine.guest.run("hesper-attack --list").lines
        attacks = [Attack(line) for line in table]
        if wanted:
            attacks = [a for a in attacks if a.name in wanted or a.group in wanted]
        start_cube()
        return run_tests(tests_of(attacks))


if __name__ == "__main__":
    sys.exit(main())
