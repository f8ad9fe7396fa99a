"""The files of a store: a record in each, by its name. Loaded when one is read or written."""

import array
import os
from micropython import const

from firmware import lazy

from . import profile
from .profile import FLAG_BEGUN, FLAG_REPLACED, HEADER, KEY

record = lazy.load("charging.record")

_SLOT = const(12)  # bits of KEY before it
_NO_ID = const(-0x20000000)  # of what stands in: nobody is likely to use it
_UNTIL = const(11)  # of a replaced record (store.py)
_TAIL = const(200)  # words behind the periods: 4 times and 96 periods


def name(w):
    """Of its file: connector, purpose, stackLevel, and its slot unless that is 0; ~: replaced."""
    text = "%d-%d-%d" % (profile.connector(w), profile.purpose(w), profile.level(w))
    slot = w[KEY] >> _SLOT & 15
    if slot:
        text += "-%d" % slot
    return text + "~" if profile.replaced(w) else text


def read(store, file, full=False):
    """The record in that file, all of it or plain; 6 A where it cannot be believed, or None: it
    is nobody's."""
    try:
        with open(store.path + "/" + file, "rb") as f:
            size = f.seek(0, 2)
            if size > 4 * (HEADER + 2 * profile.MAX_PERIODS + _TAIL):
                raise ValueError("%d bytes" % size)
            f.seek(0)
            w = array.array("i", bytes(size & ~3))
            f.readinto(w)
        record.check(w)
        if name(w) == file:
            return w if full else record.plain(w)
        raise ValueError("the record of %s" % name(w))
    except (ValueError, OSError) as e:
        store.log("profile file %s: %s" % (file, e))
    try:
        connector, purpose, level, slot = map(int, (file.rstrip("~").split("-") + ["0"])[:4])
        # (Relative: in force with and without a clock)
        w = record.pack(_NO_ID, connector, level, purpose, profile.RELATIVE, ((0, 60, 0),))
        w[KEY] |= slot << _SLOT
        if file.endswith("~"):
            w[KEY] |= FLAG_REPLACED << 24
    except (ValueError, OverflowError):
        return None
    return w if name(w) == file else None  # nothing that a store wrote


def again(store, head):
    """The record of whose `head` alone is in RAM."""
    w = read(store, name(head))
    w[KEY] |= head[KEY] & FLAG_BEGUN << 24
    if profile.replaced(w):
        w[_UNTIL] = head[_UNTIL]
    return w


def full(store, w):
    """The record `w` of `store` with all that was put (record.said), as it is on flash."""
    return w if record.stands_in(w) else read(store, name(w), True)


def write(store, w):
    """Old or new under power cut. Raises OSError."""
    with open(store.path + "/" + name(w), "wb") as f:
        f.write(w)


def forget(store, file):
    """Remove it, if it is there."""
    try:
        os.remove(store.path + "/" + file)
    except OSError:
        pass  # not even the empty file was made
