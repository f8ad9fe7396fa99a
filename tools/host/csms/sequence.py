"""The order of a station's messages in OCPP 2.0.1: nothing is lost or told in two ways."""


def event_fault(events, event, gaps=False):
    """What is wrong with a TransactionEvent, or None.

    `events`: seqNo -> event, those of its transaction that came before. A repetition is right if
    nothing in it has changed. `gaps`: numbers may be left out.
    """
    number, kind = event["seqNo"], event["eventType"]
    if number in events:
        if events[number] == event:
            return None
        changed = {
            key for key in {*event, *events[number]} if event.get(key) != events[number].get(key)
        }
        return f"seqNo {number} again, with another {', '.join(sorted(changed))}"
    if not events:
        if kind != "Started":
            return f"begins with {kind}, not Started"
        return f"begins with seqNo {number}, not 0" if number else None
    last = max(events)
    if kind == "Started":
        return f"Started again, with seqNo {number}"
    if events[last]["eventType"] == "Ended":
        return f"{kind} with seqNo {number} after Ended"
    if number == last + 1 or gaps and number > last:
        return None
    return f"seqNo {number} after {last}"


def piece_fault(pieces, action, payload):
    """What is wrong with one message of a report that comes in several, or None.

    `pieces`: (action, requestId) -> the seqNo that is due, None after the last. A report that
    begins anew, as after a restart, is right.
    """
    key, number = (action, payload["requestId"]), payload["seqNo"]
    due = pieces.get(key, 0)
    pieces[key] = number + 1 if payload.get("tbc") else None
    if number in (0, due):
        return None
    which = f"{action} {key[1]}: seqNo {number}"
    return f"{which} after the last" if due is None else f"{which}, where {due} is due"
