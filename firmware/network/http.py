"""HTTP/1.1 for one file (RFC 9110, 9112), by stream.Stream. transfer.py loads it."""

import asyncio
import os
from binascii import hexlify
from micropython import const

_HEAD = const(4096)  # of an answer, all lines together
_CHUNK = const(32)  # the line before one
_EXPECT_ms = const(1000)  # for a server's word on whether the file is to come at all
_REDIRECTS = (301, 302, 307, 308)
_REFUSED = (404, 405, 501)  # a PUT: by who takes forms
_NAMES = b"content-length transfer-encoding content-encoding content-range location".split()


async def download(stream, said, sink, at):
    """See transfer.download(); said: headers, path. -> where a redirect leads, or None."""
    head, path = said
    request = b"GET %s HTTP/1.1\r\n%sAccept-Encoding: identity\r\n" % (path.encode(), head)
    if at:
        request += b"Range: bytes=%d-\r\n" % at
    await stream.write(request + b"\r\n")
    status, why, got = await _answer(stream)
    if status in _REDIRECTS + (303,):
        return _location(why, got)
    n = size = _number(got.get(b"content-length", b""))
    ranged = got.get(b"content-range", b"")
    if status == 416 and at and ranged == b"bytes */%d" % at:  # (all of it is there already)
        n, size = 0, at
    elif status == 206 and at:
        size = _whole(ranged, at, n)
    elif status == 200:
        at = 0
    else:
        raise OSError(why)
    coding = got.get(b"transfer-encoding")
    for word in (coding, got.get(b"content-encoding")):
        if word and word not in (b"chunked", b"identity"):
            raise OSError("it sends the file as " + _printable(word))
    if coding == b"chunked":
        n, size = None, size if status == 206 else None
    await stream.done(sink.begin(at, size))
    end = await (_chunks(stream, sink, at) if coding == b"chunked" else stream.pour(sink, at, n))
    if size is not None and end != size or n is not None and end != at + n:
        raise OSError("cut short at byte %d of %d" % (end, size or at + n))


async def upload(stream, said, name, pieces):
    """See transfer.upload(); said: headers, path, is it to be a form, may the name be added? ->
    where a redirect leads, True: a form would have been right, or None."""
    head, path, form, named = said
    before = after = b""
    kind = b"text/plain"
    if form:
        mark = hexlify(os.urandom(12))
        before = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n' % (
            mark,
            name.encode(),
        )
        before += b"Content-Type: text/plain\r\n\r\n"
        after = b"\r\n--%s--\r\n" % mark
        kind = b"multipart/form-data; boundary=" + mark
    elif named:
        path, question, query = path.partition("?")
        path += (name if path.endswith("/") else "") + question + query
    n = await _length(pieces)
    request = (b"POST" if form else b"PUT") + b" %s HTTP/1.1\r\n%s" % (path.encode(), head)
    request += b"Content-Type: %s\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (
        kind,
        len(before) + n + len(after),
    )
    await stream.write(request)
    request = head = said = kind = None  # (it may be long until the end)
    answer = await _answer(stream, _EXPECT_ms)
    early = answer and answer[0] >= 200  # (before the file)
    if not early:
        try:
            await _send(stream, before, pieces, n, after)
        except OSError as e:
            answer = await _last_word(stream, e)
            if not answer:  # (it may be a way of refusing too)
                if form:
                    raise
                return True
        else:
            answer = await _answer(stream)
    status, why, got = answer
    if status in _REDIRECTS:
        return _location(why, got)
    if status in _REFUSED and not form:
        return True
    if status // 100 != 2 and status != 303 or early:  # (303: it was taken, more is elsewhere)
        raise OSError(why + ", but it has not read the file" * (status < 400))


async def _length(pieces):
    n = 0
    for piece in pieces():
        n += len(piece)
        await asyncio.sleep_ms(0)
    return n


async def _send(stream, before, pieces, n, after):
    await stream.write(before)
    for piece in pieces():
        await stream.write(piece[:n])
        n -= min(n, len(piece))
    while n:
        await stream.write(b"\n" * min(n, 64))
        n -= min(n, 64)
    await stream.write(after)


async def _last_word(stream, error):
    # Who refuses a file in the middle may have said why; None: nothing can be heard any more.
    if len(error.args) == 1 and type(error.args[0]) is str:  # (we had enough)
        raise error
    try:
        return await _answer(stream)
    except OSError:
        return None


async def _answer(stream, within_ms=None):
    # -> status, a line about it, the headers of _NAMES; None: not a word `within_ms`; that of a
    # 1xx only there, where it is waited for.
    left, first = _HEAD, True
    while True:
        line = await stream.readline(within_ms if first else None)
        if line is None:
            return None
        first = False
        left -= len(line) + 2
        status = line[9:12]
        if line[:7] != b"HTTP/1." or not status.isdigit():
            raise OSError("no HTTP is spoken there: " + _printable(line))
        status, why, got = int(status), "HTTP " + _printable(line[9:]), {}
        while line:
            line = await stream.readline()
            left -= len(line) + 2
            if left < 0:
                raise OSError("its headers are longer than %d bytes" % _HEAD)
            name, _, value = line.partition(b":")
            name, value = name.lower(), value.strip()
            if name in _NAMES:
                if got.get(name, value) != value:
                    raise OSError("two different headers " + _printable(name))
                got[name] = value if name == b"location" else value.lower()
        if status >= 200 or within_ms is not None and status == 100:
            return status, why, got


async def _chunks(stream, sink, at):  # -> the byte that comes next
    while True:
        line = await stream.readline()
        size = line.partition(b";")[0].strip()
        if len(line) > _CHUNK or not 0 < len(size) < 8 or size.lower().strip(b"0123456789abcdef"):
            raise OSError("a chunk of no length: " + _printable(line))
        n = int(size, 16)
        if not n:
            break
        end = await stream.pour(sink, at, n)
        if end < at + n or await stream.readline():
            raise OSError("cut short at byte %d" % end)
        at = end
    left = _HEAD
    while line := await stream.readline():  # (more headers)
        left -= len(line) + 2
        if left < 0:
            raise OSError("its headers are longer than %d bytes" % _HEAD)
    return at


def _location(why, got):
    to = got.get(b"location")
    if not to:
        raise OSError(why + ", and does not say where to")
    return _printable(to, len(to))


def _whole(ranged, at, n):
    # The size of the file of which "bytes 100-199/200" comes, or None.
    unit, _, rest = ranged.partition(b" ")
    first, _, rest = rest.partition(b"-")
    last, _, size = rest.partition(b"/")
    if unit != b"bytes" or _number(first) != at:
        raise OSError("it sends another part than byte %d and all behind it" % at)
    last = _number(last)
    size = last + 1 if size == b"*" else _number(size)
    if last is None or size != last + 1 or n not in (None, size - at):
        raise OSError("it contradicts itself: " + _printable(ranged))
    return size


def _number(text):  # what digits say; None: there are none
    if not text:
        return None
    if not text.isdigit() or len(text) > 9:
        raise OSError("no length: " + _printable(text))
    return int(text)


def _printable(line, most=200):  # (by bytes: docs/memory.md, Names)
    return bytes([c if 32 <= c < 127 else 63 for c in line[:most]]).decode()
