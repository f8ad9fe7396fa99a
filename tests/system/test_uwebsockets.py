"""uwebsockets against the `websockets` package: each test runs a short program on MicroPython."""

import asyncio
import datetime
import hashlib
import http
import ipaddress
import json
import os
import re
import ssl
import textwrap
from pathlib import Path

import pytest
import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import basic_auth, serve

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
def device(micropython32):
    return micropython32


def run(device, handler, script, url="{scheme}://127.0.0.1:{port}/CP1", env=(), **options):
    """Serves with `handler` and runs `script`, the body of an async def, on the device.

    What either raises fails the test. Returns what the script printed.
    """
    options = {"subprotocols": ["ocpp1.6"], "max_size": None} | options
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
            scheme = "wss" if options.get("ssl") else "ws"
            code = (
                PRELUDE + "async def main():\n" + textwrap.indent(textwrap.dedent(script), "    ")
            )
            code += f"\nasyncio.run(asyncio.wait_for(main(), {WAIT_s}))\n"
            device_env = dict(os.environ, MICROPYPATH="lib:.frozen", **dict(env))
            device_env["URL"] = url.format(scheme=scheme, port=port)
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


def test_send_sizes(device):
    run(device, describe, "OPTIONS = {}\n" + textwrap.dedent(SEND))


def test_send_text_beyond_ascii(device):
    run(
        device,
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


def test_receive_up_to_the_limit_and_not_beyond(device):
    closes = []

    async def handler(ws):
        for size in (0, 1, 125, 126, 127, 4096, 4097, 16383, 16384):
            await ws.send("t" * size)
            await ws.send(b"b" * size)
        await ws.send("x" * 100_000)
        await ws.wait_closed()
        closes.append((ws.protocol.close_rcvd.code, ws.protocol.close_rcvd.reason))

    run(
        device,
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


def test_fragments_and_pings_of_the_server(device):
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
        device,
        handler,
        """
        ws = await uwebsockets.connect(URL)
        assert str(await ws.recv(), "utf-8") == "hello \\u20ac!"
        assert (await failure(ws.recv())).code == 1000
        """,
    )


def test_pings_of_the_device(device):
    run(
        device,
        echo,
        """
        ws = await uwebsockets.connect(URL)
        await ws.ping(b"p" * 125)
        assert ws.last_pong_ms is None
        await ws.send("after the ping")
        await ws.recv()
        assert ws.last_pong_ms is not None
        await ws.close()
        """,
    )


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 3000, 4999])
def test_the_server_closes(device, code):
    closes = []

    async def handler(ws):
        await ws.close(code, "because \u20ac")
        closes.append((ws.protocol.close_rcvd.code, ws.protocol.close_rcvd_then_sent))

    run(
        device,
        handler,
        f"""
        ws = await uwebsockets.connect(URL)
        e = await failure(ws.recv())
        assert (e.code, e.reason) == ({code}, "because \\u20ac") and ws.closed
        """,
    )
    assert closes == [(code, False)]


