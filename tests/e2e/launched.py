# SPDX-License-Identifier: MIT
"""Runs `hesper` for a test: what it says, what it leaves behind, what it shows."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

MARK = "HESPER_TEST_RUN"


def fail(text):
    print(f"FAILED: {text}", flush=True)
    sys.exit(1)


def check(condition, text):
    if not condition:
        fail(text)


class Run:
    """A run of `hesper ARGS…`. Every process it starts inherits a mark, by which they are found."""

    def __init__(self, hesper, *args, env=None):
        self.mark = f"{MARK}={uuid.uuid4()}"
        self.lines = []
        self.changed = threading.Condition()
        environment = {**os.environ, **(env or {})}
        for name in [n for n, value in environment.items() if value is None]:
            del environment[name]
        name, value = self.mark.split("=")
        environment[name] = value
        self.process = subprocess.Popen(
            [hesper, *args], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            print(f"  | {line}", end="", flush=True)
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    @property
    def text(self):
        return "\n".join(self.lines)

    def wait_line(self, pattern, timeout):
        end = time.monotonic() + timeout
        with self.changed:
            while not any(re.search(pattern, line) for line in self.lines):
                left = end - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self.reader.is_alive()):
                    fail(f"no line matches {pattern!r}")
                self.changed.wait(min(left, 0.2))

    def wait(self, timeout):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            found = self.processes()
            self.end()
            fail(f"hesper still runs after {timeout} s, with {found}")
        self.reader.join(10)
        return self.process.returncode

    def signal(self, number):
        os.kill(self.process.pid, number)

    def processes(self):
        """pid → command line of every living process of this run but hesper itself."""
        found = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == self.process.pid:
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if self.mark.encode() not in file.read().split(b"\0"):
                        continue
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    found[int(entry)] = file.read().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
        return {pid: line for pid, line in found.items() if line}

    def find(self, name, timeout=30):
        """The pid of the process whose program has this name."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for pid, line in self.processes().items():
                if os.path.basename(line.split(" ")[0]) == name:
                    return pid
            time.sleep(0.05)
        fail(f"there is no process {name}")
        return None

    def check_nothing_left(self, grace=0):
        end = time.monotonic() + grace
        while self.processes() and time.monotonic() < end:
            time.sleep(0.05)
        left = self.processes()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        check(not left, f"processes are left: {left}")

    def end(self):
        """For the test's own failures: nothing of the run survives it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)


def without_display():
    return {"DISPLAY": None, "WAYLAND_DISPLAY": None}


class Runtime:
    """A private XDG_RUNTIME_DIR, to see whether it is empty at the end."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="hesper-test-")
        self.path = self._folder.name
        return self

    def __exit__(self, *unused):
        self._folder.cleanup()

    def check_empty(self):
        check(not os.listdir(self.path), f"left in the runtime directory: {os.listdir(self.path)}")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Picture:
    def __init__(self, path):
        size = subprocess.run(["magick", "identify", "-format", "%w %h", path], check=True,
                              capture_output=True, text=True).stdout.split()
        self.width, self.height = int(size[0]), int(size[1])
        self.data = subprocess.run(["magick", path, "-depth", "8", "rgb:-"], check=True,
                                   capture_output=True).stdout

    def pixel(self, x, y):
        at = 3 * (y * self.width + x)
        return tuple(self.data[at:at + 3])

    def colours(self, step=4):
        return {self.pixel(x, y) for y in range(0, self.height, step)
                for x in range(0, self.width, step)}


def distance(a, b):
    return max(abs(x - y) for x, y in zip(a, b))


def saturated(pixel):
    return max(pixel) - min(pixel) > 70


def check_cube(picture, step=4):
    """That the picture shows the cube of guest/app/cube.c: in front of a sky whose rows are of one
    colour each there is one big thing in the middle, with sides of several strong colours."""
    xs, ys, sides = [], [], {}
    for y in range(0, picture.height, step):
        sky = picture.pixel(1, y)
        for x in range(0, picture.width, step):
            pixel = picture.pixel(x, y)
            if distance(pixel, sky) <= 40:
                continue
            xs.append(x)
            ys.append(y)
            if saturated(pixel):
                hue = tuple(c // 64 for c in pixel)
                sides[hue] = sides.get(hue, 0) + 1
    total = (picture.width // step) * (picture.height // step)
    share = len(xs) / total
    check(0.05 < share < 0.5, f"what stands before the sky fills {share:.0%} of the picture")
    xs.sort()
    ys.sort()
    middle = (xs[len(xs) // 2] / picture.width, ys[len(ys) // 2] / picture.height)
    check(all(0.35 < m < 0.65 for m in middle), f"what stands before the sky is at {middle}")
    strong = [hue for hue, count in sides.items() if count > 0.02 * len(xs)]
    check(len(strong) >= 1, f"no side of the cube has a strong colour: {sides}")
    sky_colours = {picture.pixel(1, y) for y in range(0, picture.height, step)}
    check(len(sky_colours) > 20, "the sky is no gradient")
