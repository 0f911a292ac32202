# SPDX-License-Identifier: MIT
"""--sandbox=on, off and strict where a stage is impossible: what is told, what still starts, and what
does not. tests/fake/missing_stages.c makes this host one that lacks something."""

import json
import os
import re
import subprocess
import sys
import tempfile

from machine import program, run_tests, wait_for

PRELOAD = os.environ["HESPER_MISSING_STAGES"]


def environment(missing):
    return dict(os.environ, LD_PRELOAD=PRELOAD, HESPER_MISSING=missing,
                HESPER_RENDER_PROCESS=os.environ["FAKE_RENDER"])


class Daemon:
    """hesperd with a renderer that behaves, until it is ready or has ended."""

    def __init__(self, folder, mode, missing, *options):
        self.socket = f"{folder}/vhost"
        ready, child = os.pipe()
        self.process = subprocess.Popen(
            [program("HESPERD"), f"--socket-path={self.socket}", f"--sandbox={mode}",
             f"--ready-fd={child}", f"--stats={folder}/stats", *options],
            pass_fds=[child], stderr=subprocess.PIPE, text=True, env=environment(missing))
        os.close(child)
        with os.fdopen(ready) as file:
            self.ready = file.readline().startswith("ready ")
        self.folder = folder

    def end(self):
        """Status, and the log."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(20)
        text = self.process.stderr.read()
        assert not os.path.exists(self.socket), "it left its socket"
        return status, text


def run(mode, missing):
    with tempfile.TemporaryDirectory(prefix="hesper-modes-") as folder:
        daemon = Daemon(folder, mode, missing)
        if daemon.ready:
            # It works: a signal is passed on, a file is written.
            daemon.process.send_signal(10)
            wait_for("statistics", lambda: os.path.exists(f"{folder}/stats"))
        status, text = daemon.end()
        return daemon.ready, status, [line for line in text.splitlines() if "sandbox: no " in line]


def needs_all():
    found = json.loads(subprocess.run([program("HESPERD"), "--check-sandbox"], check=True,
                                      capture_output=True, text=True).stdout)
    lacks = [stage["stage"] for stage in found if not stage["works"]]
    return f"this host has no {', '.join(lacks)}" if lacks else None


def test_all_there():
    lacks = needs_all()
    if lacks:
        return lacks
    for mode in ("on", "strict", "off"):
        ready, status, lines = run(mode, "")
        assert ready and status == 0 and lines == [], (mode, ready, status, lines)
    return None


def lacking(missing, stage, why):
    ready, status, lines = run("on", missing)
    told = [line for line in lines if f"no {stage} here" in line]
    assert ready and status == 0, (ready, status, lines)
    assert len(told) == 1 and "warning" in told[0] and why in told[0], lines
    ready, status, lines = run("strict", missing)
    told = [line for line in lines if f"no {stage} here" in line]
    assert not ready and status == 1, (ready, status, lines)
    assert len(told) == 1 and "error" in told[0] and "Fix: " in told[0], lines
    ready, status, lines = run("off", missing)
    assert ready and status == 0 and lines == [], (ready, status, lines)


def test_without_namespaces():
    lacking("namespaces", "namespaces", "(unshare: Operation not permitted)")


def test_without_landlock():
    lacking("landlock", "Landlock", "(landlock_create_ruleset: Operation not supported)")


def test_without_anything():
    ready, status, lines = run("on", "namespaces,landlock")
    assert ready and status == 0
    assert {"namespaces", "Landlock"} <= {re.search(r"no (.+) here", line)[1] for line in lines}


def test_off_is_one_process():
    with tempfile.TemporaryDirectory(prefix="hesper-modes-") as folder:
        daemon = Daemon(folder, "off", "")
        with open(f"/proc/{daemon.process.pid}/status") as file:
            status = file.read()
        assert daemon.ready
        assert "Seccomp:\t0" in status and "NoNewPrivs:\t0" in status
        daemon.end()


def test_doctor():
    """hesper doctor says what is missing, what that leaves open, and what to do."""
    def finding(missing):
        run = subprocess.run([os.environ["HESPER"], "doctor", "--json"], env=environment(missing),
                             capture_output=True, text=True, check=False)
        return next(f for f in json.loads(run.stdout) if f["subject"] == "sandbox")
    lacks = finding("namespaces")
    assert lacks["health"] == "warning" and "unshare" in lacks["text"], lacks
    assert "user namespaces" in lacks["fix"], lacks
    lacks = finding("landlock")
    assert lacks["health"] == "warning" and "Landlock" in lacks["text"], lacks
    if needs_all() is None:
        assert finding("")["health"] == "ok"


if __name__ == "__main__":
    sys.exit(run_tests([
        test_all_there,
        test_without_namespaces,
        test_without_landlock,
        test_without_anything,
        test_off_is_one_process,
        test_doctor,
    ]))
