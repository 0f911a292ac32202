# SPDX-License-Identifier: MIT
"""What the processes of a machine that draws can still do to their host, tried from inside of each
(attempts.c), and what the kernel says of them."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import processes
from machine import Machine, run_tests, wait_for

PRELOAD = os.environ["HESPER_ATTEMPTS"]
TRY = signal.SIGRTMIN + 9
NAMES = {"open", "write", "create", "proc-mem", "connect-inet", "connect-abstract", "connect-path",
         "ptrace", "mount", "unshare", "process-vm-readv", "kill", "io-uring", "setuid", "chroot",
         "exec", "fork"}
NAMESPACES = ("mnt", "net", "ipc", "uts", "cgroup", "pid")

machine = None
viewer = None


class Prey:
    """What the attempts aim at; all of it is really there."""

    def __init__(self):
        import tempfile
        self.folder = tempfile.mkdtemp(prefix="hesper-attempts-")
        os.chmod(self.folder, 0o755)
        with open(f"{self.folder}/file", "w") as file:
            file.write("a secret of the user\n")
        os.mkdir(f"{self.folder}/mount")
        self.path = socket.socket(socket.AF_UNIX)
        self.path.bind(f"{self.folder}/socket")
        self.abstract = socket.socket(socket.AF_UNIX)
        self.name = os.path.basename(self.folder)
        self.abstract.bind("\0" + self.name)
        self.internet = socket.socket()
        self.internet.bind(("127.0.0.1", 0))
        for server in (self.path, self.abstract, self.internet):
            server.listen(64)
        self.process = subprocess.Popen(["sleep", "1000"])

    def environment(self):
        return {"HESPER_ATTEMPT_DIR": self.folder, "HESPER_ATTEMPT_NAME": self.name,
                "HESPER_ATTEMPT_PORT": str(self.internet.getsockname()[1]),
                "HESPER_ATTEMPT_PID": str(self.process.pid)}

    def close(self):
        import shutil
        self.process.kill()
        self.process.wait()
        # A control that mounted.
        while subprocess.run(["umount", f"{self.folder}/mount"], stderr=subprocess.DEVNULL,
                             check=False).returncode == 0:
            pass
        shutil.rmtree(self.folder)


def attempt(pid, log):
    """All attempts in that process: name → (outcome, number)."""
    before = len(machine.log(log))
    os.kill(pid, TRY)
    def text():
        new = machine.log(log)[before:]
        return new if " end: done" in new else None
    found = {}
    for line in wait_for("end of attempts", text, timeout=20).splitlines():
        match = re.match(r"attempt \S+ \d+ (\S+): (\w+) (\d+)$", line)
        if match:
            found[match[1]] = (match[2], int(match[3]))
    return found


def refused(found, allowed=()):
    assert NAMES <= set(found), f"not tried: {NAMES - set(found)}"
    for name in sorted(NAMES):
        outcome, number = found[name]
        print(f"#   {name}: {outcome}"
              f" {os.strerror(number) if outcome == 'refused' else number or ''}")
    done = {name for name in NAMES if found[name][0] == "done"}
    assert done == set(allowed), f"done: {done}, expected {set(allowed)}"
    for name, (outcome, number) in found.items():
        # Not refused because something was missing; but "no such process", "no such system call".
        assert outcome != "refused" or os.strerror(number) in (
            "Operation not permitted", "Permission denied", "No such process",
            "Function not implemented", "No such file or directory"), (name, number)
        assert outcome != "killed" or number == signal.SIGSYS, (name, number)


def status(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def check_status(pid):
    found = status(pid)
    for field in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
        assert int(found[field], 16) == 0, f"{field} {found[field]}"
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"


def namespaces(pid):
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in NAMESPACES}


def flips_go_on():
    machine.alive()
    before = machine.stats()["scanout_blob_commands"]
    wait_for("flips", lambda: machine.stats()["scanout_blob_commands"] > before + 10, timeout=5)


def the_context():
    return wait_for("context", lambda: (processes.busy(machine.daemon.pid) or [None])[0])


def test_hesperd():
    pid = machine.device()
    assert pid != machine.daemon.pid
    found = attempt(pid, "hesperd.log")
    refused(found)
    check_status(pid)
    assert os.listdir(f"/proc/{pid}/root/") == []
    own, its = namespaces("self"), namespaces(pid)
    assert all(own[name] != its[name] for name in NAMESPACES), (own, its)
    told = re.findall(r"sandbox: the system call \d+ \((\w+)\) was refused", machine.log("hesperd.log"))
    print(f"# told: {' '.join(sorted(set(told)))}")
    assert {"execve", "socket", "ptrace", "mount", "unshare", "kill"} <= set(told)
    assert len(told) == len(set(told)), "a line for each, once"
    flips_go_on()


def test_hesper_render():
    pid = the_context().render.pid
    refused(attempt(pid, "hesperd.log"), allowed=("fork",))
    check_status(pid)
    flips_go_on()


def test_render_server():
    pid = the_context().server.pid
    refused(attempt(pid, "hesperd.log"), allowed=("fork",))
    check_status(pid)
    flips_go_on()


def test_worker():
    """The process in which the host's GPU driver runs what the guest says."""
    pid = the_context().worker.pid
    refused(attempt(pid, "hesperd.log"), allowed=("fork",))
    check_status(pid)
    flips_go_on()


