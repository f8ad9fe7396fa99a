"""The station's clock against the host's, to a tenth of a second: tools/station itself, and what
the firmware makes of currentTime."""

import asyncio
import functools
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest
from station_driver import WAIT_s, share

from host.csms import parse_time
from host.process import poll
from host.profile import profile

BUSY = 4  # the load of a machine on which a way may take longer than the other, unseen
UNKNOWN = "1970-01-01T00:00:00Z"  # a currentTime that is ignored
UNTIL_s = 0.08  # the difference is asked for until it is known to this


def host_s():
    return datetime.now(timezone.utc).timestamp()


async def difference(process, since=None):
    """(low, high): how much the station's clock is ahead of the host's, in s. What it shows has
    whole seconds: each look says something, and all of them together enough."""
    low, high = -1e9, 1e9
    deadline = time.monotonic() + WAIT_s
    while high - low > UNTIL_s:
        assert time.monotonic() < deadline, (low, high)
        before = host_s()
        state = await process.command("state")
        after = host_s()
        if "error" in state or state["boot"] is None:
            continue
        t = parse_time(state["t"]).timestamp()
        low, high = max(low, t - after), min(high, t + 1 - before)
        # (of more than two busy cores each gets a moment: the next look is at another one)
        await asyncio.sleep(0.037)
    return low, high


async def agrees(process, ahead_s=0, within_s=0.1):
    low, high = await difference(process)
    assert low <= ahead_s + within_s and high >= ahead_s - within_s, (low, high, ahead_s)


def busy(n):
    return [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]


async def test_at_speed_1_the_simulated_clock_is_the_hosts(bench):
    """Over resets (make prove: ten) and with a busy host, though the Central System corrects
    nothing."""
    async with bench(speed=1) as b:
        await agrees(b.process)
        b.cs.answer("BootNotification", lambda p: boot(UNKNOWN))
        others = busy(2 * os.cpu_count())
        try:
            for i in share(range(10)):
                before = b.st
                if i % 2:
                    await b.do("console reset")
                else:
                    await b.st.call("Reset", {"type": "Hard"})
                await b.again(before)
            await agrees(b.process)
        finally:
            for other in others:
                other.kill()
                other.wait()
        b.may_log = ["ended with"]


def boot(text):
    return {"status": "Accepted", "currentTime": text, "interval": 86400}


async def test_at_speed_1_power_cuts_take_their_time(bench):
    """What the RTC shows after a power cut is the last time known, and it goes on at the host's
    pace; the trace, too."""
    async with bench(speed=1) as b:
        await agrees(b.process)
        b.cs.answer("BootNotification", lambda p: boot(UNKNOWN))
        for _ in range(3):
            mark = b.process.mark()
            await b.cut()
        at = host_s()
        await b.do("plug")
        e = await b.process.traced("car", lambda e: e["state"] == "B", since=mark)
        assert -0.05 < parse_time(e["t"]).timestamp() - at < 0.5
        # The world's ms are the host's as well.
        first = await b.process.traced("car")
        passed_s = parse_time(e["t"]).timestamp() - parse_time(first["t"]).timestamp()
        assert abs((e["ms"] - first["ms"]) / 1000 - passed_s) < 0.01


def iso(t, fraction):
    text = t.isoformat(timespec="milliseconds" if fraction else "seconds")
    return text.replace("+00:00", "Z")


async def later(b, t):
    return await b.now() != t


@pytest.mark.parametrize("fraction, way_s", [(True, 0.3), (False, 0.3)])
async def test_the_clock_is_the_central_systems(bench, fraction, way_s):
    """Right to 0.2 s where it tells fractions, to half a second more where it does not: after
    boot, and after a heartbeat when its clock was set; and what is due happens then."""
    within_s = 0.2 if fraction else 0.75
    ahead_s = late_s = 0  # late_s: what the host took longer by, on either way
    answered = asyncio.Event()

    async def answer(more):
        nonlocal late_s
        began = time.monotonic()
        await asyncio.sleep(way_s)
        now = datetime.now(timezone.utc) + timedelta(seconds=ahead_s)
        text = iso(now, fraction)
        await asyncio.sleep(way_s)
        late_s = time.monotonic() - began - 2 * way_s
        answered.set()  # (and sent before anybody else has a turn)
        return {**more, "currentTime": text}

    async with bench(speed=1, boot=False) as b:
        b.cs.now = lambda: datetime.now(timezone.utc) + timedelta(seconds=ahead_s)
        b.cs.answer(
            "BootNotification", lambda p: answer({"status": "Accepted", "interval": 86400})
        )
        b.cs.answer("Heartbeat", lambda p: answer({}))
        # (who tells no fractions has to be wrong by more than they are to be noticed)
        for ahead_s in (0.9, -0.4, 1.6, 40.5) if fraction else (0.9, -2.3, 40.5):
            told = ahead_s != 0.9
            if not told:
                await b.booted()
            while True:
                if told:
                    answered.clear()
                    await b.st.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
                    await asyncio.wait_for(answered.wait(), WAIT_s)
                    await b.settled()
                    # (it does not go back by less than two seconds: it stands until then)
                    t = await b.now()
                    await poll(functools.partial(later, b, t), WAIT_s, "the next second")
                try:
                    await agrees(b.process, ahead_s, within_s + late_s)
                    break
                except AssertionError:  # (one way longer than the other cannot be told from it)
                    if os.getloadavg()[0] < BUSY:
                        raise
                told = True
        await b.charge()
        mark = b.process.mark()
        begin_s = int(host_s() + ahead_s) + 3
        begin = datetime.fromtimestamp(begin_s, timezone.utc)
        start = begin - timedelta(seconds=60)
        await b.set_profile(profile(1, "Default", {0: 16, 60: 10}, startSchedule=start), 1)
        e = await b.process.traced("limit", lambda e: e["limit_mA"] == 10000, since=mark)
        at_s = parse_time(e["t"]).timestamp() + ahead_s - begin_s
        assert abs(at_s) <= within_s + late_s + 0.1, at_s  # (a tick is 25 ms)
