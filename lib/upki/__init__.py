"""What a device needs of a public key infrastructure, for MicroPython: a P-256 key and a request
for its certificate (p256.py, csr.py), certificates and chains of them (cert.py), signatures
(p256.py, rsa.py), DER and PEM (der.py). What takes long is a generator, which yields between short
pieces of work and returns the result: `await upki.patient(p256.generate())`."""

import asyncio
import hashlib
import sys


def forget():
    """Let go of all modules of upki, so that their heap is free: for who is done with it."""
    for name in [name for name in sys.modules if name.split(".")[0] == "upki"]:
        del sys.modules[name]


async def patient(work):
    """What the generator `work` returns. Other tasks have a turn after each of its pieces."""
    while True:
        try:
            next(work)
        except StopIteration as e:
            return e.value
        await asyncio.sleep_ms(0)


def power(base, exponent, modulus):
    """Generator: base ** exponent % modulus, for an exponent that is no secret. (The interpreter's
    pow() does it in one piece, which may be long.)"""
    i, out = 0, 1
    while exponent >> i:
        i += 1
    every = 0 if modulus >> 512 else 15
    while i:
        i -= 1
        for factor in (out, base) if exponent >> i & 1 else (out,):
            out = out * factor % modulus
            if not i & every:
                yield
    return out


def sha(size):
    """The SHA-2 of hashlib whose digest has `size` bytes: of 32, 48 and 64 MicroPython 1.26 has
    the first. Raises ValueError if it has none such."""
    kind = getattr(hashlib, {32: "sha256", 48: "sha384", 64: "sha512"}.get(size, "?"), None)
    if not kind:
        raise ValueError("no SHA-2 of %d bytes" % size)
    return kind
