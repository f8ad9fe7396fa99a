"""ocpp/security.py and uwebsockets against real TLS servers, on both MicroPythons: what each
failure is called. (Whole stations over TLS: test_station_security.py.)"""

import asyncio
import contextlib
import json
import logging
import os
import ssl
from pathlib import Path

import pytest
from certificates import HOST
from websockets.asyncio.server import serve

from host.csms import WAIT_s

ROOT = Path(__file__).resolve().parents[2]
QUIET = logging.getLogger("pilotwire.tests.tls")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False

# Dials each case; prints what it is called, or the subprotocol.
DEVICE = """
import asyncio, gc, json, os, sys, time, vfs
import uwebsockets
from firmware import clock
from firmware.ocpp import failure, security

class Time:
    @staticmethod
    def time():  # since 2000, as on the ESP32
        return int(time.time()) - 946684800

clock.time = Time

class Unit:
    id = "CP1"

class Settings:
    failed = 0
    refused = False
    stored = {}
    slot = 0
    def value(self, name):
        return self.profile
    def password(self):
        return None
    def key(self, setting):
        return "AuthorizationKey"

async def dial(case):
    unit, settings = Unit(), Settings()
    settings.profile = case["profile"]
    unit.url = [case["url"]]
    unit.password = case["password"]
    vfs.mount(vfs.VfsPosix(case["certs"]), "/certs")
    ws = None
    try:
        context, user, password = security.prepare(unit, settings, case["url"])
        ws = await asyncio.wait_for(uwebsockets.connect(case["url"] + "/CP1", user=user,
            password=password, ssl=context, addr=("127.0.0.1", case["port"])), 100)
        await ws.send("x")
        return bytes(await ws.recv()).decode() + " " + ws.protocol
    except (OSError, ValueError) as e:
        level = security.level(unit, settings)
        return failure.explain(e, unit, settings, case["url"], level)
    finally:
        vfs.umount("/certs")
        if ws:
            ws.leave_ms = 60000  # (whose end is not noticed is too late for the test)
            await ws.close()

async def main():
    for case in json.loads(os.getenv("CASES")):
        print(await dial(case))
        gc.collect()

asyncio.run(main())
"""


@pytest.fixture
def device(micropython32):
    return micropython32


async def dial(device, cases):
    """What the device says of each case."""
    process = await asyncio.create_subprocess_exec(
        device, "-X", "heapsize=512K", "-c", DEVICE, stdout=-1, stderr=-2, cwd=ROOT,
        env={**os.environ, "MICROPYPATH": "lib:.frozen:.", "CASES": json.dumps(cases)},
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), WAIT_s)
    lines = said.decode().splitlines()
    assert process.returncode == 0 and len(lines) == len(cases), said.decode()
    return lines


async def echo(ws):
    async for message in ws:
        await ws.send(message)


class Servers:
    """TLS servers on 127.0.0.1, by name; they end with the test."""

    def __init__(self, certificates):
        self.certificates = certificates
        self.stack = contextlib.AsyncExitStack()
        self.ports = {}

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.stack.aclose()

    async def add(self, name, context, **options):
        options = {"subprotocols": ["ocpp1.6"], "logger": QUIET, "close_timeout": 1} | options
        server = await self.stack.enter_async_context(
            serve(echo, "127.0.0.1", 0, ssl=context, **options)
        )
        self.ports[name] = server.sockets[0].getsockname()[1]

    async def add_raw(self, name, answer):
        """Reads something, says `answer`, ends."""

        async def served(reader, writer):
            with contextlib.suppress(ConnectionError):
                await reader.read(4096)
                writer.write(answer)
                await writer.drain()
            writer.close()

        server = await self.stack.enter_async_context(
            await asyncio.start_server(served, "127.0.0.1", 0)
        )
        self.ports[name] = server.sockets[0].getsockname()[1]

    def case(self, name, profile=2, host="localhost", password="secret", scheme="wss", **unit):
        folder = self.certificates.unit(**unit)
        url = f"{scheme}://{host}:{self.ports[name]}"
        return {"url": url, "port": self.ports[name], "profile": profile, "password": password,
                "certs": str(folder)}  # fmt: skip


async def check(device, servers, *cases):
    """cases: (case, how what is said begins, what else is in it)."""
    said = await dial(device, [case for case, *_ in cases])
    for (case, begins, *parts), text in zip(cases, said, strict=True):
        assert text.startswith(begins), (case, text)
        for part in parts:
            assert part in text, (case, text)


