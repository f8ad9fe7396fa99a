"""Less current when it is hot, none when it is too hot: docs/electrical.md 5, hazards 11, 12."""

from micropython import const

from . import faults

_HALF_dC = const(650)
_WHOLE_dC = const(620)  # back from a half
_QUARTER_dC = const(680)
_STOP_dC = const(710)
_AGAIN_dC = const(610)  # below this after a stop
_MIN_mA = const(6000)
_LOST_ms = const(60000)  # without a sensor: 6 A from here on
_LOST_LONG_ms = const(600000)  # and nothing from here on


class Derating:
    """Input `temperature_dC`: the hottest place in 0.1 degC; None: the sensor is lost."""

    def __init__(self):
        self.fault = faults.NONE
        self.ready, self.busy = True, False
        self.temperature_dC = None
        self._part = 1  # a half is 2, a quarter 4
        self._lost_ms = 0

    def tick(self, dt_ms, c):
        """Judge the latest temperature (see controller.py)."""
        t = self.temperature_dC
        if t is None:
            self._lost_ms = min(self._lost_ms + dt_ms, _LOST_LONG_ms)
            return
        self._lost_ms = 0
        if t >= _STOP_dC:
            self.fault = faults.OVERHEATED
        elif t < _AGAIN_dC:
            self.fault = faults.NONE
        if t >= _QUARTER_dC:
            self._part = 4
        elif t <= _WHOLE_dC:
            self._part = 1
        elif t >= _HALF_dC:
            self._part = max(self._part, 2)
        else:
            self._part = min(self._part, 2)

    def limit_mA(self, hardware_mA):
        """What the heat leaves of `hardware_mA`, or None: all of it."""
        if self.fault or self._lost_ms >= _LOST_LONG_ms:
            return 0
        if self._lost_ms >= _LOST_ms:
            return _MIN_mA
        return max(hardware_mA // self._part, _MIN_mA) if self._part > 1 else None
