# SPDX-License-Identifier: MIT
"""Places where the same programs run: a guest with hesper, on stock QEMU in several ways, and none at
all. Each has a guest with run(command, timeout), prepare(app), words() and close()."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# Machines, as tests start them: in the source tree, or beside this file when installed.
sys.path[:0] = [HERE, os.path.join(HERE, "e2e"), os.path.join(HERE, "..", "tests", "e2e")]
# For those who start a file of this folder, and not hesper bench.
os.environ.setdefault("HESPERD", os.path.join(HERE, "..", "build", "bin", "hesperd"))
os.environ.setdefault("HESPER_VIEW", os.path.join(HERE, "..", "build", "bin", "hesper-view"))

import screens  # noqa: E402
from guestctl import Guest, GuestError  # noqa: E402
from harness import Failed, NotHere, describe  # noqa: E402
from machine import Machine, cpus, guest_image, wait_for  # noqa: E402
from processes import below  # noqa: E402, F401 - for the scenarios

SIZE = "1280x800"
REFRESH = 240
DESKTOP_MEMORY = "2G"
SESSION = ("export XDG_RUNTIME_DIR=/run/user/0 WAYLAND_DISPLAY=wayland-0 LANG=C.UTF-8 "
           "MESA_LOADER_DRIVER_OVERRIDE=zink; "
           "! grep -q TYPE_CPU /run/hesper/vulkan || export LIBGL_ALWAYS_SOFTWARE=1; ")
# Of a guest that has a Vulkan driver of its own: Venus, first, would end the search.
OWN_DRIVER = "export VK_DRIVER_FILES=$(ls /usr/share/vulkan/icd.d/lvp*.json); "
VENUS = "virtio-gpu-gl-pci,blob=on,venus=on,hostmem=1G"


def describe_machine(machine):
    """What the device says of itself, for the record."""
    stats = machine.stats()
    return {"guest": machine.guest.hello,
            **{key: stats[key] for key in ("memory_path", "host_device", "host_driver",
                                           "virglrenderer", "hesper")}}


def describe_all(machine):
    """The same, and the host."""
    return {**describe(), **describe_machine(machine)}


def show(name, unit, result):
    print(f"{name:44} {result['median']:9} {unit:7} ({result['min']}–{result['max']}, "
          f"n={result['n']})", flush=True)


def cube(guest, frames, options="", before=""):
    """What hesper-cube says of itself."""
    command = guest.start(f"{before}hesper-cube --frames {frames} {options} --json -").wait(240)
    result = command.json()
    if result["errors"] or result["fps"] <= 0:
        raise Failed("hesper-cube: " + ("; ".join(result["errors"]) or str(result)))
    return result


def vkmark_fps(text):
    """Of each scene; by the time of a frame, because slow ones have less than one in a second."""
    found = re.findall(r"FPS: [\d.]+ FrameTime: ([\d.]+) ms", text)
    if not found or any(float(ms) <= 0 for ms in found):
        raise Failed("vkmark drew no frame: " + text.strip()[-300:])
    return [1000 / float(ms) for ms in found]


def start_session(guest):
    """The desktop, with nothing running in it."""
    session = guest.start("exec 9</dev/dri/renderD128; exec hesper-desktop")
    session.wait_for_line("^desktop ready$", 120)
    guest.run("kill $(pidof vkcube)")
    return session


def host_layer():
    """Environment that makes a driver's memory exportable where the host makes no dma-bufs: what hesperd
    gives its renderers (hesperd/memory_path.c)."""
    hesperd = os.path.realpath(os.environ["HESPERD"])
    layer = os.environ.get("HESPER_BENCH_LAYER",
                           os.path.join(os.path.dirname(hesperd), "..", "..", "layer"))
    implicit = os.path.realpath(os.path.join(layer, "implicit"))
    if not os.path.isdir(implicit):
        raise NotHere(f"hesper's Vulkan layer is not in {implicit}")
    return {"HESPER_HOST_MEMORY_IMPLICIT": "1", "VK_ADD_IMPLICIT_LAYER_PATH": implicit}


class Hesper:
    """stock QEMU with hesperd; viewed: and a viewer without a window."""

    before = ""  # each command
    slow = False  # a frame takes seconds

    def __init__(self, desktop=False, viewed=False):
        named = {"desktop": True, "memory": DESKTOP_MEMORY} if desktop else {"devices": None}
        options = [] if desktop else [f"--refresh={REFRESH}"]
        self.machine = Machine(*options, size=SIZE, **named)
        self.guest = self.machine.guest
        self.about = describe_machine(self.machine)
        self.viewed, self.viewer, self.session = viewed, None, None

    def prepare(self, app):
        if self.viewed and self.viewer is None:
            self.viewer = self.machine.viewer()
        if app.startswith("desktop") and self.session is None:
            self.session = start_session(self.guest)

    def words(self):
        return [line for line in self.machine.log("hesperd.log").splitlines() if line][-3:]

    def close(self, good=True):
        if self.session is not None and good:
            self.session.signal()
            self.session.check(30)
        self.machine.__exit__(None if good else Failed, None, None)


class Stock:
    """The same guest on stock QEMU, without any part of hesper, but for its layer where that is asked
    for: a driver that exports no memory cannot show anything there else."""

    def __init__(self, device, display, desktop=False, software=False, layer=False):
        self.folder = tempfile.TemporaryDirectory(prefix="hesper-bench-")
        self.before = OWN_DRIVER if software else ""
        self.slow = software
        self.guest, self.session, self.screen, self.process = None, None, None, None
        env = dict(os.environ, **(host_layer() if layer else {}))
        try:
            if display.startswith("sdl"):
                width, height = (int(n) + 200 for n in SIZE.split("x"))
                self.screen, more = screens.start_xvfb(width, height)
                env.update(more)
            self._start(device, display, _image(desktop, software), env,
                        DESKTOP_MEMORY if desktop else "1G")
            self._wait()
        except BaseException:
            self.close(False)
            raise
        self.about = {"guest": self.guest.hello}

    def _path(self, name):
        return os.path.join(self.folder.name, name)

    def _start(self, device, display, image, env, memory):
        with open(f"{image}/manifest.json") as file:
            parameters = json.load(file)["append"]
        width, height = SIZE.split("x")
        with open(self._path("qemu.log"), "wb") as log:
            self.process = subprocess.Popen(
                [os.environ.get("HESPER_QEMU", "qemu-system-x86_64"), "-nodefaults",
                 "-machine", "q35,memory-backend=mem", "-accel", "tcg,thread=multi", "-cpu", "max",
                 "-smp", str(cpus()),
                 "-object", f"memory-backend-memfd,id=mem,size={memory},share=on",
                 "-display", display, "-device", f"{device},xres={width},yres={height}",
                 "-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initrd.img",
                 "-append", f"console=ttyS0 panic=-1 {parameters}",
                 "-drive", f"if=none,id=root,format=raw,readonly=on,file={image}/root.erofs",
                 "-device", "virtio-blk-pci,drive=root", "-device", "virtio-serial-pci",
                 "-chardev", f"socket,id=ctl,path={self._path('control')},server=on,wait=off",
                 "-device", "virtserialport,chardev=ctl,name=org.hesper.control",
                 "-serial", f"file:{self._path('serial.log')}"],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def _wait(self):
        wait_for("QEMU's control socket",
                 lambda: self.process.poll() is not None or os.path.exists(self._path("control")), 30)
        if self.process.poll() is not None:
            raise Failed(f"QEMU ended with {self.process.returncode}: " + "; ".join(self.words()))
        self.guest = Guest(self._path("control"), timeout=120)

    def prepare(self, app):
        if app.startswith("desktop") and self.session is None:
            self.session = start_session(self.guest)

    def words(self):
        """The last that QEMU said, each line once."""
        try:
            with open(self._path("qemu.log"), errors="replace") as file:
                lines = list(dict.fromkeys(line.strip() for line in file if line.strip()))
        except OSError:
            return []
        return [line for line in lines if "DRI3" not in line][-4:]

    def close(self, good=True):
        if self.guest is not None:
            self.guest.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if self.screen is not None:
            screens.stop(self.screen)
        self.folder.cleanup()


def _image(desktop, software):
    if not software:
        return guest_image(desktop)
    build = os.environ.get("HESPER_GUEST_BUILD", os.path.join(HERE, "..", "guest", "build"))
    return subprocess.run([build, "--software"], check=True, stdout=subprocess.PIPE, text=True,
                          timeout=600).stdout.splitlines()[-1]


class Shell:
    """Commands on this host, where a guest's would be."""

    def __init__(self, env):
        self.env = env

    def run(self, command, timeout):
        run = subprocess.run(["sh", "-c", command], env=dict(os.environ, **self.env), text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             timeout=timeout, check=False)
        if run.returncode != 0:
            raise GuestError(f"{command!r} ended with {run.returncode}:\n{run.stdout}")
        return type("Result", (), {"output": run.stdout})


