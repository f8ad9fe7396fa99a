"""ocpp/link.py: what ends a connection, how soon, and what is remembered of it. In simulated time,
with real sockets; dialling is in mp_dial.py."""

import simtime  # noqa: I001 (first: the others are to find its time)

import asyncio
import sys

from linkrig import Bench, Central, Served, gaps
from mp_uwebsockets_peer import BINARY, PING, TEXT, Server, close, frame

from firmware.app import farewell
from firmware.ocpp import schema
from firmware.ocpp.rpc import Rpc
from firmware.ocpp.v16 import shapes

HEAP = "320K"  # (Central Systems are in it)
SPEAKS = "Central System: "
UP = "connected to"


@simtime.simulated
async def test_a_peer_that_answers_pings_stays():
    for period_s in (1, 60, 400):
        central = Central()
        async with Served(central, ping_s=period_s) as b:
            await asyncio.sleep(6 * period_s)
            assert b.link.online and b.link.lost == 0 and b.link.ends == []
            between = gaps(central.pings)
            assert len(between) >= 2
            for gap in between:
                assert period_s <= gap < period_s + 1.5, between


@simtime.simulated
async def test_silence_is_noticed_within_two_periods():
    """No pong, and nothing else: as when the peer's power is gone. From the last sign of life."""
    for period_s in (5, 60, 200):
        central = Central()
        async with Served(central, ping_s=period_s) as b:
            await b.until(UP)
            lost = 0
            for after_s in (0, 2.3):  # (in the middle of a period, and not)
                await asyncio.sleep(after_s * period_s)
                await central.open.wait()
                central.mute = True
                began = simtime.seconds()
                while b.link.online:
                    await asyncio.sleep_ms(500)
                took_s = simtime.seconds() - began
                assert period_s - 1 <= took_s <= 2 * period_s + 3, took_s
                lost += 1
                await b.until(SPEAKS, lost)
                assert "no sign of life for" in b.reason(), b.reason()
                central.mute = False
                await b.until(UP, b.link.lost + 1)


class Slow(Rpc):
    """Takes a minute to answer, as signatures may."""

    took_s = 60

    async def receive(self, frame):
        await asyncio.sleep(self.took_s)


@simtime.simulated
async def test_who_waits_for_our_answer_is_not_silent():
    """While a request is answered nothing is read: that no pong was seen says nothing then, but
    afterwards it does."""

    async def ask(central):
        await central.put(frame(TEXT, b'[2,"a","Some",{}]'))

    central = Central(ask)
    rpc = Slow(None, print)
    async with Served(central, rpc=rpc, ping_s=5) as b:
        await b.until(UP)
        await asyncio.sleep(70)
        assert b.link.online and b.link.lost == 0
        central.mute = True
        await b.until("no sign of life for")
        assert simtime.seconds() < 95


@simtime.simulated
async def test_whatever_it_says_is_a_sign_of_life():
    """A server that answers no pings, but talks, is not cut off."""
    for sign in (frame(TEXT, b"x"), frame(PING)):

        async def do(central, sign=sign):
            for _ in range(20):
                await asyncio.sleep(50)
                await central.put(sign)

        central = Central(do)
        async with Served(central) as b:
            await asyncio.sleep(1005)
            assert b.link.online and b.link.lost == 0


@simtime.simulated
async def test_without_pings_it_is_the_heartbeat():
    central = Central()
    async with Served(central, ping_s=0, heartbeat_s=100) as b:
        await central.open.wait()
        for _ in range(5):
            await asyncio.sleep(150)
            await central.put(frame(TEXT, b"x"))
        assert b.link.online and central.pings == []
        began = simtime.seconds()
        await b.until(SPEAKS)
        assert 198 < simtime.seconds() - began < 204
        assert b.reason() == "no sign of life for 200 s"


@simtime.simulated
async def test_a_changed_ping_interval_is_in_force_at_once():
    central = Central()
    async with Served(central, ping_s=3600) as b:
        await asyncio.sleep(100)
        b.settings.values["ping_s"] = 10
        await asyncio.sleep(25)
        assert len(central.pings) >= 2
        b.settings.values["ping_s"] = 0
        await asyncio.sleep(300)  # (less than two heartbeats: it is not missed)
        n = len(central.pings)
        b.settings.values["ping_s"] = 10
        await asyncio.sleep(32)
        assert len(central.pings) - n in (2, 3) and b.link.lost == 0


