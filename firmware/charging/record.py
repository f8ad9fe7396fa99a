"""One charging profile record, whose layout profile.py has: made, checked and told, its place
among others, and the file that it is kept in. Loaded for as long as that is done. Knows nothing of
OCPP messages or clocks."""

import array
import os
from binascii import crc32
from micropython import const

from . import profile
from .profile import (
    AMPS,
    DURATION,
    FLAG_ALONE,
    FLAG_BEGUN,
    FLAG_ORIGIN,
    FLAG_REPLACED,
    HEADER,
    ID,
    KEY,
    MAX_PERIODS,
    MIN_RATE,
    RECURRING,
    SCHEDULE,
    SEQUENCE,
    START,
    VALID_FROM,
    VALID_TO,
    WEEKLY,
)

_MAX_LIMIT = const(0xFFFFFF)  # 1.6 MA or 1.6 MW: whatever is above means the same
_MAX_WORD = const(0x3FFFFFFF)
_MAGIC = const(0x5750)
_VERSION = const(4)
_FORMER = const(3)
_EXACT = const(1 << 55)
_STACK = const(0x30FFF)  # of KEY: connector, stackLevel, purpose
_SLOT = const(0xF000)
_FAR = const(0x3FFFFFFF)
_NO_ID = const(-0x20000000)  # of what stands in: nobody is likely to use it
_UNTIL = const(11)  # of a replaced record (store.py)
_TAIL = const(200)  # words behind the periods: 4 times and 96 periods


def pack(
    profile_id,
    connector,
    level,
    purpose,
    kind,
    periods,
    n=None,
    rate=AMPS,
    recurrency=None,
    transaction=None,
    valid_from=None,
    valid_to=None,
    start=None,
    duration=None,
    min_rate=None,
    schedule_id=0,
):
    """A new record. `periods`: tuples (startPeriod_s, limit in 0.1 A or 0.1 W, phases or 0); if
    they come from a generator, `n` says how many. `transaction`: its number (Transaction.number).
    Times are seconds since 2020 (clock.py); those beyond 2054 mean "never" until then. `start`
    None leaves the origin to the transaction. The values are taken as already checked
    (docs/smart-charging.md); what does not fit its field raises ValueError. Times that their words
    cannot hold follow at the end: see plain() and said()."""
    n = len(periods) if n is None else n
    if not 1 <= n <= MAX_PERIODS:
        raise ValueError("periods")
    w = array.array("i", bytes(4 * (HEADER + 2 * n)))
    w[0] = _MAGIC | _VERSION << 16 | n << 24
    w[ID], w[SCHEDULE] = profile_id, schedule_id
    flags = past = 0
    times = ((VALID_FROM, valid_from), (VALID_TO, valid_to), (START, start), (DURATION, duration))
    w[4] = transaction or 0
    if start is not None:
        flags |= FLAG_ORIGIN
        if start < 0:
            if kind == RECURRING:  # the same recurrence, anchored in 2020
                start %= 604800 if recurrency == WEEKLY else 86400
                if (valid_from or 0) <= 0:  # (that anchor may lie later than the least it can be)
                    flags |= FLAG_BEGUN
            else:
                past = -start
                start = 0
        w[START] = min(start, _MAX_WORD)
    again = recurrency or 0
    if recurrency is not None and kind != RECURRING:
        again |= 2
    bits = purpose | kind << 2 | again << 4 | rate << 6
    w[KEY] = connector | level << 8 | bits << 16 | flags << 24
    w[VALID_FROM] = max(0, min(valid_from or 0, _MAX_WORD))
    w[VALID_TO] = -1 if valid_to is None or valid_to >= _MAX_WORD else max(0, valid_to)
    w[DURATION] = -1
    if duration is not None and duration - past < _MAX_WORD:
        w[DURATION] = max(0, duration - past)
    w[MIN_RATE] = -1 if min_rate is None else min(min_rate, _MAX_LIMIT)
    lost = [(i, t) for i, t in times if t is not None and said(w, i) != t]
    for i, (start_s, limit, phases) in enumerate(periods):
        w[HEADER + 2 * i] = at = max(0, min(start_s - past, _MAX_WORD))
        w[HEADER + 2 * i + 1] = min(limit, _MAX_LIMIT) | phases << 24
        if at != start_s:
            lost.append((HEADER + 2 * i, start_s))
    for i, t in lost:
        t = max(-_EXACT, min(t, _EXACT - 1))
        w.extend(array.array("i", (t >> 32 << 8 | i, _signed(t & 0xFFFFFFFF))))
    return w


