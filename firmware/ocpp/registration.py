"""Boot and heartbeats, and the time that they bring, for every version of OCPP."""

import asyncio
import time
from micropython import const

from firmware import lazy
from firmware.clock import fraction_ms, parse_iso

_REJECTED = const(2)  # of Outbox.boot


class Registration:
    """`boot` and `beat` tell, and take what is answered."""

    def __init__(self, outbox):
        self._outbox = outbox
        self._pause_s = 0  # from one boot message to the next
        self._asked_ms = 0  # when the latest one was sent
        self._beat_ms = 0  # when the latest heartbeat, or acceptance, was

    def waits(self):
        """It is too early for the next boot message."""
        return (time.ticks_ms() - self._asked_ms) & 0x3FFFFFFF < self._pause_s * 1000

    async def boot(self, triggered=False):
        """Tell the start, or that it was `triggered`; the answer is outbox.boot."""
        outbox = self._outbox
        self._pause_s, self._asked_ms = 60, time.ticks_ms()  # (if it names no interval)
        who = outbox.identity[:-1] + (None,) if triggered else outbox.identity
        conf = await outbox.ask(*outbox.message("boot", who))
        status = conf and conf.get("status")
        if not status:
            return
        outbox.boot = outbox.module("words").BOOTS.split(" ").index(status)
        outbox.rpc.mute = outbox.boot == _REJECTED  # not a word until the next one (4.2)
        outbox.log("boot %s" % status)
        self._set_clock(conf)
        self._beat_ms = time.ticks_ms()
        interval_s = conf.get("interval") or 0
        if interval_s > 0:
            self._pause_s = min(interval_s, 86400)
            if outbox.ready():
                outbox.settings.put("heartbeat_s", self._pause_s)

    def _set_clock(self, conf):
        outbox, text = self._outbox, conf and conf.get("currentTime")
        if not text:
            return
        t = parse_iso(text)
        if outbox.station.clock.plausible(t):
            trip_ms = (time.ticks_ms() - outbox.rpc.began) & 0x3FFFFFFF
            set_clock = lazy.load("station.retime").set_clock
            set_clock(outbox.station, t, fraction_ms(text), trip_ms)
        else:  # (year 1, or 1970: a field that was never filled in)
            outbox.log("currentTime %s ignored" % text)

    async def heartbeats(self):
        """While a connection is up; counted over reconnects, for the clock needs one then."""
        outbox = self._outbox
        while True:
            await asyncio.sleep(1)
            if outbox.station.news:
                outbox.notify()  # (one may have lasted long enough)
            now_ms = time.ticks_ms()
            period_ms = outbox.settings.value("heartbeat_s") * 1000
            if outbox.ready() and (now_ms - self._beat_ms) & 0x3FFFFFFF >= period_ms:
                self._beat_ms = now_ms
                try:
                    await self.beat()
                except OSError:
                    return  # of the connection: talk() ends too
                except MemoryError:
                    outbox.log("no memory for a heartbeat")

    async def beat(self):
        """Say that we are here; the answer tells the time."""
        self._set_clock(await self._outbox.ask(self._outbox.beats, {}))
