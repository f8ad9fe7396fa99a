"""A release of the firmware that arrives, as `make release` makes it: docs/updates.md has the
table of its bytes. A sink of network/transfer.py: the header is checked before anything is erased,
then what comes goes into the slot that does not run, and is read back. What is wrong is a
ValueError with one line for a person."""

import asyncio
import hashlib
import os
import re
import sys
from binascii import crc32
from micropython import const

from firmware import lazy

slots = lazy.load("slots")

_MAGIC = const(b"PWUP")
_FORMAT = const(1)
_HEAD = const(96)  # bytes of it, then a signature of at most _SIGNED, then the CRC-32 of both
_SIGNED = const(512)
_ENTRY = const(9)  # of a file: the length of its path, its own, its CRC-32; then the path
_FILES = const(400)
_PATH = const(64)
_DATA = const(4080)  # bytes of a file in a block, at least (LittleFS needs some itself)
_SPARE = const(12)  # blocks that are left to the journal and all else
_BACK = const(256)
_DAMAGED = const("it is damaged")


class Release:
    """`at`: how many bytes of the file were taken; after a broken connection the download goes on
    there. version: its text, once the header is known. `signed`: it must be, by the maker."""

    def __init__(self, signed=False):
        self.at, self.version = 0, ""
        self._signed = signed
        self._skip = 0  # bytes that come again
        self._size = None  # of the whole file
        self._head = self._piece = bytearray()  # of what is being put together,
        self._wants, self._next = _HEAD, self._header  # so long, and what is then called
        self._left = None  # bytes of the payload that have yet to come; None: who knows
        self._hash, self._digest, self._done = hashlib.sha256(), b"", False
        self._all = hashlib.sha256()  # of the whole file
        self._slot = self._half = self._file = None
        self._files = self._blocks = 0  # to come
        self._data = self._coming = self._crc = 0  # of the one that comes; the image is one
        self._path = self._folder = ""

    def begin(self, at, size):
        """What comes now begins at `at`; the whole file has `size` bytes, or None."""
        if at > self.at:
            raise ValueError("its bytes from %d to %d are missing" % (self.at, at))
        self._skip, self._size = self.at - at, size

    async def write(self, data):
        """Take the next bytes, at most 2 KB. One block of the flash is erased at most before all
        else has its turn."""
        n = min(self._skip, len(data))
        self._skip, data = self._skip - n, data[n:]
        try:
            while len(data):
                n = await self._take(data)
                self._all.update(data[:n])
                self.at, data = self.at + n, data[n:]
        except OSError as e:
            raise ValueError("the flash: %s" % e)

    def end(self):
        """The download has ended: the name of the slot that holds all of it, for slots.switch();
        None: bytes are missing."""
        return self._slot if self._done else None

    def digest(self):
        """The SHA-256 of the whole file, once it has ended."""
        return self._all.digest()

    def close(self):
        """Nothing more is to be taken: call it at the end. Raises OSError."""
        file, self._file = self._file, None
        if file:
            file.close()

    async def _take(self, data):
        # Of the bytes `data`; how many.
        if self._left is not None and len(data) > self._left:
            raise ValueError("it is longer than its header says")
        if self._data:
            data = data[: self._data]
            self._data -= len(data)
            self._count(data)
            (self._half or self._file).write(data)
            await asyncio.sleep_ms(0)
            if not self._data and self._file:
                self._compare()
            if not self._left:
                self._whole()
            return len(data)
        data = data[: self._wants - len(self._piece)]
        if self._left is not None:
            self._count(data)
            if not self._left:
                raise ValueError(_DAMAGED)
        self._piece.extend(data)
        if len(self._piece) == self._wants:
            piece, self._piece = self._piece, bytearray()
            await self._next(piece)
        return len(data)

    def _count(self, data):
        self._hash.update(data)
        self._left -= len(data)

    async def _header(self, head):
        # All that can be said by its first bytes.
        if head[:4] != _MAGIC:
            raise ValueError("it is no .upd that make release has made")
        if head[4] != _FORMAT:
            raise ValueError("its format is %d, this firmware reads %d" % (head[4], _FORMAT))
        size = _number(head, 56, 2)
        if size > _SIGNED:
            raise ValueError(_DAMAGED)
        self._head = head
        self._wants, self._next = size + 4, self._begin

    async def _begin(self, more):
        # The signature, and the CRC of it all: it is what it says.
        head = self._head
        if crc32(more[:-4], crc32(head)) != _number(more, len(more) - 4, 4):
            raise ValueError(_DAMAGED)
        half = slots.Half() if slots.current()[:3] == "rom" and slots.partition() else None
        self._left = _number(head, 48, 4)
        self._check(head, half)
        if self._signed:
            await lazy.load("signatures").check_header(head, more[:-4])
        self.version, self._digest = _text(head[24:48]), bytes(head[64:96])
        if half:
            self._half, self._slot, self._data = half, half.name, self._left
        else:
            self._slot = slots.other()
            for _ in slots.empty(self._slot):
                await asyncio.sleep_ms(0)
            self._wants, self._next = _ENTRY, self._entry

    def _check(self, head, half):
        # Is it for this unit, and is there room?
        said, kind = str(sys.implementation), head[5] != 0
        if kind is not bool(half):
            raise ValueError("this unit takes a -%s.upd" % ("rom" if half else "files"))
        least, there = tuple(head[8:11]), tuple(sys.implementation.version[:3])
        if there < least:
            raise ValueError("it needs MicroPython %d.%d.%d, this is %d.%d.%d" % (least + there))
        reads = int(re.search(r"_mpy=(\d+)", said).group(1)) & 255
        if reads != head[6]:
            why = "its .mpy files have version %d, this MicroPython reads %d"
            raise ValueError(why % (head[6], reads))
        chip, (_, on_chip, this) = _text(head[12:24]), said.rpartition(" with ")
        this = this.split("'")[0].replace("-", "") if on_chip else "unknown chip"  # (on a PC)
        if chip not in ("", this):
            raise ValueError("it is for an %s, this is an %s" % (chip, this))
        size = _HEAD + self._wants + self._left
        if self._size not in (None, size):
            raise ValueError("it has %d bytes, its header says %d" % (self._size, size))
        self._files, blocks = _number(head, 52, 2), _number(head, 54, 2)
        if not self._left or self._files > _FILES:
            raise ValueError(_DAMAGED)
        if half:
            self._files, room = 0, half.room // 4096
        else:
            room = os.statvfs("/")[3] + slots.takes("/" + slots.other()) - _SPARE
        if half and blocks * 4096 < self._left:
            raise ValueError(_DAMAGED)
        self._blocks = blocks - 2  # (a file counts as one at least, a folder as two)
        if blocks > room:
            why = "it is too large: it takes %d blocks of 4 KB, there are %d"
            raise ValueError(why % (blocks, max(room, 0)))

    async def _entry(self, head):
        # A file of the tree begins.
        self._coming, self._crc = _number(head, 1, 4), _number(head, 5, 4)
        if not 0 < head[0] <= _PATH or not 0 < self._coming < self._left or not self._files:
            raise ValueError(_DAMAGED)
        self._files -= 1
        self._blocks -= (self._coming + _DATA - 1) // _DATA
        self._wants, self._next = head[0], self._open

    async def _open(self, name):
        path = _text(name)
        folder, _, _ = path.rpartition("/")
        top = path[:9] == "firmware/" or path[:4] == "lib/"
        if not top or ".." in path or "//" in path or path[-1] == "/":
            raise ValueError(_DAMAGED)
        if folder != self._folder:
            self._folder, at = folder, 0
            while at >= 0:
                at = folder.find("/", at + 1)
                try:
                    os.mkdir("/%s/%s" % (self._slot, folder if at < 0 else folder[:at]))
                    self._blocks -= 2
                except OSError as e:
                    if e.errno != 17:  # (EEXIST)
                        raise
        if self._blocks < 0:  # it is larger than it has said
            raise ValueError(_DAMAGED)
        self._path = "/%s/%s" % (self._slot, path)
        self._file, self._data = open(self._path, "wb"), self._coming
        self._wants, self._next = _ENTRY, self._entry

    def _compare(self):
        # The file has all its bytes: are they there?
        self.close()
        crc = 0
        back = bytearray(_BACK)
        with open(self._path, "rb") as f:
            while True:
                n = f.readinto(back)
                if not n:
                    break
                crc = crc32(memoryview(back)[:n], crc)
        if crc != self._crc:
            raise ValueError(_DAMAGED)

    def _whole(self):
        # The last byte has come.
        if self._half:
            self._half.end()
        if self._data or self._files or self._hash.digest() != self._digest:
            raise ValueError(_DAMAGED)
        self._done = True


def _number(data, at, size):
    return int.from_bytes(data[at : at + size], "little")


def _text(data):
    text = bytes(data).rstrip(b"\0")
    if [b for b in text if not 32 < b < 127]:
        raise ValueError(_DAMAGED)
    return text.decode()
