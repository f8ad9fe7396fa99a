"""Bench mode of the controller: pilot and contactor without a car. Loaded while it lasts."""

from micropython import const

from . import faults, pilot

STAY_ms = const(300000)


class Bench:
    """Five minutes for the connector that nobody wants; then, and at the first sign of a car or a
    fault, the controller has its outputs again, in the same tick.

    Inputs `allow_mA`: what is to be advertised; `close`: the contactor is wanted; `left_ms`.
    `parts`: those that must be ready for that (what waits for a plug is none of them).
    `wanted()`: somebody wants the connector; `ended(why)` is called at the end."""

    def __init__(self, parts, wanted, ended):
        self.left_ms = STAY_ms
        self.allow_mA = 0
        self.close = False
        self._parts, self._wanted, self._ended = parts, wanted, ended

    def drive(self, c, dt_ms):
        """What controller `c` does in this tick, which has decided to offer nothing."""
        self.left_ms -= dt_ms
        why = self._over(c)
        if why:
            c.bench = None
            self._ended(why)
            return
        if c.duty_u16 == pilot.STEADY:  # (the self-test of the pilot may be at it)
            c.duty_u16 = pilot.duty_u16(self.allow_mA)
            c.pilot_mA = pilot.advertisable_mA(self.allow_mA)
        c.closed = self.close
        for part in self._parts:
            c.closed = c.closed and part.ready

    def _over(self, c):
        if faults.REACTION[c.fault]:
            return "there is a fault"
        if c.state != pilot.A:
            return "a car is there"
        if self._wanted():
            return "the connector is wanted"
        return "it was ended, or its time is over" if self.left_ms <= 0 else None
