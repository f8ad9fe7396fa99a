"""Slow voltages on ADC1: the proximity contact, temperature, peak detectors."""

from machine import ADC, Pin
from micropython import const

# An ESP32's ADC shows 142 mV where there is less, give or take its noise.
FLOOR_uV = 180000
_OPEN_ohm = const(10000)


def reader(pin):
    """The read_uv of a pin, looked up once (looking it up allocates)."""
    return ADC(Pin(pin), atten=ADC.ATTN_11DB).read_uv


def mean_uV(read):
    """Four readings, 0.3 ms; None if the ADC fails."""
    try:
        return (read() + read() + read() + read()) >> 2
    except OSError:
        return None


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


class Mcp9700:
    """Feeds derating.Derating. Out of -32..150 degC, which the ADC cannot tell
    from no voltage at all: None, the sensor is lost."""

    def __init__(self, part, pin):
        self._part, self._read = part, reader(pin)

    def update(self):
        """Read the temperature; once a tick."""
        uV = mean_uV(self._read)
        good = uV is not None and FLOOR_uV <= uV <= 2000000
        self._part.temperature_dC = (uV - 500000) // 1000 if good else None
