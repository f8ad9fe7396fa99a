"""OCPP 2.0.1, B05 and B06: variables of the device model are set and read. Each handler gets
requests.Requests."""

import asyncio
import json
from micropython import const

from firmware import lazy
from firmware.ocpp.rpc import CallError
from firmware.ocpp.text import printable

_MOST_BYTES = const(8192)  # of a request; these three are variables too
_MOST_SET = const(16)
_MOST_GET = const(16)
_SETTING = const(1)  # in a line of keys.py
_ACCESS = const(2)
_KIND = const(3)


def limit(unit, items, most):
    """Raises CallError where a request has more `items` than `most`, or too many bytes (B06.FR.16,
    B06.FR.17)."""
    if len(items) > most:
        raise CallError("OccurrenceConstraintViolation", "at most %d items" % most)
    if unit.rpc.size > _MOST_BYTES:
        raise CallError("FormatViolation", "at most %d bytes" % _MOST_BYTES)


async def SetVariables(unit, payload):
    """B05: each by itself; what is dialled with ends the connection after the answer (A01)."""
    entries = payload["setVariableData"]
    limit(unit, entries, _MOST_SET)
    model, results = lazy.load("ocpp.v201.device_model").Model(unit), []
    for entry in entries:
        results.append(_set(model, unit, entry))
        await asyncio.sleep_ms(0)
    return pieces("setVariableResult", entries, results, _result)


def _set(model, unit, entry):
    # -> (status, a refusal's reasonCode, words) of one SetVariableData
    row = model.find(entry["component"], entry["variable"])
    if isinstance(row, str):
        return row, None, None
    attribute = entry.get("attributeType", "Actual")
    if model.text(row, attribute) is None:
        return "NotSupportedAttributeType", None, None
    if attribute != "Actual" or model.mutability(row) == "ReadOnly":
        return "Rejected", "ReadOnly", "it is read-only"
    line, text = model.setting(row), entry["attributeValue"]
    if line[_KIND] == "h":  # a passwordString, or what is none as it is
        text = ":" + text
    if line[_KIND] == "m":
        known = model.characteristics(row)["valuesList"].split(",")
        words = [word.strip() for word in text.split(",")] if text.strip() else []
        if not model.settings.value("accept_known") and [w for w in words if w not in known]:
            return "Rejected", "InvalidValue", "wanted: some of " + ",".join(known)
    try:
        done = model.keys.put(model.settings, line, text)
    except ValueError as e:
        number = line[_KIND] in "id" and text.lstrip("-").replace(".", "").isdigit()
        return "Rejected", "ValueOutOfRange" if number else "InvalidValue", str(e)
    if done is False:
        return "Rejected", "OutOfStorage", "it could not be kept; the log says why"
    if line[_SETTING] in ("password", "security"):
        lazy.load("ocpp.security").changed(unit, line[0])
    return ("RebootRequired" if done is None else "Accepted"), None, None


async def GetVariables(unit, payload):
    """B06: as they are now."""
    entries = payload["getVariableData"]
    limit(unit, entries, _MOST_GET)
    model, results = lazy.load("ocpp.v201.device_model").Model(unit), []
    for entry in entries:
        results.append(_get(model, entry))
        await asyncio.sleep_ms(0)
    return pieces("getVariableResult", entries, results, _result)


def _get(model, entry):
    # -> (status, a refusal's reasonCode, words, value) of one GetVariableData
    row = model.find(entry["component"], entry["variable"])
    if isinstance(row, str):
        return row, None, None
    attribute = entry.get("attributeType", "Actual")
    if attribute == "Actual" and model.mutability(row) == "WriteOnly":
        return "Rejected", "WriteOnly", "it is write-only"
    text = model.text(row, attribute)
    if text is None:
        return "NotSupportedAttributeType", None, None
    return "Accepted", None, None, text


def _result(entry, result):
    # What a SetVariableResultType or GetVariableResultType has beside component and variable, and
    # the name of its statusInfo.
    attribute = entry.get("attributeType", "Actual")
    out = {"attributeType": attribute, "attributeStatus": result[0]}
    if len(result) > 3:
        out["attributeValue"] = result[3]
    return out, "attributeStatusInfo"


def pieces(name, entries, results, said):
    """The answer, in pieces: each entry as it was asked, with what became of it: result (status,
    a refusal's reasonCode, words, ...), as said(entry, result) has it beside component and
    variable, with the name of its statusInfo."""

    def made():
        between = '{"%s":[' % name
        for entry, result in zip(entries, results):
            out, info = said(entry, result)
            out["component"] = _named(entry["component"])
            out["variable"] = _named(entry["variable"])
            if len(result) > 2 and result[1]:
                out[info] = {"reasonCode": result[1], "additionalInfo": printable(result[2])}
            yield between + json.dumps(out)
            between = ","
        yield "]}"

    return made


def _named(names):  # what can be sent of a component or a variable that was asked for
    out = {}
    for name in ("name", "instance"):
        if name in names:
            out[name] = printable(names[name])
    if "evse" in names:
        out["evse"] = names["evse"]
    return out


def key(unit, name):
    """The name in /ocpp.json of the setting that a person calls component.variable/instance, or
    None."""
    component, _, variable = name.partition(".")
    variable, _, instance = variable.partition("/")
    model = lazy.load("ocpp.v201.device_model").Model(unit)
    row = model.find({"name": component}, {"name": variable, "instance": instance})
    line = None if isinstance(row, str) else model.setting(row)
    return line[0] if line else None
