"""JSON with a PEM of some KB. MicroPython's json makes such a text by moving what it has again and
again, and so wants room for three; here it takes no more than itself. Loaded for that."""

from micropython import const

_PIECE = const(512)  # looked at at once: so much is free in one piece


def loads(text, at, others):
    """The frame whose payload, or an object in that, has the first PEM behind `at`; the rest of
    it by `others`. Raises ValueError: none has it, and `text` is as it was."""
    at += bytes(text[at : at + 2 * _PIECE]).find(b'"-----BEGIN ') + 1
    end = at
    for end, _ in _unescaped(text, at):  # noqa: B007 (all of it is good)
        pass
    begin = bytes(text[at : at + 10])  # stands for it
    frame = others(bytes(text[:at]) + begin + bytes(text[end:]))
    begin, places = begin.decode(), []
    payload = frame[-1] if type(frame) is list else None
    for found in [payload] + list(payload.values()) if type(payload) is dict else ():
        if type(found) is dict:
            places += [(found, name) for name in found if found[name] == begin]
    if not places:
        raise ValueError
    to = at
    for _, piece in _unescaped(text, at):
        text[to : to + len(piece)] = piece
        to += len(piece)
    pem = str(text[at:to], "utf-8")
    for found, name in places:
        found[name] = pem
    return frame


def _unescaped(text, at):
    # (where it ends, piece) of the string that begins there. Other escapes no PEM needs.
    stop = -1
    while stop < 0:
        piece = bytes(text[at : at + _PIECE])
        stop = piece.find(b'"')
        if stop >= 0:
            piece = piece[:stop]
        elif piece[-1:] == b"\\":
            piece = piece[:-1]
        at += len(piece)
        if stop < 0 and not piece:
            raise ValueError
        piece = piece.replace(b"\\n", b"\n").replace(b"\\r", b"\r").replace(b"\\/", b"/")
        if b"\\" in piece:
            raise ValueError
        yield at, piece
