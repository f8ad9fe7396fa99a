"""PN532 reader of ISO 14443 A cards, on a UART (HSU): no clock to stretch, no bits to turn round,
and nothing that blocks. Frames as in NXP's user manual UM0701-02."""

import asyncio
from machine import UART
from micropython import const

_WAKE = b"\x55\x55\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
_ACK = b"\x00\x00\xff\x00\xff\x00"
_ANSWER_ms = const(150)
_STEP_ms = const(5)

_SAM = b"\x14\x01\x00"  # SAMConfiguration: normal mode
_RETRIES = b"\x32\x05\xff\x01\x01"  # RFConfiguration: look twice for a card, not for ever
_LIST = b"\x4a\x02\x00"  # InListPassiveTarget: up to two, 106 kbit/s type A
_RELEASE = b"\x52\x00"  # InRelease: all


class Reader:
    """The interface of rc522.Reader."""

    def __init__(self, id, tx, rx):
        self._uart = UART(id, 115200, tx=tx, rx=rx)
        self._ready = False

    async def poll(self):
        """The UID of a card that is there, as hexadecimal text, or None."""
        if not self._ready:  # just powered, or did not answer
            self._uart.write(_WAKE)
            self._ready = await self._ask(_SAM) == b"" and await self._ask(_RETRIES) == b""
            if not self._ready:
                return None
        found = await self._ask(_LIST)
        self._ready = found is not None
        if not self._ready or found[:1] == b"\0":  # no card
            return None
        await self._ask(_RELEASE)
        # number of cards, then of each: number, SENS_RES (2), SEL_RES, length of the uid, uid, ...
        if len(found) < 6 or found[0] != 1 or found[5] not in (4, 7, 10):
            return None
        uid = found[6 : 6 + found[5]]
        return "".join(["%02X" % byte for byte in uid]) if len(uid) == found[5] else None

    async def _ask(self, command):
        """-> what the answer carries, or None if there was no good one."""
        while self._uart.any():  # what is left of an answer that came too late
            self._uart.read()
        self._uart.write(frame(b"\xd4" + command))
        answer = b""
        for _ in range(_ANSWER_ms // _STEP_ms):
            await asyncio.sleep_ms(_STEP_ms)
            if self._uart.any():
                answer += self._uart.read() or b""
                if len(answer) > 11 and len(answer) >= 6 + 7 + answer[9]:
                    break
        if answer[:6] != _ACK or len(answer) < 15 or len(answer) != 13 + answer[9]:
            return None
        data = answer[11:-2]
        if frame(data) != answer[6:] or data[0] != 0xD5 or data[1] != command[0] + 1:
            return None
        return data[2:]


def frame(data):
    """A normal information frame with its check sums."""
    n = len(data)
    return b"\x00\x00\xff" + bytes((n, -n & 0xFF)) + data + bytes((-sum(data) & 0xFF, 0))
