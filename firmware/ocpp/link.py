"""Keeps one WebSocket to the Central System up: notices a dead peer, remembers why each one ended.
dial.py makes them, and is in RAM only while there is none. What is said there is rpc.py's."""

import asyncio
import gc
import time
from micropython import const

from firmware import lazy
from firmware.station.security import BAD_MESSAGES, NO_MEMORY

_STEADY_ms = const(60000)  # a connection that was answered and lived so long was a good one
_LONG = const(4096)  # bytes of a message, 70 periods of a profile
_EVERY_s = const(3600)
_ALL = const(9999)  # more dials than a round can have
_KEPT = const(160)  # characters of a reason; the log has more
_UNANSWERED = const(3)  # CALLs in a row without an answer: whoever that is, it is of no use


class Link:
    """online: a WebSocket is up, which is `ws`; lost: how many have ended; ends: why the latest
    four ended or could not be made: (s, how often in a row, text); network(): is the unit in its
    network? None: it always is; resolve(host), awaitable: its address. Of dial.py: number (of
    dials in this round), steps (of the back-off), known (host: the address where it was reached
    last), order (of the slots), answer_s (rpc.Rpc). why: we end it, or None."""

    def __init__(self, config, rpc, outbox, settings, clock, resolve, log):
        self.config, self.settings = config, settings
        self.clock, self.log, self.resolve = clock, log, resolve
        self._rpc = rpc
        self.outbox = outbox  # its talk() runs while online; when it ends the link is closed
        # It is dialled again at once; a ping is on its way out.
        self.ws = self.why = self.order = None
        self._good = self._again = self._pinging = False
        self._busy = False  # a message is being answered: what came since is not read yet
        # Kept: a heap in pieces would not have them again when the connection is lost.
        self.rx, self.tx = bytearray(2048), bytearray(512)
        self.online, self.network = False, None
        self.lost = self.number = self.steps = self.answer_s = 0
        self.ends, self.known = [], {}

    async def run(self):
        """Connect, for ever."""
        while True:
            # 10 KB of code: forgotten until it is needed again.
            self.ws = await lazy.load("ocpp.dial").connect(self)
            lazy.forget("uwebsockets.client")
            gc.collect()  # what comes now stays for long: not behind what has just been forgotten
            await self._serve(self.ws)

    def record(self, reason):
        """Keep why a connection ended, or could not be made, and log it."""
        # Parts of it come from the peer: nothing that could upset a terminal (memory.md, Names).
        reason = bytes([b if 32 <= b < 127 else 63 for b in reason.encode()[:200]]).decode()
        self.log("Central System: " + reason)
        if len(reason) > _KEPT:
            reason = reason[: _KEPT - 3] + "..."
        again = self.ends and self.ends[-1][2] == reason
        times = self.ends.pop()[1] + 1 if again else 1
        self.ends = self.ends[-3:] + [(self.clock.now(), times, reason)]

    def close(self, reason):
        """End the connection, if there is one; it is dialled again at once."""
        if self.online:
            self._again = True
            asyncio.create_task(self._end(self.ws, reason))

    async def _serve(self, ws):
        self.why = None
        self._good = self._again = self._pinging = self._busy = False
        self.online = True
        self.outbox.use(ws.protocol)
        self._rpc.answer_s = self.answer_s
        self._rpc.attach(ws)
        tasks = [asyncio.create_task(self._talk(ws)), asyncio.create_task(self._watch(ws))]
        try:
            while True:
                if await self._receive(ws) >= _LONG:
                    await asyncio.sleep_ms(0)  # (asyncio lets go of what has ended the wait)
                    gc.collect()  # what comes next, and may last, has its place in front
        except (OSError, MemoryError) as e:
            reason = self.why or _cause(e)
            if isinstance(e, MemoryError):
                self.outbox.note(NO_MEMORY, reason, _EVERY_s)
            elif hasattr(e, "code") and not e.by_peer and 1001 < e.code < 1010 and e.code != 1006:
                self.outbox.note(BAD_MESSAGES, reason, _EVERY_s)  # (no WebSocket frame, no UTF-8)
        finally:
            self.online = False
            self._rpc.attach(None)
            for task in tasks:
                task.cancel()
            await ws.close()
        self.lost += 1
        self.record(reason)
        # Accepted, it was of use however soon it ended: what comes next is no further failure. But
        # the next address has its turn unless it was a good one.
        if self._good or self._rpc.answered and self.outbox.ready():
            self.steps = 0
        if self._good:
            self.number = _ALL
        if self._again:
            self.number = 0

    async def _end(self, ws, why):
        if not ws.closed:
            self.why = self.why or why  # (what is sent while it ends, ends too)
        await ws.close(1001)

    async def _receive(self, ws):
        # Not in the loop, whose frame holds on to what it had on its stack: a large message has a
        # buffer of its own, of up to 16 KB, that has to go when it has been decoded.
        data = await ws.recv()
        size = len(data)
        if ws.text:  # (only text is known to be UTF-8)
            if size >= _LONG:
                gc.collect()  # (or it comes in the middle of a long step)
                await asyncio.sleep_ms(0)
            data = self._rpc.decode(data)
            self._busy = True
            await self._rpc.receive(data)
            self._busy, ws.last_rx_ms = False, time.ticks_ms()
        else:
            self._rpc.failed("frame ignored: binary")
        return size

    async def _talk(self, ws):
        # Whatever ends it (the connection, no memory): nobody would talk on this one any more.
        why = self.why
        try:
            await self.outbox.talk()
        except Exception as e:
            if not hasattr(e, "code"):  # (else it was the connection)
                self.log("sending ended: %r" % e)
            if not isinstance(e, OSError):  # (else the connection itself knows better)
                why = "sending ended: %r" % e
                if isinstance(e, MemoryError):
                    self.outbox.note(NO_MEMORY, why, _EVERY_s)
        await self._end(ws, why)

    async def _watch(self, ws):
        # A ping each period. Who says nothing at all from one to the next is gone; so is one that
        # does not let a ping leave for so long. Without pings heartbeats are what it answers.
        began_ms = pinged_ms = time.ticks_ms()
        pinged, why = False, None
        while not why:
            await asyncio.sleep(1)
            now_ms = time.ticks_ms()
            if self.outbox.ready():
                self.settings.put("slot", self.settings.slot)  # (of use)
            unanswered = self._rpc.unanswered
            if unanswered >= _UNANSWERED:
                why = "no answer to %d requests in a row" % unanswered
            if not unanswered and time.ticks_diff(now_ms, began_ms) >= _STEADY_ms:
                self._good = True
            silent_ms = 0 if self._busy else time.ticks_diff(now_ms, ws.last_rx_ms)
            silent = False
            period_s = self.settings.value("ping_s")
            if not period_s:
                pinged_ms, pinged = now_ms, False
                silent = silent_ms >= 2000 * self.settings.value("heartbeat_s")
            elif time.ticks_diff(now_ms, pinged_ms) >= 1000 * period_s:
                silent = pinged and silent_ms > time.ticks_diff(now_ms, pinged_ms)
                if self._pinging:
                    why = "it does not read"
                self._pinging = pinged = True
                pinged_ms = now_ms
                asyncio.create_task(self.ping(ws))
            if silent:
                why = "no sign of life for %d s" % (silent_ms // 1000)
        await self._end(ws, why)

    async def ping(self, ws):
        """Send a ping: not by _watch, for it waits until what is being sent has left."""
        try:
            await ws.ping()
        except OSError:
            pass  # (whoever reads will say why)
        self._pinging = False


def _cause(e):
    if not hasattr(e, "code"):
        return str(e) or type(e).__name__
    if e.by_peer:
        return ("it has closed the connection: %d %s" % (e.code, e.reason)).rstrip()
    if e.reason and e.code == 1006:
        return "connection lost: " + e.reason
    return "closed by us: %d %s" % (e.code, e.reason)
