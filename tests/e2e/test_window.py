# SPDX-License-Identifier: MIT
"""A window that is too small: an error for the one who asks too much, and nothing else."""

import sys

from machine import Machine, run_tests

machine = None


def test_full_window_is_an_error_and_passes():
    result = machine.guest.run("hesper-memory exhaust", 60)
    print("# " + result.output.strip())
    assert result.lines[-1].startswith("PASS"), result.output
    machine.alive()


def test_next_program_is_fine():
    result = machine.guest.run("hesper-memory maps 100", 60)
    assert result.lines[-1].startswith("PASS"), result.output
    cube = machine.guest.run("hesper-cube --frames 30 --check 10 --json -", 60).json()
    assert cube["frames"] == 30 and cube["mismatches"] == 0


def main():
    global machine
    with Machine(window_mib=64) as machine:
        return run_tests([test_full_window_is_an_error_and_passes, test_next_program_is_fine])


if __name__ == "__main__":
    sys.exit(main())
