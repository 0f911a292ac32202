# SPDX-License-Identifier: MIT
"""Zero-copy, seen from outside: every memcpy, memmove, read and write of 64 KiB or more in hesperd
and hesper-view is counted by a preloaded library, not by the programs themselves."""

import os
import struct
import sys
import tempfile
import time

from machine import Machine, run_tests, wait_for

PRELOAD = os.environ["HESPER_COUNT_COPIES"]
SLOT = struct.Struct("16s112sQQ")
# The CPU device of these machines: its copies are the GPU's own work.
DRIVER = ("libvulkan_lvp.so", "libvulkan_", "libgallium", "libLLVM", "?")

machine = None
view = None


def counted(name, driver=False):
    """{(function, module): (calls, bytes)} of a program, without its Vulkan driver."""
    result = {}
    with open(machine.path(name + ".copies"), "rb") as file:
        data = file.read()
    for at in range(0, len(data), SLOT.size):
        what, module, calls, size = SLOT.unpack_from(data, at)
        what, module = (text.split(b"\0")[0].decode() for text in (what, module))
        if what and module.startswith(DRIVER) == driver:
            result[(what, module)] = (calls, size)
    return result


def difference(after, before):
    return {key: (calls - before.get(key, (0, 0))[0], size - before.get(key, (0, 0))[1])
            for key, (calls, size) in after.items() if calls != before.get(key, (0, 0))[0]}


def frames():
    return machine.stats()["frames_sent"]


def test_none_on_the_blob_path():
    """300 frames of the cube, from the guest's flip to the viewer's GPU."""
    cube = machine.guest.start("hesper-cube --frames 0")
    start = frames()
    wait_for("first frames", lambda: frames() > start + 30)
    stats = machine.stats()
    before = counted("hesperd"), counted("view"), counted("view", driver=True)
    first = frames()
    wait_for("300 frames", lambda: frames() > first + 300, timeout=60)
    after = counted("hesperd"), counted("view"), counted("view", driver=True)
    seen = frames() - first
    end = machine.stats()
    cube.signal()
    cube.wait()
    assert difference(after[0], before[0]) == {}, difference(after[0], before[0])
    assert difference(after[1], before[1]) == {}, difference(after[1], before[1])
    # What the program says of itself agrees with what was seen.
    assert end["blob_path_cpu_copied_bytes"] == 0
    assert end["cpu_copied_bytes"] == stats["cpu_copied_bytes"]
    print(f"# {seen} frames: 0 copies in hesperd, 0 in hesper-view;"
          f" its driver: {difference(after[2], before[2])}")


def test_found_on_the_2d_path():
    """The same counting finds the copies of 2D resources, so it could have found the others."""
    time.sleep(0.3)
    before, stats = counted("hesperd"), machine.stats()
    machine.guest.run("for i in 1 2 3 4 5; do printf '\\033[2J\\033[Hline %d' $i >/dev/tty0; sleep 0.2;"
                      " done")
    wait_for("2D copies", lambda: machine.stats()["cpu_copied_bytes"] > stats["cpu_copied_bytes"])
    time.sleep(0.3)
    found = difference(counted("hesperd"), before)
    told = machine.stats()["cpu_copied_bytes"] - stats["cpu_copied_bytes"]
    print(f"# seen {found}, told {told}")
    assert ("memcpy", "hesperd") in found, found
    assert found[("memcpy", "hesperd")][1] <= told


def main():
    global machine, view
    counting = tempfile.mktemp(prefix="hesper-copies-")
    with Machine(env={"HESPER_COUNT_FILE": counting}, preload=PRELOAD) as machine:
        os.symlink(counting, machine.path("hesperd.copies"))
        view = machine.viewer(preload=PRELOAD,
                              env={"HESPER_COUNT_FILE": machine.path("view.copies")})
        wait_for("viewer", lambda: os.path.exists(machine.path("view.copies")))
        try:
            return run_tests([test_none_on_the_blob_path, test_found_on_the_2d_path])
        finally:
            os.unlink(counting)


if __name__ == "__main__":
    sys.exit(main())
