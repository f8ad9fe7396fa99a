# The chip's time where the board runs as one (tools/station --chip): world time is what this
# process computes, times `factor`, and what it waits for. Neither how busy the host is nor what
# the simulator computes (between lock() and free()) is in it. A hardware timer's callback cuts
# through what computes, between two bytecodes, as on the chip.
# On the 32-bit port, which has ffi; idle.py, which waits, loads it.

import _thread
import ffi
import sys
import time
import utime
from array import array
from micropython import const, schedule

import bus

_CPU = const(3)  # CLOCK_THREAD_CPUTIME_ID
_MONOTONIC = const(1)
_LEAST_us = const(20)
_SPIN_ns = const(20000)  # of CPU between two looks at a clock: what takes longer is computing
_BETWEEN_us = const(28)  # what the bytecodes take that keep a reading, at 160 MHz,
_LOOK_us = const(8)  # and a loop that calls ticks_us() and ticks_diff()
_WAITED_ms = const(100)
_QUEUE = const(8)  # callbacks that wait (MICROPY_SCHEDULER_DEPTH)
# CPU of _work() where MicroPython's published benchmarks took an ESP32 of 160 MHz 115 times as
# long as a PC. A PC that is faster has a larger factor.
_WORK_us = const(160)
_TIMES_160 = const(115)

_least_us = _most_Hz = 0
factor = 0  # us of the chip for 64 of this process's CPU
_libc = ffi.open("libc.so.6")
_clock = _libc.func("i", "clock_gettime", "iP")
_settime = _libc.func("i", "timerfd_settime", "iiPP")
_read = _libc.func("i", "read", "iPi")
_usleep = _libc.func("i", "usleep", "i")
_timer = _libc.func("i", "timerfd_create", "ii")(_MONOTONIC, 0)
_now = array("i", (0, 0))
_alarm = array("i", (0, 0, 0, 0))
_expired = bytearray(8)
_s = _ns = 0  # of CPU, when that was looked at last
_own_ns = 0  # what a look at it takes itself
_holds = 0
_freed_ms = 0  # when the latest of them ended, by the host's clock
repl = False  # there is one, which waits for keys in C: that is the host's time (vboard.py)
_calls = False  # due() calls back
_late = False  # a timer was due in the meantime
_looks = -1  # at a clock since the last read of the ADC; -1: something else has come between


def start(most_MHz):
    """From here on world time is that of a chip which has so many MHz at most, and 160 now."""
    global factor, _own_ns, _least_us, _most_Hz
    least_us = 4 * _WORK_us
    for _ in range(20):
        _restart()
        _work()
        least_us = min(least_us, _passed_ns() // 1000)
    _thread.start_new_thread(_alarms, ())
    bus.chip = sys.modules[__name__]
    bus.now_ms = now_ms
    # Three quarters of what a look at the clock costs are this module's, not the chip's.
    factor, before_us, own_ns = 64000, bus.world_us, 1 << 20
    for _ in range(20):
        bus.world_us = 0  # (in ns, by this factor)
        for _ in range(16):
            time.ticks_ms()
        own_ns = min(own_ns, bus.world_us // 16)
    _own_ns = own_ns * 3 // 4
    bus.world_us = before_us
    _least_us, _most_Hz = least_us, most_MHz * 1000000
    freq(160000000)
    _restart()


def freq(Hz):
    """The chip's clock, as machine.freq()."""
    global factor
    if Hz not in (80000000, 160000000, 240000000) or Hz > _most_Hz:
        raise ValueError("frequency must be 20MHz, 40MHz, 80Mhz, 160MHz or 240MHz")
    factor = 64 * _TIMES_160 * _WORK_us // _least_us * 160 // (Hz // 1000000)


def _work():
    # Something of everything.
    for _ in range(8):
        kept, some = {}, []
        for i in range(60):
            kept[i & 15] = i * 7 % 13
            some.append(i)
            if i & 3 == 0:
                some = some[-8:]
                "%d,%d" % (i, len(some))


def _restart():
    global _s, _ns
    _clock(_CPU, _now)
    _s, _ns = _now[0], _now[1]


def _passed_ns():
    _clock(_CPU, _now)
    return (_now[0] - _s) * 1000000000 + _now[1] - _ns - _own_ns


def _charge():
    # What was computed since the last _restart(), but for a loop that looks at a clock (look()).
    global _looks
    ns = _passed_ns()
    if ns > 0 and (_looks < 0 or ns >= _SPIN_ns):
        bus.world_us += (ns >> 4) * factor // 4000
        _looks = -1


def lock():
    """What this process computes from here on is not the chip's."""
    global _holds
    _holds += 1  # (first: a timer's callback would count the same time)
    if _holds == 1:
        _charge()
        waited_ms = utime.ticks_diff(utime.ticks_ms(), _freed_ms)
        if repl and waited_ms > _WAITED_ms:
            bus.world_us += waited_ms * 1000


def free():
    global _holds, _freed_ms
    if _holds == 1:
        _freed_ms = utime.ticks_ms()
        _restart()
    _holds -= 1
    if _late and not _holds and not _calls:
        due()


def now_ms():
    """World time."""
    lock()
    ms = bus.base_ms + bus.world_us // 1000
    free()
    return ms


def look(read_us=0):
    """At a clock that runs in us; or a read of the ADC, which takes `read_us`. What a loop of them
    computes here is mostly the simulator's: it takes what it does on a chip."""
    global _looks
    lock()
    if not read_us:
        read_us = _BETWEEN_us if _looks == 1 else _LOOK_us
        _looks = max(_looks, 0) + 1
    else:
        _looks = 0
    bus.world_us += read_us
    free()


# --- the hardware timer


def _alarms():
    # A thread of its own, for which the host's timer goes off; what it schedules runs in the
    # board's, whose CPU time alone counts.
    while True:
        if _read(_timer, _expired, 8) == 8:
            while not _scheduled():
                _usleep(100)


def _scheduled():
    try:
        schedule(due, 0)
        return True
    except RuntimeError:  # the queue is full, of nothing else
        return False


def due(_=0):
    """Call back what is due; as on the chip, not from within a callback."""
    global _calls, _late
    _late = True
    if _holds or _calls:
        return
    _calls = True
    _late = False
    lock()
    try:
        bus.tick(_QUEUE)
    finally:
        arm()
        free()
        _calls = False


def arm():
    """The alarm goes off when the timer is due, if this process computes until then."""
    left_us = 0
    if bus.next:
        left_us = max(_LEAST_us, (bus.next - bus.world_us) * 64 // factor)
    _alarm[2], _alarm[3] = left_us // 1000000, left_us % 1000000 * 1000
    _settime(_timer, 0, _alarm, None)
