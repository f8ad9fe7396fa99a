# The bytes of RFC 6455: headers, masks, UTF-8, close codes. Pure functions.

try:
    from os import urandom
except ImportError:  # a port without a random source
    from random import getrandbits

    def urandom(n):
        return bytes([getrandbits(8) for _ in range(n)])


def header(buf, op, size):
    """Put the header of a final, masked frame of `size` bytes in buf; its length without mask."""
    buf[0] = 0x80 | op
    if size < 126:
        buf[1] = 0x80 | size
        return 2
    if size < 65536:
        buf[1] = 0xFE
        buf[2] = size >> 8
        buf[3] = size & 255
        return 4
    buf[1] = 0xFF
    buf[2:10] = size.to_bytes(8, "big")
    return 10


def mask(buf, start, end, key):
    """XOR buf[start:end] with the 4 bytes of `key`, in place and without allocation."""
    a, b, c, d = key
    for i in range(start, end - 3, 4):
        buf[i] ^= a
        buf[i + 1] ^= b
        buf[i + 2] ^= c
        buf[i + 3] ^= d
    start = end - ((end - start) & 3)
    for i in range(start, end):
        buf[i] ^= key[i - start]


def is_utf8(buf):
    """True if `buf` (bytes-like) is UTF-8: no overlong form, no surrogate, nothing > U+10FFFF.

    MicroPython's own decoding lets those pass, and copies.
    """
    if not buf or max(buf) < 0x80:  # ASCII, seen without running bytecode
        return True
    need = low = high = 0  # continuation bytes still due, and the range of the next one
    for c in buf:
        if need:
            if not low <= c <= high:
                return False
            need -= 1
            low = 0x80
            high = 0xBF
        elif c >= 0x80:
            if not 0xC2 <= c <= 0xF4:
                return False
            need = 1 if c < 0xE0 else 2 if c < 0xF0 else 3
            low = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
            high = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
    return not need


def is_close_code(code):
    """True if `code` may stand in a close frame (section 7.4; IANA has added 1012 to 1014)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def close_payload(code, reason):
    """The payload of a close frame; a reason that is too long is cut between two characters."""
    if code == 1005:  # stands for a close frame without a code
        return b""
    reason = reason.encode()[:123]
    while not is_utf8(reason):
        reason = reason[:-1]
    return code.to_bytes(2, "big") + reason
