# SPDX-License-Identifier: MIT
"""What all scenarios of `hesper bench` share: where the programs are, progress, results.

A family of scenarios is a module in scenarios/ with NAME, WORDS, scenarios(), run(names, bench),
COLUMNS, targets(results) and plots(results); the last three look at results only, so a report can be
made again from a file.
"""

import fnmatch
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# How often each thing is done: rounds, and what one round is made of as a part of the usual.
AMOUNTS = {"tiny": (1, 0.02), "short": (3, 0.5), "full": (5, 1.0)}


class NotHere(Exception):
    """A scenario cannot run on this host; says why."""


class Failed(Exception):
    """A scenario ran and went wrong; says how."""


class Scenario:
    """name: family/… words: what is measured. short: it belongs to the set of five minutes."""

    def __init__(self, name, words, short=True):
        self.name, self.words, self.short = name, words, short


def spread(values, digits=4):
    """Median, min, max; rounded to so many significant digits."""
    def rounded(value):
        return float(f"{value:.{digits}g}")
    return {"median": rounded(statistics.median(values)), "min": rounded(min(values)),
            "max": rounded(max(values)), "n": len(values)}


def ratios(above, below):
    """Of figures that were measured in turns: each by its neighbour."""
    return [a / b for a, b in zip(above, below)]


def matches(name, pattern):
    """'present' and 'present/4k' name all below them; * and ? may be anywhere."""
    return fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(name, pattern + "/*")


def select(scenarios, patterns):
    """Those that any pattern matches, in their own order; without patterns the short set. A pattern
    that matches nothing is a ValueError."""
    if not patterns:
        return [s for s in scenarios if s.short]
    for pattern in patterns:
        if not any(matches(s.name, pattern) for s in scenarios):
            raise ValueError(f"there is no scenario '{pattern}'")
    return [s for s in scenarios if any(matches(s.name, p) for p in patterns)]


def _first_line(*command):
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (run.stdout + run.stderr).splitlines()
    return lines[0].strip() if lines else None


def processor():
    names = []
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        pass
    return {"model": names[0] if names else platform.machine(), "count": os.cpu_count(),
            "usable": len(os.sched_getaffinity(0))}


def load():
    with open("/proc/loadavg") as file:
        return float(file.read().split()[0])


def memory_mib():
    with open("/proc/meminfo") as file:
        return int(file.readline().split()[1]) // 1024


class Progress:
    """Says on stderr what is being done: in one line on a terminal, one line each elsewhere. On a
    terminal the seconds go on while something takes its time."""

    def __init__(self, out=sys.stderr):
        self.out, self.terminal = out, out.isatty()
        self._text, self._since, self._end = "", 0, threading.Event()
        self._lock = threading.Lock()
        if self.terminal:
            threading.Thread(target=self._tick, daemon=True).start()

    def say(self, text):
        with self._lock:
            if text == self._text:
                return
            self._text, self._since = text, time.monotonic()
            if not self.terminal and text:
                print(f"bench: {text}", file=self.out, flush=True)
        self._draw()

    def _draw(self):
        with self._lock:
            if self.terminal:
                took = time.monotonic() - self._since
                tail = f"  {took:.0f} s" if self._text and took >= 2 else ""
                self.out.write(f"\r\x1b[K{self._text}{tail}")
                self.out.flush()

    def _tick(self):
        while not self._end.wait(0.5):
            self._draw()

    def finish(self):
        self._end.set()
        self.say("")


class Bench:
    """One run: options, and what came of it so far."""

    def __init__(self, amount="short", rounds=None, progress=None):
        usual, self.part = AMOUNTS[amount]
        self.amount = amount
        self.rounds = rounds or usual
        self.progress = progress or Progress()
        self.results = {}
        self.at = ""

    def program(self, name, variable):
        """The path of a program: from the environment, where the launcher says it, or a build."""
        path = os.environ.get(variable)
        if not path:
            raise NotHere(f"{name} was not found: {variable} is not set; run 'hesper bench'")
        if not os.access(path, os.X_OK):
            raise NotHere(f"{path} is not there; build it (make)")
        return path

    def tool(self, name):
        """One of the programs in this folder that are compiled."""
        folder = os.environ.get("HESPER_BENCH_PROGRAMS", HERE)
        path = os.path.join(folder, name)
        if not os.access(path, os.X_OK):
            raise NotHere(f"{path} is not there; build it (make)")
        return path

    def count(self, usual, least=1):
        """So many of what is usually done so often."""
        return max(least, round(usual * self.part))

    def say(self, text):
        self.progress.say(f"{self.at}{text}")

    def record(self, name, figures=None, **more):
        """figures: {key: spread() or a number}."""
        self.results[name] = {"figures": figures or {}, **more}

    def skip(self, name, why):
        self.results[name] = {"figures": {}, "not_here": str(why)}


def run_json(command, timeout=120, **named):
    """The JSON object that a program prints; Failed with its words."""
    run = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         stdin=subprocess.DEVNULL, text=True, timeout=timeout, check=False, **named)
    start = run.stdout.find("{")
    if run.returncode != 0 or start < 0:
        raise Failed(f"{os.path.basename(str(command[0]))} ended with {run.returncode}: "
                     f"{run.stderr.strip()[-400:]}")
    return json.loads(run.stdout[start:])


def gnuplot():
    """Its version, or None."""
    return _first_line("gnuplot", "--version")


def describe():
    """The machine and what is on it; what a scenario alone knows it says itself."""
    qemu = os.environ.get("HESPER_QEMU", "qemu-system-x86_64")
    about = {"processor": processor(), "memory_mib": memory_mib(), "kernel": platform.release(),
             "system": platform.platform(), "load_at_start": load(), "qemu": _first_line(qemu, "--version"),
             "python": platform.python_version()}
    hesperd = os.environ.get("HESPERD")
    if hesperd:
        about["hesper"] = _first_line(hesperd, "--version")
        try:
            probe = subprocess.run([hesperd, "--probe"], capture_output=True, text=True, check=False,
                                   timeout=60)
            about["vulkan"] = json.loads(probe.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            about["vulkan"] = {"error": str(error)}
    return about
