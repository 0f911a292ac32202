# SPDX-License-Identifier: MIT
"""The benchmarks' programs work: a few commands, a few pictures. How fast is not looked at.

test_runs.py [--guest]: those that need no guest, or those that do."""

import json
import os
import subprocess
import sys
import tempfile
import unittest


class Case(unittest.TestCase):
    def bench(self, *patterns):
        """The scenarios of results.json of a tiny run."""
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run(
                [os.environ["HESPER"], "bench", "--samples", "tiny", "--out", folder, *patterns],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=280, check=False)
            self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
            with open(os.path.join(folder, "results.json"), encoding="utf-8") as file:
                results = json.load(file)
        for name, result in results["scenarios"].items():
            self.assertFalse({"not_here", "does_not_run"} & set(result), result)
        return results["scenarios"]


class Runs(Case):
    def test_device(self):
        """All that was asked is answered, alone and in batches, awaited in each way."""
        found = self.bench("device/*/batch-64", "device/no-op/single", "device/growth/contexts/4",
                           "device/growth/entries/4096", "device/growth/scanouts/16")
        self.assertGreater(len(found), 12)
        for name, result in found.items():
            figures = result["figures"]
            # A tenth more than what is measured, at least: what comes before.
            measured = result["samples"]["commands_in_a_round"] * result["samples"]["rounds"]
            self.assertGreater(figures["answered"], measured, name)
            self.assertGreater(figures["wall_ns"]["median"], 0, name)
            self.assertGreater(figures["cpu_ns"]["median"], 0, name)

    def test_present(self):
        """Who copies is what the scenario says."""
        found = self.bench("present/720p/bare", "present/720p/host-memory/headless",
                           "present/720p/copy/headless")
        self.assertEqual(len(found), 5)
        self.assertEqual(found["present/720p/host-memory/headless"]["figures"]["copied"], 0)
        self.assertGreater(found["present/720p/copy/headless"]["figures"]["copied"], 1280 * 720 * 4)

    def test_idle(self):
        found = self.bench("idle/still/viewer", "idle/start/hesperd-none", "idle/binaries")
        self.assertGreater(found["idle/still/viewer"]["figures"]["rss_mib"], 1)
        self.assertGreater(found["idle/start/hesperd-none"]["figures"]["ms"]["median"], 0)


class Guests(Case):
    def test_guests(self):
        """A program's frames, a frame's stages and a fence's, and maps that QEMU has made."""
        found = self.bench("guest/vkmark-cube/hesper", "guest/cube-direct/hesper-viewed",
                           "latency/frame/headless-60", "map/live/0-9")
        self.assertGreater(found["guest/vkmark-cube/hesper"]["figures"]["fps"]["median"], 0)
        self.assertIn("present_ms", found["guest/cube-direct/hesper-viewed"]["figures"])
        stages = [found[f"latency/frame/headless-60/{stage}"]["figures"]["p50"]["median"]
                  for stage in ("notified", "submitted", "copied", "answered")]
        self.assertEqual(stages, sorted(stages))
        maps = found["map/live/0-9"]["figures"]
        # What hesperd takes is a part of what the guest waits for.
        self.assertLess(maps["map_us"]["min"], maps["guest_us"]["max"])
        self.assertEqual(maps["map_us"]["n"], 10)


if __name__ == "__main__":
    case = Guests if "--guest" in sys.argv[1:] else Runs
    unittest.main(defaultTest=case.__name__, argv=sys.argv[:1], verbosity=2)
