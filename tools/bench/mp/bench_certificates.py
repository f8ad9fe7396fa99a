"""What it takes the unit to ask for a certificate, and to take it (station/certificates.py).
MicroPython; prints one JSON object: ms of CPU, the most bytes that live between two pieces beside
the code, which is loaded before."""

import asyncio
import gc
import json
import sys
import vfs
from time import clock

import flash
from issuer import CLIENT, T0, Issued, name, root

from firmware.station import certificates
from upki import cert, csr, der, p256, rsa

ROUNDS = 1 if "quick" in sys.argv else 9
CODE = cert, csr, der, p256, rsa  # (stay)


class Unit:
    class clock:
        now = staticmethod(lambda: T0 - 1577836800)
        plausible = staticmethod(lambda t: True)

    auth, untold = "/certs", False
    log = staticmethod(lambda text: None)
    local = notify = staticmethod(lambda: None)


async def watched(work):
    """-> (its result, the most that was live meanwhile)"""
    gc.collect()
    before, most = gc.mem_alloc(), 0
    task = asyncio.create_task(work)
    while not task.done():
        gc.collect()
        most = max(most, gc.mem_alloc() - before)
        await asyncio.sleep_ms(0)
    return await task, most


async def main():
    vfs.mount(vfs.VfsLfs2(flash.Flash(16)), "/certs")
    certificates.forget = lambda: None
    ca = root()
    between = Issued(name("Between"), ca, ca=True)
    await certificates.install(Unit, certificates.CENTRAL, ca.pem())
    begin = clock()
    for _ in range(ROUNDS):
        text = await certificates.request("SERIAL-1", "The operator")
    asked_s = clock() - begin
    live = (await watched(certificates.request("SERIAL-1", "The operator")))[1]
    out = {"request": {"cpu_ms": round(asked_s * 1000 / ROUNDS, 2), "live_bytes": live}}
    out["request"]["characters"] = len(text)

    def chain():
        public = certificates.files.asked()[-65:]
        subject = name("SERIAL-1", "The operator")
        return Issued(subject, between, public=public, purpose=CLIENT).pem() + between.pem()

    taken_s = 0
    for i in range(ROUNDS + 1):
        await certificates.request("SERIAL-1", "The operator")
        work = certificates.take(Unit, [chain()], "SERIAL-1", "The operator", False)
        begin = clock()
        if i < ROUNDS:
            done = await work
            taken_s += clock() - begin
        else:
            done, live = await watched(work)
        assert done == certificates.DONE
    out["take_2_signatures"] = {"cpu_ms": round(taken_s * 1000 / ROUNDS, 2), "live_bytes": live}
    print(json.dumps(out))


asyncio.run(main())
