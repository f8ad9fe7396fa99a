"""uwebsockets against the `websockets` package: each test runs a short program on MicroPython."""

import asyncio
import functools
import hashlib
import json
import os
import re
import textwrap
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.server import serve

from host.csms import WAIT_s

ROOT = Path(__file__).resolve().parents[2]
PRELUDE = """
import asyncio, gc, os, sys, uwebsockets
URL = os.getenv("URL")
async def failure(awaitable):
    try:
        await awaitable
    except OSError as e:
        return e
    raise AssertionError("did not fail")
"""


@pytest.fixture
def run(micropython32):
    """run(handler, script, ...): see serve_and_run."""
    return functools.partial(serve_and_run, micropython32)


def serve_and_run(device, handler, script, certificates=None, **options):
    """Serves with `handler`, over TLS with `certificates`, and runs `script`, the body of an async
    def, on the device.

    What either raises fails the test. Returns what the script printed.
    """
    options = {"subprotocols": ["ocpp1.6"], "max_size": None} | options
    if certificates:
        options["ssl"] = certificates.context()
    errors = []

    async def served(ws):
        try:
            await handler(ws)
        except websockets.ConnectionClosed:
            raise
        except BaseException as e:
            errors.append(e)
            raise

    async def both():
        async with serve(served, "127.0.0.1", 0, **options) as server:
            port = server.sockets[0].getsockname()[1]
            code = (
                PRELUDE + "async def main():\n" + textwrap.indent(textwrap.dedent(script), "    ")
            )
            code += f"\nasyncio.run(asyncio.wait_for(main(), {WAIT_s}))\n"
            device_env = {**os.environ, "MICROPYPATH": "lib:.frozen"}
            device_env["URL"] = f"ws://127.0.0.1:{port}/CP1"
            if certificates:
                device_env["URL"] = f"wss://localhost:{port}/CP1"
                device_env["TLS"] = str(certificates.unit())
            process = await asyncio.create_subprocess_exec(
                device, "-X", "heapsize=512K", "-c", code,
                stdout=-1, stderr=-2, cwd=ROOT, env=device_env,
            )  # fmt: skip
            try:
                said, _ = await asyncio.wait_for(process.communicate(), WAIT_s)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if errors:
            raise errors[0]
        assert process.returncode == 0, said.decode()
        return said.decode()

    return asyncio.run(both())


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def describe(ws):
    """Answers a message with its kind, length and hash."""
    async for message in ws:
        kind = "text" if isinstance(message, str) else "binary"
        data = message.encode() if kind == "text" else message
        await ws.send(f"{kind} {len(data)} {hashlib.sha256(data).hexdigest()}")


SIZES = "(0, 1, 3, 125, 126, 127, 1000, 1014, 1016, 1017, 1020, 4096, 65535, 65536, 100000)"

SEND = f"""
    import binascii, hashlib
    ws = await uwebsockets.connect(URL, **OPTIONS)
    for size in {SIZES}:
        data = (bytes(range(33, 126)) * (size // 93 + 1))[:size]
        for kind in ("text", "binary"):
            await ws.send(data, text=kind == "text")
            got = str(await ws.recv(), "utf-8")
            digest = binascii.hexlify(hashlib.sha256(data).digest()).decode()
            assert got == "%s %d %s" % (kind, size, digest), (size, got)
    await ws.close()
"""


def test_send_sizes(run):
    run(describe, "OPTIONS = {}\n" + textwrap.dedent(SEND))


def test_send_text_beyond_ascii(run):
    run(
        echo,
        """
        ws = await uwebsockets.connect(URL)
        text = "caf\\u00e9 \\u20ac \\U0001f600 " * 100
        await ws.send(text)
        view = await ws.recv()
        assert ws.text and str(view, "utf-8") == text
        await ws.close()
        """,
    )


def test_receive_up_to_the_limit_and_not_beyond(run):
    closes = []

    async def handler(ws):
        for size in (0, 1, 125, 126, 127, 4096, 4097, 16383, 16384):
            await ws.send("t" * size)
            await ws.send(b"b" * size)
        await ws.send("x" * 100_000)
        await ws.wait_closed()
        closes.append((ws.protocol.close_rcvd.code, ws.protocol.close_rcvd.reason))

    run(
        handler,
        """
        ws = await uwebsockets.connect(URL)
        for size in (0, 1, 125, 126, 127, 4096, 4097, 16383, 16384):
            for text, letter in ((True, b"t"), (False, b"b")):
                view = await ws.recv()
                assert ws.text == text and bytes(view) == letter * size, size
        e = await failure(ws.recv())
        assert (e.code, e.reason) == (1009, "message > 16384 bytes")
        """,
    )
    assert closes == [(1009, "message > 16384 bytes")]


