"""OCPP 2.0.1, K15 to K17, as far as a station without ISO 15118 goes: what a car needs, and the
plan that follows from the profile that comes for it. Loaded while one is told."""

from micropython import const

from firmware import lazy
from firmware.charging import profile
from firmware.clock import format_iso
from firmware.ocpp.text import printable
from firmware.station import metering

_LEAST_A = const(6)  # the pilot cannot say less (IEC 61851-1)
_FLOWS_mA = const(1000)
_DAY_s = const(86400)
_TRANSFERS = "AC_single_phase", "AC_two_phase", "AC_three_phase"
_STATUSES = "Accepted", "Rejected", "Processing"


async def tell(outbox, c, silent):
    """Tell what the car of connector `c` needs, or the plan that has come of it, whichever is due
    (station/needs.py). What is lost with the connection, or not answered, is told again; but not
    to who never answers that (`silent`)."""
    station, tx, needs = outbox.station, c.tx, lazy.load("station.needs")
    what = needs.due(station, c)
    if not what:
        return
    conf, told = None, False
    tx.needs &= ~what  # (meanwhile it may be said anew)
    try:
        if what == needs.NEEDS:
            action, payload = "NotifyEVChargingNeeds", _needs(station, c, needs)
        else:
            action, payload = "NotifyEVChargingSchedule", await _plan(station, c, needs)
        if c.tx is not tx:
            return
        before = action in silent
        conf = await outbox.ask(action, payload)
        told = conf is not None or outbox.refused or before
    finally:
        if not told:
            tx.needs |= what
    if told and c.tx is tx:
        status, text = _heard(conf or {})
        needs.answered(station, c, what, status)
        outbox.log("connector %d: %s: %s" % (c.number, action, text))


def _needs(station, c, needs):
    # Of NotifyEVChargingNeedsRequest (K15.FR.01).
    charging = {
        "requestedEnergyTransfer": _TRANSFERS[_phases(c) - 1],
        "acChargingParameters": {
            "energyAmount": needs.left_Wh(c),
            "evMinCurrent": _LEAST_A,
            "evMaxCurrent": needs.most_mA(c) // 1000,
            "evMaxVoltage": station.sharing.evaluator.voltage_V,
        },
    }
    if c.tx.until_s:
        charging["departureTime"] = format_iso(c.tx.until_s)
    return {
        "evseId": c.number,
        "maxScheduleTuples": profile.MAX_PERIODS,
        "chargingNeeds": charging,
    }


def _phases(c):
    # Those that it draws from; before it does, or while a profile allows it less, those there are.
    flows = [mA for mA in c.meter.current_mA if mA and mA >= _FLOWS_mA]
    if flows and c.meter.known() and c.controller.closed and c.phases in (0, 3):
        return len(flows)
    return metering.phases(c.meter)


async def _plan(station, c, needs):
    # Of NotifyEVChargingScheduleRequest (K15.FR.10, K16.FR.05): the composite schedule, cut to
    # what station and cable give, until its car leaves; in the unit and by the id of the TxProfile
    # that decides, so that both can be compared.
    shared, w = lazy.load("ocpp.charging_profile"), _decides(station, c)
    rate = shared.UNITS[profile.rate(w) if w else profile.AMPS]
    left_s = c.tx.until_s - station.clock.now()
    asked = c.number, left_s if left_s > 0 else _DAY_s, rate, needs.most_mA(c)
    now, made = await shared.composite(station, *asked)
    head = c.number, format_iso(now), w[profile.SCHEDULE] if w else 0, rate, made.length_s
    return lambda: _pieces(head, made.out)


def _decides(station, c):
    found = None
    for w in station.store.records:
        if profile.purpose(w) == profile.TX and profile.connector(w) == c.number:
            if not profile.replaced(w) and (not found or profile.level(w) > profile.level(found)):
                found = w
    return found


def _pieces(head, out):
    yield '{"evseId":%d,"timeBase":"%s","chargingSchedule":{"id":%d' % head[:3]
    yield ',"chargingRateUnit":"%s","duration":%d,"chargingSchedulePeriod":[' % head[3:]
    yield from lazy.load("ocpp.charging_profile").periods(out)
    yield "]}}"


def _heard(conf):
    # (1 and up, by the status of an answer to either, or 0: none; a text for the log)
    status, info = conf.get("status"), conf.get("statusInfo") or {}
    if status not in _STATUSES:
        return 0, "no status"
    more = [info[name] for name in ("reasonCode", "additionalInfo") if info.get(name)]
    return _STATUSES.index(status) + 1, printable(", ".join([status] + more))
