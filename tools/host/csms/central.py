"""The server: who connects, and is let in."""

import asyncio
import base64
import hmac
import logging
import time
from datetime import datetime
from urllib.parse import unquote

from websockets.asyncio.server import serve
from websockets.exceptions import NegotiationError

from host.csms.answers import Answers
from host.csms.frames import WAIT_s
from host.csms.languages import LANGUAGES, V16
from host.csms.station import Peer
from host.csms.wire import History

# websockets reports every refused handshake with a traceback; _log() says it in one line.
_QUIET = logging.getLogger("pilotwire.csms.websockets")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class CentralSystem(Answers):
    """A Central System. Its settings are read at each request: change them at will.

    `protocols` are the subprotocols that it takes; a station that offers several of them gets the
    one that it names first. `log` is called with a line of text for every message and event.
    `credentials` (station id -> password) demands Basic authentication of every station, at each
    connection. `ssl` (an SSLContext) makes it speak TLS, from the next start() on.
    """

    def __init__(
        self, port=0, host="127.0.0.1", log=None, credentials=None, ping_interval=20, ssl=None,
        protocols=(V16.protocol,),
    ):  # fmt: skip
        super().__init__()
        self.host = host
        self.ssl = ssl
        self.port = port  # the real one after start(), kept for the next start()
        self.protocols = protocols
        self.log = log
        self.log_width = 300  # characters of a payload in a line of the log; None: all
        self.credentials = credentials
        self.ping_interval = ping_interval  # s, None: no WebSocket pings
        self.stations = {}  # id -> Peer, connected ones only
        self.histories = {}  # id -> History, every id ever seen
        self._server = None
        self._changed = asyncio.Event()
        self._tasks = set()

    @property
    def url(self):
        """What a station is configured with; it appends / and its id."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'wss' if self.ssl else 'ws'}://{host}:{self.port}/ocpp"

    async def start(self):
        """Listen. OSError if the address cannot be had."""
        self._server = await serve(
            self._connected,
            self.host,
            self.port,
            ssl=self.ssl,
            subprotocols=list(LANGUAGES),
            select_subprotocol=self._select_subprotocol,
            process_request=self._admit,
            ping_interval=self.ping_interval,
            close_timeout=2,
            compression=None,
            logger=_QUIET,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        """Close every connection and stop listening; start() goes on at the same port."""
        if self._server is None:
            return
        server, self._server = self._server, None
        for station in list(self.stations.values()):
            station.freeze(False)
        server.close()
        await server.wait_closed()

    async def wait_station(self, id, timeout=WAIT_s, after=None):
        """The connected Peer with this id; `after`: a connection newer than that Peer."""

        def find():
            station = self.stations.get(id)
            return None if station is after else station

        try:
            return await self.until(find, timeout)
        except asyncio.TimeoutError:
            raise asyncio.TimeoutError(f"{id} did not connect within {timeout} s") from None

    async def until(self, test, timeout=WAIT_s):
        """Wait until test() is true, looking after every message and event; return its value."""
        deadline = time.monotonic() + timeout
        while True:
            changed = self._changed
            value = test()
            if value:
                return value
            await asyncio.wait_for(changed.wait(), deadline - time.monotonic())

    def wake(self):
        """Let every `until` look again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def log_line(self, who, text):
        if self.log:
            text = text.encode("utf-8", "backslashreplace").decode()  # lone surrogates
            self.log(f"{datetime.now():%H:%M:%S.%f}"[:12] + f" {who} {text}")

    # Connections

    def _admit(self, ws, request):
        """Look at the path and the password of a handshake; the refusal or None."""
        base, _, name = request.path.partition("?")[0].rpartition("/")
        ws.station_id = unquote(name)
        if base != "/ocpp" or not name:
            self.log_line(ws.station_id or "?", f"-- refused: path {request.path} is not /ocpp/ID")
            return ws.respond(404, "The path must be /ocpp/ and the charge point identity.\n")
        if self.credentials is None:
            return None
        password = self.credentials.get(ws.station_id)
        if password is not None:
            wanted = password if isinstance(password, bytes) else password.encode()
            wanted = base64.b64encode(ws.station_id.encode() + b":" + wanted).decode()
            given = request.headers.get("Authorization", "")
            if hmac.compare_digest(given.encode(), f"Basic {wanted}".encode()):
                return None
        self.log_line(ws.station_id, "-- refused: no or wrong Basic authentication")
        response = ws.respond(401, "Basic authentication failed.\n")
        response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
        return response

    def _select_subprotocol(self, ws, offered):
        for protocol in offered:
            if protocol in self.protocols:
                return protocol
        offer, wanted = ", ".join(offered) or "none", " or ".join(self.protocols)
        text = f"-- refused: subprotocol {wanted} wanted, {offer} offered"
        self.log_line(ws.station_id, text)
        raise NegotiationError(f"this Central System speaks {wanted}")

    async def _connected(self, ws):
        id = ws.station_id
        history = self.histories.setdefault(id, History())
        station = Peer(self, id, history, ws, LANGUAGES[ws.subprotocol])
        old = self.stations.get(id)
        self.stations[id] = station
        text = f"-- connected, {ws.subprotocol}"
        self.log_line(id, text + (", replaces the connection before" if old else ""))
        if old:
            old.ended()
            closing = asyncio.ensure_future(old.disconnect(1000, "replaced"))
            self._tasks.add(closing)
            closing.add_done_callback(self._tasks.discard)
        self.wake()
        try:
            await station.serve()
        finally:
            if self.stations.get(id) is station:
                del self.stations[id]
            self.log_line(id, f"-- connection closed ({ws.close_code})")
            self.wake()
