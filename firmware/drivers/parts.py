"""The pins of the parts: what a contact or an opto-coupler says, a residual current sensor, the
motor that locks the plug in the socket, the contactor of L2 and L3."""

from machine import Pin
from micropython import const
from time import ticks_diff, ticks_ms

_WINDOW = const(4)  # updates, 100 ms: a half-wave opto-coupler makes ten edges
_EDGES = const(4)
_LATE_ms = const(100)  # between two updates: a tick may be late


class Contact:
    """Feeds Mirror, Earth or Interlock of contact.py. `live`: the level of the pin while that is
    live, there, closed; with `ac` the pin follows the mains and its edges count."""

    def __init__(self, part, pin, live=1, ac=False, pull=None):
        self._part, self._live, self._ac = part, live, ac
        self._edges = self._updates = 0
        self._now_ms = ticks_ms()
        self._pin = Pin(pin, Pin.IN, pull)
        part.live = None
        if ac:
            self._pin.irq(self._edge, Pin.IRQ_RISING | Pin.IRQ_FALLING)

    def _edge(self, pin):
        self._edges += 1

    def update(self):
        """Say whether it is live; once a tick."""
        if not self._ac:
            self._part.live = self._pin() == self._live
            return
        now = ticks_ms()
        if ticks_diff(now, self._now_ms) > _LATE_ms:  # a window of its own length only
            self._updates = self._edges = 0
        self._now_ms = now
        self._updates += 1
        if self._updates == _WINDOW:
            self._part.live = self._edges >= _EDGES
            self._updates = self._edges = 0


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


class LockMotor:
    """Drives lock.Lock. `locked`: the level of `sense` with the bolt out; `pulse_ms`: a drive."""

    def __init__(self, part, a, b, sense=None, locked=1, pull=None, pulse_ms=300):
        self._part, self._locked = part, locked
        part.pulse_ms = pulse_ms
        self._drive = 0
        self._a, self._b = Pin(a, Pin.OUT, value=0), Pin(b, Pin.OUT, value=0)
        self._sense = None if sense is None else Pin(sense, Pin.IN, pull)

    def update(self):
        """The bolt's place in, the motor's drive out; once a tick."""
        if self._sense:
            self._part.locked = self._sense() == self._locked
        drive = self._part.drive
        if drive != self._drive:
            self._drive = drive
            self._a(0)  # never both
            self._b(0)
            if drive:
                (self._a if drive > 0 else self._b)(1)


class PhaseRelay:
    """Drives phases.Phases. On a plain Pin: after a soft reset it stays where it is, while
    the main contactor (LEDC) opens. It then moves only once that one is open. `min_s`: on one
    phase before it may be three again."""

    def __init__(self, part, pin, level=1, min_s=300):
        self._part, self._level = part, level
        part.min_ms = 1000 * min_s
        self._three = False
        self._pin = Pin(pin, Pin.OUT, value=1 - level)

    def update(self):
        """Move it where Phases.three wants it; once a tick."""
        three = self._part.three
        if three != self._three:
            self._three = three
            self._pin(self._level if three else 1 - self._level)
