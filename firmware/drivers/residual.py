"""The residual direct current sensor: a fault output and, mostly, a test input."""

from machine import Pin


class ResidualSensor:
    """Drives residual.Residual. `level`: the fault output's level when it has tripped; an
    open wire should look like that, so `pull` goes the same way."""

    def __init__(self, part, fault, level=1, pull=None, test=None, test_level=1):
        self._part, self._level, self._test_level = part, level, test_level
        self._seen = self._testing = False
        self._test = None if test is None else Pin(test, Pin.OUT, value=1 - test_level)
        self._fault = Pin(fault, Pin.IN, pull)
        self._fault.irq(self._edge, Pin.IRQ_RISING | Pin.IRQ_FALLING)

    def _edge(self, pin):
        # The handler runs a little later: what is gone by then was a disturbance.
        if pin() == self._level:
            self._seen = True

    def update(self):
        """The fault output in, the test out; once a tick."""
        # The level too: an interrupt can be lost (docs/electrical.md 7).
        self._part.tripped = self._seen or self._fault() == self._level
        self._seen = False
        test = self._part.test
        if self._test and test != self._testing:
            self._testing = test
            self._test(self._test_level if test else 1 - self._test_level)
