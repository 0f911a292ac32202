# SPDX-License-Identifier: MIT
"""What /proc tells of processes that are meant to rest."""

import os
import re
import time

# Files that are a guest's RAM, as the scripted front end and QEMU name them.
GUEST_RAM = re.compile(r"/memfd:(wire-ram|memory-backend-memfd)\b")


def _read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _field(text, name):
    found = re.search(rf"^{name}:\s*(\d+)", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def rss_kib(pid):
    """Resident memory without what is the guest's."""
    total, counts = 0, False
    for line in _read(f"/proc/{pid}/smaps").splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            counts = GUEST_RAM.search(line) is None
        elif counts and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total


def pss_kib(pid):
    return _field(_read(f"/proc/{pid}/smaps_rollup"), "Pss")


def fds(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def threads(pid):
    """{number: (name, CPU ns, switches)} of a process."""
    found = {}
    try:
        numbers = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for number in numbers:
        task = f"/proc/{pid}/task/{number}"
        status = _read(f"{task}/status")
        if status:
            cpu = _read(f"{task}/schedstat").split()
            found[number] = (_read(f"{task}/comm").strip(), int(cpu[0]) if cpu else 0,
                             _field(status, "voluntary_ctxt_switches"))
    return found


def rest(pids, seconds):
    """What they did in that time: {"cpu_percent", "wakeups_per_s", "wakers": {name: per second}}."""
    before = {pid: threads(pid) for pid in pids}
    start = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - start
    cpu, wakers = 0, {}
    for pid in pids:
        for number, (name, ns, switches) in threads(pid).items():
            _, ns_before, switches_before = before[pid].get(number, (name, 0, 0))
            cpu += ns - ns_before
            woken = switches - switches_before
            if woken > 0:
                wakers[name] = wakers.get(name, 0) + woken / took
    return {"cpu_percent": cpu / 1e7 / took, "wakeups_per_s": sum(wakers.values()),
            "wakers": {name: round(rate, 2) for name, rate in wakers.items()}}
