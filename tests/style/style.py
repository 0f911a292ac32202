#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Rules of this repository that a machine can check.

style.py format|includes|licence|ends|self-test [ROOT]
Exit status 0 when every file keeps the rule; else one line a violation, PATH:LINE: TEXT.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

# In the order of docs/architecture.md: a folder of src/ may include from itself and from those
# before it. The folders outside src/ stand alone and may use include/hesper only.
FOLDERS = ("util", "vhost", "frame", "render", "display", "gpu", "input", "sandbox", "hesperd",
           "view", "launcher")
STAND_ALONE = ("layer", "guest")
# A header that one folder keeps to itself and to the main program that picks its variants.
PRIVATE = {"render/render_impl.h": ("render", "hesperd")}

# Code that a guest's, a viewer's, a server's or a renderer's bytes come to: nothing there may end a
# process on their word.
GUARDED = ("include", "layer", "src/util", "src/vhost", "src/frame", "src/render", "src/display",
           "src/gpu", "src/input", "src/sandbox", "src/hesperd", "src/view")
ENDING = re.compile(r"\b(assert|abort|exit|_exit|_Exit|quick_exit|err|errx|verr|verrx|raise|"
                    r"__assert_fail|__builtin_trap|__builtin_unreachable|unreachable)\s*\(")
# ... but for these: how many there are in each file, and why none of them can be reached so.
ENDINGS = {
    ("src/util/options.c", "abort"): (1, "a table with too many options, before anything is read"),
    ("src/hesperd/confine.c", "_exit"): (
        1, "the spawner's own process, before it serves: its sandbox did not close"),
    ("src/hesperd/keeper.c", "_exit"): (
        3, "the process beside hesperd, which parses nothing: it ends as hesperd has ended, and "
           "hesperd's own start ends if that process is gone already"),
    ("src/sandbox/errands.c", "_exit"): (
        1, "the process that does hesperd's errands: hesperd has closed its socket"),
    ("src/sandbox/sandbox.c", "_exit"): (
        2, "children that try what the host allows, before anything is served"),
    ("src/render/spawner.c", "_exit"): (1, "the child that becomes the spawner, at its start"),
    ("src/render/spawner_main.c", "_exit"): (
        5, "the spawner's process, which reads hesperd only, and the child between fork and exec"),
    ("src/render/program/main.c", "_exit"): (
        2, "hesper-render, a process of one context: its end is that context's, and meant to be"),
    ("src/render/program/server.c", "_exit"): (2, "hesper-render's child between fork and exec"),
}

INCLUDE = re.compile(r'\s*#\s*include\s+([<"])([^>"]+)[>"]')
NOT_OURS = {".git", "build", "__pycache__", ".mirror"}
C_FILES = (".c", ".h")
SOURCES = C_FILES + (".py", ".sh", ".vert", ".frag", ".comp", ".glsl", ".supp")
SOURCE_NAMES = ("meson.build", "meson_options.txt", "Makefile")
LICENCE = re.compile(r"(#|/\*|--) SPDX-License-Identifier: MIT( \*/)?$")


def files(root):
    for folder, names, entries in os.walk(root):
        names[:] = sorted(n for n in names if n not in NOT_OURS)
        for entry in sorted(entries):
            path = os.path.join(folder, entry)
            if os.path.isfile(path) and not os.path.islink(path):
                yield os.path.relpath(path, root)


def read_lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def check_format(root):
    paths = [p for p in files(root) if p.endswith(C_FILES)]
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", *paths], cwd=root,
                         capture_output=True, text=True, check=False)
    found = [line for line in run.stderr.splitlines() if ": error: " in line]
    if run.returncode != 0 and not found:
        found = [run.stderr.strip() or f"clang-format ended with status {run.returncode}"]
    return found


def check_edge(path, quote, target):
    """What is wrong with one #include of one file, or None."""
    parts = path.split("/")
    if quote == "<":
        return None
    target_folder = target.split("/")[0] if "/" in target else None
    if parts[0] in STAND_ALONE:
        if target_folder in FOLDERS:
            return f'{parts[0]}/ stands alone, but includes "{target}"'
    elif parts[0] == "include":
        return f'include/hesper holds what goes over the wire only, but includes "{target}"'
    elif parts[0] == "src":
        own = parts[1]
        if own not in FOLDERS:
            return f"src/{own} has no place in the order of folders"
        if target_folder not in FOLDERS:
            return f'"{target}" is not written as "folder/file.h"'
        if FOLDERS.index(target_folder) > FOLDERS.index(own):
            return f'src/{own} is above src/{target_folder}, but includes "{target}"'
        if target in PRIVATE and own not in PRIVATE[target]:
            return f'"{target}" is for {" and ".join(PRIVATE[target])} only'
    return None


def is_generated(target):
    # Shaders that the build turns into headers, and headers that meson configures.
    return target.endswith((".spv.h", "_spv.h"))


