"""OCPP 2.0.1, E: transactions, and I02: what one costs. Each handler gets requests.Requests."""

import asyncio


async def GetTransactionStatus(unit, payload):
    """E14: does it run, and is there anything to be told of it; or of any."""
    station, id = unit.station, payload.get("transactionId")
    if id is None:
        return {"messagesInQueue": station.journal.head() is not None}
    c, queued = station.running(id), False
    for queued in station.journal.about(id):
        if queued:
            break
        await asyncio.sleep_ms(0)
    return {"ongoingIndicator": c is not None, "messagesInQueue": bool(queued)}


def CostUpdated(unit, payload):
    """I02: until the next one, or the transaction's end; the console shows it."""
    c = unit.station.running(payload["transactionId"])
    if c:
        c.tx.cost = payload["totalCost"]
    else:
        unit.log("costs of a transaction that does not run: ignored")
    return {}
