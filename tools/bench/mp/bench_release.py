"""What a release costs that arrives, and its signature. MicroPython; prints one JSON object: ms of
CPU, and the most bytes that live meanwhile."""

import asyncio
import gc
import hashlib
import json
import sys
from binascii import b2a_base64
from collections import OrderedDict
from time import clock

import mp_release
import mp_signatures
from generators import run

from upki import p256

SIZE = 150 << 10
mp_release.BLOCKS = 128
PIECE = 512  # as network/transfer.py gives them
ROUNDS = 1 if "quick" in sys.argv else 5
out = OrderedDict()


async def most_live(work):
    """Its most between two of its pieces."""
    gc.collect()
    before, most, over = gc.mem_alloc(), 0, False

    async def look():
        nonlocal most
        while not over:
            gc.collect()
            most = max(most, gc.mem_alloc() - before)
            await asyncio.sleep_ms(0)

    task = asyncio.create_task(look())
    await work
    over = True
    await task
    return most


async def cpu_ms(make):
    least = None
    for _ in range(ROUNDS):
        work = make()
        begin = clock()
        await work
        took = (clock() - begin) * 1000
        least = took if least is None else min(took, least)
    return round(least, 2)


async def main():
    mp_signatures.unit(maker=mp_signatures.root())
    data = bytes(SIZE)
    chain, digest = mp_signatures.pem(mp_signatures.leaf()), hashlib.sha256(data).digest()
    signature = b2a_base64(run(p256.sign(mp_signatures.SIGNER[0], digest))).decode()

    def check():
        file = mp_signatures.signatures.check_file
        return file(chain, signature, digest, mp_signatures.NOW_s)

    out["check_p256_and_its_certificate_ms"] = await cpu_ms(check)
    out["check_p256_and_its_certificate_live_bytes"] = await most_live(check())

    async def hashed():
        sha = hashlib.sha256()
        for at in range(0, SIZE, PIECE):
            sha.update(memoryview(data)[at : at + PIECE])

    out["sha256_of_150_KB_ms"] = await cpu_ms(hashed)
    release = mp_release.pack(mp_release.image(SIZE))
    out["release_bytes"] = len(release)

    def arrives():
        mp_release.fresh()
        return mp_release.take(release, (PIECE,))

    out["release_with_the_flash_in_python_ms"] = await cpu_ms(arrives)
    out["release_live_bytes"] = await most_live(arrives())
    print(json.dumps(out))


asyncio.run(main())
