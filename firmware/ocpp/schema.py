"""Checks the payloads that a Central System sends: are they OCPP 1.6, and if not, which CALLERROR
code do they earn? Knows the shape of the messages, as in the official JSON schemas (draft-04);
must not know what a value means: ranges, limits and order are the domain's.
The tables are text, because text costs one byte of heap a character and is searched in C."""

from micropython import const

from firmware.clock import parse_iso

from .periods import Periods

# One line a message, "\nName: field kind field kind ...\n". ">Name" is the confirmation to a
# request of ours, "@Name" an object that other lines refer to. Kinds, "?" first if optional:
#   i integer     n number     t date-time     A|B enumeration
# (The schemas want numbers to be multiples of 0.1. A limit that is none is understood all the
# same, and a refused limit is no limit: the domain rounds it down.)
#   s string      s50 string of at most 50        @Name object    *kind array of these
_TABLE = (
    "\n@Profile: chargingProfileId i transactionId ?i stackLevel i"
    " chargingProfilePurpose ChargePointMaxProfile|TxDefaultProfile|TxProfile"
    " chargingProfileKind Absolute|Recurring|Relative recurrencyKind ?Daily|Weekly"
    " validFrom ?t validTo ?t chargingSchedule @Schedule"
    "\n@Schedule: duration ?i startSchedule ?t chargingRateUnit A|W minChargingRate ?n"
    " chargingSchedulePeriod *@Period"
    "\n@Period: startPeriod i limit n numberPhases ?i"
    "\nChangeAvailability: connectorId i type Inoperative|Operative"
    "\nChangeConfiguration: key s50 value s500"
    "\nClearCache:"
    "\nClearChargingProfile: id ?i connectorId ?i stackLevel ?i"
    " chargingProfilePurpose ?ChargePointMaxProfile|TxDefaultProfile|TxProfile"
    "\nDataTransfer: vendorId s255 messageId ?s50 data ?s"
    "\nGetCompositeSchedule: connectorId i duration i chargingRateUnit ?A|W"
    "\nGetConfiguration: key ?*s50"
    "\nRemoteStartTransaction: connectorId ?i idTag s20 chargingProfile ?@Profile"
    "\nRemoteStopTransaction: transactionId i"
    "\nReset: type Hard|Soft"
    "\nSetChargingProfile: connectorId i csChargingProfiles @Profile"
    "\nTriggerMessage: connectorId ?i requestedMessage BootNotification"
    "|DiagnosticsStatusNotification|FirmwareStatusNotification|Heartbeat|MeterValues"
    "|StatusNotification"
    "\nUnlockConnector: connectorId i"
    "\n>Authorize: idTagInfo @IdTagInfo"
    "\n>BootNotification: status Accepted|Pending|Rejected currentTime t interval i"
    "\n>DataTransfer: status Accepted|Rejected|UnknownMessageId|UnknownVendorId data ?s"
    "\n>DiagnosticsStatusNotification:"
    "\n>FirmwareStatusNotification:"
    "\n>Heartbeat: currentTime t"
    "\n>MeterValues:"
    "\n>StartTransaction: idTagInfo @IdTagInfo transactionId i"
    "\n>StatusNotification:"
    "\n>StopTransaction: idTagInfo ?@IdTagInfo"
    "\n@IdTagInfo: status Accepted|Blocked|Expired|Invalid|ConcurrentTx"
    " expiryDate ?t parentIdTag ?s20"
    "\n"
)

# The other actions of OCPP 1.6 and of its security extension, in either direction: recognised,
# so that a Central System hears NotSupported. What add() brings is known all the same.
_OTHERS = (
    " CancelReservation CertificateSigned DeleteCertificate ExtendedTriggerMessage GetDiagnostics"
    " GetInstalledCertificateIds GetLocalListVersion GetLog InstallCertificate"
    " LogStatusNotification ReserveNow SecurityEventNotification SendLocalList SignCertificate"
    " SignedFirmwareStatusNotification SignedUpdateFirmware UpdateFirmware "
)

_MAX_ITEMS = const(1000)  # the domain's own bounds are lower; this one only bounds the time
_MAX_DATE_TIME = const(40)  # nine digits of fraction and an offset make 35
_MAX_DESCRIPTION = const(120)  # OCPP-J allows 255
_MAX_ECHO = const(20)
_MAX_DIGITS = const(20)

_tables = [_TABLE]

# Called as on_extra(path), at most once a message, with the first field that the schema does not
# have. Such fields are tolerated: back ends add their own, and refusing helps nobody.
on_extra = None
_extra = None
_answer = False  # one is being checked, not a request


def add(table):
    """Adds the table of a feature profile: text like `_TABLE`, "\\n" at both ends."""
    _tables.append(table)


def known(action):
    """True if there is a table for requests with this action."""
    return _is_name(action) and _fields(action) is not None


def error_for(action):
    """The CALLERROR code for a request without a table: is the action OCPP 1.6's at all?"""
    # OCPP-J 1.6, 4.2.3: NotSupported is recognised but not supported, NotImplemented not known.
    if _is_name(action) and (" " + action + " " in _OTHERS or _fields(">" + action) is not None):
        return "NotSupported"
    return "NotImplemented"


