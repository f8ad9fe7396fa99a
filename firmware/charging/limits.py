"""Every source of a limit is a slot; the lowest wins and says why. Pure: time is an argument."""

from micropython import const

# Slots, in the order in which equal limits are named; who sets them, and when they expire:
# docs/configuration.md#sources-of-a-limit. "Profiles" are the charging profiles, of which one is
# named instead by its purpose; the evaluator knows how long it holds.
SOURCES = (
    "Hardware Installation Cable Temperature Meter Policy LastLimit Profiles EMS Grid Other Pause"
)
_COUNT = const(12)
HARDWARE = const(0)
INSTALLATION = const(1)
CABLE = const(2)
TEMPERATURE = const(3)
METER = const(4)
POLICY = const(5)
LAST = const(6)
PROFILES = const(7)
OUTSIDE = const(8)  # and two more: station/outside.py

NEVER = const(0x3FFFFFFF)
_LEAST_mA = const(6000)  # the pilot cannot offer less (IEC 61851-1)


class Limits:
    """The limit of one connector, mA per phase: the lowest of its slots, and why.

    | values    | what is in each slot, mA or None: put() sets it |
    | value_mA  | what may be offered |
    | limit_mA  | the same, or None when only the hardware maximum holds (a higher limit is none) |
    | source    | whose it is: the place of a word in SOURCES |
    | next_mA, next_source | what would hold without that source |
    | until_s   | when a slot expires next; NEVER |
    | local_mA  | the lowest but for profiles, and for a pause, which is soon over |
    | fixed_mA  | the lowest of hardware and installation |"""

    def __init__(self, hardware_mA):
        self.hardware_mA = hardware_mA
        self.values = [hardware_mA] + [None] * (_COUNT - 1)
        self._until_s = [NEVER] * _COUNT
        self._safe_mA = [None] * _COUNT
        self.resolve(0)

    def put(self, source, value_mA, until_s=NEVER, safe_mA=None):
        """Set (mA) or clear (None) a slot; the answer follows at the next resolve. From `until_s`
        on, if it is not set again, `safe_mA` holds; None: the slot is empty then."""
        self.values[source] = value_mA
        self._until_s[source] = until_s
        self._safe_mA[source] = safe_mA

    def moved(self, jump_s):
        """The clock was set: what expires does so after the time that it was given."""
        self._until_s = [t if t == NEVER else t + jump_s for t in self._until_s]

    def resolve(self, now_s):
        """Work out the answer as of `now_s`."""
        self.source = self.next_source = HARDWARE
        self.value_mA = self.next_mA = self.local_mA = self.fixed_mA = self.hardware_mA
        self.limit_mA = None
        self.until_s = NEVER
        for i in range(1, _COUNT):
            if now_s >= self._until_s[i]:
                self.put(i, self._safe_mA[i])
            elif self._until_s[i] < self.until_s:
                self.until_s = self._until_s[i]
            value = self.values[i]
            if value is None or value > self.hardware_mA:
                continue
            if i == INSTALLATION:
                self.fixed_mA = value
            if i < PROFILES and value < self.local_mA:
                self.local_mA = value
            if self.limit_mA is None or value < self.limit_mA:
                self.next_source, self.next_mA = self.source, self.value_mA
                self.limit_mA = self.value_mA = value
                self.source = i
            elif value < self.next_mA:
                self.next_source, self.next_mA = i, value


def share(ceiling_mA, wants_mA, out_mA):
    """Split `ceiling_mA` over connectors that want `wants_mA` each (0: wants nothing).

    Fills `out_mA` in place. Equal shares; what one does not want goes to the others. Who cannot
    get 6 A gets nothing, the last connectors first. The sum never exceeds the ceiling."""
    out_mA[:] = [0] * len(wants_mA)
    chosen = [i for i, mA in enumerate(wants_mA) if mA >= _LEAST_mA][: ceiling_mA // _LEAST_mA]
    # Smallest wishes are served first, so that what they leave is shared by the rest.
    chosen.sort(key=lambda i: (wants_mA[i], i))
    for n, i in enumerate(chosen):
        out_mA[i] = min(wants_mA[i], ceiling_mA // (len(chosen) - n))
        ceiling_mA -= out_mA[i]
