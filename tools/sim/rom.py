# Where an ESP32 has its code: a ROMFS image in read-only memory that is not heap. The simulator's
# own code comes from one too, so that it is not in the firmware's heap either.

import gc
import sys
import vfs
from asyncio import Event, Lock, StreamReader, wait_for  # noqa: F401

_PROT_READ = 1
_MAP_PRIVATE = 2

# What comes after this is the simulator's. asyncio is the firmware's. (wait_for has bound the real
# sleep, before board.py replaces it: time-outs of the network are real.)
gc.collect()
before = gc.mem_alloc()


def partition(path):
    """The file `path` as memory. Without ffi (the 64-bit port of PyPI) it takes heap."""
    with open(path, "rb") as f:
        size = f.seek(0, 2)
        try:
            import ffi
            import uctypes
        except ImportError:
            f.seek(0)
            return f.read(size)
        mmap = ffi.open("libc.so.6").func("P", "mmap", "PLiiil")
        at = mmap(0, size, _PROT_READ, _MAP_PRIVATE, f.fileno(), 0)
        if at == -1:
            raise OSError("cannot map " + path)
        return uctypes.bytearray_at(at, size)


def simulator(path):
    """Mount the simulator's image and take board.py and what it needs from there."""
    vfs.mount(vfs.VfsRom(partition(path)), "/sim")
    sys.path[:] = ["/sim/tools/sim", ".frozen"]
