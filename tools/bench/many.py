"""Many stations at once (tools/station --count): what an idle one costs this PC."""

import asyncio
import re
import tempfile
import time
from pathlib import Path

from bench import measurement, rounds
from bench.station import cpu_s, told
from host.csms import V16, CentralSystem
from host.process import StationProcess, WAIT_s

COUNT, SETTLE_s, LOOK_s = 20, 15, 30


def pss_bytes(pid):
    """Memory of a process: a page that n processes share counts as an nth of it."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) << 10


@measurement
def idle_stations():
    """CPU, in % of a core, and memory (PSS) of each of 20 stations, connected and idle, without a
    car: of its interpreter, of its share of the one process that is the wall of all, and both."""

    async def run(count, look_s):
        cs = CentralSystem(protocols=(V16.protocol,))
        await cs.start()
        with tempfile.TemporaryDirectory(prefix="pilotwire-bench-") as folder:
            words = "--url", cs.url, "--count", count, "--spread", count / 4
            process = StationProcess(folder, *words, quiet=True, many=True)
            try:
                await process.start()
                for i in range(1, count + 1):
                    await told(await cs.wait_station(f"CP{i}", WAIT_s))
                await asyncio.sleep(rounds(SETTLE_s, 0))
                return await look(process, look_s)
            finally:
                await process.stop()
                await cs.stop()

    async def look(process, look_s):
        wall, boards = process.process.pid, process.board_pids()
        before, began = {pid: cpu_s(pid)[0] for pid in [wall, *boards]}, time.monotonic()
        await asyncio.sleep(look_s)
        passed_s, n = time.monotonic() - began, len(boards)
        ran = {pid: (cpu_s(pid)[0] - s) / passed_s * 100 for pid, s in before.items()}
        cpu = sum(ran[pid] for pid in boards) / n, ran[wall] / n
        memory = sum(pss_bytes(pid) for pid in boards) // n, pss_bytes(wall) // n
        return {
            "stations": n,
            "board_cpu_percent": round(cpu[0], 3),
            "wall_cpu_percent": round(cpu[1], 3),
            "cpu_percent": round(sum(cpu), 3),
            "board_pss_bytes": memory[0],
            "wall_pss_bytes": memory[1],
            "pss_bytes": sum(memory),
        }

    return asyncio.run(run(rounds(COUNT, 3), rounds(LOOK_s, 1)))
