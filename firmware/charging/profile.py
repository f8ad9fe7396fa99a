"""The fixed-size charging profile record: the C structures of ../shared/spec/004, packed.
One array('i') is both what lies in flash and what the evaluator reads: 48 bytes of header and
8 bytes a period. Knows nothing of OCPP messages, files or clocks. See docs/storage.md.

  word  bytes  meaning (little endian)
  0     0-1    magic "PW"
        2      layout version (3)
        3      number of periods, 1..96
  1     4-7    CRC-32 of all the other words
  2     8-11   sequence number: of two records with one id the higher is newer
  3     12-15  the id that it was given, i32
  4     16-19  number of the transaction that it is for (ours); 0: any on its connector
  5     20-23  0
  6     24     connector     25 stackLevel   26 purpose | kind << 2 | recurrency << 4
               | chargingRateUnit << 6       27 flags
  7     28-31  validFrom, seconds since 2020; 0: absent
  8     32-35  validTo; all ones: never
  9     36-39  startSchedule, 2020 or later (what lies before is left out), see FLAG_ORIGIN;
               negative: when it was received, by a clock that was not set
  10    40-43  duration in s; all ones: absent
  11    44-47  minChargingRate in 0.1 A or 0.1 W; all ones: absent. In RAM, with FLAG_REPLACED:
               when its successor begins
  then for every period
  +0    0-3    startPeriod in s
  +1    4-6    limit in 0.1 A or 0.1 W      7 numberPhases; 0: absent

Every word that the evaluator reads lies in the 31-bit small-int range of the ESP32, so that
reading it does not allocate (all ones reads as -1)."""

import array
from binascii import crc32
from micropython import const

# Wire strings stand beside the numbers in ocpp/v16/smart_charging.py.
TX = const(0)
TX_DEFAULT = const(1)
CEILING = const(2)
ABSOLUTE = const(0)
RECURRING = const(1)
RELATIVE = const(2)
DAILY = const(0)
WEEKLY = const(1)
AMPS = const(0)
WATTS = const(1)

SEQUENCE, ID, KEY, VALID_FROM, VALID_TO, START, DURATION = 2, 3, 6, 7, 8, 9, 10
HEADER = const(12)  # words
FLAG_ORIGIN = const(2)  # START is where the schedule counts from (else: the transaction's start)
FLAG_REPLACED = const(4)  # it stays in force until its successor begins (A30)
FLAG_BEGUN = const(8)  # it had begun when it was received, or so nearly that a clock may err (A32)

MAX_PERIODS = const(96)  # a day in quarter hours
MAX_LEVEL = const(15)
_MAX_LIMIT = const(0xFFFFFF)  # 1.6 MA or 1.6 MW: whatever is above means the same
_MAX_WORD = const(0x3FFFFFFF)
_MAGIC = const(0x5750)
_VERSION = const(3)


def pack(
    profile_id,
    connector,
    level,
    purpose,
    kind,
    periods,
    n=None,
    rate=AMPS,
    recurrency=DAILY,
    transaction=None,
    valid_from=None,
    valid_to=None,
    start=None,
    duration=None,
    min_rate=None,
):
    """A new record. `periods`: tuples (startPeriod_s, limit in 0.1 A or 0.1 W, phases or 0); if
    they come from a generator, `n` says how many. `transaction`: its number (Transaction.number).
    Times are seconds since 2020 (clock.py); those beyond 2054 mean "never" until then. `start`
    None leaves the origin to the transaction. The values are taken as already checked
    (docs/smart-charging.md); what does not fit its field raises ValueError."""
    n = len(periods) if n is None else n
    if not 1 <= n <= MAX_PERIODS:
        raise ValueError("periods")
    w = array.array("i", bytes(4 * (HEADER + 2 * n)))
    w[0] = _MAGIC | _VERSION << 16 | n << 24
    w[ID] = profile_id
    flags = past = 0
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
    bits = purpose | kind << 2 | recurrency << 4 | rate << 6
    w[KEY] = connector | level << 8 | bits << 16 | flags << 24
    w[VALID_FROM] = max(0, min(valid_from or 0, _MAX_WORD))
    w[VALID_TO] = -1 if valid_to is None or valid_to >= _MAX_WORD else max(0, valid_to)
    w[DURATION] = -1
    if duration is not None and duration - past < _MAX_WORD:
        w[DURATION] = max(0, duration - past)
    w[11] = -1 if min_rate is None else min(min_rate, _MAX_LIMIT)
    for i, (start_s, limit, phases) in enumerate(periods):
        w[HEADER + 2 * i] = max(0, min(start_s - past, _MAX_WORD))
        w[HEADER + 2 * i + 1] = min(limit, _MAX_LIMIT) | phases << 24
    return w


