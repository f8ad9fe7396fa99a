"""What a station may answer to a message, from the text of OCPP-J 1.6 and the official schemas
that the package `ocpp` brings; nothing of it is the firmware's.

Where the firmware is lenient on purpose (docs/conformance.md, field practice) the rule says so.
What MicroPython's JSON parser takes is taken here too: `read` is that parser once more.
"""

import json
import re
import struct
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import ocpp

SCHEMAS = Path(ocpp.__file__).parent / "v16/schemas"
REQUESTS = """CancelReservation CertificateSigned ChangeAvailability ChangeConfiguration ClearCache
    ClearChargingProfile DataTransfer DeleteCertificate ExtendedTriggerMessage GetCompositeSchedule
    GetConfiguration GetDiagnostics GetInstalledCertificateIds GetLocalListVersion GetLog
    InstallCertificate RemoteStartTransaction RemoteStopTransaction ReserveNow Reset SendLocalList
    SetChargingProfile SignedUpdateFirmware TriggerMessage UnlockConnector
    UpdateFirmware""".split()
OURS = """Authorize BootNotification DataTransfer DiagnosticsStatusNotification
    FirmwareStatusNotification Heartbeat LogStatusNotification MeterValues
    SecurityEventNotification SignCertificate SignedFirmwareStatusNotification StartTransaction
    StatusNotification StopTransaction""".split()

FORMATION = "FormationViolation"
TYPE = "TypeConstraintViolation"
PROPERTY = "PropertyConstraintViolation"
OCCURENCE = "OccurenceConstraintViolation"
SILENCE = "silence"
CONNECTORS = 2
MAX_ITEMS = 1000


class NotJson(ValueError):
    pass


class Odd(ValueError):
    """What the ports read in different ways, a NUL in an escape or so: any answer is right."""


# MicroPython's JSON parser: what stands between values is not looked at, a closing bracket is a
# closing bracket, \u takes any four bytes, and a NUL is the end of the text. But a character that
# is written as an escaped pair (RFC 8259, 7) is that character.

_NUMBER = re.compile(rb"[-0-9][-+.eE0-9]*")
_WORDS = {b"null": None, b"true": True, b"false": False}
_PLAIN = {0x62: 8, 0x66: 12, 0x6E: 10, 0x72: 13, 0x74: 9}


_PAIR = re.compile(rb"\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)|\\.", re.DOTALL)


def _paired(match):
    try:
        high, low = (int(half, 16) for half in match.groups())
        return (high.to_bytes(2) + low.to_bytes(2)).decode("utf-16-be").encode()
    except (TypeError, ValueError):  # another escape
        return match[0]


def read(data):
    """The value of a text (bytes). Raises NotJson."""
    data = _PAIR.sub(_paired, data)
    if b"\0" in data:
        if re.search(rb"\\(u[^\0]{0,3})?\0", data):
            raise Odd
        data = data[: data.index(b"\0")]
    stack = []
    top = None
    key = nothing = object()
    at = 0
    while at < len(data):
        c = data[at]
        if c in b",: \t\n\r":
            at += 1
            continue
        if c in b"]}":
            at += 1
            if top is None:
                raise NotJson
            if not stack:
                break
            top = stack.pop()
            continue
        enter = c in b"[{"
        if enter:
            value = [] if c == 0x5B else {}
            at += 1
        elif c == 0x22:
            value, at = _string(data, at)
        elif c in b"-0123456789":
            value, at = _number(data, at)
        else:
            word = next((word for word in _WORDS if data.startswith(word, at)), None)
            if word is None:
                raise NotJson
            value = _WORDS[word]
            at += len(word)
        if top is None:
            top = value
            if not enter:
                break
            continue
        if isinstance(top, list):
            top.append(value)
        elif key is nothing:
            if enter:
                raise NotJson
            key = value
        else:
            top[key] = value
            key = nothing
        if enter:
            stack.append(top)
            top = value
    else:
        raise NotJson
    if data[at:].strip(b" \t\n\r\v\f"):
        raise NotJson
    return top


def _number(data, at):
    match = _NUMBER.match(data, at)
    text = match[0].decode()
    try:
        if any(c in text for c in ".eE"):
            return float(text), match.end()
        return int(text), match.end()
    except ValueError:
        if not any(c.isdigit() for c in text.lower().partition("e")[0]):
            raise Odd from None  # (the ports differ about "-e9")
        raise NotJson from None


def _string(data, at):
    end = data.find(b'"', at + 1)
    if end < 0:
        raise NotJson
    if b"\\" not in data[at:end]:
        return _text(data[at + 1 : end]), end + 1
    out = bytearray()
    at += 1
    while at < len(data) and data[at] != 0x22:
        c = data[at]
        if c == 0x5C:
            at += 1
            c = data[at] if at < len(data) else 0
            if c == 0x75:
                number = 0
                for _ in range(4):
                    at += 1
                    if at >= len(data):
                        raise NotJson
                    c = ((data[at] | 0x20) - 0x30) & 0xFF
                    if c > 9:
                        c = (c - 0x27) & 0xFF
                    number = number << 4 | c
                out += chr(number & 0x1FFFFF).encode("utf-8", "surrogatepass")
                at += 1
                continue
            c = _PLAIN.get(c, c)
        out.append(c)
        at += 1
    if at >= len(data):
        raise NotJson
    return _text(bytes(out)), at + 1


