"""A WebSocket client (RFC 6455) for MicroPython on asyncio streams. client.py dials and shakes
hands, ws.py speaks frames, wire.py knows their bytes. Nothing here knows OCPP."""

from .ws import ConnectionClosed, WebSocket  # noqa: F401


def __getattr__(name):
    # Half of the code only dials: who is short of heap may forget it (here and in sys.modules).
    if name in ("connect", "HandshakeError"):
        return getattr(__import__("client", None, None, True, 1), name)
    raise AttributeError(name)
