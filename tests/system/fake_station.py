"""A station of a few lines, and what it talks to: a Central System, or tools/csms."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from host.build import ROOT
from host.csms import V16, CallError, CentralSystem, WAIT_s


class FakeStation:
    """It answers from a table, and keeps what it is asked. protocols: what it offers."""

    def __init__(self, url, id="CP1", protocols=(V16.protocol,), **options):
        self.protocols = protocols
        self.target = f"{url}/{id}"
        self.options = options
        self.answers = {}  # action -> payload | function of the payload | CallError | None
        self.asked = asyncio.Queue()
        self.frames = asyncio.Queue()  # the answers to our frames
        self.count = 0

    async def __aenter__(self):
        self.ws = await connect(self.target, subprotocols=self.protocols, **self.options)
        self.reader = asyncio.ensure_future(self.read())
        return self

    async def __aexit__(self, *error):
        await self.ws.close()
        await self.reader

    async def read(self):
        with contextlib.suppress(ConnectionClosed):
            async for text in self.ws:
                frame = json.loads(text) if text[:1] == "[" and text[-1:] == "]" else [None, text]
                if frame[0] != 2:
                    self.frames.put_nowait(frame)
                    continue
                self.asked.put_nowait((frame[2], frame[3]))
                answer = self.answers.get(frame[2], {"status": "Accepted"})
                answer = answer(frame[3]) if callable(answer) else answer
                if isinstance(answer, CallError):
                    reply = [4, frame[1], answer.code, answer.description, answer.details]
                    await self.ws.send(json.dumps(reply))
                elif answer is not None:
                    await self.ws.send(json.dumps([3, frame[1], answer]))

    async def send(self, action, payload):
        self.count += 1
        await self.ws.send(json.dumps([2, f"m{self.count}", action, payload]))

    async def call(self, action, payload):
        """The answer: a payload, or the error code of a CALLERROR."""
        await self.send(action, payload)
        frame = await self.reply()
        assert frame[1] == f"m{self.count}"
        return frame[2]

    async def reply(self, timeout=WAIT_s):
        return await asyncio.wait_for(self.frames.get(), timeout)

    async def request(self, timeout=WAIT_s):
        return await asyncio.wait_for(self.asked.get(), timeout)


@contextlib.asynccontextmanager
async def system(protocol=V16.protocol, **settings):
    """A running Central System with a connected fake station: (cs, st, fake)."""
    lines = []
    cs = CentralSystem(log=lines.append, protocols=(protocol,), **settings)
    cs.lines = lines
    await cs.start()
    try:
        async with FakeStation(cs.url, protocols=(protocol,)) as fake:
            yield cs, await cs.wait_station("CP1"), fake
    finally:
        await cs.stop()


def with_system(test, protocol=V16.protocol):
    """Make a test of `async test(cs, st, fake)`."""

    async def body():
        async with system(protocol) as (cs, st, fake):
            await test(cs, st, fake)

    return lambda: asyncio.run(asyncio.wait_for(body(), WAIT_s))


class Tool:
    """tools/csms as a process, with its output line by line."""

    def __init__(self, *args):
        self.args = args

    async def __aenter__(self):
        self.process = await asyncio.create_subprocess_exec(
            str(ROOT / "tools/csms"),
            *("--port", "0", *self.args),
            env={**os.environ, "PILOTWIRE_PYTHON": sys.executable},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.seen = []
        self.url = (await self.until("give the station the URL")).split()[-1]
        return self

    async def __aexit__(self, *error):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def until(self, text, timeout=WAIT_s):
        """The next line of output with `text`."""
        while True:
            try:
                line = await asyncio.wait_for(self.process.stdout.readline(), timeout)
            except asyncio.TimeoutError:
                line = b""
            assert line, f"no {text!r} in:\n" + "\n".join(self.seen)
            self.seen.append(line.decode().rstrip("\n"))
            if text in self.seen[-1]:
                return self.seen[-1]

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    async def end(self, timeout=WAIT_s):
        """The exit code; the rest of the output is in `seen`."""
        rest = await asyncio.wait_for(self.process.stdout.read(), timeout)
        self.seen += rest.decode().splitlines()
        return await asyncio.wait_for(self.process.wait(), timeout)
