"""A queue on flash of rows: whole numbers, texts and None, numbered in rising order. Must not know
what they mean.

A row goes to the end of a small file, which LittleFS keeps inline in the directory: 0.03 erases.
Eight small files are joined to a block of the flash, 1.5 erases for some 55 rows. Files have the
number of their first row as a name. On flash a row is its length in a byte (bit 7: it stands
alone), its values, each as the difference from the row before: pack(), and a check byte."""

import errno
import os
from binascii import crc32
from micropython import const

from firmware import lazy

ENOSPC = const(28)  # (MicroPython's errno has no name for it)
SMALL = const(120)  # bytes in a small file; inline are 128
_FILES = const(8)  # as many small ones are joined: four times into a block
_ALONE = const(0x80)


def pack(values, before=()):
    """`values` (int, str or None), knowing those of `before`, as bytes. A value is None (0), as
    before (1), a text (2, its length, itself), or a number: 3 + the difference, zigzag, 7 bits a
    byte with the lowest first."""
    out = bytearray()
    for i, v in enumerate(values):
        old = before[i] if i < len(before) else 0
        if v is None:
            out.append(0)
        elif type(v) is str:
            if v == old:
                out.append(1)
                continue
            text = v.encode()
            out.append(2)
            out.append(len(text))
            out.extend(text)
        else:
            n = v - old if type(old) is int else int(v)
            n = 3 + (n << 1 if n >= 0 else ~n << 1 | 1)
            while n > 127:
                out.append(n & 127 | 128)
                n >>= 7
            out.append(n)
    return out


def unpack(data, before=()):
    """The values of pack(), as a tuple. IndexError or ValueError: it is something else."""
    out = []
    at = 0
    while at < len(data):
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        old = before[len(out)] if len(out) < len(before) else 0
        if n == 2:
            end = at + 1 + data[at]
            if end > len(data):
                raise ValueError("text")
            old = str(data[at + 1 : end], "utf-8")
            at = end
        elif n != 1:
            n -= 3
            old = None if n < 0 else (n >> 1 ^ -(n & 1)) + (old if type(old) is int else 0)
        out.append(old)
    return tuple(out)


def read(f, before):
    """The next row of a file, or None at its end. IndexError or ValueError: it is damaged."""
    head = f.read(1)
    if not head:
        return None
    data = f.read((head[0] & (_ALONE - 1)) + 1)
    if len(data) < 4 or crc32(data[:-1]) & 0xFF != data[-1]:
        raise ValueError("check byte")
    return unpack(data[:-1], () if head[0] & _ALONE else before)


class Queue:
    """A queue of rows, (number, ...). Durable when a method returns; OSError: the flash is full.

    | attribute | meaning |
    |---|---|
    | last | the highest number that was ever there, as far as it is known |

    The others are for queue_files.py."""

    def __init__(self, path, mark, spare, log):
        """In folder `path`; the names of the files begin with `mark`, a letter. `spare` blocks of
        the flash are left to others."""
        self.prefix = path + "/" + mark
        self.spare = spare
        self.log = log
        self.files = []  # the numbers of their first rows
        self.small = 0  # how many small ones there are, at the end of it
        self.big = 0  # bytes in the one before those
        self.size = 0  # bytes in the last small one; 0: the next row begins another
        self.row = ()  # the row at its end
        self.at = 0  # the next row is read there in the first file,
        self.before = ()  # behind this one,
        self.next = None  # if this is not it already
        self.answered = 0  # rows with lower numbers are; on flash in the file `mark`
        self.last = 0

    def add(self, row):
        data = pack(row, self.row) if self.size else b""
        if not data or self.size + 2 + len(data) > SMALL:
            data = pack(row)
            if len(data) >= _ALONE:
                raise OSError(errno.EINVAL)  # it is too long
            self.size = 0
            if self.small >= _FILES:
                lazy.load("storage.queue_files").join(self)
            name = row[0]
            head = _ALONE | len(data)
        else:
            name = self.files[-1]
            head = len(data)
        try:
            with open(self.prefix + str(name), "ab") as f:
                f.write(bytes((head,)) + data + bytes((crc32(data) & 0xFF,)))
        except OSError:
            if not self.size:  # it may be there, and empty
                self.remove(name)
            raise
        if not self.size:
            self.files.append(name)
            self.small += 1
        self.size += 2 + len(data)
        self.row = row
        self.last = row[0]

    def peek(self):
        """The oldest row, or None."""
        while self.next is None and self.files:
            name = self.files[0]
            try:
                with open(self.prefix + str(name), "rb") as f:
                    f.seek(self.at)
                    row = read(f, self.before)
                    while row and row[0] < self.answered:
                        row = read(f, row)
                    self.before = self.next = row
                    self.at = f.tell()
            except (IndexError, ValueError) as e:
                self.log("samples from %d on damaged: %r" % (name, e))
            if self.next is None:
                self.drop()
        return self.next

    def pop(self, number):
        """The row with that number is answered."""
        self.answered = max(self.answered, number + 1)
        files = len(self.files)
        self.next = None
        if self.peek() and len(self.files) == files:
            # (a file that holds nothing else has just gone with it)
            try:
                with open(self.prefix, "wb") as f:
                    f.write(pack((self.answered,)))
            except OSError as e:
                self.log("sample %d: %s" % (number, e))

    def drop(self):
        """Remove the oldest file; -> the numbers of its first row and of the next file's, or None
        where there is nothing."""
        if not self.files:
            return None
        name = self.files.pop(0)
        self.remove(name)
        if self.small > len(self.files):
            self.small -= 1
            if not self.small:
                self.size = 0
        elif self.small == len(self.files):
            self.big = 0
        self.at = 0
        self.before = ()
        self.next = None
        return name, self.files[0] if self.files else self.last + 1

    def remove(self, name):
        try:
            os.remove(self.prefix + str(name))
        except OSError:
            pass  # (it was not even begun, or nothing can be done)
