# Eastron SDM630 and SDM72 (three phases), SDM120 and SDM230 (one): float32 input registers, from
# the maker's published table (evse.md 3.9).

import struct
from micropython import const

from . import modbus

_VOLTAGE = const(0)
_CURRENT = const(6)
_POWER_1 = const(12)
_POWER = const(52)  # (the single-phase ones have none)
_FREQUENCY = const(70)  # and right behind it the energy imported


class Meter(modbus.Meter):
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
        self.voltage_mV = v1, v2, v3
        self.current_mA = i1, i2, i3
        self.power_W = power // 1000
        self.energy_Wh = energy  # the register has kWh
        self.frequency_cHz = (mHz + 5) // 10

    async def _floats(self, register, n):
        words = struct.unpack(">%dI" % n, await self._bus.read(self._address, register, 2 * n))
        return [thousandths(w) for w in words]


def thousandths(word):
    """An IEEE 754 single, given as its 32 bits, times 1000, as an int rounded down towards zero.

    In integers, because the ESP32's own float would round the product once more. Negative values
    and what is not a number give 0: no register read here goes below zero.
    """
    exponent = (word >> 23) - 150
    if word >> 31 or not -160 < exponent < 30:
        return 0
    product = (word & 0x7FFFFF | 0x800000) * 1000
    return product << exponent if exponent >= 0 else product >> -exponent
