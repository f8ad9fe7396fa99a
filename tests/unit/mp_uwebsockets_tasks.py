"""uwebsockets: several tasks on one connection, cancellation, the ways it ends."""

import asyncio
import time

from mp_uwebsockets_peer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Peer,
    Server,
    cancel,
    close,
    closed,
    frame,
    read_frame,
    upgrade,
)
from rig import raised

from uwebsockets import ConnectionClosed, connect

BOTH = True

BIG = bytes(1000)


# Send until the socket takes no more: the task then hangs in a frame, with the lock held. That
# frame has no end, unless frames are to be read: the kernel finds room for some more at times.
async def stuck(ws, frames=False):
    def pieces():
        while True:
            count[0] += 1
            yield BIG

    async def run():
        try:
            while frames:
                count[0] += 1
                await ws.send(BIG)
            await ws.send_from(1 << 29, pieces())
        except ConnectionClosed as e:
            return e

    count = [0]
    task = asyncio.create_task(run())
    before, still = 0, 0
    while still < 5:  # (on a busy machine one look may find that the sender had no turn)
        await asyncio.sleep_ms(30)  # longer than a sender waits before it looks again
        still = still + 1 if before == count[0] else 0
        before = count[0]
    assert ws._lock.locked()
    return task


async def test_two_readers():
    async with Peer() as (peer, ws):
        first = asyncio.create_task(ws.recv())
        await asyncio.sleep_ms(0)
        assert "another task" in str(await raised(RuntimeError, ws.recv()))
        await peer.put(frame(TEXT, b"for the first"))
        assert bytes(await first) == b"for the first"
        await peer.put(frame(TEXT, b"next"))
        assert bytes(await ws.recv()) == b"next"


async def test_senders_take_turns():
    async def sender(i):
        for _ in range(5):
            await ws.send(bytes([i]) * (1500 + i))

    async with Peer(tx_size=64) as (peer, ws):
        tasks = [asyncio.create_task(sender(i)) for i in range(4)]
        seen = [0] * 4
        for _ in range(20):
            op, data = await read_frame(peer.reader)
            assert op == BINARY and data == bytes([data[0]]) * (1500 + data[0])
            seen[data[0]] += 1
        assert seen == [5] * 4
        for task in tasks:
            await task


async def test_cancelled_send_ends_the_connection():
    async with Peer() as (peer, ws):
        reader = asyncio.create_task(closed(ws.recv(), 1006, "cut short"))
        sender = await stuck(ws)
        waiting = asyncio.create_task(closed(ws.send("waits for its turn"), 1006, "cut short"))
        await asyncio.sleep_ms(0)
        await cancel(sender)
        assert ws.closed
        await waiting
        await reader
        await closed(ws.send("later"), 1006, "cut short")
        await closed(ws.ping(), 1006)
        await closed(ws.recv(), 1006)
        await ws.close()


async def test_send_cancelled_while_it_waits_for_its_turn_costs_nothing():
    async with Peer() as (peer, ws):
        sender = await stuck(ws)
        waiting = asyncio.create_task(ws.send("never"))
        await asyncio.sleep_ms(0)
        await cancel(waiting)
        assert not ws.closed
        left = await peer.reader.readexactly(14 + 5000)  # of zeros, masked
        assert left[14:] == left[10:14] * 1250
        ws._end(1006, "test")
        await sender


async def test_cancelled_recv_leaves_the_sender_alone():
    # asyncio takes a stream off its poll list as a whole when one who waits on it is cancelled.
    async with Peer() as (peer, ws):
        reader = asyncio.create_task(ws.recv())
        sender = await stuck(ws, frames=True)
        await cancel(reader)
        waiting = asyncio.create_task(ws.send("in the end"))
        op = BINARY
        while op == BINARY:
            op, data = await read_frame(peer.reader)
        assert (op, data) == (TEXT, b"in the end")
        await waiting
        ws._end(1006, "test")
        await sender


async def test_peer_that_vanishes_fails_the_send():
    async def handler(reader, writer):
        await upgrade(reader, writer)

    async with Server(handler) as url:
        ws = await connect(url)
    try:
        while True:
            await ws.send(BIG)
    except ConnectionClosed as e:
        assert e.code == 1006 and e.reason.startswith("send: "), e.reason
    await closed(ws.recv(), 1006, "send: ")
    assert ws.closed


