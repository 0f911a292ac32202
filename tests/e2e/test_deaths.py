# SPDX-License-Identifier: MIT
"""Processes behind the guest's contexts are killed and stopped, at any moment: the loss is that of one
context; and when hesperd or QEMU is killed, nothing stays.

HESPER_KILLS: how often each process is killed (default 3)."""

import os
import random
import shutil
import signal
import sys
import time

from machine import Machine, run_tests, wait_for
from processes import below, busy, contexts, spare, spawners

KILLS = int(os.environ.get("HESPER_KILLS", "3"))
VICTIM = "hesper-cube --wsi headless --size 320x200 --frames 0"
WATCHDOG = 5  # seconds

machine = None
cube = None  # on the screen, all the time


def flips():
    return machine.stats()["scanout_blob_commands"]


def check_picture_goes_on():
    machine.alive()
    before = flips()
    wait_for("flips", lambda: flips() > before + 10, timeout=2)


def check_new_context_works():
    again = machine.guest.run("hesper-cube --wsi headless --frames 30 --check 10 --json -", 60)
    assert again.json()["mismatches"] == 0


def start_cube():
    global cube
    cube = machine.guest.start("hesper-cube --frames 0")
    before = flips()
    wait_for("flips", lambda: flips() > before + 10)


def count_contexts(count):
    def found():
        there = busy(machine.daemon.pid)
        return there if len(there) == count else None
    return wait_for(f"{count} contexts", found)


def kill_while_it_draws(which):
    count_contexts(1)
    for _ in range(KILLS):
        lost = machine.stats()["contexts_lost"]
        victim = machine.guest.start(VICTIM)
        context = count_contexts(2)[-1]
        time.sleep(random.uniform(0, 1))
        process = getattr(context, which)
        os.kill(process.pid, signal.SIGKILL)
        wait_for("loss", lambda: machine.stats()["contexts_lost"] == lost + 1, timeout=2)
        check_picture_goes_on()
        victim.wait(60)
        assert victim.code != 0, "the victim did not notice"
        left = [p for p in (context.render, context.server, context.worker) if p.alive()]
        assert not left, f"left: {[(p.name, p.pid) for p in left]}"
    check_new_context_works()


def test_killed_render_process():
    kill_while_it_draws("render")


def test_killed_render_server():
    kill_while_it_draws("server")


def test_killed_worker():
    kill_while_it_draws("worker")


def test_killed_spare():
    for which in ("render", "server"):
        before = wait_for("spare", lambda: spare(machine.daemon.pid))
        os.kill(getattr(before, which).pid, signal.SIGKILL)
        wait_for("another spare", lambda: (spare(machine.daemon.pid) or before).render.pid
                 != before.render.pid)
        check_picture_goes_on()
        check_new_context_works()


def two_spawners(but=None):
    found = spawners(machine.daemon.pid)
    return found if len(found) == 2 and but not in [p.pid for p in found] else None


def test_killed_spawner_that_stands_by():
    first, second = wait_for("two spawners", two_spawners)
    os.kill(second.pid, signal.SIGKILL)
    wait_for("another", lambda: two_spawners(but=second.pid))
    assert first.alive()
    check_picture_goes_on()
    check_new_context_works()


def test_killed_spawner():
    """All contexts end with it; new ones work."""
    first = wait_for("two spawners", two_spawners)[0]
    old = contexts(machine.daemon.pid)
    os.kill(first.pid, signal.SIGKILL)
    wait_for("end of its processes", lambda: not any(
        p.alive() for c in old for p in (c.render, c.server, c.worker) if p is not None))
    machine.alive()
    cube.wait(60)
    assert cube.code != 0
    assert "another takes over" in machine.log("hesperd.log")
    check_new_context_works()
    # A child of it is hesperd's no longer, and stands by all the same.
    start_cube()
    check_picture_goes_on()


def others_work():
    """Memory for another context, the console, which is 2D."""
    start = time.monotonic()
    result = machine.guest.run("hesper-memory maps 50", 20)
    assert result.lines[-1].startswith("PASS"), result.output
    check_picture_goes_on()
    print(f"# another context took {time.monotonic() - start:.2f} s for 50 blobs and a check")


def stop_in_the_middle(which, others=1, count=1500):
    """A program that makes memory all the time, and stops getting it."""
    victim = machine.guest.start(f"hesper-memory maps {count}")
    context = count_contexts(others + 1)[-1]
    maps = machine.stats()["maps"]
    wait_for("maps", lambda: machine.stats()["maps"] > maps + 20)
    os.kill(getattr(context, which).pid, signal.SIGSTOP)
    return victim, context


