# SPDX-License-Identifier: MIT
"""The guest's monitors: what it sees of them, and what it does when they change.

The guest's own view is asked of its kernel: drm_info (KMS), and sysfs for the EDID's bytes.
"""

import base64
import json
import os
import random
import shutil
import sys
import time

from dbuspeer import Peer, console
from machine import Machine, artefact, read_png, run_tests, wait_for

EXTENSION = "org.hesper.Display1.Console"
CONSOLE = "org.qemu.Display1.Console"
OUTPUTS = "left:1280x800@59.94/301x188mm,1024x768@75/246x185mm"
CARD = "/sys/class/drm/card0-Virtual-"

machine = None
peer = None


def drm():
    """KMS as drm_info tells it, after the connectors were probed as a compositor does it: else
    they have only the modes that the text console can use, who probed them last."""
    machine.guest.run(f"for i in {CARD}*; do echo detect >$i/status; done")
    answer = json.loads(machine.guest.run("drm_info -j").output)
    return answer[next(iter(answer))]


def connector(number):
    return drm()["connectors"][number - 1]


def rate(mode):
    return mode["clock"] * 1000 / (mode["htotal"] * mode["vtotal"])


def preferred(number):
    """(width, height) of an output's preferred mode; None: not connected."""
    seen = connector(number)
    if seen["status"] != 1:
        return None
    return next(((mode["hdisplay"], mode["vdisplay"]) for mode in seen["modes"]
                 if mode["type"] & 8), (0, 0))


def edid(number):
    text = machine.guest.run(f"base64 {CARD}{number}/edid").output
    return base64.b64decode(text)


def edid_texts(data):
    """Descriptor tag → text (E-EDID 1.4, 3.10.3)."""
    blocks = [data[at:at + 18] for at in range(54, 126, 18)]
    return {block[3]: block[5:].split(b"\n")[0].decode() for block in blocks
            if block[:3] == b"\0\0\0"}


def on_the_screen(number):
    """The mode that an output's CRTC really has, as (width, height); None when it is off."""
    state = drm()
    chosen = state["connectors"][number - 1]["properties"]["CRTC_ID"]["value"]
    for crtc in state["crtcs"]:
        if crtc["id"] == chosen and crtc["mode"]:
            return crtc["mode"]["hdisplay"], crtc["mode"]["vdisplay"]
    return None


def test_guest_sees_monitors_as_given():
    state = drm()["connectors"]
    assert len(state) == 4, "there are four possible outputs by default"
    assert [c["status"] for c in state] == [1, 1, 2, 2], "two of them have a monitor"
    given = (("left", 1280, 800, 59.94, 301, 188), ("hesper-2", 1024, 768, 75, 246, 185))
    serials = set()
    for number, (name, width, height, hz, width_mm, height_mm) in enumerate(given, 1):
        seen = state[number - 1]
        mode = next(mode for mode in seen["modes"] if mode["type"] & 8)  # preferred
        assert (mode["hdisplay"], mode["vdisplay"]) == (width, height)
        assert abs(rate(mode) - hz) < 0.0005, f"{rate(mode)} Hz instead of {hz}"
        # KMS has the centimetres of the EDID's first block, the mode there is exact.
        assert abs(seen["phy_width"] - width_mm) <= 5
        assert abs(seen["phy_height"] - height_mm) <= 5
        data = edid(number)
        assert len(data) == 128 and sum(data) % 256 == 0
        timing = data[54:72]
        assert timing[12] | (timing[14] & 0xf0) << 4 == width_mm
        assert timing[13] | (timing[14] & 0x0f) << 8 == height_mm
        assert edid_texts(data)[0xfc] == name
        serials.add(edid_texts(data)[0xff])
        assert peer.get(console(number - 1), EXTENSION, "Name") == name
        assert peer.get(console(number - 1), EXTENSION, "Enabled") is True
    assert len(serials) == 2, "compositors tell monitors apart by their serial"
    assert edid(3) == b"" and peer.get(console(2), EXTENSION, "Enabled") is False


