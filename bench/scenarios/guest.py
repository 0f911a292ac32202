# SPDX-License-Identifier: MIT
"""The same programs in the same guest (same kernel, same Mesa), with hesper and with what else there is."""

import re
import subprocess

from guests import PLACES, SESSION, GuestError, cube, settle, vkmark_fps
from harness import Failed, NotHere, Scenario, ratios, spread

NAME = "guest"
WORDS = "Programs in a guest: with hesper, on stock QEMU, drawn by the guest's own CPU, and without a machine"

# Where: as guests.PLACES. Beside it: those for which a program makes no sense.
MACHINES = ("hesper", "stock", "stock-layer", "stock-egl", "software")
NO_MACHINE = ("vtest", "host")
APPS = {
    **{f"vkmark-{scene}": (f"vkmark's {scene}, headless, 800x600", MACHINES + NO_MACHINE)
       for scene in ("cube", "clear", "vertex", "texture", "shading", "desktop", "effect2d")},
    "cube-headless": ("hesper-cube without a screen, 640x480", MACHINES),
    "cube-direct": ("hesper-cube on KMS, 1280x800; the guest's vblank limits it: 240 Hz with hesper, what "
                    "QEMU's EDID says elsewhere", MACHINES[:1] + ("hesper-viewed",) + MACHINES[1:]),
    "cube-display": ("hesper-cube on VK_KHR_display, 1280x800; limited as cube-direct",
                     MACHINES[:1] + ("hesper-viewed",) + MACHINES[1:]),
    "desktop-vkmark": ("vkmark, all scenes, windows of the desktop: score", MACHINES[:4]),
    "desktop-glmark2": ("glmark2, all scenes, windows of the desktop, OpenGL ES by zink: score",
                        MACHINES[:4]),
}
SHORT = {"vkmark-cube": ("hesper", "stock-layer", "software", "vtest"),
         "cube-direct": ("hesper", "hesper-viewed")}
DESKTOP = {"desktop-vkmark": "vkmark --winsys wayland", "desktop-glmark2": "glmark2-es2-wayland"}

COLUMNS = (("fps", "frames/s, or score"), ("hesper", "hesper ÷ this"), ("vtest", "÷ vtest"),
           ("present_ms", "viewer: arrival to read, ms"))


def scenarios():
    for app, (words, places) in APPS.items():
        for place in places:
            yield Scenario(f"{NAME}/{app}/{place}", f"{words}; {PLACES[place][0]}",
                           place in SHORT.get(app, ()))


def _vkmark(bench, place, scene):
    seconds = max(8 if place.slow else 1, 6 * bench.part)
    command = f"{place.before}vkmark --winsys headless -b {scene}:duration={seconds:g} 2>&1"
    return vkmark_fps(place.guest.run(command, 60).output)[0]


def _desktop(bench, guest, app):
    seconds = max(0.5, 2 * bench.part)
    said = guest.run(f"{SESSION}{DESKTOP[app]} -b :duration={seconds:g} 2>&1", 900).output
    score = re.search(r"mark2? Score: (\d+)", said)
    if score is None:
        raise Failed("no score: " + said.strip()[-300:])
    return float(score.group(1))


def run_app(bench, place, app):
    """Frames per second."""
    place.prepare(app)
    if app.startswith("vkmark-"):
        return _vkmark(bench, place, app.removeprefix("vkmark-"))
    if app.startswith("desktop-"):
        return _desktop(bench, place.guest, app)
    frames = 8 if place.slow else bench.count(960, 60)
    options = {"cube-headless": "--wsi headless --size 640x480", "cube-direct": "",
               "cube-display": "--wsi display"}[app]
    return cube(place.guest, frames, options, place.before)["fps"]


