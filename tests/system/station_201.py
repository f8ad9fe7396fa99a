"""tools/station in a test that speaks OCPP 2.0.1: what of the Bench depends on the language."""

from station_driver import ID, TAG, Bench, WAIT_s, periods

from host.csms import V201, parse_time
from host.profile import in_201
from host.variables import parse_variable

ISO14443, CENTRAL, LOCAL = "ISO14443", "Central", "Local"


def token(id=TAG, type=ISO14443):
    """An IdTokenType."""
    return {"idToken": id, "type": type}


def assert_reason(answer, reason=None, field="statusInfo"):
    """A refusal says why; `reason`: its reasonCode."""
    info = answer.get(field)
    assert info and info["reasonCode"] and info.get("additionalInfo"), answer
    assert reason in (None, info["reasonCode"]), answer


class Bench201(Bench):
    """See Bench. `b.cs` takes OCPP 2.0.1 only, and so does the station. Tests that have the
    station lose what was stored say how TransactionEvents may follow each other: `b.cs.sequences`.
    """

    protocol = V201.protocol

    def __init__(self, folder, speed=20, *, config=None, **options):
        config = {"protocols": [self.protocol], **(config or {})}
        super().__init__(folder, speed, config=config, **options)

    async def booted(self, since=0, connectors=None):
        self.st = await self.cs.wait_station(ID, WAIT_s)
        last = connectors or int(self.options.get("connectors", 1))
        await self.st.expect("StatusNotification", lambda p: p["evseId"] == last, WAIT_s, since)
        return self.st

    async def settled(self):
        await self.get("OCPPCommCtrlr.HeartbeatInterval")

    # What happens

    async def status(self, status, evse=1, since=0, timeout=WAIT_s):
        """Wait for a StatusNotification; -> its payload."""

        def test(p):
            return (p["evseId"], p["connectorId"], p["connectorStatus"]) == (evse, 1, status)

        return await self.st.expect("StatusNotification", test, timeout, since)

    async def event(self, trigger=None, kind=None, since=0, timeout=WAIT_s, evse=None, **fields):
        """Wait for a TransactionEvent; -> its payload.

        trigger: its triggerReason, kind: its eventType, evse: the EVSE that it names; fields: of
        it or of its transactionInfo (transactionId, chargingState, stoppedReason, ...).
        """
        fields |= {"triggerReason": trigger} if trigger else {}
        fields |= {"eventType": kind} if kind else {}

        def test(p):
            said = {**p["transactionInfo"], **p}
            right = all(said.get(name) == value for name, value in fields.items())
            return right and (evse is None or p["evse"]["id"] == evse)

        return await self.st.expect("TransactionEvent", test, timeout, since)

    def events(self, id):
        """The TransactionEvents of a transaction so far, in the order of their numbers, each
        once."""
        events = self.cs.transactions[id]["events"]
        return [events[number] for number in sorted(events)]

    async def charge(self, tag=TAG, evse=1):
        """Plug, present the tag, wait until energy flows; -> transactionId."""
        since = self.st.mark()
        await self.do(f"plug {evse}")
        await self.do(f"tag {tag} {evse}")
        return await self.charging(evse, since)

    async def charge_remotely(self, evse=1, start_id=1, **payload):
        """RequestStartTransaction, plug, wait until energy flows; -> transactionId."""
        since = self.st.mark()
        payload = {"idToken": token(type=CENTRAL), **payload}
        await self.ask(
            "RequestStartTransaction", evseId=evse, remoteStartId=start_id, **payload
        )  # fmt: skip
        await self.do(f"plug {evse}")
        event = await self.event(since=since, remoteStartId=start_id)
        id = await self.charging(evse, since)
        assert event["transactionInfo"]["transactionId"] == id
        return id

    async def charging(self, evse=1, since=0):
        """Wait until a transaction has begun at that EVSE, and energy flows; -> transactionId."""
        begun = await self.event(kind="Started", since=since, evse=evse)
        id = begun["transactionInfo"]["transactionId"]
        await self.event(since=since, transactionId=id, chargingState="Charging")
        await self.process.until(lambda c: c["contactor"], evse)
        return id

    async def finish(self, tag=TAG, evse=1):
        """Stop with the tag and unplug; -> the TransactionEvent Ended."""
        since = self.st.mark()
        await self.do(f"tag {tag} {evse}")
        ended = await self.ended(since)
        await self.do(f"unplug {evse}")
        await self.status("Available", evse, since)
        return ended

    async def ended(self, since=0, **fields):
        """-> the TransactionEvent Ended, with these fields (see event)."""
        event = await self.event(kind="Ended", since=since)
        said = {**event["transactionInfo"], **event}
        assert {key: said.get(key) for key in fields} == fields, event
        return event

    stopped = ended

    # Requests

    async def ask(self, action, expect="Accepted", reason=None, **payload):
        """A request that must be answered with that status, and a refused one with why (reason:
        its reasonCode); -> the answer."""
        answer = await self.st.call(action, payload, WAIT_s)
        assert answer["status"] == expect, (answer, action, payload)
        if expect == "Rejected" or reason:
            assert_reason(answer, reason)
        return answer

    async def set(self, name, value, expect="Accepted", reason=None):
        """SetVariables of one, named as host.variables has it."""
        entry = {**parse_variable(name), "attributeValue": str(value)}
        answer = await self.st.call("SetVariables", {"setVariableData": [entry]})
        (result,) = answer["setVariableResult"]
        assert result["attributeStatus"] == expect, (result, name, value)
        if expect == "Rejected" or reason:
            assert_reason(result, reason, "attributeStatusInfo")

    async def get(self, name, expect="Accepted"):
        """GetVariables of one; -> its value, or None."""
        answer = await self.st.call("GetVariables", {"getVariableData": [parse_variable(name)]})
        (result,) = answer["getVariableResult"]
        assert result["attributeStatus"] == expect, (result, name)
        return result.get("attributeValue")

    key = set

    async def keys(self, **keys):
        """Several of them, whose names have __ instead of the dot."""
        for name, value in keys.items():
            await self.set(name.replace("__", "."), value)

    async def set_profile(self, p, evse=0, expect="Accepted", reason=None):
        """SetChargingProfile; the profile may be one of 1.6, which is translated."""
        p = in_201(p) if "chargingProfileId" in p else p
        return await self.ask("SetChargingProfile", expect, reason, evseId=evse, chargingProfile=p)

    async def clear(self, expect="Accepted", id=None, **criteria):
        """ClearChargingProfile, by id or by criteria; neither: all."""
        payload = {} if id is None else {"chargingProfileId": id}
        if criteria:
            payload["chargingProfileCriteria"] = criteria
        return await self.ask("ClearChargingProfile", expect, **payload)

    async def composite(self, duration=86400, evse=1, unit=None):
        """GetCompositeSchedule: see periods()."""
        payload = {"evseId": evse, "duration": duration}
        if unit:
            payload["chargingRateUnit"] = unit
        schedule = (await self.ask("GetCompositeSchedule", **payload))["schedule"]
        assert (schedule["evseId"], schedule["duration"]) == (evse, duration)
        assert schedule["chargingRateUnit"] == (unit or "A")
        self.schedule_start = parse_time(schedule["scheduleStart"])
        return periods(schedule)
