"""OCPP 1.6 SmartCharging (docs/smart-charging.md). Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy
from firmware.charging import profile
from firmware.clock import format_iso
from firmware.ocpp.rpc import CallError

charging_profile = lazy.load("ocpp.charging_profile")
Refused = charging_profile.Refused

_PURPOSES = const(("TxProfile", "TxDefaultProfile", "ChargePointMaxProfile"))  # as in words.py
_NOBODY = const(-1)  # no transaction has that number


async def SetChargingProfile(unit, payload):
    """5.16: the owner's rules, then the store."""
    station = unit.station
    number = payload["connectorId"]
    if not 0 <= number <= len(station.connectors):
        raise CallError("PropertyConstraintViolation", "connectorId: no such connector")
    try:
        w = record(payload["csChargingProfiles"], number, unit)
        w = await charging_profile.settled(w, payload)
        if station.policy and not station.policy.accept(w, station):
            raise Refused("by policy.py")
        refusal = lazy.load("station.profiles").install(station, w)
        if refusal:
            raise Refused(refusal)
    except Refused as e:
        unit.log("charging profile refused: %s" % e)
        return {"status": "Rejected"}
    return {"status": "Accepted"}


def record(p, number, unit):
    """The record of a ChargingProfile payload for connector `number`. Raises Refused."""
    profile_id, transaction = p["chargingProfileId"], p.get("transactionId")
    purpose = _PURPOSES.index(p["chargingProfilePurpose"])
    charging_profile.fits(transaction or 0, 63, "transactionId")
    if transaction is not None and purpose != profile.TX:
        unit.log("charging profile %d: its transactionId is ignored" % profile_id)  # A13
        transaction = None
    elif transaction is not None:
        transaction = _number(unit.station, transaction, number)
    return charging_profile.record(
        p, p["chargingSchedule"], number, profile_id, purpose, transaction
    )


def _number(station, transaction_id, number):
    # Our number of the transaction, if it runs on connector `number`.
    for c in station.connectors:
        if c.number == number and c.tx and c.tx.id == transaction_id:
            return c.tx.number
    return _NOBODY


def ClearChargingProfile(unit, payload):
    """5.5: by id alone, or by all else that is given."""
    purpose = payload.get("chargingProfilePurpose")
    gone = lazy.load("station.profiles").clear(
        unit.station,
        payload.get("id"),
        payload.get("connectorId"),
        None if purpose is None else _PURPOSES.index(purpose),
        payload.get("stackLevel"),
    )
    return {"status": "Accepted" if gone else "Unknown"}


async def GetCompositeSchedule(unit, payload):
    """5.7."""
    number, duration_s = payload["connectorId"], payload["duration"]
    rate_unit = payload.get("chargingRateUnit", "A")
    if not 0 <= number <= len(unit.station.connectors) or duration_s < 0:
        return {"status": "Rejected"}
    now, made = await charging_profile.composite(unit.station, number, duration_s, rate_unit)
    return lambda: _composite(number, now, rate_unit, made)


def _composite(number, now, rate, made):
    # GetCompositeSchedule.conf in pieces: 96 periods as objects would be 10 KB.
    yield '{"status":"Accepted","connectorId":%d,"scheduleStart":"%s",' % (number, format_iso(now))
    yield '"chargingSchedule":{"duration":%d,"chargingRateUnit":"%s",' % (made.length_s, rate)
    yield '"chargingSchedulePeriod":['
    yield from charging_profile.periods(made.out)
    yield "]}}"
