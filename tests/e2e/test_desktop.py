# SPDX-License-Identifier: MIT
"""The desktop guest, with a person in front of it: two windows of hesper-view under X, keys and mouse
through them, and what the session of the guest (guest/desktop) makes of it.

Pictures are the guest's screens, taken by a second viewer.
"""

import json
import os
import random
import re
import shutil
import signal
import sys
import time

from dbuspeer import Peer
from machine import Machine, artefact, run_tests, wait_for
from xserver import XServer

SIZES = ((1280, 800), (1024, 768))
SHOWN = (760, 475)  # of the windows on the X screen; the guest keeps its size
SESSION = "export XDG_RUNTIME_DIR=/run/user/0 WAYLAND_DISPLAY=wayland-0 LANG=C.UTF-8; "
ZINK = "export MESA_LOADER_DRIVER_OVERRIDE=zink LIBGL_ALWAYS_SOFTWARE=1; "

# Where things are: guest/desktop/config. x, y, width, height.
PANEL = (0, 0, 1280, 32)
TERMINAL = (50, 110, 730, 470)
CUBE = (827, 370, 400, 398)
CUBE_TITLE = (1026, 356)
CUBE_BACKGROUND = (51, 51, 51)  # vkcube clears with 0.2
RED = (0xe8, 0x78, 0x7a)  # regular1 of foot.ini

machine = None
x11 = None
peer = None
viewer = None
windows = None
session = None


def snap(console=0):
    """A guest's screen as it is now."""
    taken = machine.viewer("--console", str(console), "--frames", "1")
    taken.wait()
    return taken.picture()


def keep(picture_of, name):
    shutil.copy(picture_of.picture_path, artefact(name))


def share(picture, area, wanted, step=3):
    """How much of an area has pixels that wanted(pixel) accepts."""
    x0, y0, width, height = area
    points = [(x, y) for y in range(y0, y0 + height, step) for x in range(x0, x0 + width, step)]
    return sum(bool(wanted(picture.at(x, y))) for x, y in points) / len(points)


def differing(a, b, area, step=3):
    x0, y0, width, height = area
    points = [(x, y) for y in range(y0, y0 + height, step) for x in range(x0, x0 + width, step)]
    return sum(a.at(x, y) != b.at(x, y) for x, y in points) / len(points)


def near(colour, reach=6):
    return lambda pixel: all(abs(a - b) <= reach for a, b in zip(pixel, colour))


def guest(text, timeout=60):
    return machine.guest.run(SESSION + text, timeout).output


def drm():
    """None when the outputs changed while they were looked at: drm_info then says nothing."""
    said = machine.guest.run("drm_info -j").output
    answer = json.loads(said) if said.startswith("{") else {"": None}
    return answer[next(iter(answer))]


def mode(number):
    """The mode that an output really has, as (width, height); None when it is off."""
    state = drm()
    if state is None:
        return None
    chosen = state["connectors"][number - 1]["properties"]["CRTC_ID"]["value"]
    for crtc in state["crtcs"]:
        if crtc["id"] == chosen and crtc["mode"]:
            return crtc["mode"]["hdisplay"], crtc["mode"]["vdisplay"]
    return None


def type_text(text):
    x11.focus(windows[0])
    x11.xdotool("type", "--delay", "20", text)
    x11.xdotool("key", "Return")


