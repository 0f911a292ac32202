# SPDX-License-Identifier: MIT
"""A machine for tests: hesperd, stock QEMU with the demo guest, viewers. All of it real.

Environment, set by meson: HESPERD, HESPER_VIEW, HESPER_GUEST (the folder of guest/build; made when
it is not set, by HESPER_GUEST_BUILD where that is set), HESPER_GUEST_DESKTOP. HESPER_ARTEFACTS: where pictures are kept.
"""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import guestctl  # noqa: E402

SKIP = 77
INPUT_DEVICES = ("keyboard", "tablet", "mouse", "touch")


def program(variable):
    path = os.environ.get(variable)
    if not path:
        sys.exit(f"{variable} is not set: run this by meson test")
    return path


def guest_image(desktop=False):
    path = os.environ.get("HESPER_GUEST_DESKTOP" if desktop else "HESPER_GUEST")
    if path:
        return path
    build = os.environ.get("HESPER_GUEST_BUILD", os.path.join(HERE, "..", "..", "guest", "build"))
    command = [build, "--desktop"] if desktop else [build]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          text=True).stdout.splitlines()[-1]


def artefact(name):
    folder = os.environ.get("HESPER_ARTEFACTS", "build/artefacts")
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, name)


def cpus():
    """As the launcher does it: one processor is the host's."""
    return max(1, min(4, (os.cpu_count() or 1) - 1))


def wait_for(what, condition, timeout=30, step=0.02):
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"no {what} in {timeout} s")
        time.sleep(step)


class Qmp:
    def __init__(self, path):
        self._sock = socket.socket(socket.AF_UNIX)
        wait_for("QMP socket", lambda: self._try(path))
        self._file = self._sock.makefile("rw")
        self._read()
        self.run("qmp_capabilities")

    def _try(self, path):
        try:
            self._sock.connect(path)
            return True
        except OSError:
            return False

    def _read(self):
        line = self._file.readline()
        if not line:
            raise AssertionError("QEMU is gone")
        return json.loads(line)

    def run(self, command, **arguments):
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = self._read()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise AssertionError(f"{command}: {answer['error']}")


class Viewer:
    """hesper-view without a window (window=True: with one)."""

    def __init__(self, machine, *options, window=False, preload=None, env=None):
        self.summary_path = tempfile.mktemp(dir=machine.dir, suffix=".json")
        self.picture_path = tempfile.mktemp(dir=machine.dir, suffix=".png")
        command = [program("HESPER_VIEW"), "--socket", machine.path("display"), "--wait", "20",
                   "--summary", self.summary_path, "--screenshot", self.picture_path, *options]
        if not window:
            command.append("--headless")
        environment = dict(os.environ, **(env or {}))
        if preload:
            environment["LD_PRELOAD"] = preload
        self.log = open(os.path.join(machine.dir, "view.log"), "ab")
        self.process = subprocess.Popen(command, env=environment, stderr=self.log)

    def wait(self, timeout=60):
        """Waits for its end (give it --frames); its summary."""
        status = self.process.wait(timeout)
        if status != 0:
            with open(self.log.name, errors="replace") as file:
                raise AssertionError(f"hesper-view ended with {status}:\n{file.read()[-8000:]}")
        with open(self.summary_path) as file:
            return json.load(file)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def picture(self):
        return read_png(self.picture_path)


