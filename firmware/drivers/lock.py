"""The motor that locks the plug in the socket: an H-bridge, and a switch that sees the bolt."""

from machine import Pin


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