async def test_a_server_that_is_trusted(device, certificates):
    """Whole chain, name and dates are right: by DNS name and by address; EC and RSA, one CA and
    two, TLS 1.2 and 1.3."""
    async with Servers(certificates) as s:
        for name in ("good", "chain", "rsa"):
            await s.add(name, certificates.context(name))
        context = certificates.context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"):
            context.set_ciphers(suite)  # (A00.FR.318)
            await s.add(suite, context)
        await check(
            device,
            s,
            (s.case("good"), "x ocpp1.6"),
            (s.case("good", host="127.0.0.1"), "x ocpp1.6"),
            (s.case("good", scheme="WSS"), "x ocpp1.6"),
            (s.case("chain"), "x ocpp1.6"),
            (s.case("rsa"), "x ocpp1.6"),
            (s.case("ECDHE-ECDSA-AES128-GCM-SHA256"), "x ocpp1.6"),
            (s.case("ECDHE-ECDSA-AES256-GCM-SHA384"), "x ocpp1.6"),
        )


async def test_certificates_that_are_refused(device, certificates):
    async with Servers(certificates) as s:
        for name in ("good", "host", "expired", "early", "stranger", "alone"):
            await s.add(name, certificates.context(name))
        here = "localhost:%d"
        unknown = "TLS: unknown CA: put the CA that has signed the certificate of "
        wrong = "TLS: wrong host: the certificate does not name "
        await check(
            device,
            s,
            (s.case("stranger"), unknown + here % s.ports["stranger"], "as /certs/ca.der"),
            (s.case("alone"), unknown + here % s.ports["alone"]),
            (s.case("good", ca="other"), unknown + here % s.ports["good"]),
            (s.case("good", host=HOST), wrong + HOST, "mend url in config.json"),
            (s.case("good", host="127.0.0.2"), wrong + "127.0.0.2"),
            (s.case("good", host="localhost.example"), wrong + "localhost.example"),
            (s.case("host"), wrong + "localhost"),
            (s.case("host", host=HOST), "x ocpp1.6"),
            (s.case("expired"), "TLS: certificate expired: localhost", "new one (here it is 2"),
            (s.case("early"), "TLS: certificate not yet valid: ", "unit? (here it is 2"),
        )  # fmt: skip


async def test_client_certificates(device, certificates):
    async with Servers(certificates) as s:
        await s.add("good", certificates.context("good", ssl.CERT_REQUIRED))
        context = certificates.context("good", ssl.CERT_REQUIRED)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        await s.add("1.2", context)
        demanded = "TLS: ended by the Central System ("
        for name in s.ports:
            await check(
                device,
                s,
                (s.case(name, 3, client="client"), "x ocpp1.6"),
                (s.case(name, 3, client="rsa"), "x ocpp1.6"),
                (s.case(name, 3, client="stranger"), demanded, "Is its CA trusted"),
                (s.case(name, 3, client="expired"), demanded, "has it expired"),
                (s.case(name, 3, client="client", key="stranger"), demanded, "client.key.der fit"),
                (s.case(name, 2), demanded, "SecurityProfile 3"),
                (s.case(name, 3), "no client certificate: SecurityProfile 3 needs /certs/client."),
            )  # fmt: skip


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_something_else_at_the_port(device, certificates):
    async with Servers(certificates) as s:
        await s.add_raw("http", b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await s.add_raw("nothing", b"")
        await s.add("plain", None)
        await s.add_raw("garbage", b"\x15\x03\x03\x00\x02\x02\x0a\r\n")
        await s.add("tls", certificates.context())
        context = certificates.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        await s.add("old", context)
        await check(
            device,
            s,
            (s.case("http"), "TLS: none is spoken there; is url in config.json right"),
            (
                s.case("nothing"),
                "TLS: ended by the Central System (",
                "is it ws://?",
            ),
            (s.case("plain"), "TLS: ", "ws://"),
            (s.case("tls", 1, scheme="ws"), "connection ended in the handshake; is url in config"),
            (
                s.case("garbage", 1, scheme="ws"),
                "not an HTTP answer: ",
                "(port, ws:// or wss://)?",
            ),
            (s.case("old"), "TLS: "),
        )
