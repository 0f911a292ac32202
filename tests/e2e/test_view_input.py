# SPDX-License-Identifier: MIT
"""A person at hesper-view's window: keys, mouse and fingers that X makes arrive in a real guest.

The guest prints what its kernel got (hesper-input); X events are made by xdotool under Xvfb, and by
a touch screen of Xorg's own test driver.
"""

import json
import sys
import time

from machine import Machine, run_tests, wait_for
from xserver import HEIGHT, WIDTH, TouchScreen, XServer

SIZE = (1024, 640)
AXIS_MAX = 0x7fff

# A board of 105 keys, ISO, row by row: names of Linux, whose codes are X's less 8.
BOARD = {
    "ESC": 1, "F1": 59, "F2": 60, "F3": 61, "F4": 62, "F5": 63, "F6": 64, "F7": 65, "F8": 66,
    "F9": 67, "F10": 68, "F11": 87, "F12": 88, "SYSRQ": 99, "SCROLLLOCK": 70, "PAUSE": 119,

    "GRAVE": 41, "1": 2, "2": 3, "3": 4, "4": 5, "5": 6, "6": 7, "7": 8, "8": 9, "9": 10, "0": 11,
    "MINUS": 12, "EQUAL": 13, "BACKSPACE": 14, "INSERT": 110, "HOME": 102, "PAGEUP": 104,
    "NUMLOCK": 69, "KPSLASH": 98, "KPASTERISK": 55, "KPMINUS": 74,

    "TAB": 15, "Q": 16, "W": 17, "E": 18, "R": 19, "T": 20, "Y": 21, "U": 22, "I": 23, "O": 24,
    "P": 25, "LEFTBRACE": 26, "RIGHTBRACE": 27, "DELETE": 111, "END": 107, "PAGEDOWN": 109,
    "KP7": 71, "KP8": 72, "KP9": 73, "KPPLUS": 78,

    "CAPSLOCK": 58, "A": 30, "S": 31, "D": 32, "F": 33, "G": 34, "H": 35, "J": 36, "K": 37,
    "L": 38, "SEMICOLON": 39, "APOSTROPHE": 40, "BACKSLASH": 43, "ENTER": 28, "KP4": 75, "KP5": 76,
    "KP6": 77,

    "LEFTSHIFT": 42, "102ND": 86, "Z": 44, "X": 45, "C": 46, "V": 47, "B": 48, "N": 49, "M": 50,
    "COMMA": 51, "DOT": 52, "SLASH": 53, "RIGHTSHIFT": 54, "UP": 103, "KP1": 79, "KP2": 80,
    "KP3": 81, "KPENTER": 96,

    "LEFTCTRL": 29, "LEFTMETA": 125, "LEFTALT": 56, "SPACE": 57, "RIGHTALT": 100, "RIGHTMETA": 126,
    "COMPOSE": 127, "RIGHTCTRL": 97, "LEFT": 105, "DOWN": 108, "RIGHT": 106, "KP0": 82, "KPDOT": 83,
}
LOCKS = ("CAPSLOCK", "NUMLOCK", "SCROLLLOCK")

machine = None
screen = None  # the X server
viewer = None
window = None
events = None


def keycode(name):
    code = BOARD[name] + 8
    # xdotool takes one digit for what is printed on a key.
    return str(code) if code > 9 else "Escape"


def keys(*words):
    """"+A" presses, "-A" releases, "A" does both."""
    arguments = []
    for word in words:
        name = word.lstrip("+-")
        if word[0] != "-":
            arguments += ["keydown", keycode(name)]
        if word[0] != "+":
            arguments += ["keyup", keycode(name)]
    screen.xdotool(*arguments)


