"""OCPP 1.6 RemoteTrigger, and the security white paper's ExtendedTriggerMessage. Each handler gets
requests.Requests."""

from firmware import lazy


def TriggerMessage(unit, payload):
    """5.17: the message comes after the answer."""
    action, number = payload["requestedMessage"], payload.get("connectorId")
    known = number is None or 0 <= number <= len(unit.station.connectors)
    return {"status": "Accepted" if known and unit.outbox.trigger(action, number) else "Rejected"}


def ExtendedTriggerMessage(unit, payload):
    """White paper: as TriggerMessage, of what it names; of updates the signed ones. Without
    CpoName no certificate can be asked for."""
    action = payload["requestedMessage"]
    if action == "SignChargePointCertificate":
        begun = lazy.load("ocpp.v16.certificates").sign(unit)
        return {"status": "Accepted" if begun else "Rejected"}
    if action == "FirmwareStatusNotification":
        payload["requestedMessage"] = "Signed" + action
    return TriggerMessage(unit, payload)