class Turns:
    """The places, started when they are needed; what came of each app in each."""

    def __init__(self, bench, desktop):
        self.bench, self.desktop = bench, desktop
        self.places, self.found, self.why = {}, {}, {}

    def place(self, name):
        if name not in self.places:
            self.bench.say(f"{NAME}: {name} starts")
            self.places[name] = PLACES[name][1](self.desktop)
        return self.places[name]

    def one(self, app, where):
        """One turn; what failed once is not tried again."""
        if (app, where) in self.why:
            return
        place = None
        try:
            place = self.place(where)
            self.found.setdefault((app, where), []).append(run_app(self.bench, place, app))
            settle()
        except NotHere as error:
            self.why[app, where] = ("not_here", str(error))
        except (GuestError, Failed, AssertionError, OSError, subprocess.SubprocessError) as error:
            self.why[app, where] = ("does_not_run", self._words(place, error))
            self._drop(where)

    @staticmethod
    def _words(place, error):
        said = place.words() if place is not None else []
        lines = [line for line in str(error).splitlines() if line.strip() and set(line) != {"="}]
        return "; ".join((lines[:1] + lines[-1:] if len(lines) > 1 else lines) + said)[:400]

    def _drop(self, where):
        """A machine in which a program failed is not to be trusted with the next one."""
        place = self.places.pop(where, None)
        if place is not None:
            try:
                place.close(False)
            except (AssertionError, OSError, subprocess.SubprocessError):
                pass

    def close(self):
        for name in list(self.places):
            self.places.pop(name).close()


def _run(bench, chosen, desktop):
    turns = Turns(bench, desktop)
    abouts = {}
    try:
        for turn in range(bench.rounds):
            for index, (app, where) in enumerate(chosen if turn % 2 == 0 else chosen[::-1]):
                bench.say(f"{NAME}, round {turn + 1} of {bench.rounds}: {index + 1} of {len(chosen)}, "
                          f"{app} by {where}")
                turns.one(app, where)
                if where in turns.places:
                    abouts[where] = turns.places[where].about
        viewers = _viewers(turns)
    finally:
        turns.close()
    for app, where in chosen:
        name = f"{NAME}/{app}/{where}"
        if (app, where) in turns.why:
            kind, words = turns.why[app, where]
            # That another's does not run is a result.
            if kind == "does_not_run" and where.startswith("hesper"):
                kind = "failed"
            bench.results[name] = {"figures": {}, kind: words}
        else:
            bench.record(name, _figures(turns.found, app, where, viewers), about=abouts.get(where),
                         samples={"rounds": bench.rounds})


def _viewers(turns):
    """How long the viewers took for a picture, of those that there were."""
    place = turns.places.get("hesper-viewed")
    if place is None or place.viewer is None:
        return None
    summary = place.viewer.stop()
    return {"median": summary["present_ms"]["p50"], "min": summary["present_ms"]["p50"],
            "max": summary["present_ms"]["p99"], "n": 1}


def _figures(found, app, where, viewers):
    rates = found[app, where]
    figures = {"fps": spread(rates)}
    for key in ("hesper", "vtest"):
        other = found.get((app, key))
        if other and key != where and len(other) == len(rates):
            figures[key] = spread(ratios(other, rates) if key == "hesper" else ratios(rates, other))
    if where == "hesper-viewed" and viewers:
        figures["present_ms"] = viewers
    return figures


def run(names, bench):
    chosen = [tuple(name.split("/")[1:]) for name in names]
    for desktop in (False, True):
        part = [one for one in chosen if (one[0] in DESKTOP) == desktop]
        if part:
            _run(bench, part, desktop)


def _get(results, app, where, key):
    return results.get(f"{NAME}/{app}/{where}", {}).get("figures", {}).get(key)


def targets(results):
    found = []
    for app in APPS:
        for where in ("stock", "stock-layer"):
            wanted = 10 if app.startswith("vkmark-") else 1.3
            if app in ("cube-direct", "cube-display"):
                continue  # the guest's vblank is measured there, and it is another one
            ratio = _get(results, app, where, "hesper")
            if ratio:
                found.append({"what": f"{app}: hesper ÷ {where}", "wanted": f"≥ {wanted} ×",
                              "got": f"{ratio['median']:.1f} × ({ratio['min']:.1f}–{ratio['max']:.1f})",
                              "met": ratio["median"] >= wanted})
        ratio = _get(results, app, "hesper", "vtest")
        if ratio:
            found.append({"what": f"{app}: hesper ÷ the same Venus without a machine",
                          "wanted": "≥ 0.5 ×", "got": f"{ratio['median']:.2f} ×",
                          "met": ratio["median"] >= 0.5})
    return found


def plots(results):
    series = []
    for where in PLACES:
        points = [[app, f["median"], f["min"], f["max"]] for app in APPS
                  for f in [_get(results, app, where, "fps")] if f]
        if points:
            series.append({"name": where, "points": points})
    if series:
        yield {"file": "guest", "kind": "bars", "logy": True, "title": "Programs in a guest", "x": "",
               "y": "frames per second", "series": series}
