"""dns.py against servers of its own on 127.0.0.1, and against packets that are made to do harm."""

import asyncio
import os
import random
import sys

from turns import turns_of_others
from udp import Server, impatient

sys.path.insert(1, "tools/sim/esp32")  # (firmware/network/wifi.py wants a network)

import network

from firmware import config
from firmware.network import dns, wifi

BOTH = True

SEED = int(os.getenv("PILOTWIRE_SEED") or 1)


def name(text):
    return b"".join([bytes((len(part),)) + part.encode() for part in text.split(".")]) + b"\0"


def record(owner, kind, data, cls=1):
    head = bytes((0, kind, cls >> 8, cls & 255)) + b"\0\0\0\x3c"
    return owner + head + bytes((len(data) >> 8, len(data) & 255)) + data


def answer(packet, *records, flags=b"\x81\x80", question=True):
    head = packet[:2] + flags + (b"\0\1" if question else b"\0\0")
    head += bytes((0, len(records))) + b"\0\0\0\0"
    return head + (packet[12:] if question else b"") + b"".join(records)


A, CNAME = 1, 5
HERE = b"\xc0\x0c"  # the name of the question
ADDRESS = bytes((192, 0, 2, 7))


async def refusal(host, server=None):
    try:
        got = await (dns.resolve(host, [server]) if server else wifi.resolve(host))
    except OSError as e:
        return str(e)
    raise AssertionError("%s is %s" % (host, got))


async def test_an_address_is_its_own():
    # (no server is given: asking one would fail)
    for host in ("127.0.0.1", "10.0.0.255", "::1", "fe80::1"):
        assert await dns.resolve(host, []) == host
    assert await dns.resolve("localhost", []) == "127.0.0.1"
    assert await dns.resolve("LocalHost", []) == "127.0.0.1"


async def test_the_address_of_a_name():
    def reply(packet):
        return [answer(packet, record(HERE, A, ADDRESS))]

    async with Server(reply) as server:
        assert await dns.resolve("csms.example.com", [server.name]) == "192.0.2.7"
        question = server.asked[0]
        # RFC 1035, 4.1: recursion desired, one question, nothing else.
        assert question[2:12] == b"\1\0\0\1\0\0\0\0\0\0"
        assert question[12:] == name("csms.example.com") + b"\0\1\0\1"
        # Letters of any case, and a dot at the end.
        assert await dns.resolve("CSMS.Example.com.", [server.name]) == "192.0.2.7"
        assert server.asked[1][12:] == question[12:]


async def test_the_network_names_the_server():
    wifi.config = config.check({"url": "ws://x", "id": "x"})
    async with Server(lambda p: [answer(p, record(HERE, A, ADDRESS))]) as server:
        network.dns = server.name
        assert await wifi.resolve("csms") == "192.0.2.7"
    network.dns = "0.0.0.0"
    assert await refusal("csms") == (
        "DNS: the network has named no server: give one as dns in config.json"
    )


async def test_aliases():
    """A chain of CNAME, its names compressed and not, and what else may stand there."""
    records = (
        record(HERE, CNAME, b"\3lb1\xc0\x11"),
        record(b"\3lb1\xc0\x11", CNAME, name("eu.cloud.example.net")),
        record(name("eu.cloud.example.net"), 28, bytes(16)),
        record(name("eu.cloud.example.net"), A, ADDRESS),
        record(name("eu.cloud.example.net"), A, bytes((192, 0, 2, 8))),
    )
    async with Server(lambda p: [answer(p, *records)]) as server:
        assert await dns.resolve("csms.example.com", [server.name]) == "192.0.2.7"


async def test_a_question_is_sent_again():
    impatient(10)
    lost = []

    def reply(packet):
        lost.append(packet)
        return [answer(packet, record(HERE, A, ADDRESS))] if len(lost) == 3 else []

    async with Server(reply) as server:
        assert await dns.resolve("csms.example.com", [server.name]) == "192.0.2.7"
        await server.heard(3)
        assert len(set(server.asked)) == 1


async def test_nobody_answers():
    impatient()
    async with Server(lambda p: []) as server:
        text = await refusal("csms.example.com", server.name)
        assert text == "DNS: no answer from %s about csms.example.com" % server.name
        await server.heard(3)


async def test_the_second_server():
    impatient(10)
    async with Server(lambda p: []) as dead:
        async with Server(lambda p: [answer(p, flags=b"\x81\x82")]) as sick:
            async with Server(lambda p: [answer(p, record(HERE, A, ADDRESS))]) as good:
                servers = [dead.name, sick.name, good.name]
                assert await dns.resolve("csms", servers) == "192.0.2.7"


