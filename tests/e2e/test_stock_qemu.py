# SPDX-License-Identifier: MIT
"""hesper-view against machines that know nothing of hesper: stock QEMU with -display dbus.

What QEMU itself says is on the screen (QMP's screendump) is what the viewer must show, pixel by
pixel. Keys go the whole way: an X server's synthetic events, the window, D-Bus, QEMU's own virtual
keyboard, the guest's console.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import guestctl
import machine
from machine import Qmp, SKIP, artefact, program, read_png, wait_for


class XServer:
    """An X server of its own, with a window manager."""

    def __init__(self):
        told, tell = os.pipe()
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(tell), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
            pass_fds=[tell], stderr=subprocess.DEVNULL)
        os.close(tell)
        with os.fdopen(told) as file:
            self.env = dict(os.environ, DISPLAY=":" + file.readline().strip(),
                            SDL_VIDEODRIVER="x11")
        self.manager = subprocess.Popen(["cwm", "-c", "/dev/null"], env=self.env,
                                        stderr=subprocess.DEVNULL)

    def tool(self, *arguments):
        return subprocess.run(["xdotool", *map(str, arguments)], env=self.env, check=True,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=30).stdout

    def window(self):
        found = subprocess.run(["xdotool", "search", "--onlyvisible", "--class", "hesper-view"],
                               env=self.env, text=True, stdout=subprocess.PIPE, timeout=30)
        return found.stdout.split()[0] if found.stdout else None

    def focus(self):
        """The viewer's window, with the keyboard."""
        window = wait_for("window", self.window)
        self.tool("windowactivate", "--sync", window)
        return window

    def close(self):
        for process in (self.manager, self.server):
            process.terminate()
            process.wait()


