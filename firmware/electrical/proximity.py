"""The coding resistor of a cable in a socket: what it may carry, and whether it is there.
docs/electrical.md 4 and 5, hazard 13. (A cable that is fixed to the station has no such part.)"""

from micropython import const

from . import faults, pilot

_GONE = const(3)  # readings in a row; and of `plugged`
_CHANGED_ms = const(500)
_STEP_ms = const(100)
_FIRST_ms = const(1000)  # a car may be seen this long before its cable
# Ohm from which on a cable carries so much; between the windows (docs/electrical.md 4) the less.
_FROM_ohm = (80, 141, 309, 937)
_RATING_mA = (63000, 32000, 20000, 13000)
_MOST_ohm = const(4500)


def rating_mA(ohm):
    """What a cable with this resistor carries; 0: none, or a fault. `ohm` None: open."""
    rating = 0
    if ohm is not None and ohm <= _MOST_ohm:
        for i in range(4):
            if _FROM_ohm[i] <= ohm:
                rating = _RATING_mA[i]
    return rating


class Proximity:
    """Input `cable_ohm`; None: open. Output `rating_mA`: 13000, 20000, 32000, 63000; 0: no cable.
    Output `plugged`: a plug is in the socket, whatever it may carry, with a car or without.

    While a car is connected the rating stays as it was found: another one is a fault."""

    def __init__(self):
        self.fault = faults.NONE
        self.busy = True
        self.cable_ohm = None
        self.rating_mA = 0
        self.ready = self.plugged = False
        self._other = 0  # readings in a row that contradict it
        self._seen_mA = 0
        self._seen_ms = 0  # and since when
        self._gone = 0  # readings in a row without a cable
        self._without_ms = 0  # a car without a cable

    def tick(self, dt_ms, c):
        """Judge the latest resistance (see controller.py)."""
        ohm = self.cable_ohm
        rating = rating_mA(ohm)
        plugged = ohm is not None and ohm <= _MOST_ohm
        self._other = 0 if plugged == self.plugged else self._other + 1
        if self._other == _GONE:
            self.plugged, self._other = plugged, 0
        self._seen_ms = min(self._seen_ms + dt_ms, _FIRST_ms) if rating == self._seen_mA else 0
        self._seen_mA = rating
        self._gone = 0 if rating else min(self._gone + 1, _GONE)
        sure = self._seen_ms >= _CHANGED_ms
        if c.state == pilot.A:
            self.fault = faults.NONE
            self._without_ms = 0
            if not rating or sure:
                self.rating_mA = rating
        elif self.rating_mA:
            if self._gone == _GONE or sure and rating != self.rating_mA:
                self.fault = faults.CABLE
                self.rating_mA = 0
        elif rating and sure and not self.fault:
            self.rating_mA = rating
        elif not self.fault:
            self._without_ms += min(dt_ms, _STEP_ms)  # (a stall is no evidence)
            if self._without_ms >= _FIRST_ms:
                self.fault = faults.CABLE
        self.busy = not self.rating_mA
        self.ready = self.rating_mA > 0 and self.rating_mA == rating and not self.fault
