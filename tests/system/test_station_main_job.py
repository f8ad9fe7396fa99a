"""The main job: a profile from the Central System becomes duty, and the car draws just that."""

from datetime import timedelta

import pytest
from station_driver import ESP32_HEAP, Bench, draws, duty

from host.csms import parse_time
from host.profile import profile

LESS_s = 1.5
MORE_s = 15  # it has to stand for 5 s (PilotwireIncreaseDelay), and a stall counts one of them


def step_latencies(trace, steps):
    """For each (instant, mA): seconds from that instant to the trace line of its duty."""
    out = []
    for at, mA in steps:
        said = [
            (parse_time(e["t"]) - at).total_seconds()
            for e in trace
            if e["what"] == "pilot" and e["duty_u16"] == duty(mA) and parse_time(e["t"]) >= at
        ]
        assert said, (at, mA, [e for e in trace if e["what"] == "pilot"])
        out.append(said[0])
    return out


async def main_job(b):
    p = b.process
    await b.key("PilotwireMinimumPause", 0)  # (what comes back is to be seen soon)
    id = await b.charge()
    assert (await b.pilot(32000))[0]["limit_mA"] is None
    await b.do("ev max_mA=32000")
    await b.set_profile(profile(1, "Default", {0: 20}, level=1))
    c, _ = await b.pilot(20000)
    assert c["limit_mA"] == 20000 and c["limit_by"]["source"] == "TxDefaultProfile"
    await p.until(lambda c: c["ev_mA"] == draws(20000))
    await b.set_profile(profile(2, "Max", {0: 16.1}))
    c, _ = await b.pilot(16100)
    assert c["limit_mA"] == 16100 and c["limit_by"]["source"] == "ChargePointMaxProfile"
    await p.until(lambda c: c["ev_mA"] == draws(16100))

    # A TxProfile with steps: up, down, pause, too little to charge, capped, over.
    start = await b.now() + timedelta(seconds=10)
    steps = {0: 10, 30: 13.7, 60: 6, 90: 0, 120: 5.9, 150: 25, 180: 8}
    tx = profile(3, "Tx", steps, startSchedule=start, duration=210, transactionId=id)
    since, mark = b.st.mark(), p.mark()
    await b.set_profile(tx, 1)
    composite = await b.composite(600)
    shift = int((start - b.schedule_start).total_seconds())
    assert composite[0] == (0, 16.1) or shift == 0
    expected = [(0, 10), (30, 13.7), (60, 6), (90, 0), (120, 5.9), (150, 16.1), (180, 8)]
    assert composite[-8:] == [(s + shift, a) for s, a in expected] + [(210 + shift, 16.1)]
    for seconds, amps in expected:
        mA = round(amps * 1000)
        wanted = {
            "source": "ChargePointMaxProfile" if amps == 16.1 else "TxProfile",
            "profile": 2 if amps == 16.1 else 3,
        }
        limit = await p.traced(
            "limit", lambda e, mA=mA: e["limit_mA"] == mA and parse_time(e["t"]) >= start
        )
        assert wanted.items() <= limit["limit_by"].items()
        late = (parse_time(limit["t"]) - start).total_seconds() - seconds
        assert 0 <= late < 1.5, (seconds, amps, limit)
        if amps >= 6:
            await p.traced("car", lambda e, mA=mA: e["ev_mA"] == draws(mA), since=mark)
        elif amps == 0:
            await b.status("SuspendedEVSE", since=since)
            c = await p.until(lambda c: not c["contactor"] and c["cp"] == "B")
            assert (c["duty_u16"], c["pilot_mA"]) == (65535, 0)
            assert c["transactionId"] == id and c["ev_mA"] == [0, 0, 0]
            suspended = b.st.mark()
        else:
            c = await p.connector()
            assert (c["status"], c["contactor"]) == ("SuspendedEVSE", False)
    await b.status("Charging", since=suspended)
    c, _ = await b.pilot(16100)  # the TxProfile is over
    assert c["limit_by"]["source"] == "ChargePointMaxProfile"

    # What the pilot did is what GetCompositeSchedule had answered.
    pilots = p.trace()[mark:]
    begin = b.schedule_start
    told = [(begin + timedelta(seconds=s), round(a * 1000)) for s, a in composite[1:]]
    changes = [(at, mA) for at, mA in told if mA != 5900]  # (X1 already)
    latencies = step_latencies(pilots, changes)
    before = 10000
    for (_, mA), late in zip(changes, latencies, strict=True):
        assert 0 <= late < (MORE_s if mA > before else LESS_s), latencies
        before = mA
    said = [e["duty_u16"] for e in pilots if e["what"] == "pilot"]
    assert said == [duty(mA) for _, mA in changes]
    # The contactor never opened under load.
    assert [e["load_mA"] for e in p.trace("contactor")] == [0, 0, 0]
    c = await p.connector()
    assert c["transactionId"] == id
    assert b.st.received("StartTransaction", since) == []
    assert b.st.received("StopTransaction", since) == []

    await b.clear(id=3)
    await b.pilot(16100)
    await b.clear(chargingProfilePurpose="ChargePointMaxProfile")
    await b.pilot(20000)
    await b.clear()
    c, _ = await b.pilot(32000)
    assert c["limit_mA"] is None and c["limit_by"] is None
    await p.until(lambda c: c["ev_mA"] == draws(32000))
    await b.clear(expect="Unknown")

    stop = await b.finish()
    check_energy(b, id, stop, (await p.connector())["energy_Wh"])


