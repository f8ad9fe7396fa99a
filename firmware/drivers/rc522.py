"""RC522 reader of ISO 14443 A cards, on SPI. Registers as in NXP's data sheet of the MFRC522."""

import asyncio
from machine import SPI, Pin
from micropython import const

_COMMAND = const(0x01)
_IRQ = const(0x04)
_ERROR = const(0x06)
_FIFO = const(0x09)
_LEVEL = const(0x0A)
_CONTROL = const(0x0C)
_FRAMING = const(0x0D)
_COLLISION = const(0x0E)
_TX_CONTROL = const(0x14)
_IDLE = const(0x00)
_TRANSCEIVE = const(0x0C)
_RESET = const(0x0F)
_ON = const(0x83)  # TX_CONTROL with the antenna on

# mode (CRC preset 0x6363), all of the modulation, and the timer: it starts with the end of a
# transmission and gives a card 5 ms (200 * 25 us)
_SETUP = b"\x11\x3d\x15\x40\x2a\x80\x2b\xa9\x2c\x00\x2d\xc8\x14\x83"

_WUPA = const(0x52)
_CASCADE_TAG = const(0x88)


class Reader:
    """`await poll()`: the uid of the card that lies there, as upper-case hex text (of 4, 7 or 10
    bytes), or None: no card, two at once, a card that goes away, no reader. Between two transfers
    of a few bytes everything else runs."""

    def __init__(self, id, sck, mosi, miso, cs, rst=None):
        self._spi = SPI(id, baudrate=1000000, sck=Pin(sck), mosi=Pin(mosi), miso=Pin(miso))
        self._cs = Pin(cs, Pin.OUT, value=1)
        self._rst = None if rst is None else Pin(rst, Pin.OUT, value=1)
        self._out, self._in = bytearray(2), bytearray(2)

    async def poll(self):
        """The UID of a card that is there, as hexadecimal text, or None."""
        if self._get(_TX_CONTROL) != _ON:  # just powered, was gone, or has lost its settings
            self._put(_COMMAND, _RESET)
            await asyncio.sleep_ms(50)
            for i in range(0, len(_SETUP), 2):
                self._put(_SETUP[i], _SETUP[i + 1])
            await asyncio.sleep_ms(5)  # a card needs the field for that long
            if self._get(_TX_CONTROL) != _ON:
                return None
        answer = await self._ask(bytes((_WUPA,)), bits=7)
        if answer is None or len(answer) != 2:
            return None
        uid = b""
        for level in (0x93, 0x95, 0x97):
            part = await self._ask(bytes((level, 0x20)))
            if not part or len(part) != 5 or part[0] ^ part[1] ^ part[2] ^ part[3] != part[4]:
                return None
            sak = await self._ask(with_crc(bytes((level, 0x70)) + part))
            if not sak or len(sak) != 3 or with_crc(sak[:1]) != sak:
                return None
            more = sak[0] & 0x04
            if bool(more) != (part[0] == _CASCADE_TAG):
                return None
            uid += part[1:4] if more else part[:4]
            if not more:
                await self._ask(with_crc(b"\x50\x00"))  # halt: it stays quiet until the next WUPA
                return "".join(["%02X" % byte for byte in uid])
        return None

    async def _ask(self, data, bits=0):
        """Send to the card and -> its answer, or None. `bits` of the last byte are sent (0: 8)."""
        put = self._put
        put(_COMMAND, _IDLE)
        put(_IRQ, 0x7F)
        put(_LEVEL, 0x80)  # empties the FIFO
        for byte in data:
            put(_FIFO, byte)
        put(_COLLISION, 0x00)  # what follows a collision reads as 0
        put(_COMMAND, _TRANSCEIVE)
        put(_FRAMING, 0x80 | bits)
        for _ in range(10):
            await asyncio.sleep_ms(1)
            irq = self._get(_IRQ)
            if irq & 0x31:  # received, idle, or the card's time is over
                break
        put(_FRAMING, 0x00)
        # 0x1B: FIFO overflow, collision, parity, protocol
        if not irq & 0x20 or self._get(_ERROR) & 0x1B or self._get(_CONTROL) & 0x07:
            return None
        n = self._get(_LEVEL)
        return bytes([self._get(_FIFO) for _ in range(n)]) if n <= 16 else None

    def _get(self, register):
        return self._transfer(0x80 | register << 1, 0)

    def _put(self, register, value):
        self._transfer(register << 1, value)

    def _transfer(self, address, value):
        self._out[0], self._out[1] = address, value
        self._cs(0)
        self._spi.write_readinto(self._out, self._in)
        self._cs(1)
        return self._in[1]


def with_crc(data):
    """`data` and its CRC_A (ISO 14443-3), low byte first."""
    crc = 0x6363
    for byte in data:
        byte ^= crc & 0xFF
        byte = (byte ^ byte << 4) & 0xFF
        crc = crc >> 8 ^ byte << 8 ^ byte << 3 ^ byte >> 4
    return data + bytes((crc & 0xFF, crc >> 8))
