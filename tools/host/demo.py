"""`make run`: the main job for people to watch, in about two minutes.

A Central System, the station on a simulated wall and a car play a session; a day of quarter-hour
prices becomes a TxProfile of 96 periods, and simulated time runs fast while the car follows it.
Exits 0 only if the car followed the schedule in every period. In the environment: OCPP, the
version that is spoken, 1.6 or 2.0.1; WATCH, not empty: station and pages stay until Ctrl-C.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from pathlib import Path

from host.build import ROOT
from host.csms import LANGUAGES, V16, V201, CentralSystem, parse_time
from host.csms_201 import dialects
from host.csms_profiles import FIELDS
from host.csms_show import energy_wh
from host.demo_day import CEILING_A, CAR_mA, Day, MARGIN_mA, QUARTER_s, check, draws, picture
from host.process import StationProcess
from host.profile import in_201, profile
from host.station.wall_page import taken

SPEED_SESSION, SPEED_DAY = 20, 1400
DEADLINE_s = 60
ESCORT_s = 10  # simulated, that the station may be ahead of its Central System
PAGE, PAGES = 8080, 100  # where its page is, if nobody else is there; ports to try


class Failure(Exception):
    """The demonstration did not go as it should."""


class Station(StationProcess):
    """The station, showing its whole state where it waits for a connector's."""

    async def reaches(self, test):
        """Wait until test(connector) holds; -> state."""
        await self.until(test, timeout=DEADLINE_s)
        return await self.state()


def show(state, note="", price_ct=None):
    c = state["connectors"][0]
    by = c["limit_by"] or {}
    limit = "no limit" if c["limit_mA"] is None else f"{c['limit_mA'] / 1000:.1f} A"
    source = by.get("source", "-")
    if "profile" in by:
        source += f" #{by['profile']} level {by['stackLevel']}"
    duty = "X1    " if c["duty_u16"] == 65535 else f"{c['duty_u16'] / 655.36:5.2f} %"
    contactor = "closed" if c["contactor"] else "open"
    t = parse_time(state["t"]).astimezone()
    price = "" if price_ct is None else f"{price_ct:4.1f} ct"
    car_A = max(c["ev_mA"]) / 1000
    print(
        f"{t:%d %H:%M:%S} {price:>7} {limit:>8}  {source:<31} {duty:>7} {contactor:<9}"
        f" {car_A:4.1f} A  {note or '#' * round(car_A)}",
        flush=True,
    )


DIALECTS = dialects()


async def call(cs, action, payload):
    """Over the present connection; if that ends before it is answered, over the next."""
    while True:
        peer = await cs.wait_station("DEMO", timeout=DEADLINE_s)
        try:
            return await peer.call(action, payload, timeout=DEADLINE_s)
        except ConnectionError:
            print("--- the connection was lost")


async def ask(cs, action, payload):
    """A request that must be accepted."""
    conf = await call(cs, action, payload)
    if conf["status"] != "Accepted":
        raise Failure(f"{action} {json.dumps(payload)[:200]} was {conf}")


async def install(cs, language, connector, p):
    p = in_201(p) if language is V201 else p
    request = dict(zip(FIELDS[language], (connector, p), strict=True))
    await ask(cs, "SetChargingProfile", request)


def charges(mA):
    """A condition for Station.until: the car draws `mA`."""
    return lambda c: abs(max(c["ev_mA"]) - mA) <= MARGIN_mA


