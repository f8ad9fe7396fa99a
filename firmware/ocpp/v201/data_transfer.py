"""OCPP 2.0.1, P: data transfer. Each handler gets requests.Requests."""

from firmware import lazy
from firmware.ocpp.v201.refusal import refused


def DataTransfer(unit, payload):
    """P01: LimitReason of Pilotwire, with an EVSE as data (1 where there is none), tells who
    decides its limit."""
    if payload["vendorId"] != "Pilotwire":
        return refused("UnknownVendorId", "UnsupportedParam", "Pilotwire is the only vendorId")
    if payload.get("messageId") != "LimitReason":
        return refused("UnknownMessageId", "UnsupportedParam", "LimitReason is the only messageId")
    data = payload.get("data", 1)
    for c in unit.station.connectors:
        if type(data) in (int, str) and str(data) == str(c.number):
            purposes = lazy.load("ocpp.v201.words").PURPOSES
            reason = lazy.load("ocpp.reason").reason(unit.station, c, purposes)
            return {"status": "Accepted", "data": reason}
    return refused("Rejected", "UnknownEvse", "data is the number of an EVSE")