def check(action, payload, conf=False):
    """None if `payload` conforms, else (OCPP-J error code, description of at most 120 characters).

    `conf`: the payload is the confirmation to our own request `action`; there an optional field
    that is null is taken out. Elsewhere null is a wrong type. 16.0 is not an integer
    (draft-04: "a JSON number without a fraction or exponent part"; the validators of `ocpp`
    agree), true is not one either. Fields that the schema does not have go to `on_extra`. Nesting
    is followed as deep as the table goes, no deeper."""
    global _extra, _answer
    fields = _fields(">" + action if conf else action)
    if fields is None:
        return error_for(action), "no table"
    if not isinstance(payload, dict):
        return "FormationViolation", "payload: object expected"
    _extra = None
    _answer = conf
    try:
        _object(payload, fields, [])
    except ValueError as fault:
        return fault.args
    if _extra and on_extra:
        on_extra(_extra)
    return None


def usable(action, answer, log, fields=None):
    """What can be used of the confirmation to our request `action`: a field that is damaged is
    None in it, and said. (A text of digits is a number.)"""
    if not fields:
        if not check(action, answer, True):
            return answer
        fields = _fields(">" + action)
    if type(answer) is not dict:
        log("answer to %s: object expected" % action)
        answer = {}
    for i in range(0, len(fields), 2):
        name, kind = fields[i], fields[i + 1]
        value = answer.get(name)
        if value is None:
            if kind[0] != "?":
                log("answer to %s: no %s" % (action, name))
            continue
        kind = kind.lstrip("?")
        if kind[0] == "@":
            value = usable(action, value, log, _fields(kind))
        else:
            if kind == "i" and type(value) is str and len(value) <= _MAX_DIGITS:
                if value[value.startswith("-") :].isdigit():
                    value = int(value)
            try:
                _value(value, kind, [name])
            except ValueError as fault:
                log("answer to %s: %s" % (action, fault.args[1]))
                value = None
        answer[name] = value
    return answer


def _is_name(action):
    # Letters only, so that nothing from the wire can match across the punctuation of a table.
    return isinstance(action, str) and action.isalpha()


def _fields(key):
    # A line of the tables as [name, kind, name, kind, ...], or None if there is none.
    key = "\n" + key + ":"
    for table in _tables:
        at = table.find(key)
        if at >= 0:
            return table[at + len(key) : table.find("\n", at + 1)].split()
    return None


def _object(obj, fields, path):
    # Called for each of 96 periods: integers pass quickly, and nothing here is allocated.
    global _extra
    _expect(dict, obj, path, "object")
    absent = 0
    for i in range(0, len(fields), 2):
        name = fields[i]
        kind = fields[i + 1]
        value = obj.get(name)
        if type(value) is int and kind in "?i?n":  # i, n, ?i or ?n
            continue
        path.append(name)
        if value is None and (name not in obj or _answer and kind[0] == "?"):
            if kind[0] != "?":
                _fault(path, "Occurence", "required")
            obj.pop(name, None)  # (some back ends write out what is not there)
            absent += 1
        else:
            _value(value, kind.lstrip("?"), path)
        path.pop()
    if len(obj) > len(fields) // 2 - absent and not _extra:
        names = fields[::2]
        for name in obj:
            if name not in names:
                _extra = _join(path + [_printable(str(name))])  # (json.loads takes {1: 2} too)
                break


def _array(array, kind, path):
    if type(array) is not Periods:
        _expect(list, array, path, "array")
    if len(array) > _MAX_ITEMS:
        _fault(path, "Occurence", "too many items")
    fields = _fields(kind) if kind[0] == "@" else None
    path.append(0)
    for i in range(len(array)):
        path[-1] = i
        if fields:
            _object(array[i], fields, path)
        else:
            _value(array[i], kind, path)
    path.pop()


def _value(value, kind, path):
    first = kind[0]
    if first == "n":
        if type(value) is not int:
            _number(value, path)
    elif first == "i":
        _expect(int, value, path, "integer")
    elif first == "@":
        _object(value, _fields(kind), path)
    elif first == "*":
        _array(value, kind[1:], path)
    else:
        _expect(str, value, path, "string")
        if first == "s":
            if len(kind) > 1 and len(value) > int(kind[1:]):
                _fault(path, "Property", "at most " + kind[1:] + " characters")
        elif first == "t":
            try:
                if len(value) > _MAX_DATE_TIME:
                    raise ValueError
                parse_iso(value)
            except ValueError:
                _fault(path, "Property", "'%s' is no date-time" % _printable(value))
        elif value not in kind.split("|"):
            _fault(path, "Property", "'%s' is none of %s" % (_printable(value), kind))


def _number(value, path):
    _expect(float, value, path, "number")
    if not -1e38 < value < 1e38:  # json.loads makes 1e999 infinite, float32 already 1e39
        _fault(path, "Property", "finite number expected")


def _expect(cls, value, path, text):
    if type(value) is not cls:  # exactly: on no interpreter is true an integer
        _fault(path, "Type", text + " expected")


def _fault(path, code, text):
    # check() catches this and returns the arguments. "Occurence" is OCPP 1.6's own spelling.
    text = _join(path) + ": " + text
    raise ValueError(code + "ConstraintViolation", text[:_MAX_DESCRIPTION])


def _join(path):
    text = ""
    for part in path:
        text += "[%d]" % part if type(part) is int else "." + part if text else part
    return text


def _printable(text):
    # ASCII only: a lone surrogate from json.loads would become invalid UTF-8 on the wire. By
    # bytes: MicroPython interns each character that is taken out of a text, for ever.
    data = text[:_MAX_ECHO].encode("utf-8", "surrogatepass")
    return bytes([b if 32 <= b < 127 else 63 for b in data if b & 0xC0 != 0x80]).decode()
