"""lib/upki on MicroPython against the `cryptography` package, both ways, and what is damaged: a
ValueError or False, never another exception, never True. (Wycheproof: tests/prove_upki.)"""

import datetime
import functools
import hashlib
import json
import sys

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from station_driver import share

from host.build import ROOT

sys.path.insert(0, str(ROOT))

from tests.prove_upki import Refused, played  # noqa: E402

N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SHA256 = hashes.SHA256()
HASHED = ec.ECDSA(utils.Prehashed(SHA256))
UTC = datetime.timezone.utc
NOW = datetime.datetime(2026, 11, 20, tzinfo=UTC)
CLIENT, SIGNING = 2, 3


@pytest.fixture
def play(micropython32):
    return functools.partial(played, micropython32)


@pytest.fixture(params=["mp32", "mp64"])
def play_both(request):
    """On either: large numbers."""
    name = {"mp32": "micropython32", "mp64": "micropython"}[request.param]
    return functools.partial(played, request.getfixturevalue(name))


@functools.cache
def rsa_key(bits=2048, which=0):
    return rsa.generate_private_key(65537, bits)


def der(thing):
    return thing.public_bytes(form.Encoding.DER)


def key_der(key, kind=form.PrivateFormat.TraditionalOpenSSL):
    return key.private_bytes(form.Encoding.DER, kind, form.NoEncryption())


def point(key):
    return key.public_key().public_bytes(form.Encoding.X962, form.PublicFormat.UncompressedPoint)


def rsa_public(key):
    return key.public_key().public_bytes(form.Encoding.DER, form.PublicFormat.PKCS1)


def secret(key):
    return key.private_numbers().private_value.to_bytes(32, "big")


def flipped(data, rng, every=1, at=0):
    """Copies of `data`, each with one byte changed by chance."""
    for i in range(at, len(data), every):
        yield data[:i] + bytes([data[i] ^ rng.randrange(1, 256)]) + data[i + 1 :]


def cut(data):
    return [data[:n] for n in range(len(data))]


# ECDSA, both ways


def test_keys_and_signatures_of_either_suit_the_other(play_both, rng):
    count = len(share(range(24)))
    made = play_both([("p256.generate",)] * count)
    digests = [rng.randbytes(32) for _ in made]
    calls = [("csr.encode", *pair) for pair in made]
    calls += [("p256.sign", pair[0], d) for pair, d in zip(made, digests, strict=True)]
    answers = play_both(calls)
    keys = [form.load_der_private_key(data, None) for data in answers[:count]]
    calls, expected = [], []
    for key, pair, digest, signature in zip(keys, made, digests, answers[count:], strict=True):
        assert (secret(key), point(key)) == pair
        key.public_key().verify(signature, digest, HASHED)
        theirs = key.sign(digest, HASHED)
        fixed = key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256), deterministic_signing=True))
        other = bytes([digest[0] ^ 1]) + digest[1:]
        calls += [
            ("p256.sign", pair[0], digest, b""),
            ("p256.verify", pair[1], digest, theirs),
            ("p256.verify", pair[1], other, theirs),
        ]
        expected += [fixed, True, False]
    assert play_both(calls) == expected


def test_public_keys_of_edges(play_both, rng):
    """Scalars with long runs of 0 and 1, beside powers of the window, small and large."""
    scalars = {1, 2, 3, 7, 8, 9, N - 1, N - 2, N // 2, N // 2 + 1, (8**86 - 1) // 7 % N}
    scalars |= {(1 << rng.randrange(256)) % N for _ in range(6)}
    scalars |= {N - (1 << rng.randrange(250)) for _ in range(6)}
    scalars |= {rng.randrange(1, 1 << rng.randrange(2, 250)) for _ in range(6)}
    expected = {d: point(ec.derive_private_key(d, ec.SECP256R1())) for d in scalars}
    answers = play_both([("p256.public", d.to_bytes(32, "big")) for d in expected])
    assert answers == list(expected.values())


def test_damaged_signatures(play, rng):
    key = ec.generate_private_key(ec.SECP256R1())
    digest = rng.randbytes(32)
    good = key.sign(digest, HASHED)
    r, s = utils.decode_dss_signature(good)
    encode = utils.encode_dss_signature
    bad = [*share(list(flipped(good, rng))), *cut(good), good + b"\0", b"\0" + good]
    bad += [encode(s, r), encode(r, s + N), encode(r + N, s), encode(r, 0), encode(0, s)]
    also = [good, encode(r, N - s)]  # (the other one of two: no fault of ours)
    calls = [("p256.verify", point(key), digest, signature) for signature in bad + also]
    assert play(calls) == [False] * len(bad) + [True, True]
    keys = [*share(list(flipped(point(key), rng))), *cut(point(key)), point(key) + b"\0"]
    answers = play([("p256.verify", data, digest, good) for data in keys])
    assert all(isinstance(answer, Refused) for answer in answers)


P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = [
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
]


def plus(p, q):
    """The sum of two points, by the schoolbook; None: the one at infinity."""
    if not p or not q:
        return p or q
    if p[0] == q[0] and (p[1] + q[1]) % P == 0:
        return None
    if p == q:
        slope = (3 * p[0] ** 2 - 3) * pow(2 * p[1], -1, P)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P)
    x = (slope * slope - p[0] - q[0]) % P
    return [x, (slope * (p[0] - x) - p[1]) % P]


