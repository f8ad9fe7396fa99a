"""network/transfer.py, http.py and ftp.py against servers that do what no server should: in
simulated time, with real sockets. (Real servers, and TLS: tests/system/test_transfer.py.)"""

import simtime  # noqa: I001 (first: the others are to find its time)

import asyncio
import gc
import select

from mp_uwebsockets_peer import Server, cancel, descriptors, read_head
from rig import raised, raises, seeded

from firmware.network import ftp, http, stream, transfer

BOTH = True
HEAP = "800K"
SWEEPS = ("test_heap",)  # (bytes of 32 bits)

FILE = bytes([i * 7 & 255 for i in range(5000)])
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = OK + b"Content-Length: %d\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Sink:
    """Keeps what comes; `heap`: the most that was live while it came."""

    def __init__(self, at=0):
        self.began = None
        self.data = bytearray()
        self.pieces = self.heap = 0

    def begin(self, at, size):
        assert self.began is None
        self.began = at, size

    def write(self, view):
        assert 0 < len(view) <= 1024 and self.began
        self.pieces += 1
        if len(self.data) < 10000:
            self.data.extend(view)


class Waits(Sink):
    """The same as coroutines."""

    async def begin(self, at, size):
        await asyncio.sleep_ms(1)
        super().begin(at, size)

    async def write(self, view):
        await asyncio.sleep_ms(1)
        super().write(view)


class Http:
    """`async with Http(*answers) as http`: the n-th request gets the n-th of them, the last one
    again and again: bytes, or a coroutine function of (reader, writer, lines of the request)."""

    def __init__(self, *answers):
        self.answers = answers
        self.asked = []

    async def __aenter__(self):
        self.server = Server(self.serve)
        await self.server.__aenter__()
        self.url = "http://127.0.0.1:%d/a/file.bin" % self.server.port
        return self

    async def __aexit__(self, *error):
        await self.server.__aexit__(*error)

    async def serve(self, reader, writer):
        lines = await read_head(reader)
        self.asked.append(lines)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        try:
            if isinstance(answer, bytes):
                await put(writer, answer)
            else:
                await answer(reader, writer, lines)
        except OSError:
            pass  # (the unit has had enough)


async def let_go(before):
    """Wait until no more files and sockets are open."""
    for _ in range(1000):
        if descriptors() <= before:
            return
        select.poll().poll(5)  # (real time, for what the server has not noticed yet)
        await asyncio.sleep_ms(10)
    raise AssertionError("%d are open, %d were" % (descriptors(), before))


async def put(writer, data):
    writer.write(data)
    await writer.drain()


async def fetch(*answers, at=0, sink=None, stall_s=30):
    """(the sink, the requests) of a download that these answers are given to."""
    sink = sink or Sink()
    async with Http(*answers) as http:
        await transfer.download(http.url, sink, at, stall_s=stall_s)
    return sink, http.asked


async def why(*answers, at=0, sink=None):
    """What is said of one that must fail, in a line without the host."""
    before = descriptors()
    async with Http(*answers) as http:
        e = await raised(OSError, transfer.download(http.url, sink or Sink(), at))
    await let_go(before)
    text = e.args[0]
    assert text.startswith("127.0.0.1: ") and "\n" not in text and len(text) < 300, text
    return text[11:]


@simtime.simulated
async def test_a_file():
    """However long it is said to be, in whatever pieces, by whatever sink."""
    sizes = 1, 1023, 1024, 1025, 4097
    chunks = b"".join([b"%x\r\n%s\r\n" % (n, FILE[:n]) for n in sizes])
    for answer, expected, size in (
        (LENGTH % 5000 + FILE, FILE, 5000),
        (LENGTH % 5000 + FILE + b"more", FILE, 5000),
        (LENGTH % 0, b"", 0),
        (OK + b"\r\n" + FILE, FILE, None),
        (OK.replace(b"1.1", b"1.0") + b"\r\n" + FILE, FILE, None),
        (CHUNKED + b"1388\r\n" + FILE + b"\r\n0\r\n\r\n", FILE, None),
        (CHUNKED + b"01388 ;x=y\r\n" + FILE + b"\r\n0\r\nTrailer: 1\r\n\r\n", FILE, None),
        (CHUNKED + chunks + b"0\r\n\r\n", b"".join([FILE[:n] for n in sizes]), None),
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + LENGTH % 5000 + FILE, FILE, 5000),
        (OK + b"content-LENGTH:5000\nContent-Length: 5000\n\n" + FILE, FILE, 5000),
    ):
        for sink in (Sink(), Waits()):
            _, asked = await fetch(answer, sink=sink)
            assert sink.began == (0, size)
            assert sink.data == expected
            assert asked[0][0] == b"GET /a/file.bin HTTP/1.1"
            assert b"Connection: close" in asked[0] and b"Host: 127.0.0.1:" in asked[0][1]
            assert not [line for line in asked[0] if b"Range" in line or b"Auth" in line]


