# SPDX-License-Identifier: MIT
"""test_input.py DEVICE: keyboard, tablet, mouse and touch screen in a real guest.

What is said to org.qemu.Display1 arrives in the guest as the right evdev events, through QEMU's
DEVICE: vhost-user-test-device-pci, or vhost-user-input-pci, whose rings have 4 entries.
"""

import json
import random
import sys
import time

from machine import Machine, run_tests, wait_for
from peer import Console, Peer, PeerError

machine = None
console = None

# Key numbers and what Linux calls the key: a PC keyboard with 105 keys, row by row (scan codes of
# set 1 from Microsoft's "Keyboard Scan Code Specification", 0xe0 xx as 0x80 | xx), then media keys.
KEYS = [(int(word.split(":")[0], 16), "KEY_" + word.split(":")[1]) for word in """
01:ESC 3b:F1 3c:F2 3d:F3 3e:F4 3f:F5 40:F6 41:F7 42:F8 43:F9 44:F10 57:F11 58:F12 b7:SYSRQ
46:SCROLLLOCK c6:PAUSE 29:GRAVE 02:1 03:2 04:3 05:4 06:5 07:6 08:7 09:8 0a:9 0b:0 0c:MINUS
0d:EQUAL 0e:BACKSPACE d2:INSERT c7:HOME c9:PAGEUP 45:NUMLOCK b5:KPSLASH 37:KPASTERISK
4a:KPMINUS 0f:TAB 10:Q 11:W 12:E 13:R 14:T 15:Y 16:U 17:I 18:O 19:P 1a:LEFTBRACE
1b:RIGHTBRACE 1c:ENTER d3:DELETE cf:END d1:PAGEDOWN 47:KP7 48:KP8 49:KP9 4e:KPPLUS
3a:CAPSLOCK 1e:A 1f:S 20:D 21:F 22:G 23:H 24:J 25:K 26:L 27:SEMICOLON 28:APOSTROPHE
2b:BACKSLASH 4b:KP4 4c:KP5 4d:KP6 2a:LEFTSHIFT 56:102ND 2c:Z 2d:X 2e:C 2f:V 30:B 31:N 32:M
33:COMMA 34:DOT 35:SLASH 36:RIGHTSHIFT c8:UP 4f:KP1 50:KP2 51:KP3 9c:KPENTER 1d:LEFTCTRL
db:LEFTMETA 38:LEFTALT 39:SPACE b8:RIGHTALT dc:RIGHTMETA dd:COMPOSE 9d:RIGHTCTRL cb:LEFT
d0:DOWN cd:RIGHT 52:KP0 53:KPDOT 99:NEXTSONG 90:PREVIOUSSONG a4:STOPCD a2:PLAYPAUSE a0:MUTE
b0:VOLUMEUP ae:VOLUMEDOWN ec:MAIL a1:CALC eb:COMPUTER e5:SEARCH b2:HOMEPAGE ea:BACK
e9:FORWARD e8:STOP e7:REFRESH e6:BOOKMARKS de:POWER df:SLEEP e3:WAKEUP
""".split()]
BUTTONS = {0: "BTN_LEFT", 1: "BTN_MIDDLE", 2: "BTN_RIGHT", 5: "BTN_SIDE", 6: "BTN_EXTRA"}
# Two monitors side by side; the pointer's range is over both.
WIDTH, HEIGHT = 1280, 800
SIDE_WIDTH, SIDE_HEIGHT = 640, 480
RANGE_X, RANGE_Y = 32768 / (WIDTH + SIDE_WIDTH), 32768 / HEIGHT


