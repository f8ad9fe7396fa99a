"""New code for the unit, an image as `make romfs` makes it: docs/updates.md. It goes into the slot
that does not run, then the record names that one. Used from the REPL and by updates; knows files
and partitions only."""

import os
import sys
from binascii import crc32
from micropython import const

from firmware import lazy

crash = lazy.load("crash")  # (nobody else keeps it)

_BLOCK = const(4096)
_PIECE = const(512)
_DATA = const(4080)  # bytes of a file in a block, at least (LittleFS needs some itself)
_SPARE = const(12)  # blocks that are left to the journal and all else
_WHOLE = const(0x2144DF1C)  # the CRC-32 of any bytes with their CRC-32 behind them
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
    """The one of a and b that does not run."""
    return "b" if current() == "a" else "a"


def stage():
    """Empty the one of a and b that does not run; -> its name: /NAME.rom is to be written, then
    switch(NAME). Raises OSError."""
    name = other()
    for _ in empty(name):
        pass
    return name


def empty(name):
    """Empty a or b, a step at a time: a folder of an earlier build takes a second and more. Raises
    OSError."""
    _forget(name)
    if name + ".rom" in os.listdir("/"):
        os.remove("/" + name + ".rom")
        yield
    yield from _remove("/" + name)


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


def takes(name):
    """Blocks of the flash that a or b has, at least."""
    try:
        return blocks(os.stat("/" + name + ".rom")[6])
    except OSError:
        return _takes("/" + name)


def blocks(size):
    """Blocks of the flash that a file of so many bytes takes, at most."""
    return (size + _DATA - 1) // _DATA


def _takes(path):
    total = 0
    try:
        for entry in os.ilistdir(path):
            if entry[1] == 0x4000:
                total += _takes(path + "/" + entry[0])
            elif entry[3] > _INLINE:
                total += (entry[3] + _BLOCK - 1) // _BLOCK
        return total + 2
    except OSError:  # (it is not there)
        return 0


class File:
    """The file /a.rom or /b.rom, that of the slot that does not run. It takes an image; a block of
    the flash is erased with 2 KB at most.

    | name | its slot, for switch() |
    | room | its bytes at most, when the slot is empty |"""

    def __init__(self):
        self.name = other()
        # (A LittleFS from MicroPython 1.29 on counts a file twice that is open: that which runs.)
        self.room = (os.statvfs("/")[3] + takes(self.name) - _SPARE) * _DATA
        self._file = None

    def begin(self):
        """Empty the slot, in steps. Raises OSError."""
        yield from empty(self.name)
        self._file = open("/" + self.name + ".rom", "wb")

    def write(self, data):
        """The next bytes of the image. Raises OSError."""
        self._file.write(data)

    def end(self):
        """That was all of it: it is read back, in steps. Raises OSError, ValueError as whole()."""
        self.close()
        yield from whole("/" + self.name + ".rom")

    def close(self):
        """Take no more. Raises OSError."""
        file, self._file = self._file, None
        if file:
            file.close()


def whole(path):
    """Read the image `path`, in steps; ValueError if it is not whole."""
    crc, buf = 0, bytearray(_PIECE)
    with open(path, "rb") as f:
        while True:
            n = f.readinto(buf)
            if not n:
                break
            crc = crc32(memoryview(buf)[:n], crc)
            yield
    if crc != _WHOLE:
        raise ValueError("%s is not a whole image" % path)


class Half:
    """The half of the partition romfs that does not run: the same as File."""

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

    def begin(self):
        """Nothing leads to it from now on."""
        _forget(self.name)
        self._buf = bytearray(_BLOCK)
        yield

    def write(self, data):
        """The next bytes of the image. A block that is full is erased, written and compared.
        OSError: it does not hold what was written."""
        while len(data):
            n = min(len(data), _BLOCK - self._n)
            self._buf[self._n : self._n + n] = data[:n]
            self._n, data = self._n + n, data[n:]
            if self._n == _BLOCK:
                self._flush()

    def end(self):
        """That was all of it: write what is left. OSError as above."""
        if self._n:
            self._flush()
        yield

    def close(self):
        """Nothing is open."""

    def _flush(self):
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
    size = os.stat(path)[6]
    if size > half.room:
        raise ValueError("%d bytes: half of the partition has %d" % (size, half.room))
    for _ in whole(path):
        pass
    for _ in half.begin():
        pass
    with open(path, "rb") as f:
        while True:
            n = f.readinto(buf)
            if not n:
                break
            half.write(memoryview(buf)[:n])
    for _ in half.end():
        pass
    return half.name
