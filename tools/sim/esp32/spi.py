# machine.SPI: machine.py loads it when it is asked for. One call is one transfer, with its CS low.

from machine import opened
from micropython import const

import bus

_WIRE = const(19)
_SPI = const(21)


class SPI:
    MSB = 0

    def __init__(self, id, baudrate=1000000, *, polarity=0, phase=0, sck, mosi, miso):
        opened(id, _SPI)
        opened(sck.id, _WIRE)
        opened(mosi.id, _WIRE)
        self._id = id

    def write_readinto(self, out, into):
        into[:] = bus.ask(bus.SPI, self._id, 0, out)[3]
