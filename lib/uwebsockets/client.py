"""Dialling and the opening handshake (RFC 6455 section 4). connect() hands out a WebSocket."""

import asyncio
import errno
import socket
from binascii import b2a_base64
from hashlib import sha1
from os import urandom

from .ws import WebSocket, nodelay

_NAMES = b"""upgrade connection location sec-websocket-accept sec-websocket-protocol
 sec-websocket-extensions""".split()


class HandshakeError(OSError):
    """No WebSocket: status is the server's HTTP status, or 0 if there was no HTTP answer."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


async def connect(
    url,
    protocols=("ocpp1.6",),
    user=None,
    password=None,
    ssl=None,
    rx_size=4096,
    rx_max=16384,
    tx_size=512,
    addr=None,
    resolve=None,
):
    """Dial `url` (ws://host[:port]/path or wss://...), shake hands, return the WebSocket.
    protocols: subprotocols to offer; the server has to choose one of them. () offers none.
    user, password: str or bytes, sent as HTTP Basic authentication.
    ssl: the SSLContext for wss, with the trust the caller wants; none is made here.
    rx_size, tx_size: bytes of the buffer for messages that come in, and of a chunk going out (at
        least 32); or a bytearray to use, so that who redials need not allocate.
    rx_max: bytes of the largest message taken in. One of more than rx_size gets a buffer of its
        own; one that is larger, or finds no memory within 2 s, closes with 1009.
    addr: (ip, port) to dial instead of looking up the host (the look-up blocks the event loop).
    resolve: or a coroutine function that looks it up: resolve(host) returns the IP as text.
    Raises HandshakeError, OSError, ValueError for arguments that cannot work. No time-out inside:
    use asyncio.wait_for. Whatever goes wrong, the socket is closed."""
    secure, host, port, netloc, path = _parse(url)
    if secure and ssl is None:
        raise ValueError("wss needs an SSLContext")
    key = b2a_base64(urandom(16), newline=False)
    request = _request(netloc, path, key, protocols, user, password)
    rx, tx = [memoryview(bytearray(n) if isinstance(n, int) else n) for n in (rx_size, tx_size)]
    if resolve:
        addr = await resolve(host), port
    ai = socket.getaddrinfo(*(addr or (host, port)), 0, socket.SOCK_STREAM)[0]
    # (not open_connection: cancelled, it leaks the socket)
    s = tcp = socket.socket(ai[0], ai[1], ai[2])
    try:
        s.setblocking(False)
        nodelay(tcp, 1)
        try:
            s.connect(ai[-1])
        except OSError as e:
            if e.errno != errno.EINPROGRESS:
                raise
        if secure:
            s = ssl.wrap_socket(s, server_hostname=host, do_handshake_on_connect=False)
            s.setblocking(False)
        stream = asyncio.StreamWriter(s)
        # drain() waits for the connection. write() would try at once: not every TLS takes that.
        stream.out_buf = request
        await stream.drain()
        ws = WebSocket(stream, rx, tx, rx_max, tcp, await _answer(stream, rx, key, protocols))
        s = None
        return ws
    except ValueError as e:  # what mbedTLS raises for a certificate that it refuses
        raise HandshakeError(0, "TLS: " + str(e).strip())
    finally:
        if s:
            s.close()


# -> is it wss, host, port, what the Host header says, path with query
def _parse(url):
    scheme, _, rest = url.partition("://")
    scheme, netloc = scheme.lower(), rest.split("/")[0].split("?")[0]
    path = rest[len(netloc) :]
    path = path if path.startswith("/") else "/" + path
    if netloc.startswith("["):
        host, _, port = netloc[1:].partition("]")
        port = port[1:] if port[:1] in ("", ":") else "?"
    else:
        host, _, port = netloc.partition(":")
    port = port or ("443" if scheme == "wss" else "80")
    if scheme not in ("ws", "wss") or not host or not port.isdigit():
        raise ValueError("not ws[s]://host[:port]/path")
    if not 0 < int(port) < 65536:
        raise ValueError("port " + port)
    if "@" in netloc or "#" in url or not all(" " < c < "\x7f" for c in url):
        raise ValueError("URL with user, fragment, space or unquoted character")
    return scheme == "wss", host, int(port), netloc, path


def _request(netloc, path, key, protocols, user, password):
    lines = ["GET %s HTTP/1.1" % path, "Host: " + netloc, "Upgrade: websocket"]
    lines += "Connection: Upgrade", "Sec-WebSocket-Version: 13"
    lines.append("Sec-WebSocket-Key: " + key.decode())
    if protocols:
        lines.append("Sec-WebSocket-Protocol: " + ", ".join(protocols))
    if user is not None:
        user, password = [t.encode() if isinstance(t, str) else t for t in (user, password or b"")]
        if b":" in user:
            raise ValueError("':' in user")
        user = b2a_base64(user + b":" + password, newline=False)
        lines.append("Authorization: Basic " + user.decode())
    if any(["\r" in line or "\n" in line for line in lines]):
        raise ValueError("line break in a header")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


# One line of the head, without its end. Byte by byte: what follows the head belongs to frames.
async def _line(stream, buf):
    byte, n = bytearray(1), 0
    while byte != b"\n":
        if n == 8192:
            raise HandshakeError(0, "header line too long")
        k = stream.s.readinto(byte)
        if k is None:
            k = await stream.readinto(byte)
        if k:
            if n < len(buf):  # (a cookie may be longer, what counts here is not)
                buf[n] = byte[0]
            n += 1
        elif k == 0:
            raise HandshakeError(0, "connection ended in the handshake")
    return bytes(buf[:n]).strip()


# What a server said, for a log. (By bytes: MicroPython interns what chr() gives, for ever.)
def _printable(line):
    return bytes([c if 32 <= c < 127 else 63 for c in line[:100]]).decode()


# Read and check the server's answer -> the subprotocol.
async def _answer(stream, buf, key, protocols):
    line = await _line(stream, buf)
    status = (line.split(None, 2) + [b"", b""])[1]
    if not line.startswith(b"HTTP/1.") or not status.isdigit():
        raise HandshakeError(0, "not an HTTP answer: " + _printable(line))
    status, message = int(status), "HTTP " + _printable(line[9:])
    got = {}
    try:
        for _ in range(64):
            line = await _line(stream, buf)
            if not line:
                break
            name, _, value = line.partition(b":")
            name, value = name.lower(), value.strip()
            if name in _NAMES:  # a header that is repeated counts as a list
                got[name] = got[name] + b"," + value if name in got else value
        else:
            raise HandshakeError(0, "too many header lines")
    except HandshakeError as e:
        if status == 101:
            raise HandshakeError(101, str(e))
    if status != 101:
        if b"location" in got:
            message += ", redirect not followed: " + _printable(got[b"location"])
        raise HandshakeError(status, message)
    digest = sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    extension = got.get(b"sec-websocket-extensions")
    chosen = got.get(b"sec-websocket-protocol", b"")
    if got.get(b"upgrade", b"").lower() != b"websocket":
        message = "no Upgrade: websocket in the answer"
    elif b"upgrade" not in [x.strip() for x in got.get(b"connection", b"").lower().split(b",")]:
        message = "no Connection: Upgrade in the answer"
    elif got.get(b"sec-websocket-accept") != b2a_base64(digest, newline=False):
        message = "wrong Sec-WebSocket-Accept"
    elif extension:
        message = "extension not offered: " + _printable(extension)
    elif chosen in [p.encode() for p in protocols or ("",)]:
        return chosen.decode() or None
    elif chosen:
        message = "subprotocol not offered: " + _printable(chosen)
    else:
        message = "server chose no subprotocol, offered: " + ", ".join(protocols)
    raise HandshakeError(status, message)
