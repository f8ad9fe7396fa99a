"""The electrical side: what a tick costs, and how long the whole station keeps it waiting."""

import asyncio
import re
import time
from pathlib import Path

from bench import PORT, measurement, rounds
from bench.evaluator import script
from bench.latency import everything, flood
from bench.station import charge, cpu_s, station
from host.process import WAIT_s

POLICY = Path(__file__).with_name("mp") / "policy_ticks.py"
PHASE_s, QUICK_s = 20, 4  # (the policy says something once a second)
UP_s = 2  # of each connection, then it is lost
LATE_ms = 50
TYPING_s = 0.05
CONSOLE = (
    "help", "status", "limit", "profiles", "composite", "session", "faults", "config", "journal",
    "log", "heap", "tasks", "limt", ">>> 6 * 7",
)  # fmt: skip


@measurement
def electrical_tick():
    """us and bytes of heap, a car charges: the controller, the drivers' update(), the sampling of
    the pilot (without the ADC's own 3 to 4 ms), the whole tick; on a board without parts and on
    one with all. Fails if anything allocates. This machine's times (see `evaluator`)."""
    return script("bench_electrical")


async def gaps(process, name, work):
    """Figures of the ticks while work(over) runs."""
    over = asyncio.Event()
    task = asyncio.create_task(work(over))
    since = len(process.output)
    board = process.board_pid()
    before, began = cpu_s(board), time.monotonic()
    await asyncio.sleep(rounds(PHASE_s, QUICK_s))
    over.set()
    done = await task
    took_s = time.monotonic() - began
    waited = cpu_s(board)[1] - before[1]
    lines = [re.search(r"ticks (\d+) late (\d+) gap_us (\d+)", s) for s in process.output[since:]]
    ticks = [[int(n) for n in m.groups()] for m in lines if m][1:]  # (the first began before)
    return {
        f"{name}_ticks": sum(n for n, _, _ in ticks),
        f"{name}_gaps_over_{LATE_ms}_ms": sum(n for _, n, _ in ticks),
        f"{name}_worst_gap_ms": round(max(us for _, _, us in ticks) / 1000, 1),
        f"{name}_board_waited_for_cpu_share": round(waited / took_s, 3),
        **{f"{name}_{key}": value for key, value in done.items()},
    }


@measurement
def tick_gap():
    """The worst time from one sampling of the pilot to the next, ms at --speed 1 on this machine
    (25 of them asleep). Here neither the ADC nor an erase of the flash takes time. loaded:
    profiles of 96 periods go to flash one after the other, with composite schedules between them,
    and the connection is lost two seconds after it came back. console: a person types commands."""

    async def run():
        result = {}
        words = "--interpreter", PORT, "--policy", POLICY
        async with station(*words) as (process, peer):
            await charge(process, peer)

            async def idle(over):
                await over.wait()
                return {}

            async def loaded(over):
                took, lost, at = {}, 0, peer
                requests = everything()
                while True:
                    part = asyncio.Event()
                    asyncio.get_running_loop().call_later(UP_s, part.set)
                    await flood(at, requests, took, part)
                    if over.is_set():
                        break
                    await at.drop()
                    lost += 1
                    at = await peer.central.wait_station("B", WAIT_s, after=at)
                return {"profiles": len(took["SetChargingProfile"]), "reconnects": lost}

            async def typed(over):
                lines = 0
                while not over.is_set():
                    for line in CONSOLE:
                        await process.do("console " + line)
                        await asyncio.sleep(TYPING_s)
                        lines += 1
                return {"lines": lines}

            result |= await gaps(process, "idle", idle)
            result |= await gaps(process, "console", typed)
            result |= await gaps(process, "loaded", loaded)
        return result

    return asyncio.run(run())
