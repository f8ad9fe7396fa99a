"""OCPP 2.0.1, N: monitors, and the events that they tell. A test is named after its case of the
certification tool: TC_N_08_CS is test_n_08_..."""

import pytest
from station_201 import assert_reason
from station_driver import WAIT_s

from host.csms import CallError, parse_time
from host.process import poll
from host.variables import format_variable, parse_variable

NOTIFY = "NotifyEvent"
POWER, STATE = "EVSE@1.Power", "EVSE@1.AvailabilityState"
PROBLEM = "Connector@1:1.Problem"
UPPER, LOWER, DELTA = "UpperThreshold", "LowerThreshold", "Delta"
PERIODIC, ALIGNED = "Periodic", "PeriodicClockAligned"


def entry(name, type=DELTA, value=1, severity=5, **more):
    return {**parse_variable(name), "type": type, "value": value, "severity": severity, **more}


async def put(b, *entries):
    """SetVariableMonitoring; -> the results, which say what they are of, and why not."""
    answer = await b.st.call("SetVariableMonitoring", {"setMonitoringData": list(entries)}, WAIT_s)
    results = answer["setMonitoringResult"]
    for asked, result in zip(entries, results, strict=True):
        for field in ("component", "variable", "type", "severity"):
            assert result[field] == asked[field]
        assert ("id" in result) == (result["status"] == "Accepted")
        if result["status"] != "Accepted":
            assert_reason(result)
    return results


async def monitor(b, *args, **more):
    """One that is Accepted; -> its id."""
    (result,) = await put(b, entry(*args, **more))
    assert result["status"] == "Accepted", result
    return result["id"]


async def refused(b, status, reason, *args, **more):
    (result,) = await put(b, entry(*args, **more))
    assert result["status"] == status, result
    assert_reason(result, reason)


async def clear(b, *ids):
    """ClearVariableMonitoring; -> the statuses."""
    answer = await b.st.call("ClearVariableMonitoring", {"id": list(ids)}, WAIT_s)
    results = answer["clearMonitoringResult"]
    assert [result["id"] for result in results] == list(ids)
    for result in results:
        if result["status"] != "Accepted":
            assert_reason(result)
    return [result["status"] for result in results]


async def monitors(b, expect="Accepted", **payload):
    """GetMonitoringReport; -> (name, type, value, severity) by id."""
    since, request = b.st.mark(), len(b.st.messages)
    answer = await b.ask("GetMonitoringReport", expect, requestId=request, **payload)
    if expect != "Accepted":
        assert_reason(answer)
        return {}
    told_by = "NotifyMonitoringReport"
    await b.st.expect(told_by, lambda p: not p["tbc"], WAIT_s, since)
    told = b.st.received(told_by, since)
    assert [(p["seqNo"], p["requestId"]) for p in told] == [(i, request) for i in range(len(told))]
    return {
        one["id"]: (format_variable(row), one["type"], one["value"], one["severity"])
        for p in told
        for row in p["monitor"]
        for one in row["variableMonitoring"]
    }


def events(b, since=0):
    """The events that were told, each once."""
    messages = b.st.received(NOTIFY, since)
    assert {p["seqNo"] for p in messages} <= {0}
    every = [event for p in messages for event in p["eventData"]]
    assert len({event["eventId"] for event in every}) == len(every)
    return every


async def event(b, since=0, name=None, cleared=False, **fields):
    """Wait for an event with these fields; -> it."""

    def found():
        for one in events(b, since):
            same = all(one.get(key) == value for key, value in fields.items())
            named = name is None or format_variable(one) == name
            if same and named and one.get("cleared", False) == cleared:
                return one
        return None

    await poll(found, WAIT_s, lambda: f"{name} {fields} in {events(b, since)}")
    return found()


def of_monitor(b, id, since=0):
    return [one for one in events(b, since) if one.get("variableMonitoringId") == id]


# Setting, reporting and clearing


async def test_n_08_09_10_47_set_and_report(bench201):
    async with bench201() as b:
        await monitors(b, "EmptyResultSet")
        results = await put(
            b,
            entry(POWER, UPPER, 1000),
            entry(POWER, LOWER, 100.5, 6),
            entry(STATE, DELTA, 1),
            entry("OCPPCommCtrlr.OfflineThreshold", PERIODIC, 600, 8, transaction=True),
        )
        assert [result["status"] for result in results] == ["Accepted"] * 4
        assert await monitors(b) == {
            1: (POWER, UPPER, 1000, 5),
            2: (POWER, LOWER, 100.5, 6),
            3: (STATE, DELTA, 1, 5),
            4: ("OCPPCommCtrlr.OfflineThreshold", PERIODIC, 600, 8),
        }
        assert await b.get("MonitoringCtrlr.Entries") == "4"


