"""What the Central System answers as usual, and what it keeps of what it was told."""

import functools
from datetime import datetime, timezone

from ocpp.routing import create_route_map, on
from ocpp.v16.enums import Action

from host.csms.frames import format_time

NO_ID = -1  # of a transaction whose StartTransaction was never answered (errata 3.18)
# What a station tells and the Central System only notes: the answer has no fields.
_NOTED = frozenset(
    "StatusNotification MeterValues FirmwareStatusNotification DiagnosticsStatusNotification "
    "SecurityEventNotification LogStatusNotification SignedFirmwareStatusNotification".split()
)


class Answers:
    """Its attributes are settings, read at each request: change them at will."""

    def __init__(self):
        self.boot_status = "Accepted"
        self.heartbeat_interval = 300
        self.now = lambda: datetime.now(timezone.utc)
        self.tags = {}
        self.default_tag_status = "Accepted"
        self.next_transaction_id = 1
        self.transactions = {}
        self._answers = {}
        self._routes = create_route_map(self)

    def answer(self, action, fn):
        """Answer the request `action` with fn(payload) from now on; fn None: as usual again.

        fn, plain or async, returns the payload of the answer (sent as it is, a fault is only
        logged), raises or returns a CallError, or returns None: the request stays unanswered.
        """
        if fn is None:
            self._answers.pop(action, None)
        else:
            self._answers[action] = fn

    def handler(self, station, action):
        """The function payload -> answer for a request, or None."""
        if action in self._answers:
            return self._answers[action]
        if action in _NOTED:
            return lambda payload: {}
        route = self._routes.get(action)
        return functools.partial(route["_on_action"], station) if route else None

    def _tag_info(self, tag):
        """The idTagInfo of a tag; tags compare without case (1.6 section 7.15, IdToken)."""
        for known, info in self.tags.items():
            if known.lower() == tag.lower():
                info = {"status": info} if isinstance(info, str) else dict(info)
                if isinstance(info.get("expiryDate"), datetime):
                    info["expiryDate"] = format_time(info["expiryDate"])
                return info
        return {"status": self.default_tag_status}

    def note_request(self, station, action, payload):
        """Keep what a valid request says, whatever the answer will be."""
        if action == "BootNotification":
            station.history.boot = payload
        elif action == "StatusNotification":
            station.status[payload["connectorId"]] = payload["status"]
        elif action == "MeterValues" and "transactionId" in payload:
            transaction = station.transactions.get(payload["transactionId"])
            id = payload["transactionId"]
            if transaction:
                transaction["meterValues"].extend(payload["meterValue"])
            elif id != NO_ID:
                station.violation(f"MeterValues with the unknown transactionId {id}")

    def note_answer(self, station, action, payload, answer):
        """Keep what an answer of ours settles."""
        if action == "BootNotification":
            station.history.registration = answer.get("status")
            station.history.triggered.clear()
        elif action == "StartTransaction" and "transactionId" in answer:
            id = answer["transactionId"]
            if id not in station.transactions:
                more = {"start": payload["timestamp"], "meterValues": [], "stop": None}
                station.transactions[id] = self.transactions[id] = {
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

    @on(Action.boot_notification)
    def _on_boot_notification(self, station, payload):
        return {
            "status": self.boot_status,
            "currentTime": format_time(self.now()),
            "interval": self.heartbeat_interval,
        }

    @on(Action.heartbeat)
    def _on_heartbeat(self, station, payload):
        return {"currentTime": format_time(self.now())}

    @on(Action.authorize)
    def _on_authorize(self, station, payload):
        return {"idTagInfo": self._tag_info(payload["idTag"])}

    @on(Action.start_transaction)
    def _on_start_transaction(self, station, payload):
        info = self._tag_info(payload["idTag"])
        for id, transaction in station.transactions.items():
            if payload.items() <= transaction.items():  # sent again: the answer was lost
                return {"transactionId": id, "idTagInfo": info}
        while self.next_transaction_id in self.transactions:
            self.next_transaction_id += 1
        id = self.next_transaction_id
        self.next_transaction_id += 1
        return {"transactionId": id, "idTagInfo": info}

    @on(Action.stop_transaction)
    def _on_stop_transaction(self, station, payload):
        return {"idTagInfo": self._tag_info(payload["idTag"])} if "idTag" in payload else {}

    @on(Action.data_transfer)
    def _on_data_transfer(self, station, payload):
        return {"status": "UnknownVendorId"}

    @on(Action.sign_certificate)
    def _on_sign_certificate(self, station, payload):
        return {"status": "Rejected"}
