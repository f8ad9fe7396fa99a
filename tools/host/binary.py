"""MicroPython's own .bin for an ESP32: for which chip it is, and where its partitions are.

Such a file is the flash from the boot loader on: that, the table of partitions, MicroPython.
"""

import struct
from hashlib import md5

# By the number that the header has for a chip: its name; where in the flash its boot loader is.
CHIPS = {0: ("esp32", 0x1000), 2: ("esp32s2", 0x1000), 5: ("esp32c3", 0), 9: ("esp32s3", 0)}
_MAGIC, _CHIP = 0xE9, struct.Struct("<12xH")
_TABLE = 0x8000
# magic, type (0: a program), subtype, where, size, label, flags
_ENTRY = struct.Struct("<2sBBII16s4x")
_IS_ENTRY, _IS_SUM = b"\xaa\x50", b"\xeb\xeb"


class BinaryError(Exception):
    """The file is none, or there is no room: one line."""


class Binary:
    """`path`: the file. `chip`, `base`: see CHIPS. `parts`: {label: (where, size)}. `end`: of the
    last of them. Raises BinaryError."""

    def __init__(self, path):
        try:
            with open(path, "rb") as f:
                self.data = f.read()
        except OSError as e:
            raise BinaryError(f"{path}: {e.strerror}") from None
        if self.data[:1] != bytes([_MAGIC]) or len(self.data) < _CHIP.size:
            raise BinaryError(
                f"{path} is no image for an ESP32 (those begin with E9): take the .bin"
            )
        (number,) = _CHIP.unpack_from(self.data)
        if number not in CHIPS:
            names = ", ".join(sorted(name for name, _ in CHIPS.values()))
            raise BinaryError(f"{path} is for chip number {number}, not one of {names}")
        self.path = path
        self.chip, self.base = CHIPS[number]

    def look(self):
        """Read the table: `parts` and `end` are there afterwards."""
        self.parts = {}
        self.end, at = 0, _TABLE - self.base
        entry = self.data[at : at + _ENTRY.size]
        while entry[:2] == _IS_ENTRY:
            _, kind, _, where, size, label = _ENTRY.unpack(entry)
            self.parts[label.rstrip(b"\0").decode()] = where, size
            self.end = max(self.end, where + size)
            if not kind and self.base + len(self.data) > where + size:
                raise BinaryError(f"{self.path} is longer than its program may be")
            at += _ENTRY.size
            entry = self.data[at : at + _ENTRY.size]
        table = self.data[_TABLE - self.base : at]
        if not table or entry[:2] == _IS_SUM and entry[16:] != md5(table).digest():
            raise BinaryError(f"{self.path}: its table of partitions is missing or damaged")
        return self

    def put(self, label, data):
        """Into a partition. What lies between is as erased."""
        where, size = self.parts[label]
        if len(data) > size:
            raise BinaryError(f"{label}: {len(data)} B, its partition has {size}")
        begin = where - self.base
        data = data.ljust(size, b"\xff")
        self.data = self.data.ljust(begin, b"\xff")
        self.data = self.data[:begin] + data + self.data[begin + size :]
