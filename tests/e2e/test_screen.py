# SPDX-License-Identifier: MIT
"""What is on the screen: the boot console (2D), the cube (blobs), with viewers that come and go."""

import json
import os
import shutil
import signal
import sys
import time

from machine import Machine, artefact, read_png, run_tests, wait_for

machine = None


def keep(viewer, name):
    path = artefact(name)
    shutil.copyfile(viewer.picture_path, path)
    return read_png(path)


def look(name, *options):
    """What a viewer that comes now sees."""
    viewer = machine.viewer("--frames", "1", *options)
    viewer.wait()
    return keep(viewer, name)


def test_console_text_is_visible():
    """fbcon through CREATE_2D, TRANSFER_TO_HOST_2D and SET_SCANOUT."""
    picture = look("console.png")
    assert (picture.width, picture.height) == (1280, 800)
    lit = sum(1 for y in range(0, 400, 2) for x in range(0, 1280, 2)
              if sum(picture.at(x, y)) > 300)
    dark = sum(1 for y in range(400, 800, 8) for x in range(0, 1280, 8)
               if sum(picture.at(x, y)) < 60)
    assert lit > 300, f"{lit} bright pixels: there is no text"
    assert dark > 4000, f"{dark} dark pixels: this is no console"
    assert machine.stats()["cpu_copied_bytes"] > 0, "2D is copied, and must be counted"


def test_cube_is_the_picture():
    """A still cube is the same picture, pixel for pixel, on the screen and in the guest's file."""
    cube = machine.guest.start("hesper-cube --still 100 --frames 0")
    wait_for("blob on the screen", lambda: machine.stats()["scanout_blob_commands"] > 3)
    picture = look("cube.png")
    cube.signal()
    cube.wait()
    assert picture.colours() > 200, "this is no cube"
    again = machine.guest.start("hesper-cube --still 100 --frames 0")
    before = machine.stats()["scanout_blob_commands"]
    wait_for("blobs", lambda: machine.stats()["scanout_blob_commands"] > before + 3)
    second = look("cube-again.png")
    again.signal()
    again.wait()
    assert picture.rows == second.rows, "frame 100 is not always the same picture"


def test_viewers_come_and_go():
    """Killed, stopped, slow, several at once: the guest's flips go on at its own rate."""
    cube = machine.guest.start("hesper-cube --frames 0")
    flips = lambda: machine.stats()["scanout_blob_commands"]  # noqa: E731
    before = flips()
    wait_for("flips", lambda: flips() > before + 5)

    def rate(seconds=1.5):
        start, t = flips(), time.monotonic()
        time.sleep(seconds)
        return (flips() - start) / (time.monotonic() - t)

    alone = rate()
    first = machine.viewer()
    second = machine.viewer()
    wait_for("frames sent", lambda: machine.stats()["frames_sent"] > 20)
    both = rate()
    first.kill()
    second.process.send_signal(signal.SIGSTOP)
    stopped = rate()
    third = machine.viewer("--frames", "20")
    summary = third.wait()
    assert summary["frames_presented"] >= 20, summary
    assert summary["cpu_copied_bytes"] == 0
    second.process.send_signal(signal.SIGCONT)
    second.stop()
    cube.signal()
    cube.wait()
    print("# flips/s: " + json.dumps({"no viewer": alone, "two": both, "killed and stopped": stopped}))
    # Not a matter of speed: a guest held up by a stopped viewer would make none at all.
    assert stopped > 0.3 * alone, "a stopped viewer holds up the guest"
    machine.alive()


def test_no_frame_is_torn():
    """Each frame carries its number in eight rows: a picture has one number."""
    import guestctl
    pattern = machine.guest.start("hesper-cube --pattern --frames 0")
    before = machine.stats()["scanout_blob_commands"]
    wait_for("flips", lambda: machine.stats()["scanout_blob_commands"] > before + 5)
    seen = []
    for n in range(5):
        picture = look(f"pattern-{n}.png")
        rows = guestctl.pattern_rows(picture.at, picture.width, picture.height)
        assert None not in rows, rows
        seen.append(rows)
    pattern.signal()
    pattern.wait()
    torn = [rows for rows in seen if len(set(rows)) != 1]
    numbers = [rows[0] for rows in seen]
    assert numbers == sorted(set(numbers)), f"frames do not advance: {numbers}"
    print(f"# frames seen {numbers}, torn {len(torn)} of {len(seen)}")
    assert not torn, torn


def test_libraries():
    """No OpenGL in either program, no Vulkan driver in hesperd."""
    viewer = machine.viewer()
    cube = machine.guest.start("hesper-cube --frames 60")
    cube.check(30)
    gl = ("libGL.", "libGLX", "libEGL", "libGLES", "libOpenGL", "libgallium", "_dri.so")
    for pid, banned in ((machine.device(), gl + ("libvulkan_", "lvp", "libnvidia")),
                        (viewer.process.pid, gl)):
        with open(f"/proc/{pid}/maps") as file:
            maps = {line.split()[-1] for line in file if "/" in line}
        bad = sorted(path for path in maps if any(b in os.path.basename(path) for b in banned))
        assert not bad, bad
    viewer.stop()


def main():
    global machine
    with Machine() as machine:
        return run_tests([
            test_console_text_is_visible,
            test_cube_is_the_picture,
            test_viewers_come_and_go,
            test_no_frame_is_torn,
            test_libraries,
        ])


if __name__ == "__main__":
    sys.exit(main())
