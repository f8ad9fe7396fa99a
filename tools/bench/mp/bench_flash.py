"""For the scripts beside this one: tests/unit/flash.py with more counters, and some profiles.

MicroPython. tests/unit is on its path (bench.charging puts it there).
"""

import gc
import sys
import time
import vfs

import flash

from firmware.charging import profile
from firmware.charging.record import pack
from firmware.charging.store import Store

BLOCKS = 512  # the vfs partition of a 4 MB ESP32
DAY = 86400
T = 217332000  # 2026-11-20, in seconds since 2020
LATER = 300000000


def rounds(n):
    """As in bench/__init__.py, which says so in sys.argv."""
    return 1 if "quick" in sys.argv else n


class Flash(flash.Flash):
    """Also counts reads and the bytes that are read and programmed."""

    reads = read_bytes = programmed_bytes = 0  # (the first ones come from its own mkfs)

    def readblocks(self, block, buf, offset=0):
        self.reads += 1
        self.read_bytes += len(buf)
        return flash.Flash.readblocks(self, block, buf, offset)

    def writeblocks(self, block, buf, offset=0):
        self.programmed_bytes += len(buf)
        return flash.Flash.writeblocks(self, block, buf, offset)

    def format(self):
        for i in range(self.blocks):
            self.ioctl(6, i)
        vfs.VfsLfs2.mkfs(self)

    def counts(self):
        return self.erases, self.programmed_bytes, self.reads, self.read_bytes


def counted(chip, function, *args):
    """What function(*args) costs: erases, bytes programmed, reads, bytes read."""
    before = chip.counts()
    function(*args)
    return [after - b for after, b in zip(chip.counts(), before)]  # noqa: B905


hole = bytearray(200 << 10)  # below the chip, as large as an ESP32's heap: what is allocated
chip = Flash(BLOCKS)  # the only one: 2 MB that a collection finds or not would hide the rest
del hole


def a_flash():
    """The chip with an empty file system."""
    chip.format()
    flash.mount(chip)
    return chip


def a_store():
    return Store(flash.FOLDER, print)


def put(store, w):
    refusal = store.change().put(w)
    if refusal:
        raise ValueError(refusal)


def place(i, periods, mark=0, **more):
    """Record `i` of at most 32, in the order in which the evaluator asks them: TxProfiles of
    levels 15 to 0, then TxDefaultProfiles. A day of `periods`, no two neighbours alike."""
    purpose = profile.TX if i < 16 else profile.TX_DEFAULT
    steps = [(DAY // periods * k, 60 + (k * 7 + i + mark) % 250, 0) for k in range(periods)]
    kind = more.pop("kind", profile.RECURRING)
    more.setdefault("start", 0)
    return pack(i + 1, 1, 15 - i % 16, purpose, kind, steps, **more)


def live():
    gc.collect()
    return gc.mem_alloc()


def best_us(function, *args, count=7, times=1):
    """The least time of one call, of `count` times `times` calls."""
    least = None
    for _ in range(rounds(count)):
        gc.collect()
        began = time.ticks_us()
        for _ in range(times):
            function(*args)
        took = time.ticks_diff(time.ticks_us(), began)
        if least is None or took < least:
            least = took
    return least / times
