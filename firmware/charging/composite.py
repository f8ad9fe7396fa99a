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
    nothing limits (A24). outside: None, or what else limits (station/outside.py). Equal neighbours
    are merged.

    | out       | array('i') of entries start_s, limit, phases: 3 words each |
    | length_s  | what they cover: less than duration_s after `room` entries or _STEPS changes |"""

    def __init__(self, *asked):
        """evaluator, connectors, t, duration_s, tx_starts, running, hardware, rate, room, and
        outside"""
        self.out = array.array("i")
        self.length_s = 0
        self._changes = self._work(*asked)

    def steps(self, count):
        """Look at the next `count` changes; False: it is complete."""
        for _ in self._changes:
            count -= 1
            if not count:
                return True
        return False

    def _work(
        self, ev, connectors, t, duration_s, tx_starts, running, hardware, rate, room, outside=None
    ):
        out, at = self.out, t
        # (the pilot's asks for others in between)
        asked = [(c, ev.another()) for c in connectors]
        ev = ev.another()
        end = min(t + duration_s, _FAR)  # (what is beyond 2054 nobody can tell)
        for _ in range(_STEPS):
            total, phases, until = 0, 0, _FAR
            for c, own in asked:
                if t < at < own.steady:
                    own.later(at, rate)
                else:
                    own.at(c, at, tx_starts[c], running[c], rate)
                given, limit = own.phases, own.limit
                most = hardware[c]
                if outside:
                    cap, ends = outside.at(c, at)
                    most, until = min(most, cap), min(until, ends)
                if rate == WATTS:
                    most *= own.voltage_V * (given or 3)
                total += most if limit == NONE else min(limit, most)
                if given and (not phases or given < phases):
                    phases = given
                until = min(until, own.until)
            if len(connectors) > 1:
                ev.at(0, at, t, False, rate)
                if NONE != ev.limit < total:
                    total = ev.limit  # (when it changes each connector has said)
                if outside:
                    cap = outside.at(0, at)[0]
                    total = min(total, cap * (3 * ev.voltage_V if rate == WATTS else 1))
            # (No numberPhases means 3, 12.2: such neighbours are one period.)
            if not out or out[-2] != total or (out[-1] or 3) != (phases or 3):
                if len(out) == 3 * room:
                    return
                out.append(at - t)
                out.append(total)
                out.append(phases)
            at = until
            self.length_s = min(at, end) - t
            if at >= end:
                return
            yield
