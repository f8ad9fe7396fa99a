# A code slot that is a file, for import (docs/updates.md): pick.py mounts it. The file is a ROMFS
# image as `make romfs` makes it, read where it lies; the table at its end says where a path is.
# Compiled on the board, and in RAM for as long as the firmware runs: short.
from binascii import crc32
from micropython import const

_ENTRY = const(11)  # CRC-32 of a path, 0x40 or 0x80 (a folder, a file), where it begins, its size
_NEAR = const(8)  # entries: one of these it is, from the place on that the CRC gives


class RomFile:
    """What opens a file of it gets is the rest of the image: a .mpy says itself where it ends."""

    def __init__(self, path):
        self.path = path
        self.file = f = open(path, "rb")
        end = f.seek(-6, 2)  # (behind it: how many places there are, and the CRC-32 of the image)
        self.places = int.from_bytes(f.read(2), "little")
        self.table = end - (self.places + _NEAR - 1) * _ENTRY
        self.near = bytearray(_NEAR * _ENTRY)

    def mount(self, *how):
        pass

    def umount(self):
        self.file.close()

    # MicroPython takes whatever stat() raises for "not there", also Ctrl-C, which would end as an
    # ImportError and give the slot up. It comes where the code branches: so this does not.

    def find(self, path):
        crc = crc32(path.replace("//", "/"))
        self.file.seek(self.table + crc % self.places * _ENTRY)
        self.file.readinto(self.near)
        at = self.near.find(crc.to_bytes(4, "little"))
        (len, _missing)[at < 0]("")
        return at + 4

    def stat(self, path):
        at = self.find(path)
        size = int.from_bytes(self.near[at + 4 : at + 7], "little")
        return (self.near[at] << 8, 0, 0, 0, 0, 0, size, 0, 0, 0)

    def open(self, path, mode):
        at = self.find(path) + 1
        f = open(self.path, "rb")
        f.seek(int.from_bytes(self.near[at : at + 3], "little"))
        return f

    # What mpremote asks of all that is mounted. (Who wants the names has the build.)

    def ilistdir(self, path):
        return iter(())

    def statvfs(self, path):
        return (1, 1, self.table, 0, 0, 0, 0, 0, 0, 255)


def _missing(_):
    raise OSError(2)
