"""The loop of an emergency stop, a door or a thermal cut-out: closed while all is well, so that a
broken wire is an open loop. docs/electrical.md 5, hazard 17."""

from micropython import const

from . import faults, pilot

_SURE = const(20)  # readings, 500 ms: a car that comes while the fault shows F is seen by then


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
