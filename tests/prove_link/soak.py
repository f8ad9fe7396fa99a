"""The whole firmware connects and loses its connection, again and again, in every way there is.

    python -m tests.prove_link.soak                1,000 times in OCPP 1.6, and as often in 2.0.1
    python -m tests.prove_link.soak --connects 100 --ocpp ocpp2.0.1

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

from .server import CLOSE, MODEL, TEXT, V16, V201, Server, call, frame  # noqa: E402

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
LONG = {  # a request with an answer of some kilobytes
    V16: ("GetConfiguration", {}),
    V201: ("GetVariables", {"getVariableData": [MODEL] * 16}),
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
    peer.write(call(*LONG[peer.protocol], 1) + frame(b"[2,", TEXT, False))
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


async def report(server, process):
    """OCPP 2.0.1: a report of everything, to its end; the connection is lost while it is told."""
    peer = await server.friend()
    peer.write(call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"}, 1))
    await peer.until(lambda: peer.told("NotifyReport"))
    peer.reset()
    server.forget(peer)
    peer = await server.friend()
    await peer.until(lambda: any(not each["tbc"] for each in peer.told("NotifyReport")))
    peer.reset()
    return peer


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


def setting(protocol, name, value):
    """The request that gives a key of KEYS this value; in OCPP 2.0.1 they are variables."""
    if protocol == V16:
        return "ChangeConfiguration", {"key": name, "value": value}
    variable = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": name}}
    return "SetVariables", {"setVariableData": [{**variable, "attributeValue": value}]}


async def soak(connects, seed, say=print, protocol=V16):
    """-> bytes that are live after the tenth, and in the end"""
    rng = random.Random(seed)
    async with Server(pongs=True, protocol=protocol) as server:
        with tempfile.TemporaryDirectory(prefix="pilotwire-soak-") as folder:
            url = f"ws://127.0.0.1:{server.port}/soak"
            words = "--interpreter", MP32, "--heap", "128K", "--speed", SPEED
            process = StationProcess(folder, "--url", url, "--id", "S", *words, quiet=True)
            try:
                await process.start()
                peer = await server.friend()
                for key, value in KEYS.items():
                    peer.write(call(*setting(protocol, key, value), key))
                await peer.still_there()
                peer.reset()
                ways = WAYS if protocol == V16 else (*WAYS, report)
                for way in ways:  # (all code was there once)
                    await end(way, server, process)
                begin = None
                for number in range(1, connects + 1):
                    if number <= FIRST:
                        way = ways[number % len(ways)]
                    else:
                        way = rng.choices(ways, [1 if w is half_open else 4 for w in ways])[0]
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
    parser.add_argument("--ocpp", choices=LONG, action="append", help="both, without it")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    grown = False
    for protocol in args.ocpp or LONG:
        begin, now, _ = asyncio.run(soak(args.connects, args.seed, print, protocol))
        print(f"{protocol}: {begin} bytes after {FIRST}, {now} bytes after {args.connects}")
        grown |= now - begin > ALLOWED
    return grown


if __name__ == "__main__":
    sys.exit(main())
