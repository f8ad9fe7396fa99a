"""upki: DER, PEM, dates, files of keys, known answers of ECDSA; that other tasks go on. (The rest
is held to the `cryptography` package in tests/system/test_upki.py.)"""

from binascii import unhexlify
from hashlib import sha256

from generators import run
from rig import raised, seeded
from turns import turns_of_others

import upki
from upki import cert, csr, der, p256, patient, power, rsa, sha

HEAP = "512K"  # elements of 64 KB
BOTH = True
SWEEPS = ("test_signatures_by_chance",)

# RFC 6979, A.2.5
KEY = unhexlify("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
PUBLIC = b"\4" + unhexlify(
    "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
    "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
)
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def refused(function, *args):
    """The text of the ValueError that it has to raise."""
    try:
        result = function(*args)
    except ValueError as e:
        return str(e)
    raise AssertionError("%r instead of ValueError" % (result,))


# DER


def test_lengths():
    for n in (0, 1, 127, 128, 255, 256, 1000, 65535):
        made = der.element(4, bytes(n))
        assert len(made) - n == (2 if n < 128 else 3 if n < 256 else 4)
        content, rest = der.take(memoryview(made + b"xy"), 4)
        assert content == bytes(n) and rest == b"xy"
        assert der.cut(memoryview(made + b"x"), 4) == (made, b"x")
        assert der.only(memoryview(made), 4) == bytes(n)
        for size in (0, 1, 2, 3, len(made) - 1):
            if size < len(made):
                refused(der.take, memoryview(made)[:size], 4)
        refused(der.take, memoryview(made), 5)
        refused(der.only, memoryview(made + b"\0"), 4)


def test_lengths_that_are_not_der():
    for head in (
        b"\4\x80ab\0\0",  # indefinite
        b"\4\x80" + bytes(130),
        b"\4\x81\x02ab",  # longer than need be
        b"\4\x81\x7f" + bytes(127),
        b"\4\x82\0\x80" + bytes(128),
        b"\4\x82\0\xff" + bytes(255),
        b"\4\x83\0\1\0" + bytes(256),
        b"\4\x83\1\0\0" + bytes(65536),  # 64 KB
        b"\4\x84\0\0\0\1a",
        b"\4\xff" + bytes(200),
        b"\4\x81",
        b"\4\x82\1",
        b"\4",
        b"",
    ):
        refused(der.take, memoryview(head), 4)


def test_numbers():
    for number in (0, 1, 127, 128, 255, 256, 32767, 32768, 2**255, 2**256 - 1, 2**264 - 1):
        content = der.only(memoryview(der.unsigned(number)), 2)
        assert der.integer(content) == number
        assert len(content) == 1 or content[0] or content[1] > 127
    for content in (b"", b"\x80", b"\xff\xff", b"\0\0", b"\0\x7f", b"\0\0\x80"):
        refused(der.integer, memoryview(content))
    for content in (b"", b"\1\2", b"\x07\x80"):
        refused(der.octets, memoryview(content))
    assert der.octets(memoryview(b"\0\1")) == b"\1" and der.octets(memoryview(b"\0")) == b""
    refused(der.oid, memoryview(b"\6\0"))
    assert der.oid(memoryview(b"\6\1\x2a\5\0")) == (b"\x2a", b"\5\0")


# PEM


def test_pem():
    for n in (0, 1, 47, 48, 49, 96, 1000):
        data = bytes([i & 255 for i in range(n)])
        lines = list(der.pem(data, "X Y"))
        assert lines[0] == b"-----BEGIN X Y-----\n" and lines[-1] == b"-----END X Y-----\n"
        assert all([len(line) <= 65 for line in lines])
        text = b"".join(lines)
        assert list(der.unpem(text, "X Y")) == [data]
        assert list(der.unpem(text.decode(), "X Y")) == [data]
        assert list(der.unpem(text.replace(b"\n", b"\r\n"), "X Y")) == [data]
        assert list(der.unpem(text)) == []
        assert list(der.unpem(b"so:\n" + text + b"and so\n" + text, "X Y")) == [data, data]
        refused(lambda: list(der.unpem(text[:-6], "X Y")))  # noqa: B023
    text = "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----"
    assert list(der.unpem(text % "YWI=")) == [b"ab"]
    refused(lambda: list(der.unpem(text % "YWI")))


# Dates


def seconds(text, tag=0x17):
    return cert._time(memoryview(der.element(tag, text.encode()) + b"rest"))


def test_dates():
    for text, tag, expected in (
        ("700101000000Z", 0x17, 0),
        ("691231235959Z", 0x17, -1),
        ("500101000000Z", 0x17, -631152000),
        ("491231235959Z", 0x17, 2524607999),
        ("000229120000Z", 0x17, 951825600),
        ("20500101000000Z", 0x18, 2524608000),
        ("21000301000000Z", 0x18, 4107542400),
        ("99991231235959Z", 0x18, 253402300799),
        ("00000101000000Z", 0x18, -62167219200),
    ):
        assert seconds(text, tag) == (expected, b"rest"), text
    for text, tag in (
        ("700101000000", 0x17),
        ("700101000000+", 0x17),
        ("7001010000Z", 0x17),
        ("700101000000+0000", 0x17),
        ("70 101000000Z", 0x17),
        ("70010100000 Z", 0x17),
        ("70010100000xZ", 0x17),
        ("19700101000000Z", 0x17),
        ("700101000000Z", 0x18),
        ("20500101000000.5Z", 0x18),
        ("700001000000Z", 0x17),
        ("701301000000Z", 0x17),
        ("700100000000Z", 0x17),
        ("700132000000Z", 0x17),
        ("700229000000Z", 0x17),
        ("700431000000Z", 0x17),
        ("21000229000000Z", 0x18),
        ("700101240000Z", 0x17),
        ("700101006000Z", 0x17),
        ("700101000060Z", 0x17),
        ("", 0x17),
        ("700101000000Z", 0x16),
    ):
        refused(seconds, text, tag)


# Keys and signatures


def test_known_answers():
    assert run(p256.public(KEY)) == PUBLIC
    for text, r, s in (  # with SHA-256
        (
            b"sample",
            0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
            0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
        ),
        (
            b"test",
            0xF1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367,
            0x019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083,
        ),
    ):
        digest = sha256(text).digest()
        signature = der.element(0x30, der.unsigned(r), der.unsigned(s))
        assert run(p256.sign(KEY, digest, b"")) == signature
        assert run(p256.verify(PUBLIC, digest, signature)) is True
        assert run(p256.verify(PUBLIC, digest[:-1] + b"\0", signature)) is False


def test_chance_makes_each_signature_another():
    digest = sha256(b"x").digest()
    made = [run(p256.sign(KEY, digest)) for _ in range(3)]
    assert len(set(made)) == 3
    assert [run(p256.verify(PUBLIC, digest, s)) for s in made] == [True] * 3
    (key, public), other = run(p256.generate()), run(p256.generate())
    assert key != other[0] and public == run(p256.public(key)) and len(public) == 65


def test_signatures_by_chance():
    random = seeded("upki")
    for _ in range(3):
        key = bytes([random.getrandbits(8) for _ in range(31)]) + b"\1"
        public = run(p256.public(key))
        for size in (20, 32, 48, 64):
            digest = bytes([random.getrandbits(8) for _ in range(size)])
            signature = run(p256.sign(key, digest))
            assert run(p256.verify(public, digest, signature)) is True
            assert run(p256.verify(public, digest[1:] + b"\0", signature)) is False


def test_edges_of_a_key():
    for d in (1, 2, 3, 7, 8, 9, 1 << 255, N - 1, N - 2, N - 8):
        x = run(p256.public(d.to_bytes(32, "big")))
        y = run(p256.public((N - d).to_bytes(32, "big")))
        assert x[1:33] == y[1:33] and x[33:] != y[33:]
    for key in (bytes(32), N.to_bytes(32, "big"), b"\xff" * 32, KEY[1:], b"\0" + KEY, b""):
        refused(run, p256.public(key))
        refused(run, p256.sign(key, bytes(32)))
    for public in (
        b"",
        PUBLIC[:-1],
        PUBLIC + b"\0",
        b"\2" + PUBLIC[1:],
        b"\2" + PUBLIC[1:33],
        b"\4" + bytes(64),
        b"\0" * 65,
        b"\4" + b"\xff" * 64,
        PUBLIC[:-1] + b"\x98",
    ):
        refused(run, p256.verify(public, bytes(32), b""))


def test_what_is_no_signature():
    one = der.unsigned(1)
    for signature in (
        b"",
        b"0\0",
        der.element(0x30, one),
        der.element(0x30, one, one, one),
        der.element(0x30, one, one) + b"\0",
        der.element(0x31, one, one),
        der.element(0x30, one, der.unsigned(0)),
        der.element(0x30, der.unsigned(0), one),
        der.element(0x30, one, der.unsigned(N)),
        der.element(0x30, der.unsigned(N), one),
        der.element(0x30, one, b"\2\1\xff"),
        der.element(0x30, b"\2\0", one),
        der.element(0x30, one, b"\2\x81\1\1"),
        der.element(0x30, one, one),
        der.element(0x30, der.element(2, b"\1" * 5000), one),
    ):
        assert run(p256.verify(PUBLIC, bytes(32), signature)) is False


def test_files_of_keys():
    made = csr.encode(KEY, PUBLIC)
    assert len(made) == 121 and csr.decode(made) == (KEY, PUBLIC)
    curve, point = made[39:51], made[51:]
    inner = der.element(0x30, b"\2\1\1", der.element(4, KEY))
    kind = der.P256[2:23]
    for data, public in (
        (der.element(0x30, b"\2\1\1", der.element(4, KEY), curve), None),
        (der.element(0x30, b"\2\1\0", kind, der.element(4, inner)), None),
        (der.element(0x30, b"\2\1\0", kind, der.element(4, made)), PUBLIC),
    ):
        assert csr.decode(data) == (KEY, public)
    for data in (
        b"",
        inner,  # of which curve?
        der.element(0x30, b"\2\1\1", der.element(4, KEY[1:]), curve),
        der.element(0x30, b"\2\1\1", der.element(4, KEY), curve[:-1] + b"\1"),
        der.element(0x30, b"\2\1\1", der.element(4, KEY), point),
        der.element(0x30, b"\2\1\1", der.element(4, KEY), curve, b"\xa1\4\3\2\0\4"),
        der.element(0x30, b"\2\1\2", der.element(4, KEY), curve),
        der.element(0x30, b"\2\1\0", kind[:-1] + b"\1", der.element(4, inner)),
        der.element(0x30, b"\2\1\0", kind, der.element(4, inner + b"\0")),
        made + b"\0",
    ):
        refused(csr.decode, data)


def test_names_of_a_request():
    for name in ("", "x" * 65):
        refused(run, csr.request(KEY, PUBLIC, name, "x"))
        refused(run, csr.request(KEY, PUBLIC, "x", name))
    assert run(csr.request(KEY, PUBLIC, "\u00e4" * 64, "x" * 64))[0] == 0x30


# Arithmetic, hashes


def test_power():
    for base, exponent, modulus in (
        (3, 65537, 10**9 + 7),
        (2, 1, 7),
        (5, 0, 7),
        (0, 5, 7),
        (7**300, 3, 11**400),
        (7**300, 65537, 11**400),
        (2**200 + 5, N - 2, N),
    ):
        assert run(power(base, exponent, modulus)) == pow(base, exponent, modulus)
    # Of large numbers each product is a piece, of small ones sixteen squares.
    assert len(list(power(7**300, 65537, 11**400))) == 19
    assert len(list(power(5, N - 2, N))) in range(16, 33)


def test_hashes_that_there_are():
    assert sha(32) is sha256
    for size in (0, 20, 28, 48, 64):  # (no MicroPython here has the last two)
        assert "no SHA-2 of %d bytes" % size == refused(sha, size)

    class Larger:
        sha384, sha512 = 384, 512

    real, upki.hashlib = upki.hashlib, Larger
    assert (sha(48), sha(64)) == (384, 512)
    refused(sha, 32)
    upki.hashlib = real
    key = der.element(0x30, der.element(2, b"\0" + b"\xff" * 256), b"\2\3\1\0\1")
    for size in (0, 20, 31, 33):
        refused(run, rsa.verify(key, bytes(size), bytes(256)))
    refused(run, rsa.verify(key, bytes(48), bytes(256), 48))
    assert run(rsa.verify(key, bytes(48), bytes(256))) is False


# Others go on


async def test_others_have_their_turn():
    digest = sha256(b"x").digest()
    turns, signature = await turns_of_others(patient(p256.sign(KEY, digest)))
    assert turns > 120
    turns, good = await turns_of_others(patient(p256.verify(PUBLIC, digest, signature)))
    assert turns > 110 and good
    await raised(ValueError, patient(p256.public(bytes(32))))
