"""What the charge point tells by itself as messages of OCPP 1.6, and what their answers mean."""

import json
from micropython import const

from firmware import lazy
from firmware.clock import format_iso, parse_iso
from firmware.electrical import faults
from firmware.ocpp.text import printable
from firmware.station import metering, states
from firmware.station.update import PAUSED, RESUMED, SWITCHED
from firmware.storage import journal
from firmware.storage.transactions import BY_UUID, Transaction

_BOOT = const("BootNotification")
_NOTICE = const("StatusNotification")
_SAMPLE = const("MeterValues")
# What the outbox knows by its place; at the end those whose answers somebody waits for, and what
# the journal is to keep beside starts, stops and samples: nothing.
ACTIONS = (_BOOT, "Heartbeat", _NOTICE, _SAMPLE, (_BOOT, "Authorize", "DataTransfer"), ())
_IDENTITY = const(
    "chargePointVendor chargePointModel chargePointSerialNumber firmwareVersion meterType"
)
_FIRMWARE = const("FirmwareStatusNotification")
_SIGNED = const("SignedFirmwareStatusNotification")
_LOG_STATUS = const("status requestId")
_EVENT = const("type timestamp techInfo")
UNSAID = 0  # bits of the values (metering.py) that have no word
SILENCE = None  # who says nothing of a token does not accept it
_NONE = const(-1)  # the id of a transaction that was never given one (errata 3.18)

# By value of a sample: its measurand; by measurand: the unit (a frequency has none in OCPP 1.6: it
# is in hertz), and how many digits are a fraction.
_MEASURAND = const(b"\0\1\2\2\2\3\3\3\4\5\6\7")
_UNITS = const("Wh W A V A W Celsius")
_DIGITS = const(b"\0\0\3\1\3\0\1\2")


def boot(identity):
    """Of BootNotification (4.2)."""
    return _BOOT, _named(_IDENTITY, identity)


def updated(news):
    """Of an update's news (station/update.py): FirmwareStatusNotification (4.5), or the signed.
    None: of what 2.0.1 began, or has words for, alone."""
    state = news if isinstance(news, int) else news[0]
    if state in (SWITCHED, PAUSED, RESUMED):
        return None
    told = lazy.load("ocpp.v16.firmware_management").told
    return (_FIRMWARE, told(news)) if isinstance(news, int) else (_SIGNED, told(*news))


def security(event, time_s, text):
    """Of SecurityEventNotification, by an event of station/security.py."""
    values = lazy.load("ocpp.v16.words").event(event), format_iso(time_s), text
    return "SecurityEventNotification", _named(_EVENT, values)


def authorize(token, _):
    """Of Authorize (4.1)."""
    return "Authorize", {"idTag": token}


def transfer(transfer):
    """Of DataTransfer (4.3)."""
    names = "vendorId", "messageId", "data"
    return "DataTransfer", {name: str(text) for name, text in zip(names, transfer)}


def answered(conf):
    """(was it accepted, or None: it does not say; text or None) of what transfer() asked."""
    status = conf.get("status")
    return (status == "Accepted", conf.get("data")) if status else (None, None)


def notice(notice, identity, info, _):
    """Of StatusNotification (4.9)."""
    words = lazy.load("ocpp.v16.words")
    error, vendor_error = words.error(notice.fault)
    payload = {
        "connectorId": notice.number,
        "status": words.STATES.split(" ")[notice.state],
        "errorCode": error,
        "timestamp": format_iso(notice.time_s),
    }
    if info:
        payload["info"] = printable(info)[:50]
    if vendor_error:
        payload["vendorId"] = identity[0]
        payload["vendorErrorCode"] = vendor_error
    return _NOTICE, payload


def unreserved(id, expired):
    """There is no message for a reservation that has ended by itself."""
    return None


def limit(key, one, settings):
    """There is no message for a limit from outside."""
    return None


def status(action, status, update=None):
    """Of DiagnosticsStatusNotification (4.4), LogStatusNotification: (status, requestId);
    FirmwareStatusNotification (4.5) and the signed: of an `update`, if there is one; None: no
    job."""
    if action in (_FIRMWARE, _SIGNED):
        status = None
        if update and not update.over():
            if action == _FIRMWARE:
                return updated(update.state)
            if update.job is not None:
                return updated((update.state, update.job))
    if type(status) is tuple:
        return action, dict(zip(_LOG_STATUS.split(" "), status))
    return action, {"status": status or "Idle"}


