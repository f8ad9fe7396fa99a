"""OCPP 2.0.1, F: remote control. Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy
from firmware.ocpp.v201.refusal import refused, unknown
from firmware.station import states

_UNKNOWN = const("UnknownConnector")
_SIGN = const("SignChargingStationCertificate")
# What is not told here: there is no ISO 15118, and no local controller.
_NEVER = const("SignV2GCertificate SignCombinedCertificate PublishFirmwareStatusNotification")


def RequestStartTransaction(unit, payload):
    """F01, F02; also with a TxProfile for it (K05)."""
    station, access = unit.station, unit.station.access()
    said, number, id = payload["idToken"], payload.get("evseId"), payload["remoteStartId"]
    words = lazy.load("ocpp.v201.words")
    token, kind, group = said["idToken"], words.kind(said), words.group(payload, access.local())
    # (C02, C03, C05: nobody is asked about what no reader reads)
    asked = unit.settings.value("remote_authorise") and kind not in (states.NOBODY, states.CENTRAL)
    if not unit.outbox.ready():  # (B02.FR.05)
        return refused("Rejected", "CSNotAccepted", "the boot is not accepted yet")
    if not token and kind != states.NOBODY or not all([32 <= b < 127 for b in token.encode()]):
        return refused("Rejected", "InvalidIdToken", "an idToken that cannot be shown")
    if access.master(group or access.group(token, kind)):  # (C12.FR.09)
        return refused("Rejected", "InvalidIdToken", "a master pass begins no transaction")
    why = None if number is None else unknown(unit, {"id": number})
    if why:
        return why
    c = access.choose(token, asked, kind, group) if number is None else None
    c = c if number is None else station.connectors[number - 1]
    if c and c.claim():  # (F01.FR.24)
        return refused("Rejected", "TxInProgress", "a transaction runs on EVSE %d" % c.number)
    if not c or not c.free():  # (F01.FR.23)
        return refused("Rejected", "NotEnabled", "no EVSE is free for it")
    if not access.may(token, c, asked, kind, group):  # (F01.FR.21, 22)
        return refused("Rejected", "InvalidIdToken", "EVSE %d is kept for others" % c.number)
    w = None
    if "chargingProfile" in payload:
        w, why = lazy.load("ocpp.v201.smart_charging").starting(
            unit, payload["chargingProfile"], c
        )
        if why:
            return why
    c = c if number or c.plugged() else None
    if asked:
        access.ask(token, c, w, kind, id, group)
    else:
        access.accept(token, c, w, group, kind, id)
    return {"status": "Accepted"}


def RequestStopTransaction(unit, payload):
    """F03: by its transactionId."""
    c = unit.station.running(payload["transactionId"])
    if not c:
        return refused("Rejected", "TxNotFound", "no such transaction runs")
    c.stop(states.REMOTE)
    return {"status": "Accepted"}


def UnlockConnector(unit, payload):
    """F05: answered when the lock has moved, or has not."""
    why = unknown(unit, {"id": payload["evseId"], "connectorId": payload["connectorId"]}, _UNKNOWN)
    if why:
        return why
    c = unit.station.connectors[payload["evseId"] - 1]
    if c.tx:  # (F05.FR.02)
        text = "a transaction runs there: RequestStopTransaction ends it"
        return refused("OngoingAuthorizedTransaction", "TxInProgress", text)
    if c.lock is None:
        return refused("UnlockFailed", "FixedCable", "it has no lock")
    task = lazy.load("station.unlock").begin(c, unit.unlocking, _unlocked)
    return task or refused("UnlockFailed", "Unspecified", "it is being unlocked already")


def _unlocked(done):
    return (
        {"status": "Unlocked"} if done else refused("UnlockFailed", "Unspecified", "it is stuck")
    )


def TriggerMessage(unit, payload):
    """F06: the message comes after the answer, for one EVSE or for all."""
    action, evse = payload["requestedMessage"], payload.get("evse")
    why = unknown(unit, evse) if evse else None
    if why:
        return why
    if action in _NEVER.split(" "):  # (F06.FR.08)
        return refused("NotImplemented", "UnsupportedRequest", action + " is never told here")
    if action == "BootNotification" and unit.outbox.ready():  # (F06.FR.17)
        return refused("Rejected", "NotEnabled", "the boot is accepted already")
    if action == "StatusNotification" and not (evse and "connectorId" in evse):  # (F06.FR.12)
        return refused("Rejected", "MissingParam", "of which EVSE and connectorId?")
    if action == "TransactionEvent":
        return _event(unit, evse)
    if action == _SIGN:
        if not lazy.load("ocpp.v201.certificates").sign(unit):
            text = "SecurityCtrlr.OrganizationName is not set"
            return refused("Rejected", "MissingDevModelInfo", text)
    elif not unit.outbox.trigger(action, evse and evse["id"]):
        return refused("Rejected", "OutOfMemory", "too many wait already")
    return {"status": "Accepted"}


def _event(unit, evse):
    # F06.FR.07: a sample, and the state, of what runs.
    number = evse and evse["id"]
    those = [c for c in unit.station.connectors if c.tx and number in (None, c.number)]
    if not those:
        return refused("Rejected", "TxNotFound", "no transaction runs there")

    def tell():
        for c in those:
            unit.station.metering.report(c, unit.station.clock.now())

    unit.rpc.after = tell
    return {"status": "Accepted"}
