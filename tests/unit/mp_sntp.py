"""sntp.py: what is believed of an NTP server, and what is not."""

import os

from rig import seeded
from udp import Server, impatient

from firmware.clock import FAR, PLAUSIBLE, parse_iso
from firmware.network import sntp

BOTH = True

NOW = parse_iso("2026-11-20T10:00:00Z")
SINCE_1900 = 3786825600  # 1900-01-01 to 2020-01-01 (RFC 868: 2208988800 to 1970)


def reply(packet, t=NOW, stratum=2, first=0x24, cookie=None, code=b"\x7f\0\0\1"):
    """The answer of a server to `packet`, by the figure of RFC 4330, 4."""
    stamp = ((t + SINCE_1900) & 0xFFFFFFFF).to_bytes(4, "big") + b"\x80\0\0\0"
    head = bytes((first, stratum, 6, 0xEC)) + bytes(8) + code
    return head + stamp + (packet[40:] if cookie is None else cookie) + stamp + stamp


async def now(server):
    async def resolve(host):
        return host

    return await sntp.now(server.name, resolve)


async def refusal(server):
    try:
        t = await now(server)
    except OSError as e:
        return str(e).replace(server.name, "HOST")
    raise AssertionError(t)


async def test_the_time():
    async with Server(reply, 1) as server:
        t, ms, trip_ms = await now(server)
        assert (t, ms) == (NOW, 500) and 0 <= trip_ms < 2000, (t, ms, trip_ms)
        packet = server.asked[0]
        # A client of version 4, and nothing about this unit but what the server is to repeat.
        assert len(packet) == 48 and packet[0] == 0x23 and not any(packet[1:40])
        assert (await now(server))[0] == NOW
        assert server.asked[1][40:] != packet[40:]


async def test_servers_of_other_versions_and_strata():
    for first in (0x1C, 0x24, 0x0C, 0x64, 0xA4):  # (leap seconds announced, or not)
        for stratum in (1, 15):
            async with Server(lambda p, f=first, s=stratum: reply(p, NOW, s, f), 1) as server:
                assert (await now(server))[0] == NOW


async def test_after_2036_seconds_begin_anew():
    for text in ("2036-02-07T06:28:15Z", "2036-02-07T06:28:16Z", "2050-01-01T00:00:00Z"):
        t = parse_iso(text)
        async with Server(lambda p, t=t: reply(p, t), 1) as server:
            assert (await now(server))[0] == t


async def test_what_is_no_time():
    for answer, text in (
        (lambda p: reply(p, stratum=0, code=b"RATE"), "NTP: HOST knows no time RATE"),
        (lambda p: reply(p, stratum=0, code=b"\n\0\xffX"), "NTP: HOST knows no time X"),
        (lambda p: reply(p, stratum=16, code=b"INIT"), "NTP: HOST knows no time INIT"),
        (lambda p: reply(p, first=0xE4, code=b"STEP"), "NTP: HOST knows no time STEP"),
        (lambda p: reply(p, PLAUSIBLE - 1), "NTP: HOST is wrong: %d" % (PLAUSIBLE - 1)),
        (lambda p: reply(p, FAR), "NTP: HOST is wrong: %d" % FAR),
    ):
        async with Server(answer, 1) as server:
            assert await refusal(server) == text
            await server.heard(1)


async def test_what_is_no_answer():
    """Not a server's, not to this question, or too short: as if nothing had come."""
    impatient()
    for answer in (
        lambda p: reply(p, first=0x23),
        lambda p: reply(p, first=0x25),
        lambda p: reply(p, cookie=bytes(8)),
        lambda p: reply(p, cookie=os.urandom(8)),
        lambda p: reply(p)[:47],
        lambda p: b"",
        lambda p: p,
    ):
        async with Server(answer, 1) as server:
            assert await refusal(server) == "NTP: no answer from HOST"
            await server.heard(3)

    impatient(1)

    def late(packet):
        return [packet, reply(packet, cookie=bytes(8)), reply(packet)]

    async with Server(late) as server:
        assert (await now(server))[0] == NOW


def test_hostile_packets():
    random = seeded("packets")
    packet = b"\x23" + bytes(39) + os.urandom(8)
    believed = 0
    for _ in range(5000):
        p = bytearray(reply(packet))
        for _ in range(random.getrandbits(2)):
            p[random.getrandbits(16) % 48] = random.getrandbits(8)
        p = bytes(p[: random.getrandbits(7)])
        try:
            t = sntp._parse(p, packet, "h")
            assert t is None or PLAUSIBLE <= t[0] < FAR and 0 < t[1] < 1000
            believed += t is not None
        except OSError:
            pass
    assert believed > 500
