"""The whole firmware in the memory that an ESP32 without PSRAM has for it, on the MicroPython with
the ESP32's options (tools/chip-port): a heap of two areas, its stack, float32. docs/memory.md."""

import ssl
import subprocess

import pytest
from file_servers import HttpServer
from station_driver import Bench
from test_station_large import asked
from test_station_security import secured

from bench.station import CHIP_HEAP, firmware_bytes, stack_used
from host.process import WAIT_s, poll

STACK = 8600  # bytes: 10.2 KB of the ESP32's 16 KB, by the harsher of two measures
FILE_BYTES = 9216  # 8,784 to 8,960 seen in 12 runs
FILE_TLS_BYTES = FILE_BYTES + 2560
AREAS = """
import gc, micropython
def free(size):
    try:
        return len(bytearray(size)) and gc.mem_free() > 0
    except MemoryError:
        return False
def deep(n):
    try:
        return deep(n + 1)
    except RuntimeError:
        return n
kept = bytearray(40000)
print(free(50000), free(60000), 1 + 1e-8 == 1, deep(0) < 60)
"""


def test_the_port_is_as_the_chip(micropython_esp):
    command = [micropython_esp, "-X", f"heapsize={CHIP_HEAP}", "-c", AREAS]
    done = subprocess.run(command, capture_output=True, text=True)
    # (a second area, a block that spans both, float32, the stack's end)
    assert done.stdout.split() == ["True", "False", "True", "True"], done


async def large_profiles(b):
    b.st.messages.clear()
    for i in range(10):
        answer = await b.st.raw(asked(f"large-{i}", 96, limit=16 + i))
        assert answer[2] == {"status": "Accepted"}, (i, answer)


async def in_its_stack(b):
    used, there = await stack_used(b.process)
    print(f"{used} of {there} B of stack, heap {(await b.process.state())['heap']}")
    assert used < STACK


async def test_a_day_of_prices_and_a_power_cut(tmp_path, micropython_esp):
    async with Bench(tmp_path, interpreter=micropython_esp, heap=CHIP_HEAP) as b:
        await large_profiles(b)
        id = await b.charge()
        await b.day_of_prices(id)
        await in_its_stack(b)
        await b.cut()
        await b.pilot(10100)
        await b.finish()
        await in_its_stack(b)


async def test_tls(bench, certificates, micropython_esp):
    """With a certificate of its own, and a handshake while a car charges."""
    where = {"interpreter": micropython_esp, "heap": CHIP_HEAP}
    async with secured(bench, certificates, 3, client=ssl.CERT_REQUIRED, **where) as b:
        await b.booted()
        await large_profiles(b)
        await b.charge()
        before = b.st
        await before.drop()
        await b.again(before)
        await large_profiles(b)
        await in_its_stack(b)


@pytest.mark.parametrize("tls", [False, True])
async def test_a_file_on_its_way(bench, certificates, micropython_esp, tls):
    """What GetDiagnostics takes while it runs, its code from ROMFS included."""
    options = {"interpreter": micropython_esp, "heap": CHIP_HEAP, "speed": 1}
    with HttpServer(certificates.context() if tls else None) as server:
        async with bench(certs=certificates.unit(), **options) as b:
            await b.charge()
            before = await firmware_bytes(b.process)
            server.hold.clear()
            await b.st.call("GetDiagnostics", {"location": server.url})
            await poll(lambda: server.asked, WAIT_s, "a request")
            live = await firmware_bytes(b.process) - before
            print(f"{live} B live while a file leaves, TLS: {tls}")
            assert live < (FILE_TLS_BYTES if tls else FILE_BYTES)
            server.hold.set()
            await b.st.expect(
                "DiagnosticsStatusNotification", lambda p: p["status"] == "Uploaded", WAIT_s
            )
            await in_its_stack(b)
            assert await firmware_bytes(b.process, before + 1499) - before < 1500
