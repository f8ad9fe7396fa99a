# One WebSocket client against the echo server of bench/websocket.py: NAME PORT [quick].

import asyncio
import gc
import json
import sys
import time

SIZES = 10, 600, 6000
QUICK = "quick" in sys.argv
SECONDS = 0.05 if QUICK else 1
REPEATED = 1 if QUICK else 5


class Ours:
    """uwebsockets as the firmware uses it."""

    def __init__(self):
        import uwebsockets

        self._connect = uwebsockets.connect

    async def open(self, port):
        ws = await self._connect(f"ws://127.0.0.1:{port}/CP1")
        self.send, self.recv, self.close = ws.send, ws.recv, ws.close


class Theirs:
    """micropython-async-websocket-client."""

    def __init__(self):
        from async_websocket_client import AsyncWebsocketClient

        self._client = AsyncWebsocketClient

    async def open(self, port):
        ws = self._client()
        await ws.handshake(f"ws://127.0.0.1:{port}/CP1")
        self.send, self.recv, self.close = ws.send, ws.recv, ws.close


def live():
    gc.collect()
    return gc.mem_alloc()


def ran_us():
    """Of this process, on a processor."""
    with open("/proc/self/schedstat") as f:
        return int(f.read().split()[0]) // 1000


async def spent(make):
    """Bytes that awaiting make() allocates when everything is warm."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    await make()
    used = gc.mem_alloc() - before
    gc.enable()
    return used


async def main(name, port):
    out = {}
    before = live()
    ws = Ours() if name == "uwebsockets" else Theirs()
    out["code_bytes"] = live() - before
    took = []
    for _ in range(3 * REPEATED):
        began = time.ticks_us()
        await ws.open(port)
        took.append(time.ticks_diff(time.ticks_us(), began))
        await ws.close()
    out["handshake_ms"] = round(min(took) / 1000, 2)
    kept = []
    heap = []
    for _ in range(3):
        ws = type(ws)()
        await ws.open(port)
        kept.append(ws)
        heap.append(live())
    out["connection_bytes"] = heap[2] - heap[1]
    for size in SIZES:
        text = "x" * size
        for _ in range(2):
            await ws.send(text)
            await ws.recv()
        out[f"send_{size}_bytes"] = await spent(lambda: ws.send(text))  # noqa: B023
        await asyncio.sleep_ms(20)
        out[f"recv_{size}_bytes"] = await spent(ws.recv)
        best = 0
        cpu_us = []
        for _ in range(REPEATED):
            n = 0
            ran = ran_us()
            began = time.ticks_us()
            while time.ticks_diff(time.ticks_us(), began) < SECONDS * 1000000:
                await ws.send(text)
                await ws.recv()
                n += 1
            best = max(best, n * 1000000 // time.ticks_diff(time.ticks_us(), began))
            cpu_us.append((ran_us() - ran) // n)
        out[f"round_trips_{size}_per_s"] = best
        out[f"round_trip_{size}_cpu_us"] = min(cpu_us)
    for ws in kept:
        await ws.close()
    print(json.dumps(out))


asyncio.run(main(sys.argv[-2 - QUICK], int(sys.argv[-1 - QUICK])))
