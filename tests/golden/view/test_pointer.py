# SPDX-License-Identifier: MIT
"""The guest's pointer is the X server's cursor while the mouse is on the picture: shape, hot-spot."""

import ctypes
import os
import signal
import sys
import unittest

from rig import ViewCase

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "e2e"))
from xserver import XServer  # noqa: E402


class CursorImage(ctypes.Structure):
    """XFixesCursorImage, X11/extensions/Xfixes.h."""

    _fields_ = [("x", ctypes.c_short), ("y", ctypes.c_short),
                ("width", ctypes.c_ushort), ("height", ctypes.c_ushort),
                ("xhot", ctypes.c_ushort), ("yhot", ctypes.c_ushort),
                ("serial", ctypes.c_ulong), ("pixels", ctypes.POINTER(ctypes.c_ulong)),
                ("atom", ctypes.c_ulong), ("name", ctypes.c_char_p)]


class Pointer(ViewCase):

    def setUp(self):
        super().setUp()
        self.server = XServer()
        self.addCleanup(self.server.close)
        self.env.update(self.server.env)
        self.xlib = ctypes.CDLL("libX11.so.6")
        self.xlib.XOpenDisplay.restype = ctypes.c_void_p
        self.xfixes = ctypes.CDLL("libXfixes.so.3")
        self.xfixes.XFixesGetCursorImage.argtypes = [ctypes.c_void_p]
        self.xfixes.XFixesGetCursorImage.restype = ctypes.POINTER(CursorImage)
        self.display = self.xlib.XOpenDisplay(self.server.display.encode())
        self.assertTrue(self.display)
        self.addCleanup(self.xlib.XCloseDisplay, ctypes.c_void_p(self.display))

    def cursor(self):
        """(width, height), hot-spot, the colours it has."""
        image = self.xfixes.XFixesGetCursorImage(self.display)
        got = image.contents
        pixels = {got.pixels[i] & 0xffffffff for i in range(got.width * got.height)}
        result = ((got.width, got.height), (got.xhot, got.yhot), pixels)
        self.xlib.XFree(image)
        return result

    def point(self, x, y):
        left, top, _, _ = self.server.place(self.window)
        self.server.xdotool("mousemove", left + x, top + y)

    def show(self, *options, cursor=True):
        # 16x16, hot-spot (1, 1), 0xffff0000
        self.fake("--frames", 1, "--size", "320x240", *(["--cursor"] if cursor else []))
        self.viewer = self.view("--title", "under-test", "--no-resize", *options)
        self.window = self.server.find("under-test")
        self.server.focus(self.window)

    def end(self):
        self.viewer.send_signal(signal.SIGTERM)
        self.assertEqual(self.viewer.wait(20), 0)

    def until_red(self, side, hot):
        want = ((side, side), (hot, hot), {0xffff0000})
        self.until(lambda: self.cursor() == want)

    def test_shape(self):
        self.show()
        self.point(100, 100)
        self.until_red(16, 1)
        self.end()

    def test_it_grows_with_the_picture(self):
        self.show("--size", "640x480")
        self.point(100, 100)
        self.until_red(32, 2)
        self.end()

    def test_beside_the_picture(self):
        self.show("--size", "640x240")
        self.point(320, 100)
        self.until_red(16, 1)
        self.point(50, 100)
        self.until(lambda: self.cursor()[2] != {0xffff0000})
        self.point(200, 100)
        self.until_red(16, 1)
        self.server.xdotool("mousemove", 1, 1)
        self.until(lambda: self.cursor()[2] != {0xffff0000})
        self.end()

    def test_drawn(self):
        """It is in the picture, and nowhere else."""
        self.show("--cursor", "draw", "--screenshot", self.png)
        self.point(100, 100)
        self.until(lambda: self.cursor()[2] == {0})
        self.end()

    def test_guest_without_one(self):
        self.show(cursor=False)
        self.server.xdotool("mousemove", 1, 1)
        self.server.xdotool("mousemove", 2, 2)
        self.point(100, 100)
        # An arrow: opaque pixels, not one colour.
        self.until(lambda: len(self.cursor()[2]) > 1)
        self.end()


if __name__ == "__main__":
    unittest.main()
