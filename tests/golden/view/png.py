# SPDX-License-Identifier: MIT
"""Reads the PNG files that hesper-view writes (8 bits, RGB or RGBA) and binary PPM files."""

import struct
import zlib


class Image:
    """rows[y] are the bytes of row y; channels is 3 or 4."""

    def __init__(self, width, height, channels, rows):
        self.width = width
        self.height = height
        self.channels = channels
        self.rows = rows

    def pixel(self, x, y):
        return tuple(self.rows[y][x * self.channels:(x + 1) * self.channels])


def _paeth(left, up, corner):
    estimate = left + up - corner
    by_left, by_up, by_corner = (abs(estimate - v) for v in (left, up, corner))
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner


def _unfilter(kind, row, above, step):
    out = bytearray(row)
    for i in range(len(out)):
        left = out[i - step] if i >= step else 0
        corner = above[i - step] if i >= step else 0
        guess = {0: 0, 1: left, 2: above[i], 3: (left + above[i]) // 2}.get(kind)
        if guess is None:
            guess = _paeth(left, above[i], corner)
        out[i] = (out[i] + guess) & 255
    return bytes(out)


def read_png(path):
    data = open(path, "rb").read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n", path
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", body)
            assert depth == 8 and interlace == 0 and colour in (2, 6)
            channels = 3 if colour == 2 else 4
        elif kind == b"IDAT":
            packed += body
        at += 12 + size
    raw = zlib.decompress(packed)
    line = width * channels
    assert len(raw) == (line + 1) * height
    rows, above = [], bytes(line)
    for y in range(height):
        start = y * (line + 1)
        row = raw[start + 1:start + 1 + line]
        above = row if raw[start] == 0 else _unfilter(raw[start], row, above, channels)
        rows.append(above)
    return Image(width, height, channels, rows)


def read_ppm(path):
    data = open(path, "rb").read()
    fields, at = [], 0
    while len(fields) < 4:
        while data[at:at + 1].isspace():
            at += 1
        if data[at:at + 1] == b"#":
            at = data.index(b"\n", at)
            continue
        end = at
        while not data[end:end + 1].isspace():
            end += 1
        fields.append(data[at:end])
        at = end
    assert fields[0] == b"P6" and fields[3] == b"255", path
    width, height = int(fields[1]), int(fields[2])
    body = data[at + 1:]
    return Image(width, height, 3, [body[y * width * 3:(y + 1) * width * 3] for y in range(height)])
