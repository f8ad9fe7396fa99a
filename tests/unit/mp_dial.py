"""ocpp/dial.py: which address, when, what if it fails. In simulated time, with real sockets."""

import simtime  # noqa: I001 (first: the others are to find its time)

import asyncio

from linkrig import Bench, Central, Full, Served, gaps, http, silent
from mp_uwebsockets_peer import Server, descriptors

from firmware.ocpp import dial

HEAP = "240K"
REFUSED = "ws://127.0.0.1:1/ocpp/CP1"
FAILED = "Central System: "


class Dns:
    """For the Link of `b`; `table`: host -> address, or an exception; None: it never answers."""

    def __init__(self, b, **table):
        self.table = table
        self.asked = []
        b.link.resolve = self.resolve

    async def resolve(self, host):
        self.asked.append(host)
        answer = self.table.get(host.split(".")[0], host)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def connected(b):
    """Dial, without the rest of the Link; -> when there was a WebSocket."""
    ws = await dial.connect(b.link)
    ws._end(1006, "test")
    return simtime.seconds()


@simtime.simulated
async def test_back_off():
    """Doubled RepeatTimes times; nothing before the first dial."""
    for values, expected in (
        ({}, [2, 4, 8, 16, 32, 64, 64, 64]),
        ({"backoff_doublings": 0}, [2, 2, 2, 2]),
        ({"backoff_s": 600}, [600, 1200, 2400, 3600, 3600]),  # (the longest)
    ):
        began = simtime.seconds()
        async with Bench(REFUSED, **values) as b:
            await b.until(FAILED, len(expected) + 1, 20000)
            times = b.at(FAILED)
            assert times[0] - began < 1
            for gap, least in zip(gaps(times), expected):
                assert least <= gap < least + 1, (gaps(times), expected)


@simtime.simulated
async def test_chance_in_it():
    values = {"backoff_random_s": 30, "backoff_doublings": 0}
    async with Bench(REFUSED, **values) as b:
        await b.until(FAILED, 61)
        waits = gaps(b.at(FAILED))
        print(sorted(waits))
        assert 2 <= min(waits) < 7 and 27 < max(waits) < 33
        assert len(set(waits)) > 30


@simtime.simulated
async def test_no_wait_is_longer_than_the_keys_say():
    """Whatever the answer was, a refusal too."""
    for head in (
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\n\r\n",
        b"",
    ):
        async with Served(http(head)) as b:
            await b.until(FAILED, 9)
            for i, gap in enumerate(gaps(b.at(FAILED))):
                least = 2 ** min(i + 1, 6)
                assert least <= gap < least + 1, (head, gaps(b.at(FAILED)))


