"""What a contact says: is the contactor welded, or not closing; is the protective earth there; is
the loop of an interlock closed? docs/electrical.md 5, hazards 7 to 9 and 17."""

from micropython import const

from . import faults, pilot

_OPEN_ms = const(500)  # after the command to open: 250 ms for the contacts, 250 ms of evidence
_CLOSED_ms = const(1000)
_WRONG_ms = const(250)
_STEP_ms = const(50)
_RETRY_ms = const(10000)
_RETRIES = const(3)
_BACK_ms = const(60000)  # the earth has to be, before it counts
_SURE = const(20)  # readings, 500 ms: a car that comes while the fault shows F is seen by then


class Mirror:
    """Input `live`: the contactor's load side is live; None: nobody knows, nothing is checked."""

    def __init__(self):
        self.fault = faults.NONE
        self.live = None
        self.ready = self.busy = self._closed = False
        self._ms = 0  # since the contactor was told otherwise
        self._wrong_ms = 0  # since the load side disagrees with it
        self._failures = 0  # in a row, to close

    def tick(self, dt_ms, c):
        """Compare contact and command (see controller.py)."""
        dt_ms = min(dt_ms, _STEP_ms)  # a stall is no evidence
        self._ms = min(self._ms + dt_ms, _RETRY_ms)
        if c.closed != self._closed:
            self._closed = c.closed
            self._ms, self._wrong_ms = dt_ms, 0  # (it was told in the last tick)
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
        again = not c.closed and self._ms >= _RETRY_ms and self._failures <= _RETRIES
        if again and self.fault == faults.NOT_CLOSED:
            self.fault = faults.NONE
        self.ready = not self.fault and (c.closed or not self.live and self._ms >= _OPEN_ms)

    def reset(self):
        """A person clears the fault; False: the contactor is welded for all to see."""
        if self.live and not self._closed:
            return False
        self.fault = faults.NONE
        self._failures = self._ms = self._wrong_ms = 0


class Earth:
    """Input `live`: the earth is there; None: it was not read yet."""

    def __init__(self):
        self.fault = faults.NONE
        self.ready = self.busy = False
        self.live = None
        self._back_ms = _BACK_ms  # since it came back

    def tick(self, dt_ms, c):
        """Judge the latest reading (see controller.py)."""
        if self.live is None:
            return
        self._back_ms = min(self._back_ms + dt_ms, _BACK_ms) if self.live else 0
        self.fault = faults.NONE if self._back_ms == _BACK_ms else faults.PE
        self.ready = not self.fault


class Interlock:
    """Input `live`: the loop is closed; None: it was not read yet."""

    def __init__(self):
        self.fault = faults.NONE
        self.busy = self.ready = False
        self.live = None
        self._sure = _SURE  # readings of a closed loop since it was open, without a car

    def tick(self, dt_ms, c):
        """Judge the latest reading (see controller.py). A stop that is released must not start a
        charge: the car has to be gone too."""
        if self.live is None:
            return
        well = self.live and (c.state == pilot.A or self._sure == _SURE)
        self._sure = min(self._sure + 1, _SURE) if well else 0
        self.fault = faults.NONE if self._sure == _SURE else faults.INTERLOCK
        self.ready = not self.fault