def test_output_goes_and_comes_back():
    before = edid(2)
    peer.set_monitor(1, 0, 0)
    wait_for("disconnect", lambda: preferred(2) is None)
    assert edid(2) == b"", "an EDID of a monitor that is gone"
    assert peer.get(console(1), EXTENSION, "Enabled") is False
    assert preferred(1) == (1280, 800), "the other output is not touched"
    peer.set_monitor(1, 1024, 768, 246, 185)
    wait_for("connect", lambda: preferred(2) == (1024, 768))
    assert edid(2) == before, "the rate is kept, and the monitor known again by its serial"
    peer.set_monitor(2, 800, 600, 200, 150, 50000)
    wait_for("a third monitor", lambda: preferred(3) == (800, 600))
    assert abs(rate(connector(3)["modes"][0]) - 50) < 0.0005
    # QEMU's own way of saying it, which virtio-gpu takes as a disconnect as well.
    peer.set_ui_info(2, 0, 0)
    wait_for("disconnect", lambda: preferred(3) is None)
    assert machine.stats()["command_errors"] == 0


def test_numbers_of_a_viewer_are_checked():
    peer.set_monitor(2, 0xffffffff, 1, 0xffffffff, 1, 0xffffffff)
    wait_for("a mode", lambda: preferred(3) == (8192, 64))
    # Beyond what a timing of an EDID's first block can hold: it comes from the extension.
    assert abs(rate(connector(3)["modes"][0]) - 1000) < 0.0005
    peer.set_monitor(2, 1, 0xffffffff, 0, 5, 1)
    wait_for("a mode", lambda: preferred(3) == (64, 8192))
    peer.set_monitor(2, 0, 0)
    wait_for("disconnect", lambda: preferred(3) is None)
    machine.alive()


def flips():
    return machine.stats()["scanout_blob_commands"]


def test_one_framebuffer_on_two_outputs():
    """The wide picture's left part on one output, the right one on the other, to the pixel."""
    wide = machine.guest.start("hesper-cube --output all --still 77 --frames 30 --png /tmp/w.png "
                               "--json - && sleep 600")
    # The program's end turns the outputs off: look while it runs, at its next start.
    wide.wait_for_line(r"^\{", timeout=120)
    wide.signal(9)
    again = machine.guest.start("exec hesper-cube --output all --still 77")
    before = flips()
    wait_for("flips", lambda: flips() > before + 6, timeout=60)
    parts = []
    for head in range(2):
        viewer = machine.viewer("--console", str(head), "--frames", "1")
        viewer.wait()
        parts.append(viewer.picture())
        shutil.copyfile(viewer.picture_path, artefact(f"wide-{head}.png"))
    again.signal()
    again.wait()
    path = artefact("wide.png")
    with open(path, "wb") as file:
        file.write(base64.b64decode(machine.guest.run("base64 /tmp/w.png").output))
    whole = read_png(path)
    assert (whole.width, whole.height) == (1280 + 1024, 800)
    assert [(p.width, p.height) for p in parts] == [(1280, 800), (1024, 768)]
    assert parts[0].colours() > 100 and parts[1].colours() > 100
    for y in range(800):
        assert parts[0].rows[y] == whole.rows[y][:3 * 1280], f"left, row {y}"
    for y in range(768):
        assert parts[1].rows[y] == whole.rows[y][3 * 1280:], f"right, row {y}"


def test_a_client_follows():
    """One output of two goes and comes back while a program draws on both."""
    cube = machine.guest.start("exec hesper-cube --pattern --output all --follow --json -")
    cube.wait_for_line(r"hesper-cube: 2304x800")
    peer.set_monitor(1, 0, 0)
    cube.wait_for_line(r"hesper-cube: 1280x800 at 59\.94")
    peer.set_monitor(1, 640, 480, 160, 120, 30000)
    cube.wait_for_line(r"hesper-cube: 1920x800")
    wait_for("mode", lambda: on_the_screen(2) == (640, 480))
    peer.set_monitor(0, 0, 0)
    cube.wait_for_line(r"hesper-cube: 640x480 at 30\.00")
    peer.set_monitor(1, 0, 0)
    # Not by drm_info: it would become the card's master when the program opens that anew.
    wait_for("nothing", lambda: machine.guest.run(f"cat {CARD}2/status").output.strip() ==
             "disconnected")
    peer.set_monitor(0, 1280, 800, 301, 188)

    def twice(words):
        try:
            wait_for(words, lambda: sum(words in line for line in cube.lines) >= 2)
        except AssertionError:
            print("\n".join(cube.lines), file=sys.stderr)
            raise

    # With no screen left it has waited for one.
    twice("hesper-cube: 1280x800 at 59.94")
    wait_for("mode", lambda: on_the_screen(1) == (1280, 800))
    peer.set_monitor(1, 1024, 768, 246, 185, 75000)
    twice("hesper-cube: 2304x800")
    cube.signal()
    cube.check()
    summary = cube.json()
    assert summary["errors"] == [], summary["errors"]
    assert summary["screen_changes"] >= 5
    assert machine.stats()["command_errors"] == 0


