"""Charging profiles as payloads, for the demonstration, the benchmarks and the tests."""

from datetime import datetime


def iso(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def profile(id, purpose, periods, *, level=0, kind="Absolute", unit="A", **more):
    """A ChargingProfile of OCPP 1.6. periods: {startPeriod: limit} or [(start, limit, phases)].

    `more`: fields of the schedule (startSchedule, duration, minChargingRate) or of the profile;
    date-times may be datetime objects.
    """
    if isinstance(periods, dict):
        periods = periods.items()
    entries = []
    for start, limit, *phases in periods:
        entries.append({"startPeriod": start, "limit": limit})
        if phases:
            entries[-1]["numberPhases"] = phases[0]
    more = {k: iso(v) if isinstance(v, datetime) else v for k, v in more.items()}
    schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": entries}
    for name in ("startSchedule", "duration", "minChargingRate"):
        if name in more:
            schedule[name] = more.pop(name)
    purpose = {"Tx": "TxProfile", "Default": "TxDefaultProfile", "Max": "ChargePointMaxProfile"}[
        purpose
    ]
    return {
        "chargingProfileId": id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
        **more,
    }


_PURPOSES = {"ChargePointMaxProfile": "ChargingStationMaxProfile"}  # others have one name


def in_201(p):
    """A ChargingProfile of OCPP 1.6 as 2.0.1 has it: its one schedule gets the profile's id."""
    p = dict(p)
    id, purpose = p.pop("chargingProfileId"), p.pop("chargingProfilePurpose")
    schedule = {"id": id, **p.pop("chargingSchedule")}
    return {
        "id": id,
        "chargingProfilePurpose": _PURPOSES.get(purpose, purpose),
        "chargingSchedule": [schedule],
        **p,
    }


def profile_201(*words, **more):
    """See profile(), in OCPP 2.0.1."""
    return in_201(profile(*words, **more))