def mouse_to(x, y):
    """The pointer to a pixel of the guest's first output, through its window."""
    x11.xdotool("mousemove", "--window", windows[0], x * SHOWN[0] // SIZES[0][0],
                y * SHOWN[1] // SIZES[0][1])


def test_desktop_comes_up():
    global session
    start = time.monotonic()
    session = machine.guest.start("exec hesper-desktop")
    session.wait_for_line("^desktop ready$", 60)
    print(f"# the desktop was there {time.monotonic() - start:.1f} s after its start, "
          f"{machine.guest.run('cat /proc/uptime').output.split()[0]} s after the kernel's",
          file=sys.stderr)
    def star(picture):
        return share(picture, (1083, 157, 20, 20), lambda p: min(p) > 230, 1) > 0.1

    # The background is not among what the session waits for.
    picture = wait_for("the evening star", lambda: next(filter(star, [snap()]), None))
    assert (picture.width, picture.height) == SIZES[0]
    # The sky around it is dark above, and warm at the horizon.
    assert max(max(picture.at(x, 300)) for x in range(900, 1000)) < 140, "no night"
    assert share(picture, (500, 594, 200, 4), lambda p: p[0] > p[2] + 40, 1) > 0.5, "no evening"
    wait_for("the panel", lambda: share(snap(), PANEL, lambda p: max(p) < 50) > 0.8)
    assert share(picture, TERMINAL, near((0x14, 0x16, 0x2b))) > 0.8, "no terminal"
    # Not a pixel of it was composed or copied by a CPU of the guest's or of ours.
    libraries = machine.guest.run("for pid in $(pidof labwc); do cat /proc/$pid/maps; done").output
    assert "libvulkan_virtio.so" in libraries, "the compositor's GL is not on Venus"
    stats = machine.stats()
    assert stats["blob_path_cpu_copied_bytes"] == 0 and stats["contexts_lost"] == 0


def test_cube_turns_in_its_window():
    first = snap()
    time.sleep(1)
    second = snap()
    keep(machine.viewers[-1], "desktop.png")
    assert share(second, CUBE, near(CUBE_BACKGROUND)) > 0.3, "no window of vkcube"
    assert differing(first, second, CUBE) > 0.02, "vkcube stands still"
    assert differing(first, second, TERMINAL) < 0.01, "the terminal is not still"


def test_typing_changes_the_picture():
    before = snap()
    assert share(before, TERMINAL, near(RED)) < 0.01
    type_text("echo 'Typed through the Window: 4 > 2!' >/tmp/typed")
    typed = wait_for("the typed file", lambda: guest("cat /tmp/typed 2>/dev/null || true"))
    assert typed == "Typed through the Window: 4 > 2!\n", typed
    type_text("clear; printf '\\033[41m%1100s\\033[0m\\n'")
    wait_for("red lines in the terminal",
             lambda: share(snap(), TERMINAL, near(RED)) > 0.4)
    keep(machine.viewers[-1], "typed.png")
    type_text("clear")
    wait_for("an empty terminal", lambda: share(snap(), TERMINAL, near(RED)) == 0)


def test_pointer_is_the_guests():
    drawn = machine.viewer("--console", "0", "--cursor", "draw", "--screenshot-at", "1")
    wait_for("its first picture", lambda: os.path.exists(drawn.picture_path))
    shapes = []
    for place in ((950, 300), (400, 500)):
        mouse_to(*place)
        wait_for(f"a pointer at {place}", lambda: pointer_pixels(shown(drawn), place))
        shapes.append(pointer_pixels(shown(drawn), place))
    # An arrow on the background, a bar over text; both have more than a point, and an outline.
    assert shapes[0] != shapes[1] and min(map(len, shapes)) > 20, shapes
    drawn.stop()


def shown(drawn):
    """What a viewer that goes on shows now."""
    os.unlink(drawn.picture_path)
    drawn.process.send_signal(signal.SIGUSR1)
    wait_for("a picture", lambda: os.path.exists(drawn.picture_path))
    return drawn.picture()


def pointer_pixels(picture, place):
    """The white pixels near a place, relative to it: neither the sky nor the terminal has any."""
    return {(x, y) for x in range(-16, 24) for y in range(-16, 24)
            if min(picture.at(place[0] + x, place[1] + y)) > 250}


def on_both():
    """How much of what the outputs have in common at their edge shows the cube's window."""
    left = share(snap(0), (1100, 380, 170, 300), near(CUBE_BACKGROUND))
    right = share(snap(1), (10, 380, 120, 300), near(CUBE_BACKGROUND))
    return left, right


def test_window_is_dragged_across_two_outputs():
    assert on_both()[1] < 0.01
    x11.focus(windows[0])
    mouse_to(*CUBE_TITLE)
    x11.xdotool("mousedown", 1)
    for step in range(1, 12):
        mouse_to(CUBE_TITLE[0] + 20 * step, CUBE_TITLE[1])
        time.sleep(0.02)
    x11.xdotool("mouseup", 1)
    wait_for("the window on both outputs", lambda: min(on_both()) > 0.2)
    first = snap(1)
    wait_for("its right part to turn", lambda: differing(first, snap(1), (0, 380, 160, 380)) > 0.01)
    stats = machine.stats()
    assert stats["blob_path_cpu_copied_bytes"] == 0 and stats["command_errors"] == 0, stats
    x11.run("magick", "import", "-window", "root", "-crop", f"{2 * SHOWN[0] + 40}x{SHOWN[1] + 20}+0+0",
            "+repage", artefact("two-outputs.png"))


def test_output_goes_and_comes_back():
    peer.set_monitor(1, 0, 0)
    wait_for("the second output's end", lambda: mode(2) is None)
    wait_for("the session's end of it", lambda: "Virtual-2" not in guest("wlr-randr"))
    assert mode(1) == SIZES[0] and session.code is None
    peer.set_monitor(1, *SIZES[1])
    wait_for("the second output", lambda: mode(2) == SIZES[1])
    wait_for("its place beside the first one", lambda: f"{SIZES[0][0]},0" in guest("wlr-randr"))
    wait_for("a picture on it", lambda: snap(1).colours() > 300)


def test_mode_follows_the_monitor():
    chance = random.Random(11)
    took = []
    for _ in range(4):
        # No multiples of 8: modes that no table of standard timings has.
        size = (chance.randrange(640, 1400) | 1, chance.randrange(480, 900) | 1)
        start = time.monotonic()
        peer.set_monitor(0, *size)
        wait_for(f"mode {size}", lambda: mode(1) == size)
        took.append(time.monotonic() - start)
    print(f"# the mode followed in {', '.join(f'{t:.2f}' for t in took)} s", file=sys.stderr)
    for _ in range(30):
        size = (chance.randrange(640, 1400), chance.randrange(480, 900))
        peer.set_monitor(0, *size)
        time.sleep(0.05)
    wait_for(f"the last of many modes, {size}", lambda: mode(1) == size)
    wait_for("a picture of that size", lambda: (snap().width, snap().height) == size)
    assert snap().colours() > 300
    peer.set_monitor(0, *SIZES[0])
    wait_for("the first mode", lambda: mode(1) == SIZES[0])
    assert session.code is None, session.output


def test_benchmarks_reach_their_score():
    output = guest("vkmark --winsys wayland -s 400x300 -b cube:duration=2", 120)
    assert "Venus" in output and int(output.split("vkmark Score:")[1].split()[0]) > 0, output
    # Its lights call powf, which the host's lavapipe has to find.
    output = guest(ZINK + "glmark2-es2-wayland -s 400x300 -b build:duration=2 "
                   "-b shading:shading=phong:duration=2", 120)
    assert "zink" in output and "Venus" in output, output
    assert int(output.split("glmark2 Score:")[1].split()[0]) > 0, output


def test_it_ends_as_it_should():
    assert viewer.process.poll() is None, "hesper-view ended:\n" + machine.log("view.log")
    machine.alive()
    session.signal()
    assert session.check(20).json() == {"desktop": "labwc", "renderer": "gles2"}
    assert guest("pidof labwc yambar foot vkcube || echo none") == "none\n"
    stats = machine.stats()
    assert stats["contexts_lost"] == 0 and stats["command_errors"] == 0, stats


def shown_windows():
    """The viewer's windows in the order of the guest's outputs, side by side on the X screen."""
    def both():
        # They know which they are as soon as there are several.
        found = {int(match[1]): number for number, title in x11.windows().items()
                 if (match := re.match(r"desktop \[(\d)\]", title))}
        return [found[0], found[1]] if set(found) == {0, 1} else None

    found = wait_for("two windows", both, 60)
    for place, number in enumerate(found):
        x11.xdotool("windowsize", "--sync", number, *SHOWN)
        x11.xdotool("windowmove", number, place * (SHOWN[0] + 20), 10)
    return found


def main():
    global machine, x11, peer, viewer, windows
    outputs = ",".join(f"{width}x{height}" for width, height in SIZES)
    with XServer() as x11, \
            Machine("--outputs=" + outputs, devices="vhost-user-test-device-pci", desktop=True,
                    memory="2G", append="vt.global_cursor_default=0") as machine, \
            Peer(machine.path("display")) as peer:
        viewer = machine.viewer("--no-resize", "--title", "desktop", window=True, env=x11.env)
        # Keeps the guest's text console away between two sessions.
        machine.guest.start("exec 9</dev/dri/renderD128; exec sleep 100000")
        windows = shown_windows()
        return run_tests([
            test_desktop_comes_up,
            test_cube_turns_in_its_window,
            test_typing_changes_the_picture,
            test_pointer_is_the_guests,
            test_window_is_dragged_across_two_outputs,
            test_output_goes_and_comes_back,
            test_mode_follows_the_monitor,
            test_benchmarks_reach_their_score,
            test_it_ends_as_it_should,
        ])


if __name__ == "__main__":
    sys.exit(main())
