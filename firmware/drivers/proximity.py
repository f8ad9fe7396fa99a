"""The proximity contact of a socket: the cable's resistor against a pull-up."""

from micropython import const

from .analog import mean_uV, reader

_OPEN_ohm = const(10000)


class ProximityLine:
    """Feeds proximity.Proximity with the ohms to earth; None: no cable, or an ADC that fails."""

    def __init__(self, part, pin, pullup_ohm, supply_mV):
        self._part, self._read = part, reader(pin)
        self._pullup_ohm, self._supply_mV = pullup_ohm, supply_mV

    def update(self):
        """Measure the resistor; once a tick."""
        uV = mean_uV(self._read)
        mV = self._supply_mV if uV is None else uV // 1000
        left_mV = self._supply_mV - mV
        ohm = self._pullup_ohm * mV // left_mV if left_mV > 0 else _OPEN_ohm
        self._part.cable_ohm = ohm if ohm < _OPEN_ohm else None
