# SPDX-License-Identifier: MIT
"""Results as tables, for a terminal and as Markdown with plots. Looks at results only: see main.py for
what they are."""

import os

import plots

WORDS = {True: "met", False: "MISSED", None: "not measured"}


# Why there are no figures.
UNMEASURED = (("not_here", "not here"), ("does_not_run", "does not run"), ("failed", "FAILED"))


def number(value):
    """Short, with as many digits as matter."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def figure(value, short):
    """A spread, or a plain number or word. short: without the least and the most."""
    if isinstance(value, dict):
        text = number(value["median"])
        if value["n"] > 1 and not short:
            text += f" ({number(value['min'])}–{number(value['max'])})"
    else:
        text = number(value) if isinstance(value, (int, float)) else str(value)
    return text


def table(results, family, short=False):
    """Heading and rows of text: a row for each scenario of the family, columns with anything."""
    rows = {name: result for name, result in results["scenarios"].items()
            if name.split("/")[0] == family.NAME}
    columns = [(key, words) for key, words in family.COLUMNS
               if any(key in result["figures"] for result in rows.values())]
    heading = ["scenario"] + [words for _, words in columns]
    body = []
    for name, result in rows.items():
        why = next((words + ": " + result[key] for key, words in UNMEASURED if key in result), None)
        if why is not None:
            body.append([name, why] + [""] * (len(columns) - 1))
        else:
            figures = result["figures"]
            body.append([name] + [figure(figures[key], short) if key in figures else ""
                                  for key, _ in columns])
    return heading, body


def terminal(heading, body):
    """Columns that stand below each other; a remark may run on to the right."""
    remark = [len(row) > 1 and not any(row[2:]) and len(row[1]) > 24 for row in body]
    widths = [max([len(heading[i])] + [len(row[i]) for row, long in zip(body, remark)
                                       if i < len(row) and not (long and i > 0)])
              for i in range(len(heading))]
    lines = []
    for row in [heading] + body:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(widths[i + 1])
                                             for i, cell in enumerate(row[1:len(widths)])]
        lines.append("  ".join(cells).rstrip())
    return lines


def markdown(heading, body):
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    for row in body:
        row = row + [""] * (len(heading) - len(row))
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ")
                                       for cell in row[:max(len(heading), 2)]) + " |")
    return lines


def judged(results, families):
    """[{what, wanted, got, met}] of all families that were measured."""
    found = []
    for family in families:
        if any(name.split("/")[0] == family.NAME for name in results["scenarios"]):
            found += family.targets(results["scenarios"])
    return found


def show(results, families, out):
    """The tables of what was measured, on a terminal."""
    for family in families:
        heading, body = table(results, family, short=True)
        if body:
            print(f"\n{family.WORDS} (medians)", file=out)
            for line in terminal(heading, body):
                print("  " + line, file=out)
    targets = judged(results, families)
    if targets:
        print("\nTargets", file=out)
        rows = [[t["what"], t["wanted"], t["got"], WORDS[t["met"]]] for t in targets]
        for line in terminal(["", "wanted", "got", ""], rows):
            print("  " + line, file=out)


def _about(about):
    processor = about["processor"]
    vulkan = about.get("vulkan") or {}
    lines = [f"- processor: {processor['model']}, {processor['count']} of them "
             f"({processor['usable']} usable), {about['memory_mib']} MiB",
             f"- system: {about['system']}; load when it began: {about['load_at_start']}"]
    for key, words in (("hesper", "hesper"), ("qemu", "QEMU")):
        if about.get(key):
            lines.append(f"- {words}: {about[key]}")
    device = vulkan.get("device") or vulkan.get("host_device")
    if device:
        lines.append(f"- Vulkan: {device}, {vulkan.get('driver') or vulkan.get('host_driver') or ''}")
    return lines


def write(results, families, folder):
    """report.md and its plots. Returns its path, and words about what could not be drawn."""
    lines = ["# What hesper bench measured", "", f"{results['started']}, {results['seconds']:.0f} s, "
             f"samples: {results['amount']} ({results['rounds']} rounds). Medians (min–max) of the "
             "rounds; ratios are of neighbouring rounds of this run.", ""]
    lines += _about(results["about"]) + [""]
    targets = judged(results, families)
    if targets:
        lines += ["## Targets", ""] + markdown(
            ["", "wanted", "got", ""],
            [[t["what"], t["wanted"], t["got"], WORDS[t["met"]]] for t in targets]) + [""]
    complaint = None
    for family in families:
        heading, body = table(results, family)
        if not body:
            continue
        lines += [f"## {family.NAME}", "", family.WORDS + ".", ""] + markdown(heading, body) + [""]
        notes = {result["note"]: name for name, result in results["scenarios"].items()
                 if name.split("/")[0] == family.NAME and "note" in result}
        lines += [f"- {note}" for note in notes] + ([""] if notes else [])
        for plot in family.plots(results["scenarios"]):
            name = plot["file"] + ".svg"
            why = plots.draw(plot, os.path.join(folder, name))
            complaint = complaint or why
            if why is None:
                lines += [f"![{plot['title']}]({name})", ""]
    if complaint:
        lines += [f"Without plots: {complaint}.", ""]
    path = os.path.join(folder, "report.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines).rstrip() + "\n")
    return path, complaint
