# How long the firmware keeps its event loop, in CPU time of this process: what else the host does
# does not count. And how far its ticks are apart, in world time. Loaded when a test asks for it
# the first time (board.py); it costs heap then.

import asyncio
import utime

import bus

_queue = asyncio.core._io_queue
_wait = _queue.wait_io_event
_tick = bus.callback
_clock = utime.clock  # seconds of CPU
_began = _fed = _clock()
_longest = _between = 0.0
_ticks = _at_us = _gap_us = _late = 0


def _wait_io_event(dt):
    # Called by the loop before each step of a task: what went by since the last one was a step.
    global _began, _longest
    took = _clock() - _began
    if took > _longest:
        _longest = took
    _wait(dt)
    _began = _clock()


def _tick_it(_):
    global _fed, _between, _ticks, _at_us, _gap_us, _late
    now = _clock()
    _between = max(_between, now - _fed)
    _fed = now
    _ticks += 1
    bus.now_ms()
    if _at_us:
        _gap_us = max(_gap_us, bus.world_us - _at_us)
        _late += bus.world_us - _at_us > 50000
    _at_us = bus.world_us
    _tick(None)


_queue.wait_io_event = _wait_io_event
bus.callback = _tick_it


def read():
    """What happened since the last read: us of CPU of the longest step of a task, and of all that
    ran between two ticks; ticks; the longest time between two in the world, and how often that was
    more than 50 ms."""
    global _longest, _between, _ticks, _gap_us, _late
    result = {
        "step_us": int(_longest * 1e6),
        "between_us": int(_between * 1e6),
        "ticks": _ticks,
        "gap_ms": _gap_us // 1000,
        "late": _late,
    }
    _longest = _between = 0.0
    _ticks = _gap_us = _late = 0
    return result
