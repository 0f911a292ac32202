#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_stop.py HESPER OUT CASE: however a demo ends, nothing of it is left: no process, no socket.

A case is WHEN.WHO.SIGNAL: at which stage, which process gets which signal.
"""

import os
import signal
import sys
import time

from launched import Run, Runtime, check, without_display

# When: what to wait for, and how long after.
STAGES = {
    "start": ("QEMU .* with", 0.02),
    "boot": ("device … ", 1.5),
    "frames": ("first frame … ", 0.5),
}
# Who is signalled, and what hesper then says and returns. None: it is hesper that is killed.
OUTCOMES = {
    ("hesper", "INT"): (128 + 2, "stopped by a signal"),
    ("hesper", "TERM"): (128 + 15, "stopped by a signal"),
    ("hesper", "KILL"): (-9, None),
    ("hesper-view", "KILL"): (1, "the viewer was ended by signal 9"),
    ("hesperd", "KILL"): (1, "hesperd) of a running guest was ended by signal 9"),
    ("qemu-system-x86_64", "KILL"): (1, "QEMU was ended by signal 9"),
}


def main():
    hesper, out, case = sys.argv[1:]
    when, who, name = case.split(".")
    pattern, delay = STAGES[when]
    status, words = OUTCOMES[(who, name)]
    with Runtime() as runtime:
        run = Run(hesper, "demo", "cube", "--headless", "--frames", "100000", "--out", out,
                  env={**without_display(), "XDG_RUNTIME_DIR": runtime.path})
        try:
            run.wait_line(pattern, 1800)
            time.sleep(delay)
            pid = run.process.pid if who == "hesper" else run.find(who)
            os.kill(pid, signal.Signals[f"SIG{name}"])
            begun = time.monotonic()
            ended = run.wait(30)
            print(f"it took {time.monotonic() - begun:.1f} s to end")
        finally:
            left_to_kernel = who == "hesper" and name == "KILL"
            if left_to_kernel:
                # Nobody is there to end them in order: the kernel does it.
                run.check_nothing_left(grace=15)
            run.end()
        check(ended == status, f"exit status {ended}, not {status}")
        run.check_nothing_left()
        if left_to_kernel:
            # Its directory: the next one that starts removes it.
            check(os.listdir(runtime.path), "it left no directory: was it killed?")
            run = Run(hesper, "demo", "cube", "--headless", "--out", out,
                      env={**without_display(), "XDG_RUNTIME_DIR": runtime.path})
            try:
                # Not sooner: before it has made a directory of its own it removes none.
                run.wait_line(STAGES["boot"][0], 60)
                run.signal(signal.SIGINT)
                run.wait(30)
            finally:
                run.end()
        else:
            check(words in run.text, f"it did not say {words!r}")
        runtime.check_empty()


if __name__ == "__main__":
    main()