async def session(station, cs, day, looks):
    """The whole session; fills `day` in. `looks[k]()` is awaited where the day comes to its period
    k, while simulated time is slow."""
    peer = await cs.wait_station("DEMO", timeout=DEADLINE_s)
    language = peer.language
    await cs.until(lambda: peer.status.get(1), DEADLINE_s)
    print("local time    price    limit  decided by                        pilot contactor   car")
    show(await station.state(), "booted, accepted by the Central System")
    await station.do(f"ev max_mA={CAR_mA} phases=3")
    await station.do("plug")
    show(await station.reaches(lambda c: c["status"] == "Preparing"), "plugged in")
    await install(cs, language, 0, profile(1, "Default", {0: 16}, kind="Relative"))
    await station.do("tag DEMO-CARD")
    state = await station.reaches(charges(draws(16)))
    show(state, "authorised and started; a TxDefaultProfile of 16 A")
    begin = parse_time(state["t"])
    await install(cs, language, 0, profile(2, "Max", {0: 10}, startSchedule=begin))
    show(await station.reaches(charges(draws(10))), "a ceiling of 10 A for the whole station")
    await install(cs, language, 0, profile(2, "Max", {0: CEILING_A}, startSchedule=begin))
    state = await station.reaches(charges(draws(16)))
    show(state, f"the ceiling is {CEILING_A} A now")
    (transaction,) = cs.transactions

    day.begin(parse_time(state["t"]).astimezone())
    start = day.start
    p = profile(
        3, "Tx", {QUARTER_s * i: limit for i, limit in enumerate(day.limits)}, level=5,
        startSchedule=start, duration=96 * QUARTER_s, transactionId=transaction,
    )  # fmt: skip
    await install(cs, language, 1, p)
    print(f"--- a day of prices, as a TxProfile of 96 quarter hours from {start:%H:%M %Z}")
    await station.do(f"speed {SPEED_DAY}")
    latest, at = None, -1
    while at < 96:
        state = await station.state()
        k = int((parse_time(state["t"]) - start).total_seconds() // QUARTER_s)
        if k != at:
            if latest is not None and at >= 0:
                show(latest, price_ct=day.prices_ct[at])
            at = k
            if k in looks:
                await station.do(f"speed {SPEED_SESSION}")
                await looks[k]()
                await station.do(f"speed {SPEED_DAY}")
        latest = state
        await asyncio.sleep(0.02)
    await station.do(f"speed {SPEED_SESSION}")
    print("--- the day is over, the TxDefaultProfile shows again")
    show(await station.reaches(charges(draws(16))))
    pause = profile(4, "Tx", {0: 0}, level=6, kind="Relative", transactionId=transaction)
    await install(cs, language, 1, pause)
    state = await station.reaches(lambda c: c["status"] == "SuspendedEVSE" and not c["contactor"])
    show(state, "paused at 0 A: the transaction goes on")
    await ask(cs, *DIALECTS[language].clear(id=4))
    show(await station.reaches(charges(draws(16))), "resumed")
    await ask(cs, *DIALECTS[language].clear())
    show(await station.reaches(charges(draws(32, 32))), "all profiles cleared")
    await ask(cs, *DIALECTS[language].stop(transaction))
    await cs.until(lambda: cs.transactions[transaction]["stop"], DEADLINE_s)
    show(
        await station.reaches(lambda c: c["status"] == "Finishing"),
        "stopped by the Central System",
    )
    await station.do("unplug")
    show(await station.reaches(lambda c: c["status"] == "Available"), "unplugged")
    if peer.violations:
        raise Failure(f"the Central System complains: {peer.violations}")
    day.transaction = cs.transactions[transaction]


@asynccontextmanager
async def stage(protocol):
    """-> a Central System of `protocol`, and the station with its pages. Both end with it."""
    cs = CentralSystem(port=0, protocols=(protocol,))
    cs.heartbeat_interval = 7200
    await cs.start()
    folder = tempfile.TemporaryDirectory(prefix="pilotwire-run-")
    config = Path(folder.name) / "config.json"
    config.write_text(json.dumps({"protocols": [protocol]}))
    free = next(port for port in range(PAGE, PAGE + PAGES) if not taken(port))
    station = Station(
        folder.name, "--url", cs.url, "--id", "DEMO", "--speed", SPEED_SESSION,
        "--config", config, "--page", free, quiet=True,
    )  # fmt: skip
    escort = None
    try:
        await station.start()
        # So fast, a Central System that has to wait for the processor would be silent for minutes.
        escort = asyncio.create_task(station.escort(ESCORT_s))
        yield cs, station
    finally:
        if escort:
            escort.cancel()
        await station.stop()
        await cs.stop()
        folder.cleanup()


async def addresses(station):
    """-> of the unit's page, with its password, and of the wall's"""
    wall = await station.wait_output("wall and car on ")
    page = await station.wait_output("page on ")
    return [line.partition(" on ")[2] for line in (page, wall)]


async def play(cs, station, looks=None):
    """The session and what became of it; -> the exit status."""
    began = datetime.now(timezone.utc)
    day = Day()
    try:
        await session(station, cs, day, looks or {})
    except (Failure, AssertionError, asyncio.TimeoutError) as e:
        print(f"FAILED: {e}", *station.output[-8:], sep="\n  ")
    trace = station.trace()
    if day.start:
        path = ROOT / "build" / "run.svg"
        picture(trace, day, path)
        print(f"\nPrices, limit, pilot and car over time: {path}")
    if not day.transaction:
        return 1
    wrong = check(trace, day.start, day.limits)
    energy_kWh = energy_wh(day.transaction) / 1000
    took_s = (datetime.now(timezone.utc) - began).total_seconds()
    print(
        f"{96 - len(wrong)} of 96 quarter hours followed. {energy_kWh:.1f} kWh in one transaction"
        f" (the battery of this car has no bottom). {took_s:.0f} s for a simulated day."
    )
    for k, what in wrong:
        print(f"  period {k}: {what}")
    return 1 if wrong else 0


async def stay(station, page, wall):
    """The station goes on, as fast as real time, until somebody ends it."""
    await station.do("speed 1")
    print(f"\nThe station goes on: {page}; the wall and the car: {wall}.")
    print("Ctrl-C ends it.", flush=True)
    try:
        await station.process.wait()
    except asyncio.CancelledError:  # (run's: Ctrl-C)
        print()


async def run():
    protocol = f"ocpp{os.environ.get('OCPP') or V16.version}"
    if protocol not in LANGUAGES:
        versions = " or ".join(language.version for language in LANGUAGES.values())
        print(f"make run OCPP={versions}", file=sys.stderr)
        return 2
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, asyncio.current_task().cancel)
    async with stage(protocol) as (cs, station):
        page, wall = await addresses(station)
        print(f"Watch it: {page}; the wall and the car: {wall}", flush=True)
        status = await play(cs, station)
        if os.environ.get("WATCH"):
            await stay(station, page, wall)
    return status


def main():
    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        return 130


if __name__ == "__main__":
    sys.exit(main())
