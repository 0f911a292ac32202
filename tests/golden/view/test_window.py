# SPDX-License-Identifier: MIT
"""hesper-view in a window of an X server of the test's own (Xvfb), looked at from outside."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from png import read_png, read_ppm
from rig import ViewCase

SCREEN = (900, 700)


class Window(ViewCase):

    def setUp(self):
        super().setUp()
        # The server chooses a free display number and tells it.
        told, tell = os.pipe()
        self.xvfb = self.start("Xvfb", "-displayfd", tell, "-screen", 0,
                               f"{SCREEN[0]}x{SCREEN[1]}x24", "-nolisten", "tcp", "-noreset",
                               pass_fds=[tell], stderr=subprocess.DEVNULL)
        os.close(tell)
        with os.fdopen(told) as file:
            self.env["DISPLAY"] = ":" + file.readline().strip()

    def tool(self, *argv):
        return subprocess.run([str(a) for a in argv], env=self.env, check=True, text=True,
                              capture_output=True, timeout=20).stdout

    def root(self):
        path = os.path.join(self.dir, "root.ppm")
        self.tool("import", "-silent", "-window", "root", "-depth", 8, path)
        return read_ppm(path)

    def window(self):
        """(id, x, y, width, height) of the viewer's window, or None while it is hidden."""
        tree = self.tool("xwininfo", "-root", "-tree")
        found = re.search(r"(0x[0-9a-f]+) [^\n]*\"hesper-view\"", tree)
        if not found:
            return None
        info = self.tool("xwininfo", "-id", found[1])
        if "IsViewable" not in info:
            return None
        numbers = [int(re.search(rf"{name}: +(-?\d+)", info)[1]) for name in
                   ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height")]
        return (found[1], *numbers)

    def show(self, *options, fake=(), **env):
        """A viewer that shows picture 0, kept there; returns it and its window."""
        self.env.update(env)
        self.server = self.fake("--frames", 1, *fake)
        view = self.view("--status-fd", 1, "--summary", self.summary_path, *options,
                         stdout=subprocess.PIPE, text=True)
        self.until(lambda: json.loads(view.stdout.readline())["frames"] >= 1)
        return view, self.window()

    def end(self, view):
        view.send_signal(signal.SIGTERM)
        self.assertEqual(view.wait(20), 0)
        self.server.terminate()
        self.assertEqual(self.server.wait(20), 0)
        self.fake_says = json.loads(self.server.stdout.read())
        return self.summary()

    def black_outside(self, image, left, top, width, height, box):
        """Of the window at box, all but the area (given relative to it) is black."""
        _, x0, y0, wide, high = box
        for y in range(high):
            row = image.rows[y0 + y][x0 * 3:(x0 + wide) * 3]
            if top <= y < top + height:
                row = row[:left * 3] + row[(left + width) * 3:]
            self.assertEqual(row, bytes(len(row)), f"row {y}")

    def test_one_to_one(self):
        """The window takes the picture's size; each pixel is there, by a single GPU copy."""
        for index in (1, 4, 2):
            with self.subTest(index=index):
                view, box = self.show(fake=["--size", "320x200", "--format", index,
                                            "--padding", 64], HESPER_VALIDATE="1")
                self.assertEqual(box[3:], (320, 200))
                self.check_picture(self.root(), 320, 200, at=box[1:3])
                summary = self.end(view)
                self.assertEqual(summary["validation_messages"], 0)
                self.assertEqual(summary["cpu_copied_bytes"], 0)
                self.assertEqual(summary["memory_path"], "host-memory")

    def test_larger_than_the_screen(self):
        view, box = self.show(fake=["--size", "1800x900"])
        self.assertEqual(box[1:], (0, 125, 900, 450))
        self.end(view)

    def test_scaled(self):
        """Twice the size is exact; the rest of the window is black."""
        view, box = self.show("--size", "700x420", fake=["--size", "320x200"],
                              HESPER_VALIDATE="1")
        self.assertEqual(box[3:], (700, 420))
        image = self.root()
        # 420 / 200 is less than 700 / 320: the height decides, 672 x 420, scaled by 2.1.
        self.black_outside(image, 14, 0, 672, 420, box)
        x0, y0 = box[1] + 14, box[2]
        for x, y in ((10, 10), (160, 100), (300, 190), (200, 30)):
            # Where the picture is smooth, scaling changes a value by little: red is x.
            got = image.pixel(x0 + int((x + 0.5) * 2.1), y0 + int((y + 0.5) * 2.1))
            self.assertLessEqual(abs(got[0] - (x & 255)), 2)
            self.assertLessEqual(abs(got[1] - (y & 255)), 2)
        self.assertEqual(self.end(view)["validation_messages"], 0)

    def test_doubled(self):
        view, box = self.show("--size", "640x400", fake=["--size", "320x200", "--format", 3])
        image = self.root()
        for y in range(0, 400, 7):
            for x in range(0, 640, 5):
                px, py = x // 2, y // 2
                self.assertEqual(image.pixel(box[1] + x, box[2] + y),
                                 (px & 255, py & 255, (px ^ py) & 255))
        self.end(view)

    def test_whole_multiples(self):
        """--scale=integer: 2.9 times is twice, in the middle."""
        view, box = self.show("--scale", "integer", "--size", "880x580", fake=["--size", "300x200"])
        image = self.root()
        self.black_outside(image, 140, 90, 600, 400, box)
        for y in range(0, 400, 7):
            for x in range(0, 600, 5):
                px, py = x // 2, y // 2
                self.assertEqual(image.pixel(box[1] + 140 + x, box[2] + 90 + y),
                                 (px & 255, py & 255, (px ^ py) & 255))
        self.end(view)

    def test_filter(self):
        """Blue is x ^ y: it jumps from pixel to pixel, and what lies between tells the filter."""
        for scale, chosen, mixed in (("480x300", "auto", True), ("480x300", "nearest", False),
                                     ("640x400", "auto", False), ("640x400", "linear", True)):
            with self.subTest(scale=scale, filter=chosen):
                view, box = self.show("--filter", chosen, "--size", scale,
                                      fake=["--size", "320x200"])
                image = self.root()
                self.end(view)
                pure = {(x & 255, y & 255, (x ^ y) & 255)
                        for x in range(320) for y in range(200)}
                seen = {image.pixel(box[1] + x, box[2] + y) for x in range(4, box[3] - 4, 2)
                        for y in range(4, box[4] - 4, 2)}
                self.assertEqual(not seen <= pure, mixed)

    def test_one_window_for_each_console(self):
        """Two windows; the one that is closed lets its output go, the last one ends it all."""
        self.env["HESPER_VALIDATE"] = "1"
        server = self.fake("--heads", 2, "--size", "320x200", "--interval", 10)
        view = self.view("--summary", self.summary_path)

        def windows():
            # It fails when a window goes just then.
            tree = subprocess.run(["xwininfo", "-root", "-tree"], env=self.env, text=True,
                                  check=False, capture_output=True, timeout=20).stdout
            return dict(reversed(found) for found in
                        re.findall(r"(0x[0-9a-f]+) \"hesper(?: \[(\d)\])? — 320x200", tree))
        self.until(lambda: set(windows()) == {"0", "1"})
        self.tool(os.environ["FAKE_USER"], "close", windows()["0"])
        self.until(lambda: len(windows()) == 1)
        self.tool(os.environ["FAKE_USER"], "close", next(iter(windows().values())))
        self.assertEqual(view.wait(20), 0)
        server.terminate()
        self.assertEqual(server.wait(20), 0)
        self.assertEqual(json.loads(server.stdout.read())["monitors"][0], [0, 0, 0, 0, 0])
        self.assertEqual([c["console"] for c in self.summary()["consoles"]], [0, 1])
        self.assertEqual(self.summary()["validation_messages"], 0)

    def test_full_screen(self):
        if not shutil.which("cwm"):
            self.skipTest("there is no cwm: full screen is for a window manager to give")
        self.start("cwm", "-c", "/dev/null", stderr=subprocess.DEVNULL)
        self.until(lambda: "_NET_SUPPORTED" in self.tool("xprop", "-root"))
        view, _ = self.show("--full-screen", fake=["--size", "450x350"])
        self.until(lambda: self.window()[1:] == (0, 0, *SCREEN))

        # Twice as large: exact.
        def shown():
            image = self.root()
            return all(image.pixel(x, y) == (x // 2 & 255, y // 2 & 255, (x // 2 ^ y // 2) & 255)
                       for x in range(0, 900, 7) for y in range(0, 700, 9))
        self.until(shown)
        self.end(view)

    def test_unscaled_in_other_sizes(self):
        view, box = self.show("--scale", "1:1", "--size", "400x300", fake=["--size", "320x200"])
        image = self.root()
        self.check_picture(image, 320, 200, at=(box[1] + 40, box[2] + 50))
        self.black_outside(image, 40, 50, 320, 200, box)
        self.end(view)
        # Too small: the middle of the picture.
        view, box = self.show("--scale", "1:1", "--size", "200x100", fake=["--size", "320x200"])
        image = self.root()
        for x, y in ((0, 0), (199, 99), (100, 50)):
            self.assertEqual(image.pixel(box[1] + x, box[2] + y),
                             ((60 + x) & 255, (50 + y) & 255, ((60 + x) ^ (50 + y)) & 255))
        self.end(view)

    def test_screenshot_beside_a_window(self):
        """The screenshot has the guest's size, whatever the window's is."""
        view, _ = self.show("--size", "200x100", "--screenshot", self.png,
                            fake=["--size", "320x200", "--format", 6])
        self.end(view)
        image = read_png(self.png)
        self.assertEqual((image.width, image.height), (320, 200))
        self.check_picture(image, 320, 200)

    def test_present_modes(self):
        """Each is what the swapchain is made with, or a word is said and it is fifo."""
        for mode in ("auto", "fifo", "fifo-relaxed", "mailbox", "immediate"):
            with self.subTest(mode):
                server = self.fake("--size", "64x48", "--interval", 5)
                view = self.view("--present", mode, "--frames", 5, "--summary", self.summary_path,
                                 stderr=subprocess.PIPE, text=True)
                said = view.communicate(timeout=60)[1]
                self.assertEqual(view.returncode, 0, said)
                server.terminate()
                server.wait(20)
                is_mode = self.summary()["present_mode"]
                self.assertIn(is_mode, ("mailbox" if mode == "auto" else mode, "fifo"))
                refused = f"--present={mode}: fifo it is" in said
                self.assertEqual(refused, is_mode != mode and mode != "auto", said)

    def test_title_and_libraries(self):
        self.server = self.fake("--size", "320x200", "--interval", 20)
        view = self.view("--title", "guest", "--status-fd", 1, "--summary", self.summary_path,
                         stdout=subprocess.PIPE, text=True)
        self.until(lambda: json.loads(view.stdout.readline())["fps"] > 10)
        title = []

        def titled():
            title[:] = re.findall(r"_NET_WM_NAME\(UTF8_STRING\) = \"(.*)\"",
                                  self.tool("xprop", "-id", self.window()[0]))
            return title and re.fullmatch(
                r"guest — 320x200 — \d+\.\d fps( — Ctrl\+Alt\+G .*)?", title[0])
        self.until(titled)
        with open(f"/proc/{view.pid}/maps") as file:
            maps = file.read()
        self.assertIn("libvulkan", maps)
        self.assertEqual(re.findall(r"/lib(?:GL|EGL|GLES\w*|GLX\w*|OpenGL|GLdispatch)\.so\S*",
                                    maps), [])
        summary = self.end(view)
        self.assertEqual(summary["cpu_copied_bytes"], 0)

    def test_flips_keep_up(self):
        """Wake-ups are not lost between SDL and the Vulkan driver: no frame waits for a timer."""
        self.server = self.fake("--size", "320x200", "--still", "--frames", 1000,
                                "--patient")
        view = self.view("--frames", 1000, "--summary", self.summary_path)
        # A timer comes twice a second: with one for each frame it would take eight minutes.
        self.assertEqual(view.wait(150), 0)

    def test_resize(self):
        view, box = self.show(fake=["--size", "320x200"], HESPER_VALIDATE="1")
        for width, height in ((640, 400), (300, 500), (320, 200), (64, 48)):
            with self.subTest(width=width, height=height):
                subprocess.run([os.environ["FAKE_USER"], "resize", box[0], str(width),
                                str(height)], env=self.env, check=True, timeout=20)
                self.until(lambda: self.window()[3:] == (width, height))
                if (width, height) == (320, 200):
                    self.until(lambda: self.shows(320, 200))
        self.assertEqual(self.end(view)["validation_messages"], 0)

    def shows(self, width, height):
        box = self.window()
        try:
            self.check_picture(self.root(), width, height, at=box[1:3])
        except AssertionError:
            return False
        return True

    def test_guest_is_told_of_its_monitor(self):
        """The window's pixels, the X server's dots per inch, and the rate that is asked for."""
        self.server = self.fake("--size", "320x200")
        view = self.view("--refresh", "29.97", "--summary", self.summary_path)
        self.until(lambda: self.window() is not None)
        # 0.1 s of rest, then the answer of a server that takes no time.
        subprocess.run([os.environ["FAKE_USER"], "resize", self.window()[0], "480", "384"],
                       env=self.env, check=True, timeout=20)
        self.until(lambda: self.window()[3:] == (480, 384))
        time.sleep(0.5)
        self.end(view)
        # 700 pixels are 185 mm to Xvfb; 96 dots per inch would make them 102 mm high.
        self.assertEqual(self.fake_says["monitors"], [[480, 384, 127, 101, 29970]])

    def test_no_resize(self):
        self.server = self.fake("--size", "320x200")
        view = self.view("--no-resize", "--size", "640x400", "--summary", self.summary_path)
        self.until(lambda: self.window() is not None)
        self.assertEqual(self.window()[3:], (640, 400))
        time.sleep(0.5)
        self.end(view)
        self.assertEqual(self.fake_says["monitors"], [[0, 0, 0, 0, 0]])

    def test_close(self):
        """Closing the window ends the viewer well, and the server goes on."""
        view, box = self.show(fake=["--size", "320x200"])
        subprocess.run([os.environ["FAKE_USER"], "close", box[0]], env=self.env, check=True,
                       timeout=20)
        self.assertEqual(view.wait(20), 0)
        self.assertEqual(self.summary()["frames_presented"], 1)
        self.assertIsNone(self.server.poll())

    def test_display_goes(self):
        view, _ = self.show(fake=["--size", "320x200"])
        self.xvfb.kill()
        view.wait(20)  # however, but it ends
        self.assertIsNone(self.server.poll())


if __name__ == "__main__":
    missing = [tool for tool in ("Xvfb", "import", "xwininfo", "xprop") if not shutil.which(tool)]
    if missing:
        print("skipped: there is no", ", ".join(missing))
        sys.exit(77)
    unittest.main(verbosity=2)
