# The electrical side of a connector, played: for the unit tests (world.py) and for the proofs
# (tests/prove/player.py, which runs on CPython too). And the unit's own, without its drivers.

from firmware.electrical import faults, pilot
from firmware.fitting import Fitting


class Electrics:
    """What a Connector sees of a Controller; the test sets it. A car that obeys at once."""

    def __init__(self):
        self._state = pilot.A
        self.known = True
        self.visit = self.other = 0
        self.fault = faults.NONE
        self.pilot_mA = 0
        self.closed = False
        self.may_draw_mA = 0
        self.clears = False  # what reset() answers
        self.bench = None

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


class Nothing:
    """A driver that does nothing: the test sets the inputs of the parts, and reads its output."""

    def __init__(self, *args, **pins):
        self.high_mV = self.low_mV = 0
        self.output = None

    def update(self):
        pass

    sample = update

    def set(self, output):
        self.output = output


class Plain:
    """A board and a config.json of which only the parts count."""

    SENSE_ZERO_uV = SENSE_PER_V_uV = 0
    METER_UART = {}
    voltage_V = 230
    meter_lost_mA = 6000
    wake = True
    ventilation = False


# What a board's dict has for every part of electrical/.
FITTINGS = {
    "residual": {"test": 32},
    "mirror": {},
    "interlock": {},
    "earth": {},
    "readback": {},
    "meter": 1,
    "ntc": {},
    "proximity": {},
    "lock": {},
    "phases": {},
}


def outlet(pins, power_cut=False, **config):
    """The unit's outlet of the parts in `pins` (firmware/fitting.py), without drivers."""
    settings = Plain()
    for name, value in config.items():
        setattr(settings, name, value)
    fit = Fitting(Plain, settings, power_cut, lambda module, name: Nothing)
    return fit.outlet(dict(pins, pilot=27, sense=36, contactor=33))
