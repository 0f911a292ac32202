#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench/desktop.py [--rounds N] [--duration S] [--json FILE]: vkmark and glmark2 in the desktop guest.

All scenes that they have by default, each for some seconds, as Wayland windows of the guest's
session; once with hesper, and once with the same guest on stock QEMU's virtio-gpu-gl with Venus. What
stock QEMU says where that does not run is recorded, too. Run it where hesper was built, on an
otherwise idle machine:  ./dev bench/desktop.py
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "tests", "e2e"))
sys.path.insert(0, HERE)

from chain import describe, spread  # noqa: E402  (also says where hesper's programs are)
from guestctl import Guest, GuestError  # noqa: E402
from machine import Machine, cpus, guest_image, wait_for  # noqa: E402

SIZE = "1280x800"
MEMORY = "2G"
SESSION = ("export XDG_RUNTIME_DIR=/run/user/0 WAYLAND_DISPLAY=wayland-0 LANG=C.UTF-8 "
           "MESA_LOADER_DRIVER_OVERRIDE=zink; "
           "! grep -q TYPE_CPU /run/hesper/vulkan || export LIBGL_ALWAYS_SOFTWARE=1; ")
PROGRAMS = {"vkmark": "vkmark --winsys wayland", "glmark2": "glmark2-es2-wayland"}
STOCK_DISPLAYS = ("egl-headless", "dbus,p2p=on,gl=on")
STOCK_DEVICE = "virtio-gpu-gl-pci,blob=on,venus=on,hostmem=1G"


def start_session(guest):
    session = guest.start("exec 9</dev/dri/renderD128; exec hesper-desktop")
    session.wait_for_line("^desktop ready$", 120)
    # The benchmarks are to be alone.
    guest.run("kill $(pidof vkcube)")
    return session


def benchmark(guest, name, duration):
    """{"score", "renderer", "scenes": {scene: frames per second}}; GuestError with what it said."""
    output = guest.run(f"{SESSION}{PROGRAMS[name]} -b :duration={duration} 2>&1", 900).output
    scenes = dict(re.findall(r"^(\[\w+\] .*?): FPS: ([\d.]+)", output, re.MULTILINE))
    renderer = re.search(r"(?:GL_RENDERER|Device Name): *(.*)", output).group(1)
    return {"score": int(re.search(r"mark2? Score: (\d+)", output).group(1)),
            "renderer": renderer, "scenes": {key: float(fps) for key, fps in scenes.items()}}


def rounds_of(guest, options):
    result = {}
    for name in PROGRAMS:
        rounds = [benchmark(guest, name, options.duration) for _ in range(options.rounds)]
        result[name] = {
            "score": spread([one["score"] for one in rounds]), "renderer": rounds[0]["renderer"],
            "scenes": {scene: spread([one["scenes"][scene] for one in rounds])
                       for scene in rounds[0]["scenes"]}}
        score = result[name]["score"]
        print(f"  {name:8} score {score['median']} ({score['min']}–{score['max']}, n={score['n']}), "
              f"{len(result[name]['scenes'])} scenes, on {result[name]['renderer']}", flush=True)
    return result


def with_hesper(options):
    print("hesper:", flush=True)
    with Machine(desktop=True, memory=MEMORY, size=SIZE, devices="vhost-user-test-device-pci",
                 ) as machine:
        about = describe(machine)
        start = time.monotonic()
        session = start_session(machine.guest)
        ready = time.monotonic() - start
        viewer = machine.viewer()
        wait_for("a frame in the viewer", lambda: machine.stats()["frames_sent"] > 0)
        result = rounds_of(machine.guest, options)
        summary = viewer.stop()
        stats = machine.stats()
        session.signal()
        session.check(30)
        return {"about": about, "desktop_ready_s": round(ready, 2), **result,
                "frames_presented": summary["frames_presented"],
                "blob_path_cpu_copied_bytes": stats["blob_path_cpu_copied_bytes"]}