class Events:
    """What the guest's kernel tells of its input devices, as "device CODE value" a line."""

    def __init__(self):
        # Grabbed: the console must not act on it.
        self.command = machine.guest.start("hesper-input --grab --device hesper")
        self.command.wait_for_line('"ready":true')
        self.at = len(self.command.lines)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.command.signal()
        self.command.wait()

    def take(self):
        lines = self.command.lines[self.at:]
        self.at += len(lines)
        events = [json.loads(line) for line in lines]
        return [f"{e['device'].split()[1]} {e['code']} {e['value']}" for e in events]

    def until(self, last, timeout=20):
        """All up to the SYN_REPORT behind the event called last."""
        seen = []

        def found():
            seen.extend(self.take())
            return last in seen and "SYN_REPORT" in seen[-1]
        try:
            wait_for(last, found, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; {seen[-20:]}") from None
        return seen

    def expect(self, *frames):
        """Exactly these frames, each "device CODE value, CODE value …"."""
        wanted = []
        for frame in frames:
            name, rest = frame.split(" ", 1)
            wanted += [f"{name} {part}" for part in rest.split(", ")]
            wanted.append(f"{name} SYN_REPORT 0")
        seen = []

        def enough():
            seen.extend(self.take())
            return len(seen) >= len(wanted)
        try:
            wait_for(f"{frames}", enough)
        except AssertionError:
            pass
        assert seen == wanted, f"the guest saw {seen}, not {wanted}"

    def nothing(self):
        """Nothing comes any more: the events of a key, on each device, are next."""
        console.key(0x5b, True)
        console.key(0x5b, False)
        self.expect("keyboard KEY_LINEFEED 1", "keyboard KEY_LINEFEED 0")


def at(x, y):
    """The tablet's events for a pixel."""
    return f"ABS_X {int((x + 0.5) * RANGE_X)}, ABS_Y {int((y + 0.5) * RANGE_Y)}"


def test_devices():
    found = {}
    for line in machine.guest.run("hesper-input --list --device hesper").lines:
        device = json.loads(line)
        found[device["name"]] = device
    assert sorted(found) == ["hesper keyboard", "hesper mouse", "hesper tablet",
                             "hesper touch screen"], sorted(found)
    keyboard = found["hesper keyboard"]["codes"]
    assert set(name for _, name in KEYS) <= set(keyboard["EV_KEY"])
    assert keyboard["EV_LED"] == ["LED_NUML", "LED_CAPSL", "LED_SCROLLL"] and "EV_REP" in keyboard
    for name in ("hesper tablet", "hesper mouse"):
        assert set(found[name]["codes"]["EV_KEY"]) == set(BUTTONS.values()), found[name]
        assert "REL_WHEEL_HI_RES" in found[name]["codes"]["EV_REL"]
    touch = found["hesper touch screen"]
    assert touch["properties"] == ["INPUT_PROP_DIRECT"]
    assert touch["axes"]["ABS_MT_SLOT"]["max"] == 9
    assert found["hesper tablet"]["axes"]["ABS_X"] == {"min": 0, "max": 32767, "resolution": 0}
    assert found["hesper tablet"]["properties"] == []
    assert console.get("Mouse", "IsAbsolute") is True
    assert console.get("MultiTouch", "MaxSlots") == 10


def test_every_key():
    with Events() as events:
        for qnum, name in KEYS:
            console.key(qnum, True)
            console.key(qnum, False)
            events.expect(f"keyboard {name} 1", f"keyboard {name} 0")
    assert len(KEYS) >= 105 and KEYS[104][1] == "KEY_KPDOT"


def test_keys_together():
    """Ten keys down at once, up in another order; what repeats on the host does not here."""
    with Events() as events:
        chord = KEYS[20:30]
        for qnum, name in chord:
            console.key(qnum, True)
            console.key(qnum, True)
        events.expect(*[f"keyboard {name} 1" for _, name in chord])
        for qnum, name in chord[::-1]:
            console.key(qnum, False)
            console.key(qnum, False)
        # The last one repeats in the guest while it is down: value 2.
        seen = [e for e in events.until(f"keyboard {chord[0][1]} 0") if not e.endswith(" 2")]
        wanted = [f"keyboard {name} 0" for _, name in chord[::-1]]
        assert [e for e in seen if "SYN" not in e] == wanted, seen


def test_buttons():
    with Events() as events:
        # Where the pointer was moved to, the tablet clicks; where it was moved by, the mouse.
        for moved, device, move in ((lambda: console.move_to(7, 9), "tablet", at(7, 9)),
                                    (lambda: console.move_by(3, -4), "mouse",
                                     "REL_X 3, REL_Y -4")):
            moved()
            events.expect(f"{device} {move}")
            for number, name in BUTTONS.items():
                console.button(number, True)
                console.button(number, False)
                events.expect(f"{device} {name} 1", f"{device} {name} 0")
        # A button goes up where it went down.
        console.button(0, True)
        events.expect("mouse BTN_LEFT 1")
        console.move_to(8, 10)
        events.expect(f"tablet {at(8, 10)}")
        console.button(0, False)
        events.expect("mouse BTN_LEFT 0")


def test_positions():
    numbers = random.Random(1)
    places = [(0, 0), (WIDTH - 1, HEIGHT - 1)]
    places += [(numbers.randrange(2, WIDTH), numbers.randrange(2, HEIGHT)) for _ in range(50)]
    with Events() as events:
        last = (-1, -1)
        for x, y in places:
            console.move_to(x, y)
            # The kernel tells only what changed.
            parts = [part for part, same in zip(at(x, y).split(", "), (x == last[0], y == last[1]))
                     if not same]
            events.expect("tablet " + ", ".join(parts))
            value = int(parts[0].split()[1])
            # As user space scales it (libinput, X): the very pixel.
            assert value * (WIDTH + SIDE_WIDTH) // 32768 == x
            last = (x, y)
        for wrong in ((WIDTH, 0), (0, HEIGHT), (2**32 - 1, 5)):
            try:
                console.move_to(*wrong)
            except PeerError:
                pass
            else:
                raise AssertionError(f"{wrong} was taken")
        # The other monitor is to the right.
        side = Console(Peer(machine.path("display")), 1)
        for x, y in ((0, 0), (5, 7), (SIDE_WIDTH - 1, SIDE_HEIGHT - 1)):
            side.move_to(x, y)
            events.expect(f"tablet {at(WIDTH + x, y)}")
        events.nothing()


def test_scroll():
    with Events() as events:
        console.move_to(100, 100)
        events.until("tablet SYN_REPORT 0")
        # A wheel with notches, by QEMU's wheel buttons.
        console.button(3, True)
        console.button(3, False)
        events.expect("tablet REL_WHEEL_HI_RES 120, REL_WHEEL 1")
        console.button(4, True)
        console.button(4, False)
        events.expect("tablet REL_WHEEL_HI_RES -120, REL_WHEEL -1")
        console.button(8, True)
        console.button(8, False)
        events.expect("tablet REL_HWHEEL_HI_RES 120, REL_HWHEEL 1")
        # Smooth: every part of a notch, and the notch when it is full.
        for _ in range(3):
            console.scroll(0, -30)
            events.expect("tablet REL_WHEEL_HI_RES -30")
        console.scroll(0, -30)
        events.expect("tablet REL_WHEEL_HI_RES -30, REL_WHEEL -1")
        console.move_by(1, 1)
        events.until("mouse SYN_REPORT 0")
        console.scroll(15, 240)
        events.expect("mouse REL_WHEEL_HI_RES 240, REL_WHEEL 2, REL_HWHEEL_HI_RES 15")


def slots(events, state):
    """Replays what a client of multitouch protocol B sees."""
    slot = state.setdefault("slot", 0)
    for event in events:
        _, code, value = event.split()
        if code == "ABS_MT_SLOT":
            slot = int(value)
        elif code.startswith("ABS_MT_"):
            state.setdefault(slot, {})[code] = int(value)
        else:
            state[code] = int(value)
    state["slot"] = slot
    return state


def test_ten_fingers():
    state = {}
    with Events() as events:
        for slot in range(10):
            console.touch(0, slot, 100.0 * slot + 0.25, 50.0 * slot + 0.5)
        slots(events.until(f"touch ABS_MT_POSITION_Y {int(450.5 * RANGE_Y)}"), state)
        assert state["BTN_TOUCH"] == 1
        ids = [state[slot]["ABS_MT_TRACKING_ID"] for slot in range(10)]
        assert len(set(ids)) == 10 and min(ids) >= 0, ids
        for slot in range(10):
            assert state[slot]["ABS_MT_POSITION_X"] == int((100 * slot + 0.25) * RANGE_X)
            console.touch(1, slot, 1000.0 - 100 * slot, 700.0 - 50 * slot)
        slots(events.until(f"touch ABS_MT_POSITION_Y {int(250.0 * RANGE_Y)}"), state)
        for slot in range(10):
            assert state[slot]["ABS_MT_POSITION_X"] == int((1000 - 100 * slot) * RANGE_X)
            assert state[slot]["ABS_MT_POSITION_Y"] == int((700 - 50 * slot) * RANGE_Y)
            assert state[slot]["ABS_MT_TRACKING_ID"] == ids[slot], "a finger that moves is the same"
        # The first finger is also what a client without multitouch sees.
        assert state["ABS_X"] == state[0]["ABS_MT_POSITION_X"]
        for slot in range(9):
            console.touch(2 + slot % 2, slot)  # END and CANCEL
        slots(events.until("touch ABS_MT_SLOT 8"), state)
        assert state["BTN_TOUCH"] == 1
        assert [state[s]["ABS_MT_TRACKING_ID"] for s in range(10)] == [-1] * 9 + [ids[9]]
        console.touch(2, 9)
        slots(events.until("touch BTN_TOUCH 0"), state)
        assert state[9]["ABS_MT_TRACKING_ID"] == -1
        console.touch(0, 4, 1.0, 1.0)
        slots(events.until("touch BTN_TOUCH 1"), state)
        assert state[4]["ABS_MT_TRACKING_ID"] not in ids
        console.touch(2, 4)
        events.until("touch BTN_TOUCH 0")


def test_flood():
    """3000 moves as fast as they go: the guest may get fewer, but the last one is the last."""
    with Events() as events:
        for i in range(3000):
            console.send_move_to(i % 1000, i % 700)
        console.button(0, True)
        console.button(0, False)
        seen = events.until("tablet BTN_LEFT 0")
        moves = [e for e in seen if "ABS_X" in e]
        assert moves[-1] == f"tablet ABS_X {int((2999 % 1000 + 0.5) * RANGE_X)}", moves[-3:]
        print(f"# {len(moves)} of 3000 moves were told one by one")


def test_leds():
    for bits, expected in ((2, 4), (7, 7), (1, 2), (4, 1), (0, 0)):
        machine.guest.run(f"hesper-input --device hesper --leds {bits}")
        wait_for(f"LEDs {expected}", lambda: console.get("Keyboard", "Modifiers") == expected)


def test_viewer_that_goes():
    """What a viewer held down is released when it goes."""
    with Events() as events:
        peer = Peer(machine.path("display"))
        other = Console(peer)
        other.key(0x1d, True)
        other.move_to(5, 5)
        other.button(2, True)
        other.touch(0, 3, 10.0, 10.0)
        events.until("touch BTN_TOUCH 1")
        peer.close()
        seen = []
        wanted = {"keyboard KEY_LEFTCTRL 0", "tablet BTN_RIGHT 0", "touch BTN_TOUCH 0"}
        wait_for("releases", lambda: seen.extend(events.take()) or wanted <= set(seen))


def test_pause():
    with Events() as events:
        console.key(0x2a, True)
        events.until("keyboard KEY_LEFTSHIFT 1")
        machine.qmp.run("stop")
        console.key(0x1e, True)
        console.key(0x2a, False)
        console.key(0x1e, False)
        console.key(0x30, True)
        machine.qmp.run("cont")
        # A key that was down goes up; what was typed meanwhile is not typed now.
        seen = [e for e in events.until("keyboard KEY_LEFTSHIFT 0") if not e.endswith(" 2")]
        assert not [e for e in seen if "KEY_A" in e or "KEY_B" in e], seen
        console.key(0x30, False)
        events.nothing()
    machine.alive()


def virtio_devices():
    """name of the input device → virtioN."""
    found = {}
    for line in machine.guest.run("hesper-input --list --device hesper").lines:
        device = json.loads(line)
        found[device["name"].split()[1]] = device["phys"].split("/")[0]
    return found


def rebind(device, verbs=("unbind", "bind")):
    for verb in verbs:
        machine.guest.run(f"echo {device} >/sys/bus/virtio/drivers/virtio_input/{verb}", 30)


def test_driver_comes_back():
    devices = virtio_devices()
    with Events() as events:
        console.key(0x2a, True)
        console.move_to(60, 60)
        console.button(0, True)
        events.until("tablet BTN_LEFT 1")
    for name in ("keyboard", "tablet", "touch"):
        rebind(devices[name])
    with Events() as events:
        # A fresh driver knows of nothing that is down.
        console.key(0x2a, False)
        console.button(0, False)
        events.nothing()
        console.key(0x2a, True)
        console.key(0x2a, False)
        console.move_to(60, 60)
        console.touch(0, 0, 1.0, 1.0)
        console.touch(2, 0)
        seen = events.until("touch BTN_TOUCH 0")
        for wanted in ("keyboard KEY_LEFTSHIFT 1", "keyboard KEY_LEFTSHIFT 0", "touch BTN_TOUCH 1",
                       f"tablet {at(60, 60).split(', ')[0]}"):
            assert wanted in seen, f"{wanted}: {seen}"
    machine.alive()


def test_without_tablet():
    """The pointer is relative while only the mouse has a driver, and clicks go there."""
    tablet = virtio_devices()["tablet"]
    rebind(tablet, ["unbind"])
    wait_for("a relative pointer", lambda: console.get("Mouse", "IsAbsolute") is False)
    with Events() as events:
        console.move_by(1, 2)
        console.button(0, True)
        console.button(0, False)
        events.expect("mouse REL_X 1, REL_Y 2", "mouse BTN_LEFT 1", "mouse BTN_LEFT 0")
    rebind(tablet, ["bind"])
    wait_for("an absolute pointer", lambda: console.get("Mouse", "IsAbsolute") is True)


def mapped():
    stats = machine.stats()
    return stats["maps"] - stats["unmaps"]


def test_start_with_too_much_mapped():
    """QEMU 11.1 cannot start a vhost-user device while more than 7 blobs are mapped (protocols Q5):
    it stays silent, all else goes on, and its driver's next start helps."""
    keyboard = virtio_devices()["keyboard"]
    rebind(keyboard, ["unbind"])
    blobs = machine.guest.start("hesper-memory maps 300")
    wait_for("mappings", lambda: mapped() > 20)
    rebind(keyboard, ["bind"])
    still_mapped = mapped() > 20
    with Events() as events:
        console.key(0x1e, True)
        console.move_to(int(time.time()) % 1000, 77)
        seen = events.until("tablet SYN_REPORT 0")
        silent = still_mapped and "Error starting vhost-user-base" in machine.log("qemu.log")
        print(f"# the keyboard started with too much mapped: {silent}")
        if silent:
            assert not [e for e in seen if "KEY_A" in e], "works: take the note out of the docs"
        console.key(0x1e, False)
    assert blobs.wait(120).lines[-1].startswith("PASS")

    def types_again():
        rebind(keyboard)
        with Events() as events:
            console.key(0x5b, True)
            console.key(0x5b, False)
            try:
                return events.until("keyboard KEY_LINEFEED 0", 2)
            except AssertionError:
                return None
    # QEMU has yet to unmap what the program had.
    wait_for("a keyboard that works", types_again, 60)
    machine.alive()


def test_reboot():
    console.key(0x1d, True)
    machine.qmp.run("system_reset")
    machine.wait_guest()
    wait_for("the tablet", lambda: console.get("Mouse", "IsAbsolute") is True)
    with Events() as events:
        console.key(0x1d, False)
        events.nothing()
        console.move_to(1, 1)
        events.expect(f"tablet {at(1, 1)}")
    machine.alive()


def main():
    global machine, console
    outputs = f"--outputs={WIDTH}x{HEIGHT},{SIDE_WIDTH}x{SIDE_HEIGHT}"
    with Machine(outputs, devices=sys.argv[1]) as machine:
        console = Console(Peer(machine.path("display")))
        return run_tests([
            test_devices,
            test_every_key,
            test_keys_together,
            test_buttons,
            test_positions,
            test_scroll,
            test_ten_fingers,
            test_flood,
            test_leds,
            test_viewer_that_goes,
            test_pause,
            test_driver_comes_back,
            test_without_tablet,
            test_start_with_too_much_mapped,
            test_reboot,
        ])


if __name__ == "__main__":
    sys.exit(main())
