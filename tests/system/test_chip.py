"""A station whose board computes, writes and waits as long as a chip does (tools/station --chip):
its electrical tick cuts through everything else that Python does."""

import asyncio
from statistics import median

from station_driver import Bench

from host.profile import profile

CHIP = {"chip": "esp32", "heap": "112K", "speed": 1}
ERASE_ms = 400  # of the flash, at worst, when nothing runs; and what may wait for it
GAP_ms = 25 + ERASE_ms + 100
OPEN_ms = 30  # the wall's contactor
OFF_ms = 80  # two readings, at the median: 33 to 46, 61 beside much else on the PC
WORST_ms = 100  # where no flash is erased
TIMES = 9
IDLE = 0.3  # of the chip


async def taken_in(b, number):
    p = profile(1, "Default", {k * 900: 10 + (k + number) % 7 for k in range(96)})
    await b.set_profile(p, 1)


async def test_the_tick_goes_on_while_a_profile_is_taken_in(tmp_path):
    """Of 96 periods: most of a second on the chip, in one step of the loop."""
    async with Bench(tmp_path, **CHIP) as b:
        await b.charge()
        await b.process.command("gauge")
        for number in range(3):
            await taken_in(b, number)
            seen = await b.process.command("gauge")
            print(seen)
            assert seen["ticks"] > 10 and seen["gap_ms"] < GAP_ms, seen


async def test_the_contactor_opens_in_time_while_profiles_are_taken_in(tmp_path):
    """The car leaves state C; the coil is off two readings later."""
    took_ms = []
    async with Bench(tmp_path, **CHIP) as b:
        await b.charge()
        over = asyncio.Event()

        async def busy():
            number = 0
            while not over.is_set():
                number += 1
                await taken_in(b, number)

        task = asyncio.create_task(busy())
        try:
            for _ in range(TIMES):
                await b.process.until(lambda c: c["contactor"])
                mark = b.process.mark()
                await b.do("pause")
                left = await b.process.traced("car", lambda e: e["state"] == "B", since=mark)
                off = await b.process.traced("contactor", lambda e: not e["closed"], since=mark)
                took_ms.append(off["ms"] - left["ms"] - OPEN_ms)
                await b.do("ready")
        finally:
            over.set()
            await task
    print(sorted(took_ms))
    assert median(took_ms) < OFF_ms and max(took_ms) < WORST_ms + ERASE_ms


HANGS = """
def local_limit(now_s, station):
    from firmware import start
    if not start.last and station.connectors[0].controller.closed:
        print("it hangs")
        while True:
            pass
"""


async def test_the_watchdog_has_the_boards_time_too(tmp_path):
    """The loop hangs: the tick goes on, and does not feed it."""
    async with Bench(tmp_path, policy=HANGS, config={"watchdog_s": 2}, **CHIP) as b:
        before = b.st
        await b.do("plug")
        await b.do("tag TAG")
        await b.process.wait_output("it hangs")
        await b.process.wait_output("the watchdog bites")
        await b.again(before)
        assert "watchdog" in (await b.process.state())["crash"]
        await b.status("Charging")


async def test_nothing_to_do_takes_little(tmp_path):
    """Of the loop, while a car charges and nothing is asked: 18 to 22 % of the chip beside other
    work on the PC, which inflates it."""
    async with Bench(tmp_path, **CHIP) as b:
        await b.charge()
        share = []
        for _ in range(5):
            await b.process.command("gauge")
            await asyncio.sleep(3)
            seen = await b.process.command("gauge")
            share.append(seen["busy_ms"] / seen["world_ms"])
        print(share)
        assert median(share) < IDLE
