"""A station whose board computes, writes and waits as long as a chip does (tools/station --chip):
its electrical tick cuts through everything else that Python does."""

import asyncio
from operator import gt
from statistics import median

from station_driver import Bench

from bench.messages import each, gauged, messages
from bench.station import CHIP_HEAP_REPORT, charge, station
from host import release
from host.csms import V201, format_time
from host.csms_update import FileServer
from host.process import WAIT_s
from host.profile import profile

CHIP = {"chip": "esp32", "heap": "112K", "speed": 1}
ERASE_ms = 400  # of the flash, at worst, when nothing runs; and what may wait for it
GAP_ms = 25 + ERASE_ms + 100
OPEN_ms = 30  # the wall's contactor
# Until the coil is off, where no flash is erased: 60 and 75 are wanted, a busy PC adds to it.
OFF_ms = 70
WORST_ms = 110
TIMES = 15
IDLE = 0.2  # of the chip
ROUNDS = 5
BUDGET_ms = {  # of all steps, and of the longest
    "SetChargingProfile_24": (350, 75),
    "GetCompositeSchedule_24": (300, 75),
    "SetChargingProfile_96": (450, 100),
    "GetCompositeSchedule_96": (500, 75),
    "GetConfiguration": (500, 75),
    "ChangeConfiguration": (150, 75),
    "ClearChargingProfile": (180, 60),
    "TriggerMessage": (200, 75),
}


# (Half as much again as the largest of ten runs of three rounds, beside up to 20 busy processes.)
BUDGET_201_ms = {
    "GetCompositeSchedule_24": (700, 250),
    "GetCompositeSchedule_96": (1200, 240),
    "ClearChargingProfile": (480, 300),
    "GetVariables_1": (420, 210),
    "GetVariables_16": (1800, 220),
    "SetVariables_1": (520, 300),
    "SetVariables_16": (3500, 320),
    "GetBaseReport": (10500, 310),
    "TriggerMessage": (880, 280),
    "RequestStopTransaction": (1450, 420),
    "RequestStartTransaction": (3500, 600),
}


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
            assert seen["ticks"] > seen["world_ms"] // 50 and seen["gap_ms"] < GAP_ms, seen


async def test_the_contactor_opens_in_time_whatever_is_computed(tmp_path):
    """The car leaves state C; the coil is off two readings later. (A profile that is there already
    is not written again.)"""
    took_ms = []
    async with Bench(tmp_path, **CHIP) as b:
        await b.charge()
        await taken_in(b, 1)
        over = asyncio.Event()

        async def busy():
            while not over.is_set():
                await taken_in(b, 1)
                await b.st.call("GetCompositeSchedule", {"connectorId": 1, "duration": 86400})
                await b.st.call("GetConfiguration", {})

        task = asyncio.create_task(busy())
        try:
            mark = 0
            for _ in range(TIMES):
                # (its contacts: the coil alone opens nothing)
                await b.process.traced("contactor", lambda e: e["closed"], since=mark)
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
    assert median(took_ms) < OFF_ms and max(took_ms) < WORST_ms


async def test_the_tick_goes_on_while_an_update_arrives(tmp_path):
    """It goes into the flash, an erase at a time, when no contactor is closed any more."""
    server = FileServer()
    server.files["/x.upd"] = release.make()
    await server.start()
    async with Bench(tmp_path, **CHIP) as b:
        await b.charge()
        payload = {"location": server.url("/x.upd"), "retrieveDate": format_time(b.cs.now())}
        assert await b.st.call("UpdateFirmware", payload) == {}
        await b.passed(3)
        assert (await b.process.connector())["contactor"]
        assert not b.st.received("FirmwareStatusNotification")
        await b.do("pause")
        await b.process.until(lambda c: not c["contactor"])
        await b.process.command("gauge")
        await b.cs.until(
            lambda: any(
                p["status"] == "Downloaded" for p in b.st.received("FirmwareStatusNotification")
            ),
            4 * WAIT_s,
        )
        seen = await b.process.command("gauge")
        print(seen)
        assert seen["ticks"] > 100 and seen["gap_ms"] < GAP_ms, seen
    server.stop()


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


async def over_budget(folder):
    over = []
    async with Bench(folder, **CHIP) as b:
        await b.charge()
        await b.process.command("gauge")
        for name, action, payloads in messages():
            if name not in BUDGET_ms:
                continue
            seen = [
                await gauged(b.process, b.st.call(action, next(payloads))) for _ in range(ROUNDS)
            ]
            least = [min(one[key] for one in seen) for key in ("busy_ms", "step_ms")]
            print(name, least)
            if any(map(gt, least, BUDGET_ms[name])):
                over.append((name, least))
    return over


async def test_what_messages_cost(tmp_path):
    """In ms of the chip, the least of some: a PC that is busy with something else adds to it. What
    a station has calibrated its chip by, in a few ms, can be half as fast again as all that
    follows: three of them have to agree that something takes too long."""
    always = None
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        over = dict(await over_budget(tmp_path / str(number)))
        always = over if always is None else {k: v for k, v in always.items() if k in over}
        if not always:
            return
    assert not always


async def over_budget_201():
    how = {**CHIP, "heap": CHIP_HEAP_REPORT}
    least, words = {}, [str(word) for pair in how.items() for word in ("--" + pair[0], pair[1])]
    async with station(*words, language=V201) as (process, peer):
        await charge(process, peer)
        await process.command("gauge")
        async for name, seen in each(V201, process, peer, ROUNDS):
            one = [seen[key] for key in ("busy_ms", "step_ms")]
            least[name] = list(map(min, one, least.get(name, one)))
    print(least)
    return {name for name in BUDGET_201_ms if any(map(gt, least[name], BUDGET_201_ms[name]))}


async def test_what_messages_cost_in_201():
    """The same, with what follows an answer. (SetChargingProfile: above.)"""
    always = set(BUDGET_201_ms)
    for _ in range(3):
        always &= await over_budget_201()
        if not always:
            return
    assert not always


async def test_nothing_to_do_takes_little(tmp_path):
    """Of the loop, while a car charges and nothing is asked: 9 % of the chip."""
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
