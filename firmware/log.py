"""The log: one line a message on the console and in a ring buffer in RAM."""

import time
from micropython import const

_SIZE = const(512)  # the last 8 lines or so
_LINE = const(240)  # longer lines are cut

level = 2  # 0: errors, 1: warnings, 2: information; as in config.json
_ring = bytearray(_SIZE)
_at = 0


def _write(mark, text):
    global _at
    line = "%d %s %s" % (time.ticks_ms() // 1000, mark, text)
    print(line[:_LINE])
    for byte in line[:_LINE].encode() + b"\n":
        _ring[_at] = byte
        _at = (_at + 1) % _SIZE


def error(text):
    """Log what is wrong; at every level."""
    _write("E", text)


def warning(text):
    """Log what somebody should look at."""
    if level >= 1:
        _write("W", text)


def info(text):
    """Log what happens."""
    if level >= 2:
        _write("I", text)


def tail():
    """The latest lines, oldest first, as bytes; the first may be cut."""
    return (bytes(_ring[_at:]) + bytes(_ring[:_at])).lstrip(b"\0")