def test_fragments_and_pings_of_the_server(run):
    async def handler(ws):
        async def pieces():
            for piece in ("hel", "lo \u20ac", "", "!"):
                pong = await ws.ping("between " + piece)
                yield piece
                await asyncio.wait_for(pong, WAIT_s)

        await ws.send(pieces())
        for payload in (b"", b"x", b"\x00" * 125):
            await asyncio.wait_for(await ws.ping(payload), WAIT_s)
        await ws.close(1000)

    run(
        handler,
        """
        ws = await uwebsockets.connect(URL)
        assert str(await ws.recv(), "utf-8") == "hello \\u20ac!"
        assert (await failure(ws.recv())).code == 1000
        """,
    )


def test_the_server_closes(run):
    codes, closes = (1000, 1001, 1008, 1011, 1012, 3000, 4999), []

    async def handler(ws):
        await ws.close(codes[len(closes)], "because \u20ac")
        closes.append((ws.protocol.close_rcvd.code, ws.protocol.close_rcvd_then_sent))

    run(
        handler,
        f"""
        for code in {codes}:
            ws = await uwebsockets.connect(URL)
            e = await failure(ws.recv())
            assert (e.code, e.reason) == (code, "because \\u20ac") and ws.closed
        """,
    )
    assert closes == [(code, False) for code in codes]


def test_the_device_closes(run):
    closes = []

    async def handler(ws):
        await ws.wait_closed()
        closes.append((ws.protocol.close_rcvd.code, ws.protocol.close_rcvd.reason, ws.close_code))

    run(
        handler,
        """
        for with_reader in (False, True):
            ws = await uwebsockets.connect(URL)
            if with_reader:
                reader = asyncio.create_task(failure(ws.recv()))
                await asyncio.sleep_ms(0)
            await ws.close(3001, "reset")
            assert ws.closed
            if with_reader:
                e = await reader
                assert e.code == 3001
        """,
    )
    assert closes == [(3001, "reset", 3001)] * 2


def test_heap_of_an_idle_connection(run):
    said = run(
        echo,
        """
        kept = []
        live = []
        for _ in range(4):  # the first ones warm up
            kept.append(await uwebsockets.connect(URL))
            gc.collect()
            live.append(gc.mem_alloc())
        print("idle:", live[3] - live[2], "bytes, of which 4608 are buffers")
        reader = asyncio.create_task(failure(kept[3].recv()))
        await asyncio.sleep_ms(1)
        gc.collect()
        print("reader:", gc.mem_alloc() - live[3])
        for ws in kept:
            await ws.close()
        await reader
        """,
    )
    print(said)
    idle = int(re.search(r"idle: (\d+)", said)[1])
    reader = int(re.search(r"reader: (\d+)", said)[1])
    assert idle + reader <= 6 * 1024


def test_package_lists_every_module():
    package = json.loads((ROOT / "lib/uwebsockets/package.json").read_text())
    modules = sorted(path.name for path in (ROOT / "lib/uwebsockets").glob("*.py"))
    assert package["urls"] == [[f"uwebsockets/{name}", name] for name in modules]


# TLS


TRUST = """
    import tls
    def trust():
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED
        with open(os.getenv("TLS") + "/ca.der", "rb") as f:
            context.load_verify_locations(f.read())
        return context
    PORT = int(URL.split(":")[2].split("/")[0])
    HERE = ("127.0.0.1", PORT)
"""


def test_wss(run, certificates):
    script = TRUST + "    OPTIONS = {'ssl': trust(), 'addr': HERE}\n" + SEND
    run(describe, script, certificates)


def test_wss_close_and_death(run, certificates):
    async def handler(ws):
        async for message in ws:
            if message == "die":
                ws.transport.abort()
            else:
                await ws.close(1012, "restart")

    checks = """
    for word, code in (("die", 1006), ("restart", 1012)):
        ws = await uwebsockets.connect(URL, ssl=trust(), addr=HERE)
        await ws.send(word)
        e = await failure(ws.recv())
        assert e.code == code, e
    ws = await uwebsockets.connect(URL, ssl=trust(), addr=HERE)
    reader = asyncio.create_task(failure(ws.recv()))
    await asyncio.sleep_ms(0)
    ws._end(1006, "by another task")
    assert (await reader).reason == "by another task"
    """
    run(handler, TRUST + checks, certificates)