def seal(w, sequence):
    """Number the record and make it believable: call once, before it is written."""
    w[SEQUENCE] = sequence
    w[1] = _crc(w)


def check(w):
    """Raise ValueError, whose text says why, unless `w` is a whole record, as read from flash."""
    if len(w) < HEADER or w[0] & 0xFFFF != _MAGIC:
        raise ValueError("not a profile record")
    version = w[0] >> 16 & 0xFF
    if version != _VERSION:
        raise ValueError("unknown layout version %d" % version)
    if len(w) != HEADER + 2 * count(w) or w[1] != _crc(w):
        raise ValueError("damaged")


def same(w, other):
    """True if two records say the same; their sequence numbers may differ."""
    if w[0] != other[0] or (w[KEY] ^ other[KEY]) & ~(FLAG_BEGUN << 24):
        return False
    w, other = memoryview(w), memoryview(other)
    return w[ID:KEY] == other[ID:KEY] and w[VALID_FROM:] == other[VALID_FROM:]


def _crc(w):
    view = memoryview(w)
    word = crc32(view[2:], crc32(view[:1]))
    return word - 0x100000000 if word & 0x80000000 else word


def begin(w):
    """The instant from which on `w` is valid and its schedule has begun; 0: it has."""
    return 0 if w[KEY] >> 24 & FLAG_BEGUN else max(0, w[VALID_FROM], w[START])


def period(w, e):
    """Which word begins the period that is in force `e` seconds into the schedule. (More than 11
    places for names and values, and a function takes heap at each call: composites ask often.)"""
    low = HEADER
    high = len(w) - 2
    while low < high:
        middle = low + ((high - low + 2) >> 2 << 1)
        if w[middle] <= e:
            low = middle
        else:
            high = middle - 2
    return low


def lowest(w, e=0, end_s=_MAX_WORD):
    """The second word of the period of `w` that allows the least current per phase, of those
    that are not over `e` seconds into its schedule, and begin before `end_s`."""
    least = _MAX_WORD
    word = 0
    end = len(w) - 2
    for i in range(HEADER, len(w), 2):
        if i < end and w[i + 2] <= e or i > HEADER and w[i] >= end_s:
            continue
        current = w[i + 1] & 0xFFFFFF
        if rate(w):
            current //= w[i + 1] >> 24 or 3
        if current < least:
            least = current
            word = w[i + 1]
    return word


def count(w):
    """Number of periods."""
    return w[0] >> 24 & 0xFF


def connector(w):
    """Its connector, 1..N; 0: the charge point."""
    return w[KEY] & 0xFF


def level(w):
    """Its stackLevel, 0..MAX_LEVEL."""
    return w[KEY] >> 8 & 0xFF


def purpose(w):
    """TX, TX_DEFAULT or CEILING."""
    return w[KEY] >> 16 & 3


def rate(w):
    """AMPS or WATTS, of its limits."""
    return w[KEY] >> 22 & 1


def transaction(w):
    """The number of the transaction that it is for, or None: whichever runs on its connector."""
    return w[4] or None


def replaced(w):
    """True if it was replaced, and stays in force until its successor begins (A30)."""
    return w[KEY] >> 24 & FLAG_REPLACED


def name(w):
    """Of its file: connector, purpose, stackLevel, which may stand only once; ~: replaced."""
    text = "%d-%d-%d" % (connector(w), purpose(w), level(w))
    return text + "~" if replaced(w) else text
