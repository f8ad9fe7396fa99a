# The electrical side of a connector, played: for the unit tests (world.py) and for the proofs
# (tests/prove/player.py, which runs on CPython too).

from firmware.electrical import faults, pilot


class Electrics:
    """What a Connector sees of a Controller; the test sets it. A car that obeys at once."""

    def __init__(self):
        self._state = pilot.A
        self.known = True
        self.visit = 0
        self.fault = faults.NONE
        self.pilot_mA = 0
        self.closed = False
        self.may_draw_mA = 0
        self.clears = False  # what reset() answers

    @property
    def state(self):
        return self._state

    @state.setter
    def state(self, state):
        if pilot.A in (state, self._state) and state != self._state:
            self.visit += 1
        self._state = state

    def reset(self):
        return self.clears
