"""An open WebSocket: frames in, frames out, and the end. One task reads (recv), any task sends. No
time-outs on reads, they would lose bytes: who doubts the peer looks at last_rx_ms, and pings."""

import asyncio
from micropython import const
from os import urandom
from time import ticks_ms

from . import wire
from .wire import ConnectionClosed

_TEXT = const(1)
_BINARY = const(2)
_CLOSE = const(8)
_PING = const(9)
_PONG = const(10)
_LOST = const(1006)  # never on the wire: no close frame at all
_BAD_TEXT = const(1007)

_TRIES = const(20)  # to find room for a large message
_TRY_ms = const(100)
_TAKEN = const(1024)  # bytes to take in, and to check, before other tasks have a turn


class _Sender:
    # The half of a WebSocket that any task may use: frames out, and the end of TCP.
    def __init__(self, stream, tx, tcp):
        self._stream, self._tcp = stream, tcp  # (tcp: the socket below TLS)
        self._tx = tx  # one masked chunk
        self._lock = asyncio.Lock()  # a frame has to leave whole
        self._due = None  # ping payload to be answered by the task that holds the lock
        self._close_sent = False
        self.closed = False  # has TCP ended, for whatever reason?
        self._gone = asyncio.Event()  # the same, to wait for
        self._code, self._reason = _LOST, ""

    def send(self, data, text=None):
        """Awaitable: send one message. str goes as text, bytes-like as binary unless text=True.
        Raises ConnectionClosed. One that is cancelled or fails in the middle of its frame ends
        the connection. Surrogates in a str are not looked for: the peer will refuse them."""
        text = isinstance(data, str) if text is None else text
        return self._send(_TEXT if text else _BINARY, len(memoryview(data)), (data,))

    def send_from(self, size, pieces):
        """Awaitable: send a text message of `size` bytes that is never whole in RAM: `pieces`, an
        iterable of bytes-likes, is asked where there is room. Raises as send() does."""
        return self._send(_TEXT, size, pieces)

    def ping(self, payload=b""):
        """Awaitable: send a ping of at most 125 bytes; the answer moves last_pong_ms."""
        size = len(memoryview(payload))
        if size > 125:
            raise ValueError("ping payload > 125 bytes")
        return self._send(_PING, size, (payload,))

    def exit(self, code):
        """End it at once, with a close frame if that can leave: for who has no event loop left."""
        if not (self._close_sent or self._lock.locked() or self.closed):
            tx, key = self._tx, urandom(4)
            p = wire.header(tx, _CLOSE, 2, key)
            tx[p : p + 2] = wire.close_payload(code, "")
            wire.mask(tx, p, p + 2, key)
            try:
                self._stream.s.write(tx, 0, p + 2)
            except OSError:
                pass
        self._end(code, "")

    # TCP ends here and nowhere else -> what tells it. The task that waits to read is woken by it.
    def _end(self, code, reason):
        if not self.closed:
            self._code, self._reason = code, reason
            self.closed = True
            self._gone.set()
            self._stream.s.close()
        return ConnectionClosed(self._code, self._reason)

    async def _send(self, op, size, pieces):
        await self._lock.acquire()  # "async with" would cost 100 bytes more
        try:
            if self._close_sent or self.closed:
                raise ConnectionClosed(self._code, self._reason)
            await self._frame(op, size, pieces)
            while self._due is not None:
                data, self._due = self._due, None
                await self._frame(_PONG, len(data), (data,))
        finally:
            self._lock.release()

    # Send a frame, with the lock held. Masked in the tx buffer, a chunk at a time; the chunks but
    # the last are a multiple of 4 long, so that each begins with the first byte of the mask.
    # Not by way of asyncio: its Stream keeps a copy of what the socket does not take, and a task
    # that is cancelled while it waits to write takes the one that waits to read off the poll list
    # with it (IOQueue.remove), never to wake. So whoever finds the socket full looks again later.
    async def _frame(self, op, size, pieces):
        tx, left = self._tx, size
        key = urandom(4)
        begin = fill = wire.header(tx, op, size, key)
        try:
            for data in pieces:
                data, at = memoryview(data), 0
                while tx:
                    whole, room = left + fill - begin, len(tx) - begin
                    end = begin + (whole if whole <= room else room & ~3)
                    k = min(len(data) - at, end - fill)
                    tx[fill : fill + k] = data[at : at + k]
                    fill += k
                    at += k
                    left -= k
                    if fill < end:
                        break
                    wire.mask(tx, begin, fill, key)
                    if bool(left) == bool(begin):  # the first of several, or the last
                        nodelay(self._tcp, 0 if begin else 1)
                    sent = 0
                    while sent < fill:
                        if self.closed:
                            raise ConnectionClosed(self._code, self._reason)
                        sent += self._stream.s.write(tx, sent, fill - sent) or 0
                        if sent < fill:
                            await asyncio.sleep_ms(10)
                    begin, fill, tx = 0, 0, tx if left else None
                    await asyncio.sleep_ms(0)  # who sends much, or in a loop, lets others run
        except OSError as e:
            raise self._end(_LOST, "send: %s" % e)
        finally:
            if tx:
                self._end(_LOST, "a send was cut short")


