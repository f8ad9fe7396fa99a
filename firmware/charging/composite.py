"""The composite schedule: what Evaluator.at() says of one instant after the other. Loaded when the
Central System asks for it."""

import array
from micropython import const

from .profile import WATTS
from .schedule import NONE

_FAR = const(0x3FFFFFFF)
_STEPS = const(1000)  # a bound on the work of one composite schedule


class Composite:
    """The composite schedule from `t` for `duration_s`, worked out by steps() a few instants at a
    time, because the pilot must not wait for all of it.

    connectors: a tuple; of several the limits are added up and capped by the ceiling (A27).
    tx_starts, running: by connector number, the transaction's start (`t` where none runs) and
    whether one does. hardware: by connector, what it can give in 0.1 A per phase: reported where
    nothing limits (A24). Equal neighbours are merged.

    | out, n    | array('i') of n entries start_s, limit, phases: 3 words each |
    | length_s  | what they cover: less than duration_s after `room` entries or _STEPS changes |"""

    def __init__(
        self, evaluator, connectors, t, duration_s, tx_starts, running, hardware, rate, room
    ):
        self._evaluator = evaluator
        self._connectors = connectors
        self._t = self._at = t
        self._end = min(t + duration_s, _FAR)  # (what is beyond 2054 nobody can tell)
        self._tx_starts = tx_starts
        self._running = running
        self._hardware = hardware
        self._rate = rate
        self._left = _STEPS
        self.out = array.array("i")
        self._room = room
        self.n = 0
        self.length_s = 0

    def steps(self, count):
        """Look at the next `count` changes; False: it is complete."""
        while count and self._step():
            count -= 1
        return not count

    def _step(self):
        evaluator, at = self._evaluator, self._at
        total, phases, until = 0, 0, _FAR
        for c in self._connectors:
            evaluator.at(c, at, self._tx_starts[c], self._running[c], self._rate)
            given = evaluator.phases
            most = self._hardware[c]
            if self._rate == WATTS:
                most *= evaluator.voltage_V * (given or 3)
            limit = evaluator.limit
            total += most if limit == NONE or limit > most else limit
            if given and (not phases or given < phases):
                phases = given
            if evaluator.until < until:
                until = evaluator.until
        if len(self._connectors) > 1:
            evaluator.at(0, at, self._t, False, self._rate)
            if NONE != evaluator.limit < total:
                total = evaluator.limit  # (when it changes each connector has said)
        out, i = self.out, 3 * self.n
        self.length_s = at - self._t
        # (No numberPhases means 3, 12.2: such neighbours are one period.)
        if not i or out[i - 2] != total or (out[i - 1] or 3) != (phases or 3):
            if self.n == self._room:
                return False
            for word in (at - self._t, total, phases):
                out.append(word)
            self.n += 1
        self._at = until
        self._left -= 1
        if until >= self._end:
            self.length_s = self._end - self._t
            return False
        self.length_s = until - self._t
        return self._left > 0