TRIGGERED = "sampled"  # what the setting of that name asks for is sampled


def samples(number, tx, sample):
    """Of connector `number` and its transaction, or None; `sample`: see metering.py."""
    payload = {"connectorId": number, "meterValue": [_value(sample)]}
    if tx and tx.id is not None:
        payload["transactionId"] = tx.id
    return _SAMPLE, payload


def event(kind, tx, sample, station):
    """The journal's head. What follows a start that was given up says so with its id."""
    if tx.told > 0:  # (as events of 2.0.1 they go on later where they are now)
        tx.told -= station.journal.seq + 1
        station.journal.save(tx)
    if kind == journal.START or foreign(kind, tx):
        payload = {
            "connectorId": tx.connector,
            "idTag": tx.token,
            "meterStart": tx.start_Wh,
            "timestamp": format_iso(tx.start_s),
        }
        if tx.reservation is not None:
            payload["reservationId"] = tx.reservation
        return "StartTransaction", payload
    if tx.id is None:
        tx.id = _NONE
    if kind == journal.SAMPLE:
        return samples(tx.connector, tx, sample)
    payload = {
        "transactionId": tx.id,
        "meterStop": tx.stop_Wh,
        "timestamp": format_iso(tx.stop_s),
        "reason": lazy.load("ocpp.v16.words").reason(tx.cause),
    }
    if tx.stop_token:
        payload["idTag"] = tx.stop_token

    def pieces():  # (transactionData may be long)
        between = json.dumps(payload)[:-1] + ',"transactionData":['
        for sample in tx.data:
            yield between + json.dumps(_value(sample))
            between = ","
        yield "]}"

    return "StopTransaction", pieces if tx.data else payload


def heard(station, token, kind, conf, _):
    """(status of storage/tags.py or None, group or None) of a confirmation; what it says of
    `token` is remembered. Who is accepted until nobody knows when, is only now."""
    info = conf.get("idTagInfo") or {}
    status, until = info.get("status"), info.get("expiryDate", "")
    local = station.local()
    group = local.group(info.get("parentIdTag"))
    if status:
        status = lazy.load("ocpp.v16.words").TOKENS.split(" ").index(status)
        if status or until is not None:
            if local.heard(token, status, parse_iso(until) if until else None, group, kind):
                station.tell(None, station.clock.now(), faults.LIST)
    return status, group


def foreign(kind, tx):
    """Its start was told in another language: it has to be told in this one first."""
    return kind != journal.START and tx.id == BY_UUID


def started(tx, seq):
    """The start of `tx` was told, or is given up."""
    if tx.id == BY_UUID:
        tx.id = _NONE


def number(conf):
    """The id that the Central System has given to a transaction, or None."""
    return conf.get("transactionId")


def end_twin(journal, tx, transaction_id):
    """The start of `tx` has that id too: queue the end of a transaction without energy."""
    twin = Transaction(journal.next_number(), tx.connector, tx.token, tx.start_s, tx.start_Wh)
    twin.id = transaction_id
    twin.stop_s, twin.stop_Wh, twin.cause = tx.start_s, tx.start_Wh, states.FAULT
    journal.stop(twin)


def _named(names, values):  # those that say something
    return {name: value for name, value in zip(names.split(" "), values) if value}


def _value(sample):
    """A MeterValue (7.33) of what the sample's bits name."""
    values = []
    names, units = metering.MEASURANDS.split(" "), _UNITS.split(" ")
    at = 0
    for i, k in enumerate(_MEASURAND):
        if sample[-2] >> i & 1:
            at += 1
            n, digits = sample[at], _DIGITS[k]
            text = "%0*d" % (digits + 1, abs(n))
            if digits:  # of the fraction
                text = text[:-digits] + "." + text[-digits:]
            value = {
                "value": "-" + text if n < 0 else text,
                "measurand": names[k],
                "context": metering.CONTEXTS.split(" ")[sample[-1] & 7],
            }
            if k < len(units):
                value["unit"] = units[k]
            if 2 <= i < 8:
                value["phase"] = "L%d" % ((i - 2) % 3 + 1) + ("-N" if i > 4 else "")
            values.append(value)
    return {"timestamp": format_iso(sample[0]), "sampledValue": values}
