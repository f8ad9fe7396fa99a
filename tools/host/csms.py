"""The development Central System as a library: an OCPP 1.6J server for tests and demonstrations.

Knows OCPP-J framing, the official JSON schemas and routing of PyPI `ocpp`, and who is charging.
Strict both ways: what a station does wrong is kept in `Station.violations`, for tests to assert.
Must not know terminals (csms_cli.py) nor anything of the firmware.
"""

import asyncio
import base64
import functools
import hmac
import inspect
import json
import logging
import re
import time
import uuid
from datetime import datetime, timezone
from decimal import Decimal
from urllib.parse import unquote

from jsonschema import FormatChecker
from ocpp.messages import Call, CallResult, MessageType, get_validator
from ocpp.messages import CallError as ErrorFrame
from ocpp.routing import create_route_map, on
from ocpp.v16.enums import Action
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, NegotiationError

SUBPROTOCOL = "ocpp1.6"
# The usual deadline of what is waited for, in real seconds: it is there for what hangs. A machine
# with many busy processes must not come near it, so that it says nothing of how fast anything is.
WAIT_s = 120
NO_ID = -1  # of a transaction whose StartTransaction was never answered (errata 3.18)

#: The error codes of OCPP-J 1.6 section 4.2.3, with its own spelling.
ERROR_CODES = (
    "NotImplemented NotSupported InternalError ProtocolError SecurityError FormationViolation "
    "PropertyConstraintViolation OccurenceConstraintViolation TypeConstraintViolation GenericError"
).split()

_ACTIONS = frozenset(action.value for action in Action)
# What a station tells and the Central System only notes: the answer has no fields.
_NOTED = frozenset(
    "StatusNotification MeterValues FirmwareStatusNotification DiagnosticsStatusNotification "
    "SecurityEventNotification LogStatusNotification SignedFirmwareStatusNotification".split()
)
# The error code that a fault of the schema earns; every other keyword is a property constraint.
_CODES = {
    "type": "TypeConstraintViolation",
    "required": "OccurenceConstraintViolation",
    "additionalProperties": "FormationViolation",
}
_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")
_FORMATS = FormatChecker(formats=())  # an instance of our own: jsonschema ships no date-time check

# websockets reports every refused handshake with a traceback; _log() says it in one line.
_QUIET = logging.getLogger("pilotwire.csms.websockets")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False


class CallError(Exception):
    """A CALLERROR: received by `Station.call`, or to be sent by a function of `cs.answer`."""

    def __init__(self, code, description="", details=None):
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.details = {} if details is None else details


class SchemaError(ValueError):
    """A request of ours does not match the schema of its action; nothing was sent."""


def parse_time(text):
    """The date-time `text` (RFC 3339, with zone) as an aware datetime, or ValueError."""
    match = _DATE_TIME.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a date-time with zone")
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.fromisoformat(match[1] + (match[2] or ".0")[:7].ljust(7, "0") + zone)


def format_time(when):
    """The datetime `when` in UTC with milliseconds and Z, as Central Systems write it."""
    when = when.astimezone(timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1000:03d}Z"


@_FORMATS.checks("date-time", raises=ValueError)
def _check_date_time(value):
    return not isinstance(value, str) or bool(parse_time(value))


