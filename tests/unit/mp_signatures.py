"""firmware/signatures.py: who made a release, by the maker's roots on the unit. Certificates are
made here, by upki's own DER; those of other makes, and RSA: test_certification_signed.py."""

import hashlib
import os
import sys
import vfs
from binascii import b2a_base64

import flash
from generators import run
from turns import turns_of_others

from firmware import signatures
from upki import der, p256

BOTH = True
FLASH = flash.Flash(8)
NOW_s = 200000000  # 2026-05-03, since 2020
CODE, TLS = 3, 2
_ECDSA = b"0\n\6\x08*\x86H\xce=\4\3\2"


def pair(n):
    """(private, public) of a number."""
    key = n.to_bytes(32, "big")
    return key, run(p256.public(key))


MAKER, OTHER, SIGNER = pair(7), pair(8), pair(9)


def name(text):
    attribute = der.element(0x30, b"\6\3U\4\3", der.element(12, text.encode()))
    return der.element(0x30, der.element(0x31, attribute))


def extension(oid, value, critical=b"\1\1\xff"):
    return der.element(0x30, oid, critical, der.element(4, value))


def issue(subject, public, issuer, key, ca=False, purpose=None, until=b"20351231235959Z"):
    """A certificate in DER of `public` for `subject`, signed with `key` of `issuer`."""
    constraints = der.element(0x30, b"\1\1\xff" if ca else b"")
    more = extension(b"\6\3U\x1d\x13", constraints)
    if purpose:
        oid = der.element(6, b"+\6\1\5\5\7\3" + bytes((purpose,)))
        more += extension(b"\6\3U\x1d%", der.element(0x30, oid), b"")
    dates = der.element(0x18, b"20200101000000Z") + der.element(0x18, until)
    body = der.element(
        0x30, b"\xa0\3\2\1\2", der.unsigned(77), _ECDSA, name(issuer), der.element(0x30, dates),
        name(subject), der.P256 + public, der.element(0xA3, der.element(0x30, more)),
    )  # fmt: skip
    signature = run(p256.sign(key, hashlib.sha256(body).digest()))
    return der.element(0x30, body, _ECDSA, der.element(3, b"\0", signature))


def root(who=MAKER, text="Maker"):
    return issue(text, who[1], text, who[0], True)


def leaf(issuer=MAKER, **more):
    return issue("Releases", SIGNER[1], "Maker", issuer[0], **more)


def pem(*certificates):
    return b"".join([b"".join(der.pem(one)) for one in certificates]).decode()


def unit(**roots):
    """What is in /certs: of each file its bytes."""
    vfs.VfsLfs2.mkfs(FLASH)
    flash.mount(FLASH, "/certs")
    for file, data in roots.items():
        with open("/certs/%s.der" % file, "wb") as f:
            f.write(data)


async def refused(work):
    try:
        await work
    except ValueError as e:
        return str(e)
    raise AssertionError("not refused")


def raw(key, head):
    """r and s of a signature of `head`, as make release writes them."""
    signature = run(p256.sign(key, hashlib.sha256(head).digest()))
    out, rest = b"", der.only(memoryview(signature), 0x30)
    for _ in range(2):
        number, rest = der.take(rest, 2)
        out += int.from_bytes(number, "big").to_bytes(32, "big")
    return out


async def test_a_header():
    head = bytes(96)
    good = raw(MAKER[0], head)
    unit()
    assert await refused(signatures.check_header(head, good)) == "there is no /certs/maker.der"
    unit(ca=root())
    assert await refused(signatures.check_header(head, good)) == "there is no /certs/maker.der"
    unit(maker=root())
    await signatures.check_header(head, good)
    unit(maker=root(OTHER), maker1=b"damaged", maker2=root())
    await signatures.check_header(head, good)
    other = "its maker is not that of this unit"
    assert await refused(signatures.check_header(bytes(95) + b"\1", good)) == other
    assert await refused(signatures.check_header(head, bytes(64))) == other
    assert await refused(signatures.check_header(head, raw(SIGNER[0], head))) == other
    for signature in (b"", good[:63], good + b"\0"):
        assert await refused(signatures.check_header(head, signature)) == "it is not signed"
    unit(maker=b"damaged")
    assert await refused(signatures.check_header(head, good)) == other


async def test_a_signer():
    unit(maker=root())
    for chain in (pem(leaf()), pem(leaf(purpose=CODE)), pem(leaf(), root())):
        await signatures.signer(chain, NOW_s)
    between = issue("Between", OTHER[1], "Maker", MAKER[0], True)
    below = issue("Releases", SIGNER[1], "Between", OTHER[0], purpose=CODE)
    await signatures.signer(pem(below, between), NOW_s)
    none = "chain: no root has signed it"
    for chain, why in (
        ("", "chain: 0 certificates"),
        ("no certificate", "chain: 0 certificates"),
        (pem(leaf())[:-9], "PEM: no END"),
        (pem(below), none),
        (pem(leaf(purpose=TLS)), "chain: extKeyUsage"),
        (pem(leaf(until=b"20260101000000Z")), "chain: expired"),
        (pem(leaf(OTHER)), "chain: no good root: chain: wrong signature"),
        (pem(issue("X", SIGNER[1], "X", SIGNER[0], True)), none),
    ):
        assert await refused(signatures.signer(chain, NOW_s)) == why, chain
    unit(ca=root())  # that of a Central System is no maker's
    assert await refused(signatures.signer(pem(leaf()), NOW_s)) == none
    unit(maker=b"damaged", maker2=root())
    await signatures.signer(pem(leaf()), NOW_s)


async def test_a_file():
    unit(maker=root())
    digest = hashlib.sha256(b"a file").digest()
    signature = run(p256.sign(SIGNER[0], digest))
    text = b2a_base64(signature).decode()
    await signatures.check_file(pem(leaf()), text, digest, NOW_s)
    why = "its signature is not that of its signer"
    for bad, of in (
        (text, hashlib.sha256(b"another").digest()),
        ("", digest),
        (b2a_base64(signature[:-1]).decode(), digest),
        (b2a_base64(run(p256.sign(MAKER[0], digest))).decode(), digest),
    ):
        assert await refused(signatures.check_file(pem(leaf()), bad, of, NOW_s)) == why
    await refused(signatures.check_file(pem(leaf()), "no base 64", digest, NOW_s))
    # (who was good when it was asked for is looked at again)
    unit(maker=root(OTHER))
    await refused(signatures.check_file(pem(leaf()), text, digest, NOW_s))


async def test_a_root_that_cannot_be_read_makes_no_signature_wrong():
    digest = hashlib.sha256(b"a file").digest()
    text = b2a_base64(run(p256.sign(SIGNER[0], digest))).decode()
    for good in (False, True):
        unit(maker2=root() if good else root(OTHER))
        os.mkdir("/certs/maker.der")  # (where a file is wanted)
        try:
            await signatures.check_file(pem(leaf()), text, digest, NOW_s)
            assert good
        except OSError:
            assert not good


async def test_all_else_has_its_turn():
    unit(maker=root())
    digest = hashlib.sha256(b"a file").digest()
    text = b2a_base64(run(p256.sign(SIGNER[0], digest))).decode()
    turns, _ = await turns_of_others(signatures.check_file(pem(leaf()), text, digest, NOW_s))
    print("%d turns" % turns)
    assert turns > 200
    assert not [name for name in sys.modules if name[:4] == "upki"], "nothing of it stays"
