"""Where charging profile records stand, and which give way to which. Loaded with change.py."""

from micropython import const

from . import profile
from .profile import ID, KEY, SEQUENCE, VALID_FROM, VALID_TO, replaced

_STACK = const(0x30FFF)  # of KEY: connector, stackLevel, purpose
_SLOT = const(0xF000)
_FAR = const(0x3FFFFFFF)


def place(w):
    """Where it stands, with its slot: what no two installed records have in common."""
    return w[KEY] & (_STACK | _SLOT)


def together(w, r):
    """True if two records have one connector, purpose and stackLevel."""
    return not (w[KEY] ^ r[KEY]) & _STACK


def overlap(w, r):
    """True if there is an instant at which both records are valid."""
    begin = max(w[VALID_FROM], r[VALID_FROM])
    ends = [end for end in (w[VALID_TO], r[VALID_TO]) if end >= 0]
    return begin < min(ends + [_FAR])


def slot(w):
    """Which of several of its connector, purpose and stackLevel it is, 0..15."""
    return w[KEY] >> 12 & 15


def seat(w, slot):
    """Make it that one."""
    w[KEY] = w[KEY] & ~_SLOT | slot << 12


def fits(w, r):
    """True if record `w` takes the place of `r`, or a part of its time there, or its id elsewhere
    (A15)."""
    same = r[ID] == w[ID] and (r[SEQUENCE] or replaced(r))
    return same or place(r) == place(w) or together(r, w) and overlap(r, w)


def yields(r, w, beside):
    """True if the installed record `r` goes when `w` is put, whatever its id: see Change.put. (A
    stand-in always does.)"""
    return together(r, w) and not (beside and r[SEQUENCE])


def slot_for(records, w, beside):
    """The slot for `w`, or None: that of what goes for it, first of its own id; or of a replaced
    record that it is to end; or the first in which there is nothing."""
    there = [r for r in records if together(r, w)]
    taken, ranked = [], []
    for r in there:
        n = slot(r)
        if replaced(r):
            if not beside or overlap(r, w):
                ranked.append((2, n))
        elif r[ID] == w[ID] and r[SEQUENCE]:
            return n
        elif yields(r, w, beside):
            ranked.append((1, n))
        else:
            taken.append(n)
    free = set(range(profile.SLOTS)) - set(map(slot, there))
    for _, n in sorted(ranked) + [(3, n) for n in sorted(free)]:
        if n not in taken:
            return n
    return None


def insert(records, w):
    """Put `w` where the evaluator needs it: highest stackLevel first; in it connectors before 0,
    what was replaced before its successor, the oldest first."""
    i = 0
    while i < len(records) and _rank(records[i]) <= _rank(w):
        i += 1
    records.insert(i, w)


def _rank(w):
    return -profile.level(w), not profile.connector(w), not replaced(w), w[SEQUENCE]


def alone(records, there):
    """The replaced records for which nothing is `there` to end them."""
    there = [r for r in there if not replaced(r)]
    return [old for old in records if replaced(old) and not [r for r in there if fits(r, old)]]
