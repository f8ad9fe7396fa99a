# How long the firmware keeps its event loop, in CPU time of this process: what else the host does
# does not count; and in world time, which is the chip's where the board runs as one. And how far
# its ticks are apart. Loaded when a test asks for it the first time (board.py): it costs heap.

import asyncio
import utime

import bus

_lock, _free = (bus.chip.lock, bus.chip.free) if bus.chip else (lambda: None, lambda: None)
_queue = asyncio.core._io_queue
_wait = _queue.wait_io_event
_tick = bus.callback
_clock = utime.clock  # seconds of CPU


def _world_us():
    return bus.base_ms * 1000 + bus.world_us


_began = _fed = _clock()
_longest = _between = 0.0
_began_us = _world_us()
_since_us = _began_us
_longest_us = _busy_us = _ticked_us = _all_us = 0  # of steps; of ticks in one, of all ticks
_ticks = _at_us = _gap_us = _late = 0


def _wait_io_event(dt):
    # Called by the loop before each step of a task: what went by since the last one was a step.
    global _began, _longest, _began_us, _longest_us, _busy_us, _ticked_us
    _lock()
    took = _clock() - _began
    if took > _longest:
        _longest = took
    bus.now_ms()
    us = _world_us() - _began_us - _ticked_us  # (the tick cuts through the step)
    _longest_us = max(_longest_us, us)
    _busy_us += us
    _free()
    _wait(dt)
    _lock()
    _ticked_us = 0
    _began_us = _world_us()
    _began = _clock()
    _free()


def _tick_it(_):
    global _fed, _between, _ticks, _at_us, _gap_us, _late, _ticked_us, _all_us
    _lock()
    now = _clock()
    _between = max(_between, now - _fed)
    _fed = now
    _ticks += 1
    bus.now_ms()
    if _at_us:
        _gap_us = max(_gap_us, _world_us() - _at_us)
        _late += _world_us() - _at_us > 50000
    _at_us = _world_us()
    _free()
    _tick(None)
    _lock()
    bus.now_ms()
    us = _world_us() - _at_us
    _ticked_us += us
    _all_us += us
    _free()


_queue.wait_io_event = _wait_io_event
bus.callback = _tick_it


def read():
    """What happened since the last read: us of CPU of the longest step of a task, and of all that
    ran between two ticks; ms in the world since then, of the longest step without its ticks, of
    all steps and of all ticks; how many; the longest time between two, and how often that was more
    than 50 ms."""
    global _longest, _between, _since_us, _longest_us, _busy_us, _all_us, _ticks, _gap_us, _late
    bus.now_ms()
    result = {
        "step_us": int(_longest * 1e6),
        "between_us": int(_between * 1e6),
        "world_ms": (_world_us() - _since_us) // 1000,
        "step_ms": _longest_us // 1000,
        "busy_ms": _busy_us // 1000,
        "tick_ms": _all_us // 1000,
        "ticks": _ticks,
        "gap_ms": _gap_us // 1000,
        "late": _late,
    }
    _longest = _between = 0.0
    _since_us = _world_us()
    _longest_us = _busy_us = _all_us = _ticks = _gap_us = _late = 0
    return result
