"""OCPP-J 1.6: CALL, CALLRESULT, CALLERROR over a connection that carries text messages.
Knows frames, ids and schemas; must not know what the messages mean."""

import asyncio
import gc
import json
import os
import sys
import time
from micropython import const

from firmware.station.security import BAD_MESSAGES, NO_MEMORY

from . import schema
from .text import is_id, loads, printable

_CALL = const(2)
_RESULT = const(3)
_ERROR = const(4)
_ANSWER_s = const(30)  # how long the Central System may take
_BRIEF_s = const(5)  # the same, for an answer that did not come before, and that nobody needs
_LONGEST_s = const(120)  # the same, for one that took longer before
_TRIES = const(8)  # of a message that is repeated, whose answers still count
_PIECE = const(1024)  # of a long payload: made in one step of the loop,
_PIECE_ms = const(20)  # if that does not take longer, as keys do
_HELD = const(6144)  # of it at once, at most: 96 periods, or all keys
_MAX_ID = const(36)  # OCPP-J 1.6, 4.1.4
_MAX_TEXT = const(200)  # of an error description
_EVERY_s = const(3600)
_NO_ROOM = "InternalError", "no memory for it"  # in place of what was asked


class CallError(Exception):
    """A CALLERROR, received or to be sent: code, description."""

    def __init__(self, code, description=""):
        super().__init__(code, description)
        self.code = code
        self.description = description


