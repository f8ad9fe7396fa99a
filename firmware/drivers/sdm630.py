# Eastron SDM630 (and SDM72, SDM120 on its first phase) on Modbus RTU: the energy meter.
# One bus for all meters of the unit; registers from the maker's published table (evse.md 3.9).

import asyncio
import struct
from machine import UART, Pin
from micropython import const

_ANSWER_ms = const(200)
_QUIET_ms = const(5)  # 3.5 characters at 9600 baud, between two frames
_STALE = const(5)  # failed readings in a row until the meter counts as lost

_CURRENTS, _POWER, _IMPORT = const(6), const(52), const(72)  # float32 input registers


class Meter:
    """The latest reading: `energy_Wh`, `power_W`, `current_mA` (three phases), `readings` (a
    count that rises with each)."""

    def __init__(self, bus, address):
        self._bus = bus
        self._address = address
        self._failed = _STALE
        self.energy_Wh = 0
        self.power_W = 0
        self.current_mA = (0, 0, 0)
        self.readings = 0

    def known(self):
        """False until the first reading, and once the meter has stopped answering."""
        return self._failed < _STALE

    async def read(self):
        try:
            currents = await self._bus.floats(self._address, _CURRENTS, 3)
            power = await self._bus.floats(self._address, _POWER, 1)
            energy = await self._bus.floats(self._address, _IMPORT, 1)
        except OSError:
            self._failed = min(self._failed + 1, _STALE)
            return
        self.current_mA = tuple([thousandths(x) for x in currents])
        self.power_W = thousandths(power[0]) // 1000
        self.energy_Wh = thousandths(energy[0])  # the register has kWh
        self._failed = 0
        self.readings += 1


class Bus:
    """A Modbus RTU master on RS485."""

    def __init__(self, id, tx, rx, de):
        self._uart = UART(id, 9600, tx=tx, rx=rx)
        self._drive = Pin(de, Pin.OUT, value=0)

    async def floats(self, address, register, n):
        """`n` IEEE 754 singles as raw 32-bit words. Raises OSError when no good answer comes."""
        request = struct.pack(">BBHH", address, 4, register, 2 * n)
        request += struct.pack("<H", crc16(request))
        while self._uart.any():  # what is left of an answer that came too late
            self._uart.read()
        self._drive(1)
        self._uart.write(request)
        await asyncio.sleep_ms(len(request) * 11000 // 9600 + 1)
        self._drive(0)
        size = 5 + 4 * n
        answer = b""
        for _ in range(_ANSWER_ms // _QUIET_ms):
            await asyncio.sleep_ms(_QUIET_ms)
            if self._uart.any():
                answer += self._uart.read()
                if len(answer) >= size:
                    break
        good = len(answer) == size and answer[:3] == bytes((address, 4, 4 * n))
        if not good or struct.unpack("<H", answer[-2:])[0] != crc16(answer[:-2]):
            raise OSError("meter %d: no good answer" % address)
        return struct.unpack(">%dI" % n, answer[3:-2])


def crc16(data):
    """Modbus CRC."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


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