class Events:
    """What the guest's kernel got since the last look."""

    def __init__(self, grab=True):
        # With grab, what is typed does nothing else in the guest.
        self._command = machine.guest.start("hesper-input" + (" --grab" if grab else ""))
        self._command.wait_for_line(r'"ready":true')
        self._seen = 0
        self.skip()

    def _new(self):
        lines = self._command.lines
        found = [json.loads(line) for line in lines[self._seen:]]
        return [event for event in found if "code" in event and event["type"] != "EV_SYN" and
                (event["type"], event["value"]) != ("EV_KEY", 2)]  # the guest's own repetition

    def skip(self):
        """Forgets what there is once nothing has come for a while."""
        count = -1
        while count != len(self._new()):
            count = len(self._new())
            time.sleep(0.4)
        self._seen = len(self._command.lines)

    def take(self, count, wanted=lambda event: True, timeout=10, quiet=0.3):
        """As many events, and that no more come."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if len([event for event in self._new() if wanted(event)]) >= count:
                break
            time.sleep(0.02)
        time.sleep(quiet)
        found = [event for event in self._new() if wanted(event)]
        self._seen = len(self._command.lines)
        return found

    def stop(self):
        self._command.signal()
        self._command.wait(10)


def is_key(event):
    return event["type"] == "EV_KEY"


def words(found):
    return [("+" if event["value"] else "-") + event["code"].removeprefix("KEY_")
            for event in found]


def expect_keys(*expected, timeout=10):
    got = words(events.take(len(expected), is_key, timeout))
    assert got == list(expected), f"expected {expected}, got {got}"


def open_viewer(server, *options):
    global screen, viewer, window
    screen = server
    viewer = machine.viewer("--title", "under-test", "--no-resize", "--size",
                            f"{SIZE[0]}x{SIZE[1]}", *options, window=True, env=server.env)
    window = server.find("under-test")
    center()
    server.focus(window)
    events.skip()


def center():
    x, y, width, height = screen.place(window)
    screen.xdotool("mousemove", x + width // 2, y + height // 2)


def close_viewer():
    viewer.stop()


def other_window():
    """Another program's window, with the focus."""
    screen.start("xev", "-geometry", "100x100+10+10")
    other = screen.find("Event Tester")
    screen.focus(other)
    return other


def test_every_key():
    assert len(BOARD) == 105
    names = [name for name in BOARD if name not in LOCKS]
    for start in range(0, len(names), 20):
        some = names[start:start + 20]
        keys(*some)
        expect_keys(*[mark + name for name in some for mark in "+-"], timeout=20)
    for name in LOCKS:
        keys(name, name)
        expect_keys(*[f"+{name}", f"-{name}"] * 2)


def test_positions_not_characters():
    screen.run("setxkbmap", "fr")
    try:
        keys("Q", "A", "SEMICOLON", "102ND", "1")
        expect_keys("+Q", "-Q", "+A", "-A", "+SEMICOLON", "-SEMICOLON", "+102ND", "-102ND", "+1",
                    "-1")
    finally:
        screen.run("setxkbmap", "us")
    events.skip()


def test_several_at_once():
    keys("+LEFTCTRL", "+LEFTSHIFT", "+A", "+S", "-A", "-LEFTSHIFT", "-S", "-LEFTCTRL")
    expect_keys("+LEFTCTRL", "+LEFTSHIFT", "+A", "+S", "-A", "-LEFTSHIFT", "-S", "-LEFTCTRL")


def test_repetition_is_the_guests():
    """X repeats a held key 25 times a second; the guest hears of one press, and repeats itself."""
    keys("+X")
    time.sleep(1.5)
    keys("-X")
    expect_keys("+X", "-X")


def test_focus_loss_leaves_nothing_down():
    keys("+LEFTSHIFT", "+A", "+SPACE")
    screen.xdotool("mousedown", 1)
    expect_keys("+LEFTSHIFT", "+A", "+SPACE", "+BTN_LEFT")
    other = other_window()
    try:
        got = words(events.take(4, is_key))
        assert sorted(got) == ["-A", "-BTN_LEFT", "-LEFTSHIFT", "-SPACE"], got
        keys("-A", "-SPACE", "-LEFTSHIFT")
        screen.xdotool("mouseup", 1)
        expect_keys()
        # Pressed there, released here: the guest never hears of it.
        keys("+B")
        screen.focus(window)
        keys("-B")
        expect_keys()
        # A modifier that is held when the focus comes counts.
        screen.focus(other)
        keys("+LEFTSHIFT")
        screen.focus(window)
        keys("A", "-LEFTSHIFT")
        expect_keys("+LEFTSHIFT", "+A", "-A", "-LEFTSHIFT")
    finally:
        screen.clients.pop().kill()
        screen.focus(window)
        center()
        events.skip()


