"""What tools/csms shows: schedules, transactions and security events as lines of text."""

from datetime import timedelta

from host.csms import parse_time
from host.csms.summary import event_summary


def plot(schedule, begin):
    """A charging schedule as lines of text: when, how much, and a bar. `begin`: a datetime."""
    unit, periods = schedule["chargingRateUnit"], schedule["chargingSchedulePeriod"]
    top = max([period["limit"] for period in periods] + [1])
    if "duration" in schedule:
        yield f"{schedule['duration']} s from {begin.astimezone():%Y-%m-%d %H:%M:%S}"
    for period in periods:
        start, limit = period["startPeriod"], period["limit"]
        when = (begin + timedelta(seconds=start)).astimezone()
        phases = f"{period['numberPhases']} ph" if "numberPhases" in period else ""
        bar = "#" * round(40 * limit / top)
        yield f"{start:8} s  {when:%a %H:%M:%S}  {limit:8g} {unit} {phases:4} |{bar}".rstrip()


def reason(answer):
    """Why something was refused, as the end of a line; "" where that was not said."""
    info = answer.get("statusInfo") or answer.get("attributeStatusInfo")
    if not info:
        return ""
    more = f": {info['additionalInfo']}" if info.get("additionalInfo") else ""
    return f" ({info.get('reasonCode')}{more})"


def place(transaction):
    """The connector of a transaction: in OCPP 2.0.1, its EVSE."""
    return transaction["connectorId"] if "connectorId" in transaction else transaction["evseId"]


def register_wh(values):
    """The energy register in Wh that a list of meter values ends with, or None."""
    for value in reversed(values):
        for sample in value["sampledValue"]:
            measurand = sample.get("measurand", "Energy.Active.Import.Register")
            if measurand == "Energy.Active.Import.Register" and "phase" not in sample:
                unit = sample.get("unitOfMeasure", {})
                scale = 10 ** unit.get("multiplier", 0)
                if sample.get("unit", unit.get("unit")) == "kWh":
                    scale *= 1000
                try:
                    return round(float(sample["value"]) * scale)
                except ValueError:
                    continue  # signed data
    return None


def energy_wh(transaction):
    """The energy of a transaction in Wh: up to its stop, else to the last meter value with it."""
    if "events" in transaction:
        events = [transaction["events"][n] for n in sorted(transaction["events"])]
        told = [register_wh(event.get("meterValue", ())) for event in events]
        told = [value for value in told if value is not None]
        return told[-1] - told[0] if told else 0
    if transaction["stop"]:
        return transaction["stop"]["meterStop"] - transaction["meterStart"]
    last = register_wh(transaction["meterValues"])
    return 0 if last is None else last - transaction["meterStart"]


def sessions_table(transactions):
    """The transactions as lines of text; of long ids, the first eight characters."""
    form = "{:>10} {:12} {:>4} {:20} {:20} {:>9}  {}"
    yield form.format("id", "station", "conn", "idTag", "start", "kWh", "state")
    for id, one in transactions.items():
        state, tag = "runs", one.get("idTag")
        if "events" in one:
            tag = (one["idToken"] or {}).get("idToken", "")
        if one["stop"]:
            info = one["stop"].get("transactionInfo", {})
            why = one["stop"].get("reason") or info.get("stoppedReason", "Local")
            state = f"stopped {one['stop']['timestamp']} ({why})"
        start = parse_time(one["start"]).astimezone()
        kwh = f"{energy_wh(one) / 1000:.3f}"
        yield form.format(str(id)[:8], one["station"], str(place(one)), tag,
                          f"{start:%Y-%m-%d %H:%M:%S}", kwh, state)  # fmt: skip


def event_lines(transaction):
    """The TransactionEvents of a transaction as lines of text."""
    yield f"transaction {transaction['transactionId']}"
    for number in sorted(transaction["events"]):
        event = transaction["events"][number]
        when = parse_time(event["timestamp"]).astimezone()
        yield f"{when:%Y-%m-%d %H:%M:%S}  {event_summary(event)}"


def profile_line(report, profile):
    """The head of a profile in a ReportChargingProfiles.req."""
    words = profile["chargingProfilePurpose"], f"level {profile['stackLevel']}"
    more = [profile[key] for key in ("recurrencyKind", "transactionId") if key in profile]
    more += [
        f"{key[5:].lower()} {profile[key]}" for key in ("validFrom", "validTo") if key in profile
    ]
    head = f"#{profile['id']} EVSE {report['evseId']}, {report['chargingLimitSource']}:"
    return " ".join([head, *words, profile["chargingProfileKind"], *more])


def security_events(messages):
    """What was told by SecurityEventNotification, as lines of text: when, what, and more of it."""
    for way, frame, _ in messages:
        if way == "in" and frame[0] == 2 and frame[2:3] == ["SecurityEventNotification"]:
            told = frame[3]
            try:
                when = f"{parse_time(told['timestamp']).astimezone():%Y-%m-%d %H:%M:%S}"
            except (KeyError, ValueError):
                when = str(told.get("timestamp"))
            yield f"{when}  {told.get('type')}  {told.get('techInfo', '')}".rstrip()
