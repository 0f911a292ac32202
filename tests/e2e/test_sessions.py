# SPDX-License-Identifier: MIT
"""How long hesperd lives: until the last session of its machine has ended, in whatever order. No
machine is needed, only its connections."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from machine import INPUT_DEVICES, program, run_tests, wait_for


class Daemon:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="hesper-e2e-")
        ready, child = os.pipe()
        self.process = subprocess.Popen(
            [program("HESPERD"), f"--socket-path={self.dir}/gpu.sock", f"--input={self.dir}",
             "--render=none", "--memory=host-memory", f"--ready-fd={child}"], pass_fds=[child])
        os.close(child)
        with os.fdopen(ready) as file:
            assert file.readline().startswith("ready "), "hesperd did not start"

    def connect(self, name):
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(f"{self.dir}/{name}.sock")
        # An answer: the connection has been taken. GET_QUEUE_NUM, version 1.
        peer.sendall((17).to_bytes(4, "little") + (1).to_bytes(4, "little") + bytes(4))
        assert len(peer.recv(64)) == 20
        # By another process, soon.
        path = f"{self.dir}/{name}.sock"
        wait_for("the socket's end", lambda: not os.path.exists(path), timeout=10)
        return peer

    def lives(self):
        """Long enough to notice an end that was already decided."""
        time.sleep(0.5)
        return self.process.poll() is None

    def check_end(self, status=0):
        assert self.process.wait(20) == status
        assert os.listdir(self.dir) == [], os.listdir(self.dir)
        os.rmdir(self.dir)


def test_gpu_goes_first():
    daemon = Daemon()
    gpu, keyboard, mouse = (daemon.connect(name) for name in ("gpu", "keyboard", "mouse"))
    gpu.close()
    assert daemon.lives()
    mouse.close()
    assert daemon.lives()
    keyboard.close()
    daemon.check_end()


def test_input_goes_first():
    daemon = Daemon()
    peers = [daemon.connect(name) for name in ("gpu", *INPUT_DEVICES)]
    for peer in peers[1:]:
        peer.close()
    assert daemon.lives()
    peers[0].close()
    daemon.check_end()


def test_no_input():
    daemon = Daemon()
    daemon.connect("gpu").close()
    daemon.check_end()


def test_machine_that_fails_early():
    """QEMU connects all of its chardevs before it makes a device."""
    daemon = Daemon()
    daemon.connect("tablet").close()
    daemon.check_end()


def test_signal():
    daemon = Daemon()
    peers = [daemon.connect(name) for name in ("keyboard", "gpu")]
    daemon.process.send_signal(signal.SIGTERM)
    daemon.check_end()
    for peer in peers:
        assert peer.recv(1) == b""
        peer.close()


def test_broken_session():
    """What makes no sense ends that session alone; the status tells at the end."""
    daemon = Daemon()
    gpu, touch = daemon.connect("gpu"), daemon.connect("touch")
    gpu.sendall(b"\xff" * 4096)
    try:
        assert gpu.recv(1) == b""
    except ConnectionResetError:
        pass
    assert daemon.lives()
    touch.close()
    daemon.check_end(1)
    gpu.close()


if __name__ == "__main__":
    sys.exit(run_tests([
        test_gpu_goes_first,
        test_input_goes_first,
        test_no_input,
        test_machine_that_fails_early,
        test_signal,
        test_broken_session,
    ]))
