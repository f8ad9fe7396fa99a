"""The whole firmware connects and loses its connection, again and again, in every way there is.

    python -m tests.prove_link.soak                1,000 times
    python -m tests.prove_link.soak --connects 100

On the 32-bit port with the ESP32's heap. What is live in the heap, connected and idle, must be
within 1 KB of what it was after the tenth.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from bench.station import firmware_bytes  # noqa: E402
from host.process import StationProcess  # noqa: E402

from .server import CLOSE, TEXT, Server, call, frame  # noqa: E402

MP32 = os.environ.get("MICROPYTHON32") or str(ROOT / "build/micropython32/micropython32")
SPEED = 1000  # of which the host reaches what it can: a back-off is a minute
CONNECTS = 1000
FIRST = 10
ALLOWED = 1024
KEYS = {
    "WebSocketPingInterval": "300",
    "RetryBackOffWaitMinimum": "1",
    "RetryBackOffRepeatTimes": "0",
    "RetryBackOffRandomRange": "0",
}


async def close_frame(server, process):
    peer = await server.friend()
    await peer.still_there()
    peer.write(frame((1000).to_bytes(2, "big"), CLOSE))
    await peer.gone.wait()
    return peer


async def goes_away(server, process):
    """TCP ends, without a close frame."""
    peer = await server.friend()
    await peer.still_there()
    peer.writer.close()
    return peer


async def reset(server, process):
    peer = await server.friend()
    await peer.still_there()
    peer.reset()
    return peer


async def reset_in_a_message(server, process):
    peer = await server.friend()
    peer.write(call("GetConfiguration", {}, 1) + frame(b"[2,", TEXT, False))
    await peer.until(lambda: peer.frames)
    peer.reset()
    return peer


async def protocol_error(server, process):
    """A frame with a reserved bit: the station closes."""
    peer = await server.friend()
    peer.write(b"\xf1\x00")
    await peer.gone.wait()
    return peer


async def half_open(server, process):
    """Nothing comes any more, and nobody says so."""
    peer = await server.friend()
    await peer.still_there()
    peer.task.cancel()
    following = await server.raw()  # (it has dialled again)
    following.reset()
    server.forget(following)
    return peer


async def no_upgrade(server, process):
    peer = await server.raw()
    await peer.request()
    peer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
    peer.writer.close()
    return peer


async def half_a_handshake(server, process):
    peer = await server.raw()
    peer.agree(await peer.request(), 50)
    peer.reset()
    return peer


async def refused(server, process):
    """Nobody listens. (What came before it did is not spoken to.)"""
    since = len(process.output)
    await server.deaf()
    await process.wait_output("Central System:", 60, since)
    await server.listen()
    return None


WAYS = (
    close_frame,
    goes_away,
    reset,
    reset_in_a_message,
    protocol_error,
    half_open,
    no_upgrade,
    half_a_handshake,
    refused,
)


async def live(server, process, most=0):
    """Bytes of heap that are live while it is connected and idle."""
    peer = await server.friend()
    await peer.still_there()
    live_bytes = await firmware_bytes(process, most)
    peer.reset()
    server.forget(peer)
    return live_bytes


async def soak(connects, seed, say=print):
    """-> bytes that are live after the tenth, and in the end"""
    rng = random.Random(seed)
    async with Server(pongs=True) as server:
        with tempfile.TemporaryDirectory(prefix="pilotwire-soak-") as folder:
            url = f"ws://127.0.0.1:{server.port}/soak"
            words = "--interpreter", MP32, "--heap", "128K", "--speed", SPEED
            process = StationProcess(folder, "--url", url, "--id", "S", *words, quiet=True)
            try:
                await process.start()
                peer = await server.friend()
                for key, value in KEYS.items():
                    peer.write(call("ChangeConfiguration", {"key": key, "value": value}, key))
                await peer.still_there()
                peer.reset()
                for way in WAYS:  # (all code was there once)
                    await end(way, server, process)
                begin = None
                for number in range(1, connects + 1):
                    if number <= FIRST:
                        way = WAYS[number % len(WAYS)]
                    else:
                        way = rng.choices(WAYS, [1 if w is half_open else 4 for w in WAYS])[0]
                    await end(way, server, process)
                    if number == FIRST:
                        begin = await live(server, process)
                    elif number % 100 == 0:
                        now = await live(server, process, begin + ALLOWED)
                        say(f"{number} connections: {now} bytes are live, {now - begin:+d}")
                now = await live(server, process, begin + ALLOWED)
                await process.stop()
                return begin, now, process.output
            finally:
                process.kill()
                await process.ended()


async def end(way, server, process):
    peer = await way(server, process)
    if peer:
        server.forget(peer)


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.prove_link.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--connects", type=int, default=CONNECTS)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("PILOTWIRE_SEED") or 1))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    begin, now, _ = asyncio.run(soak(args.connects, args.seed))
    print(f"after {FIRST}: {begin} bytes; after {args.connects}: {now} bytes")
    return now - begin > ALLOWED


if __name__ == "__main__":
    sys.exit(main())
