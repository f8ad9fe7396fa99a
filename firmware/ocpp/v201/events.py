"""TransactionEventRequest of OCPP 2.0.1 (E), and meter values. Loaded while one is told."""

import json
from micropython import const

from firmware import lazy
from firmware.clock import format_iso
from firmware.station import metering
from firmware.storage import journal
from firmware.storage.transactions import STARTED

_CLOCK = const(1)  # of metering.CONTEXTS
_TRIGGER = const(2)
_BEGIN = const(3)
_END = const(4)

# By value of a sample: its measurand, of metering.MEASURANDS; 6, a temperature, has no word here.
# By measurand: its unit, and how many digits are a fraction.
_MEASURAND = const(b"\0\1\2\2\2\3\3\3\4\5\6\7")
_UNITS = const("Wh W A V A W - Hz")
_DIGITS = const(b"\0\0\3\1\3\0\1\2")
_HEAT = const(6)


def event(kind, tx, values, station):
    """(action, payload) of the head of the station's journal (storage/journal.py)."""
    words = lazy.load("ocpp.v201.words")
    seq = station.journal.seq
    if tx.told < 0:  # (back from another language, whose events have no number here)
        tx.told += seq + 1
        station.journal.save(tx)
    if not tx.told:  # (also one that was told in another language: it goes on here, from 0)
        kind = journal.START
    info = {"transactionId": tx.uuid}
    payload = {"seqNo": seq - tx.told + 1 if kind != journal.START else 0, "transactionInfo": info}
    samples = ()
    if kind == journal.START:
        time_s, samples = _started(tx, payload, info, words)
    elif kind == journal.STOP:
        time_s, samples = _ended(tx, payload, info, words)
    else:
        payload["eventType"], time_s = "Updated", values[0]
        if kind == journal.SAMPLE:
            context, state = values[-1] & 7, values[-1] >> 4
            trigger = "MeterValueClock" if context == _CLOCK else "MeterValuePeriodic"
            payload["triggerReason"] = "Trigger" if context == _TRIGGER else trigger
            if state:
                info["chargingState"] = words.CHARGING.split(" ")[state]
            samples = (values,)
        else:
            payload["triggerReason"] = _updated(kind, values, tx, payload, info, words)
    payload["timestamp"] = format_iso(time_s)
    payload["evse"] = {"id": tx.connector, "connectorId": 1}
    if station.journal.offline:
        payload["offline"] = True
    return "TransactionEvent", pieces(payload, samples) if samples else payload


def _started(tx, payload, info, words):
    # -> its time, its samples (E01, E02, E03, J02.FR.10)
    trigger, info["chargingState"] = words.BEGINS.split("|")[tx.by].split(" ")
    if tx.by != journal.BY_CAR_ALONE:
        payload["idToken"] = words.token(tx.token, tx.kind)
        trigger = _remote(trigger, tx, payload, info)
    payload["eventType"], payload["triggerReason"] = "Started", trigger
    for sample in tx.data:
        if sample[-1] == STARTED:
            return tx.start_s, ((tx.start_s,) + sample[1:],)
    return tx.start_s, ((tx.start_s, tx.start_Wh, 1, _BEGIN),)


def _remote(trigger, tx, payload, info):
    # The triggerReason, and what is said where a token comes (F01.FR.25, F02, H03.FR.09).
    if tx.reservation is not None:
        payload["reservationId"] = tx.reservation
    if tx.request is None:
        return trigger
    info["remoteStartId"] = tx.request
    return "RemoteStart" if trigger == "Authorized" else trigger


def _ended(tx, payload, info, words):
    # -> its time, its samples (E06, J02.FR.11)
    payload["eventType"] = "Ended"
    payload["triggerReason"], info["stoppedReason"] = words.stop(tx.cause, tx.fault)
    if tx.over is not None:
        info["stoppedReason"] = words.stop(tx.over)[1]
    info["chargingState"] = "Idle" if tx.away else "EVConnected"
    if tx.flow_s:
        info["timeSpentCharging"] = tx.flow_s
    if tx.stop_token:
        payload["idToken"] = words.token(tx.stop_token, tx.stop_kind)
    samples = [sample for sample in tx.data if sample[-1] != STARTED]
    if not (samples and samples[-1][-1] == _END and samples[-1][-2] & 1):
        samples.append((tx.stop_s, tx.stop_Wh, 1, _END))
    return tx.stop_s, samples


def _updated(kind, values, tx, payload, info, words):
    # -> the triggerReason of what is no sample
    if kind == journal.LIMIT:
        return "ChargingRateChanged"
    info["chargingState"] = words.CHARGING.split(" ")[values[1]]
    if kind == journal.STATE:
        if values[3]:
            payload["numberOfPhasesUsed"] = values[3]
        return words.CHANGES.split(" ")[values[2]]
    if values[2] is not None:
        payload["idToken"] = words.token(*values[2:4])
    if kind == journal.TOKEN:
        return _remote("Authorized", tx, payload, info)
    trigger = words.stop(values[4])[0]
    if trigger == "Deauthorized":
        info["chargingState"] = "SuspendedEVSE"
    return trigger


def pieces(payload, samples):
    """A function that gives `payload` with these samples as its meterValue, as pieces of JSON:
    numbers are written as they are kept, not by way of a float."""

    def made():
        between = json.dumps(payload)[:-1]
        word = ',"meterValue":['
        for sample in samples:
            values = list(_values(sample))
            if values:
                yield "%s%s{" % (between, word)
                yield '"timestamp":"%s","sampledValue":[' % format_iso(sample[0])
                yield ",".join(values) + "]}"
                between, word = "", ","
        yield between + "}" if between else "]}"

    return made


def _values(sample):
    # Each SampledValueType of what the sample's bits name.
    names, units = metering.MEASURANDS.split(" "), _UNITS.split(" ")
    context, at = metering.CONTEXTS.split(" ")[sample[-1] & 7], 0
    for i, k in enumerate(_MEASURAND):
        if sample[-2] >> i & 1:
            at += 1
            if k == _HEAT:
                continue
            n, digits = sample[at], _DIGITS[k]
            text = "%0*d" % (digits + 1, abs(n))
            if digits:  # of the fraction
                text = text[:-digits] + "." + text[-digits:]
            phase = ""
            if 2 <= i < 8:
                phase = ',"phase":"L%d%s"' % ((i - 2) % 3 + 1, "-N" if i > 4 else "")
            said = "-" if n < 0 else "", text, names[k], context, units[k], phase
            yield (
                '{"value":%s%s,"measurand":"%s","context":"%s","unitOfMeasure":{"unit":"%s"}%s}'
                % said
            )
