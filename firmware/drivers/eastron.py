"""Eastron SDM630, SDM72 (three phases), SDM120, SDM230 (one): float32, by the maker's table."""

import struct
from micropython import const

from . import modbus

_VOLTAGE = const(0)
_CURRENT = const(6)
_POWER_1 = const(12)
_POWER = const(52)  # (the single-phase ones have none)
_FREQUENCY = const(70)  # and right behind it the energy imported


class Meter(modbus.Meter):
    """`phases`: 3, or 1 for SDM120 and SDM230."""

    def __init__(self, bus, address, phases=3):
        super().__init__(bus, address)
        self._phases = phases
        if phases == 1:
            self.gives = 0x827

    async def _read(self):
        n = self._phases
        if n == 3:
            v1, v2, v3, i1, i2, i3 = await self._floats(_VOLTAGE, 6)
        else:  # what lies between is not there
            (v1,) = await self._floats(_VOLTAGE, 1)
            (i1,) = await self._floats(_CURRENT, 1)
            v2 = v3 = i2 = i3 = 0
        (power,) = await self._floats(_POWER if n == 3 else _POWER_1, 1)
        mHz, energy = await self._floats(_FREQUENCY, 2)
        # (the energy's register has kWh)
        return (v1, v2, v3), (i1, i2, i3), _quiet(power, 20000) // 1000, energy, (mHz + 5) // 10

    async def _floats(self, register, n):
        words = struct.unpack(">%dI" % n, await self._bus.read(self._address, register, 2 * n))
        return [_quiet(thousandths(w), 100) for w in words]


def _quiet(value, noise):
    # What is negative by no more than the noise around zero is zero.
    return 0 if -noise < value < 0 else value


def thousandths(word):
    """An IEEE 754 single, given as its 32 bits, times 1000, as an int rounded towards zero, in
    integers: the ESP32's own float would round the product once more. ValueError: it is not a
    number, infinite, or more than any meter shows."""
    exponent = (word >> 23 & 0xFF) - 150
    if exponent >= 30:
        raise ValueError("it is not a number")
    product = (word & 0x7FFFFF | 0x800000) * 1000
    product = product << exponent if exponent >= 0 else product >> -exponent
    return -product if word >> 31 else product
