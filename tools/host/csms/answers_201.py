"""The Central System's usual answers in OCPP 2.0.1, and what it keeps of what it was told."""

from ocpp.routing import on
from ocpp.v201.enums import Action

from host.csms import sequence
from host.csms.usual import Usual

_NAMES = {"expiryDate": "cacheExpiryDateTime"}  # of 1.6 -> of 2.0.1


class Answers201(Usual):
    """See Usual."""

    noted = frozenset(
        "StatusNotification MeterValues NotifyReport NotifyEvent NotifyMonitoringReport "
        "NotifyCustomerInformation ReportChargingProfiles NotifyChargingLimit "
        "ClearedChargingLimit SecurityEventNotification FirmwareStatusNotification "
        "LogStatusNotification ReservationStatusUpdate NotifyDisplayMessages "
        "PublishFirmwareStatusNotification".split()
    )

    def token_info(self, token):
        """The idTokenInfo of an idToken; its type makes no difference here."""
        known = self.settings.tag_info(token["idToken"])
        info = {_NAMES.get(key, key): value for key, value in known.items()}
        if "parentIdTag" in info:
            info["groupIdToken"] = {"idToken": info.pop("parentIdTag"), "type": token["type"]}
        return info

    def note_request(self, station, action, payload):
        if action == "StatusNotification":
            station.status[payload["evseId"]] = payload["connectorStatus"]
        elif action == "TransactionEvent":
            self._note_event(station, payload)
        elif self.settings.sequences and "seqNo" in payload and "requestId" in payload:
            fault = sequence.piece_fault(station.history.pieces, action, payload)
            if fault:
                station.violation(fault)

    def _note_event(self, station, event):
        id = event["transactionInfo"]["transactionId"]
        one = station.transactions.setdefault(
            id,
            {
                "transactionId": id,
                "station": station.id,
                "evseId": None,
                "idToken": None,  # the latest
                "start": event["timestamp"],
                "events": {},  # seqNo -> payload
                "stop": None,  # the payload of Ended
            },
        )
        self.settings.transactions[id] = one
        if self.settings.sequences:
            gaps = self.settings.sequences == "gaps"
            fault = sequence.event_fault(one["events"], event, gaps)
            if fault:
                station.violation(f"TransactionEvent of {id}: {fault}")
        one["events"].setdefault(event["seqNo"], event)
        if "evse" in event:
            one["evseId"] = event["evse"]["id"]
        one["idToken"] = event.get("idToken", one["idToken"])
        if event["eventType"] == "Ended" and one["stop"] is None:
            one["stop"] = event

    @on(Action.authorize)
    def _on_authorize(self, station, payload):
        return {"idTokenInfo": self.token_info(payload["idToken"])}

    @on(Action.transaction_event)
    def _on_transaction_event(self, station, payload):
        token = payload.get("idToken")
        return {"idTokenInfo": self.token_info(token)} if token else {}

    @on(Action.notify_ev_charging_needs)
    def _on_notify_ev_charging_needs(self, station, payload):
        return {"status": "Rejected"}  # (there will be no profile for that)

    @on(Action.notify_ev_charging_schedule)
    def _on_notify_ev_charging_schedule(self, station, payload):
        return {"status": "Accepted"}

    @on(Action.get_certificate_status)
    def _on_get_certificate_status(self, station, payload):
        return {"status": "Failed"}

    @on(Action.get_15118_ev_certificate)
    def _on_get_15118_ev_certificate(self, station, payload):
        return {"status": "Failed", "exiResponse": ""}