@simtime.simulated
async def test_a_peer_that_never_reads():
    """It keeps TCP going and talks, but takes nothing: a send of ours never ends."""

    async def do(central):
        writer = central.writer
        while len(central.came) == 1 or central.writer is not writer:
            await asyncio.sleep(1)
            writer.write(frame(TEXT, b"and?"))
            await writer.drain()

    central = Central(do)
    async with Served(central, ping_s=5) as b:

        async def talk():
            while len(central.came) == 1:
                await b.rpc.ws.send(bytes(3000))
            await asyncio.Event().wait()

        b.talk = talk
        await b.until(UP)
        await b.until("Central System")
        assert b.reason() == "it does not read"
        assert 9 <= b.at("it does not read")[0] - b.at(UP)[0] <= 20
        await b.until(UP, 2)
        await asyncio.sleep(60)
        assert b.link.online and b.link.lost == 1


@simtime.simulated
async def test_no_answers():
    """It pongs, but answers no CALL: given up after three in a row, 30 s each. One answer in
    between, and it stays."""

    async def reply(central):
        while True:
            n = len(central.got)
            while len(central.got) == n:
                await central.hear()
            if n % 3 == 2:
                await central.put(frame(TEXT, b'[3,"%s",{}]' % central.got[-1].split(b'"')[1]))

    for do in (None, reply):
        central = Central(do)
        said = []
        schema.use(shapes)
        async with Served(central, rpc=Rpc(None, said.append)) as b:

            async def talk():
                while True:
                    try:
                        payload = {"connectorId": 1, "meterValue": []}
                        await b.rpc.call("MeterValues", payload)
                    except asyncio.TimeoutError:
                        pass

            b.talk = talk
            await asyncio.sleep(100)
            assert b.link.lost == (0 if do else 1), b.lines
            if not do:
                assert b.reason() == "no answer to 3 requests in a row"
                # (a second until that is noticed, 2 for the close frame, and the host)
                assert 90 <= b.at(b.reason())[0] - b.at(UP)[0] < 94
            await asyncio.sleep(300)
            assert b.link.lost == 0 or not do, b.lines


async def leave(central):
    await central.put(close(1001, b"maintenance\x1b[2J \xc3\xa9"))


async def drop(central):
    central.writer.s.close()
    raise OSError("dropped")


async def nonsense(central):
    await central.put(b"\xf1\x00")


@simtime.simulated
async def test_who_has_ended_it_and_why():
    for do, expected in (
        (leave, "it has closed the connection: 1001 maintenance?[2J ??"),
        (drop, "connection lost: TCP ended without a close frame"),
        (nonsense, "closed by us: 1002 reserved bits"),
    ):
        central = Central(do)
        async with Served(central) as b:
            await b.until(SPEAKS)
            when, times, text = b.link.ends[0]
            assert (times, text) == (1, expected), b.link.ends
            assert abs(when - simtime.seconds()) < 2 and b.link.lost == 1
            # What is no WebSocket is a security event too.
            assert b.events == ([(9, expected, 3600)] if do is nonsense else [])


@simtime.simulated
async def test_whatever_ends_the_talk_ends_the_connection():
    for failure, expected in (
        (None, "closed by us: 1001 "),
        (OSError(28), "closed by us: 1001 "),
        (MemoryError(), "sending ended: MemoryError()"),
        (ValueError("x"), "sending ended: ValueError('x',)"),
    ):
        central = Central()
        async with Served(central) as b:

            async def talk(failure=failure):
                if failure:
                    raise failure

            b.talk = talk
            await b.until(SPEAKS)
            assert b.reason() == expected, b.link.ends
            assert bool(failure) == bool(b.at("sending ended: %r" % failure))
            low = (8, "sending ended: MemoryError()", 3600)
            assert b.events == ([low] if isinstance(failure, MemoryError) else [])


def test_the_latest_reasons_are_kept():
    b = Bench()
    for text in ("one", "two", "two", "three", "two", "four" + "x" * 300):
        b.link.record(text)
    assert [(n, text) for _, n, text in b.link.ends[:-1]] == [(2, "two"), (1, "three"), (1, "two")]
    assert b.link.ends[-1][1] == 1 and b.reason() == "four" + "x" * 153 + "..."


@simtime.simulated
async def test_a_server_that_closes_at_once_is_not_hammered():
    """Each connection succeeds, none is any good: the back-off grows as if they had failed."""
    for do in (leave, drop):
        central = Central(do)
        async with Served(central) as b:
            await b.until(SPEAKS, 9)
            for gap, least in zip(gaps(central.came), (2, 4, 8, 16, 32, 64, 64, 64)):
                assert least <= gap < least + 3, gaps(central.came)


@simtime.simulated
async def test_a_good_connection_starts_the_back_off_afresh():
    """One that lived a minute and was answered; one that was not answered does not count."""
    for stays_s, unanswered, expected in (
        (50, 0, (2, 4, 8, 16)),
        (70, 0, (2, 2, 2, 2)),
        (70, 1, (2, 4, 8, 16)),
    ):

        async def do(central, stays_s=stays_s):
            await asyncio.sleep(stays_s)
            await leave(central)

        central = Central(do)
        async with Served(central) as b:
            b.rpc.unanswered = unanswered
            await b.until(SPEAKS, 5)
            for gap, least in zip(gaps(central.came), expected):
                assert least <= gap - stays_s < least + 3, gaps(central.came)