def _text(data):
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # (\\u has taken half of a character)
        raise NotJson from None


# The schemas


def official(action, conf=False, parse_float=float):
    """The official schema; what it refers to (those of the white paper do) stands in its place."""
    path = SCHEMAS / f"{action}{'Response' if conf else ''}.json"
    whole = json.loads(path.read_text("utf-8-sig"), parse_float=parse_float)
    whole.setdefault("properties", {})
    definitions = whole.pop("definitions", {})

    def resolved(node):
        if isinstance(node, list):
            return [resolved(one) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolved(definitions[node["$ref"].rpartition("/")[2]])
        return {key: resolved(value) for key, value in node.items() if key != "$id"}

    return resolved(whole)


schema = lru_cache(None)(official)


@lru_cache(None)
def actions():
    return frozenset(p.stem for p in SCHEMAS.glob("*.json") if not p.stem.endswith("Response"))


_TYPES = {"boolean": bool, "object": dict, "array": list, "integer": int, "string": str}
_TIME = re.compile(
    r"20[2-9]\d-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])"
    r"T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?Z"
)


def faults(schema, value, sure, perhaps, strict=False, lenient=False):
    """Adds the error codes that `value` earns for certain, and those that it may earn. `strict`:
    as the schema says, without what is tolerated of a Central System. `lenient`: what it answers,
    where null may stand for an optional field that is not there."""
    kind = schema["type"]
    if kind == "number":
        if type(value) is float:
            if not abs(value) < 1e38:
                sure.add(PROPERTY)
            elif strict and abs(value * 10 - round(value * 10)) > 1e-6 and abs(value) < 32768:
                sure.add(PROPERTY)
        elif type(value) is not int:
            sure.add(TYPE)
        return
    if type(value) is not _TYPES[kind]:
        sure.add(TYPE)
    elif kind == "object":
        properties = schema["properties"]
        required = schema.get("required", ())
        for name in required:
            if name not in value:
                sure.add(OCCURENCE)
        for name, inner in value.items():
            if name not in properties:
                if strict:
                    sure.add(FORMATION)
            elif inner is not None or name in required or not lenient:
                faults(properties[name], inner, sure, perhaps, strict, lenient)
    elif kind == "array":
        if len(value) > MAX_ITEMS:
            sure.add(OCCURENCE)
        for item in value:
            faults(schema["items"], item, sure, perhaps, strict, lenient)
    elif kind == "string":
        if "enum" in schema:
            if value not in schema["enum"]:
                sure.add(PROPERTY)
        elif schema.get("format") == "date-time":
            if not _TIME.fullmatch(value):
                (perhaps if value[:1].isdigit() and not strict else sure).add(PROPERTY)
        elif len(value) > schema.get("maxLength", 1 << 30):
            sure.add(PROPERTY)


def is_valid(action, payload, conf=False):
    """None: cannot be said."""
    sure, perhaps = set(), set()
    if not isinstance(payload, dict):
        return False
    faults(schema(action, conf), payload, sure, perhaps, lenient=conf)
    return False if sure else None if perhaps else True


# The rules


def is_id(message_id):
    """One that can be echoed."""
    if not isinstance(message_id, str) or not 0 < len(message_id) <= 128:
        return False
    return not any("\ud800" <= c <= "\udfff" for c in message_id)


class Expected:
    """`codes`: of a CALLERROR; `confirms`: or a confirmation. Neither: silence."""

    def __init__(self, message_id=None, codes=(), confirms=None, payload=None):
        self.message_id, self.codes = message_id, frozenset(codes)
        self.action, self.payload = confirms, payload

    def __repr__(self):
        return f"{self.message_id!r}: {sorted(self.codes)} or {self.action}"


def expected(frame, muted):
    """What must be answered to a frame that is no answer itself; None: that it is one."""
    if not isinstance(frame, list) or len(frame) < 2 or not is_id(frame[1]):
        return Expected()
    kind, message_id = frame[:2]
    if kind is True or isinstance(kind, list | dict | str | None) or kind not in (2, 3, 4):
        return Expected()
    if kind != 2:
        return None
    if muted:
        return Expected()
    if len(message_id) > 36 or len(frame) != 4 or not isinstance(frame[2], str):
        return Expected(message_id, [FORMATION])
    action, payload = frame[2:]
    if action not in REQUESTS:
        known = action in actions()
        return Expected(message_id, ["NotSupported" if known else "NotImplemented"])
    if not isinstance(payload, dict):
        return Expected(message_id, [FORMATION])
    sure, perhaps = set(), set()
    faults(schema(action), payload, sure, perhaps)
    if sure:
        return Expected(message_id, sure | perhaps)
    perhaps |= domain(action, payload)
    if action == "SetChargingProfile" and not 0 <= payload["connectorId"] <= CONNECTORS:
        return Expected(message_id, [PROPERTY])
    if action == "GetConfiguration" and len(payload.get("key") or ()) > 40:
        return Expected(message_id, [PROPERTY])
    return Expected(message_id, perhaps, action, payload)


def domain(action, payload):
    """Ids of a profile that cannot be kept; an address that is too long."""
    if action == "UpdateFirmware":
        return {PROPERTY} if len(payload["location"]) > 512 else set()
    p = payload.get("csChargingProfiles" if action == "SetChargingProfile" else "chargingProfile")
    if action not in ("SetChargingProfile", "RemoteStartTransaction") or not p:
        return set()
    if abs(p["chargingProfileId"]) >= 1 << 31 or abs(p.get("transactionId") or 0) >= 1 << 63:
        return {PROPERTY}
    return set()


# Profiles

PURPOSES = "TxProfile", "TxDefaultProfile", "ChargePointMaxProfile"
KINDS = "Absolute", "Recurring", "Relative"
UNITS = "A", "W"
_BEGIN = datetime(2020, 1, 1, tzinfo=timezone.utc)


def stored(data):
    """(id, connector, level, purpose, what it says) of a record on flash: the layout is in
    docs/storage.md and firmware/charging/profile.py."""
    n = data[3]
    number, transaction = struct.unpack_from("<2i", data, 12)
    connector, level, bits = data[24:27]
    valid_from, valid_to, start, duration, rate = struct.unpack_from("<5i", data, 28)
    periods = []
    for at in range(48, 48 + 8 * n, 8):
        start_s, limit = struct.unpack_from("<iI", data, at)
        periods.append((start_s, limit & 0xFFFFFF, limit >> 24))
    said = {
        "kind": KINDS[bits >> 2 & 3],
        "unit": UNITS[bits >> 6 & 1],
        # The number that the station has given to it, -1 if it does not run: not its id.
        "bound": transaction != 0,
        "validFrom": valid_from or None,
        "validTo": None if valid_to == -1 else valid_to,
        "duration": None if duration == -1 else duration,
        "rate": None if rate == -1 else rate,
        "periods": periods,
    }
    return number, connector, level, PURPOSES[bits & 3], said


def meant(connector, p):
    """The same of a ChargingProfile of a message; None for what has to be left open: dates that
    are not plain, and what lies before 2020 or is beyond a record."""
    schedule = p["chargingSchedule"]

    def seconds(text):
        if not text or not _TIME.fullmatch(text):
            return None
        when = datetime.fromisoformat(text[:19] + "+00:00")
        return int((when - _BEGIN) / timedelta(seconds=1))

    rate = schedule.get("minChargingRate")
    said = {
        "kind": p["chargingProfileKind"],
        "unit": schedule["chargingRateUnit"],
        # (on another purpose it is ignored)
        "bound": p["chargingProfilePurpose"] == PURPOSES[0] and p.get("transactionId") is not None,
        "validFrom": seconds(p.get("validFrom")),
        "validTo": seconds(p.get("validTo")),
        "duration": schedule.get("duration"),
        "rate": None if rate is None else tenths(rate),
        "periods": [
            (q["startPeriod"], tenths(q["limit"]), q.get("numberPhases") or 0)
            for q in schedule["chargingSchedulePeriod"]
        ],
    }
    return p["chargingProfileId"], connector, p["stackLevel"], p["chargingProfilePurpose"], said


def tenths(number):
    if number >= 1000000:
        return 10000000  # (that much is no limit)
    exact = Decimal(repr(number)) * 10
    # Down, but for what a float32 cannot tell from the tenth above it.
    return int(exact + min(exact * Decimal("3e-7"), Decimal("0.04")))


def says(record, profile, connector):
    """True if a record (`stored`) says what `profile` of a message means."""
    wanted = meant(connector, profile)
    if record[:4] != wanted[:4]:
        return False
    got, want = record[4], wanted[4]
    if any(got[k] != want[k] for k in ("kind", "unit", "bound")):
        return False
    for name in ("validFrom", "validTo"):
        if want[name] is not None and 0 < want[name] < 1 << 30 and got[name] != want[name]:
            return False
    schedule = profile["chargingSchedule"]
    begins = schedule.get("startSchedule") or ""
    if not begins or _TIME.fullmatch(begins):  # (else perhaps before 2020: a part is over)
        if got["periods"] != [(min(s, 0x3FFFFFFF), a, n) for s, a, n in want["periods"]]:
            return False
        duration = want["duration"]
        if (duration or 0) < 0x3FFFFFFF and got["duration"] != duration:
            return False
    return want["rate"] is None or got["rate"] == want["rate"]