def check_energy(b, id, stop, now_Wh):
    """StopTransaction, MeterValues, the meter and the currents of the trace agree."""
    transaction = b.cs.transactions[id]
    assert transaction["meterStart"] == 1000
    assert stop["meterStop"] == now_Wh
    assert stop["transactionId"] == id and stop["reason"] == "Local"
    readings = [transaction["meterStart"]]
    for value in transaction["meterValues"]:
        by = {v["measurand"]: v for v in value["sampledValue"] if v.get("phase") in (None, "L1")}
        readings.append(int(by["Energy.Active.Import.Register"]["value"]))
        watts = int(by["Power.Active.Import"]["value"])
        # (read one after the other, while the car may be on its way to another limit)
        amps = float(by["Current.Import"]["value"])
        assert watts == pytest.approx(690 * amps, rel=0.3, abs=1500)
    readings.append(stop["meterStop"])
    assert len(readings) > 3 and readings == sorted(readings)
    car = b.process.trace("car")
    # (a line is traced at the end of a steady time, with the value after it)
    mAms = sum(a["ev_mA"][0] * (z["ms"] - a["ms"]) for a, z in zip(car, car[1:], strict=False))
    flowed = mAms / 3.6e9 * 690
    assert flowed == pytest.approx(stop["meterStop"] - 1000, rel=0.03)
    times = [transaction["start"], *(v["timestamp"] for v in transaction["meterValues"])]
    times = [parse_time(t) for t in times] + [parse_time(stop["timestamp"])]
    assert times == sorted(times)


async def test_main_job(bench):
    async with bench(speed=50) as b:
        await main_job(b)


async def test_main_job_32_bit(tmp_path, micropython32):
    """The same where words have 4 bytes, as on the ESP32, and in its heap."""
    async with Bench(tmp_path, speed=50, interpreter=micropython32, heap=ESP32_HEAP) as b:
        await main_job(b)
        heap = (await b.process.state())["heap"]
        print(f"32-bit heap after the main job: {heap}")
        # A day of prices: 96 periods, 5.5 KB of JSON.
        id = await b.charge()
        await b.day_of_prices(id)