class Stock:
    """QEMU with some display device; kernel=True: with the demo guest, which knows no hesperd."""

    def __init__(self, *options, kernel=None, bus=False):
        self.dir = tempfile.mkdtemp(prefix="hesper-stock-")
        self.processes = []
        self.guest = None
        self.screen = None
        self.address = None
        try:
            display = "dbus,p2p=yes"
            if bus:
                self.address = self._start_bus()
                display = f"dbus,addr={self.address}"
            self._start_qemu(display, options, kernel)
        except BaseException:
            self._end()
            raise

    def path(self, name):
        return os.path.join(self.dir, name)

    def start(self, command, **named):
        process = subprocess.Popen(command, **named)
        self.processes.append(process)
        return process

    def _start_bus(self):
        told, tell = os.pipe()
        self.start(["dbus-daemon", "--session", "--nofork", "--nosyslog", "--nopidfile",
                    f"--address=unix:path={self.path('bus')}", f"--print-address={tell}"],
                   pass_fds=[tell], stderr=subprocess.DEVNULL)
        os.close(tell)
        with os.fdopen(told) as file:
            assert file.readline(), "dbus-daemon did not start"
        return f"unix:path={self.path('bus')}"

    def _start_qemu(self, display, options, kernel):
        command = [os.environ.get("HESPER_QEMU", "qemu-system-x86_64"), "-machine", "q35",
                   "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(machine.cpus()),
                   "-nodefaults", "-display", display, "-serial", f"file:{self.path('serial.log')}",
                   "-qmp", f"unix:{self.path('qmp')},server=on,wait=off",
                   "-qmp", f"unix:{self.path('qmp-viewer')},server=on,wait=off", *options]
        if kernel is not None:
            image = machine.guest_image()
            parameters = "quiet mitigations=off nokaslr lsm= cryptomgr.notests"
            command += [
                "-m", "512M", "-kernel", f"{image}/vmlinuz", "-initrd", f"{image}/initrd.img",
                "-append", f"console=ttyS0 console=tty0 panic=-1 {parameters} {kernel}",
                "-drive", f"if=none,id=root,format=raw,readonly=on,file={image}/root.erofs",
                "-device", "virtio-blk-pci,drive=root", "-device", "virtio-serial-pci",
                "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci",
                "-chardev", f"socket,id=ctl,path={self.path('control')},server=on,wait=off",
                "-device", "virtserialport,chardev=ctl,name=org.hesper.control"]
        self.log = open(self.path("qemu.log"), "wb")
        self.qemu = self.start(command, stdout=self.log, stderr=subprocess.STDOUT)
        self.qmp = Qmp(self.path("qmp"))
        if kernel is not None:
            self.guest = guestctl.Guest(self.path("control"), timeout=90)

    def view(self, *options, window=False):
        self.picture_path = self.path("view.png")
        self.summary_path = self.path("view.json")
        way = ["--bus", self.address] if self.address else ["--qmp", self.path("qmp-viewer")]
        command = [program("HESPER_VIEW"), *way, "--screenshot",
                   self.picture_path, "--summary", self.summary_path, *options]
        environment = os.environ
        if window:
            self.screen = XServer()
            environment = self.screen.env
        else:
            command.append("--headless")
        self.view_log = open(self.path("view.log"), "ab")
        told, tell = os.pipe()
        self.viewer = self.start([*command, "--status-fd", str(tell)], env=environment,
                                 stderr=self.view_log, pass_fds=[tell])
        os.close(tell)
        self.status = os.fdopen(told)
        # It counts, so it is there and takes signals.
        while True:
            line = self.status.readline()
            assert line, "hesper-view ended"
            if json.loads(line)["frames"] >= 1:
                return self.viewer

    def picture(self):
        """What the viewer shows now, or None while that is nothing."""
        if os.path.exists(self.picture_path):
            os.unlink(self.picture_path)
        assert self.viewer.poll() is None, "hesper-view ended"
        self.viewer.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            try:
                return read_png(self.picture_path)
            except (OSError, AssertionError, IndexError):
                time.sleep(0.05)  # not there, or not whole yet
        return None

    def reference(self):
        path = self.path("reference.png")
        self.qmp.run("screendump", filename=path, format="png")
        return read_png(path)

    def agree(self, what, width=None, timeout=20):
        """Waits until the viewer shows what QEMU says is shown: a text cursor may blink."""
        def same():
            shown = self.picture()
            told = self.reference()
            if shown is None or (width is not None and shown.width != width):
                return None
            return shown if (shown.width, shown.height, shown.rows) == (
                told.width, told.height, told.rows) else None
        picture = wait_for(f"agreement about {what}", same, timeout=timeout)
        shutil.copy(self.picture_path, artefact(f"{what}.png"))
        return picture

    def shell(self):
        """A shell on the guest's console, where a login would be."""
        self.guest.start("setsid sh -c 'exec sh -i </dev/tty1 >/dev/tty1 2>&1'")
        # It edits its line itself: keys before that would be the terminal's, and shown twice.
        self.guest_reads("stty -F /dev/tty1 -a | grep -o -- -icanon", "-icanon")

    def type_command(self, text):
        """Into the window, as a user would; then Enter."""
        self.screen.focus()
        self.screen.tool("type", "--delay", 40, text)
        self.screen.tool("key", "Return")

    def guest_reads(self, command, wanted, timeout=20):
        return wait_for(f"{wanted!r} from {command!r}",
                        lambda: self.guest.start(command).wait().output.strip() == wanted,
                        timeout=timeout)

    def summary(self):
        with open(self.summary_path) as file:
            return json.load(file)

    def stop_viewer(self):
        self.viewer.send_signal(signal.SIGTERM)
        assert self.viewer.wait(20) == 0, "hesper-view failed"
        return self.summary()

    def _end(self):
        if self.guest is not None:
            self.guest.close()
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
                process.wait()
        if self.screen is not None:
            self.screen.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self._end()
        if kind is not None:
            for name in ("qemu.log", "view.log", "serial.log"):
                if os.path.exists(self.path(name)):
                    with open(self.path(name), errors="replace") as file:
                        print(f"--- {name}\n{file.read()[-4000:]}", file=sys.stderr)
        shutil.rmtree(self.dir, ignore_errors=True)


def test_vga_firmware():
    """The firmware's text, 720x400: no guest at all."""
    with Stock("-device", "VGA") as stock:
        stock.view()
        picture = stock.agree("vga-firmware", width=720)
        assert picture.height == 400
        assert picture.colours(1) >= 2, "an empty picture"
        summary = stock.stop_viewer()
        assert summary["cpu_copied_bytes"] == 0, "QEMU shares text by a memory map"


def test_vga_text_console():
    """Typed into the window, echoed by the kernel's VGA text console, read by a shell there."""
    with Stock("-device", "VGA", kernel="") as stock:
        stock.view(window=True)
        before = stock.agree("vga-text-before", width=720)
        stock.shell()
        stock.type_command("echo hesper types >/tmp/typed")
        stock.guest_reads("cat /tmp/typed", "hesper types")
        after = stock.agree("vga-text")
        assert before.rows != after.rows, "typing left the picture as it was"
        stock.stop_viewer()


def test_vga_pixels():
    """A frame buffer in the VGA's own memory, which QEMU cannot share: bytes in messages."""
    with Stock("-device", "VGA", kernel="vga=0x344") as stock:
        stock.view()
        picture = stock.agree("vga-pixels", width=1024)
        assert picture.height == 768
        stock.shell()
        stock.guest.run("seq 1 40 >/dev/tty1").check()
        changed = stock.agree("vga-pixels-changed")
        assert changed.rows != picture.rows
        copied = stock.stop_viewer()["cpu_copied_bytes"]
        assert copied >= 1024 * 768 * 4, f"{copied} bytes copied: not the path this test is for"


