"""The log of security events on flash: two files of lines, the older one goes when the newer is
full. In it, and over power cuts, stands from which line on they are still to be told.

A line: "number time_s told event text". number: 1 and up; time_s is negative until the clock is
set (clock.py); told: 1 where it is to be told, else 0; event: a number (station/security.py)."""

import os
from micropython import const

_FULL = const(4000)  # bytes of one file
_TEXT = const(120)  # bytes of a line's text
_BLOCK = const(512)  # bytes that are looked at at once
_LOOK = const(48)  # lines back, for who comes too often
_ENOENT = const(2)


def log(folder, now_s, cleared):
    """The log in `folder`, which it makes, at the instant `now_s`. Lines are (number, time_s,
    told, event, text). One that cannot be read at all is begun anew, with a line of the event
    `cleared`, and `lost` is set. Each of its functions raises OSError."""
    return _Log(folder, now_s, cleared)


class _Log:
    def __init__(self, folder, now_s, cleared):
        self._folder, self._now_s, self._cleared = folder, now_s, cleared
        self._path, self._old = folder + "/security.log", folder + "/security.old"
        self._mark = folder + "/security.untold"
        self.lost = False

    def add(self, event, text, told, every_s):
        """Add a line; True: it is there. `told`: it is to be told; every_s: not where there was
        one of that event within so many seconds."""
        number = looked = 0
        kind = b" %d %d " % (told, event)
        pieces = self._pieces()
        for piece in pieces:
            lines = piece.split(b"\n")
            if not number:
                newest = _some(reversed(lines))
                if not newest:
                    continue
                number = newest[0]
            if not every_s:
                break
            for line in lines if kind in piece else ():
                line = _parsed(line)
                if line and line[3] == event and abs(self._now_s - line[1]) < every_s:
                    pieces.close()
                    return False
            looked += len(lines)
            oldest = _some(lines)
            if looked > _LOOK or oldest and abs(self._now_s - oldest[1]) >= every_s:
                break
        pieces.close()
        number += 1
        if self._size is None and number == 1:
            _make(self._folder)
        elif self._size and self._size > _FULL:
            os.rename(self._path, self._old)
        if told and self.untold() is None:
            self._put(number)
        with open(self._path, "ab") as f:
            f.write(_line(number, self._now_s, told, event, text))
        return True

    def lines(self):
        """All lines, the oldest first."""
        yield from self._lines(self._old)
        yield from self._lines(self._path)

    def back(self):
        """All lines, the newest first: who looks for one that is new reads little, and close()s
        this when it was found."""
        pieces = self._pieces()
        try:
            for piece in pieces:
                for line in reversed(piece.split(b"\n")):
                    line = _parsed(line)
                    if line:
                        yield line
        finally:
            pieces.close()

    def _pieces(self):
        # The newest lines first, whole ones, those of half a KB at once. self._size: bytes of the
        # newer file, or None.
        self._size = None
        for path in (self._path, self._old):
            try:
                rest = b""
                with open(path, "rb") as f:
                    left = f.seek(0, 2)
                    if path == self._path:
                        self._size = left
                    while left:
                        at = max(0, left - _BLOCK)
                        f.seek(at)
                        piece, left, rest = f.read(left - at) + rest, at, b""
                        if at:
                            rest, _, piece = piece.partition(b"\n")
                        yield piece
            except OSError as e:
                if self._failed(e):
                    yield from self._pieces()
                    return

    def untold(self):
        """The number from which on lines are still to be told, or None."""
        try:
            with open(self._mark) as f:
                text = f.read()
            # (empty, it was being made when the power failed: before the line was there)
            return int(text) if text else None
        except OSError:
            return None
        except ValueError:  # (all of it, rather than none)
            return 0

    def told(self, number):
        """All up to that line is, or there is none."""
        lines = self.back()
        newest = next(lines, None)
        lines.close()
        if newest and newest[0] > number:
            self._put(number + 1)
        else:
            _remove(self._mark)

    def moved(self, jump):
        """The clock is set, and what was noted before it was lies `jump` s later."""
        for path in (self._old, self._path):
            if not any([b" -" in piece for piece in self._whole(path)]):
                continue
            new = path + ".new"
            with open(new, "wb") as f:
                for piece in self._whole(path):
                    if b" -" in piece:
                        lines = piece.split(b"\n")
                        piece = b"\n".join([_later(line, jump) for line in lines])
                    f.write(piece)
            os.rename(new, path)

    def _put(self, number):
        with open(self._mark, "w") as f:
            f.write(str(number))

    def _lines(self, path):
        for piece in self._whole(path):
            for line in piece.split(b"\n"):
                line = _parsed(line)
                if line:
                    yield line

    def _whole(self, path):
        # All of a file, whole lines, those of half a KB at once.
        try:
            with open(path, "rb") as f:
                piece = f.read(_BLOCK) + f.readline()
                while piece:
                    yield piece
                    piece = f.read(_BLOCK) + f.readline()
        except OSError as e:
            self._failed(e)

    def _failed(self, e):
        # A file is not there yet; or (True) it cannot be read: all is lost, that of both files.
        if e.errno == _ENOENT:
            return False
        self.lost = True
        for path in (self._mark, self._old, self._path):
            _remove(path)
        return self.add(self._cleared, "it could not be read: %s" % e, 1, 0)


def _make(folder):
    try:
        os.mkdir(folder)
    except OSError as e:
        if e.errno != 17:  # (EEXIST)
            raise


def _remove(path):
    try:
        os.remove(path)
    except OSError as e:
        if e.errno != _ENOENT:
            raise


def _line(number, time_s, told, event, text):
    # (ASCII only, for a person's terminal: docs/memory.md, Names)
    text = bytes([b if 32 <= b < 127 else 63 for b in text.encode()[:_TEXT]])
    return b"%d %d %d %d %s\n" % (number, time_s, told, event, text)


def _some(lines):  # the first of them that can be read, or None
    for line in lines:
        line = _parsed(line)
        if line:
            return line
    return None


def _later(line, jump):  # if its time is not that of a clock that was set
    words = line.split(b" ", 2)
    try:
        time_s = int(words[1])
        return b"%s %d %s" % (words[0], time_s + jump, words[2]) if time_s < 0 else line
    except (IndexError, ValueError):
        return line


def _parsed(line):  # None: it is damaged, or cut
    words = line.split(b" ", 4)
    try:
        return tuple([int(word) for word in words[:4]]) + (words[4].decode(),)
    except (IndexError, ValueError):
        return None
