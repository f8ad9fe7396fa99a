"""What profiles cost at the Central System: a round trip in each language, and a report."""

import asyncio
import time

from bench import PORT, measurement, rounds
from bench.station import cpu_s, firmware_bytes, install, station
from host.csms import V16, V201
from host.process import WAIT_s
from host.profile import profile_201

ROUNDS, REPORTS = 40, 5


@measurement
def set_charging_profile():
    """Round trips of SetChargingProfile (checked, stored, in force, answered), ms on this
    machine's 64-bit unix port: least and mean of many."""
    return round_trips(V16)


@measurement
def set_charging_profile_201():
    """The same in OCPP 2.0.1."""
    return round_trips(V201)


def round_trips(language):
    async def run():
        result = {}
        async with station(language=language) as (_, peer):
            for periods in (1, 24, 96):
                took = []
                for _ in range(rounds(ROUNDS)):
                    began = time.perf_counter()
                    await install(peer, 1, periods)
                    took.append((time.perf_counter() - began) * 1000)
                result[f"{periods}_periods_least_ms"] = round(min(took), 2)
                result[f"{periods}_periods_mean_ms"] = round(sum(took) / len(took), 2)
        return result

    return asyncio.run(run())


@measurement
def profile_reports():
    """GetChargingProfiles of 32 profiles of 96 periods: ms until the last message is here, and
    that the board's interpreter ran for it, each the least of some; live heap before and after.
    (What one message takes while it is made: mp_profile_reports.)"""

    async def run():
        async with station(
            "--interpreter", PORT, "--heap", "160K", connectors=2, language=V201
        ) as (process, peer):
            for i in range(32):
                steps = {900 * k: 6 + (k * 7 + i) % 26 for k in range(96)}
                p = profile_201(100 + i, "Default", steps, level=i % 16, kind="Relative")
                request = {"evseId": 1 + i // 16, "chargingProfile": p}
                conf = await peer.call("SetChargingProfile", request)
                assert conf["status"] == "Accepted", conf
            before = await firmware_bytes(process)
            took, ran = [], []
            for number in range(rounds(REPORTS)):
                began, began_s = time.monotonic(), cpu_s(process.board_pid())[0]
                since = peer.mark()
                request = {"requestId": number, "chargingProfile": {}}
                await peer.call("GetChargingProfiles", request)
                name = "ReportChargingProfiles"
                await peer.expect(name, lambda p: not p.get("tbc"), WAIT_s, since)
                took.append((time.monotonic() - began) * 1000)
                ran.append((cpu_s(process.board_pid())[0] - began_s) * 1000)
                told = peer.received(name, since)
            return {
                "messages": len(told),
                "least_ms": round(min(took), 1),
                "ran_least_ms": round(min(ran), 1),
                "heap_before_bytes": before,
                "heap_after_bytes": await firmware_bytes(process),
            }

    return asyncio.run(run())
