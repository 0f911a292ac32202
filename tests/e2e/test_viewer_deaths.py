# SPDX-License-Identifier: MIT
"""Viewers are killed, stopped, and slow in every way: the guest draws on as fast as without them, pictures are
left out and counted, hesperd holds no more than it did, others see pictures, and a new one may come."""

import os
import signal
import sys
import time

from machine import Machine, program, read_png, run_tests, wait_for
from peer import Console, Peer, PeerError
from scripted import ScriptedViewer
from xserver import XServer

MOST = 32  # viewers: MAX_PEERS
WATCH = 4  # seconds that one is watched for
STOPPED = 11  # seconds
MORE_RSS = 6 << 20  # bytes that hesperd's heap may grow by chance
MORE_FILES = 2  # a picture's file may be under way

machine = None
cube = None  # on the screen, all the time


def flips():
    return machine.stats()["scanout_blob_commands"]


def rate(seconds=WATCH):
    before, start = flips(), time.monotonic()
    time.sleep(seconds)
    return (flips() - before) / (time.monotonic() - start)


def held():
    """What hesperd has: bytes, descriptors."""
    device = machine.device()
    with open(f"/proc/{device}/status") as file:
        rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    return rss << 10, len(os.listdir(f"/proc/{device}/fd"))


def check_bounded(before, viewers, what):
    """Two sockets and their feeds for each viewer's two connections, and nothing that grows."""
    rss, files = held()
    print(f"# {what}: {rss / 1e6:.1f} MB and {files} files, before {before[0] / 1e6:.1f} MB and {before[1]}")
    assert rss < before[0] + MORE_RSS, f"{rss} bytes instead of {before[0]}"
    assert files <= before[1] + MORE_FILES + 10 * viewers, f"{files} files instead of {before[1]}"


def check_let_go(before):
    """Its connections are gone, with all that they held."""
    wait_for("descriptors as before", lambda: held()[1] <= before[1] + MORE_FILES)
    assert held()[0] < before[0] + MORE_RSS


def check_new_viewer():
    viewer = machine.viewer("--frames", "10")
    assert viewer.wait()["frames_presented"] >= 10
    assert read_png(viewer.picture_path).colours() > 20


def check_others_see():
    with ScriptedViewer(machine.path("display")) as other:
        wait_for("pictures for another", lambda: len(other.updates) > 10)


def check_guest_goes_on(alone, least=0.5):
    now = rate()
    print(f"# {now:.1f} flips a second, {alone:.1f} without")
    assert now > least * alone, f"{now:.1f} flips a second, {alone:.1f} without"


def test_killed_viewer():
    before = held()
    for _ in range(3):
        viewer = machine.viewer("--screenshot-at", "1")
        wait_for("its picture", lambda: os.path.exists(viewer.picture_path))
        os.unlink(viewer.picture_path)
        viewer.kill()
        shown = flips()
        wait_for("flips", lambda: flips() > shown + 10)
        check_let_go(before)
    check_new_viewer()


def test_stopped_viewer():
    alone, before = rate(), held()
    viewer = machine.viewer("--screenshot-at", "1")
    wait_for("its picture", lambda: os.path.exists(viewer.picture_path))
    with_one = held()
    dropped = machine.stats()["frames_dropped"]
    viewer.process.send_signal(signal.SIGSTOP)
    start = time.monotonic()
    check_guest_goes_on(alone)
    check_others_see()
    time.sleep(max(0, start + STOPPED - time.monotonic()))
    check_bounded(with_one, 0, f"after {STOPPED} s")
    assert machine.stats()["frames_dropped"] > dropped + 10
    check_new_viewer()
    os.unlink(viewer.picture_path)
    viewer.process.send_signal(signal.SIGCONT)
    viewer.process.send_signal(signal.SIGUSR1)
    wait_for("a picture after the stop", lambda: os.path.exists(viewer.picture_path))
    assert viewer.stop()["frames_presented"] > 0
    check_let_go(before)


def slow(what, pictures, **named):
    """A viewer that behaves so; between how many pictures it gets in the time that it is watched for."""
    alone, before = rate(), held()
    dropped = machine.stats()["frames_dropped"]
    with ScriptedViewer(machine.path("display"), **named) as viewer:
        time.sleep(1)
        early = held()
        check_bounded(before, 1, f"{what}, early")
        check_guest_goes_on(alone)
        check_others_see()
        check_new_viewer()
        check_bounded(early, 0, f"{what}, late")
        assert pictures[0] <= len(viewer.updates) <= pictures[1], f"{len(viewer.updates)} pictures"
        unread = viewer.unread()
        assert unread < 1 << 18, f"{unread} bytes wait in its socket"
    if pictures[1] > 0:  # who has not said what it takes is no viewer yet: nothing is dropped for it
        assert machine.stats()["frames_dropped"] > dropped + 10
    check_let_go(before)


def test_viewer_that_answers_after_10_s():
    slow("10 s late", (1, 8), answer_after=10)


def test_viewer_that_never_answers():
    slow("never answers", (1, 1), answer_after=None)


def test_viewer_that_is_always_a_little_late():
    """Just beyond what the guest would wait for it."""
    slow("70 ms late", (10, 1000), answer_after=0.07)


def test_viewer_that_reads_a_byte_a_second():
    slow("a byte a second", (0, 0), bytes_a_second=1)


def test_viewer_that_reads_nothing():
    slow("reads nothing", (0, 0), bytes_a_second=0)


