# Modbus RTU master on one UART: RS485 or, without `de`, TTL. One bus for all meters of the unit.

import asyncio
import struct
from machine import UART, Pin
from micropython import const

_ANSWER_ms = const(200)
_QUIET_ms = const(5)  # 3.5 characters at 9600 baud, between two frames


class Bus:
    """Reads registers, one request at a time: all meters are read by one task."""

    def __init__(self, id, tx, rx, de=None, baud=9600):
        self._uart = UART(id, baud, tx=tx, rx=rx)
        self._drive = None if de is None else Pin(de, Pin.OUT, value=0)
        self._baud = baud

    async def read(self, address, register, n):
        """The bytes of `n` input registers. Raises OSError when no good answer comes."""
        request = struct.pack(">BBHH", address, 4, register, n)
        request += struct.pack("<H", crc16(request))
        while self._uart.any():  # what is left of an answer that came too late
            self._uart.read()
        if self._drive:
            self._drive(1)
        self._uart.write(request)
        await asyncio.sleep_ms(len(request) * 11000 // self._baud + 1)
        if self._drive:
            self._drive(0)
        size = 5 + 2 * n
        answer = b""
        for _ in range(_ANSWER_ms // _QUIET_ms):
            await asyncio.sleep_ms(_QUIET_ms)
            if self._uart.any():
                answer += self._uart.read() or b""
                if len(answer) >= size:
                    break
        good = len(answer) == size and answer[:3] == bytes((address, 4, 2 * n))
        if not good or struct.unpack("<H", answer[-2:])[0] != crc16(answer[:-2]):
            raise OSError("meter %d: no good answer" % address)
        return answer[3:-2]


class Meter:
    """What all meters share, and the latest reading: `energy_Wh`, `power_W`, `current_mA` and
    `voltage_mV` (three phases), `frequency_cHz` (a voltage or frequency of 0: unknown), `readings`
    (a count that rises with each). `gives` says what is measured: from bit 0 on energy, power,
    three currents, three voltages; bit 11 the frequency. A meter on the bus has `_read()`, which
    raises OSError and then changes nothing."""

    gives = 0x8FF

    _STALE = 5  # failed readings in a row until the meter counts as lost

    def __init__(self, bus, address):
        self._bus = bus
        self._address = address
        self._failed = self._STALE
        self.energy_Wh = self.power_W = self.frequency_cHz = 0
        self.current_mA = self.voltage_mV = (0, 0, 0)
        self.readings = 0

    def known(self):
        """False until the first reading, and once the meter has stopped answering."""
        return self._failed < self._STALE

    async def read(self):
        try:
            await self._read()
        except OSError:
            self._failed = min(self._failed + 1, self._STALE)
            return
        self._failed = 0
        self.readings += 1


def crc16(data):
    """Modbus CRC."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
