"""A sensor of DC residual current (RDC-DD): docs/electrical.md 5, hazards 3 and 4."""

from micropython import const

from . import faults, pilot

_SETTLE_ms = const(1000)  # what the sensor says for so long after power-up is not looked at
_TRIP_ms = const(1000)  # the test input is driven until the sensor trips, this long at most
_END_ms = const(3000)  # and so long the trip may take to end
_DAY_ms = const(86400000)
_STEP_ms = const(100)
_IDLE = const(0)
_TEST = const(1)
_END = const(2)


class Residual:
    """Trips for good; tests the sensor, contactor open, at boot, once a plug-in and once a day.

    Input `tripped`: the fault output of the sensor. Output `test`: drive its test input.
    `tests` False: it has none, and a person has to press its button now and then."""

    def __init__(self, tests):
        self._settle_ms = _SETTLE_ms
        self.fault = faults.NONE
        self.busy = True
        self.ready = self.tripped = self.test = self._plugged = False
        self._tests = self._due = tests
        self._phase = _IDLE
        self._ms = 0  # in this phase
        self._age_ms = 0  # of the latest test

    def tick(self, dt_ms, c):
        """Trip, or test the sensor (see controller.py)."""
        if self._settle_ms > 0:
            self._settle_ms -= dt_ms
            return
        before, self._plugged = self._plugged, c.state != pilot.A
        self._age_ms = min(self._age_ms + dt_ms, _DAY_ms)
        if self._plugged and not before or self._age_ms == _DAY_ms:
            self._due = self._tests
        self._ms = min(self._ms + min(dt_ms, _STEP_ms), _END_ms)  # (a stall is no answer)
        if self._phase == _TEST and self.tripped:
            self._go(_END)
        elif self._phase == _END and not self.tripped:
            self._go(_IDLE)
            self._due = False
            self._age_ms = 0
        elif self._phase:
            if self._ms >= (_TRIP_ms if self._phase == _TEST else _END_ms):
                self._go(_IDLE)
                self.fault = faults.RESIDUAL_TEST
        elif self.tripped:
            self.fault = faults.RESIDUAL
        elif self._due and not self.fault and not c.closed:
            self._go(_TEST)
        self.busy = self._phase != _IDLE or self._due
        self.ready = not self.busy and not self.fault

    def _go(self, phase):
        self._phase, self._ms = phase, 0
        self.test = phase == _TEST

    def reset(self):
        """A person clears the fault, and it is tested first; False: it has tripped still."""
        if self.tripped:
            return False
        self.fault = faults.NONE
        self._due = self._tests
