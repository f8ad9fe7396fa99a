"""A pin that sees the pilot as it leaves its driver: which duty is it?"""

from machine import Pin, time_pulse_us
from micropython import const
from time import ticks_diff, ticks_us

_SELDOM = const(10)  # ticks, 250 ms, from one reading to the next: it takes 1 to 2 ms
_SOON = const(2)  # where the last one was in doubt
_LONGEST_us = const(1100)  # of a part of the period
_LEAST_us = const(980)  # the period
_MOST_us = const(1020)


class Pulse:
    """Feeds readback.Readback. `live`: the level of the pin while the pilot is above 0 V."""

    def __init__(self, part, pin, live=1, pull=None):
        self._part, self._live = part, live
        self._pin = Pin(pin, Pin.IN, pull)
        self._updates = pin % _SELDOM  # since the latest (several: not all in one tick)
        self._low = True  # the low part was the shorter one

    def update(self):
        """Now and then measure the duty; once a tick, before the pilot is driven."""
        self._updates += 1
        if self._updates >= (_SOON if self._part.wrong else _SELDOM):
            self._updates = 0
            share = self._share(1 - self._live if self._low else self._live)
            share = 65535 - share if self._low else share
            self._part.duty_u16 = share
            self._low = share >= 32768

    def _share(self, level):
        # Of 65536, how long the pin has this level; more than that: it is no wave of 1 kHz. A
        # pulse of it ends, then the next is timed: meanwhile, in the longer part of the period,
        # there is time for the bytecodes in between, which are the same at both of its ends.
        us = time_pulse_us(self._pin, level, _LONGEST_us)
        begin_us = ticks_us()
        if us >= 0:
            us = time_pulse_us(self._pin, level, _LONGEST_us)
            if not _LEAST_us <= ticks_diff(ticks_us(), begin_us) <= _MOST_us:
                return 1 << 18
        if us < 0:  # steady: -1 at this level, -2 at the other
            return 65535 if us == -1 else 0
        return us * 8192 // 125  # (LEDC's period is off by 0.2 % at most)
