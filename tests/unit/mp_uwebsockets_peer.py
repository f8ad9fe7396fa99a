"""For mp_uwebsockets_*.py: a scripted server and a stream that is not a socket. No tests here."""

import asyncio
import os
import socket
from binascii import b2a_base64
from hashlib import sha1

from rig import raised

from uwebsockets import ConnectionClosed, WebSocket, connect

BOTH = True

TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10


def frame(op, payload=b"", fin=True):
    """A server's frame in the shortest encoding."""
    n = len(payload)
    if n < 126:
        size = bytes([n])
    elif n < 65536:
        size = b"\x7e" + n.to_bytes(2, "big")
    else:
        size = b"\x7f" + n.to_bytes(8, "big")
    return bytes([op | (0x80 if fin else 0)]) + size + payload


def close(code, reason=b""):
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def unmask(data, key):
    return bytes([c ^ key[i & 3] for i, c in enumerate(data)])


def parse(data):
    """What a client sent -> [(opcode, payload)]: whole, final, masked, shortest encoding."""
    frames = []
    while data:
        assert data[0] & 0xF0 == 0x80 and data[1] & 0x80, data[:2]
        n = data[1] & 127
        p = 2
        if n == 126:
            n = int.from_bytes(data[2:4], "big")
            assert n > 125
            p = 4
        elif n == 127:
            n = int.from_bytes(data[2:10], "big")
            assert n > 65535
            p = 10
        key = data[p : p + 4]
        body = data[p + 4 : p + 4 + n]
        assert len(key) == 4 and len(body) == n, "torn"
        frames.append((data[0] & 15, unmask(body, key)))
        data = data[p + 4 + n :]
    return frames


class Socket:
    """Stands in for a socket: see Stream."""

    def __init__(self, pieces, takes=()):
        self.pieces = list(pieces)
        self.takes = list(takes)
        self.sent = b""
        self.ended = False

    def close(self):
        assert not self.ended, "closed twice"
        self.ended = True

    def readinto(self, buf):
        assert not self.ended
        if not self.pieces:
            return 0
        piece = self.pieces.pop(0)
        if piece is None:
            return None
        n = min(len(buf), len(piece))
        buf[:n] = piece[:n]
        if n < len(piece):
            self.pieces.insert(0, memoryview(piece)[n:])
        return n

    def write(self, data, at, size):
        assert not self.ended and at + size <= len(data)
        n = self.takes.pop(0) if self.takes else size
        if n is not None:
            n = min(n, size)
            self.sent += bytes(data[at : at + n])
        return n


class Stream:
    """Stands in for asyncio's: gives `pieces` one per read, then EOF; keeps what is written.

    None among the pieces is a wake-up for nothing. A write takes as many bytes as the next of
    `takes` says (None: the socket is full), without one all.
    """

    def __init__(self, pieces, takes=()):
        self.s = Socket(pieces, takes)

    async def readinto(self, buf):
        return self.s.readinto(buf)


async def read_all(ws):
    """Read to the end -> messages, code, reason."""
    messages = []
    try:
        while True:
            view = await ws.recv()
            messages.append(str(view, "utf-8") if ws.text else bytes(view))
    except ConnectionClosed as e:
        return messages, e.code, e.reason


async def play(pieces, most, rx=None):
    """What comes of a stream that gives `pieces`: messages, code, reason, frames sent. `rx` is the
    size of the buffer, `most` of the largest message."""
    stream = Stream(pieces)
    ws = WebSocket(stream, memoryview(bytearray(rx or most)), memoryview(bytearray(64)), most)
    messages, code, reason = await read_all(ws)
    assert ws.closed and stream.s.ended
    return messages, code, reason, parse(stream.s.sent)


def accept(key):
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return b2a_base64(sha1(key + guid).digest()).strip()


async def read_head(reader):
    """The request -> its lines."""
    lines = []
    while True:
        line = (await reader.readline()).strip()
        if not line:
            return lines
        lines.append(line)


def field(lines, name):
    for line in lines:
        if line.lower().startswith(name.lower() + b":"):
            return line.split(b":", 1)[1].strip()


def answer(lines, protocol=b"ocpp1.6"):
    """The right 101 for a request."""
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    head += b"Sec-WebSocket-Accept: " + accept(field(lines, b"Sec-WebSocket-Key")) + b"\r\n"
    if protocol:
        head += b"Sec-WebSocket-Protocol: " + protocol + b"\r\n"
    return head + b"\r\n"


async def upgrade(reader, writer):
    lines = await read_head(reader)
    writer.write(answer(lines))
    await writer.drain()
    return lines


async def read_frame(reader):
    """The client's next frame -> (opcode, payload)."""
    data = await reader.readexactly(2)
    n = data[1] & 127
    if n > 125:
        more = await reader.readexactly(2 if n == 126 else 8)
        n = int.from_bytes(more, "big")
        data += more
    return parse(data + await reader.readexactly(n + 4))[0]


class Server:
    """`async with Server(handler) as url`: `async def handler(reader, writer)` per connection.

    What a handler raises is raised when the block ends.
    """

    def __init__(self, handler):
        self.handler = handler
        self.error = None
        self.busy = 0
        self.idle = asyncio.Event()

    async def __aenter__(self):
        while True:  # MicroPython cannot tell which port it got for port 0
            self.port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
            s = socket.socket()
            try:
                # (first here: of a port that another process has start_server() keeps its socket)
                s.bind(socket.getaddrinfo("127.0.0.1", self.port)[0][-1])
                s.close()
                self.server = await asyncio.start_server(self.run, "127.0.0.1", self.port)
                break
            except OSError:
                s.close()
        return "ws://127.0.0.1:%d/CP1" % self.port

    async def run(self, reader, writer):
        self.busy += 1
        self.idle.clear()
        try:
            await self.handler(reader, writer)
        except Exception as e:
            self.error = e
        finally:
            writer.s.close()
            self.busy -= 1
            if not self.busy:
                self.idle.set()

    async def __aexit__(self, kind, error, trace):
        self.server.close()
        if kind is None:
            if self.busy:
                await asyncio.wait_for(self.idle.wait(), 100)
            if self.error:
                raise self.error


class Peer:
    """A handler that shakes hands, hands its streams to the test and waits for `over`.

    `async with Peer(...) as (peer, ws)`: with a server of its own, and a connection to it, made
    with these options of connect(); both are ended when the block ends.
    """

    def __init__(self, **options):
        self.options = options
        self.ready = asyncio.Event()
        self.over = asyncio.Event()

    async def __call__(self, reader, writer):
        await upgrade(reader, writer)
        self.reader = reader
        self.writer = writer
        self.ready.set()
        await self.over.wait()

    async def __aenter__(self):
        self.server = Server(self)
        self.ws = await connect(await self.server.__aenter__(), **self.options)
        await self.ready.wait()
        return self, self.ws

    async def __aexit__(self, kind, error, trace):
        if not self.ws.closed:
            self.ws._end(1006, "test")
        self.over.set()
        await self.server.__aexit__(kind, error, trace)

    async def put(self, data):
        self.writer.write(data)
        await self.writer.drain()


def descriptors():
    """How many files and sockets this process has open."""
    return len(list(os.ilistdir("/proc/self/fd")))


async def cancel(task):
    task.cancel()
    await raised(asyncio.CancelledError, task)


async def closed(awaitable, code=None, reason=""):
    """Assert that it raises ConnectionClosed, with this code and such a reason."""
    e = await raised(ConnectionClosed, awaitable)
    assert code in (None, e.code) and reason in e.reason, (e.code, e.reason)
