# SPDX-License-Identifier: MIT
"""Starts fake_scanout and hesper-view, and knows what the picture must look like."""

import json
import os
import signal
import subprocess
import tempfile
import time
import unittest

VIEW = os.environ["HESPER_VIEW"]
FAKE = os.environ["FAKE_SCANOUT"]
LAVAPIPE = next((path for path in ("/usr/share/vulkan/icd.d/lvp_icd.json",
                                   "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json")
                 if os.path.exists(path)), None)

# The rows of src/frame/format.c, in its order.
FORMATS = ["B8G8R8A8", "B8G8R8X8", "A8R8G8B8", "X8R8G8B8",
           "R8G8B8A8", "X8B8G8R8", "A8B8G8R8", "R8G8B8X8"]


def expected_row(y, number, x_from, width, channels):
    """What fake_scanout draws into picture `number`, row y, from column x_from on."""
    out = bytearray()
    for x in range(x_from, x_from + width):
        out += bytes(((x + 5 * number) & 255, (y + 3 * number) & 255, (x ^ y) & 255))
        if channels == 4:
            out.append((255 - (x + y)) & 255)
    return bytes(out)


class ViewCase(unittest.TestCase):
    """Each test has a folder of its own, and leaves no process behind."""

    def setUp(self):
        self.assertIsNotNone(LAVAPIPE)
        self._folder = tempfile.TemporaryDirectory(prefix="hesper-view-")
        self.dir = self._folder.name
        self.socket = os.path.join(self.dir, "display.sock")
        self.png = os.path.join(self.dir, "shot.png")
        self.summary_path = os.path.join(self.dir, "summary.json")
        self.env = dict(os.environ, VK_DRIVER_FILES=LAVAPIPE)
        self.env.pop("WAYLAND_DISPLAY", None)
        self._children = []

    def tearDown(self):
        for child in self._children:
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()
        self._folder.cleanup()

    def start(self, *argv, **kwargs):
        child = subprocess.Popen([str(a) for a in argv], env=self.env, **kwargs)
        self._children.append(child)
        return child

    def fake(self, *options):
        return self.start(FAKE, "--socket", self.socket, *options, stdout=subprocess.PIPE,
                          text=True)

    def view(self, *options, **kwargs):
        return self.start(VIEW, "--socket", self.socket, "--wait", 20, *options, **kwargs)

    def shoot(self, *options, fake=(), env=()):
        """A headless viewer, a picture, its summary; checks that it ended well."""
        self.env.update(env)
        server = self.fake(*fake)
        view = self.view("--headless", "--screenshot", self.png, "--summary", self.summary_path,
                         *options)
        self.assertEqual(view.wait(60), 0)
        if server.poll() is None:
            server.terminate()
        self.assertEqual(server.wait(20), 0)
        self.fake_says = json.loads(server.stdout.read())
        return self.summary()

    def summary(self):
        with open(self.summary_path) as file:
            return json.load(file)

    def until(self, condition, seconds=20):
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, "took too long")
            time.sleep(0.02)

    def check_picture(self, image, width, height, number=0, crop=0, at=(0, 0)):
        """The picture of width x height is in the image at `at`, exactly."""
        left, top = at
        self.assertGreaterEqual(min(at), 0, at)
        self.assertGreaterEqual(image.width, left + width, (image.width, image.height, at))
        self.assertGreaterEqual(image.height, top + height, (image.width, image.height, at))
        step = image.channels
        for y in range(height):
            got = image.rows[top + y][left * step:(left + width) * step]
            want = expected_row(y + crop, number, crop, width, step)
            if got != want:
                x = next(i for i in range(len(want)) if got[i] != want[i]) // step
                self.fail(f"pixel ({x}, {y}) is {tuple(got[x * step:(x + 1) * step])}, "
                          f"not {tuple(want[x * step:(x + 1) * step])}")
