"""Power cuts, resets and restarts: nothing acknowledged is lost, nothing is told twice."""

import asyncio
import contextlib
import os
from datetime import timedelta

from station_driver import TAG, draws, duty

from host.csms import format_time, parse_time
from host.process import WAIT_s
from host.profile import profile

CUTS = 100  # random instants at which the power fails while profiles come in


async def test_idle(bench):
    async with bench() as b:
        await b.set_profile(profile(1, "Default", {0: 13}, level=3))
        await b.set_profile(profile(2, "Max", {0: 20}))
        await b.key("MeterValueSampleInterval", "33")
        before = await b.composite()
        mark = await b.cut()
        assert len(b.st.received("BootNotification", mark)) == 1
        assert await b.composite() == before == [(0, 13)]
        conf = await b.st.call("GetConfiguration", {"key": ["MeterValueSampleInterval"]})
        assert conf["configurationKey"][0]["value"] == "33"
        assert b.st.received("StartTransaction") == b.st.received("StopTransaction") == []
        await b.charge()
        await b.pilot(13000)


async def test_in_a_transaction(bench):
    """The same transaction goes on under all three kinds of profile, the Relative one from its
    true start."""
    async with bench() as b:
        id = await b.charge()
        await b.set_profile(profile(1, "Default", {0: 25}, level=3))
        await b.set_profile(profile(2, "Max", {0: 20}))
        tx = profile(3, "Tx", {0: 14, 500: 9}, kind="Relative", transactionId=id, duration=1000)
        await b.set_profile(tx, 1)
        await b.pilot(14000)
        before = await b.composite(5000)
        at = b.schedule_start
        assert [limit for _, limit in before] == [14, 9, 20]
        await b.process.until(lambda c: c["ev_mA"] == draws(14000))
        mark = await b.cut(30)
        await b.status("Charging", since=mark)
        await b.pilot(14000)
        after = await b.composite(5000)
        passed = (b.schedule_start - at).total_seconds()
        assert passed >= 30
        assert after == [(0, 14)] + [(start - passed, limit) for start, limit in before[1:]]
        c = await b.process.connector()
        assert (c["transactionId"], c["idTag"]) == (id, TAG)
        assert c["limit_by"]["source"] == "TxProfile"
        assert b.st.received("StartTransaction", mark) == []
        # From the first line after the cut on the pilot never said more than was allowed.
        pilots = [e["duty_u16"] for e in b.process.trace("pilot")]
        assert max(d for d in pilots[pilots.index(duty(14000)) :] if d < 65535) == duty(14000)
        await b.clear(id=3)
        await b.pilot(20000)
        await b.clear(id=2)
        await b.pilot(25000)
        stop = await b.finish()
        assert stop["transactionId"] == id and stop["reason"] == "Local"
        assert stop["meterStop"] == (await b.process.connector())["energy_Wh"]


async def test_profile_as_soon_as_accepted(bench, rng):
    """Power fails at a random instant while profiles come in: every acknowledged one is in force
    afterwards, in the transaction that goes on."""
    print(f"{CUTS} cuts at random instants, seed {os.environ['PILOTWIRE_SEED']}")
    async with bench(speed=50) as b:
        id = await b.charge()
        begin = await b.now() + timedelta(days=2)
        slots = 6  # profile k says what holds in the k-th hour
        known = [None] * slots  # what was acknowledged
        maybe = [None] * slots  # what was sent and not answered
        lost = 0
        for i in range(CUTS):

            async def feed(i=i):
                while True:
                    k = rng.randrange(slots)
                    limit = rng.randrange(60, 320) / 10
                    n = rng.choice((1, 1, 2, 24))
                    fine = {j: limit for j in range(n)}  # equal periods: one in the composite
                    purpose = ("Default", "Max", "Tx")[k % 3]
                    p = profile(
                        100 + k, purpose, fine, level=k, duration=3600,
                        startSchedule=begin + timedelta(hours=k),
                        **({"transactionId": id} if purpose == "Tx" else {}),
                    )  # fmt: skip
                    maybe[k] = limit
                    await b.set_profile(p, 1 if purpose == "Tx" else 0)
                    known[k], maybe[k] = limit, None

            before = b.st
            feeding = asyncio.create_task(feed())
            await asyncio.sleep(rng.random() * 0.03)
            await b.do("power-cut 0")
            with contextlib.suppress(ConnectionError):
                await feeding
            await b.again(before)
            schedule = await b.composite(3 * 86400)
            shift = (begin - b.schedule_start).total_seconds()
            for k in range(slots):
                at = shift + 3600 * k
                limit = [value for start, value in schedule if start <= at][-1]
                wanted = 32 if known[k] is None else known[k]
                if limit != wanted:
                    assert limit == maybe[k], (i, k, limit, wanted, maybe[k])
                    lost += 1
                    known[k] = limit  # it was stored, only the answer was lost
                maybe[k] = None
            c = await b.process.connector()
            assert c["transactionId"] == id, i
        print(f"{CUTS} cuts; {lost} times stored although the answer was lost")
        assert b.st.received("StartTransaction")[1:] == []
        assert b.st.received("StopTransaction") == []


