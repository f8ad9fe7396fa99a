"""uwebsockets: URLs, dialling and the opening handshake (RFC 6455 section 4)."""

import asyncio
import errno
import os
import socket

from mp_uwebsockets_peer import (
    Server,
    accept,
    answer,
    cancel,
    descriptors,
    field,
    read_head,
)
from rig import raised

from uwebsockets import HandshakeError, connect
from uwebsockets.client import _parse

BOTH = True

URLS = (
    ("ws://h", (False, "h", 80, "h", "/")),
    ("ws://h/", (False, "h", 80, "h", "/")),
    ("WS://h:9000/ocpp/CP%201?x=/y", (False, "h", 9000, "h:9000", "/ocpp/CP%201?x=/y")),
    ("ws://h?x=1:2", (False, "h", 80, "h", "/?x=1:2")),
    ("ws://h:/a", (False, "h", 80, "h:", "/a")),
    ("wss://csms.example/a//b", (True, "csms.example", 443, "csms.example", "/a//b")),
    ("wss://10.0.0.1:65535/", (True, "10.0.0.1", 65535, "10.0.0.1:65535", "/")),
    ("ws://[::1]", (False, "::1", 80, "[::1]", "/")),
    ("ws://[fe80::1]:81/x", (False, "fe80::1", 81, "[fe80::1]:81", "/x")),
)
BAD_URLS = (
    "", "h", "h:80/", "http://h/", "ws:/h/", "ws:h", "ws://", "ws:///a", "ws://:80/", "ws://[]/",
    "ws://h:0/", "ws://h:65536/", "ws://h:a/", "ws://h:-1/", "ws://h:+1/", "ws://h:1:2/",
    "ws://[::1]80/", "ws://[::1]:x/", "ws://u:p@h/", "ws://u@h/", "ws://h/a#b", "ws://h/a b",
    "ws://h/\r\nX: y", "ws://h/\u00e9", "ws://h/\x00", "ws://h/\x7f",
)  # fmt: skip


def test_urls():
    for url, want in URLS:
        assert _parse(url) == want, url
    for url in BAD_URLS:
        try:
            got = _parse(url)
        except ValueError:
            continue
        raise AssertionError((url, got))


async def request_of(**options):
    async def handler(reader, writer):
        lines.extend(await read_head(reader))
        writer.write(answer(lines, protocol))
        await writer.drain()
        assert await reader.read(1)

    lines = []
    protocol = options.pop("protocol", b"ocpp1.6")
    async with Server(handler) as url:
        ws = await connect(url, **options)
        got = ws.protocol
        await ws.ping()
        await ws.close()
    return lines, got


async def test_request():
    lines, protocol = await request_of()
    assert lines[0] == b"GET /CP1 HTTP/1.1"
    assert field(lines, b"Host").startswith(b"127.0.0.1:")
    assert field(lines, b"Upgrade") == b"websocket"
    assert field(lines, b"Connection") == b"Upgrade"
    assert field(lines, b"Sec-WebSocket-Version") == b"13"
    assert len(field(lines, b"Sec-WebSocket-Key")) == 24
    assert field(lines, b"Sec-WebSocket-Protocol") == b"ocpp1.6"
    assert field(lines, b"Authorization") is None
    assert protocol == "ocpp1.6"
    again, _ = await request_of()
    assert field(lines, b"Sec-WebSocket-Key") != field(again, b"Sec-WebSocket-Key")


async def test_request_options():
    lines, protocol = await request_of(protocols=("ocpp2.0.1", "ocpp1.6"))
    assert field(lines, b"Sec-WebSocket-Protocol") == b"ocpp2.0.1, ocpp1.6"
    assert protocol == "ocpp1.6"
    lines, protocol = await request_of(protocols=(), protocol=None)
    assert field(lines, b"Sec-WebSocket-Protocol") is None and protocol is None


