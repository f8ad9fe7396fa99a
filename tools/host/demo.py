"""`make run`: the main job for people to watch, in about a minute.

A Central System, the station on a simulated wall and a car play a session; a day of quarter-hour
prices becomes a TxProfile of 96 periods, and simulated time runs fast while the car follows it.
Exits 0 only if the car followed the schedule in every period. OCPP, in the environment, is the
version that is spoken: 1.6 or 2.0.1.
"""

import asyncio
import json
import os
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from host.build import ROOT
from host.csms import LANGUAGES, V16, V201, CentralSystem, parse_time
from host.csms_201 import dialects
from host.csms_profiles import FIELDS
from host.csms_show import energy_wh
from host.plot import step_plot
from host.process import StationProcess
from host.profile import in_201, profile

SPEED_SESSION, SPEED_DAY = 20, 1400
CEILING_A = 25
HARDWARE_A = 32
CAR_mA = 22000
QUARTER_s = 900
# A car may take its time after a change: 5 s between duty changes and 5 s to follow are the
# standard's; the rest is how coarse simulated time is when it runs this fast.
SETTLE_s = 120
MARGIN_mA = 150
DEADLINE_s = 60
ESCORT_s = 10  # simulated, that the station may be ahead of its Central System
# ct/kWh by the hour: cheap at night and at noon, dear in the evening.
PRICES_ct = (
    24, 22, 21, 20, 21, 25, 33, 38, 36, 30, 24, 18,
    15, 14, 16, 22, 31, 42, 47, 44, 37, 32, 28, 25,
)  # fmt: skip


def limit_for(price_ct):
    """The limit in A at a price: the owner's rule of this demonstration."""
    if price_ct > 40:
        return 0.0
    if price_ct > 32:
        return 6.5
    return 32.0 if price_ct < 20 else round(16 + (32 - price_ct) * 0.7, 1)


def day_of_prices(start):
    """96 prices from `start` (local time): by the hour, interpolated to quarter hours."""
    out = []
    first = start.hour * 4 + start.minute // 15
    for i in range(first, first + 96):
        a, b = PRICES_ct[i // 4 % 24], PRICES_ct[(i // 4 + 1) % 24]
        out.append(a + (b - a) * (i % 4) / 4)
    return out


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


def draws(limit_A, ceiling_A=CEILING_A):
    """What the car should draw in mA under a limit."""
    limit_mA = int(min(limit_A, ceiling_A, 32) * 1000)
    return min(limit_mA - 100, CAR_mA) if limit_mA >= 6000 else 0


def charges(mA):
    """A condition for Station.until: the car draws `mA`."""
    return lambda c: abs(max(c["ev_mA"]) - mA) <= MARGIN_mA


class Day:
    """What there is to show of it, as far as it has come."""

    def __init__(self):
        self.start = None  # local time
        self.prices_ct = self.limits = ()
        self.transaction = None


async def session(station, cs, day):
    """The whole session; fills `day` in."""
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

    now = parse_time(state["t"]).astimezone()
    start = now.replace(minute=now.minute // 15 * 15, second=0) + timedelta(minutes=15)
    day.start, day.prices_ct = start, day_of_prices(start)
    day.limits = [limit_for(price_ct) for price_ct in day.prices_ct]
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


def check(trace, start, limits):
    """Compare the trace with the schedule; -> list of (period, what went wrong)."""
    wrong = []
    cars = [(parse_time(e["t"]), max(e["ev_mA"])) for e in trace if e["what"] == "car"]
    for k, limit in enumerate(limits):
        begin = start + timedelta(seconds=QUARTER_s * k)
        settled, end = begin + timedelta(seconds=SETTLE_s), begin + timedelta(seconds=QUARTER_s)
        before = [mA for t, mA in cars if t < settled]
        during = [mA for t, mA in cars if settled <= t < end]
        want = draws(limit)
        for mA in before[-1:] + during:
            if abs(mA - want) > MARGIN_mA:
                wrong.append((k, f"{limit} A allowed, the car drew {mA} mA, not {want} mA"))
                break
    return wrong


def picture(trace, day, path):
    """Limit, pilot and car current over the day, and the prices behind them."""
    limit, pilot, car = [], [], []
    for e in trace:
        at = (parse_time(e["t"]) - day.start).total_seconds() / QUARTER_s
        if e["what"] == "limit":
            mA = e["limit_mA"]
            limit.append((at, HARDWARE_A if mA is None else mA / 1000))
        elif e["what"] == "pilot":
            pilot.append((at, e["advertised_mA"] / 1000))
        elif e["what"] == "car":
            car.append((at, max(e["ev_mA"]) / 1000))
    labels = [
        (i, f"{day.start + timedelta(seconds=QUARTER_s * i):%H:%M}") for i in range(0, 97, 8)
    ]
    lines = {"limit (A)": limit, "offered by the pilot (A)": pilot, "drawn by the car (A)": car}
    title = f"Pilotwire: a day of prices from {day.start:%Y-%m-%d %H:%M %Z}"
    zone = f"local time ({day.start:%Z})"
    svg = step_plot(
        title, zone, labels, "current per phase (A)", 35, lines, "price (ct/kWh)", 70,
        day.prices_ct,
    )  # fmt: skip
    path.parent.mkdir(exist_ok=True)
    path.write_text(svg)


async def run():
    protocol = f"ocpp{os.environ.get('OCPP') or V16.version}"
    if protocol not in LANGUAGES:
        versions = " or ".join(language.version for language in LANGUAGES.values())
        print(f"make run OCPP={versions}", file=sys.stderr)
        return 2
    cs = CentralSystem(port=0, protocols=(protocol,))
    cs.heartbeat_interval = 7200
    await cs.start()
    folder = tempfile.TemporaryDirectory(prefix="pilotwire-run-")
    config = Path(folder.name) / "config.json"
    config.write_text(json.dumps({"protocols": [protocol]}))
    words = ("--url", cs.url, "--id", "DEMO", "--speed", SPEED_SESSION, "--config", config)
    station = Station(folder.name, *words, quiet=True)
    began = datetime.now(timezone.utc)
    day, trace, escort = Day(), [], None
    path = ROOT / "build" / "run.svg"
    try:
        await station.start()
        # So fast, a Central System that has to wait for the processor would be silent for minutes.
        escort = asyncio.create_task(station.escort(ESCORT_s))
        await session(station, cs, day)
    except (Failure, AssertionError, asyncio.TimeoutError) as e:
        print(f"FAILED: {e}", *station.output[-8:], sep="\n  ")
    finally:
        if escort:
            escort.cancel()
            trace = station.trace()
        await station.stop()
        await cs.stop()
        folder.cleanup()
        if day.start:
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


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