def schema_errors(action, payload, answer=False):
    """The faults of a payload as (error code, text) pairs, by the schema of the action.

    `answer` chooses the schema of the .conf. An action that OCPP 1.6 does not have is one fault.
    """
    if action not in _ACTIONS:
        return [("NotImplemented", f"OCPP 1.6 has no action {action!r}")]
    kind = MessageType.CallResult if answer else MessageType.Call
    validator = get_validator(kind, action, "1.6", parse_float=Decimal)
    # Decimal, as `ocpp` does it: 21.4 is no multiple of 0.1 in binary floating point.
    exact = json.loads(json.dumps(payload), parse_float=Decimal)
    faults = []
    try:
        for error in validator.evolve(format_checker=_FORMATS).iter_errors(exact):
            path = error.absolute_path
            place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
            text = re.sub(r"Decimal\('([^']*)'\)", r"\1", error.message)[-200:]
            code = _CODES.get(error.validator, "PropertyConstraintViolation")
            faults.append((code, f"{place[1:]}: {text}" if place else text))
    except (TypeError, ArithmeticError):  # multipleOf of 1e300 or of infinity
        faults.append(("PropertyConstraintViolation", "a number is out of any range"))
    return faults


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _parse(text):
    """The JSON value of a frame, or None if it is not JSON."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _frame_fault(frame):
    """What is wrong with the shape of a parsed frame (OCPP-J 4.2), or None."""
    if not isinstance(frame, list):
        return "frame is not a JSON array"
    kind = frame[0] if frame and isinstance(frame[0], int) else None
    shape = {2: (str, str, dict), 3: (str, dict), 4: (str, str, str, dict)}.get(kind)
    if shape is None or isinstance(kind, bool):
        return f"message type {kind!r} is not 2, 3 or 4"
    if len(frame) != len(shape) + 1:
        return f"message of type {kind} has {len(frame)} elements, not {len(shape) + 1}"
    for place, (element, wanted) in enumerate(zip(frame[1:], shape, strict=True), 1):
        if not isinstance(element, wanted):
            return f"element {place} of a message of type {kind} is not of type {wanted.__name__}"
    if len(frame[1]) > 36:
        return "message id is longer than 36 characters"
    return None


class History:
    """What the Central System knows of one station id; it outlives the connections."""

    def __init__(self):
        self.messages = []  # (direction "in" | "out", frame, time.monotonic())
        self.violations = []
        self.status = {}
        self.transactions = {}
        self.boot = None
        self.registration = None  # our last answer to BootNotification
        self.triggered = set()  # actions asked for with TriggerMessage since then


class Station:
    """One connection of a station. Messages, violations, status, transactions are those of its id.

    `call` and `raw` raise ConnectionError once the connection is closed.
    """

    def __init__(self, central, id, history, ws):
        self.id = id
        self.history = history
        self.messages = history.messages
        self.violations = history.violations
        self.status = history.status
        self.transactions = history.transactions
        self.connected = True
        self._central = central
        self._ws = ws
        self._lock = asyncio.Lock()  # one outstanding CALL of ours (OCPP-J 4.1.1)
        self._sent = {}  # our message ids -> action, None once answered
        self._waiting = {}  # message id, or None for "any unknown id" -> future
        self._garbage = 0  # raw frames without an id that may still earn a CALLERROR
        self._ids = set()  # message ids that the station has used
        self._open = {}  # CALLs of the station that we still owe an answer -> action
        self._tasks = set()

    @property
    def boot(self):
        """The payload of the last BootNotification.req of this id, or None."""
        return self.history.boot

    # What tests and the terminal tool do

    async def call(self, action, payload=None, timeout=WAIT_s, validate=True):
        """Send a request and return the payload of the answer.

        Raises SchemaError (nothing sent) unless `validate` is False, CallError on a CALLERROR,
        asyncio.TimeoutError (and notes a violation), ConnectionError. A payload in the answer
        that does not match its schema is a violation and still returned.
        """
        payload = {} if payload is None else payload
        faults = schema_errors(action, payload) if validate else []
        if faults:
            raise SchemaError("; ".join(text for _, text in faults))
        unique_id = str(uuid.uuid4())
        async with self._lock:
            try:
                text = Call(unique_id, action, payload).to_json()
                reply = await self._exchange(text, unique_id, timeout)
            except asyncio.TimeoutError:
                self._violation(f"no answer to {action} within {timeout} s")
                raise asyncio.TimeoutError(f"no answer to {action} within {timeout} s") from None
        if reply[0] == MessageType.CallError:
            raise CallError(*reply[2:5])
        return reply[2]

    async def raw(self, text, timeout=WAIT_s, reply_id=None):
        """Send `text` as one frame, as it is, and return the CALLRESULT or CALLERROR frame to it.

        The answer is the one with `reply_id`, else with the id in `text`; if `text` has none, the
        next one that belongs to no other request. `timeout` None, or a text that is an answer
        itself: do not wait, return None. asyncio.TimeoutError when nothing comes.
        """
        frame = _parse(text)
        parts = frame if isinstance(frame, list) and len(frame) > 1 else [None, None]
        if reply_id is None and parts[0] in (3, 4):
            self._open.pop(parts[1] if isinstance(parts[1], str) else None, None)
            timeout = None
        elif reply_id is None:
            reply_id = parts[1]
        return await self._exchange(text, reply_id, timeout)

    async def expect(self, action, test=None, timeout=WAIT_s, since=0):
        """The payload of the first request `action` for which test(payload) holds.

        Looks at what came after position `since` (see `mark`), then waits; a test that raises
        KeyError or TypeError does not hold. AssertionError with a list of what came instead.
        """

        def find():
            for payload in self.received(action, since):
                try:
                    if test is None or test(payload):
                        return [payload]
                except (KeyError, TypeError):
                    pass
            return None

        try:
            return (await self._central.until(find, timeout))[0]
        except asyncio.TimeoutError:
            came = [
                f"  {frame[2]} {json.dumps(frame[3])[:200]}"
                for way, frame, _ in self.messages[since:]
                if way == "in" and frame[0] == 2 and len(frame) == 4
            ]
            what = "\n".join(came) or "  nothing"
            which = " that passes the test" if test else ""
            state = "" if self.connected else " (this connection is closed)"
            raise AssertionError(
                f"{self.id}: no {action}{which} within {timeout} s{state}; what came:\n{what}"
            ) from None

    def received(self, action, since=0):
        """The payloads of all requests `action` received after position `since`."""
        return [
            frame[3]
            for way, frame, _ in self.messages[since:]
            if way == "in" and frame[0] == 2 and len(frame) == 4 and frame[2] == action
        ]

    def mark(self):
        """The present position in the messages, for `since`."""
        return len(self.messages)

    @property
    def close_code(self):
        """Of the station's close frame, once the connection has ended; 1006: there was none."""
        return self._ws.close_code

    async def disconnect(self, code=1000, reason=""):
        """Close the WebSocket with a close frame."""
        await self._ws.close(code, reason)

    async def drop(self):
        """Abort the TCP connection."""
        self._ws.transport.abort()
        await self._ws.wait_closed()

    def freeze(self, frozen=True):
        """Stop reading (no answers, no pongs) while TCP lives; freeze(False) goes on."""
        transport = self._ws.transport
        transport.pause_reading() if frozen else transport.resume_reading()

    async def wait_closed(self, timeout=WAIT_s):
        """Wait until this connection has ended; asyncio.TimeoutError."""
        await self._central.until(lambda: not self.connected, timeout)

    # The wire

    async def _exchange(self, text, unique_id, timeout):
        """Send a frame; wait for the answer with that id (None: any unknown one) unless None."""
        if not self.connected:
            raise ConnectionError(f"{self.id} is not connected")
        frame = _parse(text)
        known = not _frame_fault(frame) and frame[0] == MessageType.Call
        if unique_id is None:
            self._garbage += 1
        else:
            self._sent[str(unique_id)] = frame[2] if known else ""
        if known and frame[2] == "TriggerMessage":
            self.history.triggered.add(frame[3].get("requestedMessage"))
        key = None if unique_id is None else str(unique_id)
        future = asyncio.get_running_loop().create_future() if timeout is not None else None
        if future:
            self._waiting[key] = future
        try:
            label = frame[2] if known else "raw"
            await self._send(text, frame, label)
            return await asyncio.wait_for(future, timeout) if future else None
        finally:
            if future and self._waiting.get(key) is future:
                del self._waiting[key]

    async def _send(self, text, frame, label):
        frame = frame if isinstance(frame, list) and frame else [None, text]
        self._record("out", frame, label)
        try:
            await self._ws.send(text)
        except ConnectionClosed as error:
            raise ConnectionError(f"{self.id} is not connected") from error

    def _record(self, way, frame, label):
        self.messages.append((way, frame, time.monotonic()))
        if frame[0] == 2 and len(frame) > 3:
            text = f"{frame[2]} {self._compact(frame[3])}"
        elif frame[0] == 3 and len(frame) > 2:
            text = f"{label}.conf {self._compact(frame[2])}"
        elif frame[0] == 4:
            text = f"{label} error {self._compact(frame[2:])}"
        else:
            text = f"{label} {self._compact(frame[1] if frame[0] is None else frame)}"
        self._log(("<- " if way == "in" else "-> ") + text)

    def _compact(self, value):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=repr)
        width = self._central.log_width
        if width is None or len(text) <= width:
            return text
        return f"{text[:width]}... ({len(text)} characters)"

    def _log(self, text):
        self._central._log(self.id, text)

    def _violation(self, text):
        self.violations.append(text)
        self._log(f"!! {text}")

    async def _serve(self):
        try:
            async for text in self._ws:
                await self._receive(text)
                self._central.wake()
        except (ConnectionClosed, ConnectionError):
            pass
        finally:
            self._ended()

    def _ended(self):
        self.connected = False
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(
                    ConnectionError(f"{self.id} closed the connection before it answered")
                )
        for task in self._tasks:
            task.cancel()
        self._central.wake()

    async def _receive(self, text):
        if isinstance(text, bytes):
            self._violation("binary frame: OCPP-J is text")
            text = text.decode("utf-8", "replace")
        frame = _parse(text)
        fault = "frame is not JSON" if frame is None else _frame_fault(frame)
        if fault:
            usable = isinstance(frame, list) and len(frame) > 0
            self._record("in", frame if usable else [None, text], "bad frame")
            self._violation(f"{fault}: {text[:200]}")
            if usable and frame[0] == 2 and len(frame) > 1 and isinstance(frame[1], str):
                await self._answer(frame[1], "frame", CallError("FormationViolation", fault))
        elif frame[0] == MessageType.Call:
            self._record("in", frame, "")
            await self._on_call(*frame[1:])
        else:
            self._on_answer(frame)

    def _on_answer(self, frame):
        """Hand an answer of the station to whoever waits for it, after checking it."""
        key = frame[1]
        action = self._sent.get(key, "")
        self._record("in", frame, action or "answer")
        if key not in self._sent:
            if self._garbage:
                self._garbage -= 1
                key = None
            else:
                self._violation(f"answer with an unknown message id {key!r}")
        elif action is None:
            self._violation(f"second answer to message id {key!r}")
        else:
            self._sent[key] = None
        if frame[0] == MessageType.CallError and frame[2] not in ERROR_CODES:
            self._violation(f"CALLERROR with the unknown code {frame[2]!r}")
        elif frame[0] == MessageType.CallResult and action in _ACTIONS:
            for _, text in schema_errors(action, frame[2], answer=True):
                self._violation(f"{action}.conf: {text}")
        future = self._waiting.get(key)
        if future and not future.done():
            future.set_result(frame)

    async def _on_call(self, unique_id, action, payload):
        """Check a request of the station and answer it."""
        for waiting in self._open.values():
            self._violation(f"{action} sent while {waiting} is unanswered")
        if unique_id in self._ids:
            self._violation(f"message id {unique_id!r} of {action} was used before")
        self._ids.add(unique_id)
        registration = self.history.registration
        if (
            registration not in (None, "Accepted")
            and action != "BootNotification"
            and action not in self.history.triggered
        ):
            self._violation(f"{action} sent while registration is {registration}")
        faults = schema_errors(action, payload)
        handler = self._central._handler(self, action)
        if not faults and handler is None:
            faults = [("NotSupported", f"a Central System takes no {action}")]
        if faults:
            for _, text in faults:
                self._violation(f"{action}.req: {text}")
            await self._answer(unique_id, action, CallError(*faults[0]))
            return
        self._open[unique_id] = action
        self._central._note_request(self, action, payload)
        try:
            answer = handler(payload)
        except Exception as error:
            answer = error
        if inspect.isawaitable(answer):  # it may take its time: meanwhile go on reading
            task = asyncio.ensure_future(self._conclude_later(unique_id, action, payload, answer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            await self._conclude(unique_id, action, payload, answer)

    async def _conclude_later(self, unique_id, action, payload, awaitable):
        try:
            answer = await awaitable
        except Exception as error:
            answer = error
        await self._conclude(unique_id, action, payload, answer)
        self._central.wake()

    async def _conclude(self, unique_id, action, payload, answer):
        if answer is None:
            self._open.pop(unique_id, None)
            self._log(f"-- {action} is left unanswered")
            return
        if isinstance(answer, Exception) and not isinstance(answer, CallError):
            # A fault of the test's own function: it must show, and not hang the station.
            self._violation(f"the answer function for {action} raised {answer!r}")
            answer = CallError("InternalError", repr(answer))
        await self._answer(unique_id, action, answer, payload)

    async def _answer(self, unique_id, action, answer, payload=None):
        if isinstance(answer, CallError):
            message = ErrorFrame(unique_id, answer.code, answer.description[:255], answer.details)
        else:
            for _, text in schema_errors(action, answer, answer=True):
                self._log(f"-- our own {action}.conf is wrong, sent as it is: {text}")
            self._central._note_answer(self, action, payload, answer)
            message = CallResult(unique_id, answer, action)
        self._open.pop(unique_id, None)
        text = message.to_json()
        try:
            await self._send(text, json.loads(text), action)
        except ConnectionError:
            pass  # the station will ask again on its next connection


class CentralSystem:
    """An OCPP 1.6J Central System. Its settings are read at each request: change them at will.

    `log` is called with a line of text for every message and event. `credentials` (station id ->
    password) demands Basic authentication of every station, at each connection. `ssl` (an
    SSLContext) makes it speak TLS, from the next start() on.
    """

    def __init__(
        self, port=0, host="127.0.0.1", log=None, credentials=None, ping_interval=20, ssl=None
    ):
        self.host = host
        self.ssl = ssl
        self.port = port  # the real one after start(), kept for the next start()
        self.log = log
        self.log_width = 300  # characters of a payload in a line of the log; None: all
        self.credentials = credentials
        self.ping_interval = ping_interval  # s, None: no WebSocket pings
        self.boot_status = "Accepted"
        self.heartbeat_interval = 300
        self.now = lambda: datetime.now(timezone.utc)
        self.tags = {}
        self.default_tag_status = "Accepted"
        self.next_transaction_id = 1
        self.stations = {}  # id -> Station, connected ones only
        self.histories = {}  # id -> History, every id ever seen
        self.transactions = {}
        self._answers = {}
        self._routes = create_route_map(self)
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
            subprotocols=[SUBPROTOCOL],
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

    def answer(self, action, fn):
        """Answer the request `action` with fn(payload) from now on; fn None: as usual again.

        fn, plain or async, returns the payload of the answer (sent as it is, a fault is only
        logged), raises or returns a CallError, or returns None: the request stays unanswered.
        """
        if fn is None:
            self._answers.pop(action, None)
        else:
            self._answers[action] = fn

    async def wait_station(self, id, timeout=WAIT_s, after=None):
        """The connected Station with this id; `after`: a connection newer than that Station."""

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

    def _log(self, who, text):
        if self.log:
            text = text.encode("utf-8", "backslashreplace").decode()  # lone surrogates
            self.log(f"{datetime.now():%H:%M:%S.%f}"[:12] + f" {who} {text}")

    # Connections

    def _admit(self, ws, request):
        """Look at the path and the password of a handshake; the refusal or None."""
        base, _, name = request.path.partition("?")[0].rpartition("/")
        ws.station_id = unquote(name)
        if base != "/ocpp" or not name:
            self._log(ws.station_id or "?", f"-- refused: path {request.path} is not /ocpp/ID")
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
        self._log(ws.station_id, "-- refused: no or wrong Basic authentication")
        response = ws.respond(401, "Basic authentication failed.\n")
        response.headers["WWW-Authenticate"] = 'Basic realm="ocpp"'
        return response

    def _select_subprotocol(self, ws, offered):
        if SUBPROTOCOL in offered:
            return SUBPROTOCOL
        offer = ", ".join(offered) or "none"
        self._log(ws.station_id, f"-- refused: subprotocol {SUBPROTOCOL} wanted, {offer} offered")
        raise NegotiationError(f"this Central System speaks {SUBPROTOCOL}")

    async def _connected(self, ws):
        id = ws.station_id
        history = self.histories.setdefault(id, History())
        station = Station(self, id, history, ws)
        old = self.stations.get(id)
        self.stations[id] = station
        self._log(id, "-- connected" + (", replaces the connection before" if old else ""))
        if old:
            old._ended()
            closing = asyncio.ensure_future(old.disconnect(1000, "replaced"))
            self._tasks.add(closing)
            closing.add_done_callback(self._tasks.discard)
        self.wake()
        try:
            await station._serve()
        finally:
            if self.stations.get(id) is station:
                del self.stations[id]
            self._log(id, f"-- connection closed ({ws.close_code})")
            self.wake()

    # Answers and bookkeeping

    def _handler(self, station, action):
        """The function payload -> answer for a request, or None."""
        if action in self._answers:
            return self._answers[action]
        if action in _NOTED:
            return lambda payload: {}
        route = self._routes.get(action)
        return functools.partial(route["_on_action"], station) if route else None

    def _tag_info(self, tag):
        """The idTagInfo of a tag; tags compare without case (1.6 section 7.15, IdToken)."""
        for known, info in self.tags.items():
            if known.lower() == tag.lower():
                info = {"status": info} if isinstance(info, str) else dict(info)
                if isinstance(info.get("expiryDate"), datetime):
                    info["expiryDate"] = format_time(info["expiryDate"])
                return info
        return {"status": self.default_tag_status}

    def _note_request(self, station, action, payload):
        """Keep what a valid request says, whatever the answer will be."""
        if action == "BootNotification":
            station.history.boot = payload
        elif action == "StatusNotification":
            station.status[payload["connectorId"]] = payload["status"]
        elif action == "MeterValues" and "transactionId" in payload:
            transaction = station.transactions.get(payload["transactionId"])
            id = payload["transactionId"]
            if transaction:
                transaction["meterValues"].extend(payload["meterValue"])
            elif id != NO_ID:
                station._violation(f"MeterValues with the unknown transactionId {id}")

    def _note_answer(self, station, action, payload, answer):
        """Keep what an answer of ours settles."""
        if action == "BootNotification":
            station.history.registration = answer.get("status")
            station.history.triggered.clear()
        elif action == "StartTransaction" and "transactionId" in answer:
            id = answer["transactionId"]
            if id not in station.transactions:
                more = {"start": payload["timestamp"], "meterValues": [], "stop": None}
                station.transactions[id] = self.transactions[id] = {
                    **payload, "transactionId": id, "station": station.id, **more
                }  # fmt: skip
        elif action == "StopTransaction":
            id = payload["transactionId"]
            transaction = station.transactions.get(id)
            if transaction is None:
                if id != NO_ID:
                    station._violation(f"StopTransaction with the unknown transactionId {id}")
            elif transaction["stop"] not in (None, payload):
                station._violation(f"second, different StopTransaction of transaction {id}")
            else:
                transaction["stop"] = payload

    @on(Action.boot_notification)
    def _on_boot_notification(self, station, payload):
        return {
            "status": self.boot_status,
            "currentTime": format_time(self.now()),
            "interval": self.heartbeat_interval,
        }

    @on(Action.heartbeat)
    def _on_heartbeat(self, station, payload):
        return {"currentTime": format_time(self.now())}

    @on(Action.authorize)
    def _on_authorize(self, station, payload):
        return {"idTagInfo": self._tag_info(payload["idTag"])}

    @on(Action.start_transaction)
    def _on_start_transaction(self, station, payload):
        info = self._tag_info(payload["idTag"])
        for id, transaction in station.transactions.items():
            if payload.items() <= transaction.items():  # sent again: the answer was lost
                return {"transactionId": id, "idTagInfo": info}
        while self.next_transaction_id in self.transactions:
            self.next_transaction_id += 1
        id = self.next_transaction_id
        self.next_transaction_id += 1
        return {"transactionId": id, "idTagInfo": info}

    @on(Action.stop_transaction)
    def _on_stop_transaction(self, station, payload):
        return {"idTagInfo": self._tag_info(payload["idTag"])} if "idTag" in payload else {}

    @on(Action.data_transfer)
    def _on_data_transfer(self, station, payload):
        return {"status": "UnknownVendorId"}

    @on(Action.sign_certificate)
    def _on_sign_certificate(self, station, payload):
        return {"status": "Rejected"}
