# machine.SPI: machine.py loads it when it is asked for. One call is one transfer, with its CS low.

import bus


class SPI:
    MSB, LSB = 0, 1

    def __init__(self, id, baudrate=1000000, *, polarity=0, phase=0, sck, mosi, miso):
        self._id = id

    def write_readinto(self, out, into):
        into[:] = bus.ask(bus.SPI, self._id, 0, out)[3]
