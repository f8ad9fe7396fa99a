"""A queue on flash of rows (rows.py), numbered in rising order. Must not know what they mean.

A row goes to the end of a small file, which LittleFS keeps inline in the directory: 0.03 erases.
Eight small files are joined to a block of the flash, 1.5 erases for some 55 rows. Files have the
number of their first row as a name. rows.py has the bytes."""

import errno
import os
from binascii import crc32
from micropython import const

from firmware import lazy

from .rows import SMALL, pack, read

_FILES = const(8)  # as many small ones are joined: four times into a block
_ALONE = const(0x80)  # of rows.py


class Queue:
    """A queue of rows, (number, ...). Durable when a method returns; OSError: the flash is full.
    `last`: the highest number that was ever there, if that is known. Else for resume.py."""

    def __init__(self, path, mark, spare, log):
        """In folder `path`, by files that begin with `mark`, a letter; leaves `spare` blocks."""
        self.prefix = path + "/" + mark
        self.spare, self.log = spare, log
        self.files = []  # the numbers of their first rows
        self.small = 0  # how many small ones there are, at the end of it
        self.size = 0  # bytes in the last small one; 0: the next row begins another
        self.row = ()  # the row at its end
        self.at = 0  # the next row is read there in the first file,
        self.before = ()  # behind this one,
        self.next = None  # if this is not it already
        self.answered = 0  # rows with lower numbers are; on flash in the file `mark`
        self.last = 0

    def add(self, row):
        """Put `row` at the end; its number is higher than all before. OSError: no room."""
        data = pack(row, self.row) if self.size else b""
        if not data or self.size + 2 + len(data) > SMALL:
            data = pack(row)
            if len(data) >= _ALONE:
                raise OSError(errno.EINVAL)  # it is too long
            self.size = 0
            if self.small >= _FILES:
                lazy.load("storage.resume").join(self)
            name, head = row[0], _ALONE | len(data)
        else:
            name, head = self.files[-1], len(data)
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
        self.row, self.last = row, row[0]

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
                self.drop(False)
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

    def drop(self, anew):
        """Remove the oldest file; -> the numbers of its first row and of the next file's, or None.
        `anew`: write to it before: so LittleFS looks for room again, which for a new file it does
        not."""
        if not self.files:
            return None
        name = self.files.pop(0)
        if anew:
            try:
                with open(self.prefix + str(name), "ab") as f:
                    f.write(b"x")
            except OSError:
                pass  # (there is no room for it: that is enough)
        self.remove(name)
        self.small = min(self.small, len(self.files))
        if not self.small:
            self.size = 0
        self.at, self.before, self.next = 0, (), None
        return name, self.files[0] if self.files else self.last + 1

    def remove(self, name):
        """Remove the file `name`; for resume.py."""
        try:
            os.remove(self.prefix + str(name))
        except OSError:
            pass  # (it was not even begun, or nothing can be done)
