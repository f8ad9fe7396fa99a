"""Checks the payloads that a Central System sends, by the shapes.py of the version spoken: are
they OCPP, and if not, which CALLERROR do they earn? Ranges, limits and order are the domain's."""

from micropython import const

from firmware.clock import parse_iso

# Places in `codes`, the CALLERROR codes that the versions spell, or use, in their own ways:
PAYLOAD = const(0)  # it is no object
OCCURRENCE = const(1)  # a field is not there, or there are too few or too many items
FRAME = const(2)  # a CALL that is none
TYPE = const(3)  # an unknown type of message; None: not answered
MUTE = const(4)  # a CALL while the boot is rejected; None: not answered

_PROPERTY = const("PropertyConstraintViolation")
_ITEMS = const(1000)  # of an array, at most, where the table says nothing: it bounds the time

_table = _others = ""
codes = ()
_lines = {}  # of the message that is looked at: what _fields() has given, a search of ms each


def use(shapes):
    """From now on go by this module of a version's package."""
    global _table, _others, codes
    _table, _others, codes = shapes.TABLE, shapes.OTHERS, shapes.CODES


def module(action):
    """The module that has the handler of a known request."""
    at = _table.find("." + action + ":")
    return _table[_table.rfind("\n", 0, at) + 1 : at]


def known(action):
    """True if there is a table for requests with this action."""
    return _is_name(action) and _fields(action) is not None


def error_for(action):
    """The CALLERROR code for a request without a table: is the action this version's at all?"""
    # OCPP-J 1.6, 4.2.3: NotSupported is recognised but not supported, NotImplemented not known.
    if action in _others.split() or _is_name(action) and _fields(">" + action) is not None:
        return "NotSupported"
    return "NotImplemented"


def check(action, payload):
    """None if a known request conforms, else (OCPP-J error code, why: at most 120 letters).
    Null is a wrong type. 16.0 is not an integer (draft-04: "a JSON number without a fraction or
    exponent part"; the validators of `ocpp` agree, also about the schemas of 2.0.1, whose draft-06
    would take it), true is not one either. Fields that the schema
    does not have are tolerated: back ends add their own, and refusing helps nobody. Nesting is
    followed as deep as the table goes, no deeper."""
    if not isinstance(payload, dict):
        return codes[PAYLOAD], "payload: object expected"
    try:
        _object(payload, _fields(action), [])
    except ValueError as fault:
        return fault.args
    finally:
        _lines.clear()
    return None


def usable(action, answer, log, fields=None):
    """What can be used of the confirmation to our request `action`, or of an object in it with
    `fields`: a damaged one is None, and said; null is taken out; a text of digits is a number."""
    fields = fields or _fields(">" + action)
    if type(answer) is not dict:
        log("answer to %s: object expected" % action)
        answer = {}
    for i in range(0, len(fields), 2):
        name, kind = fields[i], fields[i + 1]
        value = answer.get(name)
        if value is None:
            if kind[0] == "?":
                answer.pop(name, None)  # (some back ends write out what is not there)
            else:
                log("answer to %s: no %s" % (action, name))
            continue
        kind = kind.lstrip("?")
        if kind[0] == "@":
            value = usable(action, value, log, _fields(kind))
        else:
            if kind == "i" and type(value) is str and len(value) <= 20:
                if value[value.startswith("-") :].isdigit():
                    value = int(value)
            try:
                _value(value, kind, [name])
            except ValueError as fault:
                log("answer to %s: %s" % (action, fault.args[1]))
                value = None
        answer[name] = value
    _lines.clear()
    return answer


def _is_name(action):
    # Letters only, so that nothing from the wire can match across the punctuation of a table. (One
    # action has digits, Get15118EVCertificate, and is not in a table.)
    return isinstance(action, str) and len(action) <= 48 and action.isalpha()


def _fields(name):  # a line of the tables as [name, kind, name, kind, ...], or None
    fields = _lines.get(name)
    if fields is None:
        key = ("." if name.isalpha() else "\n") + name + ":"
        at = _table.find(key)
        if at >= 0:
            fields = _table[at + len(key) : _table.find("\n", at + 1)].split()
            if name[0] != ">":  # (of a list's twenty entries forty objects are looked up)
                _lines[name] = fields
    return fields


def _object(obj, fields, path):
    # Called for each of 96 periods: numbers pass quickly, and nothing here is allocated.
    if type(obj) is not dict:
        _expect(dict, obj, path, "object expected")
    for i in range(0, len(fields), 2):
        name, kind = fields[i], fields[i + 1]
        value = obj.get(name)
        if type(value) is int and kind in "?i?n":  # i, n, ?i or ?n
            continue
        if type(value) is float and kind in "?n" and -1e38 < value < 1e38:
            continue
        if value is None and kind[0] == "?" and name not in obj:
            continue
        path.append(name)
        if name not in obj:
            _fault(path, codes[OCCURRENCE], "it is required")
        _value(value, kind.lstrip("?"), path)
        path.pop()


def _array(array, kind, path):
    _expect(list, array, path, "array expected")
    if not array and kind[0] == "+":
        _fault(path, codes[OCCURRENCE], "items expected")
    rest = kind[1:].lstrip("0123456789")
    if len(array) > int(kind[1 : len(kind) - len(rest)] or _ITEMS):
        _fault(path, codes[OCCURRENCE], "too many items")
    kind = rest
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
            _expect(float, value, path, "number expected")
            if not -1e38 < value < 1e38:  # json.loads makes 1e999 infinite, float32 already 1e39
                _fault(path, _PROPERTY, "finite number expected")
    elif first == "i" or first == "u":
        _expect(int, value, path, "integer expected")
        if first == "u" and value < 0:
            _fault(path, _PROPERTY, "at least 0 expected")
    elif first == "b":
        _expect(bool, value, path, "boolean expected")
    elif first == "@":
        _object(value, _fields(kind), path)
    elif first == "*" or first == "+":
        _array(value, kind, path)
    elif first != "a":
        _expect(str, value, path, "string expected")
        if first == "s":
            if len(kind) > 1 and len(value) > int(kind[1:]):
                _fault(path, _PROPERTY, "at most %s characters" % kind[1:])
        elif first == "t":
            try:
                parse_iso(value if len(value) <= 40 else "")
            except ValueError:
                _fault(path, _PROPERTY, "'%s' is no date-time" % _printable(value))
        elif value not in kind.split("|"):
            _fault(path, _PROPERTY, "'%s' is none of %s" % (_printable(value), kind))


def _expect(cls, value, path, text):
    if type(value) is not cls:  # exactly: on no interpreter is true an integer
        _fault(path, "TypeConstraintViolation", text)


def _fault(path, code, text):
    # check() catches this and returns the arguments.
    where = ""
    for part in path:
        where += "[%d]" % part if type(part) is int else "." + part if where else part
    raise ValueError(code, (where + ": " + text)[:120])


def _printable(text):
    # ASCII only: a lone surrogate would become invalid UTF-8 on the wire. (docs/memory.md, Names.)
    data = text[:20].encode("utf-8", "surrogatepass")
    return bytes([b if 32 <= b < 127 else 63 for b in data if b & 0xC0 != 0x80]).decode()
