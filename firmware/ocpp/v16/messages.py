"""Payloads of OCPP 1.6 that tell of transactions. Pure: values in, dict out."""

import json
from micropython import const

from firmware import lazy
from firmware.clock import format_iso
from firmware.station import metering, states
from firmware.storage.transactions import Transaction

# By value of a sample: its measurand; by measurand: the unit (a frequency has none in OCPP 1.6: it
# is in hertz), and how many digits are a fraction.
_MEASURAND = const(b"\0\1\2\2\2\3\3\3\4\5\6\7")
_UNITS = const("Wh W A V A W Celsius")
_DIGITS = const(b"\0\0\3\1\3\0\1\2")


def start_transaction(tx):
    """Of StartTransaction (4.8)."""
    return {
        "connectorId": tx.connector,
        "idTag": tx.token,
        "meterStart": tx.start_Wh,
        "timestamp": format_iso(tx.start_s),
    }


def stop_transaction(tx):
    """A dict, or with transactionData, which may be long, a function that gives it in pieces."""
    payload = {
        "transactionId": tx.id,
        "meterStop": tx.stop_Wh,
        "timestamp": format_iso(tx.stop_s),
        "reason": lazy.load("ocpp.v16.words").reason(tx.cause),
    }
    if tx.stop_token:
        payload["idTag"] = tx.stop_token
    if not tx.data:
        return payload

    def pieces():
        between = json.dumps(payload)[:-1] + ',"transactionData":['
        for sample in tx.data:
            yield between + json.dumps(_value(sample))
            between = ","
        yield "]}"

    return pieces


def meter_values(number, tx, sample):
    """Of connector `number` and its transaction, or None; `sample`: see metering.py."""
    payload = {"connectorId": number, "meterValue": [_value(sample)]}
    if tx and tx.id is not None:
        payload["transactionId"] = tx.id
    return payload


def _value(sample):
    """A MeterValue (7.33) of what the sample's bits name."""
    values = []
    names, units = metering.MEASURANDS.split(" "), _UNITS.split(" ")
    at = 0
    for i, k in enumerate(_MEASURAND):
        if sample[-2] >> i & 1:
            at += 1
            n, digits = sample[at], _DIGITS[k]
            text = str(abs(n))
            if digits:  # of the fraction
                text = "0" * (digits + 1 - len(text)) + text
                text = text[:-digits] + "." + text[-digits:]
            value = {
                "value": "-" + text if n < 0 else text,
                "measurand": names[k],
                "context": metering.CONTEXTS.split(" ")[sample[-1]],
            }
            if k < len(units):
                value["unit"] = units[k]
            if 2 <= i < 5:
                value["phase"] = "L%d" % (i - 1)
            elif 5 <= i < 8:
                value["phase"] = "L%d" % (i - 4) + "-N"
            values.append(value)
    return {"timestamp": format_iso(sample[0]), "sampledValue": values}


def end_twin(journal, tx, transaction_id):
    """The start of `tx` has that id too: queue the end of a transaction without energy."""
    twin = Transaction(journal.next_number(), tx.connector, tx.token, tx.start_s, tx.start_Wh)
    twin.id = transaction_id
    twin.stop_s, twin.stop_Wh, twin.cause = tx.start_s, tx.start_Wh, states.FAULT
    journal.stop(twin)
