"""The course of one transaction: what ends it, how it ends, what the journal has of it. Where it
begins, and whether a cause ends all of it, is decided in points.py."""

from micropython import const

from firmware import lazy
from firmware.electrical import faults

from . import states

_TICKS = const(0x3FFFFFFF)
_WAKE_POLLS = const(100)  # for a meter's first answer, after it too was without power


class Course:
    """Of transaction `tx` on connector `c`; of its state the journal has `state`, or None.

    | ending   | (cause, token, its kind) of a stop that waits for the current to end, or None |
    | alone_ms | since when it waits for a car, which must come within wait_s; or None |
    | seen     | state and limit, when they were last looked at |
    | told_mA  | the latest limit that the journal has, or 0 |"""

    def __init__(self, c, tx, state):
        self.c, self.tx = c, tx
        self.ending = self.alone_ms = None
        self.told_mA = 0
        self.seen = state, 0
        self._gone = state == states.FREE  # what follows from the car's absence is decided
        self._poll_ms = None  # the latest poll
        self._flow_ms = 0  # for so long energy has flowed, beside tx.flow_s
        self._readings = 0  # of the meter, when the contactor opened for a stop,
        self._polls = 0  # and how often it was looked for another since

    def stop(self, cause, token=None, kind=0):
        """See Connector.stop()."""
        if not self.ending:
            self.ending = (cause, token, kind)
            self._readings = -1

    def follow(self, now_s, now_ms, owner):
        """Follow the car and the clock; `owner` as of Connector.poll()."""
        c, tx = self.c, self.tx
        if self._poll_ms is not None and c.controller.closed and c.journal.wanted:
            self._flow_ms += (now_ms - self._poll_ms) & _TICKS
            tx.flow_s += self._flow_ms // 1000
            self._flow_ms %= 1000
        self._poll_ms = now_ms
        if not self.ending:
            self._follow_car(now_ms)
        fault = c.controller.fault  # (once: the tick goes on meanwhile)
        if (fault in faults.ENDING or fault == faults.INTERLOCK) and not self.ending:
            tx.fault = fault
            self.stop(states.INTERLOCK if fault == faults.INTERLOCK else states.FAULT)
        if not self.ending:
            self._note(now_s, owner)
        if self.ending and not c.controller.closed and not c.allow_mA:  # (a tick could close it)
            self._end(now_s, now_ms, owner)

    def _follow_car(self, now_ms):
        c = self.c
        gone = c.controller.known and not c.plugged()
        if gone != self._gone:
            self._gone, self.alone_ms = gone, None
            if gone:
                lazy.load("station.points").left(self, now_ms)
        elif self.alone_ms is not None:
            if (now_ms - self.alone_ms) & _TICKS >= 1000 * c.settings("wait_s"):
                self.stop(states.TIME_OUT)

    def _note(self, now_s, owner):
        # States and limits, as far as the journal wants them.
        c, tx = self.c, self.tx
        if not tx.seq:  # nobody was told of it: it begins with energy
            if c.controller.closed:
                lazy.load("station.points").energy(self, now_s, owner)
        elif not c.journal.wanted:
            if not tx.authorised:  # (the Central System has come to know no such transactions)
                self.stop(states.LOCAL)
        elif c.state:  # (FREE: not known yet)
            seen, self.seen = self.seen, (states.FREE if self._gone else c.state, c.allow_mA)
            if seen != self.seen:
                lazy.load("station.points").note(self, now_s, seen[0], *self.seen)
                owner.notify()

    def _end(self, now_s, now_ms, owner):
        # What flowed until the contactor opened belongs to the bill: wait for a reading.
        c, tx, meter = self.c, self.tx, self.c.meter
        cause, token, kind = self.ending
        left = cause == states.UNPLUGGED or cause == states.POWER_LOSS and not c.plugged()
        if self._readings < 0:
            self._readings = meter.readings
            self._polls = 0
            if c.lock and not left:
                c.lock.release = True  # (5.11, 5.12: stop, and unlock)
        if self._readings == meter.readings:
            self._polls += 1  # (not by the clock: in a stall it was not asked)
            if meter.known() or not meter.readings and self._polls <= _WAKE_POLLS:
                return
        if token:
            c.shows(token, now_ms)
        if lazy.load("station.points").goes_on(self, now_s):
            return owner.notify()
        tx.stop_s, tx.cause, tx.stop_token, tx.stop_kind = now_s, cause, token, kind
        tx.away = int(bool(c.journal.wanted) and not c.plugged())
        tx.stop_Wh = max(tx.seen_Wh, c.energy_Wh())  # (0 where the meter was never read)
        if tx.seq:
            owner.stopped(c, tx)
            c.journal.stop(tx)
        else:
            c.journal.drop(tx)
        if c.lock and left:
            c.cable_of = tx.token
        c.tx = c.course = None
        # (a car that has come since then is another one's)
        c.shown.finished = c.came = c.controller.visit - (left and c.controller.visit & 1)
        owner.ended(c)
