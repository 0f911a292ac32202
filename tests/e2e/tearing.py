# SPDX-License-Identifier: MIT
"""A viewer that looks for torn pictures: it reads hesper-cube's --pattern (guest/app/pattern.c) out of the
guest's own buffer, row by row, as slowly as it is told to, and answers when it has read the last."""

import mmap
import time

from scripted import ScriptedViewer

COLUMNS = 8
# For one that takes longer hesperd holds nobody back (HOLD_MS, of which a picture may wait one half).
LATE = 0.02
# So many pictures in time before it is believed again (TIMELY_ENOUGH), and those under way.
TIMELY = 6


class TearingViewer(ScriptedViewer):
    """rows: of the pattern. seconds: that it takes to read a picture. early: it answers before it reads,
    as one does that lies."""

    def __init__(self, path, rows, seconds, **named):
        self._rows, self._seconds = rows, seconds
        self._memory = None
        self._forgiven = 0  # pictures since it was late
        self._shape = None
        self.pictures = self.torn = self.late = 0
        self.examples = []  # of torn pictures: the frames of its rows
        super().__init__(path, **named)

    def called(self, member, arguments, fds):
        if member == "ScanoutMap":
            arguments.take("u")  # the descriptor's place in fds
            self._shape = [arguments.take("u") for _ in range(5)]
            if self._memory is not None:
                self._memory.close()
            self._memory = mmap.mmap(fds[0], 0, prot=mmap.PROT_READ)
        elif member == "UpdateMap":
            self._read()

    def _row(self, row):
        """The number that a row shows; None when it shows no pattern."""
        offset, width, height, stride, _ = self._shape
        y = (2 * row + 1) * height // (2 * self._rows)
        number = 0
        for column in range(COLUMNS):
            at = offset + y * stride + (2 * column + 1) * width // (2 * COLUMNS) * 4
            blue, green, red = self._memory[at:at + 3]
            for bit, channel in enumerate((red, green, blue)):
                if channel not in (32, 224):
                    return None
                number |= (channel == 224) << (3 * column + bit)
        return (number - row) & 0xffffff

    def _read(self):
        start = time.monotonic()
        seen = []
        for row in range(self._rows):
            rest = start + self._seconds * row / self._rows - time.monotonic()
            if rest > 0:
                time.sleep(rest)
            seen.append(self._row(row))
        if None in seen:
            return  # the text console
        if time.monotonic() - start > LATE:
            self.late += 1
            self._forgiven = 0
            return
        self._forgiven += 1
        if self._forgiven <= TIMELY:
            return
        self.pictures += 1
        if len(set(seen)) > 1:
            self.torn += 1
            self.examples = (self.examples + [seen])[-3:]
