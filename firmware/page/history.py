"""The hours before now of every connector, for the page: in RAM, and only while there is one."""

import array
from micropython import const

_ROOM = const(288)  # samples: a day
_STEP_s = const(300)
_UNIT_mA = const(500)  # so fine are the values, each one byte
_MOST = const(254)


class History:
    """Of `unit`, a sample each STEP_s of its time: limit and pilot as they are then, and what the
    car took in the mean; 864 bytes a connector.

    | step_s | from one to the next |
    | t_s    | up_s of the latest; below 0: of the run before (kept.py) |
    | rings  | by connector, from the oldest on until they have come round once |"""

    step_s = _STEP_s

    def __init__(self, unit):
        self._unit = unit
        count = len(unit.station.connectors)
        self.rings = [bytearray(b"\xff" * (3 * _ROOM)) for _ in range(count)]
        self._at = self.t_s = self._seen_s = self._looks = 0
        self._sums = array.array("i", [0] * count)

    def look(self):
        """Call it a few times a second at most, and at least every few seconds."""
        up_s = self._unit.up_s
        if up_s == self._seen_s:
            return
        self._seen_s = up_s
        self._looks += 1
        for i, c in enumerate(self._unit.station.connectors):
            self._sums[i] += max(c.meter.current_mA)
        while up_s - self.t_s >= _STEP_s:
            self._sample(self.t_s + _STEP_s)

    def _sample(self, t_s):
        at, looks = 3 * self._at, self._looks
        for i, c in enumerate(self._unit.station.connectors):
            limit_mA = self._unit.station.sharing.limit_mA(c)
            limit_mA = c.limits.hardware_mA if limit_mA is None else limit_mA
            ring = self.rings[i]
            ring[at], ring[at + 1] = _byte(limit_mA), _byte(c.controller.pilot_mA)
            ring[at + 2] = _byte(self._sums[i] // looks) if looks else ring[at - 1]
            self._sums[i] = 0
        self._looks = 0
        self._at = (self._at + 1) % _ROOM
        self.t_s = t_s

    def pieces(self, number):
        """The samples of connector `number`, the oldest first, as bytes-likes: limit, pilot, car,
        each in 500 mA, 255 where nobody knows."""
        ring, at = memoryview(self.rings[number - 1]), 3 * self._at
        yield ring[at:]
        yield ring[:at]


def _byte(mA):
    return min((mA + _UNIT_mA // 2) // _UNIT_mA, _MOST)
