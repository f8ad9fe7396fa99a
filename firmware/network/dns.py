"""The address of a host, by DNS or, in .local, by multicast DNS (RFC 1035, RFC 6762 5.1), while
the loop goes on: the ESP32's getaddrinfo() stops it, for a minute where the server is dead."""

import asyncio
import os
import socket
from errno import EAGAIN
from micropython import const

_WAIT_s = const(2)  # for an answer, then the question is sent again
_SIZE = const(512)  # of an answer without EDNS (RFC 1035, 4.2.1); what is longer is cut off
EVERYONE = "224.0.0.251:5353"


async def resolve(host, servers):
    """The IPv4 address of `host` as text, "192.0.2.1"; an address is returned as it is.
    servers: who to ask, such addresses or "192.0.2.1:5300"; EVERYONE are all around, for .local.
    Raises OSError, whose text says what is wrong, after 6 s at most for each who is asked."""
    parts = host.split(".")
    if ":" in host or len(parts) == 4 and all([p.isdigit() and int(p) < 256 for p in parts]):
        return host
    host = host.lower().rstrip(".")
    if host == "localhost":
        return "127.0.0.1"
    labels = host.encode().split(b".")
    if len(host.encode()) > 253 or not all([0 < len(label) < 64 for label in labels]):
        raise OSError("not a host name: " + host)
    name = b"".join([bytes((len(label),)) + label for label in labels]) + b"\0"
    error = OSError("DNS: the network has named no server: give one as dns in config.json")
    for server in servers:
        try:
            return await _asked(server, host, name)
        except OSError as e:
            error = e
    raise error


async def _asked(server, host, name):
    here = server == EVERYONE
    # id, flags (recursion desired), 1 question, no records; A, IN (answer to me alone, please)
    packet = os.urandom(2) + (b"\0" if here else b"\1") + b"\0\0\1\0\0\0\0\0\0"
    packet += name + (b"\0\1\x80\1" if here else b"\0\1\0\1")
    asked = None if here else host
    address = await ask(server, 53, packet, lambda p: _parse(p, packet, asked), here)
    if address:
        return address
    if here:
        raise OSError("mDNS: nobody here is " + host)
    raise OSError("DNS: no answer from %s about %s" % (server, host))


async def ask(server, port, packet, parse, anyone=False):
    """Send `packet` to `server` by UDP, up to three times; return what parse(answer) makes of the
    first answer that it takes, or None if there is none.
    parse: gives None (or IndexError, ValueError) for what is not the answer; may raise OSError for
    one that ends the matter. anyone: may answer, not `server` only."""
    host, _, own_port = server.partition(":")
    address = socket.getaddrinfo(host, int(own_port or port))[0][-1]  # (nothing to look up)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        s.setblocking(False)
        for _ in range(3):
            try:
                s.sendto(packet, address)
            except OSError as e:
                raise OSError("%s cannot be asked: %s" % (server, e))
            try:
                answer = _receive(s, None if anyone else address, parse)
                return await asyncio.wait_for(answer, _WAIT_s)
            except asyncio.TimeoutError:
                pass
    finally:
        s.close()


async def _receive(s, address, parse):
    while True:
        try:
            data, source = s.recvfrom(_SIZE)
        except OSError as e:
            if e.errno != EAGAIN:
                raise
            await asyncio.sleep_ms(15)
            continue
        try:
            result = parse(data) if address in (None, source) else None
            if result is not None:
                return result
        except (IndexError, ValueError):
            pass  # cut off, or made to do harm
        await asyncio.sleep_ms(0)


def _parse(p, packet, host):
    # The address in the answer `p` to `packet`, or None if it is none. host: what a server was
    # asked for; None: everyone was, who need repeat neither id nor question (RFC 6762, 6.7, 18.1).
    if not p[2] & 0x80 or p[2] & 0x78 or p[:2] != packet[:2] and (host or p[:2] != b"\0\0"):
        return None
    i = 12
    if host:
        if p[4:6] != b"\0\1" or p[12 : len(packet)].lower() != packet[12:]:
            return None
        code = p[3] & 15
        if code == 3:
            raise OSError("DNS: there is no host " + host)
        if code:
            raise OSError("DNS: the server refuses %s, code %d" % (host, code))
    for _ in range(_word(p, 4)):
        i = _skip(p, i) + 4
    for _ in range(_word(p, 6)):
        name, i = i, _skip(p, i) + 10
        n = _word(p, i - 2)
        # A server resolves aliases itself: the first address is that of the last of them.
        if _word(p, i - 10) == 1 and _word(p, i - 8) & 0x7FFF == 1 and n == 4:
            if (host or _is(p, name, packet)) and p[i] and i + 4 <= len(p):
                return "%d.%d.%d.%d" % tuple(p[i : i + 4])
        i += n
    if host:
        cut = ", or none that fits" if p[2] & 2 else ""
        raise OSError("DNS: %s has no IPv4 address%s" % (host, cut))


def _word(p, i):
    return p[i] << 8 | p[i + 1]


def _skip(p, i):  # where the name at `i` ends; a pointer is its last part, none is followed
    while 0 < p[i] < 0xC0:
        i += p[i] + 1
    return i + 2 if p[i] else i + 1


def _is(p, i, packet):  # is the name at `i` the one that was asked for?
    asked = 12
    for _ in range(10):  # labels and pointers: a chain of these has an end
        n = p[i]
        if n >= 0xC0:
            i = _word(p, i) & 0x3FFF
            continue
        if p[i : i + n + 1].lower() != packet[asked : asked + n + 1]:
            return False
        if not n:
            return True
        i, asked = i + n + 1, asked + n + 1
    return False
