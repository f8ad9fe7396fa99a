# A whole station above its WebSocket: the real Rpc, Core, SmartCharging, Configuration and Station
# on a flash in RAM. The connection is in memory, and time passes only when it is told to.

# ruff: noqa: UP031
import asyncio
import sys
import vfs

import flash
import world

from firmware.ocpp import delivery, outbox, registration, requests, rpc
from firmware.ocpp.configuration import Configuration

FIXED = {"security": 0, "connectors": 2, "phase_switching": "false"}
IDENTITY = "Pilotwire", "prover", "1", "0", None
BLOCKS = 16
MAX_TURNS = 2000  # of all tasks, until there is nothing more to do


def play_time():
    """The firmware's asyncio from now on: a Time."""
    time = Time()
    for module in (rpc, delivery, outbox, registration, requests):
        module.asyncio = time
    return time


class Time:
    """asyncio, as the firmware sees it, in a time that the test moves."""

    def __init__(self):
        self.ms = 0
        self.sleepers = []

    def __getattr__(self, name):
        return getattr(asyncio, name)

    def sleep(self, s):
        return self.sleep_ms(int(s * 1000))

    def sleep_ms(self, ms):
        return self._sleep(ms) if ms > 0 else asyncio.sleep_ms(0)

    async def _sleep(self, ms):
        entry = self.ms + ms, asyncio.Event()
        self.sleepers.append(entry)
        try:
            await entry[1].wait()
        finally:
            self.sleepers.remove(entry)

    async def wait_for(self, awaitable, s):
        # (asyncio's own works with its own sleep only)
        over = asyncio.Event()
        result = []

        async def run():
            try:
                result.append((await awaitable, None))
            except BaseException as e:
                result.append((None, e))
            over.set()

        task = asyncio.create_task(run())
        entry = self.ms + 1000 * s, over
        self.sleepers.append(entry)
        try:
            await over.wait()
        finally:
            self.sleepers.remove(entry)
            if not result:
                task.cancel()
        if not result:
            raise asyncio.TimeoutError
        value, failure = result[0]
        if failure:
            raise failure
        return value

    def passes(self, ms):
        self.ms += ms
        for due, event in self.sleepers:
            if due <= self.ms:
                event.set()


class Ws:
    """A connection; `sent` is called with each text. While `full` is set nothing leaves."""

    def __init__(self, sent):
        self.sent = sent
        self.full = False

    async def send(self, text):
        while self.full:
            await rpc.asyncio.sleep_ms(1000)
        self.sent(text)
        await asyncio.sleep_ms(0)

    async def send_from(self, size, pieces):
        await self.send(b"".join(pieces).decode())


async def nowhere(*args):
    """No diagnostics are sent."""
    raise ValueError("nowhere")


def note(text):
    # As log.py treats it, but that nobody reads it.
    ("%d I %s" % (0, text))[:240].encode()


class Said:
    def append(self, text):
        note(text)


class Config:
    """What of config.json the keys are about."""

    id, url, password = "CP1", ("ws://127.0.0.1/",), ""
    protocols = ["ocpp1.6"]
    update_signed = False


class Values:
    """What world.World calls settings, of a Configuration."""

    def __init__(self, settings):
        self.__getitem__ = settings.value


class Chip(flash.Flash):
    """Without a look at every byte."""

    def writeblocks(self, block, buf, offset=0):
        at = block * flash.BLOCK + offset
        self._view[at : at + len(buf)] = buf
        return 0


CHIP = Chip(BLOCKS)


def blank(blocks):
    """The one flash there is: a heap in pieces has no room for another."""
    try:
        vfs.umount("/flash")
    except OSError:
        pass  # the first time
    for i in range(BLOCKS):
        CHIP.ioctl(6, i)
    vfs.VfsLfs2.mkfs(CHIP)
    return CHIP


flash.Flash = blank


class Unit:
    """A station with a transaction (id 1001) on connector 1 of 2, and a connection to the Central
    System. `sent(text)` is called with what it sends, `failed(text)` with what it should not
    raise; `log(text)` with what it logs."""

    def __init__(self, time, sent, failed, log=note):
        self.time = time
        self.sent = sent
        self.failed = failed
        w = self.world = world.World(2)
        w.said = Said()
        self.settings = settings = Configuration(FIXED, log, path="/flash/ocpp.json")
        settings.config = Config
        w.settings = Values(settings)
        w.boot().ready().charge()
        registration.time = rpc.time = w.time
        self.rpc = rpc.Rpc(lambda action, payload: self.requests.handle(action, payload), log)
        self.outbox = outbox.Outbox(w.station, self.rpc, settings, IDENTITY, None, log)
        nothing = lambda why: None  # noqa: E731
        self.requests = requests.Requests(self.outbox, nothing, nothing, nowhere)
        self._talking = self.ws = None

    async def lose(self):
        """The connection is lost."""
        if self._talking:
            self.rpc.attach(None)
            self._talking.cancel()
            await idle()
        self._talking = None

    async def connect(self):
        """A connection, after the one before is lost."""
        await self.lose()
        self.ws = Ws(self.sent)
        self.rpc.attach(self.ws)
        self._talking = asyncio.create_task(self._talk())
        await idle()

    async def end(self):
        """Nothing of it is left in the event loop."""
        await self.lose()
        self.outbox.delivery.cancel()
        await idle()

    async def _talk(self):
        try:
            await self.outbox.talk()
            self.failed("talk ended")
        except OSError:
            pass  # the connection is lost
        except Exception as e:
            self.failed("talk: %r" % e)
            sys.print_exception(e)

    async def message(self, data):
        """The Central System sends a text (bytes)."""
        try:
            await self.rpc.receive(self.rpc.decode(memoryview(data)))
        except Exception as e:
            self.failed("receive: %r" % e)
            sys.print_exception(e)
        if not self.world.station.sharing.due_s:  # (app.handle)
            self.world.station.sharing.evaluate(self.world.clock.now(), self.world.time.ms)
        await idle()

    async def passes(self, seconds):
        for _ in range(seconds):
            self.world.poll(1000)
            self.time.passes(1000)
            await idle()


async def idle():
    """Wait until no task can go on without time or messages."""
    for _ in range(MAX_TURNS):
        task = asyncio.core._task_queue.peek()
        if not task or asyncio.core.ticks_diff(task.ph_key, asyncio.core.ticks()) > 0:
            return  # (what sleeps is the test's own time-out)
        await asyncio.sleep_ms(0)
    raise RuntimeError("the tasks never come to rest")
