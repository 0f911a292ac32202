# SPDX-License-Identifier: MIT
"""What bench/soak.py measured, as SVG: a row for each process, a column for each kind of number, each
panel from 0 to a quarter above its highest value. Grey: every few seconds, under load. Colour: at rest."""

PANEL_WIDTH, PANEL_HEIGHT = 250, 74
LEFT, TOP, GAP_X, GAP_Y = 118, 74, 62, 26
COLUMNS = (("rss_kib", "resident memory, MiB", 1024), ("fds", "descriptors", 1),
           ("maps", "mapped regions", 1))
MACHINE = (("machine", "processes", "processes", 1),
           ("machine", "memfds", "memfds of the machine", 1),
           ("machine", "mappings", "blobs in the window", 1),
           ("machine", "resources", "resources", 1),
           ("machine", "memory", "guest's memory as limited, MiB", 1 << 20),
           ("machine", "dev_shm_kib", "/dev/shm of the host, MiB", 1024),
           ("hesperd", "anonymous_kib", "anonymous memory of hesperd, MiB", 1024),
           ("QEMU", "anonymous_kib", "anonymous memory of QEMU, MiB", 1024),
           ("machine", "frames_sent", "frames sent to viewers", 1))


def _text(x, y, text, size=11, anchor="start", colour="#333"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}">{text}</text>')


def _number(value):
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def _points(samples, group, name, unit):
    return [(s["seconds"], s[group][name] / unit) for s in samples if group in s]


def _line(points, x, y, scale_x, scale_y, style):
    # Nothing is drawn in the middle of what is level.
    points = [p for i, p in enumerate(points)
              if not 0 < i < len(points) - 1 or {points[i - 1][1], points[i + 1][1]} != {p[1]}]
    at = " ".join(f"{x + t * scale_x:.1f},{y + PANEL_HEIGHT - v * scale_y:.1f}" for t, v in points)
    return f'<polyline points="{at}" fill="none" {style}/>'


def _panel(result, group, name, unit, title, x, y):
    rest = _points(result["at_rest"], group, name, unit)
    load = _points(result["under_load"], group, name, unit)
    top = max([v for _, v in rest + load] + [1e-9]) * 1.25
    seconds = max(t for t, _ in rest + load)
    scale_x, scale_y = PANEL_WIDTH / seconds, PANEL_HEIGHT / top
    out = [f'<rect x="{x}" y="{y}" width="{PANEL_WIDTH}" height="{PANEL_HEIGHT}" fill="#fafafa" '
           'stroke="#ccc"/>']
    if title:
        out.append(_text(x, y - 6, title, 11, colour="#000"))
    out.append(_line(load, x, y, scale_x, scale_y, 'stroke="#bbb" stroke-width="1"'))
    out.append(_line(rest, x, y, scale_x, scale_y, 'stroke="#1764ab" stroke-width="1.6"'))
    last = rest[-1][1]
    out.append(_text(x + PANEL_WIDTH + 4, y + PANEL_HEIGHT - last * scale_y + 4, _number(last),
                     colour="#1764ab"))
    out.append(_text(x - 4, y + PANEL_HEIGHT + 1, "0", 9, "end", "#888"))
    out.append(_text(x - 4, y + 8, _number(top), 9, "end", "#888"))
    for minute in range(0, int(seconds / 60) + 1, 5 if seconds > 400 else 1):
        at = x + minute * 60 * scale_x
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{y + PANEL_HEIGHT}" '
                   f'y2="{y + PANEL_HEIGHT + 3}" stroke="#888"/>')
        out.append(_text(at, y + PANEL_HEIGHT + 12, minute, 8, "middle", "#888"))
    return out


def draw(result):
    groups = [g for g in result["at_rest"][-1] if g not in ("seconds", "machine")]
    step_x, step_y = PANEL_WIDTH + GAP_X, PANEL_HEIGHT + GAP_Y
    below = TOP + len(groups) * step_y + 40
    width, height = LEFT + 3 * step_x + 10, below + 3 * (step_y + 12)
    did = result["did"]
    seconds = result["at_rest"][-1]["seconds"]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}" font-family="sans-serif">',
           '<rect width="100%" height="100%" fill="#fff"/>',
           _text(12, 22, f"{seconds / 60:.0f} minutes: a cube on the screen, {did['contexts']} "
                 f"contexts begun and ended, {did['viewers']} viewers attached and detached, "
                 f"{did['blob_programs']} programs mapping 100 or 200 blobs", 14, colour="#000"),
           _text(12, 40, "blue: at rest, after each round; grey: under load; below each panel: "
                 "minutes", 11)]
    for row, group in enumerate(groups):
        y = TOP + row * step_y
        out.append(_text(8, y + PANEL_HEIGHT / 2, group, 12, colour="#000"))
        for column, (name, title, unit) in enumerate(COLUMNS):
            out += _panel(result, group, name, unit, title if row == 0 else "",
                          LEFT + column * step_x, y)
    for index, (group, name, title, unit) in enumerate(MACHINE):
        x, y = LEFT + index % 3 * step_x, below + index // 3 * (step_y + 12)
        out += _panel(result, group, name, unit, title, x, y)
    return "\n".join(out + ["</svg>", ""])
