"""The motor that locks a plug in its socket. docs/electrical.md 5, hazard 14, and 6."""

from micropython import const

from . import faults, pilot

_PAUSE_ms = const(1000)  # between pulses, and at boot
_FAILED_ms = const(5000)  # of state E until it unlocks
_WELD_ms = const(750)  # after the contactor opened: until it is known that it did
_TRIES = const(6)
_READINGS = const(3)  # alike, of the sense input


class Lock:
    """Locks while a car is connected, and always while the contactor is closed.

    Input `locked`: True, False, or None: there is no sense contact, a pulse is believed.
    Input `release`: it is to be open: until the car's side is unplugged, or it is taken back.
    Input `keep`: it stays as it is when the car is unplugged, until `release`.
    Outputs `drive`: +1 lock, -1 unlock, 0 rest; `holds`: locked, or nobody knows.
    `pulse_ms`: of the motor, 100..1000; its driver sets it."""

    def __init__(self):
        self.fault = faults.NONE
        self.busy = self.holds = True
        self.locked = None
        self.ready = self.release = self.keep = self._want = False
        self.pulse_ms = 300
        self._is = None  # locked, debounced
        self._other = 0  # readings in a row that differ from it
        self._ms = 0  # of the pulse or the pause
        self.drive = self._tries = self._failed_ms = 0
        self._open_ms = _WELD_ms  # since the contactor opened

    def tick(self, dt_ms, c):
        """Decide where the bolt has to go (see controller.py)."""
        same = self.locked is None or self.locked == self._is
        self._other = 0 if same else self._other + 1
        if self._other == _READINGS:
            self._is, self._other = self.locked, 0
        self._failed_ms = min(self._failed_ms + dt_ms, _FAILED_ms) if c.state == pilot.E else 0
        self._open_ms = 0 if c.closed else min(self._open_ms + dt_ms, _WELD_ms)
        if not c.known:  # a car may be there, and what holds its plug stays as it is
            return
        want = self._wanted(c)
        if want != self._want:
            self._want = want
            self.reset()
        self._ms = min(self._ms + dt_ms, _PAUSE_ms)
        if self.drive:
            if self._ms >= self.pulse_ms:
                if self.locked is None:
                    self._is = self.drive > 0
                self.drive = self._ms = 0
        elif self._is is want:
            self.reset()
        elif self._ms >= _PAUSE_ms and self._tries == _TRIES:
            self.fault = faults.LOCK
        elif self._ms >= _PAUSE_ms:
            self._tries += 1
            self.drive = 1 if want else -1
            self._ms = 0
        self.holds = self._is is not False
        holds = self._is is True and want and not self.release
        self.ready = holds and self.locked is not False  # (nor closes on a reading that doubts it)
        self.busy = not holds

    def _wanted(self, c):
        if c.closed or self._open_ms < _WELD_ms:  # (a welded contactor is seen after 500 ms)
            return True
        if c.fault == faults.WELDED:  # (what is plugged in, or not, stays so; also a bolt that was
            return self._want or self._is is True  # about to go back)
        if c.state == pilot.A:
            if self.keep and not self.release:
                return self._is is not False  # (so also after a power cut)
            if self._is is False:
                self.release = False
            return False
        if self.release or self._failed_ms == _FAILED_ms:
            return False
        return self._want if c.state == pilot.E else c.fault != faults.CABLE

    def reset(self):
        """A person, or the Central System, wants it: try again."""
        self._tries = 0
        self.fault = faults.NONE
