# SPDX-License-Identifier: MIT
"""Guest memory under a real guest: each of these once went wrong for a day."""

import json
import os
import sys

from machine import Machine, run_tests, wait_for

machine = None


def passed(command, timeout=120):
    result = machine.guest.run(command, timeout)
    print("# " + result.output.strip())
    assert result.lines[-1].startswith("PASS"), result.output
    return result


def test_import_in_the_context_that_made_it():
    passed("hesper-memory import")


def test_dumb_buffers_are_shared():
    """A compositor's buffers that are not the GPU's: what the CPU writes the GPU reads, and back."""
    fds = lambda: len(os.listdir(f"/proc/{machine.device()}/fd"))  # noqa: E731
    before = fds()
    passed("hesper-memory dumb 8")
    stats = machine.stats()
    assert stats["guest_pages_shared"] == 8 and stats["guest_pages_refused"] == 0
    assert stats["contexts_lost"] == 0
    wait_for("closed descriptors", lambda: fds() <= before)


def test_first_words_after_a_map():
    """600 maps from two threads, with a context that keeps the queues busy."""
    load = machine.guest.start("hesper-cube --wsi headless --size 320x240 --frames 0")
    passed("hesper-memory barrier 600")
    load.signal()
    load.wait()


def test_thousand_live_mappings():
    before = machine.stats()["maps"]
    passed("hesper-memory maps 1000")
    assert machine.stats()["maps"] - before >= 1000


def test_three_contexts_at_once():
    """Two cubes and a triangle, two of them off screen, every picture read back and compared."""
    commands = [
        "hesper-cube --frames 240 --check 20 --json -",
        "hesper-cube --wsi headless --size 640x480 --frames 240 --check 20 --json -",
        "hesper-triangle --wsi headless --size 800x600 --frames 240 --check 20 --json -",
    ]
    before = machine.stats()["contexts"]
    running = [machine.guest.start(command) for command in commands]
    for command in running:
        command.check(120)
        result = command.json()
        print("# " + json.dumps({k: result[k] for k in ("app", "wsi", "fps", "checked")}))
        assert result["frames"] == 240
        assert result["checked"] > 0
        assert result["mismatches"] == 0
        assert result["errors"] == []
    assert machine.stats()["contexts"] - before == 3
    assert machine.stats()["contexts_lost"] == 0


def test_swapchain_of_the_driver():
    """VK_KHR_display by VK_EXT_acquire_drm_display: Mesa's own swapchain onto blobs."""
    before = machine.stats()["scanout_blob_commands"]
    result = machine.guest.run("hesper-cube --wsi display --frames 60 --json -", 60).json()
    assert result["frames"] == 60 and result["errors"] == []
    assert machine.stats()["scanout_blob_commands"] - before >= 60


def test_nothing_is_left_mapped():
    """What programs mapped is unmapped once they have ended."""
    stats = machine.stats()
    assert stats["maps"] > 1000
    assert stats["maps"] == stats["unmaps"], stats


def test_dumb_buffers_refused():
    """Where pages are not to be shared the guest's Vulkan says so, and goes on."""
    with Machine("--guest-pages=refuse") as other:
        result = other.guest.run("hesper-memory dumb-refused")
        print("# " + result.output.strip())
        stats = other.stats()
        assert stats["guest_pages_shared"] == 0 and stats["guest_pages_refused"] == 1
        assert stats["contexts_lost"] == 0


def main():
    global machine
    with Machine() as machine:
        return run_tests([
            test_import_in_the_context_that_made_it,
            test_dumb_buffers_are_shared,
            test_dumb_buffers_refused,
            test_first_words_after_a_map,
            test_thousand_live_mappings,
            test_three_contexts_at_once,
            test_swapchain_of_the_driver,
            test_nothing_is_left_mapped,
        ])


if __name__ == "__main__":
    sys.exit(main())