class Machine:
    """devices: "vhost-user-test-device-pci" or "vhost-user-input-pci" for the input devices, or
    None for a machine without. desktop: the guest image with a Wayland session. prealloc: the
    guest's RAM is there from the start."""

    def __init__(self, *options, window_mib=1024, memory="1G", env=None, preload=None, append="",
                 size="1280x800", start=True,
                 devices="vhost-user-test-device-pci", desktop=False,
                 accel="tcg,thread=multi", prealloc=False):
        self.dir = tempfile.mkdtemp(prefix="hesper-e2e-")
        self.viewers = []
        self.guest = None
        self.qmp = None
        if devices:
            options = (*options, f"--input={self.dir}")
        self._start_daemon(options, window_mib, size, env or {}, preload)
        if prealloc:
            memory += ",prealloc=on"
        self._start_qemu(guest_image(desktop), memory, append, devices, accel)
        if start:
            self.wait_guest()

    def path(self, name):
        return os.path.join(self.dir, name)

    def _start_daemon(self, options, window_mib, size, env, preload):
        ready, child = os.pipe()
        environment = dict(os.environ, **env)
        if preload:
            environment["LD_PRELOAD"] = preload
        self.daemon_log = open(self.path("hesperd.log"), "wb")
        self.daemon = subprocess.Popen(
            [program("HESPERD"), f"--socket-path={self.path('vhost')}",
             f"--display={self.path('display')}", f"--stats={self.path('stats.json')}",
             f"--ready-fd={child}", f"--window-size={window_mib}", f"--size={size}", *options],
            pass_fds=[child], stderr=self.daemon_log, env=environment)
        os.close(child)
        with os.fdopen(ready) as file:
            line = file.readline()
        if not line.startswith("ready "):
            raise AssertionError("hesperd did not start:\n" + self.log("hesperd.log"))

    def device(self):
        """The number of the process that is the device: hesperd's other half, unless its sandbox
        is off (hesperd/keeper.c)."""
        found = subprocess.run(["pgrep", "-P", str(self.daemon.pid), "-x", "hesperd"],
                               stdout=subprocess.PIPE, text=True, check=False).stdout.split()
        return int(found[0]) if found else self.daemon.pid

    def _input_devices(self, kind):
        properties = "" if kind == "vhost-user-input-pci" else (
            ",virtio-id=18,num_vqs=2,config_size=136,vq_size=64")
        arguments = []
        for name in INPUT_DEVICES if kind else ():
            arguments += ["-chardev", f"socket,id={name},path={self.path(name)}.sock",
                          "-device", f"{kind},id={name}-device,chardev={name}{properties}"]
        return arguments

    def _start_qemu(self, image, memory, append, devices, accel):
        with open(f"{image}/manifest.json") as file:
            parameters = json.load(file)["append"]
        self.qemu_log = open(self.path("qemu.log"), "wb")
        self.qemu = subprocess.Popen(
            [os.environ.get("HESPER_QEMU", "qemu-system-x86_64"),
             "-machine", "q35,memory-backend=mem", "-accel", accel, "-cpu", "max",
             # As the launcher: see qemu_args.c for the second processor that is never there.
             "-smp", f"{cpus()},maxcpus={max(2, cpus())}",
             "-object", f"memory-backend-memfd,id=mem,share=on,size={memory}",
             "-nodefaults", "-display", "none",
             "-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initrd.img",
             "-append", f"console=ttyS0 console=tty0 panic=-1 {parameters} {append}",
             "-drive", f"if=none,id=root,format=raw,readonly=on,file={image}/root.erofs",
             "-device", "virtio-blk-pci,drive=root",
             "-chardev", f"socket,id=vg,path={self.path('vhost')}",
             "-device", "vhost-user-test-device-pci,chardev=vg,virtio-id=16,num_vqs=2,"
                        "config_size=24,vq_size=256",
             *self._input_devices(devices),
             "-device", "virtio-serial-pci",
             "-chardev", f"socket,id=ctl,path={self.path('control')},server=on,wait=off",
             "-device", "virtserialport,chardev=ctl,name=org.hesper.control",
             "-serial", f"file:{self.path('serial.log')}",
             "-qmp", f"unix:{self.path('qmp')},server=on,wait=off"],
            stdout=self.qemu_log, stderr=subprocess.STDOUT)
        self.qmp = Qmp(self.path("qmp"))

    def wait_guest(self, timeout=90):
        if self.guest is None:
            self.guest = guestctl.Guest(self.path("control"), timeout=timeout)
        else:
            self.guest.wait_hello(timeout)
        return self.guest

    def viewer(self, *options, **named):
        viewer = Viewer(self, *options, **named)
        self.viewers.append(viewer)
        return viewer

    def stats(self):
        """hesperd's counters as of now."""
        path = self.path("stats.json")
        if os.path.exists(path):
            os.unlink(path)
        self.daemon.send_signal(signal.SIGUSR1)
        wait_for("statistics", lambda: os.path.exists(path))
        with open(path) as file:
            return json.load(file)

    def log(self, name):
        with open(self.path(name), "rb") as file:
            return file.read().decode(errors="replace")

    def alive(self):
        assert self.daemon.poll() is None, "hesperd ended:\n" + self.log("hesperd.log")
        assert self.qemu.poll() is None, "QEMU ended:\n" + self.log("qemu.log")

    def close(self):
        """The orderly end: QEMU quits, hesperd follows by itself with status 0."""
        for viewer in self.viewers:
            if viewer.process.poll() is None:
                viewer.kill()
        if self.guest is not None:
            self.guest.close()
        if self.qemu.poll() is None:
            self.qmp.run("quit")
        self.qemu.wait(20)
        assert self.daemon.wait(20) == 0, "hesperd failed:\n" + self.log("hesperd.log")
        assert not os.path.exists(self.path("display")), "hesperd left its socket"

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.close()
        finally:
            for process in [self.qemu, self.daemon] + [v.process for v in self.viewers]:
                if process.poll() is None:
                    process.kill()
                    process.wait()
            if kind is not None:
                for name in ("hesperd.log", "qemu.log", "view.log", "serial.log"):
                    if os.path.exists(self.path(name)):
                        print(f"--- {name}\n{self.log(name)[-4000:]}", file=sys.stderr)
            shutil.rmtree(self.dir, ignore_errors=True)


