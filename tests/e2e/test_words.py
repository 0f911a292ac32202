#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_words.py HESPER SOURCE CASE: wrong use and broken hosts get words.

Each case breaks one thing. hesper must end with a status that says so, name what is wrong and the
fix, and leave nothing behind.
"""

import os
import socket
import sys
import tempfile

from launched import Run, Runtime, check, without_display

FAILED, WRONG_USE = 1, 2


class Case:
    def __init__(self, args, words, status=FAILED, env=None, fix=True):
        self.args, self.words, self.status = args, words, status
        self.env, self.fix = env or {}, fix


def cases(source, scratch, runtime):
    fake = os.path.join(source, "tests", "fake")
    qemu = os.path.join(fake, "qemu")
    demo = ["demo", "cube", "--headless", "--frames", "10", "--out", os.path.join(scratch, "out")]
    nowhere = os.path.join(scratch, "a-file")
    with open(nowhere, "w", encoding="utf-8"):
        pass
    return {
        "qemu-too-old": Case(demo + ["--qemu", qemu], ["QEMU 9.0 is too old", "11.1"],
                             env={"FAKE_QEMU": "9.0"}),
        "qemu-too-old-by-environment": Case(demo, ["QEMU 10.2.3 is too old", "HESPER_QEMU"],
                                            env={"FAKE_QEMU": "10.2.3", "HESPER_QEMU": qemu}),
        "qemu-missing": Case(demo + ["--qemu", "no-such-qemu"],
                             ["QEMU was not found", "no-such-qemu"]),
        "qemu-without-device": Case(demo + ["--qemu", qemu],
                                    ["has no device vhost-user-test-device-pci", "not found"],
                                    env={"FAKE_QEMU": "nodevice"}),
        "qemu-fails": Case(demo + ["--qemu", qemu],
                           ["QEMU ended with status 1", "this machine cannot be made", "qemu.log"],
                           env={"FAKE_QEMU": "crash"}, fix=False),
        "no-vulkan": Case(demo, ["hesperd) did not start", "Vulkan", "hesperd.log"],
                          env={"VK_DRIVER_FILES": "/nonexistent.json"}),
        "socket-in-use": Case(demo + ["--runtime-dir", runtime],
                              ["hesperd) did not start", "display.sock is in use"]),
        "display-missing": Case(["view"], ["no screen to open a window on", "DISPLAY"]),
        "no-machine": Case(["view", "--headless"], ["no machine of hesper runs here"]),
        "cache-unwritable": Case(demo, ["guest image could not be made", "cannot make",
                                        "guest-image.log"], env={"XDG_CACHE_HOME": nowhere}),
        "no-network": Case(demo, ["guest image could not be made", "is there a network",
                                  "guest-image.log"],
                           env={"XDG_CACHE_HOME": os.path.join(scratch, "cache"),
                                "PATH": f"{fake}/no-network:{os.environ['PATH']}"}),
        "out-unwritable": Case(["demo", "--out", os.path.join(nowhere, "out")],
                               ["cannot make", "Not a directory", "--out"]),
        "trace-unwritable": Case(demo + ["--trace", os.path.join(nowhere, "trace.json")],
                                 ["cannot write the trace", "Not a directory", "--trace"]),
        "trace-missing": Case(["trace", os.path.join(scratch, "none.json")],
                              ["cannot read", "No such file"], fix=False),
        "trace-of-nothing": Case(["trace", os.path.join(source, "tests", "meson.build")],
                                 ["is no trace", "--trace"]),
        "no-such-demo": Case(["demo", "pyramid"], ["no demo 'pyramid'", "cube, triangle and desktop"],
                             status=WRONG_USE, fix=False),
        "no-such-command": Case(["pyramid"], ["no command 'pyramid'", "--help"], status=WRONG_USE,
                                fix=False),
        "no-such-option": Case(["demo", "--fast"], ["no option '--fast'", "--help"],
                               status=WRONG_USE, fix=False),
        "no-size": Case(["demo", "--size", "big"], ["--size cannot be 'big'", "WIDTHxHEIGHT"],
                        status=WRONG_USE, fix=False),
    }


def main():
    hesper, source, name = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="hesper-words-") as scratch, Runtime() as runtime:
        folder = os.path.join(scratch, "run")
        os.mkdir(folder)
        case = cases(source, scratch, folder)[name]
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(os.path.join(folder, "display.sock"))
            other.listen()
            run = Run(hesper, *case.args,
                      env={"HESPER_QEMU": None, "XDG_RUNTIME_DIR": runtime.path,
                           **without_display(), **case.env})
            try:
                status = run.wait(1800 if "image" in str(case.words) else 120)
            finally:
                run.end()
        check(status == case.status, f"exit status {status}, not {case.status}")
        for words in case.words:
            check(words in run.text, f"it did not say {words!r}")
        check(not case.fix or "fix: " in run.text.lower(), "it named no fix")
        for word in ("Assertion", "Sanitizer", "core dumped", "(null)"):
            check(word not in run.text, f"it said {word!r}")
        run.check_nothing_left()
        runtime.check_empty()


if __name__ == "__main__":
    main()
