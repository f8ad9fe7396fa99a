"""The composite schedule: what Evaluator.at() says of one instant after the other. Loaded when the
Central System asks for it."""

import array
from micropython import const

from .limits import HARDWARE, PROFILES
from .profile import HEADER, WATTS
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
    are merged; where `sources` says, by connector, which place in limits.SOURCES has that word of
    the hardware, only those that the same one decides.

    | out       | array('i') of entries start_s, limit, phases: 3 words each |
    | length_s  | what they cover: less than duration_s after `room` entries or _STEPS changes |
    | by        | with `sources`: who decides each entry: a place in limits.SOURCES, the header of
                  a profile's record, or None: each connector by its own |"""

    def __init__(self, *asked):
        """evaluator, connectors, t, duration_s, tx_starts, running, hardware, rate, room,
        outside, and sources"""
        self.out = array.array("i")
        self.length_s = 0
        self.by = []
        self._changes = self._work(*asked)

    def steps(self, count):
        """Look at the next `count` changes; False: it is complete."""
        for _ in self._changes:
            count -= 1
            if not count:
                return True
        return False

    def _work(
        self, ev, connectors, t, duration_s, tx_starts, running, hardware, rate, room,
        outside=None, sources=None,
    ):  # fmt: skip
        out, by, at = self.out, self.by, t
        # (the pilot's asks for others in between)
        asked = [(c, ev.another()) for c in connectors]
        ev = ev.another()
        end = min(t + duration_s, _FAR)  # (what is beyond 2054 nobody can tell)
        for _ in range(_STEPS):
            total, phases, until, who = 0, 0, _FAR, None
            for c, own in asked:
                if t < at < own.steady:
                    own.later(at, rate)
                else:
                    own.at(c, at, tx_starts[c], running[c], rate)
                given, limit = own.phases, own.limit
                most, whose = hardware[c], sources and sources[c]
                if outside:
                    cap, ends, slot = outside.at(c, at)
                    until = min(until, ends)
                    if cap < most or cap == most and whose == HARDWARE:
                        most, whose = cap, slot
                if rate == WATTS:
                    most *= own.voltage_V * (given or 3)
                # (of equal ones the first slot is named, and the hardware last: limits.py)
                if limit == NONE or limit > most or limit == most and whose and whose < PROFILES:
                    limit = most
                elif sources:
                    whose = own.winner[:HEADER]
                total += limit
                who = whose if c == connectors[0] or whose == who else None
                if given and (not phases or given < phases):
                    phases = given
                until = min(until, own.until)
            if len(connectors) > 1:
                ev.at(0, at, t, False, rate)
                if NONE != ev.limit < total:
                    total = ev.limit  # (when it changes each connector has said)
                    who = ev.winner[:HEADER]
                if outside:
                    cap, _, slot = outside.at(0, at)
                    cap *= 3 * ev.voltage_V if rate == WATTS else 1
                    if cap < total:
                        total, who = cap, slot
            # (No numberPhases means 3, 12.2: such neighbours are one period.)
            same = out and out[-2] == total and (out[-1] or 3) == (phases or 3)
            if not same or sources and by[-1] != who:
                if len(out) == 3 * room:
                    return
                out.append(at - t)
                out.append(total)
                out.append(phases)
                if sources:
                    by.append(by[by.index(who)] if who in by else who)
            at = until
            self.length_s = min(at, end) - t
            if at >= end:
                return
            yield