def plain(w):
    """The record `w` without what only said() reads: as RAM and the evaluator have it. (`w` itself
    where that is all: a copy would have a worse place in the heap.)"""
    end = HEADER + 2 * count(w)
    return w[:end] if end < len(w) else w


def said(w, i):
    """What was given, in s, for word `i` (VALID_FROM, VALID_TO, START, DURATION, or the first of a
    period) of a record with all that is on flash; None: it was absent."""
    for at in range(HEADER + 2 * count(w), len(w), 2):
        if w[at] & 0xFF == i:
            return w[at] >> 8 << 32 | w[at + 1] & 0xFFFFFFFF
    if i == START:
        return w[i] if w[KEY] >> 24 & FLAG_ORIGIN else None
    return None if w[i] == (0 if i == VALID_FROM else -1) else w[i]


def seal(w, sequence):
    """Number the record and make it believable: call once, before it is written."""
    w[SEQUENCE] = sequence
    w[1] = _crc(w)


def check(w):
    """Raise ValueError, whose text says why, unless `w` is a whole record, as read from flash."""
    if len(w) < HEADER or w[0] & 0xFFFF != _MAGIC:
        raise ValueError("not a profile record")
    version = w[0] >> 16 & 0xFF
    if version not in (_VERSION, _FORMER):
        raise ValueError("unknown layout version %d" % version)
    if len(w) < HEADER + 2 * count(w) or w[1] != _crc(w):
        raise ValueError("damaged")


def same(w, other):
    """True if two records say the same; their sequence numbers may differ."""
    if w[0] != other[0] or (w[KEY] ^ other[KEY]) & ~((FLAG_BEGUN | FLAG_ALONE) << 24):
        return False
    w, other = memoryview(w), memoryview(other)
    return w[ID:KEY] == other[ID:KEY] and w[VALID_FROM:] == other[VALID_FROM:]


def _crc(w):
    view = memoryview(w)
    return _signed(crc32(view[2:], crc32(view[:1])))


def _signed(word):
    return word - 0x100000000 if word & 0x80000000 else word


def count(w):
    """Number of periods."""
    return w[0] >> 24 & 0xFF


def stands_in(w):
    """It is no profile, but 6 A for one that cannot be believed (store.py)."""
    return not w[SEQUENCE]


def kind(w):
    """ABSOLUTE, RECURRING or RELATIVE."""
    return w[KEY] >> 18 & 3


def recurrency(w):
    """DAILY or WEEKLY; None: it was not given (of RECURRING it always is)."""
    bits = w[KEY] >> 20 & 3
    return bits & 1 if bits & 2 or kind(w) == RECURRING else None


# Where it stands.


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


def seat(w, n):
    """Make it the one of slot `n`."""
    w[KEY] = w[KEY] & ~_SLOT | n << 12


# Its file, in the folder of a store.


def name(w):
    """Of its file: connector, purpose, stackLevel, and its slot unless that is 0; ~: replaced."""
    text = "%d-%d-%d" % (profile.connector(w), profile.purpose(w), profile.level(w))
    n = slot(w)
    if n:
        text += "-%d" % n
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
        check(w)
        if name(w) == file:
            return w if full else plain(w)
        raise ValueError("the record of %s" % name(w))
    except (ValueError, OSError) as e:
        store.log("profile file %s: %s" % (file, e))
    try:
        connector, purpose, level, n = map(int, (file.rstrip("~").split("-") + ["0"])[:4])
        # (Relative: in force with and without a clock)
        w = pack(_NO_ID, connector, level, purpose, profile.RELATIVE, ((0, 60, 0),))
        seat(w, n)
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
    """The record `w` of `store` with all that was put (said), as it is on flash."""
    return w if stands_in(w) else read(store, name(w), True)


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
