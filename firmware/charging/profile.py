"""The fixed-size charging profile record: the C structures of ../shared/spec/004, packed.
One array('i') is both what lies in flash and what the evaluator reads: 48 bytes of header and
8 bytes a period. Made and checked in record.py. Knows nothing of OCPP messages, files or clocks.
See docs/storage.md.

  word  bytes  meaning (little endian)
  0     0-1    magic "PW"
        2      layout version (4; 3, which is read too, had no tail, and 0 in word 5 and place)
        3      number of periods, 1..96
  1     4-7    CRC-32 of all the other words
  2     8-11   sequence number: of two records with one id the higher is newer
  3     12-15  the id that it was given, i32
  4     16-19  number of the transaction that it is for (ours); 0: any on its connector
  5     20-23  the id of its schedule, i32; 0 where it has none
  6     24     connector     25 stackLevel | slot << 4: which of several of its level it is
        26     purpose | kind << 2 | recurrency << 4 (2 of it: it was given, and does not count)
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
  then, on flash only (record.plain() leaves it out), for every time that its word above cannot
  hold:
  +0    0      which word it is of          1-3 and, low half, +1: what was said, 56 bits, signed

Every word that the evaluator reads lies in the 31-bit small-int range of the ESP32, so that
reading it does not allocate (all ones reads as -1)."""

from micropython import const

# Wire strings stand beside the numbers in ocpp/charging_profile.py, and each version's words.py.
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

# Words of the header.
SEQUENCE = const(2)
ID = const(3)
SCHEDULE = const(5)
KEY = const(6)
VALID_FROM = const(7)
VALID_TO = const(8)
START = const(9)
DURATION = const(10)
MIN_RATE = const(11)
HEADER = const(12)  # words
FLAG_ORIGIN = const(2)  # START is where the schedule counts from (else: the transaction's start)
FLAG_REPLACED = const(4)  # it stays in force until its successor begins (A30)
FLAG_BEGUN = const(8)  # it had begun when it was received, or so nearly that a clock may err (A32)
FLAG_ALONE = const(16)  # it has replaced all of its stack: older ones there are gone

MAX_PERIODS = const(96)  # a day in quarter hours
MAX_LEVEL = const(15)
SLOTS = const(16)  # of one connector, purpose and level, whose validity does not overlap
_MAX_WORD = const(0x3FFFFFFF)


def begin(w):
    """The instant from which on `w` is valid and its schedule has begun; 0: it has."""
    return 0 if w[KEY] >> 24 & FLAG_BEGUN else max(0, w[VALID_FROM], w[START])


def period(w, e):
    """Which word begins the period that is in force `e` seconds into the schedule. (More than 11
    places for names and values, and a function takes heap at each call: composites ask often.)"""
    low, high = HEADER, len(w) - 2
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
    least, word, end = _MAX_WORD, 0, len(w) - 2
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


def connector(w):
    """Its connector, 1..N; 0: the charge point."""
    return w[KEY] & 0xFF


def level(w):
    """Its stackLevel, 0..MAX_LEVEL."""
    return w[KEY] >> 8 & 15


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
