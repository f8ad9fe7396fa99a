"""OCPP 1.6 Core: GetConfiguration and ChangeConfiguration. The keys are the settings (keys.py)
without a dot in their names. Each handler gets requests.Requests."""

import json
from micropython import const

from firmware import lazy
from firmware.ocpp.rpc import CallError
from firmware.ocpp.text import printable

_MAX_KEYS = const(64)  # in one GetConfiguration request (a key says it too)
_ACCESS = const(2)  # in a line of keys.py
_TYPE = const(3)


def GetConfiguration(unit, payload):
    """5.8, in pieces: all of it may be long."""
    names = payload.get("key", ())
    if len(names) > _MAX_KEYS:
        raise CallError("PropertyConstraintViolation", "key: at most %d" % _MAX_KEYS)
    return pieces(unit.settings, names)


def ChangeConfiguration(unit, payload):
    """5.3: a key that is dialled with ends the connection after the answer."""
    name = payload["key"]
    status = change(unit.settings, name, payload["value"])
    if status == "Accepted" and name in ("AuthorizationKey", "SecurityProfile"):
        lazy.load("ocpp.security").changed(unit, name)
    return {"status": status}


def change(c, name, value):
    """Change a key, durably, to what a text means. Returns ChangeConfiguration.conf's status."""
    keys = c.keys()
    line = keys.find(name, c)
    if not line or "." in name:
        return "NotSupported"
    if line[_TYPE] == "h" and value[:1] == ":":  # (a password of OCPP 2.0.1)
        return "Rejected"
    try:
        done = keys.put(c, line, value)
    except ValueError as e:
        c.log("%s stays as it was: %s" % (name, e))
        return "Rejected"
    return ("Accepted" if done else "RebootRequired") if done is not False else "Rejected"


def pieces(c, names):
    """A function that gives GetConfiguration.conf as pieces of JSON; no names: all."""
    stored, keys = c.stored, c.keys()  # (as it is now, whatever is changed while it leaves)

    def lines():
        for name in names:
            yield "." not in name and keys.find(name, c) or name

    def made():
        between, unknown = '{"configurationKey":[', []
        for line in lines() if names else keys.lines(c):
            if isinstance(line, str):
                unknown.append(json.dumps(printable(line)))
                continue
            if "." in line[0]:
                continue
            entry = {"key": line[0], "readonly": line[_ACCESS] == "ro"}
            if line[_TYPE] != "h":
                entry["value"] = keys.text(line, c, None, stored)
            yield between + json.dumps(entry)
            between = ","
        yield "]" if between == "," else between + "]"
        if unknown:
            yield ',"unknownKey":[' + ",".join(unknown) + "]"
        yield "}"

    return made