async def test_ping_is_answered_after_the_frame_that_is_leaving():
    # And is not waited for: a peer that writes before it reads must not hang us both. The newest
    # is answered; an older one too where the kernel found room for the frame before it came (it
    # probes a full window after 200 ms).
    for _ in range(5):
        async with Peer() as (peer, ws):
            sender = await stuck(ws, frames=True)
            await peer.put(frame(PING, b"old") + frame(PING, b"new") + frame(TEXT, b"more"))
            assert bytes(await ws.recv()) == b"more"
            pongs = []
            while b"new" not in pongs:
                op, data = await read_frame(peer.reader)
                if op != BINARY:
                    assert op == PONG, op
                    pongs.append(data)
            ws._end(1006, "test")
            await sender
        if pongs == [b"new"]:
            return
        assert pongs == [b"old", b"new"], pongs
    raise AssertionError("the older ping was answered five times")


async def test_ping_and_pong():
    async with Peer() as (peer, ws):
        reader = asyncio.create_task(ws.recv())
        await peer.put(frame(PING, b"\x00payload\xff"))
        assert await read_frame(peer.reader) == (PONG, b"\x00payload\xff")
        assert ws.last_pong_ms is None
        await ws.ping(b"ours")
        assert await read_frame(peer.reader) == (PING, b"ours")
        await peer.put(frame(PONG, b"ours") + frame(TEXT, b"x"))
        await reader
        assert ws.last_pong_ms is not None


async def test_idle_recv_may_be_cancelled():
    async with Peer() as (peer, ws):
        for _ in range(2):
            reader = asyncio.create_task(ws.recv())
            await asyncio.sleep_ms(0)
            await peer.put(frame(PING))  # a control frame that was dealt with does not matter
            assert (await read_frame(peer.reader))[0] == PONG
            await cancel(reader)
        await peer.put(frame(TEXT, b"whole"))
        assert bytes(await ws.recv()) == b"whole"


async def test_recv_cancelled_inside_a_message_costs_the_connection():
    for part in (b"\x81", b"\x81\x7e\x01", frame(TEXT, b"abc")[:-1], frame(TEXT, b"abc", False)):
        async with Peer() as (peer, ws):
            ws.last_rx_ms = None
            reader = asyncio.create_task(ws.recv())
            await peer.put(part)
            while ws.last_rx_ms is None:
                await asyncio.sleep_ms(1)
            for _ in range(5):
                await asyncio.sleep_ms(0)
            await cancel(reader)
            await ws.send("the way out is whole")
            await closed(ws.recv(), 1006, "cancelled inside a message")
            assert ws.closed


# Close


async def test_close_with_a_reader():
    async with Peer() as (peer, ws):
        reader = asyncio.create_task(ws.recv())
        await asyncio.sleep_ms(0)
        closing = asyncio.create_task(ws.close(1001, "reboot"))
        assert await read_frame(peer.reader) == (CLOSE, b"\x03\xe9reboot")
        await closed(ws.send("too late"), 1001)
        # What the peer had under way still reaches the reader.
        await peer.put(frame(TEXT, b"last words"))
        assert bytes(await reader) == b"last words"
        reader = asyncio.create_task(ws.recv())
        await peer.put(frame(PING) + close(1001, b"bye"))
        peer.over.set()
        await closed(reader, 1001, "bye")
        await closing
        assert ws.closed
        await closed(ws.recv(), 1001, "bye")
        await closed(ws.send("x"), 1001, "bye")
        await ws.close()


async def test_close_without_a_reader():
    async with Peer() as (peer, ws):
        await peer.put(frame(BINARY, b"seen"))
        view = await ws.recv()
        closing = asyncio.create_task(ws.close())
        assert await read_frame(peer.reader) == (CLOSE, b"\x03\xe8")
        # A reader that comes back meanwhile keeps out; its last message is not overwritten.
        reader = asyncio.create_task(ws.recv())
        await peer.put(frame(BINARY, b"overwrite me") + close(1000))
        assert bytes(view) == b"seen"
        peer.over.set()
        await closing
        await closed(reader, 1000)
        assert ws.closed and bytes(view) == b"seen"