async def test_n_01_02_03_60_report_by_criteria(bench201):
    async with bench201(connectors=2) as b:
        upper = await monitor(b, POWER, UPPER, 1000)
        state = await monitor(b, STATE)
        other = await monitor(b, "EVSE@2.Power", DELTA, 100)
        clock = await monitor(b, "EVSE@2.Power", ALIGNED, 900)

        async def found(*names, criteria=(), expect="Accepted"):
            payload = {"monitoringCriteria": list(criteria)} if criteria else {}
            if names:
                payload["componentVariable"] = [parse_variable(name, True) for name in names]
            return set(await monitors(b, expect, **payload))

        assert await found(criteria=["ThresholdMonitoring"]) == {upper}
        assert await found(criteria=["DeltaMonitoring", "PeriodicMonitoring"]) == {
            state, other, clock,
        }  # fmt: skip
        assert await found(POWER) == {upper}
        assert await found("EVSE.Power") == {upper, other, clock}
        assert await found("EVSE@1") == {upper, state}
        assert await found("EVSE.Power", STATE, criteria=["DeltaMonitoring"]) == {state, other}
        assert (
            await found(STATE, criteria=["PeriodicMonitoring"], expect="EmptyResultSet") == set()
        )
        with pytest.raises(CallError, match="OccurrenceConstraintViolation"):
            await found(*[STATE] * 17)


async def test_n_11_12_13_15_37_38_39_43_refused(bench201):
    async with bench201() as b:
        await refused(b, "UnknownComponent", None, "EVSE@2.Power")
        await refused(b, "UnknownComponent", None, "Nothing.Power")
        await refused(b, "UnknownVariable", None, "EVSE@1.Nothing")
        await refused(b, "UnsupportedMonitorType", "UnsupportedParam", STATE, UPPER, 1)
        await refused(b, "UnsupportedMonitorType", None, "ClockCtrlr.DateTime", DELTA, 1)
        await refused(b, "UnsupportedMonitorType", None, "EVSE@1.Available", DELTA, 1)
        for name, kind, value, severity in (
            (POWER, DELTA, -1, 5),
            (POWER, UPPER, 10**6, 5),
            ("OCPPCommCtrlr.OfflineThreshold", LOWER, -1, 5),
            (POWER, PERIODIC, 0, 5),
            (POWER, ALIGNED, 86401, 5),
            (POWER, DELTA, 1, 10),
            (POWER, DELTA, 1, -1),
        ):
            await refused(b, "Rejected", "ValueOutOfRange", name, kind, value, severity)
        results = await put(
            b, entry(POWER, UPPER, 1000), entry(POWER, DELTA, -1), entry(POWER, LOWER, 100)
        )
        assert [r["status"] for r in results] == ["Accepted", "Rejected", "Accepted"]
        first = results[0]
        await refused(b, "Duplicate", "InvalidValue", POWER, UPPER, 2000)
        same = entry(STATE)
        assert [r["status"] for r in await put(b, same, same)] == ["Accepted", "Duplicate"]
        await refused(b, "Rejected", "InvalidValue", STATE, DELTA, 1, 4, id=first["id"])
        await refused(b, "Rejected", "NotFound", POWER, DELTA, 1, id=99)
        told = await monitors(b)
        assert told[first["id"]] == (POWER, UPPER, 1000, 5) and len(told) == 3


async def test_too_many(bench201):
    """Of a request, and of all."""
    async with bench201() as b:
        with pytest.raises(CallError, match="OccurrenceConstraintViolation"):
            await put(b, *[entry(POWER, UPPER, 1)] * 17)
        with pytest.raises(CallError, match="OccurrenceConstraintViolation"):
            await clear(b, *range(17))
        with pytest.raises(CallError, match="FormatViolation"):
            await put(b, entry(POWER, customData={"vendorId": "x" * 200, "x": "x" * 9000}))
        full = [entry(POWER, kind, 100, n) for kind in (UPPER, LOWER) for n in range(8)]
        assert {r["status"] for r in await put(b, *full)} == {"Accepted"}
        await refused(b, "Rejected", "OutOfMemory", STATE)
        assert await b.get("MonitoringCtrlr.Entries") == "16"


