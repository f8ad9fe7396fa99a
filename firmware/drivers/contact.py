"""A contact, or an opto-coupler on the mains: is the load side of the contactor live, is the
protective earth there, is the loop of an interlock closed?"""

from machine import Pin
from micropython import const
from time import ticks_diff, ticks_ms

_WINDOW = const(4)  # updates, 100 ms: a half-wave opto-coupler makes ten edges
_EDGES = const(4)
_LATE_ms = const(100)  # between two updates: a tick may be late


class Contact:
    """Feeds mirror.Mirror, earth.Earth or interlock.Interlock. `live`: the level of the pin while
    that is live, there, closed; with `ac` the pin follows the mains and its edges count."""

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
