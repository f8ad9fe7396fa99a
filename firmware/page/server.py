"""The unit's own page (docs/page.md): listens on the local network, for one request at a time. In
RAM only where config.json has a password for it; what answers is loaded for a request."""

import asyncio
import network
import select
import socket
from micropython import const

from firmware import lazy, log

from .history import History

_LOOK_ms = const(100)
_SOON_ms = const(10)  # after a request: a browser has more of them
_LOOKS = const(50)  # from one look at the address to the next
_WATCH_s = const(5)  # without one
_QUEUE = const(4)  # clients that the network keeps waiting


def begin(unit, page):
    """The server of `unit` (the App), with what config.json says of it, on the address that the
    Wi-Fi has; page() is its task."""
    server = _Page(unit, page["password"], page.get("port", 80), page.get("token"))
    lazy.load("page.kept").restore(unit, server.history)
    return server


class _Page:
    """What request.py and those behind it know of the server:

    | secret   | the password of config.json: rounds, salt and hash (actions.py) |
    | token    | the hash of that of the owner's programs, or None |
    | hosts    | what a request may call this unit by, as bytes |
    | sessions | [SHA-256 of the cookie, when it ends (up_s)] of who is signed in |
    | wrong, again_s | passwords in a row that were wrong; no other is looked at before (up_s) |
    | history  | history.History |"""

    def __init__(self, unit, secret, port, token):
        self.unit, self.secret, self.port, self.token = unit, secret, port, token
        self.hosts, self.sessions = (), []
        self.wrong = self.again_s = 0
        self.history = History(unit)

    async def page(self):
        """Listen wherever the unit is in the network, for ever. Raises OSError: not on that
        port. (Called as the attribute of the App: docs/memory.md, Names.)"""
        while True:
            address = _address()
            if address:
                await self._listen(address)
            else:
                await asyncio.sleep(_WATCH_s)
                self.history.look()

    async def _listen(self, address):
        name = self.unit.config.hostname.lower()
        self.hosts = [host.encode() for host in (address, name, name + ".local")]
        if address == "127.0.0.1":  # (the simulator's)
            self.hosts.append(b"localhost")
        s = socket.socket()
        try:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(socket.getaddrinfo(address, self.port)[0][-1])
            s.listen(_QUEUE)
            s.setblocking(False)
            log.info("page: http://%s:%d" % (address, self.port))
            poll = select.poll()
            poll.register(s, select.POLLIN)
            while address == _address():
                pause_ms = _LOOK_ms
                for _ in range(_LOOKS):
                    await asyncio.sleep_ms(pause_ms)
                    pause_ms = _LOOK_ms
                    if any(poll.ipoll(0)):
                        await self._answer(s, poll)
                        pause_ms = _SOON_ms
                    self.history.look()
        finally:
            s.close()

    async def _answer(self, listening, poll):
        s = None
        try:
            s = listening.accept()[0]
            s.setblocking(False)
            module = lazy.load("page.request")
            await asyncio.sleep_ms(0)  # (each step is a turn of its own: loading takes a while)
            await module.answer(self, s, lambda: any(poll.ipoll(0)))
        except OSError:  # it has gone, or is too slow
            pass
        except Exception as e:  # (whatever it was, others have their turn)
            log.error("page: %r" % e)
        finally:
            if s:
                s.close()


def _address():
    # Of this unit in its network; None: it is in none.
    address = network.WLAN(network.WLAN.IF_STA).ifconfig()[0]
    return None if address == "0.0.0.0" else address
