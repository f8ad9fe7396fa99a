# The ESP32's time on the unix port: epoch 2000, integer seconds, ticks with a period of 2**30 ms.
# Simulated time runs `speed` times as fast as real time. asyncio keeps the real time (it was
# imported before); board.py scales its sleeps.

import utime
from utime import *  # noqa: F403

import bus

_MASK = 0x3FFFFFFF
# Faster than real time, a look at the clock finds at most this much real time gone since the one
# before (the tick looks every real ms), and all looks between two waits of asyncio's loop at most
# this much simulated time, or little more: a host that was busy elsewhere makes simulated time
# slow, it does not make it jump, and what takes several waits does not last minutes. At speed 1
# it is the host's time whatever happens: clocks outside do not wait for a chip either.
_STALL_us = 2000
_BETWEEN_us = 28  # the same with the bytecodes that keep a reading
_LOOK_us = 8  # a loop that calls ticks_us() and ticks_diff(), at 160 MHz
_FOLD_us = 513000000  # beyond 2 ** 30 each sum would be a large integer on the 32-bit port


def _world_ms():
    now = utime.ticks_us()
    passed = utime.ticks_diff(now, bus.last_us)
    bus.last_us = now
    if bus.speed != 1:
        real_us = min(passed, _STALL_us)
        passed = min(real_us * bus.speed, bus.turn_us)
        bus.turn_us -= passed
        passed = max(passed, real_us)
    us = bus.world_us + passed
    bus.world_us = us = us if us < _FOLD_us else bus.fold(us)
    return bus.base_ms + us // 1000


bus.now_ms = _world_ms


def ticks_ms():
    return (bus.now_ms() - bus.boot_ms) & _MASK


def ticks_us():
    """For who waits for microseconds: a clock of its own, on which each look takes as long as on a
    chip, while world time, which may run fast, stands."""
    if bus.chip:
        bus.chip.look()
        return bus.world_us & _MASK
    bus.looks += 1
    bus.spin_us = us = (bus.spin_us + (_BETWEEN_us if bus.looks == 2 else _LOOK_us)) & _MASK
    return us


if utime.ticks_add(0, -1) != _MASK:  # (the 32-bit port has the period of the chip)

    def ticks_add(ticks, delta):
        return (ticks + delta) & _MASK

    def ticks_diff(a, b):
        d = (a - b) & _MASK
        return d - _MASK - 1 if d & 0x20000000 else d


def rtc():
    """What the RTC shows: seconds, ms."""
    s, ms = divmod(bus.now_ms() + bus.rtc_ms, 1000)
    return s + bus.rtc_s, ms


def time():
    return (bus.now_ms() + bus.rtc_ms) // 1000 + bus.rtc_s


def sleep_ms(ms):
    bus.now_ms()
    if bus.chip:
        import idle

        return idle.sleep_us(ms * 1000)
    utime.sleep_ms(ms // bus.speed)
    if bus.speed != 1:
        bus.last_us = utime.ticks_us()
        bus.world_us += ms * 1000
    bus.wait()


def sleep(s):
    sleep_ms(int(s * 1000))
