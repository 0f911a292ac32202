# SPDX-License-Identifier: MIT
"""The benchmarks' harness: which scenarios a pattern means, and what a report says of given results. What is
measured is given here; how fast anything is is no matter of a test."""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "bench"))

import harness  # noqa: E402
import main  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import scenarios  # noqa: E402


def results(**figures):
    """Of a run in which only these were measured: "a/b" as "a__b"."""
    return {"started": "2026-01-01T00:00:00+00:00", "seconds": 1.0, "amount": "short", "rounds": 3,
            "about": {"processor": {"model": "a processor", "count": 2, "usable": 2},
                      "memory_mib": 1024, "system": "a system", "load_at_start": 0.0},
            "scenarios": {name: value for name, value in figures.items()}}


class Names(unittest.TestCase):
    def setUp(self):
        self.known = [s for family in scenarios.FAMILIES for s in family.scenarios()]

    def select(self, *patterns):
        return [s.name for s in harness.select(self.known, patterns)]

    def test_names_are_of_their_family_and_once(self):
        names = [s.name for s in self.known]
        self.assertEqual(len(names), len(set(names)))
        for family in scenarios.FAMILIES:
            self.assertTrue(all(s.name.startswith(family.NAME + "/") for s in family.scenarios()))
        self.assertTrue(all(s.words for s in self.known))

    def test_a_family_and_a_part_of_it(self):
        self.assertEqual({name.split("/")[0] for name in self.select("present")}, {"present"})
        self.assertEqual(self.select("present/4k/bare/copy"), ["present/4k/bare/copy"])
        self.assertEqual(self.select("present/4k/bare"),
                         [f"present/4k/bare/{kind}" for kind in ("copy", "blit", "memcpy")])

    def test_stars(self):
        found = self.select("device/*/batch-64")
        self.assertIn("device/no-op/batch-64", found)
        self.assertIn("device/fence/batch-64", found)
        self.assertNotIn("device/no-op/batch-256", found)

    def test_order_and_no_doubles(self):
        self.assertEqual(self.select("present/4k/bare", "device/no-op/batch-64", "device/no-op/batch-64"),
                         self.select("device/no-op/batch-64", "present/4k/bare"))

    def test_nothing_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "present/16k"):
            self.select("device", "present/16k")

    def test_without_patterns_the_short_set(self):
        short = self.select()
        self.assertLess(len(short), len(self.known))
        self.assertEqual(set(short), {s.name for s in self.known if s.short})


