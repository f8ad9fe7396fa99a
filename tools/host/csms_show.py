"""What tools/csms shows: schedules, transactions and security events as lines of text."""

from datetime import timedelta

from host.csms import parse_time


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


def energy_wh(transaction):
    """The energy of a transaction in Wh: up to its stop, else to the last meter value with it."""
    if transaction["stop"]:
        return transaction["stop"]["meterStop"] - transaction["meterStart"]
    for values in reversed(transaction["meterValues"]):
        for value in values["sampledValue"]:
            measurand = value.get("measurand", "Energy.Active.Import.Register")
            if measurand == "Energy.Active.Import.Register" and "phase" not in value:
                try:
                    scale = 1000 if value.get("unit") == "kWh" else 1
                    return round(float(value["value"]) * scale) - transaction["meterStart"]
                except ValueError:
                    continue  # signed data
    return 0


def sessions_table(transactions):
    """The transactions as lines of text."""
    form = "{:>10} {:12} {:>4} {:20} {:20} {:>9}  {}"
    yield form.format("id", "station", "conn", "idTag", "start", "kWh", "state")
    for id, one in transactions.items():
        stop = one["stop"]
        state = f"stopped {stop['timestamp']} ({stop.get('reason', 'Local')})" if stop else "runs"
        start = parse_time(one["start"]).astimezone()
        kwh = f"{energy_wh(one) / 1000:.3f}"
        yield form.format(id, one["station"], one["connectorId"], one["idTag"],
                          f"{start:%Y-%m-%d %H:%M:%S}", kwh, state)  # fmt: skip


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
