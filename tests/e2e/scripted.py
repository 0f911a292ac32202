# SPDX-License-Identifier: MIT
"""A viewer in plain Python that is as slow, as silent or as quick as a test wants it to be. It looks at
no pixel: it takes messages, notes when, and answers when it is told to. It shares no code with
hesper's own client but what peer.py writes and reads.

    viewer = ScriptedViewer(machine.path("display"), answer_after=10)
    viewer.updates    # when each picture came, time.monotonic()
    viewer.close()
"""

import array
import fcntl
import os
import select
import socket
import struct
import termios
import threading
import time

from peer import CALL, ERROR, RETURN, Peer, PeerError, Reader, Writer

MAP = "org.qemu.Display1.Listener.Unix.Map"
DMABUF2 = "org.qemu.Display1.Listener.Unix.ScanoutDMABUF2"
PICTURES = ("UpdateDMABUF", "UpdateMap", "Update", "Scanout")


class FdPeer(Peer):
    """One that may send descriptors."""

    def _introduce(self):
        self._sock.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        answer = self._line()
        if not answer.startswith(b"AGREE_UNIX_FD"):
            raise PeerError(f"no descriptors: {answer}")

    def register(self, console, sock):
        path = f"/org/qemu/Display1/Console_{console}"
        # sd-bus takes no descriptor together with the last of the introduction.
        self.get(path, "org.qemu.Display1.Console", "Label")
        self._serial += 1
        body = struct.pack("<I", 0)
        fields = Writer()
        for code, kind, value in ((1, "o", path), (2, "s", "org.qemu.Display1.Console"),
                                  (3, "s", "RegisterListener"), (8, "g", "h"), (9, "u", 1)):
            fields.align(8)
            fields.put("y", code)
            fields.put("g", kind)
            fields.put(kind, value)
        head = struct.pack("<cBBBIII", b"l", CALL, 0, 1, len(body), self._serial,
                           len(fields.data))
        data = head + fields.data + bytes(-len(fields.data) % 8) + body
        self._sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                     array.array("i", [sock.fileno()]))])
        return self._wait("RegisterListener", self._serial)

    def _wait(self, member, serial):
        while True:
            kind, answers, header, body = self._message()
            if kind == ERROR and answers == serial:
                raise PeerError(f"{member}: {header.get(4)}: {Reader(body).take('s')}")
            if kind == RETURN and answers == serial:
                return Reader(body)


class ScriptedViewer:
    """answer_after: seconds from a picture to its answer; None: never. bytes_a_second: how fast it
    reads; 0: not at all. interfaces: what it says it can take. greet: before that, it reads until it
    could say so. By default it is quick."""

    def __init__(self, path, console=0, answer_after=0.0, bytes_a_second=None,
                 interfaces=(MAP, DMABUF2), greet=False):
        self.updates = []  # appended to by the thread alone
        self.members = {}
        self._answer_after = answer_after
        self._rate, self._later = (None, bytes_a_second) if greet else (bytes_a_second, None)
        self._interfaces = interfaces
        self._data = b""
        self._fds = []  # that came, for messages yet to be taken
        self._due = []  # (when, bytes)
        self._serial = 0
        self._peer = FdPeer(path)
        self._sock, theirs = socket.socketpair()
        self._wake, self._ended = os.pipe()
        try:
            self._peer.register(console, theirs)
        finally:
            theirs.close()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        os.close(self._ended)
        self._thread.join()
        os.close(self._wake)
        self._sock.close()
        self._peer.close()
        for fd in self._fds:
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def stop_reading(self):
        """What is under way may still be read."""
        self._rate = 0

    def unread(self):
        """Bytes that wait for it."""
        size = array.array("i", [0])
        fcntl.ioctl(self._sock, termios.FIONREAD, size)
        return size[0]

    def since(self, when):
        """How many pictures have come since then."""
        return sum(at >= when for at in list(self.updates))

    def next_after(self, when, count=1):
        """When the count-th picture after `when` came; None when it has not."""
        later = [at for at in list(self.updates) if at > when]
        return later[count - 1] if len(later) >= count else None

    def _run(self):
        self._sock.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() +
                           b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
        lines = 2  # the answers to these
        try:
            while self._step():
                while lines and b"\r\n" in self._data:
                    self._data = self._data.split(b"\r\n", 1)[1]
                    lines -= 1
                while not lines and self._take():
                    pass
        except OSError:
            pass  # hesperd went, or closed the connection

    def _step(self):
        """Waits until there is something to do. False: it is the end."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            self._sock.sendall(self._due.pop(0)[1])
        reads = [self._wake] if self._rate == 0 else [self._wake, self._sock]
        left = max(0, self._due[0][0] - now) if self._due else 1
        ready = select.select(reads, [], [], left)[0]
        if self._wake in ready:
            return False
        if self._sock in ready:
            data, ancillary, _, _ = self._sock.recvmsg(self._rate or 65536, 1024)
            for level, kind, fds in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    self._fds += array.array("i", fds[:len(fds) // 4 * 4])
            if not data:
                return False
            self._data += data
            if self._rate:
                return not select.select([self._wake], [], [], 1)[0]
        return True

    def _take(self):
        """One message out of what was read; False: it is not whole."""
        if len(self._data) < 16:
            return False
        _, kind, flags, _, body, serial, fields = struct.unpack_from("<BBBBIII", self._data)
        size = 16 + (fields + 7) // 8 * 8 + body
        if len(self._data) < size:
            return False
        reader, header = Reader(self._data), {}
        reader.at = 16
        while reader.at < 16 + fields:
            reader.at += -reader.at % 8
            code = reader.take("y")
            header[code] = reader.take("v")
        self._data = self._data[size:]
        count = header.get(9, 0)
        fds, self._fds = self._fds[:count], self._fds[count:]
        reader.at = size - body
        if kind == CALL:
            self.called(header.get(3), reader, fds)
            self._answer(header.get(3), serial)
        for fd in fds:
            os.close(fd)
        return True

    def called(self, member, arguments, fds):
        """For those who do look at something: before it is answered. The descriptors are closed after
        that."""

    def _answer(self, member, serial):
        self.members[member] = self.members.get(member, 0) + 1
        after = 0
        if member in PICTURES:
            self.updates.append(time.monotonic())
            after = self._answer_after
        if after is not None:
            signature, body = ("v", self._interfaces_value()) if member == "Get" else ("", b"")
            if member == "Get" and self._later is not None:
                self._rate = self._later
            self._due.append((time.monotonic() + after, self._reply(serial, signature, body)))
            self._due.sort(key=lambda due: due[0])

    def _interfaces_value(self):
        body, names = Writer(), Writer()
        body.put("g", "as")
        body.align(4)
        for name in self._interfaces:
            names.put("s", name)
        body.put("u", len(names.data))
        body.data += names.data
        return body.data

    def _reply(self, serial, signature, body):
        self._serial += 1
        fields = Writer()
        fields.put("y", 5)
        fields.put("g", "u")
        fields.put("u", serial)
        if signature:
            fields.align(8)
            fields.put("y", 8)
            fields.put("g", "g")
            fields.put("g", signature)
        head = struct.pack("<cBBBIII", b"l", RETURN, 0, 1, len(body), self._serial,
                           len(fields.data))
        return head + fields.data + bytes(-len(fields.data) % 8) + body
