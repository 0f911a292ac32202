# SPDX-License-Identifier: MIT
"""Reboot, driver unbind and bind, pause and resume, a resize, and a killed renderer: the picture
continues or comes back, and QEMU and hesperd live."""

import os
import sys
import time

from machine import Machine, run_tests, wait_for
from processes import busy

machine = None


def flips():
    return machine.stats()["scanout_blob_commands"]


def start_cube():
    cube = machine.guest.start("hesper-cube --frames 0")
    before = flips()
    wait_for("flips", lambda: flips() > before + 10)
    return cube


def test_pause_and_resume():
    cube = start_cube()
    for _ in range(3):
        machine.qmp.run("stop")
        paused = flips()
        time.sleep(0.3)
        assert flips() == paused, "a paused guest flips"
        machine.qmp.run("cont")
        wait_for("flips after cont", lambda: flips() > paused + 10)
    cube.signal()
    cube.check()
    machine.alive()
    # What was mapped before still is what the guest sees.
    assert machine.guest.run("hesper-memory maps 50").lines[-1].startswith("PASS")


def test_pause_with_too_much_mapped():
    """QEMU 11.1 cannot resume a vhost-user device with more than 8 memory regions. hesperd says
    so, everything lives, and a reboot brings the picture back."""
    machine.guest.start("hesper-memory maps 300")
    wait_for("mappings", lambda: machine.stats()["maps"] - machine.stats()["unmaps"] > 50)
    machine.qmp.run("stop")
    wait_for("warning", lambda: "cannot resume the display" in machine.log("hesperd.log"))
    machine.qmp.run("cont")
    machine.alive()
    machine.qmp.run("system_reset")
    machine.wait_guest()
    cube = start_cube()
    cube.signal()
    cube.check()


def test_unbind_and_bind():
    device = machine.guest.run(
        "basename $(readlink -f /sys/class/drm/card0/device)").lines[0]
    driver = "/sys/bus/virtio/drivers/virtio_gpu"
    virtio = machine.guest.run(f"ls {driver} | grep virtio").lines[0]
    cube = start_cube()
    machine.guest.run("for c in /sys/class/vtconsole/vtcon*; do echo 0 >$c/bind; done; true")
    # While it draws: it loses its device, and says so.
    machine.guest.run(f"echo {virtio} >{driver}/unbind", 30)
    cube.wait(60)
    assert cube.code != 0, cube.output
    machine.alive()
    machine.guest.run(f"echo {virtio} >{driver}/bind", 30)
    print(f"# {device} {virtio}")
    cube = start_cube()
    viewer = machine.viewer("--frames", "10")
    assert viewer.wait()["frames_presented"] >= 10
    cube.signal()
    cube.check()


def two_contexts():
    found = busy(machine.daemon.pid)
    return found if len(found) == 2 else None


def test_killed_context():
    """The process of one context dies: its program ends, all others go on."""
    cube = start_cube()
    victim = machine.guest.start("hesper-cube --wsi headless --size 320x200 --frames 0")
    contexts = wait_for("two contexts", lambda: two_contexts())
    os.kill(contexts[-1].worker.pid, 9)
    victim.wait(60)
    assert victim.code != 0
    before = flips()
    wait_for("flips of the other", lambda: flips() > before + 10)
    again = machine.guest.run("hesper-cube --wsi headless --frames 30 --check 10 --json -", 60)
    assert again.json()["mismatches"] == 0
    cube.signal()
    cube.check()


def test_reboot():
    cube = start_cube()
    machine.qmp.run("system_reset")
    machine.wait_guest()
    machine.alive()
    cube = start_cube()
    viewer = machine.viewer("--frames", "10")
    assert viewer.wait()["frames_presented"] >= 10
    cube.signal()
    cube.check()
    assert machine.guest.run("hesper-memory maps 100").lines[-1].startswith("PASS")


def test_reboot_by_the_guest_while_it_draws():
    start_cube()
    machine.guest.start("sync; reboot -f")
    machine.wait_guest()
    machine.alive()
    cube = start_cube()
    cube.signal()
    cube.check()


def main():
    global machine
    with Machine() as machine:
        return run_tests([
            test_pause_and_resume,
            test_pause_with_too_much_mapped,
            test_unbind_and_bind,
            test_killed_context,
            test_reboot,
            test_reboot_by_the_guest_while_it_draws,
        ])


if __name__ == "__main__":
    sys.exit(main())
