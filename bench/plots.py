# SPDX-License-Identifier: MIT
"""Draws with gnuplot: a plot is a dictionary with title, x, y (labels), kind "lines" or "bars", logx,
logy, and series, each with a name and points [x, y, min, max]; x is a number for lines, a word for bars."""

import shutil
import subprocess

COLOURS = ("#1764ab", "#d1661a", "#3a8f3a", "#9a3d9a", "#777777", "#b8a300")


def _quote(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', "'") + '"'


def _lines(plot):
    data, parts = [], []
    for number, series in enumerate(plot["series"]):
        rows = "\n".join(" ".join(str(v) for v in point) for point in series["points"])
        data.append(f"$d{number} << EOD\n{rows}\nEOD")
        parts.append(f"$d{number} using 1:2:3:4 with yerrorlines lw 1.6 pt 7 ps 0.5 "
                     f"lc rgb '{COLOURS[number % len(COLOURS)]}' title {_quote(series['name'])}")
    return data, "plot " + ", \\\n  ".join(parts)


def _bars(plot):
    labels = list(dict.fromkeys(p[0] for s in plot["series"] for p in s["points"]))
    turned = "rotate by -20 " if any(len(str(label)) > 8 for label in labels) else ""
    rows = []
    for label in labels:
        row = [_quote(label)]
        for series in plot["series"]:
            found = next((p for p in series["points"] if p[0] == label), None)
            row += [str(v) for v in found[1:4]] if found else ["NaN"] * 3
        rows.append(" ".join(row))
    parts = []
    for number, series in enumerate(plot["series"]):
        column = 2 + 3 * number
        parts.append(f"$d using {column}:{column + 1}:{column + 2}:xtic(1) "
                     f"lc rgb '{COLOURS[number % len(COLOURS)]}' title {_quote(series['name'])}")
    return ["$d << EOD\n" + "\n".join(rows) + "\nEOD",
            "set style data histogram\nset style histogram errorbars gap 1.5 lw 1\n"
            f"set style fill solid 0.8 border -1\nset xtics {turned}nomirror"], \
        "plot " + ", \\\n  ".join(parts)


def script(plot, path):
    """What gnuplot is told."""
    data, command = (_lines if plot["kind"] == "lines" else _bars)(plot)
    settings = [
        "set terminal svg size 760,420 font 'sans,12' background '#ffffff'",
        f"set output {_quote(path)}", f"set title {_quote(plot['title'])} noenhanced",
        f"set xlabel {_quote(plot['x'])} noenhanced", f"set ylabel {_quote(plot['y'])} noenhanced",
        "set key outside below noenhanced", "set grid ytics lc rgb '#dddddd'",
        "set xtics noenhanced", "set format y '%g'"]
    if plot.get("logx"):
        settings.append(f"set logscale x {plot['logx']}")
    settings.append("set logscale y" if plot.get("logy") else "set yrange [0:*]")
    return "\n".join(settings + data + [command, ""])


def draw(plot, path):
    """Writes an SVG; None, or why not."""
    if not shutil.which("gnuplot"):
        return "there is no gnuplot. Fix: install gnuplot-nox"
    run = subprocess.run(["gnuplot", "-"], input=script(plot, path), text=True, capture_output=True,
                         check=False, timeout=60)
    return None if run.returncode == 0 else f"gnuplot: {run.stderr.strip()[-300:]}"