def says(words):
    wait_for(f"'{words}' in the title", lambda: words in screen.title(window), timeout=5)


def test_grab():
    says("Ctrl+Alt+G grabs keyboard and pointer")
    other_window()
    screen.focus(window)
    center()
    events.skip()
    try:
        # The window manager takes Alt+Tab …
        keys("+LEFTALT", "TAB", "-LEFTALT")
        got = words(events.take(1, is_key))
        assert "+TAB" not in got and got.count("+LEFTALT") == got.count("-LEFTALT"), got
        screen.focus(window)
        center()
        events.skip()
        # … until the window has grabbed the keyboard. The hot-key leaves nothing down.
        keys("+LEFTCTRL", "+LEFTALT", "G", "-LEFTALT", "-LEFTCTRL")
        got = words(events.take(4, is_key))
        assert got[:2] == ["+LEFTCTRL", "+LEFTALT"], got
        assert sorted(got[2:]) == ["-LEFTALT", "-LEFTCTRL"], got
        says("Ctrl+Alt+G releases keyboard and pointer")
        keys("+LEFTALT", "TAB", "-LEFTALT")
        expect_keys("+LEFTALT", "+TAB", "-TAB", "-LEFTALT")
        # The pointer stays in the window.
        x, y, width, height = screen.place(window)
        screen.xdotool("mousemove", WIDTH - 1, HEIGHT - 1)
        text = screen.xdotool("getmouselocation", "--shell")
        place = dict(line.split("=") for line in text.split())
        # X lets it onto the border, too, which is of 1 here.
        assert x - 1 <= int(place["X"]) <= x + width, place
        assert y - 1 <= int(place["Y"]) <= y + height, place
        keys("+LEFTCTRL", "+LEFTALT", "G", "-LEFTALT", "-LEFTCTRL")
        events.skip()
        says("Ctrl+Alt+G grabs keyboard and pointer")
        screen.xdotool("mousemove", WIDTH - 1, HEIGHT - 1)
        place = screen.xdotool("getmouselocation")
        assert f"x:{WIDTH - 1} y:{HEIGHT - 1}" in place, place
    finally:
        screen.clients.pop().kill()
        center()
        screen.focus(window)
        events.skip()


def react(leds):
    """As a desktop in the guest does, besides the console: it shows the lock on the keyboard."""
    machine.guest.run(f"hesper-input --device 'hesper keyboard' --leds {leds}")
    events.skip()


def test_locks_follow_the_host():
    """Caps Lock is pressed in another window: the guest's follows when its window gets the focus."""
    global events
    events.stop()
    events = Events(grab=False)
    other = other_window()
    try:
        keys("CAPSLOCK")
        screen.focus(window)
        expect_keys("+CAPSLOCK", "-CAPSLOCK")
        react(2)
        keys("LEFT")
        screen.focus(other)
        screen.focus(window)
        expect_keys("+LEFT", "-LEFT")
        screen.focus(other)
        keys("CAPSLOCK")
        screen.focus(window)
        expect_keys("+CAPSLOCK", "-CAPSLOCK")
        react(0)
        # By hand: nothing is added while the guest has yet to react.
        keys("CAPSLOCK", "LEFT", "CAPSLOCK", "LEFT")
        expect_keys("+CAPSLOCK", "-CAPSLOCK", "+LEFT", "-LEFT", "+CAPSLOCK", "-CAPSLOCK", "+LEFT",
                    "-LEFT")
        # A guest that does not react at all is asked once.
        screen.focus(other)
        keys("CAPSLOCK")
        screen.focus(window)
        keys("LEFT")
        screen.focus(other)
        screen.focus(window)
        keys("LEFT")
        expect_keys("+CAPSLOCK", "-CAPSLOCK", "+LEFT", "-LEFT", "+LEFT", "-LEFT")
        screen.focus(other)
        keys("CAPSLOCK")
    finally:
        screen.clients.pop().kill()
        screen.focus(window)
        center()
        events.stop()
        events = Events()


