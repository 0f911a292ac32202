# SPDX-License-Identifier: MIT
"""A machine that works for long, and what its processes hold meanwhile.

A cube is on the screen and a viewer looks at it, from the start to the end. Beside them go rounds of
a few seconds: contexts begin, draw and end, about one a second; blobs are mapped and unmapped; a
second viewer comes and goes. Samples are taken every `every` seconds whatever happens, and "at rest"
after each round, when what the round began has ended: then every number must be what it was before.

Only processes that stay are looked at. QEMU has all of the guest's RAM from the start and a small
translation cache, or both would fill for an hour and hide what else grows.
"""

import json
import os
import threading
import time

import guestctl
from machine import Machine, wait_for
from processes import below, busy, spare, spawners

CONTEXT = "hesper-cube --wsi headless --size 320x200 --frames 20"
BLOBS = ("hesper-memory maps 100", "hesper-memory barrier 200")
WHERE_IT_WAITS = ("for t in /proc/$(pidof hesper-memory)/task/*; do cat $t/comm $t/wchan $t/stack; "
                  "done; dmesg | tail")
GUEST_RAM = "memory-backend-memfd"
PROCESS_SERIES = ("rss_kib", "anonymous_kib", "fds", "maps")
LIMITS = ("resources", "contexts", "mappings", "memory", "descriptors")


def _fields(path, names):
    with open(path) as file:
        found = dict(line.split(":", 1) for line in file if ":" in line)
    return [int(found[name].split()[0]) for name in names]


def look_at(pid):
    """What one process holds."""
    rss, anonymous = _fields(f"/proc/{pid}/status", ("VmRSS", "RssAnon"))
    with open(f"/proc/{pid}/maps") as file:
        maps = sum(1 for _ in file)
    return {"rss_kib": rss, "anonymous_kib": anonymous,
            "fds": len(os.listdir(f"/proc/{pid}/fd")), "maps": maps}


def memfds(pids):
    """How many different ones these processes have open, but for the guest's RAM, and their KiB."""
    found = {}
    for pid in pids:
        try:
            for name in os.listdir(f"/proc/{pid}/fd"):
                path = f"/proc/{pid}/fd/{name}"
                target = os.readlink(path)
                if target.startswith("/memfd:") and GUEST_RAM not in target:
                    about = os.stat(path)
                    found[about.st_ino] = about.st_blocks // 2
        except OSError:
            continue  # it has ended, or closed that one
    return len(found), sum(found.values())


class Soak:
    def __init__(self, every=5):
        self.every = every
        self.load, self.rest = [], []
        self.did = {"rounds": 0, "contexts": 0, "blob_programs": 0, "viewers": 0}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def start(self):
        self.machine = Machine(memory="1G", accel="tcg,thread=multi,tb-size=32", prealloc=True)
        return self

    def begin(self):
        machine = self.machine
        self.cube = machine.guest.start("hesper-cube --frames 0")
        self.viewer = machine.viewer()
        sent = machine.stats()["frames_sent"]
        wait_for("frames", lambda: machine.stats()["frames_sent"] > sent + 10, 60)
        context = wait_for("context", lambda: self._settled(), 60)
        spawner, reserve = spawners(machine.daemon.pid)
        self.pids = {"hesperd": machine.device(), "keeper": machine.daemon.pid,
                     "spawner": spawner.pid, "second spawner": reserve.pid,
                     "hesper-render": context.render.pid, "render server": context.server.pid,
                     "worker": context.worker.pid, "hesper-view": self.viewer.process.pid,
                     "QEMU": machine.qemu.pid}
        self.start_time = time.monotonic()
        self._sampler = threading.Thread(target=self._sample_under_load, daemon=True)
        self._sampler.start()

    def _settled(self):
        """The cube's context, when it is the only one and the spare is there."""
        there = busy(self.machine.daemon.pid)
        return there[0] if len(there) == 1 and spare(self.machine.daemon.pid) else None

    def sample(self):
        with self._lock:
            stats = self.machine.stats()
            all_pids = [p.pid for p in below(self.machine.daemon.pid)]
            all_pids += [self.machine.daemon.pid, self.machine.qemu.pid]
            all_pids += [v.process.pid for v in self.machine.viewers if v.process.poll() is None]
            count, kib = memfds(all_pids)
            shm = os.statvfs("/dev/shm")
            host = {"processes": len(all_pids), "memfds": count, "memfd_kib": kib,
                    "dev_shm_kib": (shm.f_blocks - shm.f_bfree) * shm.f_frsize // 1024,
                    "frames_sent": stats["frames_sent"], "maps": stats["maps"]}
            host.update({name: stats["limits"][name]["now"] for name in LIMITS})
            return {"seconds": round(time.monotonic() - self.start_time, 2), "machine": host,
                    **{name: look_at(pid) for name, pid in self.pids.items()}}

    def _sample_under_load(self):
        while not self._stop.wait(self.every):
            self.load.append(self.sample())

    def _draw_contexts(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            self.machine.guest.run(CONTEXT, 120)
            self.did["contexts"] += 1
            time.sleep(max(0, began + 1 - time.monotonic()))  # about one a second

    def round(self, seconds=5):
        machine = self.machine
        viewer = machine.viewer()
        blobs = machine.guest.start(BLOBS[self.did["rounds"] % len(BLOBS)])
        self._draw_contexts(seconds)
        try:
            assert blobs.check(120).lines[-1].startswith("PASS"), blobs.output
        except guestctl.GuestError:
            print(machine.guest.run(WHERE_IT_WAITS, 60).output, json.dumps(machine.stats()))
            raise
        assert viewer.stop()["frames_presented"] > 0
        machine.viewers.remove(viewer)
        viewer.log.close()
        for path in (viewer.summary_path, viewer.picture_path):
            if os.path.exists(path):
                os.unlink(path)
        self.did["rounds"] += 1
        self.did["blob_programs"] += 1
        self.did["viewers"] += 1
        self._rest()

    def _rest(self):
        """What the round began has ended. Should something not, the sample shows it."""
        try:
            wait_for("rest", self._settled, 60)
        except AssertionError as late:
            print(f"# {late}", flush=True)
        last = None
        for _ in range(20):
            now = (look_at(self.pids["hesperd"])["fds"], look_at(self.pids["QEMU"])["fds"])
            if now == last:
                break
            last = now
            time.sleep(0.1)
        self.rest.append(self.sample())

    def finish(self):
        """The orderly end of all of it. Processes that stay have stayed."""
        self._stop.set()
        self._sampler.join()
        self.machine.alive()
        assert self.cube.code is None, f"the cube ended: {self.cube.output}"
        summary = self.viewer.stop()
        self.machine.viewers.remove(self.viewer)
        self.did["frames_presented"] = summary["frames_presented"]
        self.cube.signal()
        self.cube.check()
