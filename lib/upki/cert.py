"""Certificates (RFC 5280): their fields, chains of them, the hashes that name them. Where there is
a choice it is the strict one: DER, version 3, and an issuer's name is its bytes."""

from binascii import hexlify
from hashlib import sha256
from micropython import const

from . import sha
from .der import P256, cut, integer, octets, oid, only, take

_LONGEST = const(6)  # certificates in a chain, beside its root
_MOST = const(32)  # extensions
_PURPOSES = const(320)  # bytes of extKeyUsage, some thirty of them
_RSA = const(b"0\r\6\t*\x86H\x86\xf7\r\1\1\1\5\0")  # rsaEncryption and NULL (RFC 3279, 2.3.1)


class Certificate:
    """A certificate, given in DER, of which it keeps views: read, but not believed (see check()).
    issuer, subject, key: elements, the last one SubjectPublicKeyInfo; key_bits: the key itself.
    serial: big-endian. begin_s, end_s: Unix time of its first and its last second. ca: may it sign
    others, by basicConstraints? Raises ValueError."""

    def __init__(self, der):
        self._tbs, rest = cut(only(memoryview(der), 0x30), 0x30)
        self._algorithm, rest = cut(rest, 0x30)
        self._signature = octets(only(rest, 3))
        version, data = take(only(self._tbs, 0x30), 0xA0)
        self.serial, data = take(data, 2)
        algorithm, data = cut(data, 0x30)
        if version != b"\2\1\2" or algorithm != self._algorithm:
            raise ValueError("certificate: version or algorithm")
        self.issuer, data = cut(data, 0x30)
        dates, data = take(data, 0x30)
        self.begin_s, dates = _time(dates)
        self.end_s, dates = _time(dates)
        self.subject, data = cut(data, 0x30)
        self.key, data = cut(data, 0x30)
        self.key_bits = octets(only(cut(only(self.key, 0x30), 0x30)[1], 3))
        self.ca, self._path = False, None  # (None: no limit)
        self._usage = self._purposes = None  # the first byte; the last bytes of each id-kp, 0: any
        self._unknown = None  # a critical extension that is none of these
        if dates or integer(self.serial) >> 160:  # (20 bytes, 4.1.2.2)
            raise ValueError("certificate: dates or serial number")
        if data:
            self._read(only(only(data, 0xA3), 0x30))

    def _read(self, data):
        seen = set()
        while data:
            extension, data = take(data, 0x30)
            name, extension = oid(extension)
            critical = extension[:3] == b"\1\1\xff"
            value = only(extension[3:] if critical else extension, 4)
            if name in seen or len(seen) == _MOST:
                raise ValueError("certificate: an extension twice, or too many")
            seen.add(name)
            if name == b"U\x1d\x13":  # basicConstraints, 4.2.1.9
                value = only(value, 0x30)
                self.ca = value[:3] == b"\1\1\xff"
                if len(value) > 3 and self.ca:
                    self._path = integer(only(value[3:], 2))
                elif value and not self.ca:
                    raise ValueError("certificate: basicConstraints")
            elif name == b"U\x1d\x0f":  # keyUsage, 4.2.1.3
                value = only(value, 3)
                if not 2 <= len(value) <= 3 or value[0] > 7:
                    raise ValueError("certificate: keyUsage")
                self._usage = value[1]
            elif name == b"U\x1d%":  # extKeyUsage, 4.2.1.12
                self._purposes, value = b"", only(value, 0x30)
                if len(value) > _PURPOSES:
                    raise ValueError("certificate: extKeyUsage")
                while value:
                    purpose, value = oid(value)
                    if purpose == b"U\x1d%\0" or purpose[:-1] == b"+\6\1\5\5\7\3":
                        self._purposes += purpose[-1:]
            elif critical:
                self._unknown = name

    def usable(self, now_s, purpose=None, below=None):
        """Raises ValueError unless it is valid at `now_s`, has no critical extension that is not
        known here, and may be used: to sign others, with `below` certificates of CAs between it
        and the first; or, without `below`, to sign other things, for `purpose` (see check())."""
        if self._unknown:
            raise ValueError("chain: critical extension " + hexlify(self._unknown).decode())
        if not self.begin_s <= now_s <= self.end_s:
            raise ValueError("chain: expired" if now_s > self.end_s else "chain: not yet valid")
        usage, purposes = self._usage, self._purposes
        if usage is not None and not usage & (0x80 if below is None else 4):
            raise ValueError("chain: keyUsage")  # (digitalSignature; keyCertSign)
        if below is not None:
            if not self.ca or self._path is not None and self._path < below:
                raise ValueError("chain: no CA, or not for so long a chain")
        elif purpose and purposes is not None and not (purpose in purposes or 0 in purposes):
            raise ValueError("chain: extKeyUsage")

    def signed_by(self, issuer):
        """Generator: raises ValueError unless `issuer`, a Certificate, has signed this one."""
        size, is_rsa, salt = _scheme(only(self._algorithm, 0x30))
        if self.issuer != issuer.subject:
            raise ValueError("chain: issued by another")
        if is_rsa == (issuer.key[: len(P256)] == P256):
            raise ValueError("chain: algorithm and key do not fit")
        if not (yield from issuer.verify(sha(size)(self._tbs).digest(), self._signature, salt)):
            raise ValueError("chain: wrong signature")

    def verify(self, digest, signature, salt=None):
        """Generator: has the owner of its key made this signature of `digest` (32, 48 or 64 bytes
        of SHA-2)? With a P-256 key by ECDSA, in DER; with an RSA key by PKCS #1 v1.5, or by PSS
        with so many bytes of salt (-1: any number). ValueError for a key of another kind."""
        if self.key[: len(P256)] == P256:
            from . import p256

            return (yield from p256.verify(self.key_bits, digest, signature))
        if cut(only(self.key, 0x30), 0x30)[0] != _RSA:
            raise ValueError("certificate: neither a P-256 nor an RSA key")
        from . import rsa

        return (yield from rsa.verify(self.key_bits, digest, signature, salt))