async def test_what_a_server_says_instead():
    long = record(HERE, CNAME, name("x.example"))
    v6 = record(HERE, 28, bytes(16))
    for reply, text in (
        (lambda p: answer(p, flags=b"\x81\x83"), "DNS: there is no host a.example"),
        (lambda p: answer(p, flags=b"\x81\x82"), "DNS: the server refuses a.example, code 2"),
        (lambda p: answer(p, flags=b"\x81\x85"), "DNS: the server refuses a.example, code 5"),
        (lambda p: answer(p), "DNS: a.example has no IPv4 address"),
        (lambda p: answer(p, v6), "DNS: a.example has no IPv4 address"),
        (lambda p: answer(p, record(HERE, A, bytes(4))), "DNS: a.example has no IPv4 address"),
        (
            lambda p: answer(p, long, flags=b"\x83\x80"),
            "DNS: a.example has no IPv4 address, or none that fits",
        ),
    ):
        async with Server(reply, 1) as server:
            assert await refusal("a.example", server.name) == text


async def test_names_that_cannot_be():
    for host in ("", ".", "a..b", "." + "a", "a" * 64, ".".join(["abcdefg"] * 33)):
        assert (await refusal(host, "127.0.0.1:1")).startswith("not a host name"), host


async def test_the_address_of_another_question():
    """Neither another id, nor another name, nor a question, nor another peer is believed."""
    good = record(HERE, A, ADDRESS)
    bad = record(HERE, A, bytes((6, 6, 6, 6)))

    def reply(packet):
        return [
            bytes((packet[0] ^ 1,)) + answer(packet, bad)[1:],
            answer(packet, bad, flags=b"\x01\x80"),
            answer(packet, bad, flags=b"\x89\x80"),
            answer(packet, bad, question=False),
            packet[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + name("evil.example") + b"\0\1\0\1" + bad,
            answer(packet, good),
        ]

    async with Server(reply) as server:
        assert await dns.resolve("csms.example", [server.name]) == "192.0.2.7"

    impatient()
    async with Server(None) as other:
        async with Server(None) as server:

            def spoofed(packet):
                other.s.sendto(answer(packet, bad), server.peer)
                return []

            server.answer = spoofed
            text = await refusal("csms.example", server.name)
            assert text == "DNS: no answer from %s about csms.example" % server.name
            await server.heard(3)


async def test_names_in_local():
    """RFC 6762, 5.1 and 6.7: everyone is asked; the answer may lack id and question."""
    wanted = name("homeassistant.local")
    for reply in (
        lambda p: answer(p, record(HERE, A, ADDRESS), flags=b"\x84\0"),
        lambda p: answer(p, record(wanted, A, ADDRESS), flags=b"\x84\0", question=False),
        lambda p: (
            b"\0\0"
            + answer(
                p,
                record(name("other.local"), A, bytes((6, 6, 6, 6)), 0x8001),
                record(wanted, 28, bytes(16), 0x8001),
                record(b"\x0dHomeAssistant\5LOCAL\0", A, ADDRESS, 0x8001),
                flags=b"\x84\0",
                question=False,
            )[2:]
        ),
    ):
        async with Server(reply, 1) as everyone:
            dns.EVERYONE = everyone.name
            assert await dns.resolve("HomeAssistant.local", [everyone.name]) == "192.0.2.7"
            assert everyone.asked[0][2:12] == b"\0\0\0\1\0\0\0\0\0\0"
            assert everyone.asked[0][12:] == wanted + b"\0\1\x80\1"  # (unicast answer, please)
    impatient()
    for reply in (
        lambda p: answer(p, record(name("other.local"), A, ADDRESS), question=False),
        lambda p: answer(p, record(wanted[:-1] + b"\3lan\0", A, ADDRESS), question=False),
        lambda p: answer(p, record(HERE, A, ADDRESS), flags=b"\0\0"),
        lambda p: b"\1" + answer(p, record(HERE, A, ADDRESS))[1:] if p[0] != 1 else b"",
    ):
        async with Server(reply, 1) as everyone:
            dns.EVERYONE = everyone.name
            text = await refusal("homeassistant.local", everyone.name)
            assert text == "mDNS: nobody here is homeassistant.local"


async def test_a_server_may_know_names_in_local_too():
    impatient(10)
    wifi.config = config.check({"url": "ws://x", "id": "x"})
    async with Server(lambda p: []) as everyone:
        async with Server(lambda p: [answer(p, record(HERE, A, ADDRESS))]) as server:
            dns.EVERYONE, network.dns = everyone.name, server.name
            assert await wifi.resolve("csms.corp.local") == "192.0.2.7"
            await everyone.heard(3)


def hostile(packet, rng):
    """Answers to `packet` that are wrong somewhere; some are right by chance."""
    kind = rng(7)
    good = answer(packet, record(HERE, A, ADDRESS), record(HERE, CNAME, b"\1x" + HERE))
    if kind == 0:
        return good[: rng(len(good))]
    if kind == 1:  # a pointer to itself, to the next one, to the end
        return answer(packet, record(bytes((0xC0 | rng(4), rng(256))), A, ADDRESS))
    if kind == 2:  # more records than there are
        return good[:4] + bytes([rng(256) for _ in range(8)]) + good[12:]
    if kind == 3:  # pointers and nothing else
        return answer(packet) + b"\xc0\x20" * 230
    if kind == 4:  # zeros: names of no labels, records without data
        return packet[:2] + b"\x81\x80\xff\xff\xff\xff\0\0\0\0" + bytes(rng(500))
    if kind == 5:
        return os.urandom(rng(512))
    out = bytearray(good)
    for _ in range(1 + rng(6)):
        out[2 + rng(len(out) - 2)] = rng(256)
    return bytes(out)


def test_hostile_answers_end():
    """10,000 of them: each is an address, none or OSError, after few looks at it."""
    random.seed(SEED)
    print("seed", SEED)

    def rng(n):
        return random.getrandbits(16) % n

    steps = 0

    class Counted:
        def __init__(self, data):
            self.data = data

        def __len__(self):
            return len(self.data)

        def __getitem__(self, i):
            nonlocal steps
            steps += 1
            return self.data[i]

    most = 0
    for i in range(10000):
        host = ("csms.example", None)[i & 1]
        asked = name("csms.example") + (b"\0\1\0\1" if host else b"\0\1\x80\1")
        packet = os.urandom(2) + b"\1\0\0\1\0\0\0\0\0\0" + asked
        steps = 0
        try:
            got = dns._parse(Counted(hostile(packet, rng)), packet, host)
            parts = [int(part) for part in got.split(".")] if got else [0] * 4
            assert len(parts) == 4 and 0 <= min(parts) <= max(parts) < 256, got
        except (OSError, IndexError, ValueError):
            pass
        most = max(most, steps)
    print("at most %d looks at a packet" % most)
    assert most < 2000


async def test_a_flood_stops_neither_the_loop_nor_the_answer():
    """While junk arrives without end others have their turn, and the true answer is found."""

    def reply(packet):
        other = bytes((packet[0] ^ 1,)) + packet[1:]
        junk = [answer(other, record(HERE, A, os.urandom(4)))] * 60
        return junk + [answer(packet, record(HERE, A, ADDRESS))]

    async with Server(reply) as server:
        turns, found = await turns_of_others(dns.resolve("csms.example", [server.name]))
    assert found == "192.0.2.7" and turns > 60


async def test_a_server_that_cannot_be_asked():
    s = dns.socket

    class Unreachable:
        def __init__(self, *_):
            pass

        def setblocking(self, on):
            pass

        def sendto(self, packet, address):
            raise OSError(118)

        def close(self):
            closed.append(1)

    closed = []
    dns.socket = type("Sockets", (), {"socket": Unreachable})
    for key in ("AF_INET", "SOCK_DGRAM", "getaddrinfo"):
        setattr(dns.socket, key, getattr(s, key))
    text = await refusal("csms.example", "192.0.2.53")
    assert text == "192.0.2.53 cannot be asked: 118", text
    assert closed == [1]


async def test_whoever_gives_up_leaves_no_socket():
    """The dial's own time-out ends a look-up, wherever it is."""
    async with Server(lambda p: []) as server:
        before = len(os.listdir("/proc/self/fd"))
        for i in range(5):
            task = asyncio.create_task(dns.resolve("csms.example", [server.name]))
            while len(server.asked) <= i:
                await asyncio.sleep_ms(0)
            task.cancel()
            try:
                await task
                raise AssertionError("not cancelled")
            except asyncio.CancelledError:
                pass
        assert len(os.listdir("/proc/self/fd")) == before