class Host:
    """No machine at all: the driver itself, or venus: the same Venus by way of virgl_test_server."""

    before, slow = "", False

    def __init__(self, venus=False):
        self.folder = tempfile.TemporaryDirectory(prefix="hesper-bench-")
        self.server, env = None, {}
        if venus:
            env = self._start_server()
        self.guest = Shell(env)
        self.about = {}

    def _start_server(self):
        path = os.path.join(self.folder.name, "vtest")
        driver = "/usr/share/vulkan/icd.d/virtio_icd.json"
        if not os.path.exists(driver):
            raise NotHere("the host's Mesa has no Venus driver")
        with open(os.path.join(self.folder.name, "log"), "wb") as log:
            try:
                self.server = subprocess.Popen(
                    ["virgl_test_server", "--no-virgl", "--venus", "--multi-clients", "--socket-path",
                     path], env=dict(os.environ, **host_layer()), stdout=log, stderr=log)
            except FileNotFoundError:
                raise NotHere("there is no virgl_test_server. Fix: install virgl-server") from None
        wait_for("virgl_test_server", lambda: os.path.exists(path) or self.server.poll() is not None)
        return {"VN_DEBUG": "vtest", "VTEST_SOCKET_NAME": path, "VK_DRIVER_FILES": driver}

    def prepare(self, app):
        pass

    def words(self):
        return []

    def close(self, good=True):
        if self.server is not None:
            screens.stop(self.server)
        self.folder.cleanup()


PLACES = {
    "hesper": ("hesper, nobody looks", lambda desktop: Hesper(desktop)),
    "hesper-viewed": ("hesper with a viewer without a window", lambda desktop: Hesper(desktop, True)),
    "stock": (f"stock QEMU, -device {VENUS} -display sdl,gl=on under Xvfb",
              lambda desktop: Stock(VENUS, "sdl,gl=on", desktop)),
    "stock-layer": ("the same with hesper's Vulkan layer, which makes memory exportable",
                    lambda desktop: Stock(VENUS, "sdl,gl=on", desktop, layer=True)),
    "stock-egl": (f"stock QEMU, -device {VENUS} -display egl-headless",
                  lambda desktop: Stock(VENUS, "egl-headless", desktop)),
    "software": ("stock QEMU's virtio-gpu-pci, the guest's own CPU draws (lavapipe in the guest)",
                 lambda desktop: Stock("virtio-gpu-pci", "none", software=True)),
    "vtest": ("no machine: the same Venus by virgl_test_server", lambda desktop: Host(True)),
    "host": ("no machine: the host's driver itself", lambda desktop: Host()),
}


def settle():
    """What a program that ended leaves to do."""
    time.sleep(0.3)
