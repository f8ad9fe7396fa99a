"""What a person sees: the connector's state, on one lamp or on red, green, blue."""

from machine import Pin
from micropython import const

_STEP = const(5)  # updates, 125 ms; a pattern has 16 steps
_R = const(0x10000)
_G = const(0x20000)
_B = const(0x40000)

# colour and, a bit a step, when it is lit
_PATTERNS = const(
    (  # by states.FREE ..
        _G | 0xFFFF,
        _B | 0x00FF,
        _B | 0xFFF0,
        _B | 0x0101,
        _B | 0x0505,
        _G | 0x00FF,
        _R | _G | 0x0F0F,
        _R | 0x0001,
        _R | 0x5555,
    )
)


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