async def test_car_gone_in_the_outage(bench):
    """TC_032_2: StopTransaction PowerLoss after the boot, with what the meter really shows."""
    async with bench() as b:
        id = await b.charge()
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        await b.set_profile(profile(3, "Tx", {0: 14}, kind="Relative", transactionId=id), 1)
        mark = await b.cut(20, "unplug")
        stop = await b.stopped(mark, transactionId=id, reason="PowerLoss")
        c = await b.process.until(lambda c: c["status"] == "Available")
        assert stop["meterStop"] == c["energy_Wh"] > 1000
        begun = parse_time(b.cs.transactions[id]["start"])
        assert begun < parse_time(stop["timestamp"]) <= await b.now()
        await b.clear(expect="Unknown")  # its TxProfile went with it
        await b.charge()
        await b.pilot(32000)


async def test_a_unit_that_does_not_resume(bench):
    """config.json resume false: StopTransaction PowerLoss although the car is there, with the
    meter's value."""
    async with bench(config={"resume": False}) as b:
        id = await b.charge()
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        mark = await b.cut(20)
        stop = await b.stopped(mark, transactionId=id, reason="PowerLoss")
        c = await b.process.until(lambda c: c["status"] == "Finishing")
        assert stop["meterStop"] == c["energy_Wh"] > 1000
        assert not c["contactor"] and len(b.st.received("StartTransaction")) == 1


def time_comes_later(b):
    """From now on BootNotification is answered when the returned event is set."""
    answer = asyncio.Event()

    async def later(payload):
        await answer.wait()
        return {"status": "Accepted", "interval": 300, "currentTime": format_time(b.cs.now())}

    b.cs.answer("BootNotification", later)
    return answer


async def test_ceiling_before_the_time_is_known(bench):
    """A17: the ChargePointMaxProfile holds at its lowest until BootNotification is answered."""
    async with bench() as b:
        await b.do("ev max_mA=32000")
        id = await b.charge()
        start = await b.now()
        ceiling = profile(1, "Max", {0: 20, 7200: 8, 14400: 25}, startSchedule=start)
        await b.set_profile(ceiling)
        await b.pilot(20000)
        answer = time_comes_later(b)
        mark = await b.cut(5, up=False)
        trace = b.process.mark()
        await b.st.expect("BootNotification", None, WAIT_s, mark)
        c, _ = await b.pilot(8000)
        assert c["limit_by"]["source"] == "ChargePointMaxProfile" and c["transactionId"] == id
        await b.process.until(lambda c: c["ev_mA"] == draws(8000))
        offered = [e["duty_u16"] for e in b.process.trace()[trace:] if e["what"] == "pilot"]
        assert set(offered) <= {0, 65535, duty(8000)}
        answer.set()
        await b.booted(mark)
        await b.pilot(20000)
        await b.process.until(lambda c: c["ev_mA"] == draws(20000))
        assert b.st.received("StartTransaction", mark) == []


async def test_a_standing_limit_without_a_link(bench):
    """A17: begun before the last time known, one period, no end: certain. No Central System after
    the power cut, so nobody tells the time."""
    async with bench() as b:
        await b.charge()
        start = await b.now() - timedelta(seconds=60)
        await b.set_profile(profile(1, "Default", {0: 6}, startSchedule=start))
        await b.pilot(6000)
        await b.cs.stop()
        trace = b.process.mark()
        await b.do("power-cut 1")
        await b.process.traced("contactor", lambda e: e["closed"], since=trace)
        await b.process.until(lambda c: c["ev_mA"] == draws(6000))
        offered = [e["duty_u16"] for e in b.process.trace()[trace:] if e["what"] == "pilot"]
        assert set(offered) <= {0, 65535, duty(6000)}


async def test_killed_board_keeps_profiles(bench):
    """As a watchdog's bite: no power is lost, so the clock goes on, and so does the session."""
    async with bench() as b:
        id = await b.charge()
        await b.set_profile(profile(2, "Tx", {0: 10}, kind="Relative", transactionId=id), 1)
        await b.pilot(10000)
        before, mark = b.st, b.st.mark()
        b.process.kill_board()
        await b.process.wait_output("starts again")
        await b.again(before)
        await b.status("Charging", since=mark)
        await b.pilot(10000)
        c = await b.process.connector()
        assert c["transactionId"] == id and c["limit_by"]["source"] == "TxProfile"


async def test_flash_from_run_to_run(bench):
    """--flash: what one run of tools/station stored is there in the next."""
    async with bench() as b:
        await b.set_profile(profile(1, "Default", {0: 13}))
        await b.charge()
        await b.pilot(13000)
        await b.finish()
        energy = (await b.process.connector())["energy_Wh"]
        mark = b.st.mark()
        assert await b.process.stop() == 0
        await b.launch()
        await b.booted(mark)
        assert await b.composite() == [(0, 13)]
        c = await b.process.until(lambda c: c["energy_Wh"] > 0)
        assert c["energy_Wh"] == energy  # the meter is where it was