def test_viewer_that_stops_to_read():
    """After it was shown something."""
    alone, before = rate(), held()
    with ScriptedViewer(machine.path("display")) as viewer:
        wait_for("pictures", lambda: len(viewer.updates) > 5)
        viewer.stop_reading()
        check_guest_goes_on(alone)
        time.sleep(2)
        check_bounded(before, 1, "stopped to read")
        assert viewer.unread() < 1 << 18
    check_let_go(before)


def test_viewer_that_takes_bytes_and_stops_to_read():
    """One that maps nothing is sent pictures as bytes: at most the one that it is to read."""
    picture = 4 * 1280 * 800
    before = held()
    viewers = [ScriptedViewer(machine.path("display"), interfaces=(), bytes_a_second=0, greet=True)
               for _ in range(4)]
    try:
        time.sleep(3)
        early = held()
        time.sleep(3)
        late = held()
        print(f"# {before[0] / 1e6:.1f} MB, {early[0] / 1e6:.1f} with four, {late[0] / 1e6:.1f} later")
        assert late[0] < before[0] + MORE_RSS + 4 * 2 * picture
        assert late[0] < early[0] + MORE_RSS
        check_new_viewer()
    finally:
        for viewer in viewers:
            viewer.close()
    wait_for("descriptors as before", lambda: held()[1] <= before[1] + MORE_FILES)


def test_as_many_viewers_as_there_may_be():
    alone, before = rate(), held()
    viewers = [ScriptedViewer(machine.path("display"), answer_after=0.5) for _ in range(MOST)]
    try:
        wait_for("pictures for all", lambda: all(v.updates for v in viewers), 60)
        # One more is told why.
        try:
            Console(Peer(machine.path("display"))).get("Console", "Width")
            raise AssertionError(f"a viewer beyond {MOST}")
        except PeerError as error:
            assert f"{MOST} viewers are connected" in str(error), error
        late = machine.viewer()
        assert late.process.wait(60) == 1
        assert f"{MOST} viewers are connected, and there may be no more" in machine.log("view.log")
        # Those who were let in did not suffer, nor does the guest.
        check_guest_goes_on(alone, least=0.3)
        seen = [len(v.updates) for v in viewers]
        wait_for("more pictures for all", lambda: all(len(v.updates) > n for v, n in zip(viewers, seen)))
        viewers.pop().close()
        check_new_viewer()
    finally:
        for viewer in viewers:
            viewer.close()
    check_let_go((before[0] + 4 * MORE_RSS, before[1]))
    check_new_viewer()


def test_silent_connections_beyond_the_limit():
    """Those who are one too many and ask for nothing keep nobody from being told why."""
    viewers = [ScriptedViewer(machine.path("display"), answer_after=0.5) for _ in range(MOST)]
    before, silent = held(), []
    try:
        for _ in range(20):
            silent.append(Peer(machine.path("display")))
            try:
                Console(Peer(machine.path("display"))).get("Console", "Width")
                raise AssertionError(f"a viewer beyond {MOST}")
            except PeerError as error:
                assert "viewers are connected" in str(error), error
        assert held()[1] <= before[1] + 4 * 5 + MORE_FILES, (held(), before)
    finally:
        for one in viewers + silent:
            one.close()
    check_new_viewer()


def window_viewer(x11, *options):
    viewer = machine.viewer("--title", "deaths", "--screenshot-at", "1", *options, window=True,
                            env=x11.env)
    number = x11.find("deaths")
    wait_for("its picture", lambda: os.path.exists(viewer.picture_path), 60)
    os.unlink(viewer.picture_path)
    return viewer, number


def test_ends_of_a_window():
    """Each is an orderly end: status 0, a summary, and nothing stays in hesperd."""
    before = held()
    with XServer() as x11:
        for end in ("SIGINT", "SIGTERM", "closed"):
            viewer, number = window_viewer(x11)
            if end == "closed":
                x11.run(program("FAKE_USER"), "close", str(number))
            else:
                viewer.process.send_signal(signal.Signals[end])
            assert viewer.wait()["frames_presented"] > 0, end
            check_let_go(before)
    check_new_viewer()


def test_stopped_during_a_resize():
    """The guest goes on, and has the last size when the viewer goes on."""
    before = held()
    with XServer() as x11:
        viewer, number = window_viewer(x11)
        for step in range(30):
            if step == 15:
                viewer.process.send_signal(signal.SIGSTOP)
            # Not --sync: a stopped window does not answer.
            x11.xdotool("windowsize", number, 700 + 8 * step, 500 + 4 * step)
            time.sleep(0.03)
        shown = flips()
        wait_for("flips", lambda: flips() > shown + 10)
        check_others_see()
        viewer.process.send_signal(signal.SIGCONT)
        width, height = x11.place(number)[2:]
        assert (width, height) == (932, 616), (width, height)
        wait_for("the last size in the guest", lambda: any(
            f" {width}x{height} " in line for line in cube.lines[-1:]))
        viewer.stop()
    check_let_go(before)
    machine.alive()


def main():
    global machine, cube
    with Machine() as machine:
        cube = machine.guest.start("exec hesper-cube --follow --frames 0")
        wait_for("flips", lambda: flips() > 20)
        check_new_viewer()
        return run_tests([
            test_killed_viewer,
            test_stopped_viewer,
            test_viewer_that_answers_after_10_s,
            test_viewer_that_never_answers,
            test_viewer_that_is_always_a_little_late,
            test_viewer_that_reads_a_byte_a_second,
            test_viewer_that_reads_nothing,
            test_viewer_that_stops_to_read,
            test_viewer_that_takes_bytes_and_stops_to_read,
            test_as_many_viewers_as_there_may_be,
            test_silent_connections_beyond_the_limit,
            test_ends_of_a_window,
            test_stopped_during_a_resize,
        ])


if __name__ == "__main__":
    sys.exit(main())
