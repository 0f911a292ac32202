# SPDX-License-Identifier: MIT
"""Runs commands in the demo guest, through its control port (guest/control/control.c).

    guest = Guest("/path/of/the/chardev.sock", timeout=60)
    print(guest.hello["kernel"])
    result = guest.run("vulkaninfo --summary")
    cube = guest.start("hesper-cube --frames 0")
    cube.signal(); cube.wait(10)
"""

import base64
import json
import queue
import re
import socket
import threading
import time


class GuestError(Exception):
    pass


class Command:
    """A command that runs, or ran, in the guest."""

    def __init__(self, guest, ident, text):
        self._guest = guest
        self._done = threading.Event()
        self.id = ident
        self.text = text
        self.lines = []
        self.code = None
        self.refused = None

    @property
    def output(self):
        return "".join(line + "\n" for line in self.lines)

    def wait(self, timeout=60):
        """Waits for the end; returns self. GuestError: too late, refused, or the guest went."""
        if not self._done.wait(timeout):
            raise GuestError(f"{self.text!r} still runs after {timeout} s:\n{self.output}")
        if self.refused:
            raise GuestError(f"{self.text!r} was not started: {self.refused}")
        if self.code is None:
            raise GuestError(f"the guest went away during {self.text!r}:\n{self.output}")
        return self

    def check(self, timeout=60):
        """Like wait, but also raises when the exit code is not 0."""
        self.wait(timeout)
        if self.code != 0:
            raise GuestError(f"{self.text!r} ended with {self.code}:\n{self.output}")
        return self

    def wait_for_line(self, pattern, timeout=60):
        """The first line that the regular expression matches, as the match."""
        end = time.monotonic() + timeout
        seen = 0
        with self._guest.changed:
            while True:
                while seen < len(self.lines):
                    match = re.search(pattern, self.lines[seen])
                    if match:
                        return match
                    seen += 1
                left = end - time.monotonic()
                if self._done.is_set() or left <= 0:
                    raise GuestError(f"{self.text!r} did not say {pattern!r}:\n{self.output}")
                self._guest.changed.wait(left)

    def json(self):
        """The last line of output that is a JSON object."""
        for line in reversed(self.lines):
            if line.startswith("{"):
                return json.loads(line)
        raise GuestError(f"{self.text!r} printed no JSON:\n{self.output}")

    def signal(self, number=15):
        self._guest.send(f"!{self.id} {number}")


class Guest:
    """The guest's end of the control port. Every hello replaces the commands before it: their
    guest has rebooted, or this side connected anew."""

    def __init__(self, path=None, sock=None, timeout=60, wait=True):
        if sock is None:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(path)
        self._sock = sock
        self._commands = {}
        self._next = 0
        self._hellos = queue.Queue()
        self._app = queue.Queue()
        self.changed = threading.Condition()
        self.hello = None
        self.app_lines = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if wait:
            self.wait_hello(timeout)

    def wait_hello(self, timeout=60):
        """Waits until the guest is up (again)."""
        try:
            self.hello = self._hellos.get(timeout=timeout)
        except queue.Empty:
            raise GuestError(f"the guest did not say hello in {timeout} s") from None
        if self.hello is None:
            raise GuestError("the control port was closed")
        return self.hello

    def wait_app(self, timeout=60):
        """The summary of the command that hesper.run= started, with its "exit" code."""
        try:
            return self._app.get(timeout=timeout)
        except queue.Empty:
            raise GuestError(f"hesper.run's command still runs after {timeout} s") from None

    def start(self, text):
        """Starts a shell command; several may run at once."""
        with self.changed:
            self._next += 1
            command = Command(self, f"c{self._next}", text)
            self._commands[command.id] = command
        self.send(f"{command.id} {text}")
        return command

    def run(self, text, timeout=60):
        """Runs a shell command; raises GuestError unless its exit code is 0."""
        return self.start(text).check(timeout)

    def send(self, line):
        if "\n" in line:
            raise ValueError("a command is one line")
        self._sock.sendall(line.encode() + b"\n")

    def close(self):
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join()
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def _read(self):
        with self._sock.makefile("r", encoding="utf-8", errors="replace", newline="\n") as lines:
            try:
                for line in lines:
                    with self.changed:
                        self._take(line.rstrip("\n"))
                        self.changed.notify_all()
            except OSError:
                pass
        with self.changed:
            self._abandon()
            self.changed.notify_all()
        self._hellos.put(None)

    def _abandon(self):
        for command in self._commands.values():
            command._done.set()
        self._commands.clear()

    def _take(self, line):
        if line.startswith("hello "):
            self._abandon()
            self._hellos.put(json.loads(line[len("hello "):]))
            return
        ident, mark, rest = (line.split(" ", 2) + ["", ""])[:3]
        if ident == "app":
            if mark == ">":
                self.app_lines.append(rest)
            elif mark == "=":
                self._app.put(json.loads(rest))
            return
        command = self._commands.get(ident)
        if command is None:
            return
        if mark == ">":
            command.lines.append(rest)
        elif mark in ("=", "?"):
            del self._commands[ident]
            if mark == "=":
                command.code = int(rest)
            else:
                command.refused = rest
            command._done.set()


def run_parameter(command):
    """The kernel parameter that makes the guest run a shell command after boot."""
    return "hesper.run=" + base64.b64encode(command.encode()).decode()


def pattern_rows(pixels, width, height, rows=8):
    """Which frame each row of a `--pattern ROWS` picture (guest/app/pattern.c) says it is.

    pixels(x, y) gives (red, green, blue). Returns a list of `rows` 24-bit frame numbers, which are
    all the same unless the picture is torn; None in place of a row that is no pattern at all."""
    frames = []
    for row in range(rows):
        bits = 0
        for column in range(8):
            x = (2 * column + 1) * width // 16
            y = (2 * row + 1) * height // (2 * rows)
            for channel, level in enumerate(pixels(x, y)[:3]):
                if abs(level - 224) <= 8:
                    bits |= 1 << (3 * column + channel)
                elif abs(level - 32) > 8:
                    bits = None
                    break
            if bits is None:
                break
        frames.append(None if bits is None else (bits - row) & 0xFFFFFF)
    return frames
