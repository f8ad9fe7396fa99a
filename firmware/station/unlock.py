"""The lock of a connector is opened because somebody asked for that. Loaded for as long."""

import asyncio
from micropython import const

from . import states

_UNLOCK_ms = const(20000)  # for the current to end, and for all tries of the motor
_STEP_ms = const(100)


def begin(c, unlocking, said):
    """Open the lock of connector `c`, whose transaction ends first: a task, which gives
    said(is it open?); None: it is being opened already. `unlocking`: the numbers of those."""
    if c.number in unlocking:
        return None
    unlocking.append(c.number)
    return asyncio.create_task(_unlock(c, unlocking, said))


async def _unlock(c, unlocking, said):
    c.stop(states.UNLOCK)
    c.lock.reset()
    c.lock.release = True
    try:
        for _ in range(_UNLOCK_ms // _STEP_ms):
            await asyncio.sleep_ms(_STEP_ms)
            if not c.lock.holds:
                return said(True)
    finally:
        unlocking.remove(c.number)
    return said(False)
