# Simulated time for asyncio, with real sockets: when nothing is ready the time of the next task
# has come. To be imported before what is tested, which then finds this as the module `time`.
# A test that is a coroutine is marked @simtime.simulated.

import asyncio
import sys
import time as real
from asyncio import core
from time import ticks_add, ticks_diff

_IN_FLIGHT_ms = 5  # of a longer sleep one real ms, for what loopback may still have to deliver

_ahead_ms = 0
_began = real.ticks_ms()


def ticks_ms():
    return ticks_add(real.ticks_ms(), _ahead_ms)


def seconds():
    """Simulated seconds since the start."""
    return ticks_diff(ticks_ms(), _began) / 1000


def _wait(self, dt):
    global _ahead_ms
    if dt <= 0:
        return _poll(self, dt if dt == 0 else 1000)
    _poll(self, 1 if dt > _IN_FLIGHT_ms else 0)
    task = core._task_queue.peek()
    if task:  # (another one than that of dt, if something was ready)
        _ahead_ms += max(0, ticks_diff(task.ph_key, ticks_ms()))


_poll, core.IOQueue.wait_io_event = core.IOQueue.wait_io_event, _wait
core.ticks = ticks_ms
sys.modules["time"] = sys.modules["simtime"]


def simulated(test):
    """The plain function that runs such a test, for 10 h of simulated time at most."""
    return lambda: asyncio.run(asyncio.wait_for(test(), 36000))
