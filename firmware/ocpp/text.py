"""Text from and for the wire where MicroPython's json alone does not do: surrogates, and PEMs."""

import json
import re
from micropython import const

from firmware import lazy

_PIECE = const(512)  # looked at at once: so much is free in one piece


def loads(text, pem=True):
    """json.loads(text), but an escaped pair is the one character that it stands for. `text`, a
    writable buffer, is used up where it has a PEM, which takes no more room than itself then; not
    `pem`: it is one text as others."""
    for at in range(0, len(text), _PIECE):
        piece = bytes(text[at : at + _PIECE + 11])
        if pem and b'"-----BEGIN ' in piece:
            pem = False  # (the first, and once: whoever sends many is not to keep the loop)
            try:
                return lazy.load("ocpp.pem").loads(text, at, _plain)
            except (TypeError, ValueError):  # (not to be written to; other escapes, or no JSON)
                pass
        if b"\\ud" in piece or b"\\uD" in piece:
            text = _join(bytes(text))
            break
    return json.loads(text)


def _plain(text):
    return loads(text, False)


def printable(text):
    """`text` without what cannot be sent, and of 200 characters at most."""
    # (that is lone surrogates; by bytes: docs/memory.md, Names)
    data = text[:200].encode("utf-8", "surrogatepass")
    return re.sub(b"\xed[\xa0-\xbf].", b"?", data).decode()


def is_id(text):
    """True for what can be echoed as a message's id."""
    return isinstance(text, str) and 0 < len(text) <= 128 and printable(text) == text


def _join(text):
    # MicroPython's json makes two lone surrogates of \ud83d\udd0c, and nothing could be sent back
    # that has them. So the character stands there itself. (Not by chr(), which keeps it for ever.)
    out, done = bytearray(), 0
    at = text.find(b"\\")
    while at >= 0:
        size = 2  # of the escape: a backslash that is meant is none again
        if text[at + 1 : at + 2] == b"u" and text[at + 6 : at + 8] == b"\\u":
            try:
                high = int(text[at + 2 : at + 6], 16) - 0xD800
                low = int(text[at + 8 : at + 12], 16) - 0xDC00
            except ValueError:
                low = -1
            if 0 <= low < 1024 and 0 <= high < 1024:
                c = 0x10000 + (high << 10 | low)
                out += text[done:at]
                out += bytes((0xF0 | c >> 18, 128 | c >> 12 & 63, 128 | c >> 6 & 63, 128 | c & 63))
                size, done = 12, at + 12
        at = text.find(b"\\", at + size)
    out += text[done:]
    return out
