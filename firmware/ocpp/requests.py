"""Answers what the Central System asks, by the modules of the version that is spoken. Each is
loaded for one request: which one says the table of the messages (schema.py)."""

import asyncio

from firmware.ocpp import schema


class Requests:
    """`handle` answers a request. What a handler needs is here: it is a function (of this and the
    payload) with the name of its action. reset(kind) restarts the unit (app/farewell.py), "Idle":
    when no transaction runs any more; close(reason) ends the connection; `unlocking` are the
    connectors whose lock is being opened. send(url, name, since_s, until_s, security): awaitable,
    a try to send a file (app/diagnostics.py)."""

    def __init__(self, outbox, reset, close, send=None):
        self.outbox = outbox
        self.station, self.settings = outbox.station, outbox.settings
        self.rpc, self.log = outbox.rpc, outbox.log
        self.reset = reset
        self.close, self.send = close, send
        self.unlocking = []

    async def handle(self, action, payload):
        """The answer to a request whose schema was checked (rpc.Rpc)."""
        handler = getattr(self.outbox.module(schema.module(action)), action)
        await asyncio.sleep_ms(0)  # (to load it is a step by itself)
        answer = handler(self, payload)
        if hasattr(answer, "send"):  # (a coroutine)
            answer = await answer
        await asyncio.sleep_ms(0)  # (and what follows from it)
        return answer
