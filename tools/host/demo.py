"""`make run`: the main job for people to watch, in about a minute.

A Central System, the station on a simulated wall and a car play a session; a day of quarter-hour
prices becomes a TxProfile of 96 periods, and simulated time runs fast while the car follows it.
Exits 0 only if the car followed the schedule in every period.
"""

import asyncio
import sys
import tempfile
from datetime import datetime, timedelta, timezone

from host.build import ROOT
from host.csms import CentralSystem, parse_time
from host.plot import step_plot
from host.process import StationProcess
from host.profile import iso, profile

SPEED_SESSION, SPEED_DAY = 20, 1400
CEILING_A = 25
CAR_mA = 22000
QUARTER_s = 900
# A car may take its time after a change: 5 s between duty changes and 5 s to follow are the
# standard's; the rest is how coarse simulated time is when it runs this fast.
SETTLE_s = 120
MARGIN_mA = 150
DEADLINE_s = 20
# ct/kWh by the hour: cheap at night and at noon, dear in the evening.
PRICES_ct = (
    24,
    22,
    21,
    20,
    21,
    25,
    33,
    38,
    36,
    30,
    24,
    18,
    15,
    14,
    16,
    22,
    31,
    42,
    47,
    44,
    37,
    32,
)
PRICES_ct += (28, 25)


def limit_for(price_ct):
    """The limit in A at a price: the owner's rule of this demonstration."""
    if price_ct > 40:
        return 0.0
    if price_ct > 32:
        return 6.5
    return 32.0 if price_ct < 20 else round(16 + (32 - price_ct) * 0.7, 1)


