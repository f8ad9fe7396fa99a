"""PZEM-004T v3: one phase, Modbus RTU on a TTL UART, scaled integers, low word first."""

import struct

from . import modbus


class Meter(modbus.Meter):
    """modbus.Meter of one phase."""

    gives = 0x827

    async def _read(self):
        data = await self._bus.read(self._address, 0, 8)
        dV, mA, mA_high, dW, dW_high, Wh, Wh_high, dHz = struct.unpack(">8H", data)
        power_W = (dW_high << 16 | dW) // 10
        return (dV * 100, 0, 0), (mA_high << 16 | mA, 0, 0), power_W, Wh_high << 16 | Wh, dHz * 10