async def test_latency(bench):
    """From the instant of a step in the schedule to its duty, in real time: less at once, more
    when it has stood."""
    async with bench(speed=20) as b:
        await b.key("PilotwireIncreaseDelay", 2)
        id = await b.charge()
        await b.pilot(32000)
        await b.do("speed 1")
        begin = await b.now() + timedelta(seconds=5)  # (within 3 s it would begin at once)
        mark = b.process.mark()
        steps = {0: 10, 4: 13, 8: 12, 9: 0}
        await b.set_profile(
            profile(1, "Tx", steps, startSchedule=begin, transactionId=id), connector=1
        )
        last = await b.process.traced("pilot", lambda e: e["duty_u16"] == 65535, since=mark)
        assert last
        due = [(begin + timedelta(seconds=s), round(a * 1000)) for s, a in steps.items()]
        latencies = step_latencies(b.process.trace()[mark:], due)
        text = ", ".join(f"{1000 * late:.0f} ms" for late in latencies)
        print(f"latency from the instant of a step to its duty: {text}")
        waits = zip(latencies, (0, 2, 0, 0), strict=True)
        assert all(0 <= late - wait < 1 for late, wait in waits), text


async def test_steps_that_come_fast(bench):
    """Faster than a car can follow: less at once, always; more when it has stood for 5 s."""
    async with bench() as b:
        await b.key("PilotwireMinimumPause", 0)
        id = await b.charge()
        await b.pilot(32000)
        start = await b.now() + timedelta(seconds=10)
        mark = b.process.mark()
        steps = {0: 16, 1: 14, 2: 10, 3: 12, 5: 0, 6: 13}
        await b.set_profile(profile(1, "Tx", steps, startSchedule=start, transactionId=id), 1)
        await b.pilot(13000)
        await b.process.until(lambda c: c["ev_mA"] == draws(13000))
        pilots = [e for e in b.process.trace()[mark:] if e["what"] == "pilot"]
        assert [e["duty_u16"] for e in pilots] == [duty(1000 * a) for a in (16, 14, 10, 0, 13)]
        at = [(parse_time(e["t"]) - start).total_seconds() for e in pilots]
        for due, came in zip((0, 1, 2, 5), at, strict=False):
            assert due <= came < due + 1.2, at
        assert 11 <= at[4] < 14, at


@pytest.mark.parametrize("mA", [6100, 9900, 10000, 12700, 16000, 19600, 25000, 31900])
def test_duty_formula(mA):
    """The formula that these tests compare with never tells a car more than is allowed."""
    assert duty(mA) * 60000 / 65536 <= mA < (duty(mA) + 1) * 60000 / 65536
    assert 0.1 <= duty(6000) / 65536 < 0.1002  # which 6 A have to be, and just above is no more


async def test_amperages(bench):
    """One limit after another: the exact duty, never more than what the hardware is built for."""
    async with bench(speed=50) as b:
        await b.charge()
        await b.do("ev max_mA=80000")
        for amps in (6, 6.1, 16, 31.9, 32, 6.5, 32.1, 51.9, 12, 1000000, 5.9, 6):
            await b.set_profile(profile(1, "Default", {0: amps}))
            mA = min(round(amps * 1000), 32000)
            await b.pilot(mA)
            if mA >= 6000:
                await b.process.until(lambda c, mA=mA: c["ev_mA"] == draws(mA))


async def test_watts(bench):
    """W is over all phases and rounds down: 7000 W on three phases are 10.1 A."""
    async with bench() as b:
        await b.charge()
        for periods, mA in (
            ([(0, 7000)], 10100),
            ([(0, 11040, 3)], 16000),
            ([(0, 3680, 1)], 16000),
            ([(0, 7360, 2)], 16000),
            ([(0, 4139.9)], 0),
            ([(0, 4140)], 6000),
        ):
            await b.set_profile(profile(1, "Default", periods, unit="W"))
            c, _ = await b.pilot(mA)
            assert c["limit_mA"] == (mA or 5900)
