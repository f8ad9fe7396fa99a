"""One request to the page: HTTP/1.1 (RFC 9112), as much of it as a browser needs, within bounds
that hold whoever asks. Loaded for it, as is what answers it. What is refused is a ValueError with
the status of HTTP, and why in words."""

import asyncio
import json
from binascii import hexlify
from hashlib import sha256
from micropython import const

from firmware import lazy, log

_LINE = const(512)  # bytes, also of a body
_HEAD = const(4096)  # bytes, all lines together
_PIECE = const(1024)  # then others have their turn
_POLL_ms = const(20)
# Looks until it has had enough of our time: where nobody else waits for it, and where one does.
_READ = const(500)
_READ_SHORT = const(15)
_SEND = const(1000)
_SEND_SHORT = const(100)
_EARNS = const(32)  # bytes of a file that bring back a look: 1.6 KB a second, after the first 10 s
_MOST = const(2101248)  # bytes of a file that was refused, 2 MB and 4 KB, and then no more
_NAMES = b"host origin cookie authorization content-length transfer-encoding".split()
_COOKIE = b"pilotwire="
_KINDS = const(
    b"400 Bad Request|401 Unauthorized|403 Forbidden|404 Not Found|405 Method Not Allowed"
    b"|409 Conflict|413 Content Too Large|421 Misdirected Request|429 Too Many Requests"
    b"|431 Request Header Fields Too Large|501 Not Implemented"
)
_ALWAYS = const(
    b"Content-Security-Policy: default-src 'self'; img-src data:; frame-ancestors 'none'\r\n"
    b"X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\n"
)


async def answer(page, s, waits):
    """Read a request from socket `s`, answer it. `waits()`: somebody else is waiting. Raises
    OSError where the client is gone, or too slow."""
    request = Request(s, waits)
    try:
        await request.read(page)
        get = request.method == b"GET"
        module = lazy.load("page.answers" if get else "page.actions")
        await asyncio.sleep_ms(0)
        if get:
            kind, head, pieces = module.find(page, request)
        else:
            kind = b"application/json"
            head, pieces = await module.do(page, request)
        await request.send(b"200 OK", kind, head, pieces)
    except ValueError as e:
        status, why = e.args if len(e.args) == 2 else (400, "it cannot be read")
        kinds = [kind for kind in _KINDS.split(b"|") if kind.startswith(b"%d" % status)]
        said = json.dumps({"error": why}).encode()
        head = b"Content-Length: %d\r\n" % len(said)
        await request.send(kinds[0], b"application/json", head, (said,))
    except MemoryError:
        log.warning("page: no memory for an answer")