class Rpc:
    """`handle(action, payload)` answers requests: it returns the payload of the confirmation, or
    a function that gives it as pieces of JSON text, or raises CallError; or it returns a coroutine
    that does so, or a task that gives the payload and raises nothing: other messages are received
    until it is done. What it puts into `after` is called once the answer is on its way. While
    `mute` is set requests are left unanswered, or get the CALLERROR that the version says.
    One CALL of ours is outstanding at a time; callers wait for their turn. `unanswered`: how many
    in a row were not answered in time, on this connection; `answered`: any was, on the latest;
    `began`: when the latest was sent, in ticks; answer_s: how long each may take; size: bytes of
    the latest message that came. `late(answer, tries)` is given the confirmation to an earlier
    try of a repeated message. `note(event, text, every_s)`: of a security event, or None."""

    def __init__(self, handle, log):
        self._handle = handle
        self._log = log
        self._lock = asyncio.Lock()
        self._answered = asyncio.Event()
        # Of messages: one among so many that no other run of this unit comes near it (4.1.4).
        self._number = int.from_bytes(os.urandom(6), "big")
        self._ws = None
        self._waiting = None  # id of the outstanding CALL
        self._answer = None  # its payload, or the exception to raise
        self._repeated = []  # (tries, action): see call(); and of one before whose tries were left
        self._wait_s = self.answer_s = _ANSWER_s  # for its answer
        self.late = self.after = self.note = None
        self.mute = self.answered = False
        self.unanswered = self.began = self.size = 0

    def attach(self, ws):
        """Use connection `ws`; None: it is lost, and with it the outstanding CALL."""
        self._ws = ws
        self.unanswered = 0
        if ws:
            self.answered = False
        elif self._waiting:
            self._finish(OSError("connection lost"))

    async def call(self, action, payload, brief=(), tries=None):
        """Send a request; returns what can be used of its confirmation's payload. `payload` may
        be a function that gives it as pieces of JSON text.

        `tries`: a list, for a message that is repeated until it is answered, the same for all its
        tries: until it is emptied `late` is given the answer to any of the latest eight, whatever
        connection it comes by, and it is waited for as long as was seen to be needed. Not emptied
        before the next such message, it counts on beside that one's. `brief`: the actions whose
        answers are not waited for as long, as it stands when their turn comes.

        Raises CallError (it was refused), asyncio.TimeoutError or OSError (no connection)."""
        async with self._lock:
            if self._ws is None:
                raise OSError("offline")
            self._number += 1
            self._waiting = "%012x" % self._number
            self._answered.clear()
            self.began = time.ticks_ms()
            wait_s = _BRIEF_s if action in brief else self.answer_s
            if tries is not None:
                del tries[: 2 - 2 * _TRIES]
                tries += self._waiting, self.began
                left = [one for one in self._repeated if one[0] and one[0] is not tries]
                self._repeated = [(tries, action)] + left[:1]
                wait_s = max(self._wait_s, self.answer_s)
            try:
                await _send(self._ws, [_CALL, self._waiting, action, payload])
                await asyncio.wait_for(self._answered.wait(), wait_s)
                answer = self._answer
                if isinstance(answer, OSError):
                    raise answer
                if tries:
                    del tries[-2:]
                self.unanswered = 0
                self.answered = True
            except asyncio.TimeoutError:
                self.unanswered += 1
                raise
            finally:
                self._waiting = self._answer = None
        if isinstance(answer, Exception):
            raise answer
        return schema.usable(action, answer, self.failed)

    def _finish(self, answer):
        self._answer = answer
        self._waiting = None
        self._answered.set()

    def failed(self, text, event=BAD_MESSAGES):
        """Log what is wrong with the peer's messages, or with our memory for them."""
        self._log(text)
        if self.note:
            self.note(event, text, _EVERY_s)

    def decode(self, data):
        """-> the frame for receive(), or None. Never raises for what the peer sent."""
        self.size = len(data)
        try:
            frame = loads(data)
        except (RuntimeError, ValueError):  # (nested too deep; none)
            return self.failed("frame ignored: not JSON")
        except MemoryError:
            self.failed("no memory for a frame of %d bytes" % len(data), NO_MEMORY)
            # A CALL is answered even so: its id stands at the front.
            head = bytes(data[:48]).split(b'"', 2)
            if len(head) < 3 or head[0].replace(b" ", b"") != b"[2," or b"\\" in head[1]:
                return None
            frame = [_CALL, head[1].decode(), _NO_ROOM]
        # What has no usable type or id cannot be answered (OCPP-J 1.6, 4.1.3 and 4.2).
        if not isinstance(frame, list) or len(frame) < 2 or not is_id(frame[1]):
            return self.failed("frame ignored: no message type and id")
        if frame[0] is True or frame[0] not in (_CALL, _RESULT, _ERROR):
            if not schema.codes[schema.TYPE]:
                return self.failed("frame ignored: unknown message type")
            code = schema.codes[schema.TYPE if type(frame[0]) is int else schema.FRAME]
            return [_CALL, frame[1], (code, "unknown message type")]
        return frame

    async def receive(self, frame):
        """Deal with what decode() has given. Never raises for what the peer sent."""
        if not frame:
            return
        kind, message_id = frame[0], frame[1]
        try:
            await self._receive(kind, message_id, frame)
        except MemoryError:
            self.failed("no memory for a message", NO_MEMORY)
            if kind == _CALL:
                await self._receive(kind, message_id, [_NO_ROOM])

    async def _receive(self, kind, message_id, frame):
        if kind == _CALL:
            code = self.mute and schema.codes[schema.MUTE]
            frame = [(code, "the boot is rejected")] if code else frame
            return None if self.mute and not code else await self._answer_call(message_id, frame)
        # (nothing, or null, where a confirmation has no fields: meant as {})
        payload = {} if len(frame) < 3 or frame[2] is None else frame[2]
        if message_id != self._waiting:
            return self._too_late(message_id, payload if kind == _RESULT else None)
        if kind == _RESULT:
            self._finish(payload)
        else:
            code, text = (frame[2:4] + [None, None])[:2]
            code = code if isinstance(code, str) else schema.codes[schema.PAYLOAD]
            text = text if isinstance(text, str) else ""
            self._finish(CallError(code, text[:_MAX_TEXT]))
        # The next message may build on this answer: its caller comes first. (Not by the lock:
        # that goes on to the next caller at once.)
        while self._answer is not None:
            await asyncio.sleep_ms(0)

    def _too_late(self, message_id, payload):
        found = [one for one in self._repeated if message_id in one[0]]
        if not found:
            return self._log("answer ignored: nothing was asked with that id")
        tries, action = found[0]
        i = tries.index(message_id)
        took_ms = (time.ticks_ms() - tries[i + 1]) & 0x3FFFFFFF
        del tries[i : i + 2]
        self.unanswered = 0
        self._wait_s = max(self._wait_s, min(took_ms * 3 // 2000 + 1, _LONGEST_s))
        self._log("%s was answered after %d s" % (action, took_ms // 1000))
        if payload is not None:
            self.late(schema.usable(action, payload, self.failed), tries)

    async def _answer_call(self, message_id, frame):
        try:
            answer = [_RESULT, message_id, await _dispatch(self._handle, message_id, frame)]
        except CallError as e:
            bad = e.code[-1] == "n" or e.code in schema.codes[: schema.MUTE]
            say = self.failed if bad else self._log
            say("request refused: %s: %s" % (e.code, e.description))
            answer = [_ERROR, message_id, e.code, printable(e.description), {}]
        frame.clear()  # (what was asked may be large, and the answer needs room to leave)
        if hasattr(answer[2], "done"):
            asyncio.create_task(self._answer_later(answer, self._ws))
            return
        after, self.after = self.after, None
        await _send(self._ws, answer)
        if after:
            after()

    async def _answer_later(self, answer, ws):
        # On the connection that the request came by, or not at all.
        answer[2] = await answer[2]
        if ws is self._ws:
            try:
                await _send(self._ws, answer)
            except OSError as e:
                self._log("answer not sent: %s" % e)


async def _dispatch(handle, message_id, frame):
    if isinstance(frame[-1], tuple):  # found out before: JSON has none
        raise CallError(*frame[-1])
    if len(message_id) > _MAX_ID:
        raise CallError(schema.codes[schema.FRAME], "the message id is longer than 36")
    if len(frame) != 4:
        raise CallError(schema.codes[schema.FRAME], "a CALL has 4 elements")
    action, payload = frame[2], frame[3]
    if not isinstance(action, str):
        raise CallError(schema.codes[schema.FRAME], "the action is not a string")
    if not schema.known(action):
        raise CallError(schema.error_for(action), action[:40])
    # (Of a long profile each of these is a long step by itself.)
    await asyncio.sleep_ms(0)
    fault = schema.check(action, payload)
    if fault:
        raise CallError(*fault)
    await asyncio.sleep_ms(0)
    gc.collect()  # (the handler's module comes beside what was asked)
    await asyncio.sleep_ms(0)
    try:
        answer = handle(action, payload)
        return await answer if hasattr(answer, "send") else answer
    except CallError:
        raise
    except Exception as e:  # the supervisor of handlers: one bad request must not end the link
        sys.print_exception(e)
        raise CallError("InternalError", repr(e))


async def _send(ws, frame):
    # Whoever does not read must not keep us waiting: neither the caller of a CALL, whose time
    # begins when it has left, nor the one reader, who sends the answers.
    try:
        await asyncio.wait_for(_write(ws, frame), _ANSWER_s)
    except asyncio.TimeoutError:
        raise OSError("the Central System does not read")


async def _write(ws, frame):
    if not callable(frame[-1]):
        return await ws.send(json.dumps(frame, separators=(",", ":")))
    # A long payload is made before it leaves, for its length; one that is too long to be held is
    # made again while it leaves.
    size, held = 0, []
    for piece in _text(frame):
        size += len(piece)
        held.append(piece)
        if size > _HELD:
            held.clear()
        await asyncio.sleep_ms(0)  # (50 keys are a good part of a second on an ESP32)
    await ws.send_from(size, held if size <= _HELD else _text(frame))


def _text(frame):
    # A frame whose payload is given as pieces, in larger pieces of bytes.
    pieces = [json.dumps(frame[:-1])[:-1], ","]
    size, began_ms = 0, time.ticks_ms()
    for piece in frame[-1]():
        pieces.append(piece)
        size += len(piece)
        took_ms = (time.ticks_ms() - began_ms) & 0x3FFFFFFF
        if size >= _PIECE or took_ms >= _PIECE_ms:
            yield "".join(pieces).encode()
            pieces.clear()
            size, began_ms = 0, time.ticks_ms()
    pieces.append("]")
    yield "".join(pieces).encode()
