"""The running unit: its parts and its tasks. It and build.py alone know all other modules."""

import asyncio
import esp32
import gc
import machine
import sys
import time
from micropython import const

from firmware import lazy, log, safe
from firmware.network import wifi
from firmware.station.security import NO_MEMORY

_TICK_ms = const(25)
_REST_ms = const(5)  # for all else, however long a tick takes
_POLL_ms = const(100)
_LOOK_ms = const(250)  # at the tick
_METER_ms = const(1000)
_CARD_ms = const(250)
_AWAY = const(4)  # polls without a card
_WATCH_s = const(5)  # between looks at the Wi-Fi
_NTP_s = const(120)  # for a Central System to tell the time, then an NTP server is asked
_NTP_AGAIN_s = const(600)
_NOTE_s = const(300)  # between writes of the time to the flash
_YOUNG_ms = const(300000)  # a run that lasts longer is good, as is one that has reached its server
_RESTART_ms = const(1000)  # before a task that failed is started again; doubled each time
_RESTART_MAX_ms = const(64000)
_EVERY_s = const(3600)

tasks = []  # name, Task, name, Task, ...


async def supervise(app, task, critical):
    """Run a coroutine function for ever: the one place where tasks end. A critical one that ends,
    ends the run with SystemExit: start.py takes the outputs to safe, before anything else, notes
    why, and resets. Any other is started again, later each time."""
    pause_ms = _RESTART_ms
    tasks.extend((task.__name__, asyncio.current_task()))
    while True:
        why, began = "it ended", time.ticks_ms()
        try:
            await task()
        except Exception as e:
            why = e
        if critical:
            raise SystemExit(why)
        if time.ticks_diff(time.ticks_ms(), began) > _RESTART_MAX_ms:
            pause_ms = _RESTART_ms
        failed(app, task.__name__, why, pause_ms == _RESTART_MAX_ms)
        await asyncio.sleep_ms(pause_ms)
        pause_ms = min(2 * pause_ms, _RESTART_MAX_ms)


def failed(app, name, why, again):
    """Log that task `name` has failed, and why: an exception or a text. `again`: for minutes; if
    it is for want of memory the unit restarts, once an hour at most, between transactions."""
    try:
        if again and isinstance(why, MemoryError) and app.up_s > _EVERY_s:
            if not any([c.tx for c in app.station.connectors]):
                app.reset("memory", "crash")
        log.error("%s failed: %r" % (name, why))
        if isinstance(why, Exception):
            sys.print_exception(why)
        if isinstance(why, MemoryError):
            app.outbox.note(NO_MEMORY, name, _EVERY_s)
    except MemoryError:
        pass  # (it is started again all the same)


class Ticker:
    """The electrical tick: the callback of a hardware timer, which the port runs between two
    bytecodes of whatever else does. What both sides see: single numbers, each stored at once.
    It ticks from when it is made; safe.py ends it.
    | ticks | complete ones, of 256 |
    | why   | what a tick has raised, then none comes any more; or None |

    pin: the one whose level each complete tick changes, for the monostable that holds the
    contactors (docs/hardware.md); None: the board has none."""

    def __init__(self, outlets, connectors, pin=None):
        self.ticks = 0
        self.why = None
        self._pin = None if pin is None else machine.Pin(pin, machine.Pin.OUT, value=0)
        self._outlets, self._connectors = outlets, connectors
        self._ended_ms = time.ticks_ms()
        machine.Timer(0).init(period=_TICK_ms, callback=self.tick)

    def tick(self, _):
        """Readings in, pilots and contactors out. Allocates nothing."""
        try:
            if self.why or time.ticks_diff(time.ticks_ms(), self._ended_ms) < _REST_ms:
                return
            for i in range(len(self._outlets)):
                self._outlets[i].tick(time.ticks_ms(), self._connectors[i].allow_mA)
            self.ticks = (self.ticks + 1) & 255
            if self._pin:
                self._pin(self.ticks & 1)
            self._ended_ms = time.ticks_ms()
        except BaseException as e:  # (also Ctrl-C: what a callback raises nobody hears)
            self.why = e
            self._open()

    def _open(self):
        for outlet in self._outlets:
            for _ in range(3):  # (Ctrl-C again and again does not keep this from its end)
                try:
                    outlet.contactor.set(False)
                    break
                except BaseException:
                    pass


