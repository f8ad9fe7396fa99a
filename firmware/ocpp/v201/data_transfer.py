"""OCPP 2.0.1, P: data transfer. Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy
from firmware.clock import parse_iso
from firmware.ocpp.v201.refusal import refused

_NEEDS = const("evseId energyAmount departureTime")


def DataTransfer(unit, payload):
    """P01: LimitReason of Pilotwire, with an EVSE as data (1 where there is none), tells who
    decides its limit; Needs says what a car needs (docs/smart-charging.md 7); OutsideLimit has a
    limit from outside, in words (station/impose.py)."""
    if payload["vendorId"] != "Pilotwire":
        return refused("UnknownVendorId", "UnsupportedParam", "Pilotwire is the only vendorId")
    message, data = payload.get("messageId"), payload.get("data", 1)
    if message == "Needs":
        return _needs(unit.station, data)
    if message == "OutsideLimit":
        try:
            said = unit.station.impose(str(payload.get("data", "")))
            return {"status": "Accepted", "data": said}
        except ValueError as e:
            return refused("Rejected", "InvalidValue", str(e))
    if message != "LimitReason":
        why = "it is LimitReason, Needs or OutsideLimit"
        return refused("UnknownMessageId", "UnsupportedParam", why)
    for c in unit.station.connectors:
        if type(data) in (int, str) and str(data) == str(c.number):
            purposes = lazy.load("ocpp.v201.words").PURPOSES
            reason = lazy.load("ocpp.reason").reason(unit.station, c, purposes)
            return {"status": "Accepted", "data": reason}
    return refused("Rejected", "UnknownEvse", "data is the number of an EVSE")


def _needs(station, data):
    # {"evseId": 1, "energyAmount": 20000, "departureTime": "..."}, the last where it is known
    try:
        if [key for key in data if key not in _NEEDS.split(" ")]:
            raise ValueError
        departs = data.get("departureTime")
        departs_s = None if departs is None else parse_iso(departs)
        said = data.get("evseId"), data.get("energyAmount"), departs_s
    except (AttributeError, TypeError, ValueError):
        return refused("Rejected", "InvalidValue", "data has " + _NEEDS)
    why = lazy.load("station.needs").put(station, *said)
    return refused("Rejected", "InvalidValue", why) if why else {"status": "Accepted"}