@simtime.simulated
async def test_from_a_byte_on():
    part = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3000-4999/%s\r\n"
    end = b"Content-Length: 2000\r\n\r\n" + FILE[3000:]
    for answer, began in (
        (part % b"5000" + end, (3000, 5000)),
        (part % b"*" + end, (3000, 5000)),
        (part % b"5000" + b"\r\n" + FILE[3000:], (3000, 5000)),
        (
            part % b"5000"
            + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n%s\r\n0\r\n\r\n" % FILE[3000:],
            (3000, 5000),
        ),
        (LENGTH % 5000 + FILE, (0, 5000)),  # it cannot
        (OK + b"\r\n" + FILE, (0, None)),
    ):
        sink, asked = await fetch(answer, at=3000)
        assert b"Range: bytes=3000-" in asked[0]
        assert sink.began == began and sink.data == FILE[began[0] :], sink.began
    # all of it was there
    head = b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */%d\r\n\r\n"
    sink, _ = await fetch(head % 5000, at=5000)
    assert sink.began == (5000, 5000) and not sink.data
    assert (await why(head % 4000, at=5000)).startswith("HTTP 416")
    for wrong in (b"bytes 2999-4999/5000", b"bytes 3000-4999/6000", b"x", b"bytes */5000", b""):
        head = b"HTTP/1.1 206 Partial\r\nContent-Range: %s\r\n" % wrong
        assert await why(head + end, at=3000)
    assert "contradicts" in await why(
        part % b"5000" + b"Content-Length: 1999\r\n\r\n" + FILE[3001:], at=3000
    )
    assert (await why(part % b"5000" + end)).startswith("HTTP 206")  # (nobody asked for a part)


@simtime.simulated
async def test_cut_at_every_byte():
    """An end anywhere is an error, never half a file."""
    body = FILE[:20]
    for whole in (
        LENGTH % 20 + body,
        CHUNKED + b"a\r\n" + body[:10] + b"\r\na\r\n" + body[10:] + b"\r\n0\r\n\r\n",
        b"HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n",
    ):
        said = []
        for n in range(len(whole)):
            text = await why(whole[:n])
            if text not in said:
                said.append(text)
        print(said)
        assert "it has ended the connection" in said
    assert await why(LENGTH % 20 + body[:19]) == "cut short at byte 19 of 20"
    assert await why(CHUNKED + b"14\r\n" + body[:19]) == "cut short at byte 19"