class Stock:
    """The same guest on stock QEMU, without any part of hesper."""

    def __init__(self, folder, display):
        image = guest_image(desktop=True)
        with open(f"{image}/manifest.json") as file:
            parameters = json.load(file)["append"]
        width, height = SIZE.split("x")
        self.control = os.path.join(folder, "control")
        self.log_path = os.path.join(folder, "qemu.log")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [os.environ.get("HESPER_QEMU", "qemu-system-x86_64"), "-nodefaults",
                 "-machine", "q35,memory-backend=mem", "-accel", "tcg,thread=multi", "-cpu", "max",
                 "-smp", str(cpus()),
                 "-object", f"memory-backend-memfd,id=mem,size={MEMORY},share=on",
                 "-display", display, "-device", f"{STOCK_DEVICE},xres={width},yres={height}",
                 "-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initrd.img",
                 "-append", f"console=ttyS0 panic=-1 {parameters}",
                 "-drive", f"if=none,id=root,format=raw,readonly=on,file={image}/root.erofs",
                 "-device", "virtio-blk-pci,drive=root", "-device", "virtio-serial-pci",
                 "-chardev", f"socket,id=ctl,path={self.control},server=on,wait=off",
                 "-device", "virtserialport,chardev=ctl,name=org.hesper.control",
                 "-serial", f"file:{os.path.join(folder, 'serial.log')}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def ended(self):
        """Words about QEMU's end; None while it runs."""
        status = self.process.poll()
        if status is None:
            return None
        return f"QEMU ended with {status}" if status >= 0 else f"QEMU was ended by signal {-status}"

    def words(self):
        """The last that QEMU said, each line once."""
        with open(self.log_path, errors="replace") as file:
            lines = list(dict.fromkeys(line.strip() for line in file if line.strip()))
        return lines[-6:]

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def run_stock(stock, options):
    def connectable():
        return stock.ended() or os.path.exists(stock.control)

    wait_for("QEMU's control socket", connectable, 30)
    if stock.ended():
        return {"stage": "start of QEMU"}
    stage = "boot"
    try:
        guest = Guest(stock.control, timeout=120)
        stage = "vulkaninfo in the guest"
        summary = guest.run("vulkaninfo --summary 2>&1", 120).output
        device = re.search(r"deviceName *= *(.*)", summary)
        if device is None:
            return {"stage": stage, "guest": summary.splitlines()[-3:]}
        stage = "the desktop"
        start_session(guest)
        stage = "the benchmarks"
        return {"device": device.group(1), **rounds_of(guest, options)}
    except (GuestError, OSError) as error:
        return {"stage": stage, "guest": [line[:200] for line in str(error).splitlines()[-6:]]}


def with_stock(options, display):
    print(f"stock QEMU, -display {display} -device {STOCK_DEVICE}:", flush=True)
    with tempfile.TemporaryDirectory(prefix="hesper-bench-") as folder:
        stock = Stock(folder, display)
        try:
            result = run_stock(stock, options)
            # What made the guest's commands fail may still be on its way.
            if "stage" in result:
                try:
                    stock.process.wait(5)
                except subprocess.TimeoutExpired:
                    pass
            result.update({"qemu": stock.ended() or "QEMU goes on", "said": stock.words()})
        finally:
            stock.stop()
    if "stage" in result:
        print(f"  does not run: {result['stage']}: {result['qemu']}")
        for line in result["said"] + result.get("guest", []):
            print(f"    {line}")
    return {"display": display, "device": STOCK_DEVICE, **result}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--duration", type=float, default=2, help="seconds for each scene")
    parser.add_argument("--json")
    options = parser.parse_args()
    result = {"hesper": with_hesper(options),
              "stock": [with_stock(options, display) for display in STOCK_DISPLAYS]}
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1, ensure_ascii=False)
            file.write("\n")


if __name__ == "__main__":
    main()
