"""The Central System's usual answers in OCPP 1.6, and what it keeps of what it was told."""

from ocpp.routing import on
from ocpp.v16.enums import Action

from host.csms.usual import Usual

NO_ID = -1  # of a transaction whose StartTransaction was never answered (errata 3.18)
_NAMES = {"cacheExpiryDateTime": "expiryDate"}  # of 2.0.1 -> of 1.6


class Answers16(Usual):
    """See Usual."""

    noted = frozenset(
        "StatusNotification MeterValues FirmwareStatusNotification DiagnosticsStatusNotification "
        "SecurityEventNotification LogStatusNotification SignedFirmwareStatusNotification".split()
    )

    def _tag_info(self, tag):
        info = {_NAMES.get(key, key): value for key, value in self.settings.tag_info(tag).items()}
        if "groupIdToken" in info:
            info["parentIdTag"] = info.pop("groupIdToken")["idToken"]
        return info

    def note_request(self, station, action, payload):
        if action == "StatusNotification":
            station.status[payload["connectorId"]] = payload["status"]
        elif action == "MeterValues" and "transactionId" in payload:
            transaction = station.transactions.get(payload["transactionId"])
            id = payload["transactionId"]
            if transaction:
                transaction["meterValues"].extend(payload["meterValue"])
            elif id != NO_ID:
                station.violation(f"MeterValues with the unknown transactionId {id}")

    def note_answer(self, station, action, payload, answer):
        if action == "StartTransaction" and "transactionId" in answer:
            id = answer["transactionId"]
            if id not in station.transactions:
                more = {"start": payload["timestamp"], "meterValues": [], "stop": None}
                station.transactions[id] = self.settings.transactions[id] = {
                    **payload, "transactionId": id, "station": station.id, **more
                }  # fmt: skip
        elif action == "StopTransaction":
            id = payload["transactionId"]
            transaction = station.transactions.get(id)
            if transaction is None:
                if id != NO_ID:
                    station.violation(f"StopTransaction with the unknown transactionId {id}")
            elif transaction["stop"] not in (None, payload):
                station.violation(f"second, different StopTransaction of transaction {id}")
            else:
                transaction["stop"] = payload

    @on(Action.authorize)
    def _on_authorize(self, station, payload):
        return {"idTagInfo": self._tag_info(payload["idTag"])}

    @on(Action.start_transaction)
    def _on_start_transaction(self, station, payload):
        info = self._tag_info(payload["idTag"])
        for id, transaction in station.transactions.items():
            if payload.items() <= transaction.items():  # sent again: the answer was lost
                return {"transactionId": id, "idTagInfo": info}
        settings = self.settings
        while settings.next_transaction_id in settings.transactions:
            settings.next_transaction_id += 1
        id = settings.next_transaction_id
        settings.next_transaction_id += 1
        return {"transactionId": id, "idTagInfo": info}

    @on(Action.stop_transaction)
    def _on_stop_transaction(self, station, payload):
        return {"idTagInfo": self._tag_info(payload["idTag"])} if "idTag" in payload else {}
