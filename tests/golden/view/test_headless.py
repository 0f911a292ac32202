# SPDX-License-Identifier: MIT
"""hesper-view --headless shows exactly what the server has, without a copy by the CPU."""

import json
import os
import signal
import subprocess
import time
import unittest

from png import read_png
from rig import FORMATS, VIEW, ViewCase


class Headless(ViewCase):

    def one(self, index, width, height, *fake, number=0, crop=0, **kwargs):
        summary = self.shoot(fake=["--format", index, "--size", f"{width}x{height}", "--patient",
                                   "--frames", number + 1, "--exit-after", *fake], **kwargs)
        width, height = width - 2 * crop, height - 2 * crop
        image = read_png(self.png)
        self.assertEqual((image.width, image.height), (width, height))
        self.assertEqual(image.channels, 3)
        self.check_picture(image, width, height, number, crop)
        self.assertEqual((summary["width"], summary["height"]), (width, height))
        self.assertEqual(summary["format"], FORMATS[index])
        return summary

    def test_formats(self):
        for index, name in enumerate(FORMATS):
            with self.subTest(name):
                summary = self.one(index, 64, 48, env={"HESPER_VALIDATE": "1"})
                self.assertEqual(summary["memory_path"], "host-memory")
                self.assertEqual(summary["cpu_copied_bytes"], 0)
                self.assertEqual(summary["validation_messages"], 0)
                self.assertEqual(summary["frames_presented"], 1)

    def test_shapes(self):
        for index in (1, 3):
            for width, height, *fake in ((1, 1), (7, 5, "--padding", 4), (33, 3, "--padding", 60),
                                         (61, 17, "--offset", 4), (61, 17, "--offset", 49380),
                                         (64, 64, "--offset", 4096, "--padding", 256),
                                         (257, 31, "--offset", 12, "--padding", 12)):
                with self.subTest(FORMATS[index], width=width, height=height, fake=fake):
                    self.one(index, width, height, *fake)

    def test_parts_of_a_buffer(self):
        for index in (0, 6):
            for crop in (1, 5):
                with self.subTest(FORMATS[index], crop=crop):
                    self.one(index, 70, 50, "--crop", crop, "--padding", 8, "--offset", 32,
                             crop=crop)

    def test_large(self):
        self.one(1, 1920, 1080)

    def test_flips(self):
        """Many pictures in few buffers: the last one is shown, each buffer imported once."""
        for index in (1, 5):
            for buffers in (1, 3, 8):
                with self.subTest(FORMATS[index], buffers=buffers):
                    summary = self.one(index, 64, 48, "--buffers", buffers, number=99)
                    # The server waits for each release, so no picture is left out.
                    self.assertEqual(summary["frames_presented"], 100)
                    self.assertEqual(summary["frames_dropped"], 0)
                    self.assertEqual(summary["cpu_copied_bytes"], 0)
                    self.assertEqual(self.fake_says["sent"], 100)
                    self.assertEqual(self.fake_says["copied"], 0)

    def test_frames_and_screenshot_at(self):
        summary = self.shoot("--frames", 20, "--screenshot-at", 7,
                             fake=["--size", "64x48", "--buffers", 1])
        self.assertEqual(summary["frames_presented"], 20)
        # The server does not wait for a viewer that is not ready yet: the seventh that was shown
        # may be a later one of its pictures. Red tells which.
        picture = read_png(self.png)
        number = picture.rows[0][0] // 5
        self.assertGreaterEqual(number, 6)
        self.check_picture(picture, 64, 48, number=number)
        self.assertGreater(summary["fps"], 0)
        self.assertGreater(summary["frame_ms"]["p50"], 0)
        self.assertGreaterEqual(summary["present_ms"]["p99"], summary["present_ms"]["p50"])

    def test_several_consoles(self):
        """All of them, or those that are named; each has a screenshot of its own."""
        for named, consoles, files in (
                ((), [0, 1, 2], {"shot.png", "shot-1.png", "shot-2.png"}),
                (("--console", "0,2"), [0, 2], {"shot.png", "shot-2.png"}),
                (("--console", "2"), [2], {"shot.png"})):
            with self.subTest(named):
                server = self.fake("--heads", 3, "--size", "64x48", "--frames", 1)
                view = self.view("--headless", "--screenshot", self.png, "--summary",
                                 self.summary_path, "--frames", len(consoles), *named)
                self.assertEqual(view.wait(20), 0)
                server.terminate()
                self.assertEqual(server.wait(20), 0)
                self.assertEqual([c["console"] for c in self.summary()["consoles"]], consoles)
                found = {name for name in os.listdir(self.dir) if name.endswith(".png")}
                self.assertEqual(found, files)
                for name in found:
                    self.check_picture(read_png(os.path.join(self.dir, name)), 64, 48)
                    os.unlink(os.path.join(self.dir, name))

    def test_copy_is_counted(self):
        """Where the driver refuses the import, the picture is right and the copy is told."""
        mask = os.environ.get("MASK_LAYER")
        if not mask:
            self.skipTest("the mask layer was not built")
        summary = self.one(1, 64, 48, "--buffers", 1, "--padding", 64, number=4, env={
            "VK_ADD_LAYER_PATH": mask, "VK_INSTANCE_LAYERS": "VK_LAYER_HESPER_test_mask",
            "HESPER_MASK_FAIL_ALLOCATION": "0"})
        self.assertEqual(summary["memory_path"], "copy")
        self.assertEqual(summary["cpu_copied_bytes"], 5 * 64 * 48 * 4)

    def test_import_under_another_memory_layout(self):
        """As on a GPU with memory of its own, where host pointers go into one type only."""
        mask = os.environ.get("MASK_LAYER")
        if not mask:
            self.skipTest("the mask layer was not built")
        summary = self.one(3, 64, 48, env={"VK_ADD_LAYER_PATH": mask,
                                           "VK_INSTANCE_LAYERS": "VK_LAYER_HESPER_test_mask"})
        self.assertEqual(summary["memory_path"], "host-memory")
        self.assertEqual(summary["cpu_copied_bytes"], 0)

    def test_signals(self):
        server = self.fake("--size", "64x48", "--frames", 1)
        view = self.view("--headless", "--screenshot", self.png, "--summary", self.summary_path,
                         "--status-fd", 1, stdout=subprocess.PIPE, text=True)
        line = json.loads(view.stdout.readline())
        self.until(lambda: json.loads(view.stdout.readline())["frames"] == 1)
        self.assertIn("fps", line)
        self.assertFalse(os.path.exists(self.png))
        view.send_signal(signal.SIGUSR1)
        self.until(lambda: os.path.exists(self.png))
        self.check_picture(read_png(self.png), 64, 48)
        os.unlink(self.png)
        # What was measured, too, and after that once more at the end.
        self.until(lambda: os.path.exists(self.summary_path))
        self.assertEqual(self.summary()["frames_presented"], 1)
        os.unlink(self.summary_path)
        view.send_signal(signal.SIGTERM)
        self.assertEqual(view.wait(20), 0)
        self.check_picture(read_png(self.png), 64, 48)
        self.assertEqual(self.summary()["frames_presented"], 1)
        # The next one gets the picture that is there, at once.
        os.unlink(self.png)
        view = self.view("--headless", "--frames", 1, "--screenshot", self.png)
        self.assertEqual(view.wait(20), 0)
        self.check_picture(read_png(self.png), 64, 48)
        server.terminate()
        self.assertEqual(server.wait(20), 0)

    def test_killed_and_stopped(self):
        """Whatever becomes of a viewer, the server goes on and serves the next one."""
        server = self.fake("--size", "64x48", "--interval", 5)
        first = self.view("--headless", "--status-fd", 1, stdout=subprocess.PIPE, text=True)
        self.until(lambda: json.loads(first.stdout.readline())["frames"] > 10)
        first.kill()
        second = self.view("--headless", "--frames", 20)
        self.assertEqual(second.wait(20), 0)
        stopped = self.view("--headless", "--status-fd", 1, stdout=subprocess.PIPE, text=True)
        self.until(lambda: json.loads(stopped.stdout.readline())["frames"] > 10)
        stopped.send_signal(signal.SIGSTOP)
        # The others keep their rate: 100 pictures, 5 ms each, far below 50 ms each.
        start = time.monotonic()
        third = self.view("--headless", "--frames", 100)
        self.assertEqual(third.wait(20), 0)
        self.assertLess(time.monotonic() - start, 4)
        stopped.send_signal(signal.SIGCONT)
        before = json.loads(stopped.stdout.readline())["frames"]
        self.until(lambda: json.loads(stopped.stdout.readline())["frames"] > before + 20)
        stopped.send_signal(signal.SIGINT)
        self.assertEqual(stopped.wait(20), 0)
        server.terminate()
        self.assertEqual(server.wait(20), 0)

    def test_server_goes(self):
        server = self.fake("--size", "64x48", "--frames", 1)
        view = self.view("--headless", "--status-fd", 1, stdout=subprocess.PIPE, text=True)
        self.until(lambda: json.loads(view.stdout.readline())["frames"] == 1)
        server.kill()
        self.assertEqual(view.wait(20), 0)
        # Without a picture that is a failure, in words.
        os.unlink(self.socket)
        server = self.fake("--size", "64x48", "--interval", 100000)
        view = self.view("--headless", "--console", 3, stderr=subprocess.PIPE, text=True)
        _, words = view.communicate(timeout=20)
        self.assertEqual(view.returncode, 1)
        self.assertIn("console 3", words)

    def test_import_copy(self):
        """What --import copy asks for: the same picture, copied and counted."""
        summary = self.one_with("--import", "copy")
        self.assertEqual(summary["memory_path"], "copy")
        self.assertEqual(summary["cpu_copied_bytes"], 64 * 48 * 4)
        self.assertEqual(self.one_with("--import", "auto")["cpu_copied_bytes"], 0)

    def one_with(self, *options):
        summary = self.shoot(*options, fake=["--format", 1, "--size", "64x48", "--patient",
                                             "--frames", 1, "--exit-after"])
        self.check_picture(read_png(self.png), 64, 48)
        return summary

    def test_rest(self):
        """With a still picture no thread wakes up again and again."""
        self.fake("--size", "64x48", "--frames", 1)
        view = self.view("--headless", "--frames", 1000, stderr=subprocess.DEVNULL)

        def wakeups():
            found = {}
            for task in os.listdir(f"/proc/{view.pid}/task"):
                with open(f"/proc/{view.pid}/task/{task}/status") as file:
                    found[task] = next(line for line in file
                                       if line.startswith("voluntary_ctxt_switches"))
            return found

        def still():
            before = wakeups()
            time.sleep(2)
            return len(before) > 1 and wakeups() == before
        self.until(still, 30)
        self.assertIsNone(view.poll())

    def words(self, *argv, **env):
        self.env.update(env)
        done = subprocess.run([VIEW, *argv], env=self.env, capture_output=True, text=True,
                              timeout=20)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        return done.stderr

    def test_words(self):
        self.env.pop("DISPLAY", None)
        self.assertIn("--socket", self.words("--headless"))
        self.assertIn("Fix:", self.words("--headless", "--socket", self.socket))
        self.assertIn("--headless", self.words("--socket", self.socket))
        self.assertIn("--headless", self.words("--socket", self.socket, DISPLAY=":4242"))
        self.assertIn("--qmp", self.words("--headless", "--socket", self.socket, "--qmp", "x"))
        self.assertIn("commas", self.words("--headless", "--socket", self.socket,
                                           "--console", "1;2"))
        self.assertIn("--list-devices", self.words("--headless", "--socket", self.socket,
                                                   "--device", "77"))
        self.assertIn("--list-devices", self.words("--headless", "--socket", self.socket,
                                                   HESPER_DEVICE="gpu"))
        self.env.pop("HESPER_DEVICE")
        self.assertIn("install", self.words("--headless", "--socket", self.socket,
                                            VK_DRIVER_FILES="/nonexistent"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