class Reports(unittest.TestCase):
    GIVEN = {
        "device/no-op/batch-64": {"figures": {
            "per_s": harness.spread([250000.0, 260000.0, 240000.0]),
            "wall_ns": harness.spread([4000.0, 3846.0, 4167.0]), "answered": 100}},
        "device/no-op/batch-256": {"figures": {
            "per_s": harness.spread([290000.0]), "wall_ns": harness.spread([3448.0])}},
        "present/1080p/bare/copy": {"figures": {"ms": harness.spread([1.0, 1.1, 0.9])}},
        "present/1080p/host-memory/headless": {"figures": {
            "ms": harness.spread([1.05, 1.1, 1.0]), "over_bare": harness.spread([1.05, 1.0, 1.11]),
            "copied": 0}},
        "present/1080p/dma-buf/headless": {"figures": {}, "not_here": "no dma-bufs | here"},
        "present/1080p/copy/headless": {"figures": {}, "failed": "it fell over"},
    }

    def written(self, given):
        with tempfile.TemporaryDirectory() as folder:
            path, complaint = report.write(results(**given), scenarios.FAMILIES, folder)
            with open(path, encoding="utf-8") as file:
                return file.read(), sorted(os.listdir(folder)), complaint

    def test_spread(self):
        self.assertEqual(harness.spread([3.0, 1.0, 2.0]), {"median": 2.0, "min": 1.0, "max": 3.0, "n": 3})
        self.assertEqual(harness.spread([123456.0])["median"], 123500.0)
        self.assertEqual(harness.ratios([2.0, 9.0], [1.0, 3.0]), [2.0, 3.0])

    def test_figures_and_words(self):
        text, _, _ = self.written(self.GIVEN)
        self.assertIn("| device/no-op/batch-64 | 250,000 (240,000–260,000) |", text)
        self.assertIn("| 1.05 (1–1.11) |", text)
        self.assertIn("not here: no dma-bufs \\| here", text)
        self.assertIn("FAILED: it fell over", text)
        self.assertIn("a processor", text)

    def test_targets(self):
        def verdicts(given):
            return {t["what"]: t["met"] for t in report.judged(results(**given), scenarios.FAMILIES)}
        found = verdicts(self.GIVEN)
        rate = next(w for w in found if w.startswith("no-op commands in batches"))
        self.assertFalse(found[rate])
        near = next(w for w in found if w.startswith("1080p"))
        self.assertTrue(found[near])
        better = dict(self.GIVEN)
        better["device/no-op/batch-256"] = {"figures": {"per_s": harness.spread([300000.0])}}
        better["present/1080p/host-memory/headless"] = {
            "figures": {"over_bare": harness.spread([1.11])}}
        found = verdicts(better)
        self.assertTrue(found[rate])
        self.assertFalse(found[near])
        self.assertNotIn("hesperd's start", found)

    def test_tables_of_what_there_is(self):
        heading, body = report.table(results(**self.GIVEN), scenarios.present)
        self.assertEqual(heading[:2], ["scenario", "ms per frame"])
        self.assertNotIn("CPU ms per frame", heading)
        self.assertEqual(len(body), 4)
        shown = io.StringIO()
        report.show(results(**self.GIVEN), scenarios.FAMILIES, shown)
        self.assertIn("MISSED", shown.getvalue())

    def test_plots(self):
        text, files, complaint = self.written(self.GIVEN)
        drawn = [name for name in files if name.endswith(".svg")]
        self.assertEqual(sorted(re.findall(r"\]\((.*?\.svg)\)", text)), drawn)
        if harness.gnuplot() is None:
            self.assertIn("gnuplot", complaint)
            self.assertIn("Without plots", text)
        else:
            self.assertIsNone(complaint)
            self.assertEqual(drawn, ["device-batch.svg", "present.svg"])

    def test_plot_scripts(self):
        plot = {"kind": "bars", "title": 'a "title"', "x": "", "y": "ms", "series": [
            {"name": "one", "points": [["a", 1, 0, 2]]}, {"name": "two", "points": [["b", 3, 2, 4]]}]}
        text = plots.script(plot, "out.svg")
        self.assertIn('"a" 1 0 2 NaN NaN NaN', text)
        self.assertIn('"b" NaN NaN NaN 3 2 4', text)
        self.assertNotIn('"a "', text)
        plot["kind"] = "lines"
        plot["series"] = [{"name": "one", "points": [[1, 2, 1, 3]]}]
        self.assertIn("1 2 1 3\nEOD", plots.script(plot, "out.svg"))


class Commands(unittest.TestCase):
    """`hesper bench`, which measures nothing here."""

    def run_hesper(self, *arguments, **environment):
        return subprocess.run([os.environ["HESPER"], "bench", *arguments], text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                              env=dict(os.environ, **environment))

    def test_list(self):
        run = self.run_hesper("--list")
        self.assertEqual(run.returncode, 0, run.stderr)
        for family in scenarios.FAMILIES:
            for scenario in family.scenarios():
                self.assertIn(f" {scenario.name} ", run.stdout)
        run = self.run_hesper("--list", "present/720p/bare")
        self.assertEqual([line.split()[0] for line in run.stdout.splitlines()],
                         [f"present/720p/bare/{kind}" for kind in ("copy", "blit", "memcpy")])

    def test_what_is_not_there(self):
        run = self.run_hesper("nothing/*")
        self.assertEqual(run.returncode, 2)
        self.assertIn("there is no scenario 'nothing/*'", run.stderr)
        with tempfile.TemporaryDirectory() as empty:
            run = self.run_hesper("--list", PATH=empty)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn("python3", run.stderr)
        self.assertIn("apt install python3", run.stderr)

    def test_report_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "given.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(results(**{"present/1080p/bare/copy": {"figures": {
                    "ms": harness.spread([1.25])}}}), file)
            run = self.run_hesper("--report-of", path, "--out", folder)
            self.assertEqual(run.returncode, 0, run.stderr)
            with open(os.path.join(folder, "report.md"), encoding="utf-8") as file:
                self.assertIn("| present/1080p/bare/copy | 1.25 |", file.read())

    def test_what_goes_wrong_is_told(self):
        """A family that fails does not end the others, and the status says so."""
        family = type("Family", (), {"NAME": "broken", "run": staticmethod(self.fail_with)})
        bench = harness.Bench("tiny", progress=harness.Progress(io.StringIO()))
        main.run_family(family, ["broken/a"], bench)
        self.assertEqual(bench.results["broken/a"]["failed"], "on purpose")

    @staticmethod
    def fail_with(names, bench):
        raise harness.Failed("on purpose")


if __name__ == "__main__":
    unittest.main(verbosity=2)
