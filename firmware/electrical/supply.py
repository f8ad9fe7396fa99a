"""The mains: is the voltage in its range? docs/electrical.md 5, hazard 9."""

from micropython import const

from . import faults

_OUTSIDE_ms = const(4000)
_INSIDE_ms = const(60000)
_FRESH_ms = const(3000)


class Supply:
    """Inputs `low_mV`, `high_mV`: lowest and highest phase; `high_mV` 0: nothing is known.
    `readings`: rises with each."""

    busy = False

    def __init__(self, nominal_V=230):
        """The range is 90 to 110 % of `nominal_V`: 207 to 253 V."""
        self._least_mV = nominal_V * 900
        self._most_mV = nominal_V * 1100
        self.fault = faults.NONE
        self.ready = True
        self.low_mV = self.high_mV = 0
        self.readings = self._seen = 0
        self._age_ms = _FRESH_ms  # of the latest reading
        self._outside_ms = self._inside_ms = 0

    def tick(self, dt_ms, c):
        """Judge the latest voltages (see controller.py)."""
        self._age_ms = 0 if self.readings != self._seen else min(self._age_ms + dt_ms, _FRESH_ms)
        self._seen = self.readings
        outside = faults.NONE
        fresh = self._age_ms < _FRESH_ms  # (an old reading is no evidence, for good or bad)
        if self.high_mV and fresh:
            if self.low_mV < self._least_mV:
                outside = faults.UNDERVOLTAGE
            elif self.high_mV > self._most_mV:
                outside = faults.OVERVOLTAGE
        if outside:
            self._outside_ms = min(self._outside_ms + dt_ms, _INSIDE_ms)
            self._inside_ms = 0
            if self._outside_ms >= _OUTSIDE_ms:
                self.fault = outside
        else:
            self._outside_ms = 0
            if fresh or not self.high_mV:
                self._inside_ms = min(self._inside_ms + dt_ms, _INSIDE_ms)
            if self._inside_ms == _INSIDE_ms:
                self.fault = faults.NONE
        self.ready = not self.fault and not outside
