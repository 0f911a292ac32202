# SPDX-License-Identifier: MIT
"""A context whose GPU hangs: a shader that never ends, for real (lavapipe, one process a context). It is
named and cut off in time; the cube on the screen, other contexts, viewers and input go on meanwhile
and after. And a context that is stopped on purpose keeps nobody else from the screen."""

import os
import re
import signal
import sys
import time

import dbuspeer
from machine import Machine, run_tests, wait_for
from peer import Console, Peer
from processes import below, busy

TIME = 6  # seconds, of --gpu-watchdog
KEY_A = 30

machine = None
cube = None


def flips():
    return machine.stats()["scanout_blob_commands"]


def check_cube_goes_on(count=10):
    machine.alive()
    before = flips()
    wait_for("flips", lambda: flips() > before + count)


def check_new_context_works():
    again = machine.guest.run("hesper-cube --wsi headless --frames 10 --check 5 --json -", 120)
    assert again.json()["mismatches"] == 0


def count_contexts(count):
    def found():
        there = busy(machine.daemon.pid)
        return there if len(there) == count else None
    return wait_for(f"{count} contexts", found)


def processor_seconds(pids):
    """That these have used so far."""
    used = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        used += int(fields[11]) + int(fields[12])
    return used / os.sysconf("SC_CLK_TCK")


def start_hang(how="shader"):
    hang = machine.guest.start(f"hesper-hang {how}")
    hang.wait_for_line("submitted")
    context = count_contexts(2)[-1]
    # It computes: a worker that waits for something would be no hang.
    before = processor_seconds([context.worker.pid])
    wait_for("load", lambda: processor_seconds([context.worker.pid]) > before + 0.5)
    return hang, context


def alive(context):
    return [p.pid for p in (context.render, context.server, context.worker) if p.alive()]


def test_cut_off():
    seen = len(machine.log("hesperd.log"))
    lost = machine.stats()["contexts_lost"]
    start = time.monotonic()
    hang, context = start_hang()
    before = flips()

    def cut_off():
        stats = machine.stats()
        return stats if stats["contexts_lost"] == lost + 1 else None
    stats = wait_for("end of the context", cut_off, timeout=60)
    took = time.monotonic() - start
    line = machine.log("hesperd.log")[seen:]
    said = re.search(r"\(hesper-hang\) is lost: it hangs: fence \d+ of its ring 1 has been under way "
                     r"for ([0-9.]+) s", line)
    assert said and float(said[1]) >= TIME and took >= TIME, f"after {took:.1f} s: {line}"
    during = stats["scanout_blob_commands"] - before
    assert during > 10, f"the cube flipped {during} times meanwhile"
    wait_for("end of its processes", lambda: not alive(context))
    print(f"# cut off after {took:.1f} s, {during} flips meanwhile: {line.strip()}")
    # Its program is told and ends; no wait in the guest's kernel is left behind.
    hang.wait(60)
    assert hang.code != 0, hang.output
    # Nothing below hesperd computes any more but the cube.
    rest = [p.pid for p in below(machine.daemon.pid)]
    of_cube = count_contexts(1)[0].worker.pid
    others = [pid for pid in rest if pid != of_cube]
    before = processor_seconds(others)
    check_cube_goes_on(30)
    assert processor_seconds(others) - before < 0.5
    check_new_context_works()


def test_a_long_job_is_no_hang():
    lost = machine.stats()["contexts_lost"]
    busy_one = machine.guest.run(f"hesper-hang busy {TIME // 2}", 60)
    assert busy_one.lines[-1].startswith("PASS"), busy_one.output
    assert machine.stats()["contexts_lost"] == lost


def test_nobody_waits():
    """What nobody waits for stops nobody, and ends with its program."""
    hang, context = start_hang("silent")
    time.sleep(TIME * 1.5)
    check_cube_goes_on()
    assert len(alive(context)) == 3
    hang.signal(signal.SIGKILL)
    hang.wait(30)
    wait_for("end of its processes", lambda: not alive(context))
    check_cube_goes_on()


def type_one(console, listener):
    seen = len(listener.lines)
    console.key(KEY_A, True)
    console.key(KEY_A, False)
    wait_for("the key", lambda: sum("KEY_A" in line for line in listener.lines[seen:]) >= 2)


def check_size(monitors, width, height):
    """The cube follows, and a viewer that comes sees it so."""
    monitors.set_monitor(0, width, height)

    def seen():
        viewer = machine.viewer("--frames", "5")
        assert viewer.wait()["frames_presented"] >= 5
        picture = viewer.picture()
        return (picture.width, picture.height) == (width, height)
    wait_for(f"{width}x{height}", seen, timeout=60)


def test_everything_beside_a_stopped_context():
    """Viewers come and go, a monitor changes its size, keys arrive, all while a context is stopped in
    the middle of its work."""
    victim = machine.guest.start("hesper-memory maps 1500")
    context = count_contexts(2)[-1]
    maps = machine.stats()["maps"]
    wait_for("maps", lambda: machine.stats()["maps"] > maps + 20)
    os.kill(context.worker.pid, signal.SIGSTOP)
    try:
        listener = machine.guest.start("hesper-input")
        listener.wait_for_line("ready")
        console = Console(Peer(machine.path("display")))
        monitors = dbuspeer.Peer(machine.path("display"))
        for size in ((800, 600), (1024, 768), (1280, 800)):
            check_size(monitors, *size)
            type_one(console, listener)
        check_cube_goes_on()
        assert context.worker.alive() and victim.code is None, "it was not stopped all the time"
        listener.signal()
    finally:
        os.kill(context.worker.pid, signal.SIGCONT)
    victim.signal(signal.SIGKILL)
    victim.wait(60)
    wait_for("end of its processes", lambda: not alive(context))


def main():
    global machine, cube
    with Machine(f"--gpu-watchdog={TIME}", "--watchdog=600") as machine:
        cube = machine.guest.start("hesper-cube --frames 0 --follow")
        check_cube_goes_on()
        return run_tests([
            test_cut_off,
            test_a_long_job_is_no_hang,
            test_nobody_waits,
            test_everything_beside_a_stopped_context,
        ])


if __name__ == "__main__":
    sys.exit(main())