class App:
    """The running unit. `status()` is what a person or a tool may know of it.
    outlets: the drivers and parts, by connector; reader: of cards, or None; last: a line about the
    crash before, or ""; connect: makes the Rpc, Outbox, Requests and Link that call the App."""

    def __init__(self, config, clock, outlets, settings, station, reader, last, connect):
        self.config, self.clock = config, clock
        self.outlets = outlets
        self.settings = settings
        self.station = station
        self.reader = reader
        self.last = last
        self.rpc, self.outbox, self.requests, self.link = connect(self)
        self.tasks = tasks
        self.page = self._reset = self._ticker = self._watchdog = None  # (run(), app/build.py)
        self._young_ms = _YOUNG_ms
        self.up_s = 0  # since the start

    async def handle(self, action, payload):
        """Answer a request of the Central System (rpc.Rpc)."""
        answer = await self.requests.handle(action, payload)
        if not self.station.sharing.due_s:  # what was changed is in force before the answer leaves
            self.station.sharing.evaluate(self.clock.now(), time.ticks_ms())
        return answer

    def reset(self, kind, how="remote"):
        """End transactions (kind: app/farewell.py), or wait for their ends ("Idle"); restart."""
        self._reset = kind, how
        for c in self.station.connectors:
            c.ending = True

    def send(self, *args):
        """Awaitable: a try to send what there is to know (requests.Requests)."""
        return lazy.load("app.diagnostics").send(self, *args)

    async def _limit(self):
        # The loop's side of the tick: does it come? The watchdog is fed where both go on.
        tick, seen = self._ticker, 0
        while True:
            if tick.why:
                raise tick.why
            if seen != tick.ticks:
                seen = tick.ticks
                self._watchdog.feed()
            await asyncio.sleep_ms(_LOOK_ms)

    async def _sessions(self):
        while True:
            for i, outlet in enumerate(self.outlets):
                c = self.station.connectors[i]
                if outlet.limit(c.limits):
                    self.station.sharing.due_s = 0
                if outlet.button:
                    press = outlet.button.take()
                    if press == 1:  # a short one
                        how = "" if self.station.kept.clear_faults(c) else "not "
                        log.info("connector %d: faults %scleared" % (c.number, how))
                    elif press:
                        self.reset("Soft", "local")
            self.station.poll()
            for i, outlet in enumerate(self.outlets):
                if outlet.phases:  # (no number given means three, 12.2)
                    wanted = self.station.connectors[i].phases
                    outlet.phases.wanted = 1 if 0 < wanted < 3 else 3
            if (update := self.station.update) and update.waits:
                try:
                    step = lazy.load("app.updating").step(self, update)
                    update.stop = asyncio.create_task(step).cancel
                    update.waits = False
                except MemoryError:
                    pass  # (again in a moment: this task must not end)
            if self._reset:
                if self._reset[0] != "Idle" or not any([c.tx for c in self.station.connectors]):
                    return await lazy.load("app.farewell").end(self, *self._reset)
                self.reset(*self._reset)  # (also when another update is asked for)
            await asyncio.sleep_ms(_POLL_ms)

    async def _meter(self):
        last, up_ms = time.ticks_ms(), 0
        while True:
            for outlet in self.outlets:
                outlet.meter.closed = outlet.controller.closed
                await outlet.meter.read()
                outlet.metered()
            if self.station.policy:
                self.station.policy.local_limit(self.clock.now(), self.station)
            self.clock.note(_NOTE_s)
            now = time.ticks_ms()
            passed, last = time.ticks_diff(now, last), now
            self.up_s += (up_ms + passed) // 1000
            up_ms = (up_ms + passed) % 1000
            if self._young_ms > 0:
                self._young_ms -= passed
                if self._young_ms <= 0 or self.outbox.ready():
                    self._young_ms = 0
                    lazy.load("crash").clear()
                    if self.station.update:
                        self.station.update.good()
            self.station.metering.poll(self.clock.now(), self.clock.known(), passed)
            if self.outbox.alerts:
                await self.outbox.alerts.poll(passed)
            await asyncio.sleep_ms(_METER_ms)

    async def _cards(self):
        # A card counts once, until it was away for a second; if it did something for three.
        last, away = None, 0
        while True:
            uid = await self.reader.poll()
            away = 0 if uid else away + 1
            if uid and uid != last:
                self.station.access().card(uid)
            elif uid:
                for c in self.station.connectors:
                    c.again(uid, time.ticks_ms())
            if uid or away == _AWAY:
                last = uid
            await asyncio.sleep_ms(_CARD_ms)

    async def _console(self):
        # What a person types (console/): loaded for as long as a line takes.
        stdin = asyncio.StreamReader(sys.stdin.buffer)
        byte = bytearray(1)
        names = {}  # what was assigned to in Python
        while await stdin.readinto(byte):
            if byte[0] >= 27:  # (Escape, or what can be seen)
                await lazy.load("console.line").line(self, stdin, byte, names)
                lazy.forget("firmware.console")  # (the package, which its commands brought back)
        await asyncio.Event().wait()  # (the line has ended, which only a PC's can)

    async def _network(self):
        # Notices that the Wi-Fi is gone, and that no Central System tells the time.
        wifi.config, ask_s = self.config, _NTP_s  # (until an NTP server is asked)
        while True:
            if not wifi.up():
                await wifi.join(log.info)
            self.link.network = wifi.up
            ask_s -= _WATCH_s
            if self.clock.known() or not self.config.ntp:
                ask_s = _NTP_s
            elif ask_s <= 0:
                ask_s = _NTP_AGAIN_s
                try:
                    t = await lazy.load("network.sntp").now(self.config.ntp, wifi.resolve)
                    if not self.clock.known():  # (the Central System may have come first)
                        lazy.load("station.retime").set_clock(self.station, *t)
                except OSError as e:
                    log.warning(str(e))
            await asyncio.sleep(_WATCH_s)

    async def _connect(self):
        while not self.link.network:  # until the unit has joined its network
            await asyncio.sleep_ms(_POLL_ms)
        await self.link.run()

    def _lost(self, _, context):
        # A task has failed that nobody waits for. All are of the connection: its next has others.
        why = context["exception"]
        if not isinstance(why, OSError):  # (which only says that the connection has ended)
            failed(self, "a task", why, False)
        self.link.close("a task failed")

    async def run(self):
        """Run every task; returns only by an exception. SystemExit asks for a reset: 0 where a
        person or the Central System wants it, otherwise it says what has failed."""
        idf_free = sum([region[1] for region in esp32.idf_heap_info(esp32.HEAP_DATA)])
        log.info("Pilotwire %s on board %s" % (lazy.load("version").VERSION, self.config.board))
        log.info("heap: %d bytes free, IDF heap (TLS): %d" % (gc.mem_free(), idf_free))
        if self.last:
            log.warning("the last run: %s" % self.last)
        asyncio.get_event_loop().set_exception_handler(self._lost)
        # From here on the tick must come: started last, so that a failed start is not a reset.
        pin = getattr(safe.board(), "HEARTBEAT", None)
        self._ticker = Ticker(self.outlets, self.station.connectors, pin)
        self._watchdog = machine.WDT(timeout=1000 * self.config.watchdog_s)
        for task in (self._limit, self._sessions):
            asyncio.create_task(supervise(self, task, True))
        others = self._meter, self._console, self._network, self.reader and self._cards
        for task in others + (self.page and self.page.page,):
            if task:
                asyncio.create_task(supervise(self, task, False))
        # (A task that waits keeps alive what stood behind it in the queue: not the first dial.)
        await asyncio.sleep_ms(0)
        await supervise(self, self._connect, False)

    def status(self):
        """All there is to know (report.py), as the dict that tools/station answers to `state`."""
        return lazy.load("app.report").status(self)
