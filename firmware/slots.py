"""New code for the unit: docs/updates.md. It goes into the slot that does not run, then the record
names that one. Used from the REPL and by updates; knows files and partitions only."""

import os
import sys
from micropython import const

from firmware.crash import put, read

_BLOCK = const(4096)


def current():
    """The name of the slot that runs: a, b, rom or rom2."""
    # Not what the record says: after switch() that is what comes next.
    name = sys.path[0][1:]
    return name if name in ("a", "b", "rom2") else "rom"


def switch(name):
    """`name` runs from the next boot on, on trial: three may fail. Call it when all is written."""
    put(name, current(), "3")


def _forget(name):  # nothing may lead to a slot that is no longer whole
    if name in read():
        put(current())


def stage():
    """Empty the one of /a and /b that does not run; -> its name, for switch(). Raises OSError."""
    name = "b" if current() == "a" else "a"
    _forget(name)
    _remove("/" + name)
    os.mkdir("/" + name)
    return name


def _remove(path):
    try:
        for entry in os.ilistdir(path):
            remove = _remove if entry[1] == 0x4000 else os.remove  # (a folder, a file)
            remove(path + "/" + entry[0])
        os.rmdir(path)
    except OSError as e:
        if e.errno != 2:  # (ENOENT: it was not there)
            raise


def write_rom(path):
    """Copy the image at `path` (`make romfs`) into the half of the partition that does not run;
    -> its name, for switch(). Raises ValueError for a file that is no whole image or does not fit,
    OSError where there is no partition, or where it does not hold what was written."""
    import esp32
    from binascii import crc32

    found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="romfs")
    if not found:
        raise OSError("there is no partition romfs")
    part = found[0]
    blocks = part.ioctl(4, 0) // 2
    name = "rom2" if current() == "rom" else "rom"
    buf, back = bytearray(_BLOCK), bytearray(_BLOCK)
    with open(path, "rb") as f:
        size = f.seek(0, 2)
        if size > blocks * _BLOCK:
            raise ValueError("%d bytes: half of the partition has %d" % (size, blocks * _BLOCK))
        f.seek(0)
        crc, left = 0, size - 4
        while left > 0:
            n = f.readinto(buf, min(left, _BLOCK))
            crc, left = crc32(memoryview(buf)[:n], crc), left - n
        if left or f.read() != crc.to_bytes(4, "little"):
            raise ValueError("%s is not a whole image: make romfs" % path)
        _forget(name)
        f.seek(0)
        at = blocks if name == "rom2" else 0
        while f.readinto(buf):
            part.writeblocks(at, buf)
            part.readblocks(at, back)
            if back != buf:
                raise OSError("block %d of the partition romfs does not hold" % at)
            at += 1
    return name
