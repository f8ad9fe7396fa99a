"""Less current at once, more when it has stood: seen from the wall, as a car sees it."""

import asyncio
from datetime import datetime, timedelta, timezone

import pytest

from host.profile import profile


def now(offset_s=0):
    """The time of a clock that is `offset_s` ahead of the station's, with its milliseconds."""
    t = datetime.now(timezone.utc) + timedelta(seconds=offset_s)
    return f"{t:%Y-%m-%dT%H:%M:%S}.{t.microsecond // 1000:03d}Z"


def offered_mA(b, since):
    """The most that the pilot said in the trace lines from `since` on, and at their beginning."""
    lines = b.process.trace()
    pilots = [e["advertised_mA"] for e in lines[:since] if e["what"] == "pilot"][-1:]
    return max(pilots + [e["advertised_mA"] for e in lines[since:] if e["what"] == "pilot"])


@pytest.mark.parametrize("ahead_s", [-2, 0, 2])
async def test_a_limit_that_is_renewed_is_never_lifted(bench, ahead_s):
    """startSchedule = now of a Central System whose clock is not the station's, every second; and
    ClearChargingProfile, 150 ms later SetChargingProfile."""
    async with bench() as b:
        id = await b.charge()

        async def renew(level=0):
            p = profile(1, "Tx", {0: 8}, startSchedule=now(ahead_s), transactionId=id, level=level)
            await b.set_profile(p, 1)

        await b.set_profile(profile(1, "Tx", {0: 8}, kind="Relative", transactionId=id), 1)
        await b.pilot(8000)
        await b.do("speed 1")
        mark = b.process.mark()
        for level in (0, 0, 1, 1):  # (another stackLevel, the same id: the old one goes)
            await renew(level)
            await asyncio.sleep(1)
        for _ in range(3):
            await b.clear(id=1)
            await asyncio.sleep(0.15)
            await renew()
            await asyncio.sleep(1)
        await b.settled()
        assert 7900 < offered_mA(b, mark) <= 8000
        cars = [e["ev_mA"] for e in b.process.trace()[mark:] if e["what"] == "car"]
        assert all(max(mA) <= 8000 for mA in cars), cars
        # what it cannot be told from is a limit that is really lifted: later, but then it is
        await b.do("speed 20")
        await b.clear(id=1)
        await b.pilot(32000)


async def test_a_limit_about_6_A_does_not_wear_the_contactor(bench):
    """5 A and 6 A by turns, 12 s each, for four minutes: energy that was taken away comes back
    after a minute, and until then `state` says why."""
    async with bench(speed=40) as b:
        id = await b.charge()
        steps = {s: 5 + s // 12 % 2 for s in range(0, 252, 12)}
        begin = b.process.mark()
        await b.set_profile(
            profile(1, "Tx", {**steps, 252: 16}, kind="Relative", transactionId=id), 1
        )
        c = await b.process.until(lambda c: c["limit_by"] and c["limit_by"]["source"] == "Pause")
        assert c["status"] == "SuspendedEVSE" and c["limit_mA"] == 0 and not c["pilot_mA"]
        assert c["limit_next"]["source"] == "TxProfile"
        await b.pilot(16000)
        lines = b.process.trace()[begin:]
        closed = [e["ms"] for e in lines if e["what"] == "contactor" and e["closed"]]
        opened = [e for e in lines if e["what"] == "contactor" and not e["closed"]]
        x1 = [e["ms"] for e in lines if e["what"] == "pilot" and not e["advertised_mA"]]
        assert 1 <= len(closed) <= 5 and all(e["load_mA"] < 1000 for e in opened), lines
        for at in closed:
            assert at - max(ms for ms in x1 if ms < at) >= 60000, (closed, x1)
        # 0: off
        await b.key("PilotwireMinimumPause", 0)
        await b.set_profile(profile(2, "Max", {0: 0}))
        await b.pilot(0)
        mark = b.process.mark()
        await b.clear(id=2)
        await b.pilot(16000)
        lines = b.process.trace()
        x1 = [e["ms"] for e in lines[:mark] if e["what"] == "pilot"][-1]
        back = await b.process.traced("contactor", lambda e: e["closed"], since=mark)
        assert back["ms"] - x1 < 40000
