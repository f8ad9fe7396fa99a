"""A P-256 key pair as a file (RFC 5915) and the request for its certificate (RFC 2986)."""

from hashlib import sha256
from micropython import const

from . import p256
from .der import P256, cut, element, octets, only, take

_CURVE = const(b"\xa0\n\6\x08*\x86H\xce=\3\1\7")
_ECDSA = const(b"0\n\6\x08*\x86H\xce=\4\3\2")  # ecdsa-with-SHA256 (RFC 5758, 3.2)
_O = const(b"\6\3U\4\n")
_CN = const(b"\6\3U\4\3")


def encode(key, public):
    """The pair as ECPrivateKey in DER, 121 bytes. (So mbedTLS reads it: load_cert_chain().)"""
    return element(0x30, b"\2\1\1", element(4, key), _CURVE, element(0xA1, b"\3B\0", public))


def decode(der):
    """-> (private key, public key, or None where the file has none) of an ECPrivateKey in DER, or
    of one in PKCS #8 (RFC 5208). Raises ValueError for what is no P-256 key. Whether the two
    belong together is not looked at."""
    data = only(memoryview(der), 0x30)
    named = data[:3] == b"\2\1\0"  # it is PKCS #8, which names the curve itself
    if named:
        kind, data = take(data[3:], 0x30)
        named = kind == P256[4:23]
        data = only(only(data, 4), 0x30)
    if data[:3] != b"\2\1\1":
        raise ValueError("key: no ECPrivateKey")
    key, data = take(data[3:], 4)
    if data[:1] == b"\xa0":
        curve, data = cut(data, 0xA0)
        named = curve == _CURVE
    public = bytes(octets(only(only(data, 0xA1), 3))) if data else None
    if not named or len(key) != 32 or public and len(public) != 65:
        raise ValueError("key: not on P-256")
    return bytes(key), public


def request(key, public, common_name, organization):
    """Generator: a PKCS #10 request in DER for a certificate of the subject O, CN, signed with
    ecdsa-with-SHA256. Raises ValueError for a name that has not 1 to 64 characters."""
    subject = element(0x30, _name(_O, organization), _name(_CN, common_name))
    info = element(0x30, b"\2\1\0", subject, P256, public, b"\xa0\0")
    signature = yield from p256.sign(key, sha256(info).digest())
    return element(0x30, info, _ECDSA, element(3, b"\0", signature))


def _name(kind, text):
    if not 1 <= len(text) <= 64:  # (RFC 5280, A.1: ub-common-name, ub-organization-name)
        raise ValueError("request: a name of %d characters" % len(text))
    return element(0x31, element(0x30, kind, element(12, text.encode())))