class Picture:
    def __init__(self, width, height, rows):
        self.width, self.height, self.rows = width, height, rows

    def at(self, x, y):
        return tuple(self.rows[y][3 * x:3 * x + 3])

    def colours(self, step=4):
        """How many different colours a coarse grid of the picture has."""
        return len({self.at(x, y) for y in range(0, self.height, step)
                    for x in range(0, self.width, step)})


def _unfilter(kind, line, above, size):
    if kind == 0:
        return line
    out = bytearray(line)
    for i, value in enumerate(out):
        left = out[i - size] if i >= size else 0
        up = above[i] if above else 0
        corner = above[i - size] if above and i >= size else 0
        if kind == 1:
            value += left
        elif kind == 2:
            value += up
        elif kind == 3:
            value += (left + up) // 2
        elif kind == 4:
            guess = left + up - corner
            near = sorted(((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                           (abs(guess - corner), 2, corner)))
            value += near[0][2]
        out[i] = value & 255
    return bytes(out)


def read_png(path):
    """8-bit RGB or RGBA, not interlaced: what hesper-view and ImageMagick write."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", f"{path} is no PNG"
    at, packed, width, height, size = 8, b"", 0, 0, 3
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            assert depth == 8 and colour in (2, 6) and interlace == 0, f"{path}: {depth} {colour}"
            size = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    raw = zlib.decompress(packed)
    rows, above = [], None
    for y in range(height):
        start = y * (1 + size * width)
        line = _unfilter(raw[start], raw[start + 1:start + 1 + size * width], above, size)
        above = line
        if size == 4:
            line = b"".join(line[i:i + 3] for i in range(0, len(line), 4))
        rows.append(line)
    return Picture(width, height, rows)


def run_tests(tests):
    """Runs functions; one line each, TAP for meson. Exit status."""
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, test in enumerate(tests, 1):
        name = test.__name__.removeprefix("test_")
        start = time.monotonic()
        try:
            skipped = test()
        except Exception as error:  # noqa: BLE001 - a test's failure, whatever it is
            import traceback
            traceback.print_exc()
            for line in str(error).splitlines():
                print(f"# {line}")
            print(f"not ok {number} {name}", flush=True)
            failed += 1
            continue
        note = f" # SKIP {skipped}" if isinstance(skipped, str) else ""
        print(f"ok {number} {name}{note}", flush=True)
        print(f"# {name}: {time.monotonic() - start:.1f} s", file=sys.stderr)
    return 1 if failed else 0
