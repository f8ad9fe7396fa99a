"""A Central System that floods, chokes, cuts off and lies. Whatever it does: the car goes on
charging at its limit, the tick comes, the station talks to the next one, and nothing is kept.

How long the tick had to wait is measured in CPU time of the station's own process (sim/esp32/
gauge.py), so that a busy host does not count. One station for all: 32-bit, with the ESP32's heap.
"""

import asyncio
import json
import re
import sys
from datetime import datetime, timezone

import pytest
from station_driver import ESP32_HEAP, Shared, draws, duty

from bench.station import firmware_bytes
from host.build import ROOT
from host.process import WAIT_s
from host.profile import profile

sys.path.insert(0, str(ROOT))

from tests.prove_link.server import CLOSE, CONFS, PING, PONG, TEXT, Server, call, frame  # noqa: E402

STEP_us = 20_000  # of CPU; a step of one task
TICK_us = 25_000
KEPT = 1024  # bytes of heap that may be live more than before
PLAYS = 4  # of a scenario, if each leaves more than that
ANSWER_s = 30  # that the station waits for one
NAMES = 40  # that an attack and what looks at it may add: a name is never forgotten
LEAK = 64  # bytes that nothing may leave again and again: 15 scenarios of it stay below KEPT
KEY = {"key": ["NumberOfConnectors"]}


@pytest.fixture(scope="module")
def charging(tmp_path_factory, micropython32):
    """`charging(scenario)` runs scenario(b, server) in place of the Central System, and looks at
    what it has done."""
    folder = tmp_path_factory.mktemp("hostile")
    with Shared(folder, interpreter=micropython32, heap=ESP32_HEAP) as shared:

        async def begin(b):
            b.hostile = True
            for key, value in (
                ("MeterValueSampleInterval", "0"),
                ("WebSocketPingInterval", "60"),
                ("RetryBackOffWaitMinimum", "1"),
                ("RetryBackOffRepeatTimes", "0"),
                ("RetryBackOffRandomRange", "0"),
            ):
                await b.key(key, value)
            id = await b.charge()
            await b.set_profile(profile(3, "Tx", {0: 13}, transactionId=id), 1)
            await b.pilot(13000)
            await b.process.until(lambda c: c["ev_mA"] == draws(13000))
            await b.process.command("gauge")  # (loads it)
            for once in (
                harmless,
                requests_at_once,
            ):  # all paths are gone once, all names are known
                await in_place_of_it(b, once)
            b.heap, b.known = await live(b), (await b.names())[0]
            b.before = await situation(b)

        shared(begin)

        def play(scenario):
            async def run(b):
                await b.process.command("gauge")
                mark = b.process.mark()
                gauge = await in_place_of_it(b, scenario)
                assert await situation(b) == b.before
                shown = {e["duty_u16"] for e in b.process.trace()[mark:] if e["what"] == "pilot"}
                assert shown <= {duty(13000)}
                grown = [await live(b, b.heap + KEPT) - b.heap]
                # What looks like a pointer to the collector, in a task that waits, may keep what
                # that task had last, about 900 B, for long; a leak grows each time.
                while grown[-1] > KEPT and len(grown) < PLAYS:
                    await in_place_of_it(b, scenario)
                    grown.append(await live(b) - b.heap)
                    if grown[-1] - grown[-2] <= LEAK:
                        break
                print(f"{scenario.__name__}: {gauge}, heap {grown} B")
                assert len(grown) < PLAYS and max(grown) <= 3 * KEPT, grown
                assert (await b.names())[0] <= b.known + NAMES
                assert gauge["ticks"] > 5
                assert gauge["step_us"] < STEP_us
                assert gauge["between_us"] < TICK_us + STEP_us

            shared(run)

        yield play


async def in_place_of_it(b, scenario):
    """Let the station come to a server that plays `scenario`, and then back; -> the gauge."""
    before, port = b.st, int(re.search(r":(\d+)", b.cs.url)[1])
    await b.cs.stop()
    CONFS["Heartbeat"]["currentTime"] = datetime.now(timezone.utc).isoformat()[:19] + "Z"
    async with Server(port) as server:
        await scenario(b, server)
        gauge = await b.process.command("gauge")
    await b.back(before)
    await b.settled()
    return gauge


async def live(b, most=0):
    """Bytes of the firmware's heap without the table of names, which doubles where it is full."""
    table_bytes = (await b.names())[1]
    return await firmware_bytes(b.process, most and most + table_bytes) - table_bytes


async def situation(b):
    c = await b.process.connector()
    names = ("status", "transactionId", "idTag", "limit_mA", "limit_by", "pilot_mA", "ev_mA")
    return {name: c[name] for name in names}


async def harmless(b, server):
    peer = await server.friend()
    peer.write(call("GetConfiguration", {}, 0))
    peer.write(call("GetCompositeSchedule", {"connectorId": 1, "duration": 86400}, 1))
    await peer.still_there()
    peer.reset()


# Floods

