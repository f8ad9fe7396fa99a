"""The lock of a connector is opened because somebody asked for that. Loaded for as long."""

import asyncio
from micropython import const

_UNLOCK_ms = const(20000)  # for the current to end, and for all tries of the motor
_STEP_ms = const(100)


async def unlock(c, unlocking):
    """Open the lock of connector `c`, whose number is in the list `unlocking` until then; True if
    it is open. Its transaction was told to end: the contactor opens, then the lock moves."""
    c.lock.reset()
    c.lock.release = True
    try:
        for _ in range(_UNLOCK_ms // _STEP_ms):
            await asyncio.sleep_ms(_STEP_ms)
            if not c.lock.holds:
                return True
    finally:
        unlocking.remove(c.number)
    return False
