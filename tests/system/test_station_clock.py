"""The station's clock against the host's, to a tenth of a second: tools/station itself, and what
the firmware makes of currentTime."""

import asyncio
import os
import subprocess
import sys
import time
from datetime import datetime, timezone

from station_driver import WAIT_s

from host.csms import parse_time

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
    """Over ten resets and with a busy host, though the Central System corrects nothing."""
    async with bench(speed=1) as b:
        await agrees(b.process)
        b.cs.answer("BootNotification", lambda p: boot(UNKNOWN))
        others = busy(2 * os.cpu_count())
        try:
            for i in range(10):
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
            before, mark = b.st, b.process.mark()
            await b.do("power-cut 1")
            await b.again(before)
        at = host_s()
        await b.do("plug")
        e = await b.process.traced("car", lambda e: e["state"] == "B", since=mark)
        assert -0.05 < parse_time(e["t"]).timestamp() - at < 0.5
        # The world's ms are the host's as well.
        first = await b.process.traced("car")
        passed_s = parse_time(e["t"]).timestamp() - parse_time(first["t"]).timestamp()
        assert abs((e["ms"] - first["ms"]) / 1000 - passed_s) < 0.01
