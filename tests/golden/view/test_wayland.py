# SPDX-License-Identifier: MIT
"""hesper-view under a Wayland compositor of the test's own (weston without a screen)."""

import json
import os
import shutil
import sys
import unittest

from rig import ViewCase


class Wayland(ViewCase):

    def weston(self, scale):
        self.env["XDG_RUNTIME_DIR"] = self.dir
        self.env["WAYLAND_DISPLAY"] = "wayland-test"
        self.env.pop("DISPLAY", None)
        weston = self.start("weston", "--backend=headless", "--renderer=pixman",
                            "--socket=wayland-test", "--width=1600", "--height=1200",
                            f"--scale={scale}", "--idle-time=0",
                            f"--log={self.dir}/weston.log")
        self.until(lambda: os.path.exists(os.path.join(self.dir, "wayland-test")))
        return weston

    def test_frames(self):
        """Windows appear and show pictures; the guest learns of the dots per inch and the rate."""
        for scale, width_mm, height_mm in ((1, 169, 127), (2, 85, 64)):
            with self.subTest(scale=scale):
                weston = self.weston(scale)
                self.env["HESPER_VALIDATE"] = "1"
                server = self.fake("--size", "640x480", "--heads", 2, "--interval", 5)
                view = self.view("--frames", 100, "--summary", self.summary_path)
                self.assertEqual(view.wait(60), 0)
                server.terminate()
                self.assertEqual(server.wait(20), 0)
                weston.terminate()
                weston.wait(20)
                summary = self.summary()
                self.assertEqual(summary["cpu_copied_bytes"], 0)
                self.assertEqual(summary["validation_messages"], 0)
                self.assertEqual(len(summary["consoles"]), 2)
                for console in summary["consoles"]:
                    self.assertGreater(console["frames_presented"], 10)
                monitor = [640, 480, width_mm, height_mm, 60000]
                self.assertEqual(json.loads(server.stdout.read())["monitors"], 2 * [monitor])


if __name__ == "__main__":
    if not shutil.which("weston"):
        print("skipped: there is no weston")
        sys.exit(77)
    unittest.main(verbosity=2)
