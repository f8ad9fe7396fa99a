"""Answers what the Central System asks, by the modules of the version that is spoken. Each is
loaded for one request: which one says the table of the messages (schema.py)."""

import asyncio
from micropython import const

from firmware.ocpp import schema

_UNLOCK_ms = const(20000)  # for the current to end, and for all tries of the motor
_STEP_ms = const(100)


class Requests:
    """`handle` answers a request. What a handler needs is here: it is a function (of this and the
    payload) with the name of its action. reset("Soft" or "Hard") restarts the unit, close(reason)
    ends the connection, `unlocking` are the connectors whose lock is being opened. send(url, name,
    since_s, until_s): awaitable, a try to send a file of diagnostics (app/diagnostics.py)."""

    def __init__(self, outbox, reset, close, send=None):
        self.outbox = outbox
        self.station, self.settings = outbox.station, outbox.settings
        self.rpc, self.log = outbox.rpc, outbox.log
        self.reset = reset
        self.close, self.send = close, send
        self.unlocking = []

    def handle(self, action, payload):
        """The answer to a request whose schema was checked (rpc.Rpc)."""
        return getattr(self.outbox.module(schema.module(action)), action)(self, payload)

    async def unlock(self, c):
        """Open the lock of connector `c`, which is in `unlocking`; True if it is open. Its
        transaction was told to end: the contactor opens, then the lock moves."""
        c.lock.reset()
        c.lock.release = True
        try:
            for _ in range(_UNLOCK_ms // _STEP_ms):
                await asyncio.sleep_ms(_STEP_ms)
                if not c.lock.holds:
                    return True
        finally:
            self.unlocking.remove(c.number)
        return False
