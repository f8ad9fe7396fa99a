"""Temperature by a DS18B20, alone on its 1-wire bus; over the stock firmware's module onewire."""

from machine import Pin
from micropython import const
from time import ticks_diff, ticks_ms

from onewire import OneWire

_CONVERSION_ms = const(750)
_SKIP_ROM = const(0xCC)
_CONVERT = const(0x44)
_READ = const(0xBE)
_POWER_ON = const(0x0550)  # 85 degC, before the first conversion


class Ds18b20:
    """Feeds derating.Derating about once a second; None: the sensor is lost. An update keeps
    the tick for 2 ms at most: the answer is read byte by byte, one an update."""

    def __init__(self, part, pin):
        self._part, self._wire = part, OneWire(Pin(pin))
        self._data = bytearray(9)
        self._at = -2  # -2 to begin, -1 while it converts, then the byte to read
        self._began_ms = ticks_ms()
        part.temperature_dC = None

    def update(self):
        """A byte or a step of the exchange; once a tick."""
        wire = self._wire
        if self._at >= 0:
            self._data[self._at] = wire.readbyte()
            self._at += 1
            if self._at == 9:
                self._part.temperature_dC = self._dC()
                self._at = -2
        elif self._at == -2 or ticks_diff(ticks_ms(), self._began_ms) >= _CONVERSION_ms:
            if not wire.reset():
                self._part.temperature_dC = None
                self._at = -2
                return
            wire.writebyte(_SKIP_ROM)
            self._at += 1
            wire.writebyte(_READ if self._at == 0 else _CONVERT)
            self._began_ms = ticks_ms()

    def _dC(self):
        data = self._data
        # A bus that is stuck low gives nine zeros, whose CRC is good; byte 4 is never 0. Byte 6
        # tells the value after power-on from a true 85 degC.
        if self._wire.crc8(data) or data[4] & 0x1F != 0x1F:
            return None
        raw = data[1] << 8 | data[0]
        if raw == _POWER_ON and data[6] == 0x0C:
            return None
        if raw & 0x8000:
            raw -= 0x10000
        return raw * 10 >> 4
