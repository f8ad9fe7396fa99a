"""What the versions of OCPP have in common of charging profiles: the fields of a payload become a
record, limits become text. What is declined, and how that is said, differs. Loaded for that."""

import asyncio
import gc
from micropython import const

from firmware import lazy
from firmware.charging import profile
from firmware.clock import parse_iso
from firmware.ocpp.rpc import CallError

KINDS = "Absolute", "Recurring", "Relative"  # profile.ABSOLUTE ..
RECURRENCIES = "Daily", "Weekly"
UNITS = "A", "W"
_LONG = const(80)  # words of a record: 34 periods, whose message has a buffer of its own
_MOST = const(10000000)  # tenths; whatever is above means the same


class Refused(Exception):
    """The request is understood and declined: its text says why; behind it may stand a code."""


def record(p, schedule, number, profile_id, purpose, transaction=None, schedule_id=0):
    """The record of a ChargingProfile payload `p` and its `schedule` for connector `number`.
    purpose: of profile.py; transaction: its number, or None. Raises Refused, and CallError for
    ids that no record can keep."""
    periods = schedule["chargingSchedulePeriod"]
    if not 1 <= len(periods) <= profile.MAX_PERIODS:
        raise Refused("%d periods, 1 to %d can be kept" % (len(periods), profile.MAX_PERIODS))
    if not 0 <= p["stackLevel"] <= profile.MAX_LEVEL:
        raise Refused("stackLevel is not 0 to %d" % profile.MAX_LEVEL)
    kind = KINDS.index(p["chargingProfileKind"])
    start, again = _time(schedule, "startSchedule"), p.get("recurrencyKind")
    duration, rate = schedule.get("duration"), schedule.get("minChargingRate")
    if duration is not None and duration < 0:
        raise Refused("duration is negative")
    if rate is not None and rate < 0:
        raise Refused("minChargingRate is negative")
    if kind == profile.RECURRING:
        if again is None:
            raise Refused("Recurring without recurrencyKind")
        if start is None:
            raise Refused("Recurring without startSchedule")  # A8
    elif kind == profile.RELATIVE:
        start = None
    for id in (profile_id, schedule_id):
        fits(id, 31, "id")
    return lazy.load("charging.record").pack(
        profile_id,
        number,
        p["stackLevel"],
        purpose,
        kind,
        _periods(periods),
        len(periods),
        rate=UNITS.index(schedule["chargingRateUnit"]),
        recurrency=None if again is None else RECURRENCIES.index(again),
        transaction=transaction,
        valid_from=_time(p, "validFrom"),
        valid_to=_time(p, "validTo"),
        start=start,
        duration=duration,
        min_rate=None if rate is None else _tenths(rate),
        schedule_id=schedule_id,
    )


async def settled(w, payload):
    """The record `w` that was made of `payload`, which goes. What is to last has its place in
    front then: behind a long message it would keep the heap in pieces, too small for the next."""
    payload.clear()
    await asyncio.sleep_ms(0)
    if len(w) > _LONG:
        gc.collect()
        await asyncio.sleep_ms(0)
        w = w[:]
    return w


def fits(number, bits, name):
    """Raises CallError unless `number` has so many bits beside its sign."""
    if not -(1 << bits) <= number < 1 << bits:
        raise CallError("PropertyConstraintViolation", "%s: too large to be kept" % name)


def _time(fields, name):
    return parse_iso(fields[name]) if name in fields else None


def _tenths(number):
    # Down (A31), but for what a float32 is off: 16.1 has no exact one, nor has 99999.9.
    return int(number * 10 + min(number * 5e-6, 0.04)) if number < _MOST // 10 else _MOST


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


async def composite(station, number, duration_s, unit, most_mA=None):
    """(now, the Composite of connector `number` (0: of all) from now): a few instants at a time,
    the tick goes on. most_mA: see station/profiles.py."""
    profiles = lazy.load("station.profiles")
    asked = number, duration_s, UNITS.index(unit), most_mA
    now, schedule = profiles.schedule(station, *asked)
    while profiles.compose(station, schedule):
        await asyncio.sleep_ms(0)
    return now, schedule


def periods(out):
    """Each period of Composite.out as JSON text, with a comma in front of all but the first."""
    for i in range(0, len(out), 3):
        yield ("," if i else "") + period(out[i], out[i + 1], out[i + 2])


def period(start_s, limit, phases):
    """A ChargingSchedulePeriod as JSON text; phases 0: it does not say."""
    more = ',"numberPhases":%d' % phases if phases else ""
    return '{"startPeriod":%d,"limit":%s%s}' % (start_s, tenths(limit), more)


def tenths(limit):
    """0.1 A or 0.1 W as a JSON number: written as integers, exact also with the ESP32's floats."""
    return "%d.%d" % (limit // 10, limit % 10) if limit % 10 else "%d" % (limit // 10)
