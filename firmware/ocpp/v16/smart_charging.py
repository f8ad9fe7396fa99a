"""OCPP 1.6 SmartCharging (docs/smart-charging.md). Each handler gets requests.Requests."""

import asyncio
from micropython import const

from firmware import lazy
from firmware.charging import profile
from firmware.clock import format_iso, parse_iso
from firmware.ocpp.rpc import CallError

_PURPOSES = const(("TxProfile", "TxDefaultProfile", "ChargePointMaxProfile"))  # as in words.py
_KINDS = const(("Absolute", "Recurring", "Relative"))
_RECURRENCIES = const(("Daily", "Weekly"))
_UNITS = const(("A", "W"))
_NOBODY = const(-1)  # no transaction has that number


class Refused(Exception):
    """The request is understood and declined; the text says why."""


def SetChargingProfile(unit, payload):
    """5.16: the owner's rules, then the store."""
    station = unit.station
    number = payload["connectorId"]
    if not 0 <= number <= len(station.connectors):
        raise CallError("PropertyConstraintViolation", "connectorId: no such connector")
    try:
        w = record(payload["csChargingProfiles"], number, unit)
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
    schedule = p["chargingSchedule"]
    periods = schedule["chargingSchedulePeriod"]
    if not 1 <= len(periods) <= profile.MAX_PERIODS:
        raise Refused("%d periods, 1 to %d can be kept" % (len(periods), profile.MAX_PERIODS))
    if not 0 <= p["stackLevel"] <= profile.MAX_LEVEL:
        raise Refused("stackLevel is not 0 to %d" % profile.MAX_LEVEL)
    kind = _KINDS.index(p["chargingProfileKind"])
    purpose = _PURPOSES.index(p["chargingProfilePurpose"])
    start = _time(schedule, "startSchedule")
    duration, rate = schedule.get("duration"), schedule.get("minChargingRate")
    if duration is not None and duration < 0:
        raise Refused("duration is negative")
    if rate is not None and rate < 0:
        raise Refused("minChargingRate is negative")
    recurrency = 0
    if kind == profile.RECURRING:
        if "recurrencyKind" not in p:
            raise Refused("Recurring without recurrencyKind")
        if start is None:
            raise Refused("Recurring without startSchedule")  # A8
        recurrency = _RECURRENCIES.index(p["recurrencyKind"])
    elif kind == profile.RELATIVE:
        start = None
    profile_id, transaction = p["chargingProfileId"], p.get("transactionId")
    _fits(profile_id, 31, "chargingProfileId")
    _fits(transaction or 0, 63, "transactionId")
    if transaction is not None and purpose != profile.TX:
        unit.log("charging profile %d: its transactionId is ignored" % profile_id)  # A13
        transaction = None
    elif transaction is not None:
        transaction = _number(unit.station, transaction, number)
    return profile.pack(
        profile_id,
        number,
        p["stackLevel"],
        purpose,
        kind,
        _periods(periods),
        len(periods),
        rate=_UNITS.index(schedule["chargingRateUnit"]),
        recurrency=recurrency,
        transaction=transaction,
        valid_from=_time(p, "validFrom"),
        valid_to=_time(p, "validTo"),
        start=start,
        duration=duration,
        min_rate=None if rate is None else _tenths(rate),
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
    """5.7: a few instants at a time, the tick goes on."""
    number, duration_s = payload["connectorId"], payload["duration"]
    rate_unit = payload.get("chargingRateUnit", "A")
    if not 0 <= number <= len(unit.station.connectors) or duration_s < 0:
        return {"status": "Rejected"}
    profiles = lazy.load("station.profiles")
    rate = _UNITS.index(rate_unit)
    now, schedule = profiles.schedule(unit.station, number, duration_s, rate)
    while profiles.compose(unit.station, schedule):
        await asyncio.sleep_ms(0)
    return lambda: _composite(number, now, rate_unit, schedule)


def _composite(number, now, rate, schedule):
    # GetCompositeSchedule.conf in pieces: 96 periods as objects would be 10 KB.
    yield '{"status":"Accepted","connectorId":%d,"scheduleStart":"%s",' % (number, format_iso(now))
    yield '"chargingSchedule":{"duration":%d,"chargingRateUnit":"%s",' % (schedule.length_s, rate)
    yield '"chargingSchedulePeriod":['
    out = schedule.out
    for i in range(0, len(out), 3):
        limit = out[i + 1]  # written as integers: exact also with the ESP32's floats
        yield '%s{"startPeriod":%d,"limit":%d%s%s}' % (
            "," if i else "",
            out[i],
            limit // 10,
            ".%d" % (limit % 10) if limit % 10 else "",
            ',"numberPhases":%d' % out[i + 2] if out[i + 2] else "",
        )
    yield "]}}"


def _time(fields, name):
    return parse_iso(fields[name]) if name in fields else None


def _fits(number, bits, name):
    if not -(1 << bits) <= number < 1 << bits:
        raise CallError("PropertyConstraintViolation", "%s: too large to be kept" % name)


def _tenths(number):
    # Down (A31), but for what a float32 is off: 16.1 has no exact one, nor has 99999.9.
    return int(number * 10 + min(number * 5e-6, 0.04)) if number < 1000000 else 10000000


def _periods(periods):
    before = -1
    for p in periods:
        start_s, limit, phases = p["startPeriod"], p["limit"], p.get("numberPhases")
        if start_s <= before or before < 0 and start_s:
            raise Refused("startPeriods must begin at 0 and increase")
        if limit < 0:
            raise Refused("a limit is negative")
        if phases is not None and not 1 <= phases <= 3:
            raise Refused("numberPhases is not 1 to 3")
        before = start_s
        yield start_s, _tenths(limit), phases or 0
