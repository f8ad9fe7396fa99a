"""OCPP 2.0.1, K: smart charging (docs/smart-charging.md). Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy
from firmware.charging import profile
from firmware.clock import format_iso
from firmware.ocpp.rpc import CallError
from firmware.ocpp.v201.refusal import refused

charging_profile = lazy.load("ocpp.charging_profile")
Refused = charging_profile.Refused

_CSO = const("CSO")  # the chargingLimitSource of what a Central System has installed
_EXTERNAL = const("ChargingStationExternalConstraints")
_PROFILE = const("InvalidProfile")
_SCHEDULE = const("InvalidSchedule")  # (also what has no code of its own)
_TWICE = const("DuplicateProfile")


async def SetChargingProfile(unit, payload):
    """K01: the rules of the specification, then the owner's, then the store."""
    station, number = unit.station, payload["evseId"]
    try:
        w, tariff = _made(unit, payload["chargingProfile"], number)
        w = await charging_profile.settled(w, payload)
        _unique(station.store.records, w)
        if station.policy and not station.policy.accept(w, station):
            raise Refused("by policy.py", _PROFILE)
        refusal = lazy.load("station.profiles").install(station, w, True)
        if refusal:
            raise Refused(refusal, "OutOfStorage")
    except Refused as e:
        return _declined(unit, e)
    if profile.purpose(w) == profile.TX:  # K15.FR.10, K16.FR.05
        lazy.load("station.needs").planned(station, number)
    if tariff:
        return refused("Accepted", "UnsupportedParam", "the salesTariff is not kept")
    return {"status": "Accepted"}


def starting(unit, p, c):
    """K05: (record, None) of a TxProfile for the transaction that is about to begin on connector
    `c`, or (None, why not: an answer)."""
    try:
        if p["chargingProfilePurpose"] != "TxProfile" or "transactionId" in p:
            raise Refused("a start brings a TxProfile without transactionId", _PROFILE)
        w = _record(unit, p, c.number, None)
        if not unit.station.store.change().room(w, True):
            raise Refused("no room for its profile", "OutOfStorage")
    except Refused as e:
        return None, _declined(unit, e)
    return w, None


def _declined(unit, e):
    text, reason = (e.args + (_SCHEDULE,))[:2]
    unit.log("charging profile refused: %s" % text)
    return refused("Rejected", reason, text)


def _made(unit, p, number):
    # (the record, is there a tariff?). Who waits would keep the profile on their stack.
    w = _record(unit, p, number, _running(unit.station, p, number))
    return w, "salesTariff" in p["chargingSchedule"][0]


def _running(station, p, number):
    # The number of the transaction of a TxProfile, None of others.
    if not 0 <= number <= len(station.connectors):
        raise Refused("no EVSE %d" % number, "UnknownEvse")  # K01.FR.28
    if p["chargingProfilePurpose"] != "TxProfile":
        return None
    if not number:
        raise Refused("a TxProfile is for one EVSE", _PROFILE)  # K01.FR.16
    if "transactionId" not in p:
        raise Refused("a TxProfile has a transactionId", "MissingParam")  # K01.FR.03
    c = station.running(p["transactionId"])
    if not c or c.number != number:  # K01.FR.09, K01.FR.33
        raise Refused("that transaction does not run on EVSE %d" % number, "TxNotFound")
    return c.tx.number


def _record(unit, p, number, transaction):
    # The record of a ChargingProfileType for EVSE `number`, and what can be said of it alone.
    purposes = lazy.load("ocpp.v201.words").PURPOSES
    if p["chargingProfilePurpose"] not in purposes:
        raise Refused("%s come from elsewhere" % _EXTERNAL, _PROFILE)  # K01.FR.22
    limits = unit.station.sharing.outside
    if limits and lazy.load("ocpp.v201.external").has(limits, p["id"]):
        raise Refused("that id is of one that comes from elsewhere", _PROFILE)  # K01.FR.05
    purpose, kind = purposes.index(p["chargingProfilePurpose"]), p["chargingProfileKind"]
    schedule = p["chargingSchedule"][0]
    periods = schedule["chargingSchedulePeriod"]
    if len(p["chargingSchedule"]) > 1:
        raise Refused("several schedules are for ISO 15118", "TooManyElements")
    if len(periods) > profile.MAX_PERIODS:  # K01.FR.34
        raise Refused("more than %d periods" % profile.MAX_PERIODS, "TooManyElements")
    if not 0 <= p["stackLevel"] <= profile.MAX_LEVEL:  # K01.FR.29
        raise Refused("stackLevel is not 0 to %d" % profile.MAX_LEVEL, "InvalidStackLevel")
    if purpose == profile.CEILING and (number or kind == "Relative"):  # K01.FR.38
        raise Refused("it is for evseId 0, and not Relative", _PROFILE)
    if ("startSchedule" in schedule) == (kind == "Relative"):  # K01.FR.40, K01.FR.41
        raise Refused("startSchedule: with all but Relative", _SCHEDULE)
    if [one for one in periods if "phaseToUse" in one]:  # K01.FR.20, K01.FR.54
        raise Refused("phaseToUse: this station cannot choose its phase", _SCHEDULE)
    if "transactionId" in p and transaction is None:
        unit.log("charging profile %d: its transactionId is ignored" % p["id"])  # A13
    return charging_profile.record(
        p, schedule, number, p["id"], purpose, transaction, schedule["id"]
    )