def test_the_device_closes(device):
    closes = []

    async def handler(ws):
        await ws.wait_closed()
        closes.append((ws.protocol.close_rcvd.code, ws.protocol.close_rcvd.reason, ws.close_code))

    run(
        device,
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


def test_the_server_dies(device):
    async def handler(ws):
        ws.transport.abort()

    run(
        device,
        handler,
        """
        ws = await uwebsockets.connect(URL)
        assert (await failure(ws.recv())).code == 1006
        """,
    )


def test_basic_auth(device):
    script = """
        e = await failure(uwebsockets.connect(URL))
        assert (e.status, str(e)) == (401, "HTTP 401 Unauthorized"), e
        e = await failure(uwebsockets.connect(URL, user="CP1", password="wrong"))
        assert e.status == 401
        ws = await uwebsockets.connect(URL, user="CP1", password=b"p:\\xc3\\xa9")
        assert ws.protocol == "ocpp1.6"
        await ws.close()
    """
    auth = basic_auth(credentials=("CP1", "p:\u00e9"))
    run(device, echo, script, process_request=auth)


def test_refusals(device):
    def process(connection, request):
        status = int(request.path.rsplit("/", 1)[1])
        response = connection.respond(http.HTTPStatus(status), "no\n")
        if status == 301:
            response.headers["Location"] = "ws://elsewhere/CP1"
        return response

    script = """
        for status, words in ((404, "Not Found"), (403, "Forbidden"), (503, "Service Unavailable"),
                (301, "Moved Permanently, redirect not followed: ws://elsewhere/CP1")):
            e = await failure(uwebsockets.connect(URL + "/%d" % status))
            assert isinstance(e, uwebsockets.HandshakeError)
            assert (e.status, str(e)) == (status, "HTTP %d %s" % (status, words)), e
    """
    run(device, echo, script, process_request=process)


def test_subprotocols(device):
    script = """
        ws = await uwebsockets.connect(URL, protocols=("ocpp2.0.1", "ocpp1.6"))
        assert ws.protocol == "ocpp1.6"
        await ws.close()
        ws = await uwebsockets.connect(URL, protocols=())
        assert ws.protocol is None
        await ws.close()
        e = await failure(uwebsockets.connect(URL, protocols=("ocpp2.0.1",)))
        assert (e.status, str(e)) == (101, "server chose no subprotocol, offered: ocpp2.0.1"), e
    """
    run(
        device,
        echo,
        script,
        select_subprotocol=lambda ws, offered: "ocpp1.6" if "ocpp1.6" in offered else None,
    )


def test_heap_of_an_idle_connection(micropython32):
    said = run(
        micropython32,
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


def issue(name, issuer=None, days=(-1, 30)):
    """A certificate of `name` and its key: a CA without `issuer` (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    try:
        alternative = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days[0]))
        .not_valid_after(now + datetime.timedelta(days[1]))
        .add_extension(x509.BasicConstraints(ca=not issuer, path_length=None), critical=True)
    )
    if issuer:
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Server contexts by name, and the directory of ca.der and other.der."""
    where = tmp_path_factory.mktemp("tls")
    ca = issue("Test CA")
    for name, (certificate, _) in (("ca", ca), ("other", issue("Other CA"))):
        (where / f"{name}.der").write_bytes(certificate.public_bytes(form.Encoding.DER))
    contexts = {}
    for name, host, days in (("good", "localhost", (-1, 30)), ("expired", "localhost", (-9, -2))):
        certificate, key = issue(host, ca, days)
        pem = where / f"{name}.pem"
        pem.write_bytes(
            key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
            + certificate.public_bytes(form.Encoding.PEM)
        )
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].load_cert_chain(pem)
    return contexts, where


TRUST = """
    import tls
    def trust(name):
        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED
        with open(os.getenv("TLS") + "/" + name + ".der", "rb") as f:
            context.load_verify_locations(f.read())
        return context
    PORT = int(URL.split(":")[2].split("/")[0])
    HERE = ("127.0.0.1", PORT)
"""


def test_wss(device, tls):
    contexts, where = tls
    script = TRUST + "    OPTIONS = {'ssl': trust('ca'), 'addr': HERE}\n" + SEND
    url = "{scheme}://localhost:{port}/CP1"
    run(device, describe, script, url, {"TLS": str(where)}, ssl=contexts["good"])


def test_wss_that_must_not_be_trusted(device, tls):
    contexts, where = tls
    checks = """
    e = await failure(uwebsockets.connect(URL, ssl=trust("other"), addr=HERE))
    assert isinstance(e, uwebsockets.HandshakeError) and str(e).startswith("TLS: "), repr(e)
    e = await failure(uwebsockets.connect(
        URL.replace("localhost", "csms.example"), ssl=trust("ca"), addr=HERE))
    assert isinstance(e, uwebsockets.HandshakeError) and str(e).startswith("TLS: "), repr(e)
    try:
        await uwebsockets.connect(URL)
        raise AssertionError("unverified")
    except ValueError:
        pass
    """
    url = "{scheme}://localhost:{port}/CP1"
    run(device, echo, TRUST + checks, url, {"TLS": str(where)}, ssl=contexts["good"])


def test_wss_expired(device, tls):
    contexts, where = tls
    checks = """
    e = await failure(uwebsockets.connect(URL, ssl=trust("ca"), addr=HERE))
    assert isinstance(e, uwebsockets.HandshakeError) and "expired" in str(e), repr(e)
    """
    url = "{scheme}://localhost:{port}/CP1"
    run(device, echo, TRUST + checks, url, {"TLS": str(where)}, ssl=contexts["expired"])


def test_wss_close_and_death(device, tls):
    contexts, where = tls

    async def handler(ws):
        async for message in ws:
            if message == "die":
                ws.transport.abort()
            else:
                await ws.close(1012, "restart")

    checks = """
    for word, code in (("die", 1006), ("restart", 1012)):
        ws = await uwebsockets.connect(URL, ssl=trust("ca"), addr=HERE)
        await ws.send(word)
        e = await failure(ws.recv())
        assert e.code == code, e
    ws = await uwebsockets.connect(URL, ssl=trust("ca"), addr=HERE)
    reader = asyncio.create_task(failure(ws.recv()))
    await asyncio.sleep_ms(0)
    ws._end(1006, "by another task")
    assert (await reader).reason == "by another task"
    """
    url = "{scheme}://localhost:{port}/CP1"
    run(device, handler, TRUST + checks, url, {"TLS": str(where)}, ssl=contexts["good"])
