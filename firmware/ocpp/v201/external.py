"""OCPP 2.0.1, K11 to K13: limits from outside the Central System (station/outside.py) are told,
and reported as profiles. Loaded for that."""

from micropython import const

from firmware import lazy
from firmware.clock import FAR, format_iso

period = lazy.load("ocpp.charging_profile").period

_SOURCES = const("EMS SO Other SO")  # ChargingLimitSourceEnumType
_PURPOSE = const("ChargingStationExternalConstraints")
_LEVEL = const(0)


def told(key, one, settings):
    """(action, payload) of what Outside.news() says: a limit, or that it is over."""
    source, number = key
    if one:
        schedules = settings.value("limit_schedules")
        return "NotifyChargingLimit", lambda: _limit(one, schedules)
    payload = {"chargingLimitSource": _SOURCES.split(" ")[source]}
    if number:
        payload["evseId"] = number
    return "ClearedChargingLimit", payload


def has(outside, id):
    """The profile with this id is a limit from outside."""
    return any([_id(one) == id for one in outside.list])


def wanted(outside, asked, number):
    """The limits that are meant by a ChargingProfileCriterionType, and an evseId or None."""
    ids, sources = asked.get("chargingProfileId"), asked.get("chargingLimitSource")
    if asked.get("chargingProfilePurpose", _PURPOSE) != _PURPOSE:
        return ()
    if asked.get("stackLevel", _LEVEL) != _LEVEL:
        return ()
    return [
        one
        for one in outside.list
        if (ids is None or _id(one) in ids)
        and (sources is None or _SOURCES.split(" ")[one.source] in sources)
        and number in (None, one.number)
    ]


def report(one, request_id, more):
    """ReportChargingProfilesRequest of one limit, in pieces; `more` are to come."""
    word = _SOURCES.split(" ")[one.source]
    said = request_id, one.number, word, ',"tbc":true' if more else ""
    yield '{"requestId":%d,"evseId":%d,"chargingLimitSource":"%s"%s' % said
    said = _id(one), _LEVEL, _PURPOSE
    yield ',"chargingProfile":[{"id":%d,"stackLevel":%d,"chargingProfilePurpose":"%s"' % said
    yield ',"chargingProfileKind":"Absolute","chargingSchedule":['
    yield from _schedule(one)
    yield "]}]}"


def _limit(one, schedules):
    # NotifyChargingLimitRequest (K11, K12).
    said = _SOURCES.split(" ")[one.source], str(one.critical).lower()
    yield '{"chargingLimit":{"chargingLimitSource":"%s","isGridCritical":%s}' % said
    if one.number:
        yield ',"evseId":%d' % one.number
    if schedules:  # K11.FR.03, K12.FR.03
        yield ',"chargingSchedule":['
        yield from _schedule(one)
        yield "]"
    yield "}"


def _schedule(one):
    # As it was said: until its end, or with what holds from then on.
    yield '{"id":%d,"startSchedule":"%s"' % (_id(one), format_iso(one.since_s))
    lasts_s = one.until_s - one.since_s
    if one.until_s < FAR and one.safe_mA is None:
        yield ',"duration":%d' % lasts_s
    yield ',"chargingRateUnit":"A","chargingSchedulePeriod":[' + period(0, one.limit_mA // 100, 0)
    if one.safe_mA is not None:
        yield "," + period(lasts_s, one.safe_mA // 100, 0)
    yield "]}"


def _id(one):
    # Negative, as no Central System has them: -10 is of energy management for the station, -11 for
    # EVSE 1, -20 of the grid's operator (MaxExternalConstraintsId).
    return -10 * (one.source + 1) - one.number
