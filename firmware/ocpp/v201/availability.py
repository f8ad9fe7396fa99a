"""OCPP 2.0.1, G: availability. Each handler gets requests.Requests."""

from firmware import lazy
from firmware.ocpp.v201.refusal import refused, unknown


def ChangeAvailability(unit, payload):
    """G03 of an EVSE or its one connector, G04 of the station: the EVSEs are as they were when it
    is back. Scheduled where a transaction has to end first."""
    evse, number = payload.get("evse"), 0
    if evse:
        number, why = evse["id"], unknown(unit, evse)
        if why:
            return why
    operative = payload["operationalStatus"] == "Operative"
    done = lazy.load("station.availability").serve(unit.station, number, operative, True)
    if not done:
        return refused("Rejected", "OutOfStorage", "the flash refused to keep it")
    return {"status": "Scheduled" if done == 2 else "Accepted"}