async def test_n_40_51_replace(bench201):
    """With the same id; a threshold that is exceeded now is told at once (N07.FR.11)."""
    async with bench201() as b:
        id = await monitor(b, POWER, UPPER, 7000)
        tx = await b.charge()
        await b.settled()
        since = b.st.mark()
        assert await monitor(b, POWER, UPPER, 0, 4, id=id) == id
        assert await monitors(b) == {id: (POWER, UPPER, 0, 4)}
        told = await event(b, since, POWER, variableMonitoringId=id, trigger="Alerting")
        assert told["transactionId"] == tx and float(told["actualValue"]) > 0
        # what is exceeded no more by another value is over
        since = b.st.mark()
        assert await monitor(b, POWER, UPPER, 7000, 4, id=id) == id
        await event(b, since, POWER, True, variableMonitoringId=id)


async def test_n_18_19_52_clear(bench201):
    """N07.FR.12: nothing is told of what is cleared."""
    async with bench201() as b:
        id = await monitor(b, POWER, UPPER, 0)
        await b.charge()
        await event(b, 0, POWER, variableMonitoringId=id)
        assert await clear(b, id, 77) == ["Accepted", "NotFound"]
        assert await clear(b, id) == ["NotFound"]
        await monitors(b, "EmptyResultSet", monitoringCriteria=["ThresholdMonitoring"])
        since = b.st.mark()
        after = await monitor(b, STATE)
        await b.finish()
        await event(b, since, STATE, actualValue="Available", variableMonitoringId=after)
        assert of_monitor(b, after, since) == events(b, since)


async def test_n_04_07_unknown_words(bench201):
    async with bench201() as b:
        payload = {"requestId": 3, "monitoringCriteria": ["DeltaMonitoring", "Nonsense"]}
        await b.refused("GetMonitoringReport", payload, "PropertyConstraintViolation")
        payload = {"monitoringBase": "Nonsense"}
        await b.refused("SetMonitoringBase", payload, "PropertyConstraintViolation")


async def test_n_05_41_base(bench201):
    async with bench201() as b:
        for base, left in (("All", True), ("FactoryDefault", False), ("HardWiredOnly", False)):
            id = await monitor(b, POWER, UPPER, 1000)
            await b.ask("SetMonitoringBase", monitoringBase=base)
            assert await b.get("MonitoringCtrlr.ActiveMonitoringBase") == base
            if left:
                assert set(await monitors(b)) == {id}
                assert await clear(b, id) == ["Accepted"]
            else:
                await monitors(b, "EmptyResultSet")
        await b.cut()
        assert await b.get("MonitoringCtrlr.ActiveMonitoringBase") == "HardWiredOnly"


# Events


async def test_n_20_threshold_exceeded(bench201):
    """One event a crossing, and one that it is over (N07.FR.02, 16, 17)."""
    async with bench201() as b:
        upper = await monitor(b, POWER, UPPER, 1000)
        tx = await b.charge()
        told = await event(b, 0, POWER, variableMonitoringId=upper)
        assert told["eventNotificationType"] == "CustomMonitor" and told["trigger"] == "Alerting"
        assert float(told["actualValue"]) > 1000 and told["transactionId"] == tx
        lower = await monitor(b, POWER, LOWER, 100)
        await b.finish()
        over = await event(b, 0, POWER, True, variableMonitoringId=upper)
        below = await event(b, 0, POWER, variableMonitoringId=lower)
        assert float(over["actualValue"]) <= 1000 and float(below["actualValue"]) < 100
        assert len(events(b)) == 3


async def test_n_45_delta(bench201):
    async with bench201() as b:
        id = await monitor(b, POWER, DELTA, 100)
        await b.charge()
        told = await event(b, 0, POWER, variableMonitoringId=id, trigger="Delta")
        assert float(told["actualValue"]) >= 100


async def test_n_56_delta_of_a_word(bench201):
    async with bench201() as b:
        id = await monitor(b, STATE)
        await b.do("plug")
        await event(b, 0, STATE, variableMonitoringId=id, trigger="Delta", actualValue="Occupied")


async def test_n_61_48_delta_of_a_setting(bench201):
    """Of a number, and of a password, which is never told (N07.FR.10)."""
    async with bench201(config={"security_profile": 1, "password": "0123456789abcdef"}) as b:
        name = "OCPPCommCtrlr.OfflineThreshold"
        id = await monitor(b, name, DELTA, 2)
        last = await monitor(b, name, DELTA, 1, 6)
        await b.set(name, 1)
        await event(b, 0, name, variableMonitoringId=last, actualValue="1")
        assert of_monitor(b, id) == []
        await b.set(name, 2)
        await event(b, 0, name, variableMonitoringId=id, actualValue="2")
        secret = await monitor(b, "SecurityCtrlr.BasicAuthPassword")
        await b.set(name, 0)  # (so that all is told after any loss)
        before = b.st
        await b.set("SecurityCtrlr.BasicAuthPassword", "fedcba9876543210")
        await b.again(before)
        told = await event(b, 0, "SecurityCtrlr.BasicAuthPassword", variableMonitoringId=secret)
        assert told["actualValue"] == ""


