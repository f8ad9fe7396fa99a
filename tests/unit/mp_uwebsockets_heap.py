"""uwebsockets: what a message costs in heap, where a word is as on the ESP32."""

import gc

from mp_uwebsockets_peer import TEXT, Peer, frame


async def spent(make):
    """Bytes that awaiting make() allocates, when everything is warm."""
    await make()
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    await make()
    used = gc.mem_alloc() - before
    gc.enable()
    return used


async def test_heap_of_a_send():
    async with Peer() as (peer, ws):
        used = {}
        for size in (0, 200, 1000, 6000, 20000):
            data = bytes(size)
            used[size] = await spent(lambda: ws.send(data))  # noqa: B023
        text = "x" * 200
        used["text"] = await spent(lambda: ws.send(text))
        used["ping"] = await spent(lambda: ws.ping())
        print("bytes of heap per send:", used)
        for what in (0, 200, 1000, "text", "ping"):
            assert used[what] <= 550, what
        assert used[6000] <= 700 and used[20000] <= 1200, "grows with the number of chunks only"


async def test_heap_of_a_recv():
    async with Peer() as (peer, ws):
        used = {}
        for size in (20, 200, 6000):
            await peer.put(frame(TEXT, b"x" * size) * 2)
            used[size] = await spent(ws.recv)
        print("bytes of heap per recv:", used)
        assert used[20] <= 1000 and used[200] <= 1000
        assert used[6000] <= 6144 + 2000, "a buffer of its own, once"
