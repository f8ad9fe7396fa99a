"""What the meter's readings say: a car that draws more than it was told, a voltage out of its
range, and a meter that says nothing. docs/electrical.md 5, hazards 9, 10, 12 and 16."""

from micropython import const

from . import faults, pilot

_LONG_ms = const(600000)
_OVER_ms = const(7000)
_MARGIN_mA = const(500)
_GROSS_ms = const(1000)
_LOST_ms = const(60000)
_FRESH_ms = const(5000)
_FRESH_V_ms = const(3000)
_OUTSIDE_ms = const(4000)
_INSIDE_ms = const(60000)


class Overcurrent:
    """Compares with the most that a car may be drawing, which for 5 s after a lower limit is still
    the higher one (Controller.may_draw_mA).

    Inputs: `current_mA`: the highest phase; `readings`: rises with each new reading; `lost`: the
    meter answers what cannot be believed. `lost_mA`: the limit without a meter (limit_mA)."""

    def __init__(self, lost_mA):
        self.fault = faults.NONE
        self.ready, self.busy = True, False
        self.lost, self._lost_mA = False, lost_mA
        self.current_mA = self._told_mA = self.readings = self._seen = 0
        self._age_ms = 0  # of the latest reading
        self._over_ms = -1  # since the first reading above, or -1
        self._gross = self._gross_ms = 0  # readings above 150 %, up to two; since the first

    def tick(self, dt_ms, c):
        """Compare current and offer (see controller.py)."""
        new = self.readings != self._seen
        self._seen = self.readings
        self._age_ms = 0 if new else min(self._age_ms + dt_ms, _LONG_ms)
        # A car that ignores X1 is the controller's business, at what it was told before.
        told = self._told_mA = c.may_draw_mA or self._told_mA
        # (an old reading says nothing of the present limit)
        watched = c.closed and self._age_ms < _FRESH_ms
        if not watched or self.current_mA <= (told + _MARGIN_mA) * 11 // 10:
            self._over_ms = -1
        else:
            self._over_ms = 0 if self._over_ms < 0 else min(self._over_ms + dt_ms, _LONG_ms)
        if not watched or self.current_mA <= told * 3 // 2:
            self._gross = self._gross_ms = 0
        else:  # (a reading from before the limit fell, or it closed, is no evidence: new ones are)
            if self._gross:
                self._gross_ms = min(self._gross_ms + dt_ms, _LONG_ms)
            self._gross = min(self._gross + new, 2)
        if self._gross == 2 and self._gross_ms >= _GROSS_ms:
            self.fault = faults.OVERLOAD
        elif self.fault == faults.OVERLOAD or self.fault == faults.OVERCURRENT:
            if c.state == pilot.A:
                self.fault = faults.NONE
        elif self._over_ms >= _OVER_ms:
            self.fault = faults.OVERCURRENT
        else:
            self.fault = faults.NONE if self.limit_mA() is None else faults.METER

    def limit_mA(self):
        """What may be offered without a meter, or None while it is there."""
        return self._lost_mA if self.lost or self._age_ms >= _LOST_ms else None


class Supply:
    """Inputs: `low_mV`, `high_mV`: of the phases; `high_mV` 0: unknown. `readings`: as above."""

    def __init__(self, nominal_V):
        """The range is 90 to 110 % of `nominal_V`: 207 to 253 V."""
        self._least_mV, self._most_mV = nominal_V * 900, nominal_V * 1100
        self.fault = faults.NONE
        self.ready, self.busy = True, False
        self.low_mV = self.high_mV = self.readings = self._seen = 0
        self._age_ms = _FRESH_V_ms  # of the latest reading
        self._outside_ms = self._inside_ms = 0

    def tick(self, dt_ms, c):
        """Judge the latest voltages (see controller.py)."""
        self._age_ms = 0 if self.readings != self._seen else min(self._age_ms + dt_ms, _FRESH_V_ms)
        self._seen = self.readings
        outside = faults.NONE
        fresh = self._age_ms < _FRESH_V_ms  # (an old reading is no evidence, for good or bad)
        if fresh and self.high_mV > self._most_mV:
            outside = faults.OVERVOLTAGE
        if fresh and self.high_mV and self.low_mV < self._least_mV:
            outside = faults.UNDERVOLTAGE
        self._outside_ms = min(self._outside_ms + dt_ms, _OUTSIDE_ms) if outside else 0
        if outside:
            self._inside_ms = 0
        elif fresh or not self.high_mV:
            self._inside_ms = min(self._inside_ms + dt_ms, _INSIDE_ms)
        if self._outside_ms == _OUTSIDE_ms:
            self.fault = outside
        elif self._inside_ms == _INSIDE_ms:
            self.fault = faults.NONE
        self.ready = not self.fault and not outside
