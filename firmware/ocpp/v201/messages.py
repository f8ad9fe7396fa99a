"""What the charging station tells by itself as messages of OCPP 2.0.1, and what their answers
mean. TransactionEvent is in events.py."""

import json
import os
from micropython import const

from firmware import lazy
from firmware.clock import format_iso
from firmware.electrical import faults
from firmware.station import states
from firmware.storage import journal
from firmware.storage.transactions import BY_UUID

_BOOT = const("BootNotification")
_NOTICE = const("StatusNotification")
_SAMPLE = const("MeterValues")
_FIRMWARE = const("FirmwareStatusNotification")
# What the outbox knows by its place; at the end those whose answers somebody waits for, and what
# the journal is to keep beside starts, stops and samples: all that there is.
ACTIONS = (
    _BOOT,
    "Heartbeat",
    _NOTICE,
    _SAMPLE,
    (_BOOT, "Authorize", "DataTransfer"),
    (journal.TOKEN, journal.STATE, journal.LIMIT, journal.OVER),
)
UNSAID = const(0x400)  # bits of the values (metering.py) that have no word: a temperature
SILENCE = const(0)  # who says nothing of a token accepts it


def boot(identity):
    """Of BootNotificationRequest (B01); of who has no reason any more it was triggered."""
    reasons = lazy.load("ocpp.v201.words").REASONS.split(" ")
    reason = "Triggered" if identity[5] is None else reasons[identity[5]]
    names = "vendorName model serialNumber firmwareVersion".split(" ")
    station = {name: value for name, value in zip(names, identity) if value}
    return _BOOT, {"reason": reason, "chargingStation": station}


def updated(news):
    """Of an update's news (station/update.py): FirmwareStatusNotificationRequest (L01)."""
    told = lazy.load("ocpp.v201.firmware_management").told
    return _FIRMWARE, told(news) if isinstance(news, int) else told(*news)


def security(event, time_s, text):
    """Of SecurityEventNotificationRequest (A04), by an event of station/security.py."""
    kind = lazy.load("ocpp.v201.words").event(event)
    payload = {"type": kind, "timestamp": format_iso(time_s)}
    if text:
        payload["techInfo"] = text
    return "SecurityEventNotification", payload


def authorize(text, kind):
    """Of AuthorizeRequest (C01)."""
    return "Authorize", {"idToken": lazy.load("ocpp.v201.words").token(text, kind)}


def transfer(transfer):
    """Of DataTransferRequest (P02)."""
    names = "vendorId", "messageId", "data"
    return "DataTransfer", {name: str(text) for name, text in zip(names, transfer)}


def answered(conf):
    """(was it accepted, or None: it does not say; text or None: JSON, if it was no text) of what
    transfer() asked."""
    status, data = conf.get("status"), conf.get("data")
    if data is not None and not isinstance(data, str):
        data = json.dumps(data)
    return (status == "Accepted", data) if status else (None, None)


def notice(notice, identity, info, before):
    """Of StatusNotificationRequest (G01); None: the station itself has none, or the word for its
    state is that of `before`."""
    words = lazy.load("ocpp.v201.words").STATES.split(" ")
    if not notice.number or before and words[before[0]] == words[notice.state]:
        return None
    payload = {
        "timestamp": format_iso(notice.time_s),
        "connectorStatus": words[notice.state],
        "evseId": notice.number,
        "connectorId": 1,
    }
    return _NOTICE, payload


def alerts(outbox):
    """The Alerts of an Outbox (alerts.py), where monitors were set; otherwise None."""
    try:
        os.stat(outbox.station.auth + "/monitors")
    except OSError:
        return None
    return lazy.load("ocpp.v201.alerts").Alerts(outbox)


def heed(outbox, notice):
    """A fault, which is told beside StatusNotification (N07)."""
    lazy.load("ocpp.v201.alerts").of(outbox).heed(notice)


def unreserved(id, expired):
    """Of ReservationStatusUpdateRequest (H04)."""
    word = "Expired" if expired else "Removed"
    return "ReservationStatusUpdate", {"reservationId": id, "reservationUpdateStatus": word}


def limit(key, one, settings):
    """Of NotifyChargingLimitRequest (K11, K12), or ClearedChargingLimitRequest (K13)."""
    return lazy.load("ocpp.v201.external").told(key, one, settings)


def status(action, status, update=None):
    """Of LogStatusNotificationRequest: (status, requestId); of FirmwareStatusNotificationRequest:
    the latest that was told of an `update`, or its state; None: no job."""
    if action == _FIRMWARE:
        told = lazy.load("ocpp.v201.firmware_management").last(status, update)
        return updated(told) if told else (action, {"status": "Idle"})
    if type(status) is tuple:
        return action, dict(zip(("status", "requestId"), status))
    return action, {"status": status or "Idle"}


TRIGGERED = "aligned"  # what the setting of that name asks for is sampled (F06.FR.06)


def samples(number, tx, sample):
    """Of MeterValuesRequest (J01) of connector `number`; `sample`: see station/metering.py."""
    events = lazy.load("ocpp.v201.events")
    return _SAMPLE, events.pieces({"evseId": number}, [sample])


def event(kind, tx, sample, station):
    """The journal's head."""
    return lazy.load("ocpp.v201.events").event(kind, tx, sample, station)


def foreign(kind, tx):
    """Its start was told in another language: it has to be told in this one first (E)."""
    return kind != journal.START and not tx.told


def heard(station, text, kind, conf, number):
    """(status of storage/tags.py or None, group or None) of a confirmation; what it says of the
    token is remembered (C10), but of one that is of no reader (C02, C03, C05), or is good at some
    EVSEs only. number: of the EVSE that it is about, or None."""
    info = conf.get("idTokenInfo")
    if not info:
        return None, None
    local = station.local()
    status, until_s, group = lazy.load("ocpp.v201.words").token_info(info, local, number)
    if status is not None and kind not in (states.CENTRAL, states.NOBODY):
        if not info.get("evseId") and local.heard(text, status, until_s, group, kind):
            station.tell(None, station.clock.now(), faults.LIST)
    return status, group


def number(_):
    """The id that the Central System has given to a transaction: it gives none, the uuid does."""
    return BY_UUID


def started(tx, seq):
    """The start of `tx` was told, or is given up, when the head was its event `seq`."""
    tx.told = max(seq, 1)
