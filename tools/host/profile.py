"""Charging profiles as OCPP 1.6 payloads, for the demonstration, the benchmarks and the tests."""

from datetime import datetime


def iso(when):
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def profile(id, purpose, periods, *, level=0, kind="Absolute", unit="A", **more):
    """A ChargingProfile. periods: {startPeriod: limit} or [(start, limit, phases)].

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
