# The line from the simulated chip to the wall that it hangs on (tools/host/station): every
# pin, pulse and reading goes over it. One request, one answer, both of fixed shape:
#
#   request  "<BBHiQ": operation, pin, length of the payload that follows, value, simulated ms
#   answer   "<iiiH":  three values, length of the payload that follows; with INTERRUPT in it,
#                      somebody has typed Ctrl-C

import struct
from micropython import const
from utime import ticks_us

PWM, PIN_OUT, PIN_IN, ADC, UART, WDT, FEED, RTC, RESET, SAY = range(10)
SPI, ONEWIRE, EDGES, WIFI, MEMORY = 10, 11, 12, 13, 14
_INTERRUPT = const(0x8000)

speed = 1
boot_ms = 0  # world time when this chip got its power
world_us = 0  # world time of the last look at the clock, and the real time of that look
last_us = 0
spin_us = 0  # what reads of the ADC and looks at ticks_us() have taken: world time does not pay it
looks = 0  # at ticks_us() since the last read
turn_us = 0  # of simulated time, left for this turn of asyncio's loop
rtc_s = rtc_ms = 0  # what the RTC shows when world time is 0
now_ms = None  # set by time.py
heap = 0  # what is in the firmware's heap and not the firmware's

_file = None
_request = bytearray(16)
_answer = bytearray(14)


def open_fd(fd):
    global _file
    _file = open(fd, "r+b")


def ask(op, pin=0, value=0, payload=b""):
    """-> three values, payload"""
    global last_us
    struct.pack_into("<BBHiQ", _request, 0, op, pin, len(payload), value, now_ms())
    _file.write(_request)
    if payload:
        _file.write(payload)
    _read(_answer)
    a, b, c, n = struct.unpack("<iiiH", _answer)
    payload = bytearray(n & ~_INTERRUPT)
    if payload:
        _read(payload)
    if speed != 1:  # how long the host let the wall wait is not the chip's time
        last_us = ticks_us()
    if n & _INTERRUPT:
        raise KeyboardInterrupt
    return a, b, c, payload


def _read(buf):
    view = memoryview(buf)
    while view:
        n = _file.readinto(view)
        if not n:
            raise SystemExit(1)  # the wall is gone
        view = view[n:]
