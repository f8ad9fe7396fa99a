"""The contactor of L2 and L3, beside the main one."""

from machine import Pin


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