def test_contexts_do_not_see_each_other():
    """A pid namespace each, that ends with its first process."""
    other = machine.guest.start("hesper-cube --wsi headless --size 320x200 --frames 0")
    two = wait_for("two contexts", lambda: (lambda c: c if len(c) == 2 else None)(
        processes.busy(machine.daemon.pid)))
    spaces = {os.readlink(f"/proc/{p.pid}/ns/pid") for c in two
              for p in (c.render, c.server, c.worker)}
    assert len(spaces) == 2, spaces
    assert os.readlink(f"/proc/{machine.device()}/ns/pid") not in spaces
    other.signal(9)
    start = time.monotonic()
    wait_for("one context", lambda: len(processes.busy(machine.daemon.pid)) < 2, timeout=20)
    print(f"# gone after {time.monotonic() - start:.2f} s")


def test_hesper_view():
    flips_go_on()
    pid = viewer.process.pid
    refused(attempt(pid, "view.log"))
    check_status(pid)
    machine.alive()
    assert viewer.process.poll() is None


def test_without():
    """The same attempts where nothing is refused: they are real."""
    global machine
    saved = machine
    with Machine("--sandbox=off", env=prey.environment(), preload=PRELOAD, start=False,
                 devices=None) as machine:
        assert machine.device() == machine.daemon.pid
        found = attempt(machine.daemon.pid, "hesperd.log")
    machine = saved
    done = {name for name in NAMES if found[name][0] == "done"}
    print(f"# done: {' '.join(sorted(done))}")
    wanted = {"open", "write", "create", "proc-mem", "connect-inet", "connect-abstract",
              "connect-path", "process-vm-readv", "kill", "exec", "fork"}
    if os.geteuid() == 0:
        wanted |= {"ptrace", "mount", "unshare", "setuid", "chroot"}
    assert wanted <= done, f"not done: {wanted - done}"


def main():
    global machine, viewer, prey
    prey = Prey()
    try:
        with Machine(env=prey.environment(), preload=PRELOAD) as machine:
            missing = re.findall(r"sandbox: no .*", machine.log("hesperd.log"))
            if missing:
                print("1..0 # SKIP " + missing[0])
                return 0
            viewer = machine.viewer(preload=PRELOAD, env=prey.environment())
            machine.guest.start("hesper-cube --frames 0")
            the_context()
            return run_tests([
                test_hesperd,
                test_hesper_render,
                test_render_server,
                test_worker,
                test_contexts_do_not_see_each_other,
                test_hesper_view,
                test_without,
            ])
    finally:
        prey.close()


if __name__ == "__main__":
    sys.exit(main())
