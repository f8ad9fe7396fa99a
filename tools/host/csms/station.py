"""A connected station, for tests and the terminal tool."""

import asyncio
import json
import uuid

from ocpp.messages import Call, MessageType

from host.csms.frames import CallError, SchemaError, WAIT_s, parse
from host.csms.wire import Wire


class Peer(Wire):
    """One connection of a station. Messages, violations, status, transactions are those of its id.

    `call` and `raw` raise ConnectionError once the connection is closed.
    """

    @property
    def boot(self):
        """The payload of the last BootNotification.req of this id, or None."""
        return self.history.boot

    async def call(self, action, payload=None, timeout=WAIT_s, validate=True):
        """Send a request and return the payload of the answer.

        Raises SchemaError (nothing sent) unless `validate` is False, CallError on a CALLERROR,
        asyncio.TimeoutError (and notes a violation), ConnectionError. A payload in the answer
        that does not match its schema is a violation and still returned.
        """
        payload = {} if payload is None else payload
        faults = self.language.schema_errors(action, payload) if validate else []
        if faults:
            raise SchemaError("; ".join(text for _, text in faults))
        unique_id = str(uuid.uuid4())
        async with self._lock:
            try:
                text = Call(unique_id, action, payload).to_json()
                reply = await self.exchange(text, unique_id, timeout)
            except asyncio.TimeoutError:
                self.violation(f"no answer to {action} within {timeout} s")
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
        frame = parse(text)
        parts = frame if isinstance(frame, list) and len(frame) > 1 else [None, None]
        if reply_id is None and parts[0] in (3, 4):
            self._open.pop(parts[1] if isinstance(parts[1], str) else None, None)
            timeout = None
        elif reply_id is None:
            reply_id = parts[1]
        return await self.exchange(text, reply_id, timeout)

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
            return (await self.central.until(find, timeout))[0]
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

    @property
    def reached(self):
        """The address of ours at which the station has reached us, as a URL has it."""
        host = self._ws.local_address[0]
        return f"[{host}]" if ":" in host else host

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
        await self.central.until(lambda: not self.connected, timeout)
