# Certificates for unit tests, made by lib/upki itself. (Those of others: the system tests.)

from binascii import b2a_base64
from hashlib import sha256

from generators import run

from upki import der, p256

ECDSA = b"0\n\6\x08*\x86H\xce=\4\3\2"
CLIENT, SERVER = 2, 1  # of id-kp
T0 = 1700000000  # Unix time in all of them, if nothing else is said


def name(common, organization=None):
    """A Name: O, CN."""
    out = b""
    for kind, text in ((b"\6\3U\4\n", organization), (b"\6\3U\4\3", common)):
        if text is not None:
            value = der.element(12, text.encode())
            out += der.element(0x31, der.element(0x30, kind, value))
    return der.element(0x30, out)


def _date(t):
    """GeneralizedTime of a Unix time (of a day)."""
    days, year = t // 86400, 1970
    while days >= 365 + (year % 4 == 0):
        days -= 365 + (year % 4 == 0)
        year += 1
    month, lengths = 1, [31, 28 + (year % 4 == 0), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    while days >= lengths[month - 1]:
        days -= lengths[month - 1]
        month += 1
    return der.element(0x18, b"%04d%02d%02d000000Z" % (year, month, days + 1))


class Issued:
    """A certificate: der, key (private), public, subject."""

    serial = 0

    def __init__(
        self, subject, issuer=None, *, ca=False, days=(-9, 99), purpose=None, public=None
    ):
        """issuer: an Issued; None: it signs itself. public: of a key that is not known here."""
        Issued.serial += 1
        self.key, own = run(p256.generate())
        self.public, self.subject = public or own, subject
        signer = issuer or self
        extensions = b""
        if ca:
            extensions += der.element(0x30, b"\6\3U\x1d\x13\1\1\xff\4\5" + b"0\3\1\1\xff")
        if purpose:
            kp = der.element(0x30, b"\6\x08+\6\1\5\5\7\3" + bytes((purpose,)))
            extensions += der.element(0x30, b"\6\3U\x1d%", der.element(4, kp))
        more = der.element(0xA3, der.element(0x30, extensions)) if extensions else b""
        dates = [_date(T0 + 86400 * day) for day in days]
        tbs = der.element(
            0x30,
            b"\xa0\3\2\1\2" + der.unsigned(1000 + Issued.serial) + ECDSA,
            signer.subject + der.element(0x30, *dates) + subject,
            der.P256 + self.public,
            more,
        )
        signature = run(p256.sign(signer.key, sha256(tbs).digest()))
        self.der = der.element(0x30, tbs, ECDSA, der.element(3, b"\0", signature))

    def pem(self):
        """str"""
        return pem(self.der)


def pem(data, label="CERTIFICATE"):
    """In one line: that is PEM for who reads it here."""
    text = b2a_base64(data).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"


def root(common="Root", **more):
    """One that signs itself."""
    return Issued(name(common, "CA"), ca=True, **more)
