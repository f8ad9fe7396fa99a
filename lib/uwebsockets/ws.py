"""An open WebSocket: frames in, frames out, and the end of the connection.
One task reads (recv), any task sends. No time-outs on reads, they would lose bytes: who doubts
the peer looks at last_rx_ms, pings, and calls close(). It must not know URLs, HTTP, messages."""

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

_TAKEN = const(1024)  # bytes to take in, and to check, before other tasks have a turn
_MADE = const(256)  # bytes to ask of who sends from a function
_FULL_MS = const(10)  # for a full socket to drain


class WebSocket:
    """Made by connect(). Read-only for users: protocol, text, last_rx_ms, last_pong_ms, closed."""

    leave_ms = 2000  # for our close frame to leave and the peer's answer or FIN to arrive

    def __init__(self, stream, rx, tx, rx_max=0, tcp=None, protocol=None):
        self.protocol = protocol  # the subprotocol agreed on
        self.text = False  # is the last message text?
        self.last_rx_ms = ticks_ms()  # when the last bytes arrived
        self.last_pong_ms = None  # when the last pong arrived
        self._stream = stream
        self._tcp = tcp  # the socket below TLS
        self._rx = self._base = rx  # the message under assembly; a larger one has its own buffer
        self._max = max(rx_max, len(rx))
        self._tx = tx  # one masked chunk
        self._ctl = memoryview(bytearray(125))  # a frame header, then a control payload
        self._lock = asyncio.Lock()  # a frame has to leave whole
        self._due = None  # ping payload to be answered by the task that holds the lock
        self._reader = 0  # 0: nobody reads; 1: a recv; 2: close, until the end
        self._mid = False  # bytes of an unfinished message have been taken from the stream
        self._closing = False  # a task has begun to end the connection
        self._close_sent = False
        self._gone = asyncio.Event()  # the socket is closed
        self._code, self._reason = _LOST, ""

    @property
    def closed(self):
        """True once TCP is closed, for whatever reason."""
        return self._gone.is_set()

    async def recv(self):
        """The next message: a memoryview valid until the next recv; self.text tells its kind.

        Raises ConnectionClosed, after our close frame has been sent; RuntimeError if another task
        is in recv (MicroPython would never wake the earlier one). Cancelling it while nothing has
        arrived costs nothing; inside a message, the connection."""
        if self._reader:
            if not self._closing:
                raise RuntimeError("recv: another task is reading")
            await self._gone.wait()
        if self._mid:
            self._end(_LOST, "recv was cancelled inside a message")
        if self._gone.is_set():
            raise ConnectionClosed(self._code, self._reason)
        self._reader = 1
        try:
            return await self._message()
        except ConnectionClosed as e:
            if not self._gone.is_set():  # the peer closes, or has broken the protocol
                await self._leave(e.code, e.reason, self._discard)
            raise
        except OSError as e:
            self._end(_LOST, "recv: %s" % e)
            raise ConnectionClosed(self._code, self._reason)
        finally:
            self._reader = 0
            self._rx = self._base

    def send(self, data, text=None):
        """Awaitable: send one message. str goes as text, bytes-like as binary unless text=True.

        Raises ConnectionClosed. One that is cancelled or fails in the middle of its frame ends
        the connection. Surrogates in a str are not looked for: the peer will refuse them."""
        text = isinstance(data, str) if text is None else text
        return self._send(_TEXT if text else _BINARY, memoryview(data))

    def send_from(self, size, read):
        """Awaitable: send a text message of `size` bytes that is never whole in RAM: read(n)
        returns its next n bytes, whenever there is room for them. Raises as send() does."""
        return self._send(_TEXT, size, read)

    def ping(self, payload=b""):
        """Awaitable: send a ping of at most 125 bytes; the answer moves last_pong_ms."""
        payload = memoryview(payload)
        if len(payload) > 125:
            raise ValueError("ping payload > 125 bytes")
        return self._send(_PING, payload)

    async def close(self, code=1000, reason=""):
        """Close handshake, then the end of TCP; leave_ms at most. Any task, any number of times.

        A recv in another task sees the answer and raises. `reason` is cut to 123 bytes."""
        if not wire.is_close_code(code):
            raise ValueError("close code")
        if not self._closing and not self._gone.is_set():
            if self._reader:
                then = self._gone.wait
            else:
                then = self._discard
                self._reader = 2  # from now on recv keeps out
            await self._leave(code, reason, then)
        await self._gone.wait()
        # Let the tasks that used the socket go before the caller dials again: the unix port gives
        # the next socket the same descriptor.
        while self._reader == 1 or self._lock.locked():
            await asyncio.sleep_ms(1)

    def exit(self, code):
        """End it at once: with a close frame if that can leave as it is, and without waiting. For
        who has no event loop any more."""
        if not (self._close_sent or self._lock.locked() or self._gone.is_set()):
            tx, data, key = self._tx, wire.close_payload(code, ""), urandom(4)
            p = wire.header(tx, _CLOSE, len(data), key)
            n = p + len(data)
            tx[p:n] = data
            wire.mask(tx, p, n, key)
            try:
                self._stream.s.write(tx, 0, n)
            except OSError:
                pass
        self._end(code, "")

    # The one place where TCP ends. Closing the socket wakes the task that waits to read from it.
    def _end(self, code, reason):
        if not self._gone.is_set():
            self._code = code
            self._reason = reason
            self._gone.set()
            self._stream.s.close()

    # Send our close frame, await then(), end TCP.
    async def _leave(self, code, reason, then):
        self._closing = True
        self._code = code
        self._reason = reason
        try:
            await asyncio.wait_for_ms(self._bye(code, reason, then), self.leave_ms)
        except (asyncio.TimeoutError, OSError):
            pass
        finally:
            self._end(code, reason)

    async def _bye(self, code, reason, then):
        async with self._lock:
            if not self._close_sent:
                self._close_sent = True
                await self._frame(_CLOSE, wire.close_payload(code, reason))
        await then()

    # Read to the FIN: the server ends TCP (section 7.1.1). A socket closed with bytes unread sends
    # a RST, which overtakes our close frame. Not into _rx: a user may still read his message.
    async def _discard(self):
        # Of TLS byte by byte: MicroPython's readinto goes on until the buffer is full, and the end
        # of TLS, which mbedTLS tells once, would be lost behind the bytes before it.
        buf = self._ctl[:1] if hasattr(self._stream.s, "cipher") else self._ctl
        while await self._stream.readinto(buf) != 0:
            pass

    async def _message(self):
        ctl = self._ctl
        opcode = n = 0  # of the message under assembly, and bytes of it so far
        state = -1  # of its text: see utf8()
        while True:
            await self._fill(ctl[:2], -1, True)
            fin = ctl[0] & 0x80
            op = ctl[0] & 15
            size = ctl[1]
            wire.check(ctl[0], size, opcode != 0)
            if op >= _CLOSE:
                await self._fill(ctl[:size])
                self._mid = opcode != 0
                await self._control(op, ctl[:size])
                continue
            if size > 125:
                k = 2 if size == 126 else 8
                await self._fill(ctl[:k])
                size = wire.length(ctl[:k])
            if op:
                opcode = op
                state = 0 if op == _TEXT else -1
            self._rx = wire.room(self._rx, n, n + size, self._max, fin)
            state = await self._fill(self._rx[n : n + size], state)
            n += size
            if fin:
                if state > 0:
                    raise ConnectionClosed(_BAD_TEXT, "not UTF-8")
                self._mid = False
                self.text = opcode == _TEXT
                return self._rx[:n]

    # Fill `buf`, and check it as text that goes on from `state` -> state; -1: no text. A wait lets
    # other tasks run, and costs 200 bytes of heap: once a frame, and in a long one.
    async def _fill(self, buf, state=-1, wait=False):
        n = 0
        while n < len(buf):
            if self._gone.is_set():
                raise ConnectionClosed(self._code, self._reason)
            view = buf[n : n + _TAKEN]
            k = None if wait else self._stream.s.readinto(view)
            if k is None:
                k = await self._stream.readinto(view)
            if k:
                self._mid = True
                self.last_rx_ms = ticks_ms()
                n += k
                wait = False
                if state >= 0:
                    state = wire.utf8(view[:k], state)
                    if state < 0:
                        raise ConnectionClosed(_BAD_TEXT, "not UTF-8")
                if k == _TAKEN:
                    await asyncio.sleep_ms(0)
            elif k == 0:  # (None: woken for nothing)
                self._end(_LOST, "TCP ended without a close frame")
                raise ConnectionClosed(self._code, self._reason)
        return state

    async def _control(self, op, payload):
        if op == _PONG:
            self.last_pong_ms = ticks_ms()
        elif op == _PING:
            if self._lock.locked():
                self._due = bytes(payload)  # to wait could hang us and a peer that sends first
            elif not self._closing:
                await self._send(_PONG, payload)
        else:
            wire.farewell(payload)

    async def _send(self, op, data, read=None):
        await self._lock.acquire()  # "async with" would cost 100 bytes more
        try:
            if self._close_sent or self._gone.is_set():
                raise ConnectionClosed(self._code, self._reason)
            await self._frame(op, data, read)
            while self._due is not None:
                data, self._due = self._due, None
                await self._frame(_PONG, data)
        finally:
            self._lock.release()

    # Send a frame, with the lock held. Masked in the tx buffer, a chunk at a time; the chunks but
    # the last are a multiple of 4 long, so that each begins with the first byte of the mask.
    #
    # Not by way of asyncio: its Stream keeps a copy of what the socket does not take, and a task
    # that is cancelled while it waits to write takes the one that waits to read off the poll list
    # with it (IOQueue.remove), never to wake. So whoever finds the socket full looks again later.
    async def _frame(self, op, data, read=None):
        tx = self._tx
        size = data if read else len(data)
        key = urandom(4)
        p = wire.header(tx, op, size, key)
        pos = 0
        try:
            while tx:
                k = size - pos
                if k > len(tx) - p:
                    k = len(tx) - p & ~3
                if read and k > _MADE:  # its bytes are made: a full buffer of them is too much
                    k = _MADE
                tx[p : p + k] = read(k) if read else data[pos : pos + k]
                wire.mask(tx, p, p + k, key)
                if pos == 0 and k < size:
                    nodelay(self._tcp, 0)
                pos += k
                if pos == size > k:
                    nodelay(self._tcp, 1)
                p += k
                sent = 0
                while sent < p:
                    if self._gone.is_set():
                        raise ConnectionClosed(self._code, self._reason)
                    k = self._stream.s.write(tx, sent, p - sent)
                    sent += k or 0
                    if sent < p:
                        await asyncio.sleep_ms(_FULL_MS)
                p = 0
                if pos == size:
                    tx = None
                await asyncio.sleep_ms(0)  # who sends much, or in a loop, has to let others run
        except OSError as e:
            self._end(_LOST, "send: %s" % e)
            raise ConnectionClosed(self._code, self._reason)
        finally:
            if tx:
                self._end(_LOST, "a send was cut short")


def nodelay(tcp, on):
    """Nagle's algorithm joins chunks to packets; the last would wait 40 ms for an acknowledgement:
    it goes with `on`. None: no socket."""
    try:
        tcp.setsockopt(6, 1, on)  # IPPROTO_TCP, TCP_NODELAY, of Linux and of lwIP
    except (OSError, ValueError, AttributeError):
        pass  # a port without it