def position(found, size=SIZE):
    """The last position among events, as pixels of a picture of that size: hesperd names the
    middle of a pixel."""
    last = {}
    for event in found:
        last[event["code"]] = event["value"]
    return tuple(last[axis] * length / AXIS_MAX - 0.5
                 for axis, length in (("ABS_X", size[0]), ("ABS_Y", size[1])))


def is_place(event):
    return event["type"] == "EV_ABS" and event["code"] in ("ABS_X", "ABS_Y")


def near(got, expected, most=0.1):
    return all(abs(a - b) <= most for a, b in zip(got, expected))


def test_pointer():
    x, y, width, height = screen.place(window)
    assert (width, height) == SIZE, (width, height)
    for at in ((7, 9), (0, 0), (SIZE[0] - 1, SIZE[1] - 1), (300, 200)):
        screen.xdotool("mousemove", x + at[0], y + at[1])
        found = events.take(2, is_place)
        assert near(position(found), at), f"{at}: {found}"


def test_every_button():
    for number, name in ((1, "BTN_LEFT"), (2, "BTN_MIDDLE"), (3, "BTN_RIGHT"), (8, "BTN_SIDE"),
                         (9, "BTN_EXTRA")):
        screen.xdotool("click", number)
        expect_keys("+" + name, "-" + name)


def test_drag():
    """The guest sees press, moves, release; also outside of the window, at the nearest edge."""
    x, y, _, _ = screen.place(window)
    screen.xdotool("mousemove", x + 100, y + 100)
    events.skip()
    screen.xdotool("mousedown", 1, "mousemove", x + 200, y + 150)
    found = events.take(3)
    assert found[0]["code"] == "BTN_LEFT" and found[0]["value"] == 1, found
    assert near(position(found), (200, 150)), found
    screen.xdotool("mousemove", x - 50, y + SIZE[1] + 40)
    found = events.take(2, is_place)
    assert near(position(found), (0, SIZE[1] - 1)), found
    screen.xdotool("mouseup", 1)
    expect_keys("-BTN_LEFT")
    center()
    events.skip()


def test_scroll():
    for number, code, value in ((4, "REL_WHEEL", 1), (5, "REL_WHEEL", -1), (6, "REL_HWHEEL", -1),
                                (7, "REL_HWHEEL", 1)):
        screen.xdotool("click", "--repeat", 3, "--delay", 20, number)
        found = events.take(6, lambda event: event["type"] == "EV_REL")
        sums = {}
        for event in found:
            sums[event["code"]] = sums.get(event["code"], 0) + event["value"]
        assert sums == {code: 3 * value, code + "_HI_RES": 360 * value}, f"{number}: {sums}"


def test_relative():
    close_viewer()
    open_viewer(screen, "--pointer", "relative")
    center()
    screen.xdotool("mousemove_relative", 10, 10)
    assert events.take(0) == [], "the mouse moved before the window had taken it"
    screen.xdotool("click", 1)  # takes it
    assert events.take(0, is_key) == [], "the click that takes the pointer is not for the guest"
    says("Ctrl+Alt+G releases the pointer")
    events.skip()
    moved = {"REL_X": 0, "REL_Y": 0}
    for _ in range(10):  # as far as the screen would not allow
        screen.xdotool("mousemove_relative", "--", 200, -50)
    for event in events.take(20, lambda event: event["type"] == "EV_REL"):
        moved[event["code"]] += event["value"]
    assert moved == {"REL_X": 2000, "REL_Y": -500}, moved
    screen.xdotool("click", 1)
    expect_keys("+BTN_LEFT", "-BTN_LEFT")
    keys("+LEFTCTRL", "+LEFTALT", "G", "-LEFTALT", "-LEFTCTRL")
    events.skip()
    screen.xdotool("mousemove_relative", 10, 10)
    assert events.take(0, lambda event: event["type"] == "EV_REL") == []


