# The line from the simulated chip to the wall that it hangs on (tools/host/station): every
# pin, pulse and reading goes over it. One request, one answer, both of fixed shape:
#
#   request  "<BBHiQ": operation, pin, length of the payload that follows, value, simulated ms
#   answer   "<iiiH":  three values, length of the payload that follows; with INTERRUPT in it,
#                      somebody has typed Ctrl-C

import struct
import sys
from micropython import const
from utime import ticks_us

PWM, PIN_OUT, PIN_IN, ADC, UART, WDT, FEED, RTC, RESET, SAY = range(10)
SPI, ONEWIRE, EDGES, WIFI, MEMORY = 10, 11, 12, 13, 14
_INTERRUPT = const(0x8000)
_FOLD_ms = const(256512)  # a multiple of machine.py's _PERIOD_us, too

speed = 1
boot_ms = 0  # world time when this chip got its power
base_ms = 0  # world time of the last look at the clock is this and world_us,
world_us = 0
# and this the real time of that look
last_us = 0
spin_us = 0  # what reads of the ADC and looks at ticks_us() have taken: world time does not pay it
looks = 0  # at ticks_us() since the last read
turn_us = 0  # of simulated time, left for this turn of asyncio's loop
rtc_s = rtc_ms = 0  # what the RTC shows when world time is 0
now_ms = None  # set by time.py, or by cpu.py
chip = None  # cpu.py, where the board's time is a chip's
next = 0  # world time of the timer's next callback; 0: it does not run
period = 0  # of it, in us
callback = None
calling = False  # it runs
heap = 0  # what is in the firmware's heap and not the firmware's

_file = None
_request = bytearray(16)
_answer = bytearray(14)


def open_fd(fd):
    global _file
    _file = open(fd, "r+b")


def ask(op, pin=0, value=0, payload=b""):
    """-> three values, payload"""
    if chip:
        chip.lock()
    answer = _ask(op, pin, value, payload)
    typed = _answer[13] & 128  # _INTERRUPT; what runs next asks too
    if chip:
        chip.free()
    if typed:
        raise KeyboardInterrupt
    return answer


# (In pieces of 11 places for names and values: beyond that each call would take heap, which the
# chip's does not, and have it collected sooner.)
def _ask(op, pin, value, payload):
    _request[0] = op
    _request[1] = pin
    struct.pack_into("<H", _request, 2, len(payload))
    struct.pack_into("<iQ", _request, 4, value, now_ms())
    _file.write(_request)
    if payload:
        _file.write(payload)
    return _answered()


def _answered():
    global last_us
    n = _file.readinto(_answer)
    if n < len(_answer):
        _read(memoryview(_answer)[n:])
    a, b, c, n = struct.unpack("<iiiH", _answer)
    payload = b""
    if n & ~_INTERRUPT:
        payload = bytearray(n & ~_INTERRUPT)
        _read(memoryview(payload))
    if speed != 1:  # how long the host let the wall wait is not the chip's time
        last_us = ticks_us()
    return a, b, c, payload


def _read(view):
    while view:
        n = _file.readinto(view)
        if not n:
            raise SystemExit(1)  # the wall is gone
        view = view[n:]


# --- machine.Timer: its callback runs between two bytecodes (cpu.py) or, without the chip's time,
# between two steps of asyncio's loop (board.py)


def start(us, function):
    """Call `function` back every so often; 0: never."""
    global next, period, callback
    next = 0  # (nothing is called back while this changes)
    period, callback = us, function
    now_ms()
    next = us and world_us + us


def wait():
    """Call back if it is time; -> ms until then, -1: the timer does not run. For a program that
    looks here by itself."""
    if not next:
        return -1
    now_ms()
    if next // 1000 <= world_us // 1000:
        tick(1)
        now_ms()
    return max(0, next // 1000 - world_us // 1000)


def fold(us):
    """Have a smaller world_us than `us`; -> it. The phase of a PWM of 1 kHz stays."""
    global base_ms, next
    base_ms += _FOLD_ms
    if next:
        next -= _FOLD_ms * 1000
    return us - _FOLD_ms * 1000


def tick(most):
    """Call back for each period that has passed, `most` times at once: so many may wait."""
    global next, calling
    now_us, folded_ms = world_us, base_ms
    while next and next <= now_us - (base_ms - folded_ms) * 1000:
        next += period
        if most <= 0:
            continue
        most -= 1
        if chip:
            chip.free()
        calling = True
        try:
            callback(None)
        except Exception as e:  # (as the port: it goes on)
            sys.print_exception(e)
        finally:
            calling = False
            if chip:
                chip.lock()
