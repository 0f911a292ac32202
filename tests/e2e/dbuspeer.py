# SPDX-License-Identifier: MIT
"""A D-Bus client for peer-to-peer sockets, as small as the tests need: method calls with plain
arguments, and properties. Written from the specification, not with the library that hesper uses.

    peer = Peer("/path/of/the/display/socket")
    peer.call(console(0), "org.qemu.Display1.Console", "SetUIInfo", "qqiiuu", 0, 0, 0, 0, 800, 600)
    peer.get(console(0), "org.qemu.Display1.Console", "Width")
"""

import os
import socket
import struct

PLAIN = {"y": (1, "B"), "b": (4, "I"), "n": (2, "h"), "q": (2, "H"), "i": (4, "i"), "u": (4, "I"),
         "x": (8, "q"), "t": (8, "Q"), "d": (8, "d")}


class PeerError(Exception):
    pass


def console(number):
    return f"/org/qemu/Display1/Console_{number}"


def _pad(data, alignment):
    data.extend(b"\0" * (-len(data) % alignment))


def _write(data, kind, value):
    if kind in PLAIN:
        size, letter = PLAIN[kind]
        _pad(data, size)
        data.extend(struct.pack("<" + letter, value))
    elif kind in "so":
        _pad(data, 4)
        text = value.encode()
        data.extend(struct.pack("<I", len(text)) + text + b"\0")
    elif kind == "g":
        data.extend(bytes([len(value)]) + value.encode() + b"\0")
    else:
        raise PeerError(f"type {kind} is not written here")


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def read(self, signature):
        """One value of a signature; returns it and the signature's rest."""
        kind, rest = signature[0], signature[1:]
        if kind in PLAIN:
            size, letter = PLAIN[kind]
            self._align(size)
            value = struct.unpack_from("<" + letter, self.data, self.at)[0]
            self.at += size
            return (bool(value) if kind == "b" else value), rest
        if kind in "so":
            length = self.read("u")[0]
            return self._text(length), rest
        if kind == "g":
            length = self.data[self.at]
            self.at += 1
            return self._text(length), rest
        if kind == "v":
            return self.read(self.read("g")[0])[0], rest
        if kind == "a":
            length = self.read("u")[0]
            self._align(8 if rest[0] in "xtd({" else PLAIN.get(rest[0], (4,))[0])
            end, values, after = self.at + length, [], rest[1:]
            while self.at < end:
                value, after = self.read(rest)
                values.append(value)
            return values, after
        raise PeerError(f"type {signature} is not read here")

    def _align(self, size):
        self.at += -self.at % size

    def _text(self, length):
        text = self.data[self.at:self.at + length].decode()
        self.at += length + 1
        return text


class Peer:
    def __init__(self, path, timeout=10):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._serial = 0
        uid = str(os.getuid()).encode().hex()
        self._socket.sendall(b"\0AUTH EXTERNAL " + uid.encode() + b"\r\n")
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += self._socket.recv(1)
        if not answer.startswith(b"OK "):
            raise PeerError(f"not let in: {answer}")
        self._socket.sendall(b"BEGIN\r\n")

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def call(self, path, interface, member, signature="", *values):
        """The values of the answer; PeerError when it is an error."""
        self._serial += 1
        body = bytearray()
        for kind, value in zip(signature, values, strict=True):
            _write(body, kind, value)
        fields = bytearray()
        for code, kind, value in ((1, "o", path), (2, "s", interface), (3, "s", member),
                                  (8, "g", signature)):
            if value:
                _pad(fields, 8)
                fields.append(code)
                _write(fields, "g", kind)
                _write(fields, kind, value)
        message = bytearray(struct.pack("<BBBBIII", ord("l"), 1, 0, 1, len(body), self._serial,
                                        len(fields)))
        message.extend(fields)
        _pad(message, 8)
        self._socket.sendall(message + body)
        return self._answer(self._serial, member)

    def get(self, path, interface, name):
        return self.call(path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, name)[0]

    def set_ui_info(self, head, width, height, width_mm=0, height_mm=0):
        self.call(console(head), "org.qemu.Display1.Console", "SetUIInfo", "qqiiuu", width_mm,
                  height_mm, 0, 0, width, height)

    def set_monitor(self, head, width, height, width_mm=0, height_mm=0, refresh_mhz=0):
        self.call(console(head), "org.hesper.Display1.Console", "SetMonitor", "uuuuu", width,
                  height, width_mm, height_mm, refresh_mhz)

    def _receive(self, size):
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise PeerError("the connection was closed")
            data += piece
        return data

    def _answer(self, serial, member):
        while True:
            header = self._receive(16)
            _, kind, _, _, body_size, _, fields_size = struct.unpack("<BBBBIII", header)
            fields = _Reader(self._receive(fields_size + -fields_size % 8)[:fields_size])
            body = self._receive(body_size)
            answers, signature, error = None, "", ""
            while fields.at < fields_size:
                fields.at += -fields.at % 8
                code = fields.read("y")[0]
                value = fields.read("v")[0]
                if code == 5:
                    answers = value
                elif code == 8:
                    signature = value
                elif code == 4:
                    error = value
            if answers != serial:
                continue  # a signal, or nothing of ours
            reader, values = _Reader(body), []
            while signature:
                value, signature = reader.read(signature)
                values.append(value)
            if kind == 3:
                raise PeerError(f"{member}: {error}: {' '.join(map(str, values))}")
            return values