def times(scalar, p):
    out = None
    for bit in f"{scalar:b}":
        out = plus(plus(out, out), p if bit == "1" else None)
    return out


def on_curve(x):
    """The first point whose x is not smaller."""
    while True:
        square = (x**3 - 3 * x + B) % P
        y = pow(square, (P + 1) // 4, P)
        if y * y % P == square:
            return [x, y]
        x += 1


def test_numbers_at_their_edges(play_both, rng):
    """Signatures with r and s as small and as large as may be; x of the nonce's point beyond N."""
    calls, expected = [], []
    for nonce_point in (on_curve(1), on_curve(N), on_curve(N + (1 << 100)), on_curve(P - 99), G):
        r = nonce_point[0] % N
        for s in (1, 2, N - 1, rng.randrange(N)):
            digest = rng.randbytes(32)
            e = int.from_bytes(digest, "big")
            key = times(
                pow(r, -1, N), plus(times(s, nonce_point), times(N - e % N, G))
            )  # so that e / s * G + r / s * key is that point
            public = b"\4" + b"".join(n.to_bytes(32, "big") for n in key)
            signature = utils.encode_dss_signature(r, s)
            encoded = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
            encoded.verify(signature, digest, HASHED)
            calls += [
                ("p256.verify", public, digest, signature),
                ("p256.verify", public, bytes([digest[0] ^ 1]) + digest[1:], signature),
            ]
            expected += [True, False]
    assert play_both(calls) == expected
    # 0 is a good x. As P it is the same number, and no encoding of it.
    zero = on_curve(0)
    assert zero[0] == 0
    calls = [
        (
            "p256.verify",
            b"\4" + x.to_bytes(32, "big") + zero[1].to_bytes(32, "big"),
            bytes(32),
            b"",
        )
        for x in (0, P)
    ]
    answers = play_both(calls)
    assert answers[0] is False and isinstance(answers[1], Refused)


# RSA


def signed(key, digest, how):
    kind = {32: hashes.SHA256, 48: hashes.SHA384, 64: hashes.SHA512}[len(digest)]()
    return key.sign(digest, how, utils.Prehashed(kind))


def pss(salt):
    return padding.PSS(padding.MGF1(SHA256), salt)


@pytest.mark.parametrize("bits", [2048, 3072, 4096, 2056])
def test_rsa_of_theirs(play_both, rng, bits):
    key, digest = rsa_key(bits), rng.randbytes(32)
    public, v15 = rsa_public(key), signed(key, digest, padding.PKCS1v15())
    other = rng.randbytes(32)
    calls = [
        (True, digest, v15),
        (False, other, v15),
        (False, digest, v15, 32),
        (False, digest, v15, -1),
        (False, digest, v15[:-1]),
        (False, digest, b"\0" + v15),
        (False, digest, b""),
        (False, digest, b"\xff" * len(v15)),
    ]
    for size in (48, 64):
        long = rng.randbytes(size)
        calls.append((True, long, signed(key, long, padding.PKCS1v15())))
    for salt in (0, 1, 20, 32, bits // 8 - 34):
        made = signed(key, digest, pss(salt))
        calls += [
            (True, digest, made, salt),
            (True, digest, made, -1),
            (False, digest, made, salt + 1),
            (False, digest, made),
            (False, other, made, -1),
        ]
    answers = play_both([("rsa.verify", public, *args) for _, *args in calls])
    assert answers == [expected for expected, *_ in calls]


def test_damaged_rsa_signatures(play, rng):
    key, digest = rsa_key(), rng.randbytes(32)
    public, calls = rsa_public(key), []
    for how, *salt in ((padding.PKCS1v15(),), (pss(32), 32), (pss(32), -1)):
        good = signed(key, digest, how)
        bad = [*share(list(flipped(good, rng))), *share(cut(good)), good + b"\0"]
        calls += [("rsa.verify", public, digest, data, *salt) for data in bad]
    assert play(calls) == [False] * len(calls)


def raw(key, message):
    """What makes `message` (bytes) of a signature."""
    numbers = key.private_numbers()
    n = numbers.public_numbers.n
    return pow(int.from_bytes(message, "big"), numbers.d, n).to_bytes(256, "big")


def test_rsa_paddings_that_are_not_by_the_book(play, rng):
    key, digest = rsa_key(), rng.randbytes(32)
    info = bytes.fromhex("3031300d060960864801650304020105000420") + digest
    bare = bytes.fromhex("302f300b0609608648016503040201" + "0420") + digest  # without NULL
    v15 = [
        b"\0\1" + b"\xff" * (253 - len(info)) + b"\0" + info,
        b"\0\2" + b"\xff" * (253 - len(info)) + b"\0" + info,
        b"\0\1" + b"\xff" * 8 + b"\0" + info + bytes(245 - len(info)),
        b"\0\1" + b"\xff" * (252 - len(info)) + b"\xfe\0" + info,
        b"\0\1" + b"\xff" * (252 - len(info)) + b"\0\0" + info,
        b"\0\1" + b"\xff" * (254 - len(info)) + info,
        b"\0\1" + b"\xff" * (253 - len(bare)) + b"\0" + bare,
        b"\0\1" + b"\xff" * (253 - 32) + b"\0" + digest,
        b"\0\1" + b"\xff" * (253 - len(info)) + b"\0" + info[:14] + b"\2" + info[15:],
    ]
    assert len({len(m) for m in v15}) == 1
    calls = [("rsa.verify", rsa_public(key), digest, raw(key, m)) for m in v15]

    def encoded(salt=32, between=b"\1", zeros=b"\0", end=b"\xbc", top=0x7F, hole=None):
        chance = rng.randbytes(salt)
        h = hashlib.sha256(bytes(8) + digest + chance).digest()
        block = bytearray(zeros * (223 - salt - 1) + between + chance)
        if hole is not None:
            block[hole] ^= 1
        mask = b"".join(hashlib.sha256(h + i.to_bytes(4, "big")).digest() for i in range(7))
        block = bytes(a ^ b for a, b in zip(block, mask, strict=False))
        return bytes([block[0] & 0x7F | top & 0x80]) + block[1:] + h + end

    modulus = key.public_key().public_numbers().n
    too_high = encoded(top=0x80)
    while int.from_bytes(too_high, "big") >= modulus:
        too_high = encoded(top=0x80)
    by_pss = [
        encoded(),
        too_high,
        encoded(end=b"\xcc"),
        encoded(between=b"\2"),
        encoded(between=b"\0"),
        encoded(hole=1),
        encoded(hole=189),
        encoded(salt=31),
    ]
    calls += [("rsa.verify", rsa_public(key), digest, raw(key, m), 32) for m in by_pss]
    right = [i in (0, len(v15)) for i in range(len(calls))]
    assert play(calls) == right


def test_rsa_keys_that_are_refused(play, rng):
    numbers = rsa_key().public_key().public_numbers()
    n, public = numbers.n, rsa_public(rsa_key())

    def made(n, e):
        def integer(number):
            content = number.to_bytes(number.bit_length() // 8 + 1, "big")
            return element(2, content)

        return element(0x30, integer(n) + integer(e))

    assert made(n, 65537) == public
    bad = [made(n, e) for e in (0, 1, 2, 65536, 1 << 32 | 1, n)]
    bad += [
        made(n - 1, 3),
        made(n >> 1 | 1, 3),
        made(n >> 1024 | 1, 3),
        made(1 << 2052 | 1, 3),
    ]
    bad += [made(1 << 4096 | 1, 3), made((1 << 4104) - 1, 3), made(0, 3), public + b"\0"]
    bad += cut(public) + [element(0x30, element(2, b"\x80" * 256) + b"\2\1\3")]
    answers = play([("rsa.verify", key, bytes(32), bytes(256)) for key in bad])
    assert [a for a in answers if not isinstance(a, Refused)] == []
    taken = [made((1 << 4096) - 1, 3), made((1 << 2048) - 1, (1 << 32) - 1), made(n, 3)]
    sizes = 512, 256, 256
    calls = [
        ("rsa.verify", key, bytes(32), bytes(size)) for key, size in zip(taken, sizes, strict=True)
    ]
    assert play(calls) == [False] * 3
    # A damaged key is another, or none.
    good = signed(rsa_key(), bytes(32), padding.PKCS1v15())
    keys = share(list(flipped(public, rng)))
    assert True not in play([("rsa.verify", key, bytes(32), good) for key in keys])


def element(tag, content):
    n = len(content)
    size = (
        bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else b"\x82" + n.to_bytes(2, "big")
    )
    return bytes([tag]) + size + content


# Certificates


class Ca:
    """Who has a name and a key, and signs others."""

    def __init__(self, name, key=None, how=None):
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        self.how = how  # RSA's padding
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def sign(self, whom, days=(-1, 1), extensions=(), sha=SHA256, serial=None, dates=None):
        begin, end = dates or [NOW + datetime.timedelta(d) for d in days]
        builder = (
            x509.CertificateBuilder()
            .subject_name(whom.name)
            .issuer_name(self.name)
            .public_key(whom.key.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, sha, rsa_padding=self.how)


def usage(*names):
    words = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        " key_cert_sign crl_sign encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{word: word in names for word in words}), True


def basic(path=None, ca=True):
    return x509.BasicConstraints(ca, path), True


def purposes(*oids):
    return x509.ExtendedKeyUsage(list(oids)), False


AUTHORITY = (basic(), usage("key_cert_sign", "crl_sign"))
STATION = (basic(ca=False), usage("digital_signature"), purposes(ExtendedKeyUsageOID.CLIENT_AUTH))
NOW_s = int(NOW.timestamp())


def random_certificate(rng):
    dates = sorted(
        datetime.datetime(1950, 1, 1) + datetime.timedelta(seconds=rng.randrange(6 * 10**9))
        for _ in range(2)
    )
    extensions = []
    if rng.random() < 0.7:
        ca = rng.random() < 0.5
        path = rng.choice([None, 0, 1, 127, 128, 1000]) if ca else None
        extensions.append((x509.BasicConstraints(ca, path), rng.random() < 0.5))
    if rng.random() < 0.7:
        words = "digital_signature key_agreement key_cert_sign crl_sign decipher_only".split()
        some = rng.sample(words, rng.randrange(1, 4))
        extensions.append((usage(*some, "key_agreement")[0], rng.random() < 0.5))
    if rng.random() < 0.5:
        known = [
            ExtendedKeyUsageOID.CLIENT_AUTH,
            ExtendedKeyUsageOID.CODE_SIGNING,
            ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
            ExtendedKeyUsageOID.SMARTCARD_LOGON,
        ]
        some = purposes(*rng.sample(known, rng.randrange(1, 5)))[0]
        extensions.append((some, rng.random() < 0.5))
    if rng.random() < 0.5:
        extensions.append((x509.SubjectAlternativeName([x509.DNSName("x")]), rng.random() < 0.5))
    issuer = Ca("I" * rng.randrange(1, 65), rng.choice([None, rsa_key()]))
    whom = Ca("\u00e4" * rng.randrange(1, 33), rng.choice([None, rsa_key()]))
    serial = rng.randrange(1, 1 << rng.randrange(2, 160))
    return issuer.sign(whom, extensions=extensions, serial=serial, dates=dates)


def their_fields(c):
    """What player.fields says of it, by `cryptography`."""
    found = {extension.oid.dotted_string: extension for extension in c.extensions}
    constraints, use, purpose, san = [found.get("2.5.29." + n) for n in ("19", "15", "37", "17")]
    key = c.public_key()
    whole = key.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)
    size = c.serial_number.bit_length() // 8 + 1
    number = None
    if use:
        bits = (
            "digital_signature content_commitment key_encipherment data_encipherment"
            " key_agreement key_cert_sign crl_sign"
        ).split()
        number = sum(128 >> i for i, bit in enumerate(bits) if getattr(use.value, bit))
    known = None
    if purpose:
        prefixes = ("1.3.6.1.5.5.7.3.", "2.5.29.37.")
        last = [o.dotted_string.rpartition(".") for o in purpose.value]
        known = bytes(int(n) for prefix, _, n in last if prefix + "." in prefixes)
    return [
        c.serial_number.to_bytes(size, "big"),
        c.issuer.public_bytes(),
        c.subject.public_bytes(),
        whole,
        bits_of(key),
        c.signature,
        int(c.not_valid_before_utc.timestamp()),
        int(c.not_valid_after_utc.timestamp()),
        bool(constraints and constraints.value.ca),
        constraints.value.path_length if constraints else None,
        number,
        known,
        b"U\x1d\x11" if san and san.critical else None,
    ]


def bits_of(key):
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(form.Encoding.DER, form.PublicFormat.PKCS1)
    return key.public_bytes(form.Encoding.X962, form.PublicFormat.UncompressedPoint)


def test_fields_and_hashes_by_chance(play, rng):
    certs = [random_certificate(rng) for _ in share(range(90))]
    issuers = [random_certificate(rng) for _ in range(5)]
    calls, expected = [], []
    for cert in certs:
        calls.append(("fields", der(cert)))
        expected.append(their_fields(cert))
        issuer = rng.choice(issuers)
        # (their builder does not mind who has issued it, but takes the name from the issuer)
        request = ocsp.OCSPRequestBuilder().add_certificate(cert, issuer, SHA256).build()
        calls.append(("hashes", der(cert), der(issuer)))
        name = hashlib.sha256(cert.issuer.public_bytes()).hexdigest()
        serial = f"{cert.serial_number:x}"
        expected.append((name, request.issuer_key_hash.hex(), serial))
    assert play(calls) == expected


def extended(number, value, critical=False):
    """A certificate with extension 2.5.29.`number`, and nothing else; the value in hexadecimal."""
    oid = x509.ObjectIdentifier(f"2.5.29.{number}")
    extension = x509.UnrecognizedExtension(oid, bytes.fromhex(value)), critical
    return der(Ca("CP1").sign(Ca("CP1"), extensions=[extension]))


def test_extensions_that_are_not_by_the_book(play):
    bad = [
        (19, ""), (19, "0500"), (19, "300002"), (19, "3003010100"), (19, "3003020100"),
        (19, "30030101fe"), (19, "30060101ff0201ff"), (19, "30090101ff020100020100"),
        (19, "30060101ff0101ff"), (19, "30070101ff02020001"),
        (15, ""), (15, "030100"), (15, "03020880"), (15, "030400808000"), (15, "0302078000"),
        (15, "04020780"),
        (37, ""), (37, "30020600"), (37, "3003060155ff"), (37, "3004060255"), (37, "3102 0601"),
    ]  # fmt: skip
    good = [
        (19, "3000"),
        (19, "30060101ff02017f"),
        (15, "03020780"),
        (15, "0303070080"),
        (37, "3000"),
    ]
    both = der(Ca("CP1").sign(Ca("CP1"), extensions=AUTHORITY))
    twice = both.replace(b"\6\3U\x1d\x0f", b"\6\3U\x1d\x13")  # the same extension twice
    assert twice != both
    calls = [("fields", extended(*extension)) for extension in bad] + [("fields", twice)]
    assert [a for a in play(calls) if not isinstance(a, Refused)] == []
    answers = play([("fields", extended(*extension)) for extension in good])
    says = [answer[8:] for answer in answers]  # ca, path, usage, purposes, critical
    assert says == [
        [False, None, None, None, None],
        [True, 127, None, None, None],
        [False, None, 0x80, None, None],
        [False, None, 0, None, None],
        [False, None, None, b"", None],
    ]
    # FALSE is the default of "critical", and does not stand in DER.
    spelled = extended(30, "0500", True).replace(b"\1\1\xff", b"\1\1\0")
    assert isinstance(play([("fields", spelled)])[0], Refused)


def test_serial_numbers(play):
    serial = (1 << 158) + 0x1234
    tbs = Ca("CP1").sign(Ca("CP1"), serial=serial).tbs_certificate_bytes
    known = element(2, serial.to_bytes(20, "big"))
    assert known in tbs
    made = {}
    for number in ("00", "01", "7f" * 20, "00" + "ff" * 20, "7f" * 21, "", "80", "ff", "0001"):
        serial = element(2, bytes.fromhex(number))
        inner = tbs[3 if tbs[1] == 0x81 else 4 :].replace(known, serial, 1)
        rest = element(0x30, element(6, b"*\x86H\xce=\4\3\2")) + element(3, b"\0")
        made[number] = element(0x30, element(0x30, inner) + rest)
    answers = dict(
        zip(made, play([("hashes", data, data) for data in made.values()]), strict=True)
    )
    taken = {n: answer[2] for n, answer in answers.items() if not isinstance(answer, Refused)}
    assert taken == {"00": "0", "01": "1", "7f" * 20: "7f" * 20, "00" + "ff" * 20: "ff" * 20}


def test_a_certificate_as_ocsp_names_it(play):
    root, station = Ca("Root"), Ca("CP1")
    own, cert = root.sign(root, extensions=AUTHORITY), root.sign(station, serial=0xAB)
    calls, expected = [], []
    for one in (own, cert):
        request = ocsp.OCSPRequestBuilder().add_certificate(one, own, SHA256).build()
        calls.append(("hashes", der(one), der(own)))
        says = request.issuer_name_hash.hex(), request.issuer_key_hash.hex()
        expected.append((*says, f"{request.serial_number:x}"))
    assert play(calls) == expected


class Pki:
    """A root, two CAs between, a station: on P-256 if not said. Those that are good."""

    def __init__(self, key=lambda which: None, how=None):
        self.root, self.upper, self.lower, self.station = [
            Ca(name, key(i), how) for i, name in enumerate(("Root", "Upper", "Lower", "CP1"))
        ]
        self.top = self.root.sign(self.root, extensions=AUTHORITY)
        self.middle = self.root.sign(self.upper, extensions=(basic(1), AUTHORITY[1]))
        self.low = self.upper.sign(self.lower, extensions=(basic(0), AUTHORITY[1]))
        self.leaf = self.lower.sign(self.station, extensions=STATION)

    def chain(self, **others):
        """leaf, low, middle; one of them another."""
        return [others.get(name) or getattr(self, name) for name in ("leaf", "low", "middle")]


def chained(chain, *roots, now=NOW_s, purpose=CLIENT):
    return ("cert.check", [der(c) for c in chain], [der(r) for r in roots], now, purpose)


def test_chains_that_are_good(play):
    pki, other = Pki(), Ca("Other")
    namesake = Ca("Root")
    false_root = namesake.sign(namesake, extensions=AUTHORITY)
    late = pki.root.sign(pki.root, days=(2, 3), extensions=AUTHORITY)
    strange = other.sign(other, extensions=AUTHORITY)
    one = pki.root.sign(pki.station, extensions=STATION)
    plain = pki.root.sign(pki.station)  # no extension at all
    code = pki.root.sign(
        pki.station, extensions=(purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),)
    )
    far = pki.root.sign(pki.station, dates=(NOW, datetime.datetime(9999, 12, 31, 23, 59, 59)))
    unlimited = pki.root.sign(pki.upper, extensions=(basic(),))  # CA without keyUsage
    top = der(pki.top)
    good = [
        chained([one], pki.top),
        chained([plain], pki.top, purpose=SIGNING),
        chained([code], pki.top, purpose=SIGNING),
        chained([far], pki.top, now=253402300799),
        chained([far], pki.top, now=NOW_s),
        chained(pki.chain(), pki.top),
        chained(pki.chain(middle=unlimited), pki.top),
        chained([*pki.chain(), pki.top], pki.top),
        chained(pki.chain(), strange, false_root, late, pki.top),
        chained(pki.chain(), pki.top, purpose=None),
    ]
    assert play(good) == [top] * 2 + [top, *play(good[3:5])] + [top] * 5
    # A CA below may be what is installed.
    lower = chained(pki.chain()[:2], pki.middle)
    assert play([lower, chained(pki.chain(), pki.middle)]) == [der(pki.middle)] * 2


def test_chains_of_rsa(play, rng):
    for how in (None, pss(32), padding.PSS(padding.MGF1(SHA256), 0)):
        pki = Pki(lambda which: rsa_key(2048, which), how)
        mixed = pki.lower.sign(Ca("CP1"), extensions=STATION)
        bad = pki.lower.sign(pki.station, extensions=STATION, sha=hashes.SHA384())
        answers = play(
            [
                chained(pki.chain(), pki.top),
                chained(pki.chain(leaf=mixed), pki.top),
                chained(pki.chain(leaf=bad), pki.top),
            ]
        )
        assert answers[:2] == [der(pki.top)] * 2
        assert isinstance(answers[2], Refused)  # MicroPython has no SHA-384


def test_algorithms_that_are_not_by_the_book(play):
    """The signature is good each time; what it says of itself is not."""
    rsa_id, sha_id = b"*\x86H\x86\xf7\r\1\1", b"`\x86H\1e\3\4\2"

    def named(oid, rest=b""):
        return element(0x30, element(6, oid) + rest)

    def by_pss(sha=b"\1", null=b"", mask=b"\x08", mask_sha=b"\1", salt=b"\2\1\x20", more=b""):
        mask = named(rsa_id + mask, named(sha_id + mask_sha, null))
        content = element(0xA0, named(sha_id + sha, null)) + element(0xA1, mask)
        content += element(0xA2, salt) if salt else b""
        return named(rsa_id + b"\x0a", element(0x30, content + more))

    ec_id, null = b"*\x86H\xce=\4\3", b"\5\0"
    ways = {
        None: lambda key, data: key.sign(data, ec.ECDSA(SHA256)),
        "v15": lambda key, data: key.sign(data, padding.PKCS1v15(), SHA256),
        "pss": lambda key, data: key.sign(data, pss(32), SHA256),
    }
    cases = [
        (None, named(ec_id + b"\2"), True),
        (None, named(ec_id + b"\2", null), False),
        (None, named(ec_id + b"\1"), False),
        (None, named(ec_id + b"\5"), False),
        (None, named(ec_id), False),
        (None, named(b"\x2b\x65\x70"), False),  # Ed25519
        (None, named(b""), False),
        ("v15", named(rsa_id + b"\x0b", null), True),
        ("v15", named(rsa_id + b"\x0b"), False),
        ("v15", named(rsa_id + b"\x0b", b"\5\1\0"), False),
        ("v15", named(rsa_id + b"\x05", null), False),
        ("v15", named(rsa_id + b"\x0e", null), False),
        ("v15", named(rsa_id + b"\x0c", null), False),
        ("v15", named(ec_id + b"\2"), False),
        ("v15", by_pss(), False),
        ("pss", by_pss(), True),
        ("pss", by_pss(null=null), True),
        ("pss", by_pss(null=b"\5\1\0"), False),
        ("pss", by_pss(salt=b"\2\1\x21"), False),
        ("pss", by_pss(salt=b""), False),
        ("pss", by_pss(salt=b"\2\1\xff"), False),
        ("pss", by_pss(more=element(0xA3, b"\2\1\1")), False),  # the default, which is left out
        ("pss", by_pss(sha=b"\2"), False),
        ("pss", by_pss(mask_sha=b"\2"), False),
        ("pss", by_pss(sha=b"\4", mask_sha=b"\4"), False),
        ("pss", by_pss(sha=b"\0", mask_sha=b"\0"), False),
        ("pss", by_pss(mask=b"\x09"), False),
        ("pss", named(rsa_id + b"\x0a"), False),
        ("pss", named(rsa_id + b"\x0b", null), False),
    ]
    calls = []
    for way, algorithm, _ in cases:
        root = Ca("Root", way and rsa_key())
        top = root.sign(root, extensions=AUTHORITY)
        tbs = root.sign(Ca("CP1"), extensions=STATION).tbs_certificate_bytes
        was = named(ec_id + b"\2") if way is None else named(rsa_id + b"\x0b", null)
        head = 4 if tbs[1] == 0x82 else 3
        tbs = element(0x30, tbs[head:].replace(was, algorithm, 1))
        signature = ways[way](root.key, tbs)
        made = element(0x30, tbs + algorithm + element(3, b"\0" + signature))
        calls.append(("cert.check", [made], [der(top)], NOW_s, CLIENT))
    answers = play(calls)
    assert [not isinstance(answer, Refused) for answer in answers] == [c[2] for c in cases]


def test_chains_that_are_not(play):
    pki, far = Pki(), Ca("Far")
    root, lower, station = pki.root, pki.lower, pki.station
    curve = Ca("Upper", ec.generate_private_key(ec.SECP384R1()))
    edwards = Ca("Upper", ed25519.Ed25519PrivateKey.generate())
    namesake = Ca("Root")
    false = namesake.sign(namesake, extensions=AUTHORITY)
    late = root.sign(root, days=(1, 2), extensions=AUTHORITY)
    no_ca = root.sign(root, extensions=(usage("key_cert_sign"),))
    other_ca = root.sign(root, extensions=(basic(), usage("digital_signature")))
    tight = root.sign(root, extensions=(basic(1), AUTHORITY[1]))
    constrained = (x509.NameConstraints([x509.DNSName("x")], None), True)
    policy = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")
    san = x509.SubjectAlternativeName([x509.DNSName("x")])

    def leaf(*extensions, by=lower, **options):
        return pki.chain(leaf=by.sign(station, extensions=extensions, **options))

    def low(*extensions, whom=lower, **options):
        return pki.chain(low=pki.upper.sign(whom, extensions=extensions, **options))

    def by(ca):
        sha = None if ca is edwards else SHA256
        low = ca.sign(lower, extensions=AUTHORITY, sha=sha)
        return [pki.leaf, low, root.sign(ca, extensions=AUTHORITY)]

    chain = pki.chain()
    deep = [pki.leaf]
    above = lower
    for i in range(6):
        next_one = Ca(f"Deep {i}")
        deep.append(next_one.sign(above, extensions=AUTHORITY))
        above = next_one
    top = above.sign(above, extensions=AUTHORITY)
    bad = {  # name: chain, roots
        "no certificate": ([], pki.top),
        "seven": (deep, top),
        "no root": (chain,),
        "another root": (chain, far.sign(far, extensions=AUTHORITY)),
        "a root of the same name": (chain, false),
        "root too late": (chain, late),
        "root without basicConstraints": (chain, no_ca),
        "root without keyCertSign": (chain, other_ca),
        "root with a limit": (chain, tight),
        "one is missing": ([chain[0], chain[2]], pki.top),
        "the last is missing": (chain[:2], pki.top),
        "another order": ([chain[0], chain[2], chain[1]], pki.top),
        "upside down": (chain[::-1], pki.top),
        "expired": (leaf(*STATION, days=(-3, -1)), pki.top),
        "early": (leaf(*STATION, days=(1, 3)), pki.top),
        "CA expired": (low(*AUTHORITY, days=(-3, -1)), pki.top),
        "CA early": (low(*AUTHORITY, days=(1, 3)), pki.top),
        "no CA": (low(basic(ca=False), AUTHORITY[1]), pki.top),
        "no basicConstraints": (low(AUTHORITY[1]), pki.top),
        "no keyCertSign": (low(basic(), usage("crl_sign", "digital_signature")), pki.top),
        "too long": (pki.chain(middle=root.sign(pki.upper, extensions=(basic(0),))), pki.top),
        "unknown and critical": (leaf((policy, True)), pki.top),
        "a name that is critical": (leaf((san, True)), pki.top),
        "CA with name constraints": (low(*AUTHORITY, constrained), pki.top),
        "another purpose": (leaf(purposes(ExtendedKeyUsageOID.SERVER_AUTH)), pki.top),
        "not to sign": (leaf(usage("key_agreement")), pki.top),
        "signed by a stranger": (leaf(*STATION, by=Ca("Lower")), pki.top),
        "SHA-384": (leaf(*STATION, sha=hashes.SHA384()), pki.top),
        "P-384": (by(curve), pki.top),
        "Ed25519": (by(edwards), pki.top),
        "alone": ([station.sign(station, extensions=AUTHORITY)], pki.top),
        "the leaf is a CA of that name": ([pki.leaf, pki.leaf], pki.top),
    }
    calls = [chained(chain, *roots) for chain, *roots in bad.values()]
    calls.append(chained(chain, pki.top, purpose=SIGNING))
    calls.append(chained(chain, pki.top, now=NOW_s + 86401))
    calls.append(chained(chain, pki.top, now=NOW_s - 86401))
    answers = play([*calls, chained(chain, pki.top)])
    assert answers.pop() == der(pki.top)
    came = dict(zip([*bad, "code", "later", "earlier"], answers, strict=True))
    assert {name: a for name, a in came.items() if not isinstance(a, Refused)} == {}
    assert "expired" in came["CA expired"] and "yet" in came["early"] and "SHA" in came["SHA-384"]


def test_every_byte_of_a_certificate_counts(play, rng):
    """A CA with RSA and one with ECDSA: whatever is changed, cut or added, it is refused."""
    for key, some in ((rsa_key(), list), (None, share)):
        root, station = Ca("R", key), Ca("CP1")
        top = root.sign(root, extensions=AUTHORITY)
        leaf = der(root.sign(station, extensions=STATION))
        bad = [*flipped(leaf, rng), *flipped(leaf, rng)]
        if some is share:
            bad = share(bad, rng.randrange(3))[::2]
        bad += cut(leaf) + [leaf + b"\0", leaf + leaf]
        for _ in range(100):
            at = rng.randrange(len(leaf))
            bad.append(leaf[:at] + rng.randbytes(rng.randrange(1, 4)) + leaf[at:])
            bad.append(leaf[:at] + leaf[at + 1 :])
        bad = [data for data in bad if data != leaf]
        calls = [("cert.check", [data], [der(top)], NOW_s, CLIENT) for data in bad]
        answers = play([*calls, ("cert.check", [leaf], [der(top)], NOW_s, CLIENT)])
        assert answers.pop() == der(top)
        taken = [i for i, answer in enumerate(answers) if not isinstance(answer, Refused)]
        assert taken == []


def test_nothing_else_than_a_value_error(play, rng):
    """Certificates and keys with many things changed, lengths among them: read, or refused."""
    seeds = [der(random_certificate(rng)) for _ in range(10)]
    keys = [key_der(ec.generate_private_key(ec.SECP256R1()), kind) for kind in PRIVATE]
    calls = []
    for _ in range(len(share(range(6000)))):
        data = bytearray(rng.choice(seeds + keys))
        for _ in range(rng.choice([1, 1, 1, 2, 3, 10])):
            at = rng.randrange(len(data))
            how = rng.random()
            if how < 0.6:
                data[at] = rng.choice(b"\0\1\2\3\6\x30\x7f\x80\x81\x82\x84\xa0\xff")
            elif how < 0.8:
                del data[at : at + rng.randrange(1, 9)]
            else:
                data[at:at] = rng.randbytes(rng.randrange(1, 4))
            data = data or bytearray(1)
        calls.append((rng.choice(["fields", "fields", "csr.decode"]), bytes(data)))
    answers = play(calls)
    assert sum(isinstance(answer, Refused) for answer in answers) > len(answers) // 2


# Firmware: a signature of what has gone by


def test_a_signature_by_a_certificate(play, rng):
    root = Ca("Maker")
    digest = hashlib.sha256(image := rng.randbytes(1000)).digest()
    other = hashlib.sha256(image + b"x").digest()
    calls, expected = [], []
    for key in (None, rsa_key(), rsa_key(3072)):
        signer = Ca("Firmware", key)
        cert = der(root.sign(signer))
        if key is None:
            ways = [(signer.key.sign(image, ec.ECDSA(SHA256)),)]
        else:
            ways = [
                (key.sign(image, padding.PKCS1v15(), SHA256),),
                (key.sign(image, pss(32), SHA256), 32),
                (key.sign(image, pss(32), SHA256), -1),
            ]
        for signature, *salt in ways:
            calls += [
                ("verify", cert, digest, signature, *salt),
                ("verify", cert, other, signature, *salt),
            ]
            expected += [True, False]
    strange = Ca("Firmware", ec.generate_private_key(ec.SECP384R1()))
    calls.append(("verify", der(root.sign(strange)), digest, b""))
    answers = play(calls)
    assert isinstance(answers.pop(), Refused)
    assert answers == expected


# Requests, keys, PEM


PRIVATE = form.PrivateFormat.TraditionalOpenSSL, form.PrivateFormat.PKCS8


def test_requests(play, rng):
    names = ["CP1", "x" * 64, "\u00c4rger \u4f60\u597d", 'a/b+c,d=e"\\', " "]
    pairs = play([("p256.generate",)] * len(names))
    calls = [
        ("csr.request", *pair, name, name[::-1]) for pair, name in zip(pairs, names, strict=True)
    ]
    for data, pair, name in zip(play(calls), pairs, names, strict=True):
        request = x509.load_der_x509_csr(data)
        assert request.is_signature_valid and not list(request.extensions)
        says = [(attribute.oid, attribute.value) for attribute in request.subject]
        assert says == [
            (NameOID.ORGANIZATION_NAME, name[::-1]),
            (NameOID.COMMON_NAME, name),
        ]
        assert bits_of(request.public_key()) == pair[1]
        assert isinstance(request.signature_hash_algorithm, hashes.SHA256)
        assert der(request) == data
        with pytest.raises(InvalidSignature):
            request.public_key().verify(request.signature, data, ec.ECDSA(SHA256))


def test_files_of_keys(play, rng):
    key = ec.generate_private_key(ec.SECP256R1())
    pair = secret(key), point(key)
    certificate = der(Ca("CP1", key).sign(Ca("CP1", key)))
    ours, *read = play(
        [("csr.encode", *pair)] + [("csr.decode", key_der(key, kind)) for kind in PRIVATE]
    )
    assert ours == key_der(key)  # to the byte: RFC 5915
    assert read == [pair, pair]
    assert play([("load", certificate, data) for data in (ours, b"x")])[0] is None
    others = [
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP256K1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa_key(),
    ]
    bad = [key_der(other, form.PrivateFormat.PKCS8) for other in others]
    bad += [key_der(other) for other in (others[0], others[1], others[3])]
    for kind in PRIVATE:
        bad += cut(key_der(key, kind))
    answers = play([("csr.decode", data) for data in bad])
    assert all(isinstance(answer, Refused) for answer in answers)
    calls = [("csr.decode", d) for kind in PRIVATE for d in flipped(key_der(key, kind), rng)]
    for answer in play(calls):  # another number, or none: the pair is not compared
        assert isinstance(answer, Refused) or answer[0] == pair[0] or answer[1] == pair[1]


def test_pem_of_either(play, rng):
    certs = [random_certificate(rng) for _ in range(4)]
    texts = [c.public_bytes(form.Encoding.PEM) for c in certs]
    lines, *blocks = play(
        [
            ("pem", der(certs[0])),
            ("unpem", b"".join(texts)),
            ("unpem", b"".join(texts).decode()),
            ("unpem", b"subject=x\r\n" + b"\r\n".join(t.replace(b"\n", b"\r\n") for t in texts)),
        ]
    )
    assert b"".join(lines) == texts[0]
    assert blocks == [[der(c) for c in certs]] * 3


def test_package_lists_every_module():
    package = json.loads((ROOT / "lib/upki/package.json").read_text())
    modules = sorted(path.name for path in (ROOT / "lib/upki").glob("*.py"))
    assert package["urls"] == [[f"upki/{name}", name] for name in modules]
