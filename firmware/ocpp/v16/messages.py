# What the station says about its transactions, as payloads of OCPP 1.6. Pure: values in, dict out.

from firmware.clock import format_iso


def start_transaction(tx):
    return {
        "connectorId": tx.connector,
        "idTag": tx.id_tag,
        "meterStart": tx.start_Wh,
        "timestamp": format_iso(tx.start_s),
    }


def stop_transaction(tx):
    payload = {
        "transactionId": tx.id,
        "meterStop": tx.stop_Wh,
        "timestamp": format_iso(tx.stop_s),
        "reason": tx.reason,
    }
    if tx.stop_tag:
        payload["idTag"] = tx.stop_tag
    return payload


def meter_values(number, tx, sample):
    """Of connector `number` and its transaction, or None; `sample`: metering.take()."""
    t, energy_Wh, power_W, a, b, c, context = sample
    values = [
        _value(str(energy_Wh), "Energy.Active.Import.Register", "Wh", context),
        _value(str(power_W), "Power.Active.Import", "W", context),
    ]
    for phase, current_mA in (("L1", a), ("L2", b), ("L3", c)):
        text = "%d.%03d" % (current_mA // 1000, current_mA % 1000)
        values.append(_value(text, "Current.Import", "A", context))
        values[-1]["phase"] = phase
    payload = {
        "connectorId": number,
        "meterValue": [{"timestamp": format_iso(t), "sampledValue": values}],
    }
    if tx and tx.id is not None:
        payload["transactionId"] = tx.id
    return payload


def _value(text, measurand, unit, context):
    return {"value": text, "measurand": measurand, "unit": unit, "context": context}
