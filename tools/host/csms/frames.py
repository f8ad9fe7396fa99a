"""Frames of OCPP-J, in any version: what is right, what is wrong with them."""

import json
import re
from datetime import datetime, timezone

from host.csms.summary import event_summary

# The usual deadline of what is waited for, in real seconds: it is there for what hangs. A machine
# with many busy processes must not come near it, so that it says nothing of how fast anything is.
WAIT_s = 300

_DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)")


class CallError(Exception):
    """A CALLERROR: received by `Peer.call`, or to be sent by a function of `cs.answer`."""

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


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def parse(text):
    """The JSON value of a frame, or None if it is not JSON."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def frame_fault(frame):
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


def describe(way, frame, label, width):
    """A line of the log for a frame; `width`: characters of its payload, None: all."""

    def compact(value):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=repr)
        if width is None or len(text) <= width:
            return text
        return f"{text[:width]}... ({len(text)} characters)"

    if frame[0] == 2 and len(frame) > 3:
        text = frame[2]
        if text == "TransactionEvent" and way == "in":
            text = f"{text} {event_summary(frame[3])}".rstrip()
        text = f"{text} {compact(frame[3])}"
    elif frame[0] == 3 and len(frame) > 2:
        text = f"{label}.conf {compact(frame[2])}"
    elif frame[0] == 4:
        text = f"{label} error {compact(frame[2:])}"
    else:
        text = f"{label} {compact(frame[1] if frame[0] is None else frame)}"
    return ("<- " if way == "in" else "-> ") + text
