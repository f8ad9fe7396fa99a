"""New code for the unit: docs/updates.md. It goes into the slot that does not run, then the record
names that one. Used from the REPL and by updates; knows files and partitions only."""

import os
import sys
from binascii import crc32
from micropython import const

from firmware import lazy

crash = lazy.load("crash")  # (nobody else keeps it)

_BLOCK = const(4096)
_PIECE = const(512)
_INLINE = const(128)  # bytes: such a file takes no block of its own (LittleFS)


def current():
    """The name of the slot that runs: a, b, rom or rom2."""
    # Not what the record says: after switch() that is what comes next.
    name = sys.path[0][1:]
    return name if name in ("a", "b", "rom2") else "rom"


def switch(name):
    """`name` runs from the next boot on, on trial: three may fail. Call it when all is written."""
    crash.put(name, current(), "3")


def _forget(name):  # nothing may lead to a slot that is no longer whole
    if name in crash.read():
        crash.put(current())


def other():
    """The one of /a and /b that does not run."""
    return "b" if current() == "a" else "a"


def stage():
    """Empty the one of /a and /b that does not run; -> its name, for switch(). Raises OSError."""
    name = other()
    for _ in empty(name):
        pass
    return name


def empty(name):
    """Empty /a or /b, a file a step: it takes a second and more. Raises OSError."""
    _forget(name)
    yield from _remove("/" + name)
    os.mkdir("/" + name)


def _remove(path):
    try:
        for entry in os.ilistdir(path):
            if entry[1] == 0x4000:  # (a folder)
                yield from _remove(path + "/" + entry[0])
            else:
                os.remove(path + "/" + entry[0])
                yield
        os.rmdir(path)
    except OSError as e:
        if e.errno != 2:  # (ENOENT: it was not there)
            raise


def takes(path):
    """Blocks of the flash that are there below `path`, at least."""
    blocks = 0
    try:
        for entry in os.ilistdir(path):
            if entry[1] == 0x4000:
                blocks += takes(path + "/" + entry[0])
            elif entry[3] > _INLINE:
                blocks += (entry[3] + _BLOCK - 1) // _BLOCK
        return blocks + 2
    except OSError:  # (it is not there)
        return 0


class Half:
    """The half of the partition romfs that does not run: it takes an image, block by block.

    | name | its slot, for switch() |
    | room | its bytes |"""

    def __init__(self):
        """OSError: there is no partition."""
        self._part = partition()
        if not self._part:
            raise OSError("there is no partition romfs")
        blocks = self._part.ioctl(4, 0) // 2
        self.room = blocks * _BLOCK
        self.name = "rom2" if current() == "rom" else "rom"
        self._at = blocks if self.name == "rom2" else 0
        self._buf = None
        self._n = 0  # bytes in it

    def write(self, data):
        """The next bytes of the image. A block that is full is erased, written and compared; with
        2 KB at once that is one at most. OSError: it does not hold what was written."""
        if not self._buf:
            _forget(self.name)
            self._buf = bytearray(_BLOCK)
        while len(data):
            n = min(len(data), _BLOCK - self._n)
            self._buf[self._n : self._n + n] = data[:n]
            self._n, data = self._n + n, data[n:]
            if self._n == _BLOCK:
                self.end()

    def end(self):
        """That was all of it: write what is left. OSError as above."""
        if not self._n:
            return
        self._part.writeblocks(self._at, self._buf)
        back = bytearray(_PIECE)
        whole = memoryview(self._buf)
        for at in range(0, _BLOCK, _PIECE):
            self._part.readblocks(self._at, back, at)
            if back != whole[at : at + _PIECE]:
                raise OSError("block %d of the partition romfs does not hold" % self._at)
        self._at, self._n = self._at + 1, 0


def partition():
    """The partition romfs, or None."""
    import esp32

    found = hasattr(esp32, "Partition") and esp32.Partition.find(
        esp32.Partition.TYPE_DATA, label="romfs"
    )
    return found[0] if found else None


def write_rom(path):
    """Copy the image at `path` (`make romfs`) into the half of the partition that does not run;
    -> its name, for switch(). Raises ValueError for a file that is no whole image or does not fit,
    OSError where there is no partition, or where it does not hold what was written."""
    half, buf = Half(), bytearray(_PIECE)
    with open(path, "rb") as f:
        size = f.seek(0, 2)
        if size > half.room:
            raise ValueError("%d bytes: half of the partition has %d" % (size, half.room))
        f.seek(0)
        crc, left = 0, size - 4
        while left > 0:
            n = f.readinto(buf, min(left, _PIECE))
            crc, left = crc32(memoryview(buf)[:n], crc), left - n
        if left or f.read() != crc.to_bytes(4, "little"):
            raise ValueError("%s is not a whole image: make romfs" % path)
        f.seek(0)
        while True:
            n = f.readinto(buf)
            if not n:
                break
            half.write(memoryview(buf)[:n])
        half.end()
    return half.name
