"""GET /diagnostics of the page: the file that a Central System gets (docs/diagnostics.md), made as
it leaves. Loaded for one."""

from micropython import const

from firmware import lazy

_HEAD = const(b'Content-Disposition: attachment; filename="%s"\r\nTransfer-Encoding: chunked\r\n')


def find(page, request):
    """-> kind, more headers, the pieces of the answer. Raises ValueError."""
    if not request.signed_in:
        raise ValueError(401, "sign in first")
    pieces = lazy.load("console.diagnostics").pieces(page.unit, None, None)
    name = lazy.load("ocpp.uploads").name(page.unit, "")
    return b"text/plain; charset=utf-8", _HEAD % name.encode(), _chunks(pieces)


def _chunks(pieces):
    # (RFC 9112, 7.1: nobody takes one for whole that was cut)
    for piece in pieces:
        if piece:
            yield b"%x\r\n%s\r\n" % (len(piece), piece)
        else:
            yield None
    yield b"0\r\n\r\n"
