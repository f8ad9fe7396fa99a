# How long the firmware keeps its event loop, in CPU time of this process: what else the host does
# does not count. Loaded when a test asks for it the first time (board.py); it costs heap then.

import asyncio
import machine
import utime

_queue = asyncio.core._io_queue
_wait = _queue.wait_io_event
_feed = machine.WDT.feed
_clock = utime.clock  # seconds of CPU
_began = _fed = _clock()
_longest = _between = 0.0
_ticks = 0


def _wait_io_event(dt):
    # Called by the loop before each step of a task: what went by since the last one was a step.
    global _began, _longest
    took = _clock() - _began
    if took > _longest:
        _longest = took
    _wait(dt)
    _began = _clock()


def _feed_it(self):
    global _fed, _between, _ticks
    now = _clock()
    if now - _fed > _between:
        _between = now - _fed
    _fed = now
    _ticks += 1
    _feed(self)


_queue.wait_io_event = _wait_io_event
machine.WDT.feed = _feed_it


def read():
    """What happened since the last read: us of CPU of the longest step of a task, and of all that
    ran between two ticks (in a busy time the tick is that much late, less its 25 ms); ticks."""
    global _longest, _between, _ticks
    result = int(_longest * 1e6), int(_between * 1e6), _ticks
    _longest = _between = 0.0
    _ticks = 0
    return {"step_us": result[0], "between_us": result[1], "ticks": result[2]}
