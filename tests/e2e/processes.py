# SPDX-License-Identifier: MIT
"""Processes below hesperd, as /proc shows them: the spawners, and for each context hesper-render, its
render server and the worker that runs the context."""

import os


class Process:
    def __init__(self, pid, parent, name, start, state):
        self.pid, self.parent, self.name, self.start = pid, parent, name, start
        self.state = state

    def alive(self):
        """Whether this very process is still there (a zombie is not)."""
        found = read(self.pid)
        return found is not None and found.start == self.start and found.state != "Z"


class Context:
    """One hesper-render. worker is None for one that has no context yet: the spare."""

    def __init__(self, render, server, worker):
        self.render, self.server, self.worker = render, server, worker


def read(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            head, tail = file.read().rsplit(")", 1)
    except OSError:
        return None
    fields = tail.split()
    return Process(int(pid), int(fields[1]), head.split("(", 1)[1], int(fields[19]), fields[0])


def everything():
    found = (read(name) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None and process.state != "Z"]


def below(pid):
    """All descendants, oldest first."""
    table, found, parents = everything(), [], {pid}
    while True:
        more = [p for p in table if p.parent in parents and p not in found]
        if not more:
            return sorted(found, key=lambda p: (p.start, p.pid))
        found += more
        parents = {p.pid for p in more}


def spawners(pid):
    return [p for p in below(pid) if p.name == "hesper-spawner"]


def contexts(pid):
    """Oldest first; the spare is among them."""
    table, found = below(pid), []
    for render in (p for p in table if p.name == "hesper-render"):
        server = next((p for p in table if p.parent == render.pid), None)
        worker = server and next((p for p in table if p.parent == server.pid), None)
        found.append(Context(render, server, worker))
    return found


def busy(pid):
    """The contexts of guests."""
    return [context for context in contexts(pid) if context.worker is not None]


def spare(pid):
    return next((c for c in contexts(pid) if c.server is not None and c.worker is None), None)


def keeps_freed(pid):
    """KiB that a process may keep of what it freed: AddressSanitizer does, to find its use."""
    with open(f"/proc/{pid}/maps") as file:
        return 256 << 10 if "libasan" in file.read() else 0


def memory(pid):
    """PSS in KiB."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