async def test_close_from_two_tasks():
    async with Peer() as (peer, ws):
        tasks = [asyncio.create_task(ws.close(3000 + i)) for i in range(3)]
        assert await read_frame(peer.reader) == (CLOSE, b"\x0b\xb8")
        peer.over.set()
        for task in tasks:
            await task
        await ws.close(3009)
        await closed(ws.recv(), 3000)


async def test_close_is_bounded():
    # A peer that neither reads nor answers, a reader, and a sender that hangs in a frame.
    for with_sender in (False, True):
        async with Peer() as (peer, ws):
            ws.leave_ms = 100
            reader = asyncio.create_task(closed(ws.recv(), 1000))
            await asyncio.sleep_ms(0)
            sender = await stuck(ws) if with_sender else None
            await ws.close()
            # When close returns, nobody waits on the dead socket any more.
            assert ws.closed and not ws._reader and not ws._lock.locked()
            await reader
            if sender:
                await sender


async def test_exit_waits_for_nothing():
    """Not even for its own frame, if another is on its way out; it can be called twice."""
    for with_sender in (False, True):
        async with Peer() as (peer, ws):
            sender = await stuck(ws) if with_sender else None
            before = time.ticks_ms()
            for _ in range(2):
                ws.exit(1001)
            assert time.ticks_diff(time.ticks_ms(), before) < 100 and ws.closed
            if sender:
                await sender
            else:
                assert await read_frame(peer.reader) == (CLOSE, b"\x03\xe9")
                assert await peer.reader.read(1) == b""


async def test_close_that_is_cancelled_ends_tcp():
    async with Peer() as (peer, ws):
        task = asyncio.create_task(ws.close())
        assert (await read_frame(peer.reader))[0] == CLOSE
        await cancel(task)
        assert ws.closed
        assert await peer.reader.read(1) == b""


async def test_close_while_the_peer_closes():
    async with Peer() as (peer, ws):
        ws.leave_ms = 100
        reader = asyncio.create_task(ws.recv())
        await asyncio.sleep_ms(0)
        closing = asyncio.create_task(ws.close(1000, "ours"))
        await peer.put(close(1012, b"restart"))
        assert (await read_frame(peer.reader))[0] == CLOSE
        assert await peer.reader.read(1) == b"", "one close frame is enough"
        peer.over.set()
        await closed(reader, 1012, "restart")
        await closing


async def test_peer_closes_and_keeps_tcp():
    # The server should end TCP; one that does not cannot hold us for ever.
    async with Peer() as (peer, ws):
        ws.leave_ms = 100
        await peer.put(close(1001))
        await closed(ws.recv(), 1001)
        assert await read_frame(peer.reader) == (CLOSE, b"\x03\xe9")
        assert await peer.reader.read(1) == b""


async def test_next_connection_is_left_alone():
    # The unix port gives the next socket the descriptor of the last one.
    for _ in range(3):
        async with Peer() as (old, ws):
            reader = asyncio.create_task(closed(ws.recv(), 1006, "lost"))
            sender = await stuck(ws, frames=True)
            ws._end(1006, "lost")
            await ws.close()
            async with Peer() as (new, ws2):
                await new.put(frame(TEXT, b"for the new one"))
                assert bytes(await ws2.recv()) == b"for the new one"
                await ws2.send("hi")
                assert await read_frame(new.reader) == (TEXT, b"hi")
            await reader
            assert (await sender).reason == "lost"


async def test_others_run_while_much_comes_and_goes():
    # No more than 1 KB in and a chunk out between two turns of another task.
    async def other():
        while True:
            turns[0] += 1
            await asyncio.sleep_ms(0)

    turns = [0]
    async with Peer() as (peer, ws):
        await peer.put(frame(TEXT, b"x" * 16000))
        task = asyncio.create_task(other())
        assert len(await ws.recv()) == 16000
        assert turns[0] >= 15, turns
        turns[0] = 0
        await ws.send(bytes(5120))
        assert turns[0] >= 10, turns
        task.cancel()
