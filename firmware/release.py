"""A release of the firmware that arrives, as `make release` makes it: docs/updates.md has the
table of its bytes. A sink of network/transfer.py: the header is checked before anything is erased,
then the image that comes goes into the slot that does not run, and is read back. What is wrong is
a ValueError with one line for a person."""

import asyncio
import hashlib
import re
import sys
from binascii import crc32
from micropython import const

from firmware import lazy

slots = lazy.load("slots")

_MAGIC = const(b"PWUP")
_FORMAT = const(1)
_IMAGE = const(1)
_HEAD = const(96)  # bytes of it, then a signature of at most _SIGNED, then the CRC-32 of both
_SIGNED = const(512)
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
        self._left = 0  # bytes of the image that have yet to come
        self._hash, self._digest, self._done = hashlib.sha256(), b"", False
        self._all = hashlib.sha256()  # of the whole file
        self._slot = None  # File or Half of slots.py, once the image may come

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
        return self._slot.name if self._done else None

    def digest(self):
        """The SHA-256 of the whole file, once it has ended."""
        return self._all.digest()

    def close(self):
        """Nothing more is to be taken: call it at the end. Raises nothing."""
        if self._slot:
            try:
                self._slot.close()
            except OSError:
                pass  # (the file was cut short anyway)

    async def _take(self, data):
        # Of the bytes `data`; how many.
        if self._slot:
            if len(data) > self._left:
                raise ValueError("it is longer than its header says")
            self._hash.update(data)
            self._left -= len(data)
            self._slot.write(data)
            await asyncio.sleep_ms(0)
            if not self._left:
                await self._whole()
            return len(data)
        data = data[: self._wants - len(self._piece)]
        self._piece.extend(data)
        if len(self._piece) == self._wants:
            piece, self._piece = self._piece, bytearray()
            await self._next(piece)
        return len(data)

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
        self._left = _number(head, 48, 4)
        in_place = slots.current()[:3] == "rom" and slots.partition()
        slot = slots.Half() if in_place else slots.File()
        self._check(head, slot.room)
        if self._signed:
            await lazy.load("signatures").check_header(head, more[:-4])
        self.version, self._digest = _text(head[24:48]), bytes(head[64:96])
        await _all(slot.begin())
        self._slot = slot

    def _check(self, head, room):
        # Is it for this unit, and is there room?
        said = str(sys.implementation)
        if head[5] != _IMAGE:
            raise ValueError("it is one of before, in single files: make release anew")
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
        if not self._left:
            raise ValueError(_DAMAGED)
        if self._left > room:
            why = "it is too large: it has %d bytes, there is room for %d"
            raise ValueError(why % (self._left, room))

    async def _whole(self):
        # The last byte has come.
        if self._hash.digest() != self._digest:
            raise ValueError(_DAMAGED)
        await _all(self._slot.end())
        self._done = True


async def _all(steps):
    for _ in steps:
        await asyncio.sleep_ms(0)


def _number(data, at, size):
    return int.from_bytes(data[at : at + size], "little")


def _text(data):
    text = bytes(data).rstrip(b"\0")
    if [b for b in text if not 32 < b < 127]:
        raise ValueError(_DAMAGED)
    return text.decode()