def check_includes(root):
    found = []
    for path in files(root):
        if not path.endswith(C_FILES):
            continue
        for number, line in enumerate(read_lines(root, path), 1):
            match = INCLUDE.match(line)
            if match is None or is_generated(match.group(2)):
                continue
            problem = check_edge(path, match.group(1), match.group(2))
            if problem is not None:
                found.append(f"{path}:{number}: {problem}")
    return found


def is_source(path, lines):
    name = os.path.basename(path)
    return (name.endswith(SOURCES) or name in SOURCE_NAMES
            or (lines and lines[0].startswith("#!")))


def check_licence(root):
    found = []
    for path in files(root):
        lines = read_lines(root, path)
        if not is_source(path, lines):
            continue
        first = 1 if lines and lines[0].startswith("#!") else 0
        # GLSL wants its version before anything else.
        if len(lines) > first and lines[first].startswith("#version"):
            first += 1
        if len(lines) <= first or LICENCE.match(lines[first]) is None:
            found.append(f"{path}:{first + 1}: no SPDX-License-Identifier line")
    return found


def code_only(text):
    """The text without comments and literals; lines stay where they are."""
    def blank(match):
        return "\n" * match.group(0).count("\n") + " "
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.DOTALL)


def check_ends(root):
    found = []
    seen = {}
    for path in files(root):
        if not path.endswith(C_FILES) or not path.startswith(tuple(g + "/" for g in GUARDED)):
            continue
        lines = code_only("\n".join(read_lines(root, path))).split("\n")
        for number, line in enumerate(lines, 1):
            for match in ENDING.finditer(line):
                seen.setdefault((path, match.group(1)), []).append(number)
    for (path, call), numbers in seen.items():
        allowed = ENDINGS.get((path, call), (0, ""))[0]
        if len(numbers) > allowed:
            found.append(f"{path}:{numbers[-1]}: {call}() in code that outsiders' bytes come to: "
                         f"{len(numbers)} of them, {allowed} allowed (see ENDINGS)")
    for (path, call), (allowed, _) in ENDINGS.items():
        if os.path.exists(os.path.join(root, path)) and len(seen.get((path, call), [])) < allowed:
            found.append(f"{path}:1: {allowed} of {call}() are allowed and fewer are there")
    return found


CHECKS = {"ends": check_ends, "format": check_format, "includes": check_includes, "licence": check_licence}


def self_test(root):
    """Each check must find what breaks its rule, and nothing in what keeps it."""
    licence = "/* SPDX-License-Identifier: MIT */\n"
    good = licence + '#include <stdio.h>\n#include "util/log.h"\n\nint a;\n'
    cases = (
        ("format", "src/gpu/a.c", licence + "int  a ;\n", licence + "int a;\n"),
        ("format", "src/gpu/a.c", licence + "void a(void)\n{\n        b();\n}\n",
         licence + "void a(void)\n{\n\tb();\n}\n"),
        ("includes", "src/util/a.c", licence + '#include "gpu/gpu.h"\n', good),
        ("includes", "src/gpu/a.c", licence + '#include "render/render_impl.h"\n', good),
        ("includes", "src/gpu/a.c", licence + '#include "log.h"\n', good),
        ("includes", "layer/a.c", licence + '#include "util/log.h"\n',
         licence + '#include "a.h"\n#include <hesper/layer.h>\n'),
        ("licence", "src/gpu/a.c", "int a;\n", good),
        ("ends", "src/gpu/a.c", licence + "void a(void)\n{\n\tabort();\n}\n",
         licence + "/* abort() */\nstatic_assert(1, \"exit(1)\");\nvoid a(void)\n{\n\tb_exit(1);\n}\n"),
        ("ends", "layer/a.c", licence + "int a(void)\n{\n\tassert (0);\n}\n", good),
        ("ends", "src/render/spawner.c", licence + "void a(void)\n{\n\t_exit(1);\n\t_exit(2);\n}\n",
         licence + "void a(void)\n{\n\t_exit(1);\n}\n"),
        ("licence", "tools/a", "#!/bin/sh\n:\n", "#!/bin/sh\n# SPDX-License-Identifier: MIT\n"),
    )
    found = []
    for check, path, bad_text, good_text in cases:
        for text, expected in ((bad_text, 1), (good_text, 0)):
            with tempfile.TemporaryDirectory() as tree:
                shutil.copy(os.path.join(root, ".clang-format"), tree)
                os.makedirs(os.path.join(tree, os.path.dirname(path)))
                with open(os.path.join(tree, path), "w", encoding="utf-8") as file:
                    file.write(text)
                if (len(CHECKS[check](tree)) > 0) != (expected > 0):
                    found.append(f"the check '{check}' judges {text!r} in {path} wrongly")
    return found


def main():
    checks = {**CHECKS, "self-test": self_test}
    if len(sys.argv) < 2 or sys.argv[1] not in checks:
        sys.exit(__doc__)
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[2] if len(sys.argv) > 2 else os.path.join(here, "..", "..")
    found = checks[sys.argv[1]](os.path.abspath(root))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
