"""How a request is declined in OCPP 2.0.1: a status, and in statusInfo why."""

from firmware.ocpp.text import printable


def refused(status, reason, text):
    """An answer with that status. reason: a reasonCode, at most 20 characters (part 2, appendix
    5); text: for a person, of which 512 characters are told."""
    return {
        "status": status,
        "statusInfo": {"reasonCode": reason, "additionalInfo": printable(text)},
    }


def unknown(unit, evse, status="Rejected"):
    """The refusal of an EVSEType that this unit does not have, or None: it has it."""
    number, connector = evse["id"], evse.get("connectorId", 1)
    if not 0 < number <= len(unit.station.connectors):
        return refused(status, "UnknownEvse", "no EVSE %d" % number)
    if connector != 1:
        return refused(status, "UnknownConnectorId", "EVSE %d has connector 1 only" % number)
    return None
