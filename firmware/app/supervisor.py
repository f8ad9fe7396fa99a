# Runs tasks, and starts them again when they fail. Knows no other module.

import asyncio
import sys
import time
from micropython import const

from firmware import log

_RESTART_ms = const(1000)  # before a task that failed is started again; doubled each time
_RESTART_MAX_ms = const(64000)

tasks = []  # name, Task, name, Task, ...


async def supervise(task, critical):
    """Run a coroutine function for ever: the one place where tasks end. A critical one that ends,
    ends the run with SystemExit: start.py takes the outputs to safe, before anything else, notes
    why, and resets. Any other is started again, later each time."""
    pause_ms = _RESTART_ms
    tasks.extend((task.__name__, asyncio.current_task()))
    while True:
        why = "it ended"
        began = time.ticks_ms()
        try:
            await task()
        except Exception as e:
            why = e
        if critical:
            raise SystemExit(why)
        if time.ticks_diff(time.ticks_ms(), began) > _RESTART_MAX_ms:
            pause_ms = _RESTART_ms
        failed(task.__name__, why)
        await asyncio.sleep_ms(pause_ms)
        pause_ms = min(2 * pause_ms, _RESTART_MAX_ms)


def failed(name, why):
    """Say in the log that task `name` has failed, and why: an exception or a text."""
    try:
        log.error("%s failed: %r" % (name, why))
        if isinstance(why, Exception):
            sys.print_exception(why)
    except MemoryError:
        pass  # (it is started again all the same)
