"""The log: one line a message on the console and in a ring buffer in RAM.
Levels: ERROR, WARNING, INFO, DEBUG. Test `level` before building an expensive message."""

import time
from micropython import const

ERROR = const(0)
WARNING = const(1)
INFO = const(2)
DEBUG = const(3)
_SIZE = const(512)  # the last 8 lines or so
_LINE = const(240)  # longer lines are cut

level = INFO
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
    if level >= WARNING:
        _write("W", text)


def info(text):
    """Log what happens."""
    if level >= INFO:
        _write("I", text)


def debug(text):
    """Log what only a developer wants to know."""
    if level >= DEBUG:
        _write("D", text)


def tail():
    """The latest lines, oldest first, as bytes; the first may be cut."""
    return (bytes(_ring[_at:]) + bytes(_ring[:_at])).lstrip(b"\0")
