# SPDX-License-Identifier: MIT
"""X servers for tests: Xvfb, and Xorg without any hardware but a touch screen that the test plays."""

import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import time

WIDTH, HEIGHT = 1600, 1000

XORG_CONFIG = """
Section "ServerFlags"
	Option "AutoAddDevices" "false"
	Option "AutoEnableDevices" "false"
	Option "DontVTSwitch" "true"
EndSection
Section "Monitor"
	Identifier "monitor"
	HorizSync 5.0 - 1000.0
	VertRefresh 5.0 - 200.0
	Modeline "screen" 132.25 {width} {hs} {he} {ht} {height} 1003 1009 1038
EndSection
Section "Device"
	Identifier "card"
	Driver "dummy"
	VideoRam 65536
EndSection
Section "Screen"
	Identifier "screen"
	Device "card"
	Monitor "monitor"
	DefaultDepth 24
	SubSection "Display"
		Depth 24
		Modes "screen"
		Virtual {width} {height}
	EndSubSection
EndSection
Section "InputDevice"
	Identifier "touch"
	Driver "inputtest"
	Option "SocketPath" "{socket}"
	Option "DeviceType" "Touch"
EndSection
Section "ServerLayout"
	Identifier "layout"
	Screen "screen"
	InputDevice "touch"
EndSection
"""


class XServer:
    """One X server with a window manager. touch=True: Xorg and a touch screen; OSError with a
    reason when it cannot run here."""

    def __init__(self, touch=False):
        self.dir = tempfile.mkdtemp(prefix="hesper-x-")
        self.clients = []
        self.touch_path = os.path.join(self.dir, "touch")
        read, write = os.pipe()
        with open(os.path.join(self.dir, "output"), "wb") as output:
            self.server = subprocess.Popen(self._command(touch) + ["-displayfd", str(write)],
                                           pass_fds=[write], stdout=output, stderr=output)
        os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()
        if not number:
            self.server.wait()
            raise OSError(self._why())
        self.display = f":{number}"
        self.env = {"DISPLAY": self.display, "WAYLAND_DISPLAY": "", "SDL_VIDEODRIVER": "x11"}
        config = os.path.join(self.dir, "cwmrc")
        with open(config, "w") as file:
            file.write("unbind-key all\nunbind-mouse all\nbind-key M-Tab window-cycle\n")
        self.start("cwm", "-c", config)

    def _command(self, touch):
        if not touch:
            return ["Xvfb", "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp", "-noreset"]
        config = os.path.join(self.dir, "xorg.conf")
        with open(config, "w") as file:
            file.write(XORG_CONFIG.format(width=WIDTH, hs=WIDTH + 96, he=WIDTH + 264,
                                          ht=WIDTH + 528, height=HEIGHT,
                                          socket=self.touch_path))
        # Not the wrapper in /usr/bin, which only lets people at a console in.
        server = "/usr/lib/xorg/Xorg"
        return [server if os.path.exists(server) else "Xorg", "-config", config,
                "-logfile", os.path.join(self.dir, "log"), "-nolisten", "tcp", "-noreset",
                "-novtswitch", "-sharevts"]

    def _why(self):
        text = ""
        for name in ("log", "output"):
            path = os.path.join(self.dir, name)
            if os.path.exists(path):
                with open(path, errors="replace") as file:
                    text += file.read()
        words = re.findall(r"\(EE\) *(\S.*)", text) or text.splitlines()[-1:]
        return "; ".join(words[:3]) or f"it ended with {self.server.returncode}"

    def start(self, *command):
        process = subprocess.Popen(command, env=dict(os.environ, **self.env),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.clients.append(process)
        return process

    def run(self, *command, timeout=60):
        return subprocess.run(command, env=dict(os.environ, **self.env), check=True, text=True,
                              stdout=subprocess.PIPE, timeout=timeout).stdout

    def xdotool(self, *arguments):
        return self.run("xdotool", *[str(argument) for argument in arguments])

    def windows(self):
        """Number → title of the windows that have one."""
        text = self.run("xwininfo", "-root", "-tree")
        return {int(number, 16): title for number, title in
                re.findall(r'^ +(0x[0-9a-f]+) "(.*)": \(', text, re.MULTILINE)}

    def title(self, window):
        return self.windows()[window]

    def find(self, title, timeout=60):
        """The number of the visible window whose title begins so."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            for number, words in self.windows().items():
                if words.startswith(title) and "IsViewable" in self.run("xwininfo", "-id",
                                                                        str(number)):
                    return number
            time.sleep(0.05)
        raise AssertionError(f"no window {title!r} in {timeout} s: {self.windows()}")

    def focus(self, window, timeout=10):
        self.xdotool("windowraise", window, "windowfocus", window)
        end = time.monotonic() + timeout
        while int(self.xdotool("getwindowfocus")) != window:
            if time.monotonic() > end:
                raise AssertionError(f"window {window} does not get the focus")
            time.sleep(0.02)

    def place(self, window):
        """x, y, width, height of its inside."""
        text = self.run("xwininfo", "-id", str(window))
        x, y, width, height, border = (
            int(re.search(pattern + r": +(-?\d+)", text).group(1)) for pattern in
            ("Absolute upper-left X", "Absolute upper-left Y", "Width", "Height", "Border width"))
        return x + border, y + border, width, height

    def close(self):
        for process in reversed(self.clients):
            if process.poll() is None:
                process.kill()
            process.wait()
        self.server.terminate()
        try:
            self.server.wait(10)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class TouchScreen:
    """The other end of Xorg's inputtest driver (inputtestdrv(4); the structs are those of its
    xf86-input-inputtest-protocol.h, version 1.1). Positions are pixels of the screen."""

    BEGIN, UPDATE, END = 18, 19, 20  # XI_TouchBegin and so on, XI2.h
    CLIENT_VERSION, WAIT_FOR_SYNC, TOUCH = 0, 1, 6
    VALUATORS = 64
    AXIS_MAX = 0xffff

    def __init__(self, server):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(10)
        self._sock.connect(server.touch_path)
        self._send(self.CLIENT_VERSION, struct.pack("=HH", 1, 1))
        self._answer(0, 12)

    def _send(self, kind, body):
        self._sock.sendall(struct.pack("=II", 8 + len(body), kind) + body)

    def _answer(self, kind, size):
        data = b""
        while len(data) < size:
            more = self._sock.recv(size - len(data))
            assert more, "Xorg closed the touch screen's socket"
            data += more
        assert struct.unpack("=II", data[:8]) == (size, kind), data

    def touch(self, kind, finger, x, y):
        """Returns when the server has dealt with it."""
        places = [x * self.AXIS_MAX / (WIDTH - 1), y * self.AXIS_MAX / (HEIGHT - 1)]
        valuators = struct.pack("=I8s4x64d64d", 0, b"\x03", *places,
                                *[0.0] * (2 * self.VALUATORS - 2))
        self._send(self.TOUCH, struct.pack("=II", finger, kind) + valuators)
        self._send(self.WAIT_FOR_SYNC, b"")
        self._answer(1, 8)

    def close(self):
        self._sock.close()
