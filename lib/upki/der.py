"""DER (X.690 section 10) as far as X.509 needs it, and PEM (RFC 7468). What reads takes a
memoryview, and raises ValueError for what is not DER: another tag, a length that is beyond the end
or not the shortest, a number that is not minimal. Nothing calls itself: depth is the caller's."""

from binascii import a2b_base64, b2a_base64

# What stands before the point (65 bytes, uncompressed) in the SubjectPublicKeyInfo of a P-256 key:
# id-ecPublicKey and secp256r1 (RFC 5480).
P256 = b"0Y0\x13\6\7*\x86H\xce=\2\1\6\10*\x86H\xce=\3\1\7\3B\0"


def take(data, tag):
    """-> (content of the element that `data` begins with, what follows it). Up to 64 KB."""
    n = len(data)
    if n < 2 or data[0] != tag:
        raise ValueError("DER: no element %02x" % tag)
    size, at = data[1], 2
    if size >= 0x80:
        at = size - 0x7E  # (0x81: the length stands in one byte, 0x82: in two)
        size = int.from_bytes(data[2:at], "big") if 3 <= at <= 4 and at <= n else 0
        if size < (0x80 if at == 3 else 0x100):
            raise ValueError("DER: length")
    if size > n - at:
        raise ValueError("DER: cut short")
    return data[at : at + size], data[at + size :]


def cut(data, tag):
    """-> (the element that `data` begins with, header and all; what follows it)."""
    rest = take(data, tag)[1]
    return data[: len(data) - len(rest)], rest


def only(data, tag):
    """The content of the one element that `data` is."""
    content, rest = take(data, tag)
    if rest:
        raise ValueError("DER: more behind element %02x" % tag)
    return content


def integer(content):
    """The number in the content of an INTEGER; a negative one is refused."""
    if not content or content[0] > 0x7F or len(content) > 1 and not content[0] | content[1] >> 7:
        raise ValueError("DER: integer")
    return int.from_bytes(content, "big")


def oid(data):
    """-> (content of the OBJECT IDENTIFIER that `data` begins with, as bytes; what follows it)."""
    content, rest = take(data, 6)
    if not content:
        raise ValueError("DER: object identifier")
    return bytes(content), rest


def octets(content):
    """The bytes in the content of a BIT STRING that has no unused bits."""
    if content[:1] != b"\0":
        raise ValueError("DER: bit string")
    return content[1:]


def element(tag, *parts):
    """The element whose content are `parts` (bytes), together less than 64 KB."""
    content = b"".join(parts)
    n = len(content)
    if n < 0x80:
        return bytes((tag, n)) + content
    return bytes((tag, 0x81, n) if n < 0x100 else (tag, 0x82, n >> 8, n & 255)) + content


def unsigned(number):
    """An INTEGER that is >= 0 and below 2**264."""
    content = number.to_bytes(33, "big").lstrip(b"\0") or b"\0"
    return element(2, b"\0" if content[0] > 0x7F else b"", content)


def pem(der, label="CERTIFICATE"):
    """Generator: the lines of `der` as PEM (bytes, each with its line break)."""
    yield ("-----BEGIN %s-----\n" % label).encode()
    for at in range(0, len(der), 48):
        yield b2a_base64(der[at : at + 48])
    yield ("-----END %s-----\n" % label).encode()


def unpem(text, label="CERTIFICATE"):
    """Generator: the DER of each PEM block with that label in `text` (str or bytes), in order.
    What stands between blocks is skipped, and so is what base64 does not know within one. Raises
    ValueError for a block without end or with a wrong padding."""
    begin, end = "-----BEGIN %s-----" % label, "-----END %s-----" % label
    if not isinstance(text, str):
        begin, end = begin.encode(), end.encode()
    at = text.find(begin)
    while at >= 0:
        at += len(begin)
        to = text.find(end, at)
        if to < 0:
            raise ValueError("PEM: no END")
        yield a2b_base64(text[at:to])
        at = text.find(begin, to)