class Request:
    """What came, and the way back.

    | method, path | bytes: GET or POST; where to |
    | host, origin | what these headers say |
    | body | of a POST, at most 512 bytes |
    | file | it brings or fetches one, signed in: it has all its time where others wait, too |
    | left | bytes of one that it brings, for take() |
    | signed_in | it has the cookie of a session |
    | machine | it has the token of the owner's programs |"""

    def __init__(self, s, waits):
        self._s, self._waits = s, waits
        self._buf, self._n, self._looks = bytearray(_LINE), 0, 0
        self._most = _READ, _READ_SHORT
        self.method = self.path = self.host = self.origin = self.body = b""
        self.signed_in = self.machine = self.file = False
        self.left = 0

    async def read(self, page):
        """All of it. Raises ValueError."""
        words = (await self._line()).split(b" ")
        if len(words) != 3 or words[2][:7] != b"HTTP/1." or words[1][:1] != b"/":
            raise ValueError(400, "no HTTP/1.1")
        self.method, self.path, _ = words
        got = await self._headers()
        await asyncio.sleep_ms(0)
        self.host, self.origin = got.get(b"host", b"").lower(), got.get(b"origin", b"").lower()
        name, _, port = self.host.partition(b":")
        if name not in page.hosts or (port or b"80") != b"%d" % page.port:
            raise ValueError(421, "this unit has another name or address")
        self.signed_in = _session(page, got.get(b"cookie", b""))
        kind, _, token = got.get(b"authorization", b"").partition(b" ")
        if kind.lower() == b"bearer":
            self.machine = hexlify(sha256(token).digest()).decode() == page.token
        if self.method not in (b"GET", b"POST"):
            raise ValueError(405, "GET or POST")
        if b"transfer-encoding" in got:
            raise ValueError(501, "say how long it is")
        size = got.get(b"content-length", b"0")
        if not size.isdigit() or len(size) > 9:
            raise ValueError(400, "no length")
        size = int(size)
        self.file = self.signed_in and self.path in (b"/update", b"/diagnostics")
        if self.path == b"/update" and self.method == b"POST":
            if not self.signed_in:
                raise ValueError(401, "sign in first")
            self.left = size
            return
        if size > (_LINE if self.method == b"POST" else 0):
            raise ValueError(413, "too long")
        while self._n < size:
            await self._more()
        self.body = bytes(self._buf[:size])

    async def take(self):
        """The next piece of a file, 512 bytes at most; it is good until the next call."""
        if not self._n:
            await self._more()
        n = min(self._n, self.left)
        self._n, self.left = 0, self.left - n
        self._looks = max(self._looks - n // _EARNS, 0)
        return memoryview(self._buf)[:n]

    async def _headers(self):
        got, left = {}, _HEAD
        while line := await self._line():
            left -= len(line) + 2
            if left < 0:
                raise ValueError(431, "too much in front")
            await asyncio.sleep_ms(0)
            name, colon, value = line.partition(b":")
            name = name.lower()
            if not colon or not name or name != name.strip() or name in got:
                raise ValueError(400, "no header")
            if name in _NAMES:
                got[name] = value.strip()
        return got

    async def _line(self):
        # The next one, without its end.
        while (at := self._buf.find(b"\n", 0, self._n)) < 0:
            if self._n == _LINE:
                raise ValueError(431, "a line of more than %d bytes" % _LINE)
            await self._more()
        line = bytes(self._buf[:at])
        self._n -= at + 1
        self._buf[: self._n] = self._buf[at + 1 : at + 1 + self._n]
        return line[:-1] if line[-1:] == b"\r" else line

    async def _more(self):
        while (n := self._s.readinto(memoryview(self._buf)[self._n :])) is None:
            await self._pause()
        if not n:
            raise OSError("it has gone")
        self._n += n

    async def send(self, status, kind, head, pieces):
        """An answer: `pieces` are bytes-likes, or None for a moment of others' time."""
        self._looks, self._most = 0, (_SEND, _SEND_SHORT)
        said = status, kind, head, _ALWAYS
        await self._write(b"HTTP/1.1 %s\r\nContent-Type: %s\r\n%s%s\r\n" % said)
        for piece in pieces:
            if piece is not None:
                await self._write(piece)
            await asyncio.sleep_ms(0)
        await self._rest()

    async def _rest(self):
        # What is left unread would break the connection, for who has not read the answer yet (a
        # browser does when it has sent its file): of a file that was refused all that comes soon.
        self._looks, self._most = 0, (_READ, _SEND_SHORT)
        self.file, left = False, min(self.left - self._n, _MOST) if self.left else _HEAD
        while left > 0 and (n := self._s.readinto(self._buf)) != 0:
            if n is None and not self.left:
                break
            if n is None:
                await self._pause()
            left -= n or 0
            await asyncio.sleep_ms(0)

    async def _write(self, data):
        at = 0
        while at < len(data):
            n = self._s.write(data, at, min(len(data) - at, _PIECE)) or 0
            at += n
            if not n:
                await self._pause()

    async def _pause(self):
        # (A browser's time, also where a simulator makes the unit's run away from it.)
        self._looks += 1
        if self._looks > self._most[not self.file and self._waits()]:
            raise OSError("too slow")
        await asyncio.core.sleep_ms(_POLL_ms)


def _session(page, cookies):
    for cookie in cookies.split(b";"):
        cookie = cookie.strip()
        if cookie.startswith(_COOKIE):
            digest = sha256(cookie[len(_COOKIE) :]).digest()
            for known, end_s in page.sessions:
                if known == digest and page.unit.up_s < end_s:
                    return True
    return False