async def test_n_24_periodic(bench201):
    async with bench201() as b:
        id = await monitor(b, POWER, PERIODIC, 30)
        clock = await monitor(b, STATE, ALIGNED, 60, 6)
        await poll(lambda: len(of_monitor(b, id)) >= 3, WAIT_s, "three")
        await poll(lambda: len(of_monitor(b, clock)) >= 2, WAIT_s, "two")
        for one in events(b):
            assert one["trigger"] == "Periodic"
        times = [parse_time(one["timestamp"]) for one in of_monitor(b, id)]
        for before, after in zip(times, times[1:], strict=False):
            assert 29 <= (after - before).total_seconds() <= 32
        for one in of_monitor(b, clock):
            assert parse_time(one["timestamp"]).second <= 2


async def test_n_16_17_level(bench201):
    """What is not told is not lost either: the chain goes on when it is wanted again."""
    async with bench201() as b:
        id = await monitor(b, POWER, UPPER, 1000, 7)
        for severity in (-1, 10):
            await b.ask("SetMonitoringLevel", "Rejected", "ValueOutOfRange", severity=severity)
        await b.ask("SetMonitoringLevel", severity=6)
        assert await b.get("MonitoringCtrlr.ActiveMonitoringLevel") == "6"
        state = await monitor(b, STATE, DELTA, 1, 6)
        await b.charge()
        await event(b, 0, STATE, variableMonitoringId=state)
        await b.process.passes(3)
        assert of_monitor(b, id) == []
        await b.ask("SetMonitoringLevel", severity=7)
        await event(b, 0, POWER, variableMonitoringId=id)


async def test_disabled(bench201):
    async with bench201() as b:
        id = await monitor(b, STATE)
        await b.set("MonitoringCtrlr.Enabled", "false")
        await b.do("plug")
        await b.status("Occupied")
        await b.process.passes(3)
        assert events(b) == []
        await b.set("MonitoringCtrlr.Enabled", "true")
        await event(b, 0, STATE, variableMonitoringId=id, actualValue="Occupied")


async def test_n_22_23_offline(bench201):
    """What is severe enough is queued with its time (N07.FR.04); of the rest the Central System
    hears the present."""
    async with bench201() as b:
        await b.set("MonitoringCtrlr.OfflineQueuingSeverity", 2)
        queued = await monitor(b, STATE, DELTA, 1, 2)
        other = await monitor(b, "Connector@1:1.AvailabilityState", DELTA, 1, 3)
        before = await b.away()
        await b.do("plug")
        await b.process.until(lambda c: c["status"] == "Preparing")
        await b.process.passes(3)
        await b.do("unplug")
        await b.process.until(lambda c: c["status"] == "Available")
        await b.process.passes(3)
        await b.back(before)
        for value in ("Occupied", "Available"):
            await event(b, 0, STATE, variableMonitoringId=queued, actualValue=value)
        await b.settled()
        assert of_monitor(b, other) == []


async def test_n_53_over_a_reboot(bench201):
    """The monitor, and that it was exceeded (N07.FR.13, N07.FR.14)."""
    async with bench201() as b:
        id = await monitor(b, POWER, UPPER, 1000)
        state = await monitor(b, STATE, ALIGNED, 86400, 9)
        await b.charge()
        await event(b, 0, POWER, variableMonitoringId=id)
        await b.cut()
        assert await monitors(b) == {
            id: (POWER, UPPER, 1000, 5),
            state: (STATE, ALIGNED, 86400, 9),
        }
        await b.finish()
        await event(b, 0, POWER, True, variableMonitoringId=id)
        assert len(of_monitor(b, id)) == 2


# Faults


FULL = {"board": "reference_full"}


async def test_n_21_a_fault_is_told(bench201):
    """A HardWiredNotification; StatusNotification says no more than Faulted."""
    async with bench201(config=FULL, heap="300K") as b:
        tx = await b.charge()
        await b.do("fault diode-short")
        told = await event(b, 0, PROBLEM, techCode="DiodeFault")
        assert told["eventNotificationType"] == "HardWiredNotification"
        assert (told["trigger"], told["actualValue"]) == ("Alerting", "true")
        assert told["techInfo"] == "severity 4" and told["transactionId"] == tx
        assert "variableMonitoringId" not in told
        assert await b.get(PROBLEM) == "true"
        await b.status("Faulted")
        await b.do("clear diode-short")
        await b.do("unplug")
        over = await event(b, 0, PROBLEM, True, techCode="DiodeFault")
        assert over["actualValue"] == "false"
        assert len(events(b)) == 2
