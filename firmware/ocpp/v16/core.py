"""OCPP 1.6 Core: what the Central System may ask. Each handler gets requests.Requests."""

import json

from firmware import lazy
from firmware.station import states


def RemoteStartTransaction(unit, payload):
    """5.11, also with a TxProfile for it."""
    station, access = unit.station, unit.station.access()
    tag, number = payload["idTag"], payload.get("connectorId")
    asked = unit.settings.value("remote_authorise")
    c = access.choose(tag, asked) if number is None else _connector(station, number)
    # (4.2: not while Pending; and a tag is what can be shown and logged)
    can_be = tag and all([32 <= b < 127 for b in tag.encode()])
    may = c and c.free() and can_be and unit.outbox.ready() and access.may(tag, c, asked)
    if not may:
        return {"status": "Rejected"}
    w = None
    if "chargingProfile" in payload:
        smart = lazy.load("ocpp.v16.smart_charging")
        p = payload["chargingProfile"]
        try:
            if p["chargingProfilePurpose"] != "TxProfile" or "transactionId" in p:
                raise smart.Refused("a remote start brings a TxProfile without transactionId")
            w = smart.record(p, c.number, unit)
            if not station.store.change().room(w):
                raise smart.Refused("no room for its profile")
        except smart.Refused as e:
            unit.log("remote start refused: %s" % e)
            return {"status": "Rejected"}
    start = access.ask if asked else access.accept
    start(tag, c if number or c.plugged() else None, w)
    return {"status": "Accepted"}


def RemoteStopTransaction(unit, payload):
    """5.12: by its transactionId."""
    c = unit.station.running(payload["transactionId"])
    if c:
        c.stop(states.REMOTE)
    return {"status": "Accepted" if c else "Rejected"}


def _connector(station, number):
    return station.connectors[number - 1] if 0 < number <= len(station.connectors) else None


def ClearCache(unit, payload):
    """5.4: of tags that it has spoken of."""
    if not unit.settings.value("cache"):
        return {"status": "Rejected"}
    unit.station.local().clear()
    return {"status": "Accepted"}


def ChangeAvailability(unit, payload):
    """5.2: Scheduled where a transaction has to end first."""
    station, number = unit.station, payload["connectorId"]
    operative = payload["type"] == "Operative"
    known = 0 <= number <= len(station.connectors)
    done = known and lazy.load("station.availability").serve(station, number, operative)
    return {"status": ("Rejected", "Accepted", "Scheduled")[done]}


def UnlockConnector(unit, payload):
    """5.18: what runs there ends first; answered when the lock has moved, or has not."""
    c = _connector(unit.station, payload["connectorId"])
    if c is None or c.lock is None:
        return {"status": "NotSupported"}
    task = lazy.load("station.unlock").begin(c, unit.unlocking, _unlocked)
    return task or _unlocked(False)  # (the one before is still at it)


def _unlocked(done):
    return {"status": "Unlocked" if done else "UnlockFailed"}


def DataTransfer(unit, payload):
    """5.6: LimitReason of Pilotwire, with the connector as data, tells who decides its limit;
    OutsideLimit has a limit from outside as data, in words (station/impose.py)."""
    if payload["vendorId"] != "Pilotwire":
        return {"status": "UnknownVendorId"}
    if payload.get("messageId") == "OutsideLimit":
        try:
            return {"status": "Accepted", "data": unit.station.impose(payload.get("data", ""))}
        except ValueError as e:
            return {"status": "Rejected", "data": str(e)}
    if payload.get("messageId") != "LimitReason":
        return {"status": "UnknownMessageId"}
    for c in unit.station.connectors:
        if payload.get("data", "1") == str(c.number):
            purposes = lazy.load("ocpp.v16.words").PURPOSES
            reason = lazy.load("ocpp.reason").reason(unit.station, c, purposes)
            return {"status": "Accepted", "data": json.dumps(reason)}
    return {"status": "Rejected"}


def Reset(unit, payload):
    """5.14: it begins when the answer is on its way."""
    unit.rpc.after = lambda: unit.reset(payload["type"])
    return {"status": "Accepted"}