def test_grab_option():
    close_viewer()
    open_viewer(screen, "--grab")
    says("Ctrl+Alt+G releases keyboard and pointer")
    keys("+LEFTALT", "TAB", "-LEFTALT")
    expect_keys("+LEFTALT", "+TAB", "-TAB", "-LEFTALT")


def touches(found):
    """Slot → its last x, y and tracking id among events, after `touches.slot`."""
    for event in found:
        if event["code"] == "ABS_MT_SLOT":
            touches.slot = event["value"]
        elif event["code"].startswith("ABS_MT_"):
            state = touches.state.setdefault(touches.slot, {})
            state[event["code"].removeprefix("ABS_MT_")] = event["value"]
    return touches.state


def expect_touch(slot, at):
    state = touches(events.take(1, lambda event: event["type"] == "EV_ABS"))[slot]
    if at is None:
        assert state["TRACKING_ID"] == -1, state
        return
    got = tuple(state[axis] * length / AXIS_MAX
                for axis, length in (("POSITION_X", SIZE[0]), ("POSITION_Y", SIZE[1])))
    assert state["TRACKING_ID"] >= 0 and near(got, at, 1), f"slot {slot}: {got}, not {at}"


def test_touch():
    close_viewer()
    try:
        server = XServer(touch=True)
    except OSError as reason:
        return f"Xorg does not run here: {reason}"
    with server:
        glass = TouchScreen(server)
        open_viewer(server)
        touches.slot, touches.state = 0, {}
        x, y, width, height = server.place(window)
        assert (width, height) == SIZE, (width, height)
        glass.touch(glass.BEGIN, 1, x + 100, y + 200)
        expect_touch(0, (100, 200))
        glass.touch(glass.BEGIN, 2, x + SIZE[0] - 1, y + 50)
        expect_touch(1, (SIZE[0] - 1, 50))
        glass.touch(glass.UPDATE, 1, x + 300, y + 250)
        expect_touch(0, (300, 250))
        glass.touch(glass.END, 1, x + 300, y + 250)
        expect_touch(0, None)
        glass.touch(glass.BEGIN, 3, x + 10, y + 10)
        expect_touch(0, (10, 10))
        glass.touch(glass.UPDATE, 2, x + 500, y + 400)
        expect_touch(1, (500, 400))
        # Another window takes the focus: the fingers are lifted for the guest.
        other_window()
        state = touches(events.take(2, lambda event: event["type"] == "EV_ABS"))
        assert [state[slot]["TRACKING_ID"] for slot in (0, 1)] == [-1, -1], state
        glass.touch(glass.END, 3, x + 10, y + 10)
        glass.touch(glass.END, 2, x + 500, y + 400)
        # Fingers were no mouse besides.
        found = events.take(0, lambda event: event["code"].startswith(("BTN_", "REL_")))
        assert found == [], found
        glass.close()
        close_viewer()
    return None


def main():
    global machine, events
    with Machine(devices="vhost-user-test-device-pci", size=f"{SIZE[0]}x{SIZE[1]}") as machine:
        events = Events()
        with XServer() as server:
            open_viewer(server)
            status = run_tests([
                test_every_key, test_positions_not_characters, test_several_at_once,
                test_repetition_is_the_guests, test_focus_loss_leaves_nothing_down, test_grab,
                test_locks_follow_the_host, test_pointer, test_every_button, test_drag, test_scroll,
                test_relative, test_grab_option, test_touch,
            ])
        events.stop()
        return status


if __name__ == "__main__":
    sys.exit(main())
