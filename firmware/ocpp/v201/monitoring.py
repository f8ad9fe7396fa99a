"""OCPP 2.0.1, N02 to N06: monitors of variables are set, told, and cleared; which events are told.
Each handler gets requests.Requests."""

import asyncio
from micropython import const

from firmware import lazy
from firmware.ocpp.v201.refusal import refused

_MOST = const(16)  # items of a request (variables say it too)
_DAY_s = const(86400)
# By type of a monitor (monitors.py), and the criterion that it meets.
_TYPES = const("UpperThreshold LowerThreshold Delta Periodic PeriodicClockAligned")
_CRITERIA = const("Threshold Threshold Delta Periodic Periodic")
_DELTA = const(2)
_ALIGNED = const(4)


async def SetVariableMonitoring(unit, payload):
    """N04: each by itself; all that are accepted are kept before the answer."""
    entries, variables = payload["setMonitoringData"], lazy.load("ocpp.v201.variables")
    variables.limit(unit, entries, _MOST)
    model, watched = lazy.load("ocpp.v201.device_model").Model(unit), _watched(unit)
    every, results = list(watched.list), []
    for entry in entries:
        results.append(_set(watched, model, every, entry))
        await asyncio.sleep_ms(0)
    # (anew: where there were none they may have been forgotten meanwhile)
    if [1 for result in results if result[0] == "Accepted"] and not _watched(unit).put(every):
        full = "Rejected", "OutOfStorage", "it could not be kept; the log says why"
        results = [full if result[0] == "Accepted" else result for result in results]
    return variables.pieces("setMonitoringResult", entries, results, _result)


def _watched(unit):
    alerts = unit.outbox.alerts or lazy.load("ocpp.v201.alerts").of(unit.outbox)
    return alerts.watched()


def _result(entry, result):
    # What a SetMonitoringResultType has beside component and variable, and its statusInfo's name.
    out = {"status": result[0], "type": entry["type"], "severity": entry["severity"]}
    if result[0] == "Accepted":
        out["id"] = result[1]
    return out, "statusInfo"


def _set(watched, model, every, entry):
    # Put a SetMonitoringDataType among `every` -> ("Accepted", its id), or a refusal (status,
    # reasonCode, words)
    row = model.find(entry["component"], entry["variable"])
    if isinstance(row, str):
        return row, "NotFound", "there is no such one"
    kind, severity, limit = entry["type"], entry["severity"], entry["value"]
    kind, name, id = _TYPES.split(" ").index(kind), row.text(), entry.get("id")
    if kind not in watched.types(row):
        return "UnsupportedMonitorType", "UnsupportedParam", "a monitor that it cannot have"
    before = [m for m in every if m.id == id]
    if id is not None and not before:  # (N04.FR.13)
        return "Rejected", "NotFound", "no monitor has that id; new ones are given theirs"
    if before and (before[0].name, before[0].number) != (name, row.number):  # (N04.FR.16)
        return "Rejected", "InvalidValue", "that monitor is of another variable"
    wrong = _wrong(kind, severity, limit, model.characteristics(row))
    if wrong:
        return "Rejected", "ValueOutOfRange", wrong
    for m in every:  # (N04.FR.10)
        same = (m.name, m.number, m.type, m.severity) == (name, row.number, kind, severity)
        if same and m.id != id:
            return "Duplicate", "InvalidValue", "%d is of that type and severity" % m.id
    if not before and len(every) >= watched.MOST:
        return "Rejected", "OutOfMemory", "there are %d monitors" % watched.MOST
    on = bool(before) and before[0].type == kind and before[0].on  # (N07.FR.11)
    if id is None:
        id = 1 + max([0] + [m.id for m in every])
    in_tx = bool(entry.get("transaction"))
    made = watched.made([id, name, row.number, kind, severity, limit, in_tx, on], row)
    every[:] = [m for m in every if m.id != id] + [made]
    return "Accepted", id


