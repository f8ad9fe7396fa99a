"""The relay of L2 and L3, and how to move it under a car: docs/electrical.md 6."""

from micropython import const

from . import pilot

_DEAD_ms = const(100)  # contactor open before the relay moves
_PAUSE_ms = const(10000)  # relay moved before energy is offered again
_LOAD_PAUSE_ms = const(60000)  # from a contactor that opened under load to energy again


class Phases:
    """Input `wanted`: 1, 3, or 0: no wish. `min_ms`, which the driver sets: from a move to three
    phases again (to one it goes at once: what one may carry must not flow on three). Outputs:
    `three`: the relay of L2 and L3; `busy`: offer nothing meanwhile."""

    def __init__(self):
        self.ready = self.three = True
        self.min_ms = 300000
        self.busy = self._closed = False
        self._load = False  # the latest opening was under load
        self._open_ms = 0  # since the contactor opened
        self._moved_ms = -1  # since the relay moved; -1: it has not yet
        self.fault = self.wanted = self._pause_ms = 0

    def tick(self, dt_ms, c):
        """Move L2 and L3 when that is safe (see controller.py)."""
        if c.closed != self._closed:
            self._closed = c.closed
            self._open_ms = 0
            self._load = not c.closed and c.state > pilot.B and not c.other
        if not c.closed:
            self._open_ms = min(self._open_ms + dt_ms, _LOAD_PAUSE_ms)
        if self._moved_ms >= 0:
            self._moved_ms = min(self._moved_ms + dt_ms, max(self.min_ms, _LOAD_PAUSE_ms))
        self._pause_ms = 0 if c.state == pilot.A else max(self._pause_ms - dt_ms, 0)
        early = self.wanted == 3 and 0 <= self._moved_ms < self.min_ms
        due = self.wanted and not early and (self.wanted == 3) != self.three
        if due and not c.closed and self._open_ms >= _DEAD_ms:
            self.three = not self.three
            self._moved_ms, due = 0, False
            if c.state != pilot.A:
                least_ms = _LOAD_PAUSE_ms - self._open_ms if self._load else 0
                self._pause_ms = max(least_ms, _PAUSE_ms)
        self.busy = bool(due or self._pause_ms)
        self.ready = not self.busy