@simtime.simulated
async def test_the_line_says_what_to_do():
    """(What each answer of a server earns: mp_security.)"""
    async with Served(http(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as b:
        await b.until(FAILED)
        assert "403 Forbidden; may station CP1 connect here?" in b.lines[0][1], b.lines
        assert b.link.ends[0][1] == 1 and b.link.lost == 0
        # It is a security event too: seldom where it is what failed before.
        await b.until(FAILED, 3)
        why = "HTTP 403 Forbidden; may station CP1 connect here?"
        assert b.events[:3] == [(1, why, 300), (1, why, 3600), (1, why, 3600)], b.events
    async with Bench(REFUSED) as b:
        await b.until("ECONNREFUSED")


@simtime.simulated
async def test_addresses_in_order():
    """Each once and without a pause; then the back-off, then from the first again."""
    central = Central()
    async with Server(http(b"HTTP/1.1 500 One\r\n\r\n")) as one:
        async with Server(http(b"HTTP/1.1 500 Two\r\n\r\n")) as two:
            b = Bench(one, REFUSED, two)
            dialling = asyncio.create_task(connected(b))
            await b.until("Two", 3)
            words = [line.split(";")[0].split(": nobody")[0] for _, line in b.lines]
            words = [text.split(" ")[-1] for text in words]
            assert words == ["One", "ECONNREFUSED", "Two"] * 3, words
            times = [t for t, _ in b.lines]
            waits = gaps(times)
            assert [w > 1 for w in waits] == [False, False, True] * 2 + [False, False]
            assert 2 <= waits[2] < 3 and 4 <= waits[5] < 5
            dialling.cancel()
    async with Server(central) as good:
        b = Bench(REFUSED, good)
        before = simtime.seconds()
        assert await connected(b) - before < 1
        assert b.link.number == 2


@simtime.simulated
async def test_a_black_hole_takes_30_s():
    """TCP that hears nothing, and a server that takes the connection and says nothing; then the
    next address at once. Nothing is left open."""
    central = Central()
    with Full() as hole:
        async with Server(silent) as mute:
            async with Server(central) as good:
                open_before = descriptors()
                b = Bench(hole, mute, good)
                before = simtime.seconds()
                at = await connected(b) - before
                assert 60 <= at < 63, at
                for i in (1, 2):
                    line = "address %d: nothing was heard within 30 s" % i
                    assert len(b.at(line)) == 1, b.lines
                assert descriptors() <= open_before + 1  # (the server's side of the last)


@simtime.simulated
async def test_a_host_is_looked_up_and_remembered():
    central = Central()
    async with Server(central) as url:
        named = url.replace("127.0.0.1", "csms.invalid")
        b = Bench(named)
        dns = Dns(b, csms="127.0.0.1")
        await connected(b)
        assert dns.asked == ["csms.invalid"]
        assert b.link.known == {"csms.invalid": "127.0.0.1"}
        # A DNS server that says no, and one that says nothing: where it was last.
        for answer, limit_s in ((OSError("DNS: no"), 1), (None, 6)):
            dns.table["csms"] = answer
            b.link.number = 0
            before = simtime.seconds()
            assert await connected(b) - before < limit_s
            assert b.link.known == {"csms.invalid": "127.0.0.1"}
        assert "csms.invalid is not found: DNS: no; 127.0.0.1, where it was" in b.lines[1][1]
        # Another address counts once it has been reached.
        dns.table["csms"] = "127.0.0.2"
        b.link.number = 0
        dialling = asyncio.create_task(connected(b))
        await b.until("ECONNREFUSED")
        assert b.link.known == {"csms.invalid": "127.0.0.1"}
        dns.table["csms"] = "127.0.0.1"
        await dialling
        assert b.link.known == {"csms.invalid": "127.0.0.1"}


@simtime.simulated
async def test_a_host_that_nobody_knows():
    b = Bench("ws://csms.invalid/CP1")
    dns = Dns(b, csms=OSError("DNS: there is no host csms.invalid"))
    dialling = asyncio.create_task(connected(b))
    await b.until("csms.invalid is not found: DNS: there is no host")
    dns.table["csms"] = None
    before = simtime.seconds()
    await b.until("csms.invalid is not found: nobody answers")
    assert 15 <= simtime.seconds() - before < 20
    dialling.cancel()


@simtime.simulated
async def test_the_network_returns():
    """While there is none nothing is dialled; when it comes it is, at once."""
    async with Bench(REFUSED, backoff_s=300) as b:
        up = [False]
        b.link.network = lambda: up[0]
        await b.until(FAILED)
        await asyncio.sleep(400)
        assert len(b.at(FAILED)) == 1
        up[0] = True
        before = simtime.seconds()
        await b.until(FAILED, 2)
        assert simtime.seconds() - before < 2
        await asyncio.sleep(290)  # it has been there all the time: the back-off counts
        assert len(b.at(FAILED)) == 2
        up[0] = False
        await asyncio.sleep(5)
        up[0] = True
        await asyncio.sleep(2)
        assert len(b.at(FAILED)) == 3


@simtime.simulated
async def test_no_memory_is_no_fault_of_an_address():
    """It is noted, counts as a dial that failed, and ends the task: app/tasks.py sees to it."""
    for e in (MemoryError(), OSError(12)):

        async def fails(*args, e=e, **more):
            raise e

        b = Bench(REFUSED)
        real, dial.uwebsockets.connect = dial.uwebsockets.connect, fails
        try:
            await dial.connect(b.link)
            raise AssertionError("connected")
        except MemoryError:
            assert len(b.link.ends) == 1 == b.settings.failed
        finally:
            dial.uwebsockets.connect = real


def test_the_identity_in_the_path():
    for text, path in (
        ("CP1", "CP1"),
        ("RDAM 12/3\xe9", "RDAM%2012%2F3%C3%A9"),
        ("a-._~:@!$&'()*+,;=b", "a-._~:@!$&'()*+,;=b"),
        ("%?#[]", "%25%3F%23%5B%5D"),
    ):
        assert dial._quoted(text) == path, dial._quoted(text)