def _wrong(kind, severity, limit, characteristics):
    # What is out of its range, in words, or None.
    if not 0 <= severity <= 9:
        return "a severity is 0 to 9"
    if kind == _DELTA:  # (N04.FR.14)
        return "a delta is not below 0" if limit < 0 else None
    if kind > _DELTA:
        most = _DAY_s if kind == _ALIGNED else 366 * _DAY_s
        return None if 1 <= limit <= most else "an interval is 1 to %d s" % most
    least, most = characteristics.get("minLimit"), characteristics.get("maxLimit")
    if least is not None and limit < least or most is not None and limit > most:  # (N04.FR.06)
        return "the variable is %s to %s" % ("any" if least is None else least, most)
    return None


async def ClearVariableMonitoring(unit, payload):
    """N06. That a threshold was exceeded is not told as over (N07.FR.12)."""
    ids = payload["id"]
    lazy.load("ocpp.v201.variables").limit(unit, ids, _MOST)
    watched, results = _watched(unit), []
    known = [m.id for m in watched.list]
    left = [m for m in watched.list if m.id not in ids]
    done = len(left) == len(known) or watched.put(left)
    for id in ids:
        if id not in known:
            result = refused("NotFound", "NotFound", "no monitor has that id")
        else:
            known.remove(id)
            result = {"status": "Accepted"} if done else _full()
        result["id"] = id
        results.append(result)
    return {"clearMonitoringResult": results}


def SetMonitoringBase(unit, payload):
    """N03. There are no preconfigured monitors, and what is hardwired is always on: all but All
    clear what was set."""
    base = payload["monitoringBase"]
    done = base == "All" or not unit.outbox.alerts or _watched(unit).put([])
    return {"status": "Accepted"} if done and unit.settings.put("alert_base", base) else _full()


def SetMonitoringLevel(unit, payload):
    """N05."""
    severity = payload["severity"]
    if not 0 <= severity <= 9:  # (N05.FR.02)
        return refused("Rejected", "ValueOutOfRange", "a severity is 0 to 9")
    return {"status": "Accepted"} if unit.settings.put("alert_level", severity) else _full()


def _full():
    return refused("Rejected", "OutOfStorage", "it could not be kept; the log says why")


async def GetMonitoringReport(unit, payload):
    """N02: by criteria, by components and variables, or both."""
    wanted, criteria = payload.get("componentVariable"), payload.get("monitoringCriteria")
    lazy.load("ocpp.v201.variables").limit(unit, wanted or (), _MOST)  # (as GetReport, N02.FR.07)
    reports = lazy.load("ocpp.v201.reports")
    for one in _found(unit, reports, wanted, criteria):
        if one:
            return reports.begin(unit, "monitoring", payload)
        await asyncio.sleep_ms(0)
    # (N02.FR.10)
    return refused("EmptyResultSet", "NotFound", "no monitor is what was asked for")


def told(unit, payload):
    """Generator: the NotifyMonitoringReports that answer that (jobs.py)."""
    reports = lazy.load("ocpp.v201.reports")
    wanted, criteria = payload.get("componentVariable"), payload.get("monitoringCriteria")

    def rows():
        found = []
        for one in _found(unit, reports, wanted, criteria):
            if one:
                _group(found, *one)
            yield None
        yield from found

    return reports.messages(unit, payload, "NotifyMonitoringReport", "monitor", rows(), _data)


def _found(unit, reports, wanted, criteria):
    # Generator: (Row, monitor) of those that were asked for, and None for each of the others.
    if unit.outbox.alerts:
        model = lazy.load("ocpp.v201.device_model").Model(unit)
        for m in _watched(unit).list:
            row = model.named(m.name, m.number)
            met = not criteria or _CRITERIA.split(" ")[m.type] + "Monitoring" in criteria
            met = met and (not wanted or reports.named(row, wanted))
            yield (row, m) if met else None


def _group(found, row, m):  # by variable
    for known, monitors in found:
        if (known.text(), known.number) == (m.name, m.number):
            monitors.append(m)
            return
    found.append((row, [m]))


def _data(one):
    # A MonitoringDataType of a Row and its monitors.
    component, variable = one[0].names()
    monitors = []
    for m in one[1]:
        said = {"id": m.id, "transaction": m.in_tx, "value": m.limit, "severity": m.severity}
        said["type"] = _TYPES.split(" ")[m.type]
        monitors.append(said)
    return {"component": component, "variable": variable, "variableMonitoring": monitors}
