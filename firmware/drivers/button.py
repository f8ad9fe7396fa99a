"""A push-button."""

from machine import Pin
from micropython import const

SHORT = const(1)
LONG = const(2)
_LONG = const(120)  # updates, 3 s


class Button:
    """`take()` says what was pressed since it was asked last: 0, SHORT (when released) or LONG
    (after 3 s, while held). A button that is held from the beginning counts from its release."""

    def __init__(self, pin, pressed=0, pull=Pin.PULL_UP):
        self._pin, self._pressed = Pin(pin, Pin.IN, pull), pressed
        self._before = True
        self._down = _LONG + 1  # updates; beyond _LONG it says nothing more
        self._event = 0

    def take(self):
        """What was pressed since the last call; 0: nothing."""
        event, self._event = self._event, 0
        return event

    def update(self):
        """Look at the button; once a tick."""
        down = self._pin() == self._pressed
        if down == self._before:  # twice the same: it does not bounce
            if not down:
                if 0 < self._down < _LONG:
                    self._event = SHORT
                self._down = 0
            else:
                self._down = min(self._down, _LONG) + 1
                if self._down == _LONG:
                    self._event = LONG
        self._before = down
