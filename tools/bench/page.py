"""The unit's own page (docs/page.md): its files, what it takes of the heap while somebody watches
it, and what many who ask, and slow ones, do to the tick of a chip."""

import asyncio
import itertools
import json
import random
import socket
import time

from bench import PORT, measurement, rounds
from bench.messages import CHIP
from bench.station import CHIP_HEAP, charge, firmware_bytes, install, station
from host.build import ROOT, build
from host.csms import V16, V201
from host.process import WAIT_s

STATIC = {"/": "index.html", "/page.css": "page.css", "/page.js": "page.js"}
MOST_bytes = 40 << 10  # all of them
# Live heap of a unit whose page is on (the history of one connector is in it), beyond one without.
PAGE_bytes = 4096
# And while it makes an answer: the report's modules, the request's, and the pieces.
ANSWER_bytes = 8192
CLIENTS = 8  # who ask all the time
ASKED = "/state", "/plan/1", "/history/1"  # as the page does
SLOW = b"", b"GET /state HTTP/1.1\r\nX: "  # one says nothing, one adds a byte now and then
DRIBBLE_s = 0.2
# How many watch, and what others begin with who are slow.
LOOKS = {"alone": (0, ()), "watched": (1, ()), "many": (CLIENTS, ()), "slow": (1, SLOW)}
LOOK_s, QUICK_s = 20, 4


def free_port():
    """One that nobody listens on, and that no connection gets by itself."""
    while True:
        port = random.randint(10000, 30000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


async def get(port, path):
    """The body of the answer; RuntimeError: it is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        head, _, body = (await asyncio.wait_for(reader.read(), WAIT_s)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"{path}: {head}")
    return body


@measurement
def page_files():
    """Bytes of each in the source and, compressed, in the image; what they may have there."""
    table = {"budget_bytes": MOST_bytes, "bytes": 0, "image_bytes": 0}
    for name in STATIC.values():
        table[f"{name}_bytes"] = (ROOT / "firmware/page" / name).stat().st_size
        table[f"{name}_image_bytes"] = (build() / f"firmware/page/{name}.gz").stat().st_size
        for kind in ("bytes", "image_bytes"):
            table[kind] += table[f"{name}_{kind}"]
    return table


@measurement
def heap_page():
    """Live heap of the firmware on the 32-bit port with 16 profiles of 24 periods: without a page;
    it listens; between two answers to a client that watches; in the middle of one."""
    return asyncio.run(heap())


@measurement
def heap_page_201():
    """The same of a station that speaks OCPP 2.0.1."""
    return asyncio.run(heap(V201))


async def heap(language=V16):
    port, result = free_port(), {}
    for page in ((), ("--page", port)):
        words = "--interpreter", PORT, "--heap", "128K", *page
        async with station(*words, language=language) as (process, peer):
            for number in range(16):
                await install(peer, number, 24)
            if not page:
                alone = result["without_bytes"] = await firmware_bytes(process)
                continue
            result["listening_bytes"] = await firmware_bytes(process, alone + PAGE_bytes)
            for path in (*STATIC, *ASKED * 2):
                await get(port, path)
            result["watched_bytes"] = await firmware_bytes(process, alone + PAGE_bytes)
            simulator = (await process.state())["heap"]["simulator"]
            told = [json.loads(await get(port, "/state")) for _ in range(3)]
            least = min(one["report"]["heap"]["alloc"] for one in told)
            result["in_an_answer_bytes"] = least - simulator
    return result


@measurement
def page_ticks_chip():
    """Of an ESP32 at 240 MHz with 112 KB (a model, never measured on one), while a car charges and
    ten profiles of 96 periods are there: how far two ticks are apart at most, and how often and
    after how many s the page has answered. alone: nobody asks; watched: one does all the time;
    many: eight; slow: one, and two who keep it waiting."""
    return asyncio.run(ticks(rounds(LOOK_s, QUICK_s), *LOOKS))


async def ticks(look_s, *looks):
    port, result = free_port(), {}
    words = "--chip", CHIP, "--heap", CHIP_HEAP, "--page", port
    async with station(*words) as (process, peer):
        for number in range(10):
            await install(peer, number, 96)
        # (an erase of the flash may keep the tick for 400 ms: docs/simulator.md)
        samples = {"key": "MeterValueSampleInterval", "value": "0"}
        await peer.call("ChangeConfiguration", samples)
        await charge(process, peer)
        await get(port, "/state")
        for name in looks:
            (clients, slow), over, took_s = LOOKS[name], asyncio.Event(), []
            tasks = [watch(port, over, took_s) for _ in range(clients)]
            tasks += [dribble(port, over, first) for first in slow]
            await process.command("gauge")
            asyncio.get_running_loop().call_later(look_s, over.set)
            await asyncio.gather(over.wait(), *tasks)
            seen = await process.command("gauge")
            result |= {f"{name}_{key}": seen[key] for key in ("gap_ms", "ticks", "world_ms")}
            if clients:
                result[f"{name}_answers"] = len(took_s)
                result[f"{name}_longest_s"] = round(max(took_s), 1)
    return result


async def watch(port, over, took_s):
    """Ask all the time, until `over`; every answer in time."""
    for path in itertools.cycle(ASKED):
        began = time.monotonic()
        await get(port, path)
        took_s.append(time.monotonic() - began)
        if over.is_set():
            break


async def dribble(port, over, first):
    """Begin a request with `first`, add a byte now and then; where it is closed, again."""
    while not over.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(first)
            await dribbling(reader, writer, over, first[-1:])
        finally:
            writer.close()


async def dribbling(reader, writer, over, byte=b"x"):
    """Add a byte now and then, until it is closed or `over`."""
    while not (over.is_set() or writer.is_closing() or reader.at_eof()):
        writer.write(byte)
        await asyncio.sleep(DRIBBLE_s)
