"""The commands of tools/csms that OCPP 2.0.1 alone has: device model, monitoring, customers."""

import asyncio
import math

from host.csms import parse_time
from host.csms_201 import token
from host.csms_profiles import CommandError, fields, number, profile_filters
from host.csms_show import event_lines, plot, profile_line, reason
from host.variables import format_variable, parse_variable

_REPORTS = {
    "full": "FullInventory",
    "config": "ConfigurationInventory",
    "summary": "SummaryInventory",
}
_CRITERIA = "Active", "Available", "Enabled", "Problem"
_MONITORS = {
    "upper": "UpperThreshold",
    "lower": "LowerThreshold",
    "delta": "Delta",
    "periodic": "Periodic",
    "aligned": "PeriodicClockAligned",
}
_BASES = {"all": "All", "factory": "FactoryDefault", "hardwired": "HardWiredOnly"}
_WAIT_s = 120  # for a report


def _word(text, words, usage):
    try:
        return words[text.lower()]
    except KeyError:
        raise CommandError(f"usage: {usage}") from None


class Device:
    """A part of csms_requests.Requests."""

    async def _report(self, action, payload, told_by, station=None):
        """Send a request that is followed by messages `told_by`; -> their payloads, or None if
        it was refused."""
        station = station or await self.station()
        id = payload["requestId"] = self.new_id()
        answer = await self.request(action, payload, station)
        if self.told(action, answer):
            return None
        since = self.marks[station.id][0]

        def pieces():
            came = [p for p in station.received(told_by, since) if p.get("requestId") == id]
            return came if came and not came[-1].get("tbc") else None

        try:
            async with self.waiting(f"the end of {told_by}", _WAIT_s):
                return await self.central.until(pieces, _WAIT_s)
        except asyncio.TimeoutError:
            raise CommandError(f"no whole {told_by} within {_WAIT_s} s") from None

    async def do_report(self, *words):
        words = words or ("full",)
        if words[0].lower() in _REPORTS and len(words) == 1:
            action, payload = "GetBaseReport", {"reportBase": _REPORTS[words[0].lower()]}
        else:
            action, payload = "GetReport", _chosen(words, "componentCriteria", _CRITERIA)
        pieces = await self._report(action, payload, "NotifyReport")
        for piece in pieces or ():
            for entry in piece.get("reportData", ()):
                for attribute in entry["variableAttribute"]:
                    name = format_variable({**entry, "attributeType": attribute.get("type")})
                    fixed = "  (read only)" * (attribute.get("mutability") == "ReadOnly")
                    self.show(f"{name} = {attribute.get('value', '')}{fixed}")
        return pieces is None

    async def do_get_profiles(self, *filters):
        usage = "usage: get-profiles [id=N] [connector=N] [purpose=P] [level=N] [source=S]"
        words = profile_filters(filters, usage, ("source",))
        station = await self.station()
        dialect = self.dialects[station.language]
        criteria = dialect.criteria(words.get("purpose"), words.get("level"))
        for name, field in (("id", "chargingProfileId"), ("source", "chargingLimitSource")):
            if name in words:
                criteria[field] = [words[name]]
        payload = {"chargingProfile": criteria}
        if "connector" in words:
            payload["evseId"] = words["connector"]
        told_by = "ReportChargingProfiles"
        pieces = await self._report("GetChargingProfiles", payload, told_by, station)
        for piece in pieces or ():
            for profile in piece["chargingProfile"]:
                self.show(profile_line(piece, profile))
                for schedule in profile["chargingSchedule"]:
                    begin = schedule.get("startSchedule")
                    begin = parse_time(begin) if begin else self.central.now()
                    for line in plot(schedule, begin):
                        self.show(line)
        return pieces is None

    async def do_monitor(self, name, kind, value, *words):
        usage = "monitor NAME upper|lower|delta|periodic|aligned VALUE [severity=N] [id=N]"
        more = fields(words, ("severity", "id"), f"usage: {usage}")
        entry = {**parse_variable(name), "type": _word(kind, _MONITORS, usage)}
        entry["value"] = _decimal(value)
        entry["severity"] = number(more.get("severity", "5"), "severity")
        if "id" in more:
            entry["id"] = number(more["id"], "id")
        action = "SetVariableMonitoring"
        answer = await self.request(action, {"setMonitoringData": [entry]})
        (result,) = answer["setMonitoringResult"]
        id = f", id {result['id']}" if "id" in result else ""
        self.show(f"{action}: {result['status']}{id}{reason(result)}")
        return result["status"] != "Accepted"

    async def do_monitors(self, *words):
        payload = {}
        if words:
            kinds = "ThresholdMonitoring", "DeltaMonitoring", "PeriodicMonitoring"
            payload = _chosen(words, "monitoringCriteria", kinds)
        pieces = await self._report("GetMonitoringReport", payload, "NotifyMonitoringReport")
        for piece in pieces or ():
            for entry in piece.get("monitor", ()):
                for one in entry["variableMonitoring"]:
                    what = f"{one['type']} {one['value']:g}, severity {one['severity']}"
                    self.show(f"{one['id']:4}  {format_variable(entry)}  {what}")
        return pieces is None

    async def do_clear_monitor(self, id):
        answer = await self.request("ClearVariableMonitoring", {"id": [number(id, "id")]})
        (result,) = answer["clearMonitoringResult"]
        return self.told("ClearVariableMonitoring", result)

    async def do_monitoring_base(self, base):
        base = _word(base, _BASES, "monitoring-base all|factory|hardwired")
        return await self.ask_plain("SetMonitoringBase", {"monitoringBase": base})

    async def do_monitoring_level(self, severity):
        payload = {"severity": number(severity, "severity")}
        return await self.ask_plain("SetMonitoringLevel", payload)

    async def do_customer(self, tag, *words):
        if set(words) - {"report", "clear"}:
            raise CommandError("usage: customer TAG [report] [clear]")
        report = "report" in words or not words
        payload = {"report": report, "clear": "clear" in words, "idToken": token(tag)}
        pieces = await self._report("CustomerInformation", payload, "NotifyCustomerInformation")
        text = "".join(piece["data"] for piece in pieces or ())
        for line in text.splitlines():
            self.show(line)
        return pieces is None

    async def do_network_profile(self, slot, url, *words):
        usage = "usage: network-profile SLOT URL [security=N] [timeout=SECONDS] [interface=NAME]"
        more = fields(words, ("security", "timeout", "interface"), usage)
        data = {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": url,
            "messageTimeout": number(more.get("timeout", "30"), "timeout"),
            "securityProfile": number(more.get("security", "1"), "security"),
            "ocppInterface": more.get("interface", "Wireless0"),
        }
        payload = {"configurationSlot": number(slot, "slot"), "connectionData": data}
        return await self.ask_plain("SetNetworkProfile", payload)

    async def do_transaction_status(self, transaction=None):
        station = await self.station()
        payload = {}
        if transaction is not None or self.running(station):
            payload["transactionId"] = self.transaction_id(station, transaction)
        answer = await self.request("GetTransactionStatus", payload, station)
        runs = {True: "it runs, ", False: "it has ended, "}.get(answer.get("ongoingIndicator"), "")
        waiting = "messages wait" if answer["messagesInQueue"] else "no message waits"
        self.show(f"GetTransactionStatus: {runs}{waiting}")

    async def do_cost(self, amount, transaction=None):
        station = await self.station()
        payload = {"totalCost": _decimal(amount)}
        payload["transactionId"] = self.transaction_id(station, transaction)
        await self.request("CostUpdated", payload, station)

    async def do_events(self, transaction=None):
        station = await self.station()
        ids = [id for id, one in station.transactions.items() if "events" in one]
        if transaction is not None:
            ids = [id for id in ids if id.startswith(transaction)]
        if not ids:
            raise CommandError("there is no such transaction")
        for line in event_lines(station.transactions[ids[-1]]):
            self.show(line)


def _decimal(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):  # (JSON has no word for others)
        raise CommandError(f"{text!r} is not a number")
    return value


def _chosen(words, criteria, known):
    """What a report is of: some of the words are criteria, others names of variables."""
    payload = {}
    for word in words:
        found = [one for one in known if one.lower().removesuffix("monitoring") == word.lower()]
        if found:
            payload.setdefault(criteria, []).extend(found)
        else:
            name = parse_variable(word, all_of_it=True)
            payload.setdefault("componentVariable", []).append(name)
    return payload
