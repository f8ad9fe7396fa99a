"""Plays streams of frames to a WebSocket; runs on MicroPython. See frames.py.

A request: how many messages to echo at most, size of rx, of tx, the largest message (4 times 4
bytes, little-endian), how many pieces (4), the length of each (2; 0xFFFF: woken for nothing),
their bytes. The answer: the close code (4), how many messages (4), of each its kind (1), length
(4) and bytes, then all that was sent.
"""

import asyncio
import sys

# ruff: noqa: E402
sys.path[:] = ["lib", ".frozen"]

from uwebsockets import ConnectionClosed, WebSocket, wire

_WAKE = 0xFFFF


def u4(n):
    return n.to_bytes(4, "little")


class Socket:
    def __init__(self, lengths, data):
        self.lengths = lengths
        self.data = data
        self.at = self.piece = 0
        self.left = -1  # of the present piece
        self.sent = bytearray()
        self.ended = False

    def readinto(self, buf):
        assert not self.ended
        if self.left <= 0:
            if self.piece == len(self.lengths):
                return 0
            k = self.lengths[self.piece] | self.lengths[self.piece + 1] << 8
            self.piece += 2
            if k == _WAKE:
                return None
            self.left = k
        n = min(len(buf), self.left)
        buf[:n] = self.data[self.at : self.at + n]
        self.at += n
        self.left -= n
        return n

    def write(self, buf, at, size):
        assert not self.ended
        self.sent += buf[at : at + size]
        return size

    def close(self):
        assert not self.ended
        self.ended = True


class Stream:
    def __init__(self, s):
        self.s = s

    async def readinto(self, buf):
        return self.s.readinto(buf)


async def play(request):
    head = [int.from_bytes(request[i : i + 4], "little") for i in range(0, 20, 4)]
    echo, rx, tx, most, pieces = head
    data = memoryview(request)[20 + 2 * pieces :]
    stream = Stream(Socket(memoryview(request)[20 : 20 + 2 * pieces], data))
    socket = WebSocket(stream, memoryview(bytearray(rx)), memoryview(bytearray(tx)), most)
    out = []
    try:
        while True:
            view = await socket.recv()
            out.append(b"T" if socket.text else b"B")
            out.append(u4(len(view)))
            out.append(bytes(view))
            if echo:
                echo -= 1
                await socket.send(view, text=socket.text)
    except ConnectionClosed as e:
        code = e.code
    assert socket.closed and stream.s.ended
    return u4(code) + u4(len(out) // 3) + b"".join(out) + stream.s.sent


async def main():
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    while True:
        size = int.from_bytes(stdin.read(4), "little")
        if not size:
            break
        try:
            answer = await play(stdin.read(size))
        except Exception as e:
            answer = bytes(8) + repr(e).encode()  # (no close code: the oracle never says so)
        stdout.write(u4(len(answer)))
        stdout.write(answer)


# Flaws that the prover has to find


def reserved_bits_pass():
    check = wire.check
    wire.check = lambda first, size, inside: check(first & 0x8F, size, inside)


def utf8_passes():
    wire.utf8 = lambda buf, state=0: 0


def late_utf8():
    """What is wrong in a fragment is noticed with the next one."""
    utf8 = wire.utf8

    def late(buf, state=0):
        if state == 1 << 30:
            return -1
        state = utf8(buf, state)
        return 1 << 30 if state < 0 else state

    wire.utf8 = late


def forgets_state():
    utf8 = wire.utf8
    wire.utf8 = lambda buf, state=0: min(utf8(buf), 0)


def lengths_pass():
    wire.length = lambda data: int.from_bytes(data, "big") & 0x7FFFFFFF


def one_too_many():
    room = wire.room
    wire.room = lambda rx, n, size, most, fin: room(rx, n, size, most + 1, fin)


def grows_empty():
    room = wire.room

    def empty(rx, n, size, most, fin):
        larger = room(rx, n, size, most, fin)
        if larger is not rx and n:
            larger[n - 1] ^= 1
        return larger

    wire.room = empty


def masks_by_the_chunk():
    mask = wire.mask
    wire.mask = lambda buf, start, end, key: mask(buf, start, end - (start == 0), key)


def any_close_code():
    wire.is_close_code = lambda code: code >= 1000


if len(sys.argv) > 1:
    globals()[sys.argv[1].replace("-", "_")]()
asyncio.run(main())
