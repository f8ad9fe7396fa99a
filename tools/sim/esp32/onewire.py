# The frozen module of the stock firmware, byte by byte over the bus to the wall.

from machine import Pin

import bus


class OneWireError(Exception):
    pass


class OneWire:
    def __init__(self, pin):
        self.pin = Pin(pin.id, Pin.OPEN_DRAIN, Pin.PULL_UP)

    def reset(self, required=False):
        found = bool(bus.ask(bus.ONEWIRE, self.pin.id, 257)[0])
        if required and not found:
            raise OneWireError
        return found

    def readbyte(self):
        return bus.ask(bus.ONEWIRE, self.pin.id, 256)[0]

    def writebyte(self, value):
        bus.ask(bus.ONEWIRE, self.pin.id, value)

    def crc8(self, data):
        crc = 0
        for byte in data:
            for i in range(8):
                crc = crc >> 1 ^ (0x8C if (crc ^ byte >> i) & 1 else 0)
        return crc
