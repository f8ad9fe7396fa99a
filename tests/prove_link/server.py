"""A Central System that does what it should not: a raw server, made of bytes."""

import asyncio
import base64
import hashlib
import json
import socket
import struct

from host.csms import WAIT_s

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONFS = {
    "BootNotification": {
        "status": "Accepted", "currentTime": "2026-11-20T12:00:00Z", "interval": 86400
    },
    "Heartbeat": {"currentTime": "2026-11-20T12:00:00Z"},
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
}  # fmt: skip
V16, V201 = "ocpp1.6", "ocpp2.0.1"
MODEL = {"component": {"name": "ChargingStation"}, "variable": {"name": "Model"}}
BRIEF = {  # a request that has a short answer
    V16: ("GetConfiguration", {"key": ["NumberOfConnectors"]}),
    V201: ("GetVariables", {"getVariableData": [MODEL]}),
}


def frame(data, op=TEXT, fin=True):
    """Bytes of a server's frame."""
    data = data.encode() if isinstance(data, str) else data
    n = len(data)
    if n < 126:
        length = bytes([n])
    else:
        length = struct.pack(">BH", 126, n) if n < 65536 else struct.pack(">BQ", 127, n)
    return bytes([0x80 * fin | op]) + length + data


def call(action, payload, number):
    return frame(json.dumps([2, f"h{number}", action, payload]))


class Peer:
    """A connection of the station. `frames`: what it sent, as (opcode, bytes)."""

    def __init__(self, reader, writer, pongs, protocol):
        self.reader, self.writer = reader, writer
        self.pongs, self.protocol = pongs, protocol
        self.frames = []
        self.news = asyncio.Event()
        self.gone = asyncio.Event()
        self.task = None

    async def request(self):
        """The head of the station's request for a WebSocket."""
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    def agree(self, request, limit=None):
        """Answer it, or the first `limit` bytes of the answer."""
        lines = dict(x.split(": ", 1) for x in request.split("\r\n")[1:] if x)
        text = lines["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        key = base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {key}\r\nSec-WebSocket-Protocol: {self.protocol}\r\n\r\n"
        )
        self.write(head.encode()[:limit])

    def read(self, on_call=None):
        """Read from now on; on_call(id, action, payload) may answer each request."""
        self.task = asyncio.create_task(self._read(on_call))

    async def _read(self, on_call):
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                size = second & 127
                if size > 125:
                    k = 2 if size == 126 else 8
                    size = int.from_bytes(await self.reader.readexactly(k), "big")
                key = await self.reader.readexactly(4)
                data = await self.reader.readexactly(size)
                data = bytes(b ^ key[i & 3] for i, b in enumerate(data))
                self.frames.append((first & 15, data))
                if first & 15 == TEXT and on_call:
                    message = json.loads(data)
                    if message[0] == 2:
                        on_call(*message[1:])
                elif first & 15 == PING and self.pongs:
                    self.write(frame(data, PONG))
                self.news.set()
        except (OSError, asyncio.IncompleteReadError):
            self.gone.set()
            self.news.set()

    def answer(self, message_id, action, payload):
        """The conf that a friendly server gives, with any id."""
        self.write(frame(json.dumps([3, message_id, CONFS.get(action, {})])))

    def write(self, data):
        if not self.writer.transport.is_closing():
            self.writer.write(data)

    async def until(self, test, timeout=WAIT_s):
        """Wait until test() holds; what came may be looked at in `frames`."""

        async def wait():
            while not test():
                self.news.clear()
                await self.news.wait()

        await asyncio.wait_for(wait(), timeout)

    def answers(self):
        """Ids of the requests that were answered, in order."""
        return [json.loads(data)[1] for op, data in self.frames if op == TEXT and data[1] != 0x32]

    def calls(self):
        """The station's own requests, in order."""
        return [json.loads(data) for op, data in self.frames if op == TEXT and data[1] == 0x32]

    def told(self, action):
        """The payloads of those of them that are `action`."""
        return [call[3] for call in self.calls() if call[2] == action]

    def reset(self):
        """TCP ends with a RST."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self.writer.transport.abort()

    async def still_there(self, number="last"):
        """It answers a request."""
        self.write(call(*BRIEF[self.protocol], number))
        await self.until(lambda: f"h{number}" in self.answers() or self.gone.is_set())
        assert not self.gone.is_set()

    def end(self):
        if self.task:
            self.task.cancel()
        self.writer.transport.abort()


class Server:
    """async with Server(port) as s: peer = await s.peer(). pongs: its pings are answered;
    protocol: the version of OCPP that it picks."""

    def __init__(self, port=0, pongs=False, protocol=V16):
        self.port = port
        self.pongs, self.protocol = pongs, protocol
        self.peers = asyncio.Queue()
        self.all = set()

    async def __aenter__(self):
        await self.listen()
        return self

    async def listen(self):
        # (small buffers: who does not read is noticed)
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.bind(("127.0.0.1", self.port))
        self.port = s.getsockname()[1]
        self.server = await asyncio.start_server(self._come, sock=s, limit=4096)

    async def deaf(self):
        """Connections are refused until it listens again."""
        self.server.close()
        await self.server.wait_closed()

    async def _come(self, reader, writer):
        peer = Peer(reader, writer, self.pongs, self.protocol)
        self.all.add(peer)
        self.peers.put_nowait(peer)

    async def raw(self, timeout=WAIT_s):
        """The next connection of the station, before anything was said."""
        return await asyncio.wait_for(self.peers.get(), timeout)

    async def peer(self):
        """The next connection, with its handshake done."""
        peer = await self.raw()
        peer.agree(await peer.request())
        return peer

    async def friend(self):
        """The next connection; what the station asks is answered."""
        peer = await self.peer()
        peer.read(lambda *request: peer.answer(*request))
        return peer

    def forget(self, peer):
        peer.end()
        self.all.discard(peer)

    async def __aexit__(self, *error):
        for peer in self.all:
            peer.end()
        await self.deaf()
