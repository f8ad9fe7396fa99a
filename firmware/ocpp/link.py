# Keeps one WebSocket to the Central System up: dial, back off, notice a dead peer.
# Knows uwebsockets and an Rpc; must not know what is said over it.

import asyncio
import os
import sys
import time
from micropython import const

import uwebsockets

_DIAL_s = const(30)  # for TCP, TLS and the upgrade together
_BACKOFF_ms = const(1000)  # first wait, doubled up to the longest, plus up to as much by chance
_BACKOFF_MAX_ms = const(60000)
_STEADY_ms = const(60000)  # a connection that lived this long starts the back-off afresh


class Link:
    """
    | attribute | meaning |
    |---|---|
    | online    | a WebSocket is up |
    | reason    | why the last one ended, or could not be made |
    | talk      | coroutine function run while online; when it ends the link is closed |
    """

    def __init__(self, config, rpc, settings, log):
        self._config = config
        self._rpc = rpc
        self._settings = settings
        self._log = log
        self._ws = None
        # Kept: a heap in pieces would not have them again when the connection is lost.
        self._rx, self._tx = bytearray(8192), bytearray(512)
        self.online = False
        self.reason = ""
        self.talk = None

    async def run(self):
        """Connect, for ever."""
        wait_ms = _BACKOFF_ms
        while True:
            began = time.ticks_ms()
            try:
                await self._once()
            except (OSError, ValueError, MemoryError, asyncio.TimeoutError) as e:
                self.reason = str(e) or type(e).__name__
                self._log("Central System: %s" % self.reason)
            if time.ticks_diff(time.ticks_ms(), began) >= _STEADY_ms:
                wait_ms = _BACKOFF_ms
            # By chance, so that a fleet does not come back all at once.
            await asyncio.sleep_ms(wait_ms + wait_ms * os.urandom(1)[0] // 256)
            wait_ms = min(2 * wait_ms, _BACKOFF_MAX_ms)

    async def _once(self):
        self._ws = ws = await self._dial()
        # Dialling is 8 KB of code: forgotten until it is needed again.
        del sys.modules["uwebsockets.client"], uwebsockets.client
        del sys.modules["firmware.ocpp.security"], sys.modules["firmware.ocpp"].security
        self.online = True
        self._rpc.attach(ws)
        tasks = [asyncio.create_task(self._talk(ws)), asyncio.create_task(self._watch(ws))]
        try:
            while True:
                data = await ws.recv()
                if ws.text:  # (only text is known to be UTF-8)
                    await self._rpc.receive(data)
                else:
                    self._log("frame ignored: binary")
        finally:
            self.online = False
            self._rpc.attach(None)
            for task in tasks:
                task.cancel()
            await ws.close()

    async def _dial(self):
        from . import security

        c = self._config
        settings = self._settings
        url = security.addresses(c, security.level(c, settings))[0]
        try:
            context, user, password = security.prepare(c, settings, url)
            ws = await asyncio.wait_for(
                uwebsockets.connect(
                    url.rstrip("/") + "/" + _quoted(c.id),
                    protocols=("ocpp1.6",),
                    user=user,
                    password=password,
                    ssl=context,
                    rx_size=self._rx,
                    tx_size=self._tx,
                ),
                _DIAL_s,
            )
        except (OSError, ValueError, MemoryError, asyncio.TimeoutError) as e:
            text = security.explain(e, c, settings, url)
            security.failed(settings, e, self._log)
            raise OSError(text)
        self._log("connected to %s" % url)
        security.worked(c, settings, self._log)
        return ws

    async def _talk(self, ws):
        # Whatever ends it (the connection, no memory): nobody would talk on this one any more.
        try:
            await self.talk()
        except Exception as e:
            self._log("sending ended: %r" % e)
        await ws.close(1001)

    async def _watch(self, ws):
        # A peer that has said nothing for two ping periods, although it was pinged, is gone.
        while True:
            period_s = self._settings.value("WebSocketPingInterval")
            await asyncio.sleep(period_s or 60)
            if not period_s:
                continue
            silent_ms = time.ticks_diff(time.ticks_ms(), ws.last_rx_ms)
            if silent_ms >= 2000 * period_s:
                self._log("no sign of life for %d s" % (silent_ms // 1000))
                await ws.close(1001)
                return
            await ws.ping()

    def close(self, reason):
        """End the connection, if there is one (it will be dialled again)."""
        if self._ws and self.online:
            self._log("closing: %s" % reason)
            asyncio.create_task(self._ws.close(1001))


def _quoted(text):
    # The identity is one element of the path, percent-encoded (OCPP-J 1.6, 3.1.1; RFC 3986).
    plain = "-._~:@!$&'()*+,;="
    out = ""
    for b in text.encode():
        c = chr(b)
        out += c if c.isalpha() or c.isdigit() or c in plain else "%%%02X" % b
    return out
