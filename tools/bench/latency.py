"""From the instant at which a period of a profile begins to the duty being written, idle and
while the Central System asks for as much as it can."""

import asyncio
import itertools
import json
import statistics
import time
import uuid
from datetime import timedelta

from bench import PORT, measurement, rounds
from bench.station import charge, cpu_s, daily, station
from host.csms import parse_time
from host.process import WAIT_s
from host.profile import profile

BOUNDARIES = 32
FROM_A = 31  # less and less from there: that is followed at once
STANDS_s = 8  # before that, so that the pilot gets there (PilotwireIncreaseDelay)
TARGET_ms = 50
ID = 1000000
PIPELINED = 4
DEADLINE_s = 240
CLOCK = timedelta(milliseconds=200)  # so far the board's clock may be ahead of the wall's


def call(action, payload):
    return json.dumps([2, uuid.uuid4().hex, action, payload])


def everything():
    """SetChargingProfile puts a new profile in one of 20 places each time, so all of them are
    written; none is in force."""
    for number in itertools.count():
        profiles = {"connectorId": number // 10 % 2, "csChargingProfiles": daily(number, 96)}
        yield "SetChargingProfile", profiles
        yield "GetConfiguration", {}
        yield "GetCompositeSchedule", {"connectorId": 1, "duration": 86400}


def questions():
    """What the evaluator has no part in: a request that changes limits has them worked out
    before its answer leaves, and so serves the boundary that it meets."""
    while True:
        yield "GetConfiguration", {}


async def flood(peer, requests, took, over):
    """Make one of `requests` after another, each at once after the answer, until `over`."""
    for action, payload in requests:
        if over.is_set():  # (Python 3.10's wait_for may swallow a cancellation)
            break
        text = call(action, payload)
        began = time.perf_counter()
        answer = await peer.raw(text, timeout=WAIT_s)
        took.setdefault(action, []).append((time.perf_counter() - began) * 1000)
        if answer[0] != 3 or answer[2].get("status", "Accepted") != "Accepted":
            raise RuntimeError(f"{action}: {answer}")
        peer.messages.clear()  # (that many would make this process slow)


async def boundaries(process, peer, transaction):
    """Latencies in ms at so many changes, one a second."""
    count = rounds(BOUNDARIES)
    now = parse_time((await process.state())["t"])
    begin = now + timedelta(seconds=2)
    steps = {0: FROM_A} | {STANDS_s + k: FROM_A - k / 2 for k in range(1, count + 2)}
    request = profile(ID, "Tx", steps, level=9, startSchedule=begin, transactionId=transaction)
    text = call("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": request})
    answer = await peer.raw(text, timeout=WAIT_s)
    if answer[2] != {"status": "Accepted"}:
        raise RuntimeError(answer)
    await asyncio.sleep(STANDS_s + count + 3)
    out = []
    for second in range(STANDS_s + 1, STANDS_s + count + 1):
        at = begin + timedelta(seconds=second)
        wanted = int(steps[second] * 1000) * 65536 // 60000
        late = [
            (parse_time(e["t"]) - at).total_seconds() * 1000
            for e in process.trace("pilot", 1)
            if e["duty_u16"] == wanted and parse_time(e["t"]) >= at - CLOCK
        ]
        if not late or late[0] >= 1000:
            raise RuntimeError(f"no change at {at}: {process.trace('pilot', 1)[-5:]}")
        out.append(late[0])
    return out


def figures(late, name):
    return {
        f"{name}_min_ms": min(late),
        f"{name}_median_ms": statistics.median(late),
        f"{name}_max_ms": max(late),
        f"{name}_boundaries": len(late),
        f"{name}_boundaries_over_{TARGET_ms}_ms": sum(ms > TARGET_ms for ms in late),
    }


async def phase(process, peer, transaction, name, outstanding, requests):
    """The figures with so many requests of the Central System outstanding at any time."""
    took = {}
    over = asyncio.Event()
    floods = [asyncio.create_task(flood(peer, requests, took, over)) for _ in range(outstanding)]
    board = process.board_pid()
    before, began = cpu_s(board), time.monotonic()
    try:
        late = await boundaries(process, peer, transaction)
    finally:
        took_s = time.monotonic() - began
        after = cpu_s(board)
        over.set()
        await asyncio.gather(*floods)
    result = figures(late, name)
    for what, now_s, before_s in zip(("ran", "waited_for_cpu"), after, before, strict=True):
        result[f"{name}_board_{what}_share"] = round((now_s - before_s) / took_s, 3)
    for action, ms in took.items():
        result[f"{name}_{action}_calls"] = len(ms)
        result[f"{name}_{action}_round_trip_median_ms"] = round(statistics.median(ms), 1)
        result[f"{name}_{action}_round_trip_max_ms"] = round(max(ms), 1)
    return result


PHASES = {
    "idle": (0, ()),
    "loaded": (1, everything()),
    "asked": (PIPELINED, questions()),
}


@measurement
def latency():
    """ms at --speed 1, on this machine, by the board's own clock. idle: nothing else happens.
    loaded: everything at once, as fast as OCPP-J 4.1.1 allows, one request outstanding. asked:
    only questions, PIPELINED of them outstanding. Where the board waited for a processor, the
    machine was busy with something else, and the figures are too large."""

    async def run():
        result = {"target_max_ms": TARGET_ms}
        async with station("--interpreter", PORT) as (process, peer):
            transaction = await charge(process, peer)
            for name, (outstanding, requests) in PHASES.items():
                result |= await phase(process, peer, transaction, name, outstanding, requests)
            if peer.violations:
                raise RuntimeError(peer.violations)
        return result

    return asyncio.run(asyncio.wait_for(run(), DEADLINE_s))