@simtime.simulated
async def test_one_that_was_accepted_is_no_failure():
    """However soon it ended: the waits do not grow. Unless nothing was answered on it, or it was
    not accepted."""
    for accepted, answered, expected in (
        (True, True, (2, 2, 2, 2, 2, 2, 2)),
        (True, False, (2, 4, 8, 16, 32, 64, 64)),
        (False, True, (2, 4, 8, 16, 32, 64, 64)),
    ):

        async def do(central):
            await asyncio.sleep(5)
            await leave(central)

        central = Central(do)
        async with Served(central) as b:
            b.accepted, b.rpc.answered = accepted, answered
            await b.until(SPEAKS, 8)
            for gap, least in zip(gaps(central.came), expected):
                assert least <= gap - 5 < least + 3, gaps(central.came)


@simtime.simulated
async def test_a_short_one_gives_the_next_address_its_turn():
    """Accepted or not; each has one turn a round."""
    first, second = Central(leave), Central(leave)
    async with Server(first) as one:
        async with Server(second) as two:
            async with Bench(one, two) as b:
                b.accepted = b.rpc.answered = True
                await b.until(SPEAKS, 9)
                every = [(t, 1) for t in first.came] + [(t, 2) for t in second.came]
                every = sorted(every)
                assert [n for _, n in every] == [1, 2] * 4 + [1], every
                for i, gap in enumerate(gaps([t for t, _ in every])):
                    # (2 s of it are the end of the connection before)
                    assert gap < 3 if i % 2 == 0 else 4 <= gap < 6, every


@simtime.simulated
async def test_a_connection_that_is_no_good_gives_the_next_address_its_turn():
    first, second = Central(leave), Central()
    async with Server(first) as one:
        async with Server(second) as two:
            async with Bench(one, two) as b:
                await second.open.wait()
                assert second.came[0] - first.came[0] < 3
                await asyncio.sleep(70)
                first.do = None
                await leave(second)  # it was a good one: from the first again
                await b.until(UP, 3)
                assert 2 <= first.came[1] - second.came[0] - 70 < 5


@simtime.simulated
async def test_one_that_we_end_is_dialled_at_once():
    central = Central()
    async with Served(central) as b:
        for after_s in (1, 100):
            await central.open.wait()
            await asyncio.sleep(after_s)
            began = simtime.seconds()
            b.link.close("another AuthorizationKey")
            await b.until(SPEAKS, b.link.lost + 1)
            assert b.reason() == "another AuthorizationKey"
            await b.until(UP, b.link.lost + 1)
            assert simtime.seconds() - began < 3


@simtime.simulated
async def test_the_end_before_a_restart():
    """1012, and a second at most, whatever the peer does: it may answer, ignore it, or not even
    read. Without a connection it takes no time."""

    async def obey(central):
        while not central.codes:
            await central.hear()
        await leave(central)
        raise EOFError

    async def ignore(central):
        await over.wait()

    async def send(ws):
        try:
            while True:
                await ws.send(bytes(3000))
        except OSError:
            pass

    for do, stuck, least_s, most_s in (
        (obey, False, 0, 0.5),
        (ignore, False, 0.9, 1.5),
        (ignore, True, 0.9, 1.5),
    ):
        central, over = Central(do), asyncio.Event()
        async with Served(central) as b:
            await farewell.leave(b.link)  # (not connected yet)
            await central.open.wait()
            await asyncio.sleep(2)
            if stuck:
                sending = asyncio.create_task(send(b.rpc.ws))
                await asyncio.sleep(5)
            before = simtime.seconds()
            await farewell.leave(b.link)
            took_s = simtime.seconds() - before
            assert least_s <= took_s <= most_s, took_s
            assert central.codes == ([1012] if do == obey else []), central.codes
            assert stuck or b.reason() == "restart"
            assert not b.at("sending ended")
            if stuck:
                await sending
            over.set()


@simtime.simulated
async def test_what_is_not_text_is_ignored():
    async def do(central):
        await central.put(frame(BINARY, b"[2]") + frame(TEXT, b"[3]"))

    async with Served(Central(do)) as b:
        await b.until("frame ignored: binary")
        while not b.rpc.got:
            await asyncio.sleep_ms(10)
        assert b.rpc.got == [b"[3]"] and b.link.online


@simtime.simulated
async def test_what_only_a_dial_needs_is_forgotten():
    async with Served(Central()) as b:
        await b.until(UP)
        await asyncio.sleep(1)
        for name in ("firmware.ocpp.dial", "firmware.ocpp.security", "uwebsockets.client"):
            assert name not in sys.modules, name
            package, _, name = name.rpartition(".")
            assert not hasattr(sys.modules[package], name), name