def stall(which):
    victim, context = stop_in_the_middle(which)
    stopped = time.monotonic()
    others_work()
    wait_for("watchdog", lambda: f"(hesper-memory) is lost: it has not answered for {WATCHDOG}.0 s"
             in machine.log("hesperd.log")[seen:], timeout=WATCHDOG + 7)
    took = time.monotonic() - stopped
    assert took > WATCHDOG - 0.5, took
    print(f"# cut off after {took:.1f} s")
    victim.wait(60)
    assert victim.code != 0
    wait_for("end of its processes", lambda: not any(
        p.alive() for p in (context.render, context.server, context.worker)), timeout=2)
    check_picture_goes_on()
    check_new_context_works()


seen = 0  # of the log


def test_stalled_worker():
    global seen
    seen = len(machine.log("hesperd.log"))
    stall("worker")


def test_stalled_render_process():
    global seen
    seen = len(machine.log("hesperd.log"))
    stall("render")


def test_stall_that_ends_in_time():
    lost = machine.stats()["contexts_lost"]
    victim, context = stop_in_the_middle("worker", count=150)
    time.sleep(1)
    check_picture_goes_on()
    os.kill(context.worker.pid, signal.SIGCONT)
    victim.check(120)
    assert victim.lines[-1].startswith("PASS"), victim.output
    assert machine.stats()["contexts_lost"] == lost


def test_console_beside_a_stalled_context():
    """The text console: 2D resources, drawn by the guest's processor."""
    global cube
    cube.signal()
    cube.check()
    victim, context = stop_in_the_middle("worker", others=0, count=150)
    before = machine.stats()["transfers_2d"]
    machine.guest.run("for i in 1 2 3; do echo $i >/dev/tty0; sleep 0.1; done", 10)
    wait_for("console", lambda: machine.stats()["transfers_2d"] > before, timeout=2)
    os.kill(context.worker.pid, signal.SIGCONT)
    victim.check(120)
    start_cube()


def with_two_contexts(do):
    """A machine of its own; do(machine, processes below hesperd)."""
    own = Machine()
    try:
        own.guest.start("hesper-cube --frames 0")
        own.guest.start(VICTIM)
        there = wait_for("contexts", lambda: busy(own.daemon.pid)
                         if len(busy(own.daemon.pid)) == 2 and spare(own.daemon.pid) else None)
        # One of them cannot react to anything.
        os.kill(there[1].worker.pid, signal.SIGSTOP)
        do(own, below(own.daemon.pid))
    finally:
        own.guest.close()
        for process in (own.qemu, own.daemon):
            process.kill()
            process.wait()
        shutil.rmtree(own.dir)


def check_all_gone(processes, within):
    end = time.monotonic() + within
    while any(p.alive() for p in processes) and time.monotonic() < end:
        time.sleep(0.01)
    left = [(p.name, p.pid) for p in processes if p.alive()]
    assert not left, f"left after {within} s: {left}"


def test_killed_hesperd():
    def kill(own, processes):
        assert len(processes) >= 10, [p.name for p in processes]
        own.daemon.kill()
        check_all_gone(processes, 1)
        assert own.qemu.poll() is None, "QEMU ended with it"
    with_two_contexts(kill)


def test_killed_qemu():
    def kill(own, processes):
        own.qemu.kill()
        start = time.monotonic()
        own.daemon.wait(5)
        check_all_gone(processes, 1)
        took = time.monotonic() - start
        assert took < 1, f"hesperd took {took:.2f} s to end"
        assert not os.path.exists(own.path("display"))
        print(f"# all gone {took:.2f} s after QEMU")
    with_two_contexts(kill)


def main():
    global machine
    with Machine(f"--watchdog={WATCHDOG}") as machine:
        start_cube()
        status = run_tests([
            test_killed_render_process,
            test_killed_render_server,
            test_killed_worker,
            test_killed_spare,
            test_killed_spawner_that_stands_by,
            test_killed_spawner,
            test_stalled_worker,
            test_stalled_render_process,
            test_stall_that_ends_in_time,
            test_console_beside_a_stalled_context,
            test_killed_hesperd,
            test_killed_qemu,
        ])
    return status


if __name__ == "__main__":
    sys.exit(main())
