"""A connection that carries a file, by TCP or TLS, whose peer can neither keep it for ever nor
fill the heap. Loaded for one transfer (transfer.py has the bounds)."""

import asyncio
import errno
import select
import socket
import time
from micropython import const

_POLL_ms = const(10)  # between looks, and so much more
_SELDOM_ms = const(200)  # at most, the longer nothing moves
_LINE = const(512)
_PIECE = const(1024)  # then others have their turn
_MOST = const(16777216)  # of a file: more than any flash has
_FLOOR = const(30720)  # bytes, in each
_WINDOW_ms = const(300000)  # of waiting


class Stream:
    """A connection to `host`, whose address is `address`. What goes wrong with it is an OSError;
    each wait ends with one, after stall_ms without a byte or where the peer is too slow."""

    def __init__(self, host, address, stall_ms):
        self._host, self._address, self._stall_ms = host, address, stall_ms
        self._s = None
        self._line, self._byte = memoryview(bytearray(_LINE)), bytearray(1)
        self._still_ms = self._slow_ms = self._moved = 0
        self._secure = False

    def copy(self):
        """Another to the same host, not connected."""
        return Stream(self._host, self._address, self._stall_ms)

    async def connect(self, port, ssl=None):
        """Connect, with TLS where there is a context."""
        info = socket.getaddrinfo(self._address, port, 0, socket.SOCK_STREAM)[0]
        s = self._s = socket.socket(info[0], info[1], info[2])
        s.setblocking(False)
        try:
            s.connect(info[-1])
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                raise
        poll = select.poll()
        poll.register(s, select.POLLOUT)
        while not poll.poll(0):
            await self._pause()
        if ssl:
            s = ssl.wrap_socket(s, server_hostname=self._host, do_handshake_on_connect=False)
            s.setblocking(False)
            self._s, self._secure = s, True

    def close(self):
        """End it, if it is there."""
        if self._s:
            self._s.close()
            self._s = None

    async def readline(self, within_ms=None):
        """The next line without its end, as bytes; None: not a byte of it came `within_ms`."""
        line, byte, n = self._line, self._byte, 0
        while True:
            k = self._read(byte)
            if k is None:
                if within_ms is not None and not n and self._still_ms >= within_ms:
                    return None
                await self._pause()
                continue
            if not k:
                raise OSError("it has ended the connection")
            if byte[0] == 10:
                break
            if n == _LINE:
                raise OSError("a line of more than %d bytes" % _LINE)
            line[n] = byte[0]
            n += 1
        await asyncio.sleep_ms(0)
        return bytes(line[:n]).rstrip()

    async def readinto(self, view):
        """How many bytes came, up to what fits; 0: it has ended."""
        while True:
            k = self._read(view)
            if k is not None:
                return k
            await self._pause()

    async def write(self, data):
        """All of `data`."""
        n = 0
        while n < len(data):
            k = self._write(data, n)
            n += k
            if not k:
                await self._pause()
        await asyncio.sleep_ms(0)

    async def pour(self, sink, at, n):
        """Give `n` bytes (None: all until the end) to the sink, the first one is the file's byte
        `at`; -> the byte that comes next. It ends early where the connection does."""
        last = None if n is None else at + n
        view = memoryview(bytearray(_PIECE))
        ended = False
        while not ended and (last is None or at < last):
            if last is None and self._secure:
                k = await self._fill(view)
                ended = k < _PIECE
            else:
                k = await self.readinto(view if last is None else view[: last - at])
            if not k:
                break
            at += k
            if at > _MOST:
                raise OSError("it sends more than %d bytes" % _MOST)
            await self.done(sink.write(view[:k]))
            await asyncio.sleep_ms(0)
        return at

    async def _fill(self, view):
        # By TLS where nobody said how much comes, byte by byte: MicroPython's readinto() goes on
        # until it is full, and the end, which mbedTLS tells once, would be lost behind the bytes.
        byte = self._byte
        for i in range(len(view)):
            k = self._read(byte)
            while k is None:
                await self._pause()
                k = self._read(byte)
            if not k:
                return i
            view[i] = byte[0]
        return len(view)

    async def done(self, result):
        """Await what a function of a sink has returned, if that is to be awaited."""
        if hasattr(result, "send"):
            await result

    def _read(self, view):
        try:
            k = self._s.readinto(view)
        except ValueError as e:  # what mbedTLS raises for a certificate that it refuses
            raise OSError("TLS: " + str(e).strip())
        if k:
            self._still_ms = 0
            self._moved += k
        return k

    def _write(self, data, n):
        try:
            k = self._s.write(data, n, min(len(data) - n, _PIECE)) or 0
        except ValueError as e:
            raise OSError("TLS: " + str(e).strip())
        if k:
            self._still_ms = 0
            self._moved += k
        return k

    async def _pause(self):
        # Only what is waited here counts: neither what a sink takes, nor that the control
        # connection of FTP is still while data move.
        began_ms = time.ticks_ms()
        await asyncio.sleep_ms(_POLL_ms + min(self._still_ms >> 3, _SELDOM_ms))
        waited_ms = time.ticks_diff(time.ticks_ms(), began_ms)
        self._still_ms += waited_ms
        self._slow_ms += waited_ms
        if self._still_ms >= self._stall_ms:
            raise OSError("nothing moved for %d s" % (self._stall_ms // 1000))
        if self._slow_ms >= _WINDOW_ms:
            if self._moved < _FLOOR:
                raise OSError("slower than %d bytes in %d s" % (_FLOOR, _WINDOW_ms // 1000))
            self._slow_ms = self._moved = 0
