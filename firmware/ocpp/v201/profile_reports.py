"""ReportChargingProfilesRequest of OCPP 2.0.1 (K09): what is installed, as it was installed, to
the tenth and the second. Loaded while one is told."""

from micropython import const

from firmware import lazy
from firmware.charging import profile
from firmware.charging.profile import HEADER
from firmware.clock import format_iso

charging_profile = lazy.load("ocpp.charging_profile")
record = lazy.load("charging.record")
words = lazy.load("ocpp.v201.words")

_HEAD = const(8)  # periods that are as long as what stands around those of a profile
_ACTION = const("ReportChargingProfiles")
_MOST = const(104)  # in a message: 7 KB at most

# Words of a record and where they are told.
_PROFILE = (profile.VALID_FROM, "validFrom"), (profile.VALID_TO, "validTo")


def told(station, request_id, at, external=()):
    """Yields the messages (jobs.begin) that tell of the profiles in the places `at` (record.place;
    those of an EVSE stand together), and of limits from outside (external.py): (action, payload),
    of one EVSE each, and never more than a message can have. What is cleared before its message is
    made is not told."""
    while True:
        left = [w for w in [_at(station.store, one) for one in at] if w is not None]
        if not left:
            break
        found, size, number = [], 0, profile.connector(left[0])
        for w in left:
            size += _HEAD + record.count(w)
            if found and (size > _MOST or profile.connector(w) != number):
                break
            found.append(record.full(station.store, w))
        at = list(map(record.place, left[len(found) :]))
        c = station.connectors[number - 1] if number else None
        head = request_id, number, bool(at or external), c.tx.uuid if c and c.tx else None
        yield _ACTION, _payload(head, found)
    for i, one in enumerate(external):
        pieces = lazy.load("ocpp.v201.external").report
        yield _ACTION, _external(pieces, one, request_id, i + 1 < len(external))


def _external(pieces, one, request_id, more):
    return lambda: pieces(one, request_id, more)


def _payload(head, found):
    return lambda: _pieces(*head, found)


def _at(store, place):
    for w in store.records:
        if record.place(w) == place and not profile.replaced(w):
            return w
    return None


def _pieces(request_id, number, more, transaction, found):
    yield '{"requestId":%d,"evseId":%d,"chargingLimitSource":"CSO"' % (request_id, number)
    yield ',"tbc":true' if more else ""
    between = ',"chargingProfile":['
    for w in found:
        yield between
        yield '{"id":%d,"stackLevel":%d' % (w[profile.ID], profile.level(w))
        yield ',"chargingProfilePurpose":"%s"' % words.PURPOSES[profile.purpose(w)]
        yield ',"chargingProfileKind":"%s"' % charging_profile.KINDS[record.kind(w)]
        again = record.recurrency(w)
        if again is not None:
            yield ',"recurrencyKind":"%s"' % charging_profile.RECURRENCIES[again]
        for i, name in _PROFILE:
            yield _instant(w, i, name)
        if profile.purpose(w) == profile.TX and transaction:
            yield ',"transactionId":"%s"' % transaction
        yield ',"chargingSchedule":[{"id":%d' % w[profile.SCHEDULE]
        if record.kind(w) != profile.RELATIVE:  # (else it is a receipt: K01.FR.41)
            yield _instant(w, profile.START, "startSchedule")
        duration_s = record.said(w, profile.DURATION)
        if duration_s is not None:
            yield ',"duration":%d' % duration_s
        if w[profile.MIN_RATE] >= 0:
            yield ',"minChargingRate":' + charging_profile.tenths(w[profile.MIN_RATE])
        yield ',"chargingRateUnit":"%s"' % charging_profile.UNITS[profile.rate(w)]
        yield from _periods(w)
        yield "]}]}"
        between = ","
    yield "]}"


def _instant(w, i, name):
    t = record.said(w, i)
    return "" if t is None else ',"%s":"%s"' % (name, format_iso(t))


def _periods(w):
    between = ',"chargingSchedulePeriod":['
    for i in range(HEADER, HEADER + 2 * record.count(w), 2):
        limit, phases = w[i + 1] & 0xFFFFFF, w[i + 1] >> 24
        yield between + charging_profile.period(record.said(w, i), limit, phases)
        between = ","
