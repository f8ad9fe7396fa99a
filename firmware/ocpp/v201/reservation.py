"""OCPP 2.0.1, H: reservation. Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy
from firmware.clock import parse_iso
from firmware.ocpp.v201.refusal import refused, unknown

# By what reserve() says (station/reservations.py): ReserveNowStatusEnumType, and why.
_ANSWERS = const(
    "Accepted  |Faulted InternalError a fault|Occupied TxInProgress in use or reserved|"
    "Rejected InternalError it cannot be kept, or is just starting|Unavailable NotEnabled out of"
    " service"
)
_ANY = const("Unknown")  # (as Undetermined: it says nothing of a connector)


def ReserveNow(unit, payload):
    """H01: of an EVSE, or of any; one with the same id is replaced."""
    station, words = unit.station, lazy.load("ocpp.v201.words")
    number, plug = payload.get("evseId"), payload.get("connectorType", _ANY)
    if not unit.settings.value("reservable"):  # (H01.FR.01)
        return refused("Rejected", "NotEnabled", "ReservationCtrlr.Enabled is false")
    why = None if number is None else unknown(unit, {"id": number})
    if why:
        return why
    those = station.connectors if number is None else [station.connectors[number - 1]]
    if plug not in [_ANY, "Undetermined"] + [words.plug(c) for c in those]:
        text = "there is no such connector, but " + words.plug(those[0])
        return refused("Rejected", "UnknownConnectorType", text)
    end_s, token = parse_iso(payload["expiryDateTime"]), payload["idToken"]["idToken"]
    if not station.clock.known() or end_s <= station.clock.now():
        return refused("Rejected", "InvalidValue", "expiryDateTime is over, or nobody knows")
    module = lazy.load("station.reservations")
    group = words.group(payload, station.local())
    r = module.Reservation(payload["id"], number or 0, token, group, end_s)
    done = (station.reservations or module.Reservations(station)).reserve(r)
    status, reason, text = _ANSWERS.split("|")[done].split(" ", 2)
    return refused(status, reason, text) if done else {"status": status}


def CancelReservation(unit, payload):
    """H02."""
    reservations, id = unit.station.reservations, payload["reservationId"]
    if reservations and reservations.cancel(id):
        return {"status": "Accepted"}
    return refused("Rejected", "NotFound", "no reservation %d" % id)