async def test_basic_auth():
    for user, password, want in (
        ("Aladdin", "open sesame", b"QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        (b"CP1", b"\x00\xff:\n", b"Q1AxOgD/Ogo="),
        ("u", None, b"dTo="),
        ("caf\u00e9", "\u20ac", b"Y2Fmw6k64oKs"),
        ("u", b"x" * 80, b"dTp4" + b"eHh4" * 26 + b"eA=="),
    ):
        lines, _ = await request_of(user=user, password=password)
        assert field(lines, b"Authorization") == b"Basic " + want, lines


async def test_arguments_that_cannot_work():
    for url, options in (
        ("ws://127.0.0.1:1/", {"user": "a:b", "password": "c"}),
        ("ws://127.0.0.1:1/", {"protocols": ("a\r\nY: b",)}),
        ("ws://127.0.0.1:1/", {"protocols": ("a\nb",)}),
        ("wss://127.0.0.1:1/", {}),
        ("http://127.0.0.1:1/", {}),
    ):
        await raised(ValueError, connect(url, **options))


UP = b"HTTP/1.1 101 Switching Protocols\r\n"
WS = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
OK = WS + b"Sec-WebSocket-Accept: {A}\r\n"
P16 = b"Sec-WebSocket-Protocol: ocpp1.6\r\n"
END = b"\r\n"

GOOD_ANSWERS = (
    UP + OK + P16 + b"Set-Cookie: a=" + b"x" * 3000 + b"\r\n" + END,
    UP + OK + P16 + END,
    b"HTTP/1.1 101\r\n" + OK + P16 + END,
    UP.replace(b"\r", b"") + OK.replace(b"\r", b"") + P16.replace(b"\r", b"") + b"\n",
    UP + b"upgrade:WebSocket\r\nCONNECTION: keep-alive, upgrade\r\nServer: x: y\r\nVary:\r\n"
    b"sec-websocket-accept:   {A}  \r\nSEC-WEBSOCKET-PROTOCOL:ocpp1.6\r\n" + END,
    UP + b"Connection: keep-alive\r\n" + OK + P16 + b"X: " + b"y" * 200 + END + END,
    UP + OK + P16 + b"Sec-WebSocket-Extensions:\r\n" + END,
    UP + OK + P16 + b"X-Latin: \xe9\xff\r\n" + END,
)

# answer, status, message
BAD_ANSWERS = (
    (
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n",
        401,
        "HTTP 401 Unauthorized",
    ),
    (b"HTTP/1.1 403 Forbidden\r\n\r\n", 403, "HTTP 403 Forbidden"),
    (b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!", 404, "HTTP 404 Not Found"),
    (b"HTTP/1.0 503 Busy\r\n\r\n", 503, "HTTP 503 Busy"),
    (b"HTTP/1.1 500\r\n\r\n", 500, "HTTP 500"),
    (b"HTTP/1.1 426 Upgrade Required\r\n", 426, "HTTP 426 Upgrade Required"),  # and then EOF
    (b"HTTP/1.1 404 \xc3\xa9\x1b[1m\r\n\r\n", 404, "HTTP 404 ???[1m"),
    (b"HTTP/1.1 400 Bad\r\nX: " + b"y" * 600 + b"\r\n\r\n", 400, "HTTP 400 Bad"),
    (
        b"HTTP/1.1 301 Moved Permanently\r\nLocation: wss://other/CP1\r\n\r\n",
        301,
        "HTTP 301 Moved Permanently, redirect not followed: wss://other/CP1",
    ),
    (b"HTTP/1.1 200 OK\r\n\r\n<html>", 200, "HTTP 200 OK"),
    (b"HTTP/1.1 1011 x\r\n" + OK + P16 + END, 1011, "HTTP 1011 x"),
    (b"", 0, "connection ended in the handshake"),
    (b"HTTP/1.1 10", 0, "connection ended in the handshake"),
    (b"\r\n", 0, "not an HTTP answer: "),
    (b"SSH-2.0-OpenSSH_9.2\r\n", 0, "not an HTTP answer: SSH-2.0-OpenSSH_9.2"),
    (b"HTTP/1.1\r\n", 0, "not an HTTP answer: HTTP/1.1"),
    (b"HTTP/1.1 OK\r\n", 0, "not an HTTP answer: HTTP/1.1 OK"),
    (b"x" * 9000, 0, "header line too long"),
    (UP + OK + P16, 101, "connection ended in the handshake"),
    (UP + b"X: " + b"y" * 9000, 101, "header line too long"),
    (UP + b"X: y\r\n" * 70, 101, "too many header lines"),
    (UP + END, 101, "no Upgrade: websocket in the answer"),
    (
        UP + OK.replace(b"websocket", b"h2c") + P16 + END,
        101,
        "no Upgrade: websocket in the answer",
    ),
    (
        UP + OK.replace(b"Connection: Upgrade", b"Connection: close") + P16 + END,
        101,
        "no Connection: Upgrade in the answer",
    ),
    (UP + WS + P16 + END, 101, "wrong Sec-WebSocket-Accept"),
    (
        UP + WS + b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" + P16 + END,
        101,
        "wrong Sec-WebSocket-Accept",
    ),
    (UP + OK + b"Sec-WebSocket-Accept: {A}\r\n" + P16 + END, 101, "wrong Sec-WebSocket-Accept"),
    (
        UP + OK + P16 + b"Sec-WebSocket-Extensions: permessage-deflate\r\n" + END,
        101,
        "extension not offered: permessage-deflate",
    ),
    (
        UP + OK + b"Sec-WebSocket-Protocol: ocpp2.0\r\n" + END,
        101,
        "subprotocol not offered: ocpp2.0",
    ),
    (
        UP + OK + b"Sec-WebSocket-Protocol: OCPP1.6\r\n" + END,
        101,
        "subprotocol not offered: OCPP1.6",
    ),
    (
        UP + OK + P16 + b"Sec-WebSocket-Protocol: ocpp1.5\r\n" + END,
        101,
        "subprotocol not offered: ocpp1.6,ocpp1.5",
    ),
    (UP + OK + END, 101, "server chose no subprotocol, offered: ocpp1.6"),
)


# Connect to a server that gives `text` -> the WebSocket; the server has seen our end of TCP.
async def dial(text, step, **options):
    async def handler(reader, writer):
        lines = await read_head(reader)
        data = text.replace(b"{A}", accept(field(lines, b"Sec-WebSocket-Key")))
        try:
            for i in range(0, len(data), step):
                writer.write(data[i : i + step])
                await writer.drain()
            if not data.endswith(b"\n\r\n") and not data.endswith(b"\n\n"):
                return  # EOF for the client
            assert await reader.read(1) == b""
        except OSError:
            pass  # it has gone with bytes unread

    async with Server(handler) as url:
        ws = await connect(url, rx_size=256, **options)
        ws._end(1006, "test")
        return ws


async def test_good_answers():
    for text in GOOD_ANSWERS:
        for step in (1, 1000):
            ws = await dial(text, step)
            assert ws.protocol == "ocpp1.6", text


async def test_bad_answers():
    for text, status, message in BAD_ANSWERS:
        for step in (1, 1000):
            e = await raised(HandshakeError, dial(text, step))
            assert (e.status, str(e)) == (status, message), (text, e.status, str(e))
            assert isinstance(e, OSError)


async def test_protocol_that_nobody_asked_for():
    e = await raised(HandshakeError, dial(UP + OK + P16 + END, 1000, protocols=()))
    assert str(e) == "subprotocol not offered: ocpp1.6"


async def test_nobody_listens():
    async with Server(None) as url:
        pass  # its port is free again
    assert not isinstance(await raised(OSError, connect(url)), HandshakeError)


async def test_no_such_host():
    # An address that is none: nothing is asked of a name server.
    e = await raised(OSError, connect("ws://h/", addr=("999.0.0.1.", 80)))
    assert not isinstance(e, HandshakeError)


async def test_addr_is_dialled_instead_of_the_host():
    async def handler(reader, writer):
        lines.extend(await read_head(reader))
        writer.write(answer(lines))
        await writer.drain()
        assert await reader.read(1) == b""

    lines = []
    async with Server(handler) as url:
        port = int(url.split(":")[2].split("/")[0])
        ws = await connect("ws://csms.invalid:9/CP1", addr=("127.0.0.1", port))
        ws._end(1006, "test")
    assert field(lines, b"Host") == b"csms.invalid:9"


async def test_cancelled_connect_closes_the_socket():
    async def handler(reader, writer):
        await read_head(reader)
        asked.set()
        gone.append(await reader.read(1))

    gone = []
    asked = asyncio.Event()
    async with Server(handler) as url:
        task = asyncio.create_task(connect(url))
        await asked.wait()
        await cancel(task)
    assert gone == [b""]


# A socket that listens and accepts nothing: the system takes the connection.
def listen():
    while True:
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        s = socket.socket()
        try:
            s.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
            s.listen(1)
            return s, "127.0.0.1:%d/" % port
        except OSError:
            s.close()


async def test_cancelled_before_the_request_is_out():
    listener, netloc = listen()
    before = descriptors()
    task = asyncio.create_task(connect("ws://" + netloc))
    await asyncio.sleep_ms(0)
    assert descriptors() == before + 1
    await cancel(task)
    assert descriptors() == before
    listener.close()


async def test_tls_that_fails_closes_the_socket():
    class Context:
        def __init__(self, error):
            self.error = error

        def wrap_socket(self, s, **options):
            assert options["server_hostname"] == "csms.example"
            raise self.error

    listener, netloc = listen()
    addr = ("127.0.0.1", int(netloc[10:-1]))
    before = descriptors()
    for error, message in (
        (OSError(errno.ENOMEM), None),
        (ValueError("\nThe certificate has expired\n"), "TLS: The certificate has expired"),
    ):
        e = await raised(OSError, connect("wss://csms.example/", ssl=Context(error), addr=addr))
        if message:
            assert isinstance(e, HandshakeError) and (e.status, str(e)) == (0, message)
        else:
            assert e is error
        assert descriptors() == before
    listener.close()


async def test_buffers_of_the_caller():
    async def handler(reader, writer):
        writer.write(answer(await read_head(reader)) + b"\x82\x03abc")
        await writer.drain()
        assert await reader.read(1) == b""

    rx = bytearray(300)
    tx = bytearray(64)
    for _ in range(2):
        async with Server(handler) as url:
            ws = await connect(url, rx_size=rx, tx_size=tx)
            assert bytes(await ws.recv()) == b"abc" and rx[:3] == b"abc"
            ws._end(1006, "test")
