"""ECDSA on P-256 (FIPS 186-5, SEC 1). A private key is 32 bytes, a public key 65: 4, x, y. With a
secret the same is done in the same order whatever it is, and with numbers that chance has changed.
What is left: which place of a table is read, and how long the interpreter's integers take."""

from hashlib import sha256
from os import urandom

from . import power
from .der import element, integer, only, take, unsigned

_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
# What is added to a scalar (see _sum): less 86 octal digits 1, and a bit that makes all as long.
_OFFSET = (1 << 258) + _N - 0x9249249249249249249249249249249249249249249249249249249249249249


def generate():
    """Generator: a new key pair by os.urandom (FIPS 186-5, A.2.2) -> (private key, public key)."""
    key = _chance().to_bytes(32, "big")
    return key, (yield from public(key))


def public(key):
    """Generator: the public key of a private one."""
    x, y, z = yield from _sum((_secret(key), _G))
    z = yield from power(z, _P - 2, _P)
    return b"\4" + (x * z % _P).to_bytes(32, "big") + (y * z % _P).to_bytes(32, "big")


def sign(key, digest, extra=None):
    """Generator: the signature of `digest` in DER (RFC 3279, 2.2.3). The nonce is RFC 6979's, with
    32 bytes of os.urandom as additional input (3.6): bad chance alone does not give the key away,
    and the same is not done twice. extra: takes their place."""
    d, e = _secret(key), int.from_bytes(digest[:32], "big")
    k = _nonce(key, e, urandom(32) if extra is None else extra)
    x, _, z = yield from _sum((k, _G))
    r = x * (yield from power(z, _P - 2, _P)) % _P % _N
    b = _chance()
    s = (yield from power(k * b % _N, _N - 2, _N)) * (b * e + b * d % _N * r) % _N
    # (either is 0 once in 2**255 times; verify() refuses it)
    return element(0x30, unsigned(r), unsigned(s))


def verify(public, digest, signature):
    """Generator: has the owner of `public` made this signature (DER) of `digest`? False too for
    one that is no signature at all; ValueError for a public key that is none."""
    point, e = _point(public), int.from_bytes(digest[:32], "big")
    try:
        r, s = take(only(memoryview(signature), 0x30), 2)
        r, s = integer(r), integer(only(s, 2))
    except ValueError:
        return False
    if not (0 < r < _N and 0 < s < _N):
        return False
    w = yield from power(s, _N - 2, _N)
    x, _, z = yield from _sum((e * w % _N, _G), (r * w % _N, point))
    # Is x / z, of which r is the rest by _N, r or r + _N?
    return z > 0 and ((x - r * z) % _P == 0 or r + _N < _P and (x - (r + _N) * z) % _P == 0)


def _chance():
    n = 0
    while not 0 < n < _N:
        n = int.from_bytes(urandom(32), "big")
    return n


def _secret(key):
    d = int.from_bytes(key, "big")
    if len(key) != 32 or not 0 < d < _N:
        raise ValueError("P-256: private key")
    return d


# SEC 1, 3.2.2.1. (All points but the one at infinity, which has no such form, are of order _N.)
def _point(public):
    x, y = int.from_bytes(public[1:33], "big"), int.from_bytes(public[33:], "big")
    if len(public) != 65 or public[0] != 4 or not (x < _P and y < _P):
        raise ValueError("P-256: public key")
    if (x * x * x - 3 * x + _B - y * y) % _P:
        raise ValueError("P-256: not on the curve")
    return x, y


# Generator: the sum of all scalar * point -> (X, Y, Z): x is X / Z, y is Y / Z. It goes by octal
# digits of the scalars, the highest first. A digit 0, or zeros in front, would show in how long
# that takes: so the digits are 1 to 8, each one more than a digit of scalar + _N - 0o11...1.
def _sum(*terms):
    rows = []
    for scalar, (x, y) in terms:
        z = _chance()
        table = [(x * z % _P, y * z % _P, z)]
        while len(table) < 8:
            table.append(_add(table[-1], table[0]))
            yield
        rows.append((table, scalar + _OFFSET))
    out = None
    for i in range(255, -1, -3):
        if out:
            for _ in range(3):
                out = _add(out, out)
        for table, digits in rows:
            point = table[digits >> i & 7]
            out = _add(out, point) if out else point
        yield
    return out


# The sum of two points by formulas without exceptions (Renes, Costello, Batina 2015, for a = -3):
# they hold for a point and itself, its negative, and the one at infinity, (0, 1, 0).
def _add(p, q):
    m = _P
    x1, y1, z1 = p
    x2, y2, z2 = q
    xx, yy, zz = x1 * x2 % m, y1 * y2 % m, z1 * z2 % m
    xy, yz, xz = (x1 * y2 + x2 * y1) % m, (y1 * z2 + y2 * z1) % m, (x1 * z2 + x2 * z1) % m
    u = 3 * (_B * zz - xz) % m
    v = 3 * (_B * xz - xx - 3 * zz) % m
    w = 3 * (xx - zz)
    more, less = yy + u, yy - u
    return (xy * less - yz * v) % m, (w * v + more * less) % m, (yz * more + xy * w) % m


# RFC 6979, 3.2 and 3.6, with SHA-256. e: the digest as a number.
def _nonce(key, e, extra):
    seed = key + (e % _N).to_bytes(32, "big") + extra
    k, v = bytes(32), b"\1" * 32
    for i in (b"\0", b"\1"):
        k = _hmac(k, v + i + seed)
        v = _hmac(k, v)
    while True:
        v = _hmac(k, v)
        n = int.from_bytes(v, "big")
        if 0 < n < _N:
            return n
        k = _hmac(k, v + b"\0")
        v = _hmac(k, v)


def _hmac(key, data):
    pad = [bytes([c ^ x for c in key]) + bytes((x,)) * 32 for x in (0x36, 0x5C)]
    return sha256(pad[1] + sha256(pad[0] + data).digest()).digest()
