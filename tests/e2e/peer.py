# SPDX-License-Identifier: MIT
"""A D-Bus peer in plain Python, for what tests say to org.qemu.Display1: methods with arguments of
basic types, properties, and no daemon in between. It shares no code with hesper's own client.

    peer = Peer("/path/of/the/display.sock")
    peer.call("/org/qemu/Display1/Console_0", "org.qemu.Display1.Keyboard", "Press", "u", 30)
"""

import os
import socket
import struct

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY = 1
FIXED = {"y": ("B", 1), "b": ("I", 4), "n": ("h", 2), "q": ("H", 2), "i": ("i", 4), "u": ("I", 4),
         "x": ("q", 8), "t": ("Q", 8), "d": ("d", 8)}


class PeerError(Exception):
    pass


class Writer:
    def __init__(self):
        self.data = b""

    def align(self, size):
        self.data += bytes(-len(self.data) % size)

    def put(self, kind, value):
        if kind in FIXED:
            code, size = FIXED[kind]
            self.align(size)
            self.data += struct.pack("<" + code, value)
        elif kind == "g":
            self.data += bytes([len(value)]) + value.encode() + b"\0"
        else:
            raw = value.encode()
            self.put("u", len(raw))
            self.data += raw + b"\0"


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, kind):
        if kind in FIXED:
            code, size = FIXED[kind]
            self.at += -self.at % size
            value = struct.unpack_from("<" + code, self.data, self.at)[0]
            self.at += size
            return bool(value) if kind == "b" else value
        if kind == "v":
            return self.take(self.take("g"))
        if kind[0] == "a" and kind[1] in "suogy":
            length = self.take("u")
            end = self.at + length
            items = []
            while self.at < end:
                items.append(self.take(kind[1]))
            return items
        length = self.take("y" if kind == "g" else "u")
        value = self.data[self.at:self.at + length].decode()
        self.at += length + 1
        return value


class Peer:
    def __init__(self, path, timeout=20):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(timeout)
        self._sock.connect(path)
        self._serial = 0
        self._data = b""
        uid = str(os.getuid()).encode().hex().encode()
        self._sock.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\n")
        answer = self._line()
        if not answer.startswith(b"OK"):
            raise PeerError(f"not let in: {answer}")
        self._introduce()
        self._sock.sendall(b"BEGIN\r\n")

    def _introduce(self):
        """For those who want to agree on more."""

    def close(self):
        self._sock.close()

    def _more(self):
        data = self._sock.recv(65536)
        if not data:
            raise PeerError("the peer is gone")
        self._data += data

    def _line(self):
        while b"\r\n" not in self._data:
            self._more()
        line, self._data = self._data.split(b"\r\n", 1)
        return line

    def _bytes(self, count):
        while len(self._data) < count:
            self._more()
        data, self._data = self._data[:count], self._data[count:]
        return data

    def _message(self):
        """kind, serial of the call it answers, header fields, body."""
        start = self._bytes(16)
        _, kind, _, _, body, _, fields = struct.unpack("<BBBBIII", start)
        rest = self._bytes((fields + 7) // 8 * 8 + body)
        reader = Reader(start + rest)
        reader.at = 16
        header = {}
        while reader.at < 16 + fields:
            reader.at += -reader.at % 8
            code = reader.take("y")
            header[code] = reader.take("v")
        return kind, header.get(5), header, rest[len(rest) - body:]

    def send(self, path, interface, member, signature="", *arguments, flags=0):
        self._serial += 1
        body = Writer()
        for kind, value in zip(signature, arguments):
            body.put(kind, value)
        fields = Writer()
        for code, kind, value in ((1, "o", path), (2, "s", interface), (3, "s", member),
                                  (8, "g", signature)):
            if kind == "g" and not value:
                continue
            fields.align(8)
            fields.put("y", code)
            fields.put("g", kind)
            fields.put(kind, value)
        head = struct.pack("<cBBBIII", b"l", CALL, flags, 1, len(body.data), self._serial,
                           len(fields.data))
        self._sock.sendall(head + fields.data + bytes(-len(fields.data) % 8) + body.data)
        return self._serial

    def call(self, path, interface, member, signature="", *arguments):
        """Waits for the answer: its Reader, or PeerError. Signals that come before are dropped."""
        serial = self.send(path, interface, member, signature, *arguments)
        while True:
            kind, answers, header, body = self._message()
            if kind == ERROR and answers == serial:
                raise PeerError(f"{member}: {header.get(4)}: {Reader(body).take('s')}")
            if kind == RETURN and answers == serial:
                return Reader(body)

    def get(self, path, interface, name):
        return self.call(path, "org.freedesktop.DBus.Properties", "Get", "ss", interface,
                         name).take("v")


class Console:
    """One console of a machine, as a person uses it."""

    def __init__(self, peer, number=0):
        self._peer = peer
        self._path = f"/org/qemu/Display1/Console_{number}"

    def _call(self, interface, *rest):
        self._peer.call(self._path, f"org.qemu.Display1.{interface}", *rest)

    def get(self, interface, name):
        return self._peer.get(self._path, f"org.qemu.Display1.{interface}", name)

    def key(self, qnum, down):
        self._call("Keyboard", "Press" if down else "Release", "u", qnum)

    def button(self, number, down):
        self._call("Mouse", "Press" if down else "Release", "u", number)

    def move_to(self, x, y):
        self._call("Mouse", "SetAbsPosition", "uu", x, y)

    def send_move_to(self, x, y):
        """Does not wait for the answer."""
        self._peer.send(self._path, "org.qemu.Display1.Mouse", "SetAbsPosition", "uu", x, y,
                        flags=NO_REPLY)

    def move_by(self, dx, dy):
        """QEMU's own method, where the pointer is relative; hesper's works always."""
        if self.get("Mouse", "IsAbsolute"):
            self._peer.call(self._path, "org.hesper.Display1.Console", "RelMotion", "ii", dx, dy)
        else:
            self._call("Mouse", "RelMotion", "ii", dx, dy)

    def scroll(self, dx, dy):
        self._peer.call(self._path, "org.hesper.Display1.Console", "Scroll", "ii", dx, dy)

    def touch(self, kind, slot, x=0.0, y=0.0):
        self._call("MultiTouch", "SendEvent", "utdd", kind, slot, x, y)