def check(chain, roots, now_s, purpose=None):
    """Generator: is `chain`, a list of 1 to 6 certificates in DER, each signed by the next, good
    at `now_s` (Unix time)? The last is one of `roots`, or signed by one. Returns that root; raises
    ValueError, which says what is wrong.
    roots: an iterable of certificates in DER, which is read no further than needed.
    purpose: the last byte of an id-kp (2: TLS client, 3: code signing); the first certificate has
        to have it if it has extKeyUsage."""
    if not 1 <= len(chain) <= _LONGEST:
        raise ValueError("chain: %d certificates" % len(chain))
    certs = []
    for der in chain:
        cert = Certificate(der)
        cert.usable(now_s, purpose, len(certs) - 1 if certs else None)
        certs.append(cert)
        yield
    for i in range(len(certs) - 1):
        yield from certs[i].signed_by(certs[i + 1])
    why = "chain: no root has signed it"
    for der in roots:
        yield
        if der == chain[-1]:
            return der
        try:
            root = Certificate(der)
            if root.subject == cert.issuer:
                root.usable(now_s, None, len(certs) - 1)
                yield from cert.signed_by(root)
                return der
        except ValueError as e:  # (there may be another of that name)
            why = "chain: no good root: " + str(e)
    raise ValueError(why)


def hashes(cert, issuer, kind=sha256):
    """-> (hash of the issuer's name, hash of the issuer's key, serial number), by which RFC 6960
    names a certificate (4.1.1), in hexadecimal; the number without leading zeros. issuer:
    Certificate, of a root it is the root itself. kind: of hashlib."""
    name, key = kind(cert.issuer).digest(), kind(issuer.key_bits).digest()
    serial = hexlify(cert.serial).decode().lstrip("0") or "0"
    return hexlify(name).decode(), hexlify(key).decode(), serial


# The content of signatureAlgorithm -> (bytes of digest, is it RSA?, bytes of PSS's salt or None)
def _scheme(data):
    name, rest = oid(data)
    kind, n = name[:-1], name[-1]
    if kind == b"*\x86H\xce=\4\3" and 2 <= n <= 4 and not rest:  # RFC 5758, 3.2
        return 16 * n, False, None
    if kind == b"*\x86H\x86\xf7\r\1\1" and 11 <= n <= 13 and rest == b"\5\0":  # RFC 4055, 5
        return 16 * n - 144, True, None
    if kind == b"*\x86H\x86\xf7\r\1\1" and n == 10:  # RSASSA-PSS, RFC 4055, 3.1
        hashed, rest = take(only(rest, 0x30), 0xA0)
        mask, rest = take(rest, 0xA1)
        name, mask = oid(only(mask, 0x30))
        size = _hash(hashed)
        if name == b"*\x86H\x86\xf7\r\1\1\x08" and _hash(mask) == size:  # id-mgf1
            return size, True, integer(only(only(rest, 0xA2), 2))
    raise ValueError("certificate: algorithm of its signature")


# The AlgorithmIdentifier of a SHA-2 -> bytes of its digest (RFC 4055, 2.1: with NULL or without)
def _hash(data):
    name, rest = oid(only(data, 0x30))
    if name[:-1] != b"`\x86H\1e\3\4\2" or not 1 <= name[-1] <= 3 or rest and rest != b"\5\0":
        raise ValueError("certificate: hash")
    return 16 * name[-1] + 16


# UTCTime or GeneralizedTime (4.1.2.5) -> (Unix time, what follows)
def _time(data):
    utc = data[:1] == b"\x17"
    text, rest = take(data, 0x17 if utc else 0x18)
    text = bytes(text)
    if utc:
        text = (b"19" if text >= b"5" else b"20") + text
    if len(text) != 15 or not text[:14].isdigit() or text[14] != 90:  # Z
        raise ValueError("certificate: time")
    year, month = int(text[:4]), int(text[4:6])
    day, hour, minute, second = [int(text[i : i + 2]) for i in (6, 8, 10, 12)]
    first = _days(year, month)
    if not (1 <= month <= 12 and 1 <= day <= _days(year, month + 1) - first):
        raise ValueError("certificate: date")
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError("certificate: time")
    return (first + day - 1) * 86400 + hour * 3600 + minute * 60 + second, rest


# Days from 1970-01-01 to the first of a month. (Years begin in March: the leap day is the last.)
def _days(year, month):
    if month < 3:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 - 719468