def test_virtio_gpu():
    """Typing into a stock virtio-gpu guest's console, and resizing it."""
    with Stock("-device", "virtio-gpu-pci,edid=on,xres=1024,yres=768", kernel="") as stock:
        stock.view("--no-resize", window=True)
        before = stock.agree("virtio-gpu-before", width=1024)
        stock.shell()
        stock.type_command("echo virtio types >/tmp/typed")
        stock.guest_reads("cat /tmp/typed", "virtio types")
        after = stock.agree("virtio-gpu")
        assert before.rows != after.rows, "typing left the picture as it was"
        stock.stop_viewer()
        # Another viewer, over the same socket: the first one has let it go.
        stock.screen.close()
        stock.view(window=True)
        window = stock.screen.focus()
        stock.screen.tool("windowsize", "--sync", window, 904, 650)
        mode = "cat /sys/class/drm/card0-*/modes | head -n 1"
        stock.guest_reads(mode, "904x650")
        resized = stock.agree("virtio-gpu-resized", width=904)
        assert resized.height == 650
        stock.type_command("echo again >/tmp/typed")
        stock.guest_reads("cat /tmp/typed", "again")
        check_pointer(stock, window, 904, 650)
        # However a viewer ends, QEMU does not mind, and the next one is served.
        stock.viewer.kill()
        stock.viewer.wait()
        stock.screen.close()
        stock.view()
        assert stock.agree("virtio-gpu-again").width == 904
        stock.stop_viewer()


def check_pointer(stock, window, width, height):
    """Position, button and wheel arrive at the guest's tablet, a device of QEMU's own."""
    events = stock.guest.start("hesper-input --grab --device 'QEMU Virtio Tablet'")
    events.wait_for_line('"ready"', 20)

    def seen(code, value, slack=0):
        def look():
            for line in events.lines:
                event = json.loads(line)
                if event.get("code") == code and abs(event["value"] - value) <= slack:
                    return True
            return False
        wait_for(f"{code} {value}", look)

    for x, y in ((100, 50), (width - 1, height - 1), (width // 2, height // 2)):
        stock.screen.tool("mousemove", "--window", window, x, y)
        seen("ABS_X", x * 0x7fff // width, 0x7fff // width + 1)
        seen("ABS_Y", y * 0x7fff // height, 0x7fff // height + 1)
    stock.screen.tool("click", 1)
    seen("BTN_LEFT", 1)
    seen("BTN_LEFT", 0)
    stock.screen.tool("click", 4)
    seen("REL_WHEEL", 1)
    stock.screen.tool("click", 5)
    seen("REL_WHEEL", -1)
    events.signal()


def test_message_bus():
    """The same over a message bus; and when QEMU goes, the viewer ends, at once and in order."""
    if shutil.which("dbus-daemon") is None:
        return "no dbus-daemon"
    with Stock("-device", "VGA", bus=True) as stock:
        stock.view()
        stock.agree("bus", width=720)
        stock.qmp.run("quit")
        assert stock.viewer.wait(10) == 0, "the viewer failed with QEMU's end"
        assert stock.summary()["frames_presented"] > 0
    return None


def words(command):
    done = subprocess.run([program("HESPER_VIEW"), "--headless", *command], text=True,
                          stderr=subprocess.PIPE, timeout=30)
    assert done.returncode == 1, f"{command}: {done.returncode}"
    return done.stderr


def expect_words(command, *wanted):
    text = words(command)
    for one in wanted:
        assert one in text, f"{command} says:\n{text}"


def test_words():
    """What does not work is said, with what to do about it."""
    with Stock("-device", "VGA", bus=True) as stock:
        # On a bus, not between peers.
        expect_words(["--qmp", stock.path("qmp-viewer")], "does not share its display",
                     "-display dbus,p2p=yes")
        # The test's own connection has this one.
        expect_words(["--qmp", stock.path("qmp")], "Another program is connected")
        expect_words(["--qmp", stock.path("nothing")], "cannot connect")
        expect_words(["--bus", f"unix:path={stock.path('nothing')}"], "cannot connect")
        expect_words(["--bus", stock.address, "--console", "9"], "no console 9")
        stock.qmp.run("quit")
        stock.qemu.wait(20)
        expect_words(["--bus", stock.address], "no machine is on the bus")
    with Stock("-device", "VGA", "-display", "none") as stock:
        expect_words(["--qmp", stock.path("qmp-viewer")], "-display dbus,p2p=yes")


if __name__ == "__main__":
    missing = [tool for tool in ("Xvfb", "cwm", "xdotool") if shutil.which(tool) is None]
    if missing:
        print(f"1..0 # SKIP no {', '.join(missing)} on this machine")
        sys.exit(SKIP)
    sys.exit(machine.run_tests([
        test_vga_firmware, test_vga_text_console, test_vga_pixels, test_virtio_gpu,
        test_message_bus, test_words]))