def day_of_limits(start):
    """96 limits in A from `start`: prices interpolated to quarter hours, the owner's rule."""
    out = []
    first = start.hour * 4 + start.minute // 15
    for i in range(first, first + 96):
        a, b = PRICES_ct[i // 4 % 24], PRICES_ct[(i // 4 + 1) % 24]
        out.append(limit_for(a + (b - a) * (i % 4) / 4))
    return out


class Failure(Exception):
    """The demonstration did not go as it should."""


class Station(StationProcess):
    """The station, showing its whole state where it waits for a connector's."""

    async def reaches(self, test):
        """Wait until test(connector) holds; -> state."""
        await self.until(test, timeout=DEADLINE_s)
        return await self.state()


def show(state, note=""):
    c = state["connectors"][0]
    by = c["limit_by"] or {}
    limit = "no limit" if c["limit_mA"] is None else f"{c['limit_mA'] / 1000:5.1f} A"
    source = by.get("source", "-")
    if "profile" in by:
        source += f" #{by['profile']} level {by['stackLevel']}"
    duty = "X1    " if c["duty_u16"] == 65535 else f"{c['duty_u16'] / 655.36:5.2f} %"
    contactor = "closed" if c["contactor"] else "open  "
    t = parse_time(state["t"])
    print(
        f"{t:%d %H:%M:%S}  {limit:>8}  {source:<32} {duty:>7}  {contactor}"
        f" {max(c['ev_mA']) / 1000:5.1f} A  {c['status']:<13} {note}",
        flush=True,
    )


async def install(peer, connector, p):
    conf = await peer.call(
        "SetChargingProfile", {"connectorId": connector, "csChargingProfiles": p}
    )
    if conf["status"] != "Accepted":
        raise Failure(f"profile {p['chargingProfileId']} was {conf['status']}")


def draws(limit_A, ceiling_A=CEILING_A):
    """What the car should draw in mA under a limit."""
    limit_mA = int(min(limit_A, ceiling_A, 32) * 1000)
    return min(limit_mA - 100, CAR_mA) if limit_mA >= 6000 else 0


def charges(mA):
    """A condition for Station.until: the car draws `mA`."""
    return lambda c: abs(max(c["ev_mA"]) - mA) <= MARGIN_mA


async def session(station, cs):
    """The whole session; -> (start of the day, limits by quarter hour)."""
    peer = await cs.wait_station("DEMO", timeout=DEADLINE_s)
    await peer.expect("StatusNotification", lambda p: p["connectorId"] == 1, timeout=DEADLINE_s)
    print("time         limit     decided by                          pilot  contactor  car")
    show(await station.state(), "booted, accepted by the Central System")
    await station.do(f"ev max_mA={CAR_mA} phases=3")
    await station.do("plug")
    show(await station.reaches(lambda c: c["status"] == "Preparing"), "plugged in")
    await install(peer, 0, profile(1, "Default", {0: 16}, kind="Relative"))
    await station.do("tag DEMO-CARD")
    state = await station.reaches(charges(draws(16)))
    show(state, "authorised and started; a TxDefaultProfile of 16 A")
    await install(peer, 0, profile(2, "Max", {0: 10}))
    show(await station.reaches(charges(draws(10))), "a ChargePointMaxProfile of 10 A")
    await install(peer, 0, profile(2, "Max", {0: CEILING_A}))
    state = await station.reaches(charges(draws(16)))
    show(state, f"the ceiling is {CEILING_A} A now")
    transaction = state["connectors"][0]["transactionId"]

    now = parse_time(state["t"])
    start = now.replace(minute=now.minute // 15 * 15, second=0) + timedelta(minutes=15)
    limits = day_of_limits(start)
    day = profile(
        3, "Tx", {QUARTER_s * i: limit for i, limit in enumerate(limits)}, level=5,
        startSchedule=start, duration=96 * QUARTER_s, transactionId=transaction,
    )  # fmt: skip
    await install(peer, 1, day)
    print(f"--- a day of prices, as a TxProfile of 96 quarter hours from {iso(start)}")
    await station.do(f"speed {SPEED_DAY}")
    latest, at = None, -1
    while at < 96:
        state = await station.state()
        k = int((parse_time(state["t"]) - start).total_seconds() // QUARTER_s)
        if k != at:
            if latest is not None and at >= 0:
                show(latest)
            at = k
        latest = state
        await asyncio.sleep(0.02)
    await station.do(f"speed {SPEED_SESSION}")
    print("--- the day is over, the TxDefaultProfile shows again")
    show(await station.reaches(charges(draws(16))))
    pause = profile(4, "Tx", {0: 0}, level=6, kind="Relative", transactionId=transaction)
    await install(peer, 1, pause)
    state = await station.reaches(lambda c: c["status"] == "SuspendedEVSE" and not c["contactor"])
    show(state, "paused at 0 A: the transaction goes on")
    await peer.call("ClearChargingProfile", {"id": 4})
    show(await station.reaches(charges(draws(16))), "resumed")
    await peer.call("ClearChargingProfile", {})
    show(await station.reaches(charges(draws(32, 32))), "all profiles cleared")
    await peer.call("RemoteStopTransaction", {"transactionId": transaction})
    await peer.expect("StopTransaction", timeout=DEADLINE_s)
    show(
        await station.reaches(lambda c: c["status"] == "Finishing"),
        "stopped by the Central System",
    )
    await station.do("unplug")
    show(await station.reaches(lambda c: c["status"] == "Available"), "unplugged")
    if peer.violations:
        raise Failure(f"the Central System complains: {peer.violations}")
    return start, limits, cs.transactions[transaction]


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


def picture(trace, start, path):
    """Limit, pilot and car current over the day."""
    day = [(parse_time(e["t"]) - start).total_seconds() / 3600 for e in trace]
    lines = {"limit": [], "pilot": [], "car": []}
    for hours, e in zip(day, trace, strict=True):
        if e["what"] == "limit":
            limit = e["limit_mA"]
            lines["limit"].append((hours, 32 if limit is None else limit / 1000))
        elif e["what"] == "pilot":
            lines["pilot"].append((hours, e["advertised_mA"] / 1000))
        elif e["what"] == "car":
            lines["car"].append((hours, max(e["ev_mA"]) / 1000))
    title = f"Pilotwire: a day of prices from {iso(start)}"
    path.write_text(step_plot(title, "A", lines, 0, 24, 35))


async def run():
    cs = CentralSystem(port=0)
    cs.heartbeat_interval = 7200
    await cs.start()
    folder = tempfile.TemporaryDirectory(prefix="pilotwire-run-")
    words = ("--url", cs.url, "--id", "DEMO", "--speed", SPEED_SESSION)
    station = Station(folder.name, *words, quiet=True)
    began = datetime.now(timezone.utc)
    try:
        await station.start()
        start, limits, transaction = await session(station, cs)
        trace = station.trace()
    except (Failure, AssertionError, asyncio.TimeoutError) as e:
        print(f"FAILED: {e}", *station.output[-8:], sep="\n  ")
        return 1
    finally:
        await station.stop()
        await cs.stop()
        folder.cleanup()
    wrong = check(trace, start, limits)
    path = ROOT / "build" / "run.svg"
    picture(trace, start, path)
    energy_kWh = (transaction["stop"]["meterStop"] - transaction["meterStart"]) / 1000
    followed = 96 - len(wrong)
    took_s = (datetime.now(timezone.utc) - began).total_seconds()
    print(
        f"\n{followed} of 96 quarter hours followed. {energy_kWh:.1f} kWh in one transaction (the"
        f" battery of this car has no bottom). {took_s:.0f} s for a simulated day.\n"
        f"Limit, pilot and car over time: {path}"
    )
    for k, what in wrong:
        print(f"  period {k}: {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
