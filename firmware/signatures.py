"""Who made a release: its signatures, by the roots of the unit's maker, /certs/maker*.der. Loaded
for that. What takes an ESP32 seconds is done in short pieces."""

import hashlib
from binascii import a2b_base64
from micropython import const

import upki
from firmware import lazy
from upki import cert, der

_2020_s = const(1577836800)  # in Unix time
_CODE = const(3)  # id-kp-codeSigning (RFC 5280, 4.2.1.12)


async def check_header(head, signature):
    """ValueError unless `signature` (r and s, 32 bytes each) of a release's header was made with
    the key of one of the roots."""
    await _alone(_check_header(head, signature))


async def signer(chain, now_s):
    """ValueError unless who signs, the first of `chain` (PEM), leads to one of the roots and is
    for code. now_s: since 2020."""
    await _alone(_signer(chain, now_s))


async def check_file(chain, signature, digest, now_s):
    """ValueError unless such a signer has made `signature` (base64) of the SHA-256 of a whole
    file: by ECDSA, in DER, or by RSA, PKCS #1 v1.5 or PSS."""
    await _alone(_check_file(chain, signature, digest, now_s))


async def _alone(work):
    # Nothing of upki stays.
    try:
        await work
    finally:
        upki.forget()


def _makers():
    files = lazy.load("storage.certificates")
    return files.roots(files.MAKER)


async def _check_header(head, signature):
    if len(signature) != 64:
        raise ValueError("it is not signed")
    r, s = [int.from_bytes(signature[at : at + 32], "big") for at in (0, 32)]
    signature = der.element(0x30, der.unsigned(r), der.unsigned(s))
    digest, why = hashlib.sha256(head).digest(), "there is no /certs/maker.der"
    for root in _makers():
        why = "its maker is not that of this unit"
        try:
            if await upki.patient(cert.Certificate(root).verify(digest, signature)):
                return
        except ValueError:
            pass  # (damaged, or a key of another kind)
    raise ValueError(why)


async def _signer(chain, now_s):
    chain = list(der.unpem(chain))
    await upki.patient(cert.check(chain, _makers(), _2020_s + now_s, _CODE))
    return cert.Certificate(chain[0])


async def _check_file(chain, signature, digest, now_s):
    certificate, signature = await _signer(chain, now_s), a2b_base64(signature)
    for salt in (None,) if certificate.key[: len(der.P256)] == der.P256 else (None, -1):
        if await upki.patient(certificate.verify(digest, signature, salt)):
            return
    raise ValueError("its signature is not that of its signer")
