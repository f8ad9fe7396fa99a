"""The whole firmware through tools/station: heap on the 32-bit port, and round trips."""

import asyncio
import contextlib
import tempfile
import time

from bench import PORT, measurement, min_heap
from host.csms import CentralSystem
from host.process import StationProcess
from host.profile import profile

ROUNDS = 40


@contextlib.asynccontextmanager
async def station(*words):
    """-> (StationProcess, the Central System's connection to it)"""
    cs = CentralSystem()
    await cs.start()
    with tempfile.TemporaryDirectory(prefix="pilotwire-bench-") as folder:
        process = StationProcess(folder, "--url", cs.url, "--id", "B", *words, quiet=True)
        try:
            await process.start()
            peer = await cs.wait_station("B", 5)
            await peer.expect("StatusNotification", lambda p: p["connectorId"] == 1, 5)
            yield process, peer
        finally:
            process.kill()
            await process.ended()
            await cs.stop()


def daily(number, periods):
    """A TxDefaultProfile; ten of a connector and ten of the station have places of their own."""
    steps = {86400 // periods * k: 6 + (k * 7 + number) % 26 for k in range(periods)}
    more = {"recurrencyKind": "Daily", "startSchedule": "2026-01-01T00:00:00Z"}
    return profile(number, "Default", steps, level=number % 10, kind="Recurring", **more)


async def install(peer, number, periods):
    request = {"connectorId": number // 10 % 2, "csChargingProfiles": daily(number, periods)}
    conf = await peer.call("SetChargingProfile", request)
    if conf["status"] != "Accepted":
        raise RuntimeError(conf)


async def firmware_bytes(process):
    heap = (await process.state())["heap"]
    return heap["alloc"] - heap["simulator"]


@measurement
def heap_connected():
    """Live heap of the firmware (without the simulator) on the 32-bit port; heap_connected_files:
    with the code in .mpy files."""
    return connected("romfs", "128K")


@measurement
def heap_connected_files():
    return connected("files", "144K")


def connected(code, heap):
    words = "--interpreter", PORT, "--code", code, "--heap", heap

    async def run():
        async with station(*words) as (process, peer):
            result = {"connected_bytes": await firmware_bytes(process)}
            for number in range(16):
                await install(peer, number, 24)
            result["with_16_profiles_of_24_periods_bytes"] = await firmware_bytes(process)
            await install(peer, 3, 96)
            result["and_one_of_96_bytes"] = await firmware_bytes(process)
            result["budget_bytes"] = 72 * 1024
            return result

    return asyncio.run(run())


@measurement
def min_heap_run():
    """The smallest -X heapsize= on the 32-bit port, simulator included, with which the station
    boots, connects and takes in a profile of 96 periods."""

    async def run(heap):
        async with station("--interpreter", PORT, "--heap", str(heap)) as (_, peer):
            await install(peer, 1, 96)

    def works(heap):
        try:
            asyncio.run(run(heap))
        except (RuntimeError, OSError, AssertionError, TimeoutError, asyncio.TimeoutError):
            return False
        except Exception as error:  # CallError InternalError: no memory for it
            if type(error).__name__ != "CallError":
                raise
            return False
        return True

    return min_heap(works, low=48 << 10, high=192 << 10, step=1024)


@measurement
def set_charging_profile():
    """Round trips of SetChargingProfile (checked, stored, in force, answered), ms on this
    machine's 64-bit unix port: least and mean of many."""

    async def run():
        result = {}
        async with station() as (_, peer):
            for periods in (1, 24, 96):
                took = []
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    await install(peer, 1, periods)
                    took.append((time.perf_counter() - began) * 1000)
                result[f"{periods}_periods_least_ms"] = round(min(took), 2)
                result[f"{periods}_periods_mean_ms"] = round(sum(took) / len(took), 2)
        return result

    return asyncio.run(run())
