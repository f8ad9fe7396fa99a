# What a car may be drawing: it has 5 s to follow less (IEC 61851-1, seq. 6).

from micropython import const

_FOLLOW_ms = const(5000)
_PLACES = const(4)


class Draw:
    """The offers of the last 5 s. Where there were more than it has places for, one counts as the
    next higher: too much rather than too little."""

    def __init__(self):
        self._mA = [0] * _PLACES
        self._ms = [0] * _PLACES  # how much longer a car may draw that

    def count(self, dt_ms):
        """Time passes; 5 s, and nothing is left of it."""
        for i in range(_PLACES):
            self._ms[i] = max(self._ms[i] - dt_ms, 0)
            if not self._ms[i]:
                self._mA[i] = 0

    def was(self, mA):
        """`mA` were offered until now."""
        for i in range(_PLACES):
            if self._mA[i] <= mA:
                self._mA[i] = 0
        i = self._mA.index(min(self._mA))
        self._mA[i] = max(self._mA[i], mA)
        self._ms[i] = _FOLLOW_ms

    def most_mA(self, mA):
        """The highest of `mA`, which are offered now, and of all that."""
        return max(mA, max(self._mA))