class WebSocket(_Sender):
    """Made by connect(). Read-only for users: protocol, text, last_rx_ms, last_pong_ms, closed."""

    leave_ms = 2000  # for our close frame to leave and the peer's answer or FIN to arrive

    def __init__(self, stream, rx, tx, rx_max=0, tcp=None, protocol=None):
        super().__init__(stream, tx, tcp)
        self.protocol = protocol  # the subprotocol agreed on
        self.text = False  # is the last message text?
        self.last_rx_ms = ticks_ms()  # when the last bytes arrived
        self.last_pong_ms = None  # when the last pong arrived
        self._rx = self._base = rx  # the message under assembly; a larger one has its own buffer
        self._max = max(rx_max, len(rx))
        self._ctl = memoryview(bytearray(125))  # a frame header, then a control payload
        self._reader = 0  # 0: nobody reads; 1: a recv; 2: close, until the end
        self._mid = False  # bytes of an unfinished message have been taken from the stream
        self._closing = False  # a task has begun to end the connection

    async def recv(self):
        """The next message: a memoryview valid until the next recv; self.text tells its kind.
        Raises ConnectionClosed, after our close frame has been sent; RuntimeError if another task
        is in recv (MicroPython would never wake the earlier one). Cancelling it while nothing has
        arrived costs nothing; inside a message, the connection."""
        if self._reader:
            if not self._closing:
                raise RuntimeError("recv: another task is reading")
            await self._gone.wait()
        if self._mid or self.closed:
            raise self._end(_LOST, "recv was cancelled inside a message")
        self._reader = 1
        try:
            return await self._message()
        except ConnectionClosed as e:
            if not self.closed:  # the peer closes, or has broken the protocol
                await self._leave(e.code, e.reason)
            raise
        except OSError as e:
            raise self._end(_LOST, "recv: %s" % e)
        finally:
            self._reader = 0
            if self.closed:
                self._rx = self._base

    async def close(self, code=1000, reason=""):
        """Close handshake, then the end of TCP; leave_ms at most. Any task, any number of times.
        A recv in another task sees the answer and raises. `reason` is cut to 123 bytes."""
        if not wire.is_close_code(code):
            raise ValueError("close code")
        if not self._closing and not self.closed:
            other, self._reader = self._reader, self._reader or 2  # from now on recv keeps out
            await self._leave(code, reason, other)
        await self._gone.wait()
        # Who used the socket goes first: the unix port gives the next one the same descriptor.
        while self._reader == 1 or self._lock.locked():
            await asyncio.sleep_ms(1)

    # Send our close frame, and end TCP when the other task has read the peer's, or we to the FIN.
    async def _leave(self, code, reason, other=0):
        self._closing = True
        self._code, self._reason = code, reason
        try:
            await asyncio.wait_for_ms(self._bye(code, reason, other), self.leave_ms)
        except (asyncio.TimeoutError, OSError):
            pass
        finally:
            self._end(code, reason)

    async def _bye(self, code, reason, other):
        async with self._lock:
            if not self._close_sent:
                self._close_sent = True
                payload = wire.close_payload(code, reason)
                await self._frame(_CLOSE, len(payload), (payload,))
        if other:
            await self._gone.wait()
        # The server ends TCP (section 7.1.1). A socket closed with bytes unread sends a RST, which
        # overtakes our close frame. Not into _rx: a user may still read his message. And of TLS
        # byte by byte: MicroPython's readinto goes on until the buffer is full, and the end of
        # TLS, which mbedTLS tells once, would be lost behind the bytes before it.
        buf = self._ctl[:1] if hasattr(self._stream.s, "cipher") else self._ctl
        while not self.closed and await self._stream.readinto(buf) != 0:
            pass

    async def _message(self):
        ctl = self._ctl
        opcode = n = 0  # of the message under assembly, and bytes of it so far
        state = -1  # of its text: see utf8()
        while True:
            await self._fill(ctl[:2], -1, True)
            fin, op, size = ctl[0] & 0x80, ctl[0] & 15, ctl[1]
            wire.check(ctl[0], size, opcode != 0)
            if size > 125:
                k = 2 if size == 126 else 8
                await self._fill(ctl[:k])
                size = wire.length(ctl[:k])
            if op >= _CLOSE:
                payload = ctl[:size]
                await self._fill(payload)
                self._mid = opcode != 0
                if op == _CLOSE:
                    wire.farewell(payload)
                elif op == _PONG:
                    self.last_pong_ms = ticks_ms()
                elif self._lock.locked():
                    self._due = bytes(payload)  # to wait could hang us and a peer that sends first
                elif not self._closing:
                    await self._send(_PONG, size, (payload,))
                continue
            if op:
                opcode, state = op, 0 if op == _TEXT else -1
            left = _TRIES
            while True:
                self._rx = wire.room(self._rx, n, n + size, self._max, fin, not left)
                if n + size <= len(self._rx):
                    break
                # What other tasks hold for a moment (a meter is read) may lie in the middle of
                # what is free: the peer waits, as TCP has it.
                left -= 1
                await asyncio.sleep_ms(_TRY_ms)
            state = await self._fill(self._rx[n : n + size], state)
            n += size
            if fin:
                if state > 0:
                    raise ConnectionClosed(_BAD_TEXT, "not UTF-8")
                self._mid, self.text = False, opcode == _TEXT
                rx, self._rx = self._rx, self._base
                return rx[:n]

    # Fill `buf`, and check it as text that goes on from `state` -> state; -1: no text. A wait lets
    # other tasks run, and costs 200 bytes of heap: once a frame, and in a long one.
    async def _fill(self, buf, state=-1, wait=False):
        n = 0
        while n < len(buf):
            if self.closed:
                raise ConnectionClosed(self._code, self._reason)
            view = buf[n : n + _TAKEN]
            k = None if wait else self._stream.s.readinto(view)
            if k is None:
                k = await self._stream.readinto(view)
            if k:
                self._mid, self.last_rx_ms = True, ticks_ms()
                n, wait = n + k, False
                if state >= 0:
                    state = wire.utf8(view[:k], state)
                    if state < 0:
                        raise ConnectionClosed(_BAD_TEXT, "not UTF-8")
                if k == _TAKEN:
                    await asyncio.sleep_ms(0)
            elif k == 0:  # (None: woken for nothing)
                raise self._end(_LOST, "TCP ended without a close frame")
        return state


def nodelay(tcp, on):
    """Ends (`on`) or begins Nagle's algorithm: it joins chunks, but keeps the last for 40 ms."""
    try:
        tcp.setsockopt(6, 1, on)  # IPPROTO_TCP, TCP_NODELAY, of Linux and of lwIP
    except (OSError, ValueError, AttributeError):
        pass  # no socket, or a port without it