@simtime.simulated
async def test_what_is_no_answer():
    for answer, text in (
        (b"", "it has ended the connection"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP is spoken there: SSH-2.0-OpenSSH"),
        (b"\r\n", "no HTTP is spoken there: "),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", "no HTTP is spoken there: HTTP/1.1 2x0 OK"),
        (b"HTTP/2 200 OK\r\n\r\n", "no HTTP is spoken there: HTTP/2 200 OK"),
        (b"HTTP/1.1 404 Not \x1b[31mFound\r\n\r\n", "HTTP 404 Not ?[31mFound"),
        (b"HTTP/1.1 500 \r\n\r\n", "HTTP 500"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "HTTP 204 No Content"),
        (LENGTH % 5000 + FILE[:4999], "cut short at byte 4999 of 5000"),
        (OK + b"Content-Length: -1\r\n\r\n", "no length: -1"),
        (OK + b"Content-Length: 1e3\r\n\r\n", "no length: 1e3"),
        (OK + b"Content-Length: 9999999999\r\n\r\n", "no length: 9999999999"),
        (
            OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
            "two different headers content-length",
        ),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n", "it sends the file as gzip, chunked"),
        (OK + b"Content-Encoding: br\r\n\r\n", "it sends the file as br"),
        (OK + b"X: " + b"x" * 510 + b"\r\n\r\n", "a line of more than 512 bytes"),
        (OK + b"x" * 600, "a line of more than 512 bytes"),
        (OK + b"Set-Cookie: 12345678\r\n" * 200, "its headers are longer than 4096 bytes"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 300, "its headers are longer than 4096 bytes"),
    ):
        assert await why(answer) == text, (answer, text)


@simtime.simulated
async def test_chunks_of_no_length():
    for size in (
        b"", b"x", b"-1", b"+5", b"0x5", b"5 5", b"1_0", b"12345678", b"ffffffffffffffff", b";a",
        b"5;" + b"y" * 31, b"5" + b"0" * 300, b"5" + b" " * 600,
    ):  # fmt: skip
        text = await why(CHUNKED + size + b"\r\n12345\r\n0\r\n\r\n")
        assert text.startswith("a chunk of no length") or text.startswith("a line of"), text
    assert await why(CHUNKED + b"5\r\n123456\r\n0\r\n\r\n") == "cut short at byte 5"
    assert await why(CHUNKED + b"0\r\n" + b"a: b\r\n" * 1000) == (
        "its headers are longer than 4096 bytes"
    )


@simtime.simulated
async def test_floods():
    """Headers, and chunks of a byte, without an end."""

    async def headers(reader, writer, lines):
        await put(writer, OK)
        while True:
            await put(writer, b"Cookie: monster\r\n" * 50)

    async def line(reader, writer, lines):
        while True:
            await put(writer, b"HTTP/1.1 200 OK " * 50)

    assert await why(headers) == "its headers are longer than 4096 bytes"
    assert await why(line) == "a line of more than 512 bytes"


@simtime.simulated
async def test_a_body_without_end():
    """16 MB are more than any flash has; a sink may have had enough before."""

    async def endless(reader, writer, lines):
        await put(writer, (b"" if b"Range" in b"".join(lines) else OK) + b"\r\n")
        while True:
            await put(writer, bytes(8192))

    async def part(reader, writer, lines):  # (the last 20 KB of those 16 MB)
        await put(writer, b"HTTP/1.1 206 Partial\r\nContent-Range: bytes %d-99999999/*\r\n" % at)
        await endless(reader, writer, lines)

    at = 16777216 - 20000
    sink = Sink()
    async with Http(part) as http:
        e = await raised(OSError, transfer.download(http.url, sink, at))
    assert e.args[0] == "127.0.0.1: it sends more than 16777216 bytes", e
    assert 19 <= sink.pieces <= 60

    class Full(Sink):
        def write(self, view):
            super().write(view)
            if len(self.data) > 5000:
                raise ValueError("the slot is full")

    async with Http(endless) as http:
        e = await raised(ValueError, transfer.download(http.url, Full()))
        assert str(e) == "the slot is full"


@simtime.simulated
async def test_a_sink_that_does_not_want_it():
    class Never(Sink):
        def begin(self, at, size):
            raise ValueError("%d bytes: too large" % size)

    async with Http(LENGTH % 5000 + FILE) as http:
        before = descriptors()
        e = await raised(ValueError, transfer.download(http.url, Never()))
        assert str(e) == "5000 bytes: too large"
        await asyncio.sleep_ms(50)
        await let_go(before)


@simtime.simulated
async def test_silence():
    """Wherever it begins: 30 s, as the caller says, and no longer."""
    pieces = b"HTTP/1.1 2", b"00 OK\r\n", b"Content-Length: 5000\r\n\r\n", FILE[:2000]

    for n in range(len(pieces) + 1):

        async def quiet(reader, writer, lines, n=n):
            for piece in pieces[:n]:
                await put(writer, piece)
            await reader.read(1)  # until the unit ends it

        began = simtime.seconds()
        assert await why(quiet) == "nothing moved for 30 s"
        assert 29 < simtime.seconds() - began < 35
        async with Http(quiet) as http:
            began = simtime.seconds()
            e = await raised(OSError, transfer.download(http.url, Sink(), stall_s=2))
            assert e.args[0] == "127.0.0.1: nothing moved for 2 s"
            assert simtime.seconds() - began < 4


@simtime.simulated
async def test_a_byte_now_and_then():
    """Never 30 s without one, and yet it ends: a head and a body want 30 KB in each 5 minutes."""

    def drops(head, data, pause_s):
        async def drip(reader, writer, lines):
            await put(writer, head)
            for i in range(len(data)):
                await asyncio.sleep(pause_s)
                await put(writer, data[i : i + 1])

        return drip

    for head, data in ((b"", LENGTH % 5000), (LENGTH % 5000, FILE), (CHUNKED, b"fff\r\n" + FILE)):
        began = simtime.seconds()
        text = await why(drops(head, data, 20))
        assert text == "slower than 30720 bytes in 300 s", (text, simtime.seconds() - began)
        assert 299 < simtime.seconds() - began < 400

    # 200 bytes a second are enough.
    async def slow(reader, writer, lines):
        await put(writer, LENGTH % 250000)
        for _ in range(250):
            await put(writer, bytes(1000))
            await asyncio.sleep(5)

    began = simtime.seconds()
    sink, _ = await fetch(slow)
    assert sink.began == (0, 250000) and 1200 < simtime.seconds() - began


@simtime.simulated
async def test_a_slow_sink_is_not_the_servers_fault():
    class Erases(Waits):
        async def write(self, view):
            await asyncio.sleep(100)
            await super().write(view)

    sink, _ = await fetch(LENGTH % 5000 + FILE, sink=Erases())
    assert sink.data == FILE


@simtime.simulated
async def test_redirects():
    def to(where, status=302):
        return b"HTTP/1.1 %d Elsewhere\r\nLocation: %s\r\n\r\n" % (status, where)

    good = LENGTH % 5000 + FILE
    for status in (301, 302, 303, 307, 308):
        for where, path in (
            (b"/b?c=d", b"/b?c=d"),
            (b"other.bin", b"/a/other.bin"),
            (b"?x", b"/a/?x"),
            (b"//127.0.0.1:%d/e", b"/e"),
            (b"HTTP://127.0.0.1:%d/f#g", b"/f"),
            (b"http://u:p@127.0.0.1:%d", b"/"),
        ):
            sink = Sink()
            async with Http(None, good) as http:
                port = http.server.port
                http.answers = to(where % port if b"%" in where else where, status), good
                await transfer.download(http.url, sink)
                assert http.asked[1][0] == b"GET %s HTTP/1.1" % path
                auth = b"Authorization: Basic dTpw" in http.asked[1]
                assert auth == (b"u:p" in where) and sink.data == FILE
    sink, asked = await fetch(to(b"/1"), to(b"/2"), to(b"/3"), good)
    assert len(asked) == 4
    assert await why(to(b"/again")) == "more than 3 redirects"
    assert await why(to(b"ftp://127.0.0.1/x")) == "a redirect to ftp is not followed"
    assert (await why(to(b"gopher://x"))).startswith("a redirect to what is no address: no tran")
    assert (await why(to(b"http://x:99999/"))).startswith("a redirect to what is no address")
    assert (await why(to(b"x" * 500))).startswith("a redirect to what is no address")
    assert await why(b"HTTP/1.1 302 Found\r\n\r\n") == "HTTP 302 Found, and does not say where to"


async def test_addresses():
    for url in (
        "", "x", "http:", "http://", "http:///x", "http://:80/", "http://h:0/", "http://h:65536/",
        "http://h:x/", "http://h:/", "http://h/a b", "http://h/\r\nX: y", "http://h/\xe4",
        "http://" + "h" * 510, "file:///etc/passwd", "sftp://h/", "ws://h/", "http://h:1234567/",
    ):  # fmt: skip
        await raised(ValueError, transfer.download(url, Sink()))
    e = await raised(ValueError, transfer.download("sftp://u:secret@h/", Sink()))
    assert str(e) == "no transfer by sftp, but by http, https and ftp"
    for url, expected in (
        ("http://h", ("http", "", "h", "h", 80, "/")),
        ("HTTPS://u:p@h:8443/a?b#c", ("https", "u:p", "h:8443", "h", 8443, "/a?b")),
        ("ftp://u:p@ss@h/a/", ("ftp", "u:p@ss", "h", "h", 21, "/a/")),
        ("http://[::1]:81?x", ("http", "", "[::1]:81", "::1", 81, "/?x")),
    ):
        assert transfer._parse(url) == expected, transfer._parse(url)


@simtime.simulated
async def test_who_is_not_there():
    e = await raised(OSError, transfer.download("http://127.0.0.1:1/", Sink()))
    assert e.args[0] == "127.0.0.1: it refuses the connection"
    e = await raised(OSError, transfer.download("https://127.0.0.1:1/", Sink()))
    assert e.args[0] == "127.0.0.1: https wants a CA, and there is none"

    async def nowhere(host):
        raise OSError("DNS: there is no host " + host)

    e = await raised(OSError, transfer.download("ftp://files.example/x", Sink(), resolve=nowhere))
    assert e.args[0] == "files.example: DNS: there is no host files.example"

    async def never(host):
        await asyncio.Event().wait()

    e = await raised(OSError, transfer.download("ftp://files.example/x", Sink(), resolve=never))
    assert e.args[0] == "files.example: it is not found: nobody answers"

    async def here(host):
        assert host == "files.example"
        return "127.0.0.1"

    async with Http(LENGTH % 5000 + FILE) as http:
        sink, url = Sink(), http.url.replace("127.0.0.1", "files.example")
        await transfer.download(url, sink, resolve=here)
        assert sink.data == FILE and b"Host: files.example:%d" % http.server.port in http.asked[0]


@simtime.simulated
async def test_whoever_gives_up_leaves_no_socket():
    async def quiet(reader, writer, lines):
        await put(writer, LENGTH % 5000 + FILE[:2000])
        await reader.read(1)

    async with Http(quiet) as http:
        before = descriptors()
        for _ in range(3):
            sink = Sink()
            task = asyncio.create_task(transfer.download(http.url, sink))
            while len(sink.data) < 2000:
                await asyncio.sleep_ms(1)
            await cancel(task)
        await asyncio.sleep_ms(50)
        await let_go(before)


@simtime.simulated
async def test_others_have_their_turn():
    """After each KB."""
    turns = []

    async def others():
        while True:
            turns.append(0)
            await asyncio.sleep_ms(0)

    class Counts(Sink):
        def write(self, view):
            turns[-1] += 1
            assert turns[-1] == 1
            super().write(view)

    task = asyncio.create_task(others())
    await fetch(LENGTH % 5000 + FILE, sink=Counts())
    await fetch(CHUNKED + b"1388\r\n" + FILE + b"\r\n0\r\n\r\n", sink=Counts())
    task.cancel()


class Live(Sink):
    """How much is live while a file comes, of a heap that was `before`."""

    def __init__(self):
        super().__init__()
        gc.collect()
        self.before = gc.mem_alloc()

    def write(self, view):
        self.began = self.began or (0, None)
        gc.collect()
        self.heap = max(self.heap, gc.mem_alloc() - self.before)


@simtime.simulated
async def test_heap():
    """Beside the code, the server of this test in it. (All of it: system/test_transfer.py.)"""
    assert http and ftp and stream  # (held, so that they do not count)

    piece = FILE[:1000]

    async def serve(reader, writer, lines):
        await put(writer, OK + b"\r\n")
        for _ in range(200):
            writer.s.write(piece)
            await asyncio.sleep_ms(0)

    sink = Live()
    await fetch(serve, sink=sink)
    print("live beside the code: %d bytes" % sink.heap)
    assert sink.heap < 6000


def spoiled(data, rng):
    """`data` with a few changes that mean harm."""
    out = bytearray(data)
    for _ in range(1 + rng(4)):
        i = rng(len(out) + 1)
        kind = rng(6)
        if kind == 0:
            out = out[:i]
        elif kind == 1:
            out[i:i] = (b"\r\n", b"\n", b"\0", b":", b"%", b"999999", b"-", b";", b"\xff")[rng(9)]
        elif kind == 2 and i < len(out):
            out[i] = rng(256)
        elif kind == 3:
            out[i : i + rng(20)] = b""
        elif kind == 4:
            out[i:i] = bytes(out[rng(i + 1) : i]) * (1 + rng(3))
        else:
            out[i:i] = bytes([65 + rng(26)]) * rng(700)
    return bytes(out) or b"x"


@simtime.simulated
async def test_spoiled_answers():
    """Each ends in a file or in OSError, soon; nothing stays open, and little comes."""
    random = seeded("spoiled answers")
    body = FILE[:300]
    good = (
        LENGTH % 300 + body,
        CHUNKED + b"64\r\n%s\r\nc8;x\r\n%s\r\n0\r\n\r\n" % (body[:100], body[100:]),
        OK + b"\r\n" + body,
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 100-299/300\r\nContent-Length: 200\r\n\r\n"
        + body[100:],
        b"HTTP/1.1 302 Found\r\nLocation: /other?x=y\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 405 No\r\nAllow: GET\r\n\r\n",
    )
    before, ends = descriptors(), {}
    for _ in range(120):
        answer = spoiled(good[random.randrange(len(good))], random.randrange)
        began, sink = simtime.seconds(), Sink()
        async with Http(answer) as http:
            try:
                if random.randrange(4):
                    await transfer.download(http.url, sink, random.randrange(2) * 100)
                else:
                    await transfer.upload(http.url, "x", lambda: iter(TEXT))
                end = "done"
            except OSError as e:
                end = e.args[0]
                assert len(e.args) == 1 and "\n" not in end and len(end) < 300, (answer, e)
        assert len(sink.data) <= len(answer) and simtime.seconds() - began < 400, answer
        ends[end[:30]] = ends.get(end[:30], 0) + 1
    await let_go(before)
    assert len(ends) > 5


@simtime.simulated
async def test_spoiled_replies():
    random = seeded("spoiled replies")
    ends = {}
    for _ in range(60):
        async with Ftp() as f:
            word = ("", "USER", "PASS", "TYPE", "SIZE", "EPSV", "PASV", "RETR", "END")[
                random.randrange(9)
            ]
            was = f.replies.get(word) or "229 Extended (|||%d|)" % f.data.port
            reply = spoiled(was.encode(), random.randrange)
            f.replies[word] = "".join([chr(b & 127) for b in reply])
            if word == "PASV":
                f.replies["EPSV"] = "500 no"
            sink = Sink()
            try:
                await transfer.download(f.url, sink)
                end = "done"
            except OSError as e:
                end = e.args[0]
                assert len(e.args) == 1 and "\n" not in end and len(end) < 300, (reply, e)
            assert bytes(sink.data) == FILE[: len(sink.data)]
        ends[end[:30]] = ends.get(end[:30], 0) + 1


# Uploads

TEXT = [b"a line of text\n" * 20] * 30


async def read_body(reader, lines):
    length = [int(line.split(b":")[1]) for line in lines if line.startswith(b"Content-Length")]
    return await reader.readexactly(length[0])


class Takes:
    """Answers of a server that takes files: `bodies` is what it got."""

    def __init__(self, status=b"201 Created", expect=True, after=0):
        self.status, self.expect, self.after = status, expect, after
        self.bodies = []

    async def __call__(self, reader, writer, lines):
        assert b"Expect: 100-continue" in lines
        await asyncio.sleep_ms(self.after)
        if self.expect:
            await put(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
        self.bodies.append(await read_body(reader, lines))
        await put(writer, b"HTTP/1.1 %s\r\n\r\n" % self.status)


def refuses(status, more=b""):
    return b"HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n" % (status, more)


async def send(*answers, path="/up/", pieces=TEXT):
    """The requests of an upload."""
    async with Http(*answers) as http:
        url = http.url.replace("/a/file.bin", path)
        await transfer.upload(url, "diag.txt", lambda: iter(pieces))
    return [lines[0] for lines in http.asked]


@simtime.simulated
async def test_a_file_is_put():
    for path, expected in (
        ("/up/", b"/up/diag.txt"),
        ("", b"/diag.txt"),
        ("/", b"/diag.txt"),
        ("/up/x.log", b"/up/x.log"),
        ("/up/?key=1/2", b"/up/diag.txt?key=1/2"),
        ("/up?sig=a/", b"/up?sig=a/"),
    ):
        for takes in (Takes(), Takes(b"200 OK", False), Takes(b"303 See", True, 700)):
            assert await send(takes, path=path) == [b"PUT %s HTTP/1.1" % expected]
            assert takes.bodies == [b"".join(TEXT)]
    takes = Takes()
    await send(takes, pieces=[])
    assert takes.bodies == [b""]


@simtime.simulated
async def test_a_form_where_no_file_can_be_put():
    for status in (b"404 Not Found", b"405 Method Not Allowed", b"501 Unsupported method"):
        takes = Takes(b"200 OK")
        assert await send(refuses(status), takes) == [
            b"PUT /up/diag.txt HTTP/1.1",
            b"POST /up/ HTTP/1.1",
        ]
        head, _, body = takes.bodies[0].partition(b"\r\n\r\n")
        mark, field, kind = head.split(b"\r\n")
        assert field == b'Content-Disposition: form-data; name="file"; filename="diag.txt"'
        assert mark[:2] == b"--" and len(mark) == 26
        assert body == b"".join(TEXT) + b"\r\n" + mark + b"--\r\n"
        e = await raised(OSError, send(refuses(status)))
        assert e.args[0] == "127.0.0.1: HTTP " + status.decode()


@simtime.simulated
async def test_a_file_is_sent_where_a_redirect_leads():
    takes = Takes()
    to = refuses(b"307 There", b"Location: /other/x\r\n")
    assert await send(to, takes) == [b"PUT /up/diag.txt HTTP/1.1", b"PUT /other/x HTTP/1.1"]
    assert takes.bodies == [b"".join(TEXT)]
    takes = Takes()
    said = await send(refuses(b"301 Slash", b"Location: /to/\r\n"), refuses(b"405 No"), to, takes)
    assert said[1:] == [b"PUT /to/ HTTP/1.1", b"POST /up/ HTTP/1.1", b"POST /other/x HTTP/1.1"]
    e = await raised(OSError, send(to))
    assert e.args[0] == "127.0.0.1: more than 3 redirects"


@simtime.simulated
async def test_what_changes_while_it_leaves():
    """The length was said: it is cut, or filled."""
    for first, then, expected in (
        ([b"12345"], [b"123"], b"123\n\n"),
        ([b"12345"], [b"123", b"4567"], b"12345"),
        ([b"1"], [b"1", b"2", b"3"], b"1"),
        ([b"x" * 300], [], b"\n" * 300),
    ):
        takes, passes = Takes(), [first, then]
        async with Http(takes) as http:
            await transfer.upload(http.url, "x", lambda passes=passes: iter(passes.pop(0)))
        assert takes.bodies == [expected]


@simtime.simulated
async def test_a_file_that_is_not_taken():
    async def full(reader, writer, lines):  # it has said why before it ends
        await put(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
        await reader.readexactly(1000)
        await put(writer, refuses(b"507 Full"))

    async def ends(reader, writer, lines):
        await reader.readexactly(1000)

    async def deaf(reader, writer, lines):
        await asyncio.sleep(40)

    for answer, text in (
        (refuses(b"403 Forbidden"), "HTTP 403 Forbidden"),
        (refuses(b"413 Too large"), "HTTP 413 Too large"),
        (Takes(b"500 Broken"), "HTTP 500 Broken"),
        (refuses(b"417 Expectation"), "HTTP 417 Expectation"),
        (refuses(b"200 OK"), "HTTP 200 OK, but it has not read the file"),
        (refuses(b"303 See"), "HTTP 303 See, but it has not read the file"),
        (full, "HTTP 507 Full"),
        (ends, "it has"),
        (deaf, "nothing moved for 30 s"),
    ):
        e = await raised(OSError, send(answer, pieces=[bytes(1024)] * 50))
        assert e.args[0].startswith("127.0.0.1: " + text), e


# FTP

LARGE = [bytes(1024)] * 5000


class Ftp:
    """`async with Ftp(...) as ftp`: a server that has `file`. replies: what it says instead, by
    command; {"": its greeting}. port: of the data, to be found in the reply."""

    def __init__(self, **replies):
        self.replies = {
            "": "220 ready",
            "USER": "331 password",
            "PASS": "230 in",
            "TYPE": "200 ok",
        }
        self.replies.update({"SIZE": "213 5000", "REST": "350 ok", "CWD": "550 none"})
        self.replies.update(replies)
        self.file, self.got, self.cut = FILE, b"", None
        self.asked = []

    async def __aenter__(self):
        self.control, self.data = Server(self.serve), Server(self.carry)
        await self.control.__aenter__()
        await self.data.__aenter__()
        self.ready, self.moved = asyncio.Event(), asyncio.Event()
        self.url = "ftp://127.0.0.1:%d/dir/file.bin" % self.control.port
        return self

    async def __aexit__(self, *error):
        self.ready.set()
        self.moved.set()
        await self.control.__aexit__(*error)
        await self.data.__aexit__(*error)

    async def serve(self, reader, writer):
        try:
            await self.say(writer, self.replies[""])
            while True:
                line = (await reader.readline()).decode().strip()
                if not line:
                    return
                self.asked.append(line)
                word, _, rest = line.partition(" ")
                reply = self.replies.get(word)
                if word in ("RETR", "STOR") and not reply:
                    await self.say(writer, "150 here")
                    self.at, self.stores = self.start, word == "STOR"
                    self.ready.set()
                    await self.moved.wait()
                    reply = self.replies.get("END", "226 done")
                elif word == "EPSV" and not reply:
                    reply = "229 Extended (|||%d|)" % self.data.port
                elif word == "PASV" and not reply:
                    reply = "227 Passive (192,0,2,1,%d,%d)" % divmod(self.data.port, 256)
                if word == "REST":
                    self.start = int(rest) if reply[0] == "3" else 0
                await self.say(writer, reply)
        except OSError:
            pass

    start, at, stores = 0, 0, False

    async def say(self, writer, text):
        await put(writer, text.replace("\n", "\r\n").encode() + b"\r\n" * (text[-1:] != "~"))

    async def carry(self, reader, writer):
        await self.ready.wait()
        try:
            if self.stores:
                while True:
                    data = await reader.read(500)
                    if not data:
                        break
                    self.got += data
                    if self.cut and len(self.got) > self.cut:
                        break
            else:
                await put(writer, self.file[self.at : self.cut])
        except OSError:
            pass
        self.moved.set()


@simtime.simulated
async def test_a_file_by_ftp():
    many = "220-Welcome\n220-220 files\n 220 of them\n220 ready"
    for replies, user, at, began in (
        ({}, "", 0, (0, 5000)),
        ({}, "", 3000, (3000, 5000)),
        ({"REST": "502 no"}, "", 3000, (0, 5000)),
        ({"SIZE": "550 no"}, "", 0, (0, None)),
        ({"SIZE": "502"}, "", 3000, (3000, None)),
        ({"EPSV": "500 what?"}, "", 0, (0, 5000)),
        ({"EPSV": "229 (|||x|)"}, "", 0, (0, 5000)),
        ({"": many, "USER": "230 in"}, "joe:p%40ss@", 0, (0, 5000)),
        ({}, "", 5000, (5000, 5000)),
    ):
        sink = Sink()
        async with Ftp(**replies) as f:
            await transfer.download(f.url.replace("//", "//" + user), sink, at)
        assert sink.began == began and sink.data == FILE[began[0] :], (replies, sink.began)
        asked = f.asked
        assert asked[0] == ("USER joe" if user else "USER anonymous")
        if "USER" not in replies:
            assert asked[1] == "PASS pilotwire"
        assert "SIZE dir/file.bin" in asked
    async with Ftp() as f:
        await transfer.download(f.url.replace("//", "//joe:p%40ss@"), Sink())
        assert f.asked[:2] == ["USER joe", "PASS p@ss"]


async def ftp_why(at=0, cut=None, path="", **replies):
    before = descriptors()
    async with Ftp(**replies) as f:
        f.cut = cut
        e = await raised(OSError, transfer.download(f.url + path, Sink(), at))
    await let_go(before)
    assert e.args[0].startswith("127.0.0.1: "), e
    return e.args[0][11:]


@simtime.simulated
async def test_what_ftp_servers_do_wrong():
    for replies, text in (
        ({"": "421 full"}, "FTP 421 full"),
        ({"": "SSH-2.0"}, "no FTP is spoken there"),
        ({"": ""}, "no FTP is spoken there"),
        ({"PASS": "530 wrong"}, "FTP 530 wrong"),
        ({"USER": "332 account"}, "FTP 332 account"),
        ({"TYPE": "504 no"}, "FTP 504 no"),
        ({"EPSV": "500", "PASV": "500 no"}, "FTP 500 no"),
        ({"EPSV": "229 (|||0|)"}, "FTP 229 (|||0|): no port"),
        ({"EPSV": "229 (|||70000|)"}, "FTP 229 (|||70000|): no port"),
        ({"EPSV": "500", "PASV": "227 (1,2,3)"}, "FTP 227 (1,2,3): no port"),
        ({"EPSV": "229 (|||1|)"}, "it refuses the connection"),
        ({"RETR": "550 no such file"}, "FTP 550 no such file"),
        ({"END": "426 broken"}, "FTP 426 broken"),
        ({"SIZE": "213 6000"}, "cut short at byte 5000 of 6000"),
        ({"SIZE": "213 4000"}, "5000 bytes came, and 4000 are said"),
        ({"": "220-" + "x" * 600}, "a line of more than 512 bytes"),
        ({"": "220-x\n" * 1000}, "its reply is longer than 4096 bytes"),
        ({"": "220-x\n220 r~"}, "nothing moved for 30 s"),
    ):
        assert await ftp_why(**replies) == text, (replies, text)
    assert await ftp_why(cut=1234) == "cut short at byte 1234 of 5000"
    assert await ftp_why(path="%0d%0aDELE%20x") == "a line end in a name"


@simtime.simulated
async def test_a_file_is_stored_by_ftp():
    for path, replies, expected in (
        ("/in/", {}, "STOR in/diag.txt"),
        ("/", {}, "STOR diag.txt"),
        ("", {}, "STOR diag.txt"),
        ("/x.log", {}, "STOR x.log"),
        ("/in", {"CWD": "250 ok"}, "STOR diag.txt"),
    ):
        async with Ftp(**replies) as f:
            url = f.url.replace("/dir/file.bin", path)
            await transfer.upload(url, "diag.txt", lambda: iter(TEXT))
        assert f.got == b"".join(TEXT) and f.asked[-1] == expected, f.asked
    for replies, cut, text in (
        ({"STOR": "553 not here"}, None, "FTP 553 not here"),
        ({"END": "552 full"}, None, "FTP 552 full"),
        ({"END": "552 full"}, 1000, "FTP 552 full"),
    ):
        async with Ftp(**replies) as f:
            f.cut = cut
            pieces = (lambda: iter(LARGE)) if cut else lambda: iter(TEXT)
            e = await raised(OSError, transfer.upload(f.url, "x", pieces))
        assert e.args[0] == "127.0.0.1: " + text, e


def test_what_is_private_says_what_it_is():
    assert raises(OSError, http._number, b"x").args[0] == "no length: x"
