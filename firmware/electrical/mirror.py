"""What the load side of the contactor says: welded, or not closing.
docs/electrical.md 5, hazards 7 and 8."""

from micropython import const

from . import faults

_OPEN_ms = const(500)  # after the command to open: 250 ms for the contacts, 250 ms of evidence
_CLOSED_ms = const(1000)
_WRONG_ms = const(250)
_STEP_ms = const(50)
_RETRY_ms = const(10000)
_RETRIES = const(3)


class Mirror:
    """Input `live`: the load side is live (mirror contact, opto coupler); None: nobody knows,
    then nothing is checked."""

    busy = False

    def __init__(self):
        self.fault = faults.NONE
        self.live = None
        self.ready = self._closed = False
        self._ms = 0  # since the contactor was told otherwise
        self._wrong_ms = 0  # since the load side disagrees with it
        self._failures = 0  # in a row, to close

    def tick(self, dt_ms, c):
        """Compare contact and command (see controller.py)."""
        dt_ms = min(dt_ms, _STEP_ms)  # a stall is no evidence
        self._ms = min(self._ms + dt_ms, _RETRY_ms)
        if c.closed != self._closed:
            self._closed = c.closed
            self._ms = dt_ms  # (it was told in the last tick)
            self._wrong_ms = 0
        wrong = self.live is not None and self.live != c.closed
        self._wrong_ms = min(self._wrong_ms + dt_ms, _RETRY_ms) if wrong else 0
        if self._ms >= (_CLOSED_ms if c.closed else _OPEN_ms):
            if self._wrong_ms >= _WRONG_ms:
                if not c.closed:
                    self.fault = faults.WELDED
                elif not self.fault:
                    self.fault = faults.NOT_CLOSED
                    self._failures += 1
            elif c.closed and self.live:
                self._failures = 0
        if self.fault == faults.NOT_CLOSED and not c.closed and self._ms >= _RETRY_ms:
            if self._failures <= _RETRIES:
                self.fault = faults.NONE
        self.ready = not self.fault and (c.closed or not self.live and self._ms >= _OPEN_ms)

    def reset(self):
        """A person clears the fault; False: the contactor is welded for all to see."""
        if self.live and not self._closed:
            return False
        self.fault = faults.NONE
        self._failures = self._ms = self._wrong_ms = 0
