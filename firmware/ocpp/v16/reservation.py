"""OCPP 1.6 Reservation. Each handler gets requests.Requests."""

from firmware import lazy
from firmware.clock import parse_iso

_ANSWERS = "Accepted Faulted Occupied Rejected Unavailable"  # by what reserve() says (7.41)


def ReserveNow(unit, payload):
    """5.13: one with the same id is replaced."""
    station, module = unit.station, lazy.load("station.reservations")
    group = station.local().group(payload.get("parentIdTag"))
    end_s = parse_iso(payload["expiryDate"])
    number, tag = payload["connectorId"], payload["idTag"]
    r = module.Reservation(payload["reservationId"], number, tag, group, end_s)
    reservations = station.reservations or module.Reservations(station)
    return {"status": _ANSWERS.split(" ")[reservations.reserve(r)]}


def CancelReservation(unit, payload):
    """5.1."""
    reservations = unit.station.reservations
    done = reservations and reservations.cancel(payload["reservationId"])
    return {"status": "Accepted" if done else "Rejected"}
