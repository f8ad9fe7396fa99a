"""What the Central System may ask of OCPP 1.6 Core and RemoteTrigger: functions (of Core and the
payload) with the names of the actions. Seldom needed: loaded for one request."""

import asyncio
import json
import time
from micropython import const

from firmware.ocpp.configuration import MAX_KEYS
from firmware.ocpp.rpc import CallError, printable
from firmware.ocpp.v16.smart_charging import Refused, limit_by, limit_next
from firmware.station import states

_VENDOR = const("Pilotwire")  # vendorId of our own DataTransfer messages
_MAX_TRIGGERS = const(8)
_UNLOCK_ms = const(20000)  # for the current to end, and for all tries of the motor
_STEP_ms = const(100)


def RemoteStartTransaction(core, payload):
    """5.11, also with a TxProfile for it."""
    station = core.station
    tag = payload["idTag"]
    number = payload.get("connectorId")
    c = None
    if core.boot != "Accepted" or not _is_tag(tag):
        pass  # (4.2: not while Pending)
    elif number is None:
        c = station.choose()
    elif 1 <= number <= len(station.connectors):
        c = station.connectors[number - 1]
    if c is None or not c.free():
        return {"status": "Rejected"}
    w = None
    if "chargingProfile" in payload:
        p = payload["chargingProfile"]
        try:
            if p["chargingProfilePurpose"] != "TxProfile" or "transactionId" in p:
                raise Refused("a remote start brings a TxProfile without transactionId")
            w = core.smart.record(p, c.number)
            if not station.store.room(w):
                raise Refused("no room for its profile")
        except Refused as e:
            core.log("remote start refused: %s" % e)
            return {"status": "Rejected"}
    if core.settings.value("remote_authorise"):
        station.ask(tag, c if number or c.plugged() else None, w)
    else:
        station.accept(tag, c if number or c.plugged() else None, w)
    return {"status": "Accepted"}


def RemoteStopTransaction(core, payload):
    """5.12: by its transactionId."""
    c = core.station.running(payload["transactionId"])
    if c is None:
        return {"status": "Rejected"}
    c.stop(states.REMOTE)
    return {"status": "Accepted"}


def ClearCache(core, payload):
    """5.4: of tags that it has spoken of."""
    if not core.settings.value("cache"):
        return {"status": "Rejected"}
    core.station.local().clear()
    return {"status": "Accepted"}


def ChangeAvailability(core, payload):
    """5.2: Scheduled where a transaction has to end first."""
    station, number = core.station, payload["connectorId"]
    if not 0 <= number <= len(station.connectors):
        return {"status": "Rejected"}
    operative = payload["type"] == "Operative"
    if not station.set_availability(number, operative):
        return {"status": "Rejected"}
    later = [c.tx for c in station.connectors if c.tx and number in (0, c.number)]
    return {"status": "Scheduled" if later and not operative else "Accepted"}


def UnlockConnector(core, payload):
    """5.18: what runs there ends first; answered when the lock has moved, or has not."""
    number = payload["connectorId"]
    if not 0 < number <= len(core.station.connectors):
        return {"status": "NotSupported"}
    c = core.station.connectors[number - 1]
    if c.lock is None:
        return {"status": "NotSupported"}
    if c.number in core.unlocking:
        return {"status": "UnlockFailed"}  # the one before is still at it
    core.unlocking.append(c.number)
    return asyncio.create_task(_unlock(core, c))


async def _unlock(core, c):
    # A transaction ends first, the contactor opens, then the lock moves (5.18).
    status = "UnlockFailed"
    c.stop(states.UNLOCK)
    c.lock.reset()
    c.lock.release = True
    began = time.ticks_ms()
    try:
        while time.ticks_diff(time.ticks_ms(), began) < _UNLOCK_ms:
            await asyncio.sleep_ms(_STEP_ms)
            if not c.lock.holds:
                status = "Unlocked"
                break
    finally:
        core.unlocking.remove(c.number)
    return {"status": status}


def GetConfiguration(core, payload):
    """5.8, in pieces: all of it may be long."""
    names = payload.get("key", ())
    if len(names) > MAX_KEYS:
        raise CallError("PropertyConstraintViolation", "key: at most %d" % MAX_KEYS)
    return core.settings.pieces(names, printable)


def ChangeConfiguration(core, payload):
    """5.3: a key that is dialled with ends the connection after the answer."""
    status = core.settings.set(payload["key"], payload["value"])
    if status == "Accepted" and payload["key"] in ("AuthorizationKey", "SecurityProfile"):
        # (dialled with it: A01, A05.FR.06)
        core.rpc.after = lambda: core.close("another " + payload["key"])
    return {"status": status}


def DataTransfer(core, payload):
    """5.6: LimitReason of Pilotwire, with the connector as data, tells who decides its limit."""
    if payload["vendorId"] != _VENDOR:
        return {"status": "UnknownVendorId"}
    if payload.get("messageId") != "LimitReason":
        return {"status": "UnknownMessageId"}
    for c in core.station.connectors:
        if payload.get("data", "1") == str(c.number):
            reason = {"limit_mA": core.station.limit_mA(c)}
            reason["limit_by"] = limit_by(core.station, c)
            reason["limit_next"] = limit_next(core.station, c)
            return {"status": "Accepted", "data": json.dumps(reason)}
    return {"status": "Rejected"}


def Reset(core, payload):
    """5.14: it begins when the answer is on its way."""
    core.rpc.after = lambda: core.reset(payload["type"])
    return {"status": "Accepted"}


def TriggerMessage(core, payload):
    """5.17: the message comes after the answer."""
    action, number = payload["requestedMessage"], payload.get("connectorId")
    if number is not None and not 0 <= number <= len(core.station.connectors):
        return {"status": "Rejected"}
    if len(core.triggers) >= _MAX_TRIGGERS:
        return {"status": "Rejected"}
    core.triggers.append((action, number))
    core.rpc.after = core.wake.set
    return {"status": "Accepted"}


def _is_tag(tag):
    # CiString20 that can be sent back as it came; an empty one is nobody's. (By bytes: see rpc.)
    return tag and all([32 <= b < 127 for b in tag.encode("utf-8", "surrogatepass")])
