"""RSA signatures, to be verified: PKCS #1 v1.5 and PSS (RFC 8017). Keys of 2048 to 4096 bits."""

from . import power, sha
from .der import integer, only, take


def verify(key, digest, signature, salt=None):
    """Generator: has the owner of `key` (RSAPublicKey, DER) made this signature of `digest`, which
    is 32, 48 or 64 bytes of SHA-2? By PKCS #1 v1.5; or, with `salt`, by PSS with so many bytes of
    salt (-1: any number) and MGF1 by the same hash. False too for one that is no signature at all.
    ValueError for a key that is none, or not of 2048 to 4096 bits in steps of 8 with an exponent
    below 2**32, and for a hash that there is not."""
    n, e = take(only(memoryview(key), 0x30), 2)
    size = len(n) - 1
    n, e, small = integer(n), integer(only(e, 2)), n[0]  # (it begins with 0, if its top bit is 1)
    if small or not 256 <= size <= 512 or not n & e & 1 or not 3 <= e < 1 << 32:
        raise ValueError("RSA: public key")
    if len(digest) not in (32, 48, 64):
        raise ValueError("RSA: digest")
    kind = None if salt is None else sha(len(digest))
    s = int.from_bytes(signature, "big")
    if len(signature) != size or s >= n:
        return False
    message = (yield from power(s, e, n)).to_bytes(size, "big")
    return _is_pss(message, digest, salt, kind) if kind else message == _v15(digest, size)


# EMSA-PKCS1-v1_5 (9.2). It is made and compared: what is not parsed cannot be stretched.
def _v15(digest, size):
    n = len(digest)
    info = b"0" + bytes((n + 17,)) + b"0\r\6\t`\x86H\1e\3\4\2" + bytes((n // 16 - 1, 5, 0, 4, n))
    return b"\0\1" + b"\xff" * (size - n - len(info) - 3) + b"\0" + info + digest


# EMSA-PSS-VERIFY (9.1.2), with MGF1 (B.2.1).
def _is_pss(message, digest, salt, kind):
    size = len(message) - len(digest) - 1
    masked, h = int.from_bytes(message[:size], "big"), message[size:-1]
    mask = b"".join([kind(h + bytes((0, 0, 0, i))).digest() for i in range(-(-size // len(h)))])
    top = 1 << size * 8 - 1  # (the number of bits is one less than that of the key)
    block = (masked ^ int.from_bytes(mask[:size], "big")) & top - 1
    block = block.to_bytes(size, "big").lstrip(b"\0")
    if message[-1] != 0xBC or masked >= top or block[:1] != b"\1":
        return False
    block = block[1:]
    return salt in (-1, len(block)) and kind(bytes(8) + digest + block).digest() == h
