#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kills.py [--times N] [--seed N] [--limit S] [--json FILE] [--only NAME]…: the kill matrix.

A desktop runs in the guest, its windows are drawn by Vulkan and composed by OpenGL on Vulkan, a person looks at
it through a window of hesper-view. Then each process of hesper's is killed with SIGKILL, N times, each
time at a random moment. Of each it is asked whether the machine lives (QMP answers, and a command in the
guest), when there were new pictures (the third one after the kill, so that none was under way; after
the compositor's death: the first after the new one had its Vulkan context), when the session had its windows
again, and what was left.

Exits 0 when every machine lived, every picture came within the limit, and nothing was left.
  ./dev tests/e2e/kills.py --times 20
"""

import argparse
import glob
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "bench"))
from guests import describe_all  # noqa: E402  (also says where hesper's programs are)
from guestctl import GuestError  # noqa: E402
from machine import Machine, wait_for  # noqa: E402
from processes import below, busy, contexts, read, spare, spawners  # noqa: E402
from scripted import ScriptedViewer  # noqa: E402
from xserver import XServer  # noqa: E402

MOMENTS = 3.0  # seconds within which a kill comes
GONE = 1.0  # seconds within which all is to be gone
NEVER = 20  # seconds after which what is still there is left for good
PATIENCE = 120  # seconds until what does not come will never come
SESSION = "export XDG_RUNTIME_DIR=/run/user/0 WAYLAND_DISPLAY=wayland-0; "
CUBE = "vkcube --wsi wayland --width 400 --height 400"
# The guest's processor writes here all the time, so that the compositor has something to compose
# whatever becomes of the cube.
CLOCK = "foot sh -c 'while :; do date +%N; sleep 0.1; done'"


def load():
    return os.getloadavg()[0]


def memfds(pid):
    """How many files of memory a process has open."""
    found = 0
    for name in glob.glob(f"/proc/{pid}/fd/*"):
        try:
            found += os.readlink(name).startswith("/memfd:")
        except OSError:
            continue
    return found


def temporary(folder):
    """What hesper's programs left for a moment and for ever: in the folder that TMPDIR names for them,
    and where TMPDIR is not asked for."""
    return set(glob.glob(f"{folder}/*")) | {path for pattern in ("/dev/shm/*", "/tmp/virgl*")
                                            for path in glob.glob(pattern)}


class Desk:
    """A machine with its desktop, and those who look at it."""

    def __init__(self, x11):
        self.x11 = x11
        self.temporary = tempfile.mkdtemp(prefix="hesper-kills-")
        self.before = temporary(self.temporary)
        self.machine = Machine(desktop=True, memory="2G", append="vt.global_cursor_default=0",
                               env={"TMPDIR": self.temporary})
        self.names = None
        self.watch = ScriptedViewer(self.machine.path("display"))
        self.viewer = None
        self.session = None
        self.start_viewer()
        # Keeps the guest's text console away between two sessions, so that what comes is the desktop.
        self.machine.guest.start("exec 9</dev/dri/renderD128; exec sleep 1000000")

    def start_viewer(self):
        """Returns when it has shown something."""
        viewer = self.machine.viewer("--no-resize", "--title", "desktop", "--screenshot-at", "1",
                                     window=True, env=self.x11.env)
        wait_for("the viewer's first picture", lambda: os.path.exists(viewer.picture_path), PATIENCE,
                 step=0.005)
        os.unlink(viewer.picture_path)
        self.viewer = viewer

    def start_session(self):
        self.session = self.machine.guest.start("exec hesper-desktop")
        self.session.wait_for_line("^desktop ready$", PATIENCE)
        self.start_clock()

    def start_clock(self):
        self.machine.guest.start(SESSION + "exec " + CLOCK)
        self.settle()

    def start_cube(self):
        self.machine.guest.start(SESSION + "exec " + CUBE)
        self.settle()

    def settle(self):
        """The compositor's context and the cube's, and pictures."""
        wait_for("two contexts", lambda: len(busy(self.pid)) == 2 and spare(self.pid), PATIENCE)
        wait_for("two spawners", lambda: len(spawners(self.pid)) == 2, PATIENCE)
        start = time.monotonic()
        wait_for("pictures", lambda: self.watch.since(start) > 5, PATIENCE)

    def stop_session(self):
        self.session.signal()
        self.session.wait(PATIENCE)
        wait_for("the end of the contexts", lambda: not busy(self.pid), PATIENCE)

    @property
    def pid(self):
        return self.machine.daemon.pid

    def rest(self):
        """What there is of hesper when the guest uses nothing: of each kind, how much."""
        wait_for("a spare", lambda: spare(self.pid) and len(spawners(self.pid)) == 2, PATIENCE)
        processes = [p for p in below(self.pid) if p.name != "hesper-view"]
        device, keeper, qemu = self.machine.device(), self.pid, self.machine.qemu.pid
        return {
            "processes": len(processes),
            "hesperd's files": len(os.listdir(f"/proc/{device}/fd")),
            "the keeper's files": len(os.listdir(f"/proc/{keeper}/fd")),
            "QEMU's files": len(os.listdir(f"/proc/{qemu}/fd")),
            "files of memory": sum(memfds(p.pid) for p in processes) + memfds(qemu),
            "zombies": self.zombies(),
        }

    def rest_again(self, before):
        """What is there beyond that, when nothing changes any more."""
        end = time.monotonic() + 20
        while True:
            now = self.rest()
            more = {name: f"{now[name]} instead of {before[name]}" for name in now
                    if now[name] > before[name]}
            if not more or time.monotonic() > end:
                return [f"{name}: {words}" for name, words in more.items()]
            time.sleep(0.2)

    def zombies(self):
        children = {p.pid for p in below(self.pid)} | {self.pid}
        found = (read(name) for name in os.listdir("/proc") if name.isdigit())
        return sum(p is not None and p.state == "Z" and p.parent in children for p in found)

    def files(self):
        """Names in the machine's folder that hesperd or QEMU made."""
        return {name for name in os.listdir(self.machine.dir)
                if not name.endswith((".log", ".json", ".png"))}

    def lives(self):
        """QMP answers, and the guest runs a command."""
        status = self.machine.qmp.run("query-status")["status"]
        self.machine.guest.run("true", PATIENCE)
        return status == "running" and self.machine.qemu.poll() is None

    def close(self):
        self.watch.close()
        self.viewer.kill()
        try:
            self.machine.close()
        finally:
            self.clean()

    def close_all(self):
        """After anything."""
        self.watch.close()
        self.clean()

    def clean(self):
        if self.machine.guest is not None:
            self.machine.guest.close()
        for process in (self.viewer.process, self.machine.qemu, self.machine.daemon):
            if process.poll() is None:
                process.kill()
            process.wait()
        shutil.rmtree(self.machine.dir, ignore_errors=True)
        shutil.rmtree(self.temporary, ignore_errors=True)


def picture_after(desk, when, count=3):
    """Seconds from `when` to the count-th picture after it."""
    wait_for("new pictures", lambda: desk.watch.next_after(when, count), PATIENCE, step=0.005)
    return desk.watch.next_after(when, count) - when


def kill(process):
    os.kill(process.pid, signal.SIGKILL)
    return time.monotonic()


def end_of(processes, when):
    """What is left of a kill: {"gone": seconds until all had ended, "left": [those that never did]}."""
    while any(p.alive() for p in processes) and time.monotonic() < when + NEVER:
        time.sleep(0.005)
    return {"gone": time.monotonic() - when,
            "left": [f"{p.name} {p.pid}" for p in processes if p.alive()]}


def of_context(context):
    return [p for p in (context.render, context.server, context.worker) if p is not None]


# --- what is killed, one function a row: (desk, kill's moment) → seconds to the picture, leftovers ---------


def application(which):
    def run(desk):
        context = busy(desk.pid)[-1]
        when = kill(getattr(context, which))
        left = end_of(of_context(context), when)
        took = picture_after(desk, when)
        desk.start_cube()
        return took, left
    return run


def session_again(desk, when, known, old):
    """The new compositor's pictures, when its predecessor died: none that was still under way counts."""
    old = {context.render.pid for context in old}
    def said(words):
        return any(line.startswith(words) for line in desk.session.lines[known:])

    wait_for("the session's restart", lambda: said("desktop ended"), PATIENCE, step=0.005)
    # Rarely asked: it reads all of /proc, and the guest is to have the processor.
    wait_for("the new compositor's context", lambda: any(
        context.render.pid not in old for context in busy(desk.pid)), PATIENCE, step=0.1)
    again = time.monotonic()
    took = again - when + picture_after(desk, again, 1)
    wait_for("the session", lambda: said("desktop ready"), PATIENCE)
    windows = time.monotonic() - when
    desk.start_clock()
    return took, windows


def compositor(desk):
    there, known = busy(desk.pid), len(desk.session.lines)
    when = kill(there[0].worker)
    end = end_of(of_context(there[0]), when)
    took, end["windows"] = session_again(desk, when, known, there)
    return took, end


def the_spare(desk):
    context = spare(desk.pid)
    when = kill(context.render)
    left = end_of(of_context(context), when)
    took = picture_after(desk, when)
    desk.settle()
    return took, left


def active_spawner(desk):
    there, busy_then, known = contexts(desk.pid), busy(desk.pid), len(desk.session.lines)
    spawner = spawners(desk.pid)[0]
    when = kill(spawner)
    left = end_of([spawner] + [p for c in there for p in of_context(c)], when)
    took, left["windows"] = session_again(desk, when, known, busy_then)
    return took, left


def spawner_standing_by(desk):
    spawner = spawners(desk.pid)[1]
    when = kill(spawner)
    left = end_of([spawner], when)
    took = picture_after(desk, when)
    desk.settle()
    return took, left


def viewer(desk):
    """Until a new one, started at once, has shown a picture."""
    old = desk.viewer.process
    below_it = below(old.pid)
    when = time.monotonic()
    old.kill()
    old.wait()
    left = end_of(below_it, when)
    desk.start_viewer()
    return time.monotonic() - when, left


# The machine goes with these: (desk) → leftovers, and words on what became of it.


def gone(desk, processes, when, files):
    left = end_of(processes, when)
    left["left"] += [f"file {name}" for name in sorted(desk.files() - files)]
    left["left"] += [f"file {path}" for path in sorted(temporary(desk.temporary) - desk.before)]
    return left


def hesperd(which):
    def run(desk):
        processes = below(desk.pid)
        # But for QEMU's own sockets.
        when = kill(read(desk.machine.device() if which == "device" else desk.pid))
        desk.machine.daemon.wait(NEVER)
        left = gone(desk, processes, when, {"control", "qmp"})
        time.sleep(1)
        return left, desk.lives()
    return run


def qemu(desk):
    processes = below(desk.pid) + [read(desk.pid)]
    # Its own sockets: it could not remove them.
    when = kill(read(desk.machine.qemu.pid))
    desk.machine.qemu.wait()
    status = desk.machine.daemon.wait(NEVER)
    left = gone(desk, processes, when, {"control", "qmp"})
    left["left"] += [f"status {status} of hesperd"] if status != 0 else []
    return left, None


ROWS = {
    "worker of an application": application("worker"),
    "render server of an application": application("server"),
    "hesper-render of an application": application("render"),
    "worker of the compositor": compositor,
    "hesper-render, the spare": the_spare,
    "hesper-spawner, at work": active_spawner,
    "hesper-spawner, standing by": spawner_standing_by,
    "hesper-view": viewer,
    "hesperd, the device": hesperd("device"),
    "hesperd, the keeper": hesperd("keeper"),
    "QEMU": qemu,
}
LAST = ("hesperd, the device", "hesperd, the keeper", "QEMU")  # the machine goes with these


def note(name, number, entry):
    words = f"{name} {number}: killed {entry['moment']:.2f} s after the last, load {entry['load']:.1f}"
    if "back" in entry:
        words += f", pictures after {entry['back']:.2f} s"
    if "windows" in entry:
        words += f", windows after {entry['windows']:.2f} s"
    words += f", all gone after {entry['gone']:.2f} s"
    for left in entry["left"]:
        words += f", LEFT: {left}"
    print(f"# {words}{'' if entry['lives'] is not False else ', THE MACHINE DIED'}", file=sys.stderr,
          flush=True)


def run_row(desk, name, times, chance, entries):
    """The kills of one row, on a machine that goes on; what is left at its end."""
    if desk.names is None:
        desk.names = desk.files()
        desk.start_session()
        desk.stop_session()
    before = desk.rest()
    desk.start_session()
    for number in range(1, times + 1):
        entry = {"moment": chance.uniform(0, MOMENTS), "load": load()}
        time.sleep(entry["moment"])
        entry["back"], end = ROWS[name](desk)
        entry.update(end)
        entry["left"] += [f"file {file}" for file in sorted(
            desk.files() - desk.names | temporary(desk.temporary) - desk.before)]
        entry["lives"] = desk.lives()
        entries.append(entry)
        note(name, number, entry)
    desk.stop_session()
    return desk.rest_again(before)


def run_last(x11, name, times, chance, entries):
    """A machine for each kill."""
    for number in range(1, times + 1):
        desk = Desk(x11)
        try:
            desk.start_session()
            entry = {"moment": chance.uniform(0, MOMENTS), "load": load()}
            time.sleep(entry["moment"])
            end, entry["lives"] = ROWS[name](desk)
            entry.update(end)
            entry["viewer"] = desk.viewer.process.wait(20)
            entries.append(entry)
            note(name, number, entry)
        finally:
            desk.close_all()
    return []


def run_rows(x11, names, times, chance, write):
    """All rows. write(what the machine is, rows so far) after each. One that breaks off says why, and
    the next one gets a new machine."""
    desk, about, rows = None, None, {}
    try:
        for name in names:
            rows[name] = row = {"kills": [], "left": []}
            try:
                if name in LAST:
                    if desk is not None:
                        about = about or describe_all(desk.machine)
                        desk.close()
                        desk = None
                    row["left"] = run_last(x11, name, times, chance, row["kills"])
                else:
                    desk = desk or Desk(x11)
                    about = about or describe_all(desk.machine)
                    row["left"] = run_row(desk, name, times, chance, row["kills"])
            except (AssertionError, OSError, GuestError, subprocess.TimeoutExpired) as error:
                row["error"] = str(error)
                print(f"# {name} broke off: {error}", file=sys.stderr, flush=True)
                if desk is not None:
                    print(desk.machine.log("hesperd.log")[-3000:], file=sys.stderr)
                    desk.close_all()
                    desk = None
            write(about, rows)
    finally:
        if desk is not None:
            desk.close()
    return rows


def table(rows, limit):
    lines = ["| killed | times | machine lives | pictures again, s: median (max) | "
             "its processes gone, s: median (max) | left over |", "|---|---|---|---|---|---|"]

    def spread_of(values, most):
        late = sum(value > most for value in values)
        return "–" if not values else (f"{statistics.median(values):.2f} ({max(values):.2f})" +
                                       (f", {late} late" if late else ""))

    for name, row in rows.items():
        entries = row["kills"]
        lives = "–" if name == "QEMU" else f"{sum(e['lives'] for e in entries)}/{len(entries)}"
        pictures = spread_of([e["back"] for e in entries if "back" in e], limit)
        if "windows" in (entries or [{}])[0]:
            pictures += "; windows: " + spread_of([e["windows"] for e in entries], PATIENCE)
        ends = spread_of([e["gone"] for e in entries], GONE)
        left = [word for e in entries for word in e["left"]] + row["left"]
        lines.append(f"| {name} | {len(entries)} | {lives} | {pictures} | {ends} | "
                     f"{', '.join(left) or 'none'} |")
    return "\n".join(lines)


def verdict(rows, limit):
    """What is not as it should be."""
    wrong = []
    for name, row in rows.items():
        if "error" in row:
            wrong.append(f"{name}: {row['error']}")
        wrong += [f"{name}: left: {word}" for word in row["left"]]
        for entry in row["kills"]:
            wrong += [f"{name}: left: {word}" for word in entry["left"]]
            if entry["lives"] is False:
                wrong.append(f"{name}: the machine died")
            if entry["gone"] > max(GONE, limit / 2):
                wrong.append(f"{name}: processes were there for {entry['gone']:.2f} s")
            if entry.get("back", 0) > limit:
                wrong.append(f"{name}: pictures after {entry['back']:.2f} s")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--limit", type=float, default=2.0, help="seconds until there are pictures")
    parser.add_argument("--only", action="append", choices=list(ROWS))
    parser.add_argument("--json")
    options = parser.parse_args()
    print(f"# seed {options.seed}", file=sys.stderr, flush=True)
    chance = random.Random(options.seed)
    begun = time.monotonic()
    names = [name for name in ROWS if not options.only or name in options.only]

    def write(about, done):
        if options.json:
            with open(options.json, "w") as file:
                json.dump({"about": about, "seed": options.seed, "limit_s": options.limit,
                           "seconds": round(time.monotonic() - begun), "rows": done}, file, indent=1)
                file.write("\n")

    with XServer() as x11:
        rows = run_rows(x11, names, options.times, chance, write)
    print(table(rows, options.limit))
    loads = [e["load"] for row in rows.values() for e in row["kills"]]
    print(f"\nseed {options.seed}, {time.monotonic() - begun:.0f} s, load {min(loads):.1f} to {max(loads):.1f}")
    wrong = verdict(rows, options.limit)
    for words in wrong:
        print(f"WRONG: {words}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