def _unique(records, w):
    # No two may say something of one instant (K01.FR.06, K01.FR.39), nor may a level have defaults
    # for the station and for one EVSE (K01.FR.52, K01.FR.53). Of one id the new one replaces.
    purpose, number = profile.purpose(w), profile.connector(w)
    made = lazy.load("charging.record")
    for r in records:
        if r[profile.ID] == w[profile.ID] or profile.replaced(r) or made.stands_in(r):
            continue
        if profile.purpose(r) != purpose or profile.level(r) != profile.level(w):
            continue
        other = profile.connector(r)
        if other == number:
            clash = purpose == profile.TX or made.overlap(w, r)
        else:
            clash = purpose == profile.TX_DEFAULT and not (number and other)
        if clash:
            raise Refused("profile %d has that level on EVSE %d" % (r[profile.ID], other), _TWICE)


def ClearChargingProfile(unit, payload):
    """K10: by id alone, or by all else that is given."""
    criteria, purpose = payload.get("chargingProfileCriteria") or {}, None
    if "chargingProfilePurpose" in criteria:
        purpose = _purpose(criteria)
        if purpose is None and "chargingProfileId" not in payload:  # K10.FR.04
            return refused("Unknown", "NotFound", "no such profile is installed")
    gone = lazy.load("station.profiles").clear(
        unit.station,
        payload.get("chargingProfileId"),
        criteria.get("evseId"),
        purpose,
        criteria.get("stackLevel"),
    )
    if not gone:
        return refused("Unknown", "NotFound", "no such profile is installed")
    return {"status": "Accepted"}


def _purpose(criteria):
    # Of profile.py, or None: of none that a Central System installs.
    name, purposes = criteria["chargingProfilePurpose"], lazy.load("ocpp.v201.words").PURPOSES
    return purposes.index(name) if name in purposes else None


def GetChargingProfiles(unit, payload):
    """K09: what is asked for follows, once the answer has left."""
    asked, number = payload["chargingProfile"], payload.get("evseId")
    ids, level = asked.get("chargingProfileId"), asked.get("stackLevel")
    purpose = _purpose(asked) if "chargingProfilePurpose" in asked else None
    none = "chargingProfilePurpose" in asked and purpose is None
    none = none or _CSO not in asked.get("chargingLimitSource", (_CSO,))
    found, place = [], lazy.load("charging.record").place
    for w in () if none else unit.station.store.records:
        if profile.replaced(w) or ids is not None and w[profile.ID] not in ids:
            continue
        wanted = (number, purpose, level)
        has = profile.connector(w), profile.purpose(w), profile.level(w)
        if all([x in (None, y) for x, y in zip(wanted, has)]):
            found.append(place(w))
    limits, external = unit.station.sharing.outside, ()
    if limits:
        external = lazy.load("ocpp.v201.external").wanted(limits, asked, number)
    if not (found or external):
        return refused("NoProfiles", "NotFound", "no such profile is installed")
    found.sort(key=lambda at: (at & 0xFF, at))  # (of each EVSE a message at least)
    asked = unit.station, payload["requestId"], found, external
    if not lazy.load("ocpp.jobs").begin(unit.outbox, "profile_reports", *asked):
        raise CallError("GenericError", "other reports have to end first")
    return {"status": "Accepted"}


async def GetCompositeSchedule(unit, payload):
    """K08."""
    number, duration_s = payload["evseId"], payload["duration"]
    unit_asked = payload.get("chargingRateUnit", "A")
    if not 0 <= number <= len(unit.station.connectors):
        return refused("Rejected", "UnknownEvse", "no EVSE %d" % number)  # K08.FR.05
    if duration_s < 0:
        return refused("Rejected", "ValuePositiveOnly", "duration is negative")
    now, made = await charging_profile.composite(unit.station, number, duration_s, unit_asked)
    return lambda: _composite(number, now, unit_asked, made)


def _composite(number, now, rate, made):
    # GetCompositeScheduleResponse in pieces: 96 periods as objects would be 10 KB.
    yield '{"status":"Accepted","schedule":{"evseId":%d,"scheduleStart":"%s",' % (
        number,
        format_iso(now),
    )
    yield '"duration":%d,"chargingRateUnit":"%s",' % (made.length_s, rate)
    yield '"chargingSchedulePeriod":['
    yield from charging_profile.periods(made.out)
    yield "]}}"
