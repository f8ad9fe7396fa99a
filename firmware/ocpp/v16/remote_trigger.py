"""OCPP 1.6 RemoteTrigger: TriggerMessage. The handler gets requests.Requests."""


def TriggerMessage(unit, payload):
    """5.17: the message comes after the answer."""
    action, number = payload["requestedMessage"], payload.get("connectorId")
    known = number is None or 0 <= number <= len(unit.station.connectors)
    return {"status": "Accepted" if known and unit.outbox.trigger(action, number) else "Rejected"}