MANY = (
    ("GetConfiguration", KEY),
    ("GetCompositeSchedule", {"connectorId": 1, "duration": 3600}),
    ("ChangeAvailability", {"connectorId": 0, "type": "Operative"}),
    ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
    ("DataTransfer", {"vendorId": "Pilotwire", "messageId": "LimitReason"}),
    ("ReserveNow", {}),
    ("ClearChargingProfile", {"id": 99}),
    ("Reset", {"type": "Warm"}),
    ("UnlockConnector", {"connectorId": 1}),
    ("ChangeConfiguration", {"key": "NumberOfConnectors", "value": "9"}),
)


def flood(n):
    return b"".join(call(*MANY[i % len(MANY)], i) for i in range(n))


async def requests_at_once(b, server):
    """1,000 requests in one write: each is answered, in order."""
    peer = await server.friend()
    peer.write(flood(1000))
    await peer.until(lambda: len(peer.answers()) >= 1000)
    assert peer.answers() == [f"h{i}" for i in range(1000)]


async def requests_and_no_answers(b, server):
    """The same, while the station's own requests are not answered at all."""
    peer = await server.peer()
    begin = await b.now()
    peer.read()
    peer.write(flood(1000))
    await peer.until(lambda: len(peer.answers()) >= 1000)
    # One at a time, and each is waited for (a busy host needs minutes for the flood).
    assert 1 <= len(peer.calls()) <= 1 + (await b.now() - begin).total_seconds() // ANSWER_s


async def pings(b, server):
    peer = await server.friend()
    peer.write(b"".join(frame(b"p" * 125, PING) for _ in range(1000)))
    await peer.still_there()
    assert (PONG, b"p" * 125) in peer.frames


# Too slow, too large, too small


async def reads_nothing(b, server):
    """It asks and asks, pings, and reads no answer: the station gives it up."""
    await ping(server, 5)
    peer = await server.peer()
    peer.writer.transport.pause_reading()
    big = call("GetConfiguration", {}, 0) + frame(b"p" * 125, PING)

    async def ask():
        while not peer.writer.transport.is_closing():
            peer.write(big * 20)
            await peer.writer.drain()

    asking = asyncio.create_task(ask())
    again = await server.raw()  # (it has dialled again)
    asking.cancel()
    again.reset()
    await ping(server, 60)


async def ping(server, seconds):
    """Set the station's WebSocketPingInterval."""
    peer = await server.friend()
    change = {"key": "WebSocketPingInterval", "value": str(seconds)}
    peer.write(call("ChangeConfiguration", change, 1))
    await peer.still_there()
    peer.reset()


async def a_megabyte(b, server):
    """Closed with 1009, and not read."""
    peer = await server.friend()
    peer.write(frame(b"x" * 1_000_000))
    await peer.until(lambda: peer.gone.is_set())
    assert (CLOSE, (1009).to_bytes(2, "big")) in [(op, data[:2]) for op, data in peer.frames]


async def fragments(b, server):
    """A request in 100,000 fragments, most of them of no byte. They hold up all other answers: in
    real time a busy host gets through them before the station gives the connection up."""
    await b.do("speed 1")
    peer = await server.friend()
    text = json.dumps([2, "h1", "GetConfiguration", KEY]).encode()
    peer.write(frame(text[:1], TEXT, False))
    for byte in text[1:]:
        peer.write(frame(b"", 0, False) * (100_000 // len(text)) + frame(bytes([byte]), 0, False))
    peer.write(frame(b"", 0))
    try:
        await peer.until(lambda: peer.answers() == ["h1"], 3 * WAIT_s)
    finally:
        await b.do(f"speed {b.speed}")


# The end, in the middle of something


async def ends_in_a_frame(b, server):
    data = call("GetConfiguration", KEY, 1)
    pieces = frame(data[2:9], TEXT, False) + frame(data[9:12], 0, False)
    for end in ("reset", "close"):
        for part in (data[:1], data[:2], data[:-1], pieces, frame(b"p", PING)[:-1]):
            peer = await server.friend()
            peer.write(part)
            peer.reset() if end == "reset" else peer.writer.close()


async def ends_in_an_answer(b, server):
    """While the station sends a long one."""
    for size in (1, 100, 1000):
        peer = await server.peer()
        peer.write(call("GetConfiguration", {}, 1) * 3)
        await peer.reader.readexactly(size)
        peer.reset()


async def ends_in_the_handshake(b, server):
    peer = await server.raw()
    peer.reset()  # (before the request)
    for limit in (0, 1, 12, 40, 120):
        peer = await server.raw()
        peer.agree(await peer.request(), limit)
        peer.reset()


async def closes_and_goes_on(b, server):
    """Requests behind its close frame."""
    peer = await server.peer()
    peer.read()
    peer.write(frame((1000).to_bytes(2, "big"), CLOSE) + flood(50))
    await peer.until(lambda: peer.gone.is_set())
    assert peer.answers() == []


SCENARIOS = (
    requests_at_once,
    requests_and_no_answers,
    pings,
    reads_nothing,
    a_megabyte,
    fragments,
    ends_in_a_frame,
    ends_in_an_answer,
    ends_in_the_handshake,
    closes_and_goes_on,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_hostile(charging, scenario):
    charging(scenario)
