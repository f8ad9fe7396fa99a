# A Link in simulated time, and Central Systems on 127.0.0.1 for it to dial. No tests here.

import simtime  # noqa: I001 (first: the others are to find its time)

import asyncio
import os
import socket

from mp_uwebsockets_peer import CLOSE, PING, PONG, TEXT, Server, frame, read_frame, upgrade

from firmware.ocpp.link import Link

DEFAULTS = {
    "heartbeat_s": 300,
    "backoff_random_s": 0,  # (10: what comes by chance has a test of its own)
    "backoff_doublings": 5,
    "backoff_s": 2,
    "security": 0,
    "dial_attempts": 1,
    "slot": 0,
    "ping_s": 60,
}


class Settings:
    def __init__(self, values):
        self.values = dict(DEFAULTS)
        self.values.update(values)
        self.refused, self.failed, self.slot = False, 0, 0  # (security.py, addresses.py)
        self.stored = {}

    def value(self, name):
        return self.values[name]

    def put(self, name, value):
        self.values[name] = value

    def password(self):
        return None

    def key(self, setting):
        return {"password": "AuthorizationKey"}[setting]


class Config:
    id = "CP1"
    password = ""
    protocols = ["ocpp1.6"]


class Clock:
    def now(self):
        return int(simtime.seconds())


class Rpc:
    """What a Link sees of rpc.Rpc."""

    unanswered = 0
    answered = False

    def __init__(self):
        self.got = []

    def attach(self, ws):
        self.ws = ws

    def decode(self, data):
        return bytes(data)

    async def receive(self, data):
        self.got.append(data)

    def failed(self, text):
        self.log(text)


class Bench:
    """A Link that dials `urls`. It says nothing while it is online, unless talk is set.

    `lines`: its log, as (simulated seconds, text); `events`: of security, as note() has them.
    """

    station = None
    accepted = False  # by the Central System
    protocol = None  # that was picked

    def __init__(self, *urls, rpc=None, **values):
        config = Config()
        config.url = [url.rsplit("/", 1)[0] + "/" for url in urls]
        self.lines = []
        self.said = asyncio.Event()
        self.settings = Settings(values)
        self.rpc = rpc or Rpc()
        self.rpc.log, self.events = self.log, []
        clock = Clock()
        self.link = Link(config, self.rpc, self, self.settings, clock, self.resolve, self.log)

    def log(self, text):
        print(f"{simtime.seconds():.3f} {text}")
        self.lines.append((simtime.seconds(), text))
        self.said.set()

    async def resolve(self, host):
        return host

    # What a Link sees of outbox.Outbox.

    def use(self, protocol):
        self.protocol = protocol

    def ready(self):
        return self.accepted

    def note(self, event, text, every_s):
        self.events.append((event, text, every_s))

    async def talk(self):
        await asyncio.Event().wait()

    async def __aenter__(self):
        self.task = asyncio.create_task(self.link.run())
        return self

    async def __aexit__(self, kind, error, trace):
        self.task.cancel()
        try:
            await self.task
        except asyncio.CancelledError:
            pass

    def at(self, text):
        """The seconds at which a line with `text` was logged."""
        return [t for t, line in self.lines if text in line]

    async def until(self, text, times=1, limit_s=3000):
        """Wait until so many lines with `text` were logged; -> when the last of them was."""
        began = simtime.seconds()
        while len(self.at(text)) < times:
            self.said.clear()
            await asyncio.wait_for(self.said.wait(), limit_s)
            assert simtime.seconds() < began + limit_s, "no line with " + text
        return self.at(text)[times - 1]

    def reason(self):
        return self.link.ends[-1][2]


class Served:
    """`async with Served(handler, ...) as b`: a Server for this handler, and a Bench that dials
    it, made with these options."""

    def __init__(self, handler, **options):
        self.server = Server(handler)
        self.options = options

    async def __aenter__(self):
        self.bench = Bench(await self.server.__aenter__(), **self.options)
        return await self.bench.__aenter__()

    async def __aexit__(self, *raised):
        await self.bench.__aexit__(*raised)
        await self.server.__aexit__(*raised)


def gaps(times):
    return [round(times[i + 1] - times[i], 1) for i in range(len(times) - 1)]


class Central:
    """A handler for Server. It answers pings until `mute`; `do` is what it does with a connection
    before that: a coroutine function of itself."""

    def __init__(self, do=None):
        self.do = do
        self.mute = False
        self.pings = []  # when they came
        self.came = []  # when connections did
        self.got = []  # text messages
        self.codes = []  # of close frames
        self.open = asyncio.Event()

    async def __call__(self, reader, writer):
        self.came.append(simtime.seconds())
        self.reader, self.writer = reader, writer
        writer.s.setsockopt(6, 1, 1)  # (TCP_NODELAY: it would wait for real ms, not for ours)
        await upgrade(reader, writer)
        self.open.set()
        try:
            if self.do:
                await self.do(self)
            while True:
                await self.hear()
        except (OSError, EOFError):
            pass  # it has gone
        self.open.clear()

    async def hear(self):
        op, payload = await read_frame(self.reader)
        if op == PING:
            self.pings.append(simtime.seconds())
            if not self.mute:
                await self.put(frame(PONG, payload))
        elif op == TEXT:
            self.got.append(payload)
        elif op == CLOSE:
            self.codes.append(int.from_bytes(payload[:2], "big"))

    async def put(self, data):
        self.writer.write(data)
        await self.writer.drain()


def http(head):
    """A handler that answers every request so."""

    async def handler(reader, writer):
        await reader.readline()
        writer.write(head)
        await writer.drain()

    return handler


async def silent(reader, writer):
    """A handler that takes the connection and says nothing."""
    while await reader.read(100):
        pass


class Full:
    """A port whose queue of connections is full: whoever dials it hears nothing at all."""

    def __enter__(self):
        self.sockets = []
        while True:  # MicroPython cannot tell which port it got for port 0
            port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
            address = socket.getaddrinfo("127.0.0.1", port)[0][-1]
            s = socket.socket()
            self.sockets.append(s)
            try:
                s.bind(address)
                break
            except OSError:
                pass
        s.listen(0)
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            try:
                s.connect(address)
            except OSError:
                pass
            self.sockets.append(s)
        return f"ws://127.0.0.1:{port}/CP1"

    def __exit__(self, kind, error, trace):
        for s in self.sockets:
            s.close()
