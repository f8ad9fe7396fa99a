"""What a person presses and sees: a push-button, and the connector's state on one lamp or on red,
green, blue."""

from machine import Pin
from micropython import const

SHORT = const(1)
LONG = const(2)
_LONG = const(120)  # updates, 3 s
_STEP = const(5)  # updates, 125 ms; a pattern has 16 steps
# By states.FREE ..: 1 red, 2 green, 3 both, 4 blue; and, a bit a step, when it is lit.
_PATTERNS = const(
    (0x2FFFF, 0x400FF, 0x4FFF0, 0x40101, 0x40505, 0x200FF, 0x30F0F, 0x10001, 0x15555)
)


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


class StatusLed:
    """Shows `connector.state`. `pins`: one, or red, green, blue; `on`: the level that lights."""

    def __init__(self, connector, pins, on=1):
        self._connector, self._on = connector, on
        self._pins = [Pin(p, Pin.OUT, value=1 - on) for p in pins]
        self._lit = [False] * len(pins)
        self._updates = 0

    def update(self):
        """The next step of the pattern; once a tick."""
        self._updates = (self._updates + 1) % (_STEP * 16)
        pattern = _PATTERNS[self._connector.state]
        lit = pattern >> self._updates // _STEP & 1
        for i in range(len(self._pins)):
            on = bool(lit and (len(self._pins) == 1 or pattern >> 16 + i & 1))
            if on != self._lit[i]:
                self._lit[i] = on
                self._pins[i](self._on if on else 1 - self._on)
