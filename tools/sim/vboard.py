# Turns the MicroPython unix port into a board with a serial line (tools/host/vboard.py): the chip
# of board.py with what is in its own flash. It runs boot.py and main.py from there as the ESP32
# port does; then the interpreter's own REPL comes.
#
# usage: ... -i -c "import rom, sys; rom.simulator(sys.argv.pop(1)); import vboard;
#     vboard.boot(globals())" and the words of board.py, where FIRMWARE is the image of the ROMFS
#     partition or "", and COMMANDS is 1 if the REPL is in raw mode, which skips main.py

import gc
import micropython
import os
import sys
import vfs
from micropython import const

import board
import bus
import onewire  # noqa: F401
import rom  # noqa: F401
import spi  # noqa: F401

_FLASH = const(64)  # more operations of bus.py: about to write
_PHASE = const(65)  # where the start is
_BREAK = const(66)  # the character that interrupts
_RUNNING = const(0)
_REPL = const(1)
_BLOCK = const(4096)
# What the ESP32 port writes into a file system that it has just made.
_BOOT = "# This file is executed on every boot (including wake-boot from deepsleep)\n"


class Flash(board.Flash):
    """NOR flash that asks the wall before it writes: the power may fail right there."""

    def writeblocks(self, block, buf, offset=0):
        if self._ask(len(buf)) >= 0:
            super().writeblocks(block, memoryview(buf)[: self._last], offset)
            self._ask(0)  # (no answer comes: the wall ends this process)
        super().writeblocks(block, buf, offset)

    def ioctl(self, op, arg):
        if op == 6 and self._ask(_BLOCK) >= 0:
            self._file.seek(arg * _BLOCK)
            self._file.write(b"\xff" * self._last)
            self._ask(0)
        return super().ioctl(op, arg)

    def _ask(self, size):
        # -1, or how many of the bytes are still written before the power fails
        self._last = bus.ask(_FLASH, 0, size)[0]
        return self._last


class Micropython:
    """The chip's module micropython: the serial line knows which character interrupts."""

    def __init__(self):
        for name in dir(micropython):
            if name != "kbd_intr":
                setattr(self, name, getattr(micropython, name))

    def kbd_intr(self, character):
        bus.ask(_BREAK, 0, character)


class Partition:
    """The chip's module vfs, with its functions for a ROMFS partition that has an image file; and
    that partition, as esp32.Partition has it."""

    TYPE_DATA = 1

    def __init__(self, path):
        self._file = open(path, "r+b")
        self._bytes = bytearray(self._file.read())
        for name in dir(vfs):
            setattr(self, name, getattr(vfs, name))
        try:
            vfs.mount(vfs.VfsRom(memoryview(self._bytes)), "/rom")
        except OSError:  # no image, or not all of it: it says nothing
            pass

    def rom_ioctl(self, op, number=0, offset=0, what=None):
        """As the ESP32 port has it: 1 how many, 2 all of it, 3 erase, 4 write, 5 done, 6 block."""
        if op == 1:
            return 1
        if number:
            return -22
        if op == 2:
            return memoryview(self._bytes)
        if op == 3:
            self._write(offset, b"\xff" * what)
            return 16
        if op == 4:
            self._write(offset, what)
        return _BLOCK if op == 6 else 0

    def ioctl(self, op, arg):
        return len(self._bytes) // _BLOCK if op == 4 else _BLOCK

    def readblocks(self, block, buf, offset=0):
        at = block * _BLOCK + offset
        buf[:] = self._bytes[at : at + len(buf)]

    def writeblocks(self, block, buf):
        self._write(block * _BLOCK, buf)

    @staticmethod
    def find(kind, label=None):
        part = sys.modules["vfs"]
        return [part] if label == "romfs" and isinstance(part, Partition) else []

    def _write(self, offset, data):
        left = bus.ask(_FLASH, 0, len(data))[0]
        data = data if left < 0 else memoryview(data)[:left]
        self._file.seek(offset)
        self._file.write(data)
        self._bytes[offset : offset + len(data)] = data
        if left >= 0:
            bus.ask(_FLASH)


def boot(names):
    """Mount the flash and run its boot.py and main.py; `names` are the globals of the REPL."""
    for name in list(names):
        if name != "__name__":
            del names[name]
    raw = board.words == "1"
    del sys.argv[:]
    flash = Flash(board.flash_path)
    if board.code:
        sys.modules["vfs"] = Partition(board.code)
    sys.modules["esp32"].Partition = Partition
    sys.modules["micropython"] = Micropython()
    os.chdir("/")
    vfs.umount("/")
    bus.kept = vfs.mount()  # (code is run in place: its image must not be collected)
    vfs.umount("/sim")
    for name in ("rom", "board", "vboard"):
        del sys.modules[name]
    try:
        vfs.mount(flash, "/")
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(flash, "/")
        with open("boot.py", "w") as f:
            f.write(_BOOT)
    sys.path[:] = ["", ".frozen", "/rom", "/rom/lib", "/lib"]
    gc.collect()
    bus.heap = gc.mem_alloc()
    bus.ask(_PHASE, 0, _RUNNING)
    if run("boot.py", names) and not raw:
        run("main.py", names)
    bus.ask(_PHASE, 0, _REPL)
    if bus.chip:
        bus.chip.repl = True


def run(path, names):
    """Run a file if it is there; -> True unless it has failed. SystemExit is a soft reset."""
    try:
        with open(path) as f:
            text = f.read()
    except OSError:
        return True
    try:
        exec(compile(text, path, "exec"), names)
        return True
    except SystemExit:
        sys.modules["machine"].soft_reset()  # (of the chip: board.py has loaded it)
    except BaseException as e:
        sys.print_exception(e)
    return False
