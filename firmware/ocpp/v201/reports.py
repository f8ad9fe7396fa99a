"""OCPP 2.0.1, B07 and B08: what there is in the device model, told by NotifyReport in pieces. Each
handler gets requests.Requests."""

import asyncio
import json
from micropython import const

from firmware import lazy
from firmware.clock import format_iso
from firmware.ocpp.v201.refusal import refused

_MOST = const(16)  # ComponentVariables of a request (a variable says it too)
_ROWS = const(6)  # variables of a message: 3 KB, which rpc.py holds at once


def GetBaseReport(unit, payload):
    """B07."""
    return begin(unit, "reports", payload)


async def GetReport(unit, payload):
    """B08: by criteria, by components and variables, or both."""
    wanted, criteria = payload.get("componentVariable"), payload.get("componentCriteria")
    lazy.load("ocpp.v201.variables").limit(unit, wanted or (), _MOST)
    model = lazy.load("ocpp.v201.device_model").Model(unit)
    for row in _rows(model, wanted, criteria):
        if row:
            return begin(unit, "reports", payload)
        await asyncio.sleep_ms(0)
    return refused("EmptyResultSet", "NotFound", "no variable is what was asked for")


def begin(unit, name, *args):
    """Answer a request for a report: told(unit, *args) of module `name` begins (jobs.py)."""
    if not lazy.load("ocpp.jobs").begin(unit.outbox, name, unit, *args):
        return refused("Rejected", "OutOfMemory", "other reports have to end first")
    return {"status": "Accepted"}


def told(unit, payload):
    """Generator: the NotifyReports that answer GetBaseReport or GetReport with this payload."""
    model, base = lazy.load("ocpp.v201.device_model").Model(unit), payload.get("reportBase")
    if base:
        rows = _inventory(model, base)
    else:
        rows = _rows(model, payload.get("componentVariable"), payload.get("componentCriteria"))
    data = lambda row: _data(model, row)  # noqa: E731
    return messages(unit, payload, "NotifyReport", "reportData", rows, data)


def _inventory(model, base):
    # Generator, as _rows().
    for row in model.rows():
        if base == "SummaryInventory":
            there = row.name == "AvailabilityState"
            there = there or row.name == "Problem" and model.text(row) == "true"
        else:
            there = base == "FullInventory" or model.mutability(row) != "ReadOnly"
        yield row if there else None


def _rows(model, wanted, criteria):
    # Generator: the Rows that were asked for, and None now and then.
    before, met, names = None, True, ()
    for row in model.rows():
        if (row.component, row.number) != before:
            before = row.component, row.number
            met, names = _met(model, row, criteria) if criteria else (True, ())
            yield None
        if not met:
            continue
        if named(row, wanted) if wanted else not names or row.name in names:
            yield row


def _met(model, row, criteria):
    # (Does the component of `row` meet one of the criteria? Which of its variables say so; none:
    # it has no such variable, which counts for all but a problem (B08.FR.07 to 10).)
    met, names = False, []
    for name in criteria:
        found = model.find(row.names()[0], {"name": name})
        if isinstance(found, str):
            met = met or name != "Problem"
        elif model.text(found) == "true":
            met = True
            names.append(name)
    return met, names


def named(row, wanted):
    """Is a Row one of these ComponentVariables? What is not said is any (B08.FR.20 to 25)."""
    for one in wanted:
        component, variable = one["component"], one.get("variable")
        evse = component.get("evse")
        here = component["name"].lower() == row.component.lower() and not component.get("instance")
        if evse:
            inner = evse.get("connectorId")
            here = here and evse["id"] == row.number
            here = here and (inner is None or inner == 1 and row.component == "Connector")
        if here and variable:
            here = variable["name"].lower() == row.name.lower()
            instance = variable.get("instance")
            here = here and (not instance or instance.lower() == row.instance.lower())
        if here:
            return True
    return False


def messages(unit, payload, action, field, rows, data):
    """Generator: the messages `action` of a report that `payload` has asked for, of which each but
    the last has tbc (B07.FR.10). `rows`: what is to be told, or None now and then; data(row): as
    an entry of `field`."""
    request = payload["requestId"]
    at, seq, these = format_iso(unit.station.clock.now()), 0, []
    for row in rows:
        if row and len(these) == _ROWS:
            yield action, _pieces(field, data, request, at, seq, True, these)
            seq, these = seq + 1, []
        if row:
            these.append(row)
        else:
            yield None
    yield action, _pieces(field, data, request, at, seq, False, these)


def _pieces(field, data, request, at, seq, more, rows):
    head = {"requestId": request, "generatedAt": at, "seqNo": seq, "tbc": more}

    def made():
        between = json.dumps(head)[:-1] + ',"%s":[' % field
        for row in rows:
            yield between + json.dumps(data(row))
            between = ","
        yield "]}"

    return made


def _data(model, row):
    # A ReportDataType. (B07.FR.11: all attributes that there are.)
    mutability = model.mutability(row)
    attributes = []
    for kind in ("Actual", "MaxSet"):
        text = model.text(row, kind)
        if text is not None:
            one = {"type": kind, "mutability": mutability}
            one["persistent"] = row.value[0] != "@"
            one["constant"] = row.value[0] == "!" or kind == "MaxSet"
            if mutability != "WriteOnly":
                one["value"] = text
            attributes.append(one)
    component, variable = row.names()
    return {
        "component": component,
        "variable": variable,
        "variableAttribute": attributes,
        "variableCharacteristics": model.characteristics(row),
    }
