"""One connection as OCPP-J has it: frames are recorded, checked, matched and answered."""

import asyncio
import inspect
import json
import time

from ocpp.messages import CallError as ErrorFrame
from ocpp.messages import CallResult, MessageType
from websockets.exceptions import ConnectionClosed

from host.csms.frames import CallError, describe, frame_fault, parse


class History:
    """What the Central System knows of one station id; it outlives the connections."""

    def __init__(self):
        self.messages = []  # (direction "in" | "out", frame, time.monotonic())
        self.violations = []
        self.status = {}
        self.transactions = {}
        self.pieces = {}  # of reports: see sequence.piece_fault
        self.boot = None
        self.registration = None  # our last answer to BootNotification
        self.triggered = set()  # actions that we have asked for since then


class Wire:
    """What comes in is answered by `central`; what is wrong with it is a violation."""

    def __init__(self, central, id, history, ws, language):
        self.id = id
        self.language = language  # the Language that was negotiated
        self.history = history
        self.messages = history.messages
        self.violations = history.violations
        self.status = history.status
        self.transactions = history.transactions
        self.connected = True
        self.central = central
        self._ws = ws
        self._lock = asyncio.Lock()  # one outstanding CALL of ours (OCPP-J 4.1.1)
        self._sent = {}  # our message ids -> action, None once answered
        self._waiting = {}  # message id, or None for "any unknown id" -> future
        self._garbage = 0  # raw frames without an id that may still earn a CALLERROR
        self._ids = set()  # message ids that the station has used
        self._open = {}  # CALLs of the station that we still owe an answer -> action
        self._tasks = set()

    async def exchange(self, text, unique_id, timeout):
        """Send a frame; wait for the answer with that id (None: any unknown one) unless None."""
        if not self.connected:
            raise ConnectionError(f"{self.id} is not connected")
        frame = parse(text)
        known = not frame_fault(frame) and frame[0] == MessageType.Call
        if unique_id is None:
            self._garbage += 1
        else:
            self._sent[str(unique_id)] = frame[2] if known else ""
        if known:
            self.history.triggered |= self.language.asked_for(frame[2], frame[3])
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
        self._log(describe(way, frame, label, self.central.log_width))

    def _log(self, text):
        self.central.log_line(self.id, text)

    def violation(self, text):
        self.violations.append(text)
        self._log(f"!! {text}")

    async def serve(self):
        try:
            async for text in self._ws:
                await self._receive(text)
                self.central.wake()
        except (ConnectionClosed, ConnectionError):
            pass
        finally:
            self.ended()

    def ended(self):
        self.connected = False
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(
                    ConnectionError(f"{self.id} closed the connection before it answered")
                )
        for task in self._tasks:
            task.cancel()
        self.central.wake()

    async def _receive(self, text):
        if isinstance(text, bytes):
            self.violation("binary frame: OCPP-J is text")
            text = text.decode("utf-8", "replace")
        frame = parse(text)
        fault = "frame is not JSON" if frame is None else frame_fault(frame)
        if fault:
            usable = isinstance(frame, list) and len(frame) > 0
            self._record("in", frame if usable else [None, text], "bad frame")
            self.violation(f"{fault}: {text[:200]}")
            if usable and frame[0] == 2 and len(frame) > 1 and isinstance(frame[1], str):
                error = CallError(self.language.bad_frame, fault)
                await self._answer(frame[1], "frame", error)
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
                self.violation(f"answer with an unknown message id {key!r}")
        elif action is None:
            self.violation(f"second answer to message id {key!r}")
        else:
            self._sent[key] = None
        if frame[0] == MessageType.CallError and frame[2] not in self.language.codes:
            self.violation(f"CALLERROR with the unknown code {frame[2]!r}")
        elif frame[0] == MessageType.CallResult and action in self.language.actions:
            for _, text in self.language.schema_errors(action, frame[2], answer=True):
                self.violation(f"{action}.conf: {text}")
        future = self._waiting.get(key)
        if future and not future.done():
            future.set_result(frame)

    async def _on_call(self, unique_id, action, payload):
        """Check a request of the station and answer it."""
        for waiting in self._open.values():
            self.violation(f"{action} sent while {waiting} is unanswered")
        if unique_id in self._ids:
            self.violation(f"message id {unique_id!r} of {action} was used before")
        self._ids.add(unique_id)
        registration = self.history.registration
        if (
            registration not in (None, "Accepted")
            and action != "BootNotification"
            and action not in self.history.triggered
        ):
            self.violation(f"{action} sent while registration is {registration}")
        faults = self.language.schema_errors(action, payload)
        handler = self.central.handler(self, action)
        if not faults and handler is None:
            faults = [("NotSupported", f"a Central System takes no {action}")]
        if faults:
            for _, text in faults:
                self.violation(f"{action}.req: {text}")
            await self._answer(unique_id, action, CallError(*faults[0]))
            return
        self._open[unique_id] = action
        self.central.note_request(self, action, payload)
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
        self.central.wake()

    async def _conclude(self, unique_id, action, payload, answer):
        if answer is None:
            self._open.pop(unique_id, None)
            self._log(f"-- {action} is left unanswered")
            return
        if isinstance(answer, Exception) and not isinstance(answer, CallError):
            # A fault of the test's own function: it must show, and not hang the station.
            self.violation(f"the answer function for {action} raised {answer!r}")
            answer = CallError("InternalError", repr(answer))
        await self._answer(unique_id, action, answer, payload)

    async def _answer(self, unique_id, action, answer, payload=None):
        if isinstance(answer, CallError):
            message = ErrorFrame(unique_id, answer.code, answer.description[:255], answer.details)
        else:
            for _, text in self.language.schema_errors(action, answer, answer=True):
                self._log(f"-- our own {action}.conf is wrong, sent as it is: {text}")
            self.central.note_answer(self, action, payload, answer)
            message = CallResult(unique_id, answer, action)
        self._open.pop(unique_id, None)
        text = message.to_json()
        try:
            await self._send(text, json.loads(text), action)
        except ConnectionError:
            pass  # the station will ask again on its next connection
