"""A TransactionEvent of OCPP 2.0.1 in a few words, for logs."""


def event_summary(event):
    """Number, type, what it was triggered by, and what it says; "" if that cannot be read."""
    try:
        return _summary(event)
    except (AttributeError, KeyError, TypeError):
        return ""


def _summary(event):
    info, token = event.get("transactionInfo", {}), event.get("idToken", {})
    words = [event.get("triggerReason"), info.get("chargingState"), info.get("stoppedReason")]
    if "evse" in event:
        words.append(f"EVSE {event['evse'].get('id')}")
    words.append(token.get("idToken"))
    for value in event.get("meterValue", [])[-1:]:
        for sample in value.get("sampledValue", ()):
            words.append(_sample(sample))
    if event.get("offline"):
        words.append("offline")
    head = f"{event.get('seqNo')} {event.get('eventType')}"
    return f"{head}: " + ", ".join(str(word) for word in words if word)


def _sample(sample):
    unit = sample.get("unitOfMeasure", {})
    power = f"e{unit['multiplier']}" if unit.get("multiplier") else ""
    phase = f" {sample['phase']}" if "phase" in sample else ""
    return f"{sample.get('value')}{power} {unit.get('unit', 'Wh')}{phase}"