def test_resizing():
    """50 sizes in 10 s: the guest ends with the last, after no storm of events."""
    chance = random.Random(3)
    cube = machine.guest.start("exec hesper-cube --pattern --output Virtual-1 --follow --json -")
    cube.wait_for_line(r"hesper-cube: 1280x800")
    events = machine.stats()["hot_plug_events"]
    start = time.monotonic()
    for step in range(50):
        size = chance.randrange(320, 1600), chance.randrange(240, 1000)
        peer.set_monitor(0, *size, size[0] // 4, size[1] // 4)
        while time.monotonic() < start + (step + 1) / 5:
            time.sleep(0.01)
    last = time.monotonic()
    wait_for("the last size", lambda: on_the_screen(1) == size, step=0.05)
    print(f"# guest mode = last size {time.monotonic() - last:.2f} s after it", file=sys.stderr)
    events = machine.stats()["hot_plug_events"] - events
    print(f"# {events} events", file=sys.stderr)
    # This peer does not wait for the end of a drag, as hesper-view does: one event a change.
    assert events <= 50, f"{events} events"
    cube.signal()
    cube.check()
    assert cube.json()["errors"] == [], cube.json()["errors"]
    peer.set_monitor(0, 1280, 800, 301, 188)
    wait_for("mode", lambda: preferred(1) == (1280, 800))


def test_a_storm_is_told_in_few_events():
    before = machine.stats()["hot_plug_events"]
    start = time.monotonic()
    for step in range(400):
        peer.set_monitor(0, 800 + step, 600)
    seconds = time.monotonic() - start
    wait_for("the last size", lambda: preferred(1) == (1199, 600))
    events = machine.stats()["hot_plug_events"] - before
    print(f"# 400 changes in {seconds:.2f} s: {events} events", file=sys.stderr)
    assert 1 <= events <= 3 + seconds * 10, f"{events} events in {seconds:.2f} s"
    peer.set_monitor(0, 1280, 800, 301, 188)
    wait_for("mode", lambda: preferred(1) == (1280, 800))


def shown_per_second(hz, frames):
    peer.set_monitor(0, 320, 240, 80, 60, round(hz * 1000))
    wait_for("the rate", lambda: any(abs(rate(m) - hz) < 0.001 for m in connector(1)["modes"]))
    drawn = machine.guest.run(f"hesper-triangle --output Virtual-1 --frames {frames} --json -")
    return drawn.json()["fps"]


def test_the_rate_paces_the_guest():
    """The guest's flips complete at the monitor's rate, or later on a host that has no time."""
    slow, fast = shown_per_second(12.5, 26), shown_per_second(29.97, 61)
    print(f"# 12.5 Hz: {slow} frames/s; 29.97 Hz: {fast} frames/s", file=sys.stderr)
    assert slow < 12.5 * 1.03, f"{slow} frames a second at 12.5 Hz"
    assert fast < 29.97 * 1.03, f"{fast} frames a second at 29.97 Hz"
    peer.set_monitor(0, 1280, 800, 301, 188, 59940)
    wait_for("mode", lambda: preferred(1) == (1280, 800))


def test_nothing_complains():
    log = machine.log("hesperd.log")
    assert "error" not in log and "warn" not in log, log
    kernel = machine.guest.run("dmesg").output
    assert "EDID" not in kernel and "virtio_gpu_dequeue" not in kernel, kernel[-2000:]


if __name__ == "__main__":
    tests = [value for name, value in list(globals().items()) if name.startswith("test_")]
    only = os.environ.get("HESPER_ONLY")
    tests = [test for test in tests if not only or only in test.__name__]
    with Machine("--outputs=" + OUTPUTS) as machine:
        with Peer(machine.path("display")) as peer:
            status = run_tests(tests)
    sys.exit(status)
