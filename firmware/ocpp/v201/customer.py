"""What the unit knows of a customer (N09, N10), as text, and what of it is cleared. Loaded while
that is told."""

import json
from micropython import const

from firmware import lazy
from firmware.charging import profile
from firmware.clock import format_iso

_PIECE = const(512)  # characters of `data`, at most


def told(unit, request, token, report, clear):
    """Generator: NotifyCustomerInformationRequests, of which each but the last has tbc, about an
    IdTokenType (None: about nobody who could be known). Where it is to `clear` that is done before
    the first is told (N10.FR.03)."""
    lines, cleared = [], True
    if token:
        kind = lazy.load("ocpp.v201.words").kind(token)
        for line in _lines(unit, token["idToken"], kind, clear):
            if line is None:
                yield None
            else:
                lines.append(line[:_PIECE])
        if clear and unit.station.local().held(token["idToken"], kind)[1]:
            cleared = unit.station.local().forget(token["idToken"], kind)
    if not report:  # (N10.FR.06)
        lines = ["Data of the customer is cleared." if cleared else "The flash refused to clear."]
    elif not lines:  # (N09.FR.06)
        lines = ["No data of the customer is found."]
    yield from _told(request, format_iso(unit.station.clock.now()), lines)


def _told(request, at, lines):
    # As many whole lines as fit into each message; of them none is long.
    seq, data = 0, ""
    for line in lines:
        if data and len(data) + len(line) + 1 > _PIECE:
            yield "NotifyCustomerInformation", _payload(request, at, seq, data, True)
            seq, data = seq + 1, ""
        data += ("\n" if data else "") + line
    yield "NotifyCustomerInformation", _payload(request, at, seq, data, False)


def _payload(request, at, seq, data, more):
    return {"requestId": request, "generatedAt": at, "seqNo": seq, "data": data, "tbc": more}


def _lines(unit, text, kind, clear):
    # Generator: what there is, a line each, and None now and then.
    station, said = unit.station, text.lower()
    listed, cached = station.local().held(text, kind)
    if listed:
        yield "It is in the local authorization list, which SendLocalList changes."
    if cached:
        yield "It is in the authorization cache" + (", and is taken out." if clear else ".")
    yield None
    for r in station.reservations.list if station.reservations else ():
        if r.token.lower() == said:
            yield "Reservation %d, until %s." % (r.id, format_iso(r.end_s))
    for c in station.connectors:
        if c.waits and (c.waits.token.lower(), c.waits.kind) == (said, kind):
            yield "It waits for a car at EVSE %d." % c.number
    folder = station.journal.folder
    for number in lazy.load("storage.resume").numbers(folder):
        running = [c.tx for c in station.connectors if c.tx and c.tx.number == number]
        tx = running[0] if running else folder.read(number)
        of = tx and ((tx.token, tx.kind), (tx.stop_token or "", tx.stop_kind))
        if of and (said, kind) in [(one.lower(), of_kind) for one, of_kind in of]:
            yield _transaction(station, tx)
        yield None


def _transaction(station, tx):
    # All that is kept of it until the Central System has all of it.
    fields = {"transactionId": tx.uuid, "evseId": tx.connector, "start": format_iso(tx.start_s)}
    fields["meterStart_Wh"] = tx.start_Wh
    if tx.stop_s is not None:
        fields.update(stop=format_iso(tx.stop_s), meterStop_Wh=tx.stop_Wh)
    profiles = [w for w in station.store.records if profile.transaction(w) == tx.number]
    text = "Transaction %s, kept until all of it is told" % json.dumps(fields)
    return text + (", with %d profiles." % len(profiles) if profiles else ".")
