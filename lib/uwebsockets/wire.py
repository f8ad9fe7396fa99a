"""The bytes of RFC 6455: headers, masks, UTF-8, close codes. No streams, no tasks."""

from io import IOBase
from micropython import const

from websocket import websocket

_PROTOCOL_ERROR = const(1002)
_NO_CODE = const(1005)  # never on the wire: a close frame without a code
_BAD_TEXT = const(1007)
_TOO_BIG = const(1009)
_WRONG = const(
    "reserved bits|masked frame|opcode %d|control frame > 125, in pieces|continuation out of order"
)


class ConnectionClosed(OSError):
    """The connection is over. code and reason: the peer's, or ours when we failed it. Codes are
    those of RFC 6455 section 7.4; 1006: TCP ended without a close frame. by_peer: it sent one."""

    def __init__(self, code, reason, by_peer=False):
        super().__init__("closed: %d %s" % (code, reason))
        self.code, self.reason, self.by_peer = code, reason, by_peer


_size_key = bytearray(6)
_xor = None


class _InPlace(IOBase):
    # The interpreter's own `websocket`, in C, unmasks what it reads from a socket. This is one
    # with a frame whose payload stands in the buffer already: ten times as fast as bytecode.
    def readinto(self, buf):
        n = len(buf)
        if n == 2:
            buf[:] = b"\x82\xfe"  # binary, final, masked, its length in 2 bytes
        elif n == 6:
            buf[:] = _size_key
        return n


def header(buf, op, size, key):
    """Put the header of a final frame of `size` bytes, masked with `key`, in buf; its length."""
    buf[0] = 0x80 | op
    buf[1] = 0x80 | size if size < 126 else 0xFE if size < 65536 else 0xFF
    n = 2 if size < 126 else 4 if size < 65536 else 10
    for i in range(2, n):
        buf[i] = size >> 8 * (n - 1 - i) & 255
    buf[n : n + 4] = key
    return n + 4


def mask(buf, start, end, key):
    """XOR buf[start:end] with the 4 bytes of `key`, in place."""
    global _xor
    n = end - start
    if 6 < n < 65536:
        xor = _xor or websocket(_InPlace())
        _xor = None  # one that is interrupted (Ctrl-C) is left in the middle of a frame
        _size_key[0], _size_key[1] = n >> 8, n & 255
        _size_key[2:] = key
        xor.readinto(buf[start:] if start else buf, n)
        _xor = xor
        return
    for i in range(n):
        buf[start + i] ^= key[i & 3]


def utf8(buf, state=0):
    """Is `buf` (bytes-like) UTF-8: no overlong form, no surrogate, nothing > U+10FFFF?
    -1: no. 0: yes. More: so far, but its last character is cut; this is the `state` for the bytes
    that follow. (MicroPython's own decoding lets all of those pass, and copies.)"""
    if not state and (not buf or max(buf) < 0x80):  # ASCII, seen without running bytecode
        return 0
    # continuation bytes still due, and the range of the next one
    need, low, high = state >> 16, state >> 8 & 255, state & 255
    for c in buf:
        if need:
            if not low <= c <= high:
                return -1
            need -= 1
            low, high = 0x80, 0xBF
        elif c >= 0x80:
            if not 0xC2 <= c <= 0xF4:
                return -1
            need = 1 if c < 0xE0 else 2 if c < 0xF0 else 3
            low = 0xA0 if c == 0xE0 else 0x90 if c == 0xF0 else 0x80
            high = 0x9F if c == 0xED else 0x8F if c == 0xF4 else 0xBF
    return need and need << 16 | low << 8 | high


def check(first, size, inside):
    """Raises ConnectionClosed unless a frame may begin so (5.2 to 5.5); inside: of fragments."""
    op = first & 15
    if first & 0x70:
        wrong = 0
    elif size & 0x80:
        wrong = 1
    elif op & 7 > 2:
        wrong = 2
    elif op >= 8 and (size > 125 or first < 0x80):
        wrong = 3
    elif op < 8 and (op == 0) != inside:
        wrong = 4
    else:
        return
    why = (_WRONG % op).split("|")[wrong]  # (each text would be an object that stays)
    raise ConnectionClosed(_PROTOCOL_ERROR, why)


def length(data):
    """The length of a frame, from the 2 or 8 bytes in which it stands (big-endian, section 5.2).
    Raises ConnectionClosed if that is not the shortest form, or the top bit of 64 is set."""
    size = int.from_bytes(data, "big")
    if size < 126 or len(data) == 8 and (size < 65536 or data[0] & 0x80):
        raise ConnectionClosed(_PROTOCOL_ERROR, "length encoding")
    return size


def room(rx, n, size, most, fin, last=True):
    """The buffer for a message of `size` bytes so far, of which `n` are in `rx`: rx or, if they do
    not fit, a new one. Raises ConnectionClosed for more than `most`, or if there is no memory for
    it, the `last` time; before that rx: the caller tries again.
    Of a message whose last frame this is (`fin`) the length is known: it gets that, in steps of
    512, so that the next of its kind may have the same place. Of another it is not: it gets the
    most, so that it is not copied again, or else what it needs now."""
    if size <= len(rx):
        return rx
    if size > most:
        raise ConnectionClosed(_TOO_BIG, "message > %d bytes" % most)
    for enough in (min(size + 511 & ~511, most) if fin else most, size):
        try:
            larger = memoryview(bytearray(enough))
            larger[:n] = rx[:n]
            return larger
        except MemoryError:
            pass
    if not last:
        return rx
    raise ConnectionClosed(_TOO_BIG, "no memory for %d bytes" % size)


def is_close_code(code):
    """True if `code` may stand in a close frame (section 7.4; IANA has added 1012 to 1014)."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def farewell(payload):
    """Raises ConnectionClosed: what a close frame with this payload makes of the connection."""
    code = int.from_bytes(payload[:2], "big") if payload else _NO_CODE
    if payload and not is_close_code(code):  # a code of one byte is < 1000
        raise ConnectionClosed(_PROTOCOL_ERROR, "close code %d" % code)
    if utf8(payload[2:]):
        raise ConnectionClosed(_BAD_TEXT, "close reason is not UTF-8")
    raise ConnectionClosed(code, str(payload[2:], "utf-8"), True)


def close_payload(code, reason):
    """The payload of a close frame; a reason that is too long is cut between two characters."""
    if code == _NO_CODE:
        return b""
    reason = reason.encode()[:123]
    while utf8(reason):
        reason = reason[:-1]
    return code.to_bytes(2, "big") + reason
