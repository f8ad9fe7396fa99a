"""What each thing that lib/upki does takes. MicroPython; prints one JSON object: ms of CPU,
pieces, us of the longest (the least of its runs), the most bytes that live between two pieces."""

import gc
import json
import sys
from hashlib import sha256
from os import urandom
from time import clock, ticks_diff, ticks_us

from generators import run

from upki import cert, csr, der, p256, rsa

ECDSA = b"0\n\6\x08*\x86H\xce=\4\3\2"
ROUNDS = 1 if "quick" in sys.argv else 9


def pieces(work):
    """us of each."""
    out = []
    while True:
        gc.collect()
        begin = ticks_us()
        try:
            next(work)
        except StopIteration:
            out.append(ticks_diff(ticks_us(), begin))
            return out
        out.append(ticks_diff(ticks_us(), begin))


def live(work):
    gc.collect()
    before, most = gc.mem_alloc(), 0
    try:
        while True:
            next(work)
            gc.collect()
            most = max(most, gc.mem_alloc() - before)
    except StopIteration:
        return most


def measured(make):
    begin, times = clock(), ROUNDS * ROUNDS
    for _ in range(times):
        run(make())
    cpu_s = (clock() - begin) / times
    best = pieces(make())
    for _ in range(ROUNDS):
        best = list(map(min, best, pieces(make())))
    return {
        "cpu_ms": round(cpu_s * 1000, 2),
        "pieces": len(best),
        "longest_us": max(best),
        "live_bytes": live(make()),
    }


def certificate(key, public, signer):
    """One that `signer` signs, whose name is O, CN of `key` as in a request."""
    info = der.only(memoryview(run(csr.request(key, public, "Some name", "Some maker"))), 0x30)
    info = der.only(der.cut(info, 0x30)[0], 0x30)  # version, subject, key, attributes
    name, rest = der.cut(info[3:], 0x30)
    name, subject_key = bytes(name), bytes(der.cut(rest, 0x30)[0])
    dates = der.element(0x30, b"\x17\x0d260101000000Z", b"\x17\x0d490101000000Z")
    ca = der.element(0x30, b"\6\3U\x1d\x13\1\1\xff\4\5" + b"0\3\1\1\xff")
    tbs = der.element(
        0x30,
        b"\xa0\3\2\1\2" + der.unsigned(12345) + ECDSA,
        name + dates + name + subject_key,
        der.element(0xA3, der.element(0x30, ca)),
    )
    signature = run(p256.sign(signer, sha256(tbs).digest()))
    return der.element(0x30, tbs, ECDSA, der.element(3, b"\0", signature))


def parse(data):
    cert.Certificate(data)
    yield


def main():
    digest = sha256(b"x").digest()
    key, public = run(p256.generate())
    signature = run(p256.sign(key, digest))
    one = certificate(key, public, key)
    out = {
        "generate": measured(p256.generate),
        "sign": measured(lambda: p256.sign(key, digest)),
        "request": measured(lambda: csr.request(key, public, "CP1", "Maker")),
        "verify": measured(lambda: p256.verify(public, digest, signature)),
        "read": measured(lambda: parse(one)),
        "chain_of_3": measured(lambda: cert.check([one, one, one], [one], 1800000000)),
    }
    assert run(cert.check([one, one, one], [one], 1800000000)) == one
    for bits in (2048, 3072, 4096):
        size = bits // 8
        n = b"\0\xff" + urandom(size - 2) + b"\xff"
        rsa_key = der.element(0x30, der.element(2, n), b"\2\3\1\0\1")
        s = b"\x7f" + urandom(size - 1)  # (no signature: the work is the same)
        for name, salt in (("v15", None), ("pss", -1)):
            out[f"rsa_{bits}_{name}"] = measured(
                lambda: rsa.verify(rsa_key, digest, s, salt)  # noqa: B023
            )
    print(json.dumps(out))


main()
