"""Certification cases of OCPP 2.0.1, B: boots, variables, reports, resets."""

import contextlib
from datetime import datetime, timezone

import pytest
from console_driver import Console
from station_driver import ID, WAIT_s

from host.csms import CallError, format_time
from host.variables import format_variable, parse_variable

COMM = "OCPPCommCtrlr."
# What a station has to have that has no display, no tariffs, no ISO 15118 (part 2, appendix 3).
REQUIRED = set(
    """
    AlignedDataCtrlr.Interval AlignedDataCtrlr.Measurands AlignedDataCtrlr.TxEndedInterval
    AlignedDataCtrlr.TxEndedMeasurands AuthCtrlr.AuthorizeRemoteStart
    AuthCtrlr.LocalAuthorizeOffline AuthCtrlr.LocalPreAuthorize
    ChargingStation.AvailabilityState ChargingStation.Available ChargingStation.SupplyPhases
    ClockCtrlr.DateTime ClockCtrlr.TimeSource Connector@1:1.Available
    Connector@1:1.ConnectorType Connector@1:1.SupplyPhases
    DeviceDataCtrlr.BytesPerMessage[GetReport] DeviceDataCtrlr.BytesPerMessage[GetVariables]
    DeviceDataCtrlr.BytesPerMessage[SetVariables] DeviceDataCtrlr.ItemsPerMessage[GetReport]
    DeviceDataCtrlr.ItemsPerMessage[GetVariables]
    DeviceDataCtrlr.ItemsPerMessage[SetVariables] EVSE@1.AvailabilityState EVSE@1.Available
    EVSE@1.Power EVSE@1.SupplyPhases LocalAuthListCtrlr.BytesPerMessage
    LocalAuthListCtrlr.Entries LocalAuthListCtrlr.ItemsPerMessage
    MonitoringCtrlr.BytesPerMessage[SetVariableMonitoring]
    MonitoringCtrlr.ItemsPerMessage[SetVariableMonitoring] OCPPCommCtrlr.FileTransferProtocols
    OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]
    OCPPCommCtrlr.MessageAttempts[TransactionEvent] OCPPCommCtrlr.MessageTimeout[Default]
    OCPPCommCtrlr.NetworkConfigurationPriority OCPPCommCtrlr.NetworkProfileConnectionAttempts
    OCPPCommCtrlr.OfflineThreshold OCPPCommCtrlr.ResetRetries
    OCPPCommCtrlr.RetryBackOffRandomRange OCPPCommCtrlr.RetryBackOffRepeatTimes
    OCPPCommCtrlr.RetryBackOffWaitMinimum OCPPCommCtrlr.UnlockOnEVSideDisconnect
    OCPPCommCtrlr.WebSocketPingInterval SampledDataCtrlr.TxEndedInterval
    SampledDataCtrlr.TxEndedMeasurands SampledDataCtrlr.TxStartedMeasurands
    SampledDataCtrlr.TxUpdatedInterval SampledDataCtrlr.TxUpdatedMeasurands
    SecurityCtrlr.CertificateEntries SecurityCtrlr.Identity SecurityCtrlr.OrganizationName
    SecurityCtrlr.SecurityProfile SmartChargingCtrlr.Entries[ChargingProfiles]
    SmartChargingCtrlr.LimitChangeSignificance SmartChargingCtrlr.PeriodsPerSchedule
    SmartChargingCtrlr.ProfileStackLevel SmartChargingCtrlr.RateUnit
    TxCtrlr.EVConnectionTimeOut TxCtrlr.StopTxOnEVSideDisconnect TxCtrlr.StopTxOnInvalidId
    TxCtrlr.TxStartPoint TxCtrlr.TxStopPoint
    """.split()
)


def boot_answer(status, interval=60):
    now = format_time(datetime.now(timezone.utc))
    return {"status": status, "interval": interval, "currentTime": now}


@contextlib.asynccontextmanager
async def registering(bench201, status, **options):
    """A station whose BootNotifications are answered as b.registration is then."""
    async with bench201(boot=False, **options) as b:
        b.registration = status
        b.cs.answer("BootNotification", lambda p: boot_answer(b.registration))
        b.st = await b.cs.wait_station(ID, WAIT_s)
        await b.st.expect("BootNotification")
        yield b


async def many(b, action, entries, **more):
    """SetVariables or GetVariables of several; -> the results."""
    field = action[0].lower() + action[1:-1] + "Data"
    answer = await b.st.call(action, {field: [{**e, **more} for e in entries]}, WAIT_s)
    return answer[action[0].lower() + action[1:-1] + "Result"]


async def report(b, action, request, expect="Accepted", **payload):
    """A report; -> its ReportData, by name."""
    since = b.st.mark()
    await b.ask(action, expect, requestId=request, **payload)
    if expect != "Accepted":
        return {}
    await b.st.expect(
        "NotifyReport", lambda p: p["requestId"] == request and not p.get("tbc"), WAIT_s, since
    )
    told = [p for p in b.st.received("NotifyReport", since) if p["requestId"] == request]
    assert [p["seqNo"] for p in told] == list(range(len(told)))
    rows = [row for p in told for row in p["reportData"]]
    out = {format_variable(row): row for row in rows}
    assert len(out) == len(rows)
    for name, row in out.items():
        characteristics = row["variableCharacteristics"]
        values = characteristics.get("valuesList")
        listed = characteristics["dataType"] in ("OptionList", "MemberList", "SequenceList")
        assert bool(values) == listed, name
        for attribute in row["variableAttribute"]:
            hidden = attribute["mutability"] == "WriteOnly"
            assert ("value" in attribute) != hidden, name
            said = attribute.get("value")
            if listed and said:
                assert set(said.split(",")) <= set(values.split(",")), name
    return out


def value(row):
    return row["variableAttribute"][0]["value"]


async def test_TC_B_01_CS_accepted(bench201):
    """Boot, then the state of each connector, then heartbeats as it was told."""
    async with bench201(boot=False, connectors=2) as b:
        b.cs.answer("BootNotification", lambda p: boot_answer("Accepted", 7))
        await b.booted()
        assert b.st.boot["reason"] == "PowerUp"
        told = b.st.received("StatusNotification")
        assert [(p["evseId"], p["connectorStatus"]) for p in told] == [
            (1, "Available"),
            (2, "Available"),
        ]
        await b.st.expect("Heartbeat", None, WAIT_s)
        assert await b.get(COMM + "HeartbeatInterval") == "7"


async def test_TC_B_02_CS_pending(bench201):
    """Configured and reported before it is accepted; nothing else is told, and nothing begins."""
    async with registering(bench201, "Pending") as b:
        await b.set(COMM + "OfflineThreshold", 300)
        assert await b.get(COMM + "OfflineThreshold") == "300"
        rows = await report(b, "GetBaseReport", 2, reportBase="FullInventory")
        assert value(rows[COMM + "OfflineThreshold"]) == "300"
        start = {"idToken": {"idToken": "A", "type": "Central"}, "remoteStartId": 1}
        await b.ask("RequestStartTransaction", "Rejected", **start)
        b.registration = "Accepted"
        assert not b.st.received("StatusNotification")
        mark = b.st.mark()
        await b.booted(mark)
        assert len(b.st.received("BootNotification")) == 2


async def test_TC_B_30_CS_rejected_security_error(bench201):
    """TC_B_03_CS too: not a word until the interval is over; who asks meanwhile is told why."""
    async with registering(bench201, "Rejected") as b:
        b.hostile = True
        with pytest.raises(CallError) as refused:
            await b.st.call("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
        assert refused.value.code == "SecurityError"
        b.registration = "Accepted"
        await b.booted()
        assert [f[2] for way, f, _ in b.st.messages if way == "in" and f[0] == 2][:2] == [
            "BootNotification",
            "BootNotification",
        ]


async def test_TC_B_06_CS_TC_B_07_CS_get_variables(bench201):
    async with bench201() as b:
        await b.set(COMM + "OfflineThreshold", 300)
        names = [COMM + "OfflineThreshold", "AuthCtrlr.LocalAuthorizeOffline"]
        for more in ({}, {"attributeType": "Actual"}):
            results = await many(b, "GetVariables", map(parse_variable, names), **more)
            assert [r["attributeValue"] for r in results] == ["300", "true"]
            assert [r["attributeType"] for r in results] == ["Actual"] * 2
            assert [format_variable(r) for r in results] == names


async def test_TC_B_32_CS_TC_B_33_CS_TC_B_34_CS_what_cannot_be_read(bench201):
    """Also instances and EVSEs that are not there, and what is write-only (B06.FR.06 to 15)."""
    async with bench201() as b:
        for name, status in (
            ("UnknownCtrlr.OfflineThreshold", "UnknownComponent"),
            ("OCPPCommCtrlr[x].OfflineThreshold", "UnknownComponent"),
            ("OCPPCommCtrlr@1.OfflineThreshold", "UnknownComponent"),
            ("EVSE.Power", "UnknownComponent"),
            ("EVSE@2.Power", "UnknownComponent"),
            ("Connector@1.Available", "UnknownComponent"),
            ("Connector@1:2.Available", "UnknownComponent"),
            (COMM + "UnknownThreshold", "UnknownVariable"),
            (COMM + "OfflineThreshold[x]", "UnknownVariable"),
            (COMM + "MessageAttempts", "UnknownVariable"),
            (COMM + "OfflineThreshold/Target", "NotSupportedAttributeType"),
            ("EVSE@1.Power/MinSet", "NotSupportedAttributeType"),
            ("SecurityCtrlr.BasicAuthPassword", "Rejected"),
        ):
            assert await b.get(name, status) is None
        assert await b.get("ocppcommctrlr.OFFLINETHRESHOLD") == "0"  # (names have no case)
        assert int(await b.get("EVSE@1.Power/MaxSet")) == 22080
        assert await b.get("Connector@1:1.AvailabilityState") == "Available"


async def test_TC_B_09_CS_TC_B_10_CS_set_variables(bench201):
    async with bench201() as b:
        entries = [
            {**parse_variable(COMM + "OfflineThreshold"), "attributeValue": "123"},
            {**parse_variable("AuthCtrlr.AuthorizeRemoteStart"), "attributeValue": "true"},
        ]
        results = await many(b, "SetVariables", entries)
        assert [r["attributeStatus"] for r in results] == ["Accepted"] * 2
        assert [r["attributeType"] for r in results] == ["Actual"] * 2
        assert await b.get("AuthCtrlr.AuthorizeRemoteStart") == "true"
        await b.cut()
        assert await b.get(COMM + "OfflineThreshold") == "123"


async def test_TC_B_11_CS_TC_B_35_CS_to_TC_B_39_CS_what_cannot_be_set(bench201):
    """Each by itself, with why; the value stays."""
    async with bench201() as b:
        for name, text, status, reason in (
            ("UnknownCtrlr.X", "1", "UnknownComponent", None),
            (COMM + "X", "1", "UnknownVariable", None),
            (COMM + "OfflineThreshold/Target", "1", "NotSupportedAttributeType", None),
            (COMM + "OfflineThreshold", "-1", "Rejected", "ValueOutOfRange"),
            (COMM + "OfflineThreshold", "9999999", "Rejected", "ValueOutOfRange"),
            (COMM + "OfflineThreshold", "soon", "Rejected", "InvalidValue"),
            ("AuthCtrlr.LocalPreAuthorize", "maybe", "Rejected", "InvalidValue"),
            ("SampledDataCtrlr.TxUpdatedMeasurands", "SoC", "Rejected", "InvalidValue"),
            ("SampledDataCtrlr.TxUpdatedMeasurands", "Temperature", "Rejected", "InvalidValue"),
            ("TxCtrlr.TxStartPoint", "DataSigned", "Rejected", "InvalidValue"),
            ("SmartChargingCtrlr.LimitChangeSignificance", "101", "Rejected", "ValueOutOfRange"),
            ("SecurityCtrlr.BasicAuthPassword", "tooshort", "Rejected", "InvalidValue"),
            ("SecurityCtrlr.BasicAuthPassword", "0123456789abcde#", "Rejected", "InvalidValue"),
            ("SecurityCtrlr.SecurityProfile", "2", "Rejected", "ReadOnly"),
            ("EVSE@1.Power/MaxSet", "1", "Rejected", "ReadOnly"),
            ("ChargingStation.Model", "X", "Rejected", "ReadOnly"),
        ):
            await b.set(name, text, status, reason)
        assert await b.get(COMM + "OfflineThreshold") == "0"


async def test_too_much_for_one_message(bench201):
    """B06.FR.16, B06.FR.17, B08.FR.17: the numbers are those that its variables say."""
    async with bench201() as b:
        for action, field in (
            ("GetVariables", "getVariableData"),
            ("SetVariables", "setVariableData"),
            ("GetReport", "componentVariable"),
        ):
            one = parse_variable(COMM + "OfflineThreshold")
            if action == "SetVariables":
                one["attributeValue"] = "300"
            more = {"requestId": 3} if action == "GetReport" else {}
            most = int(await b.get(f"DeviceDataCtrlr.ItemsPerMessage[{action}]"))
            length = int(await b.get(f"DeviceDataCtrlr.BytesPerMessage[{action}]"))
            answer = await b.st.call(action, {field: [one] * most, **more}, WAIT_s)
            assert len(answer.get(field.replace("Data", "Result"), [one] * most)) == most
            with pytest.raises(CallError) as refused:
                await b.st.call(action, {field: [one] * (most + 1), **more})
            assert refused.value.code == "OccurrenceConstraintViolation"
            one["component"]["customData"] = {"vendorId": "x" * 200, "more": "x" * length}
            with pytest.raises(CallError) as refused:
                await b.st.call(action, {field: [one], **more})
            assert refused.value.code == "FormatViolation"


async def test_one_value_in_two_languages(bench201):
    """A setting has one value, whatever is spoken; its name in /ocpp.json is OCPP 1.6's, or with a
    dot where that has none."""
    pairs = {
        "AlignedDataCtrlr.Interval": "ClockAlignedDataInterval",
        "SampledDataCtrlr.TxUpdatedInterval": "MeterValueSampleInterval",
        COMM + "OfflineThreshold": COMM + "OfflineThreshold",
    }
    async with bench201() as b:
        say = Console(b)
        for name, known in pairs.items():
            await b.set(name, 77)
            assert f"{known} = 77" in "\n".join(await say(f"config {known}"))
            await say(f"config {known} 78")
            assert await b.get(name) == "78"
            assert f"{known} = 78" in (await say("config " + name.lower()))[0]
        (said,) = await say("config AuthCtrlr.Enabled")  # (no setting)
        assert "no such key" in said


async def test_TC_B_12_CS_configuration_inventory(bench201):
    async with bench201() as b:
        rows = await report(b, "GetBaseReport", 5, reportBase="ConfigurationInventory")
        for name, row in rows.items():
            attribute = row["variableAttribute"][0]
            assert attribute["mutability"] in ("ReadWrite", "WriteOnly"), name
            assert attribute["persistent"], name
        for name in ("OfflineThreshold", "NetworkConfigurationPriority", "ResetRetries"):
            assert COMM + name in rows
        assert "value" not in rows["SecurityCtrlr.BasicAuthPassword"]["variableAttribute"][0]


async def test_TC_B_13_CS_TC_B_53_CS_full_inventory(bench201):
    """All that a station like ours has to have, over a connection that is lost meanwhile."""
    async with bench201(connectors=2) as b:
        rows = await report(b, "GetBaseReport", 6, reportBase="FullInventory")
        assert REQUIRED - set(rows) == set()
        assert value(rows["EVSE@2.AvailabilityState"]) == "Available"
        assert value(rows["SecurityCtrlr.Identity"]) == ID
        power = rows["EVSE@1.Power"]
        assert [a["type"] for a in power["variableAttribute"]] == ["Actual", "MaxSet"]
        assert power["variableCharacteristics"]["maxLimit"] == 22080
        # piece by piece, from where it was when the connection was lost
        before, mark = b.st, b.st.mark()
        await b.ask("GetBaseReport", requestId=7, reportBase="FullInventory")
        await b.st.expect("NotifyReport", None, WAIT_s, mark)
        await before.drop()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        last = await b.st.expect("NotifyReport", lambda p: not p.get("tbc"), WAIT_s, mark)
        told = b.st.received("NotifyReport", mark)
        assert {p["requestId"] for p in told} == {7}
        assert {p["seqNo"] for p in told} == set(range(last["seqNo"] + 1))


async def test_TC_B_14_CS_summary_inventory(bench201):
    async with bench201() as b:
        rows = await report(b, "GetBaseReport", 8, reportBase="SummaryInventory")
        assert {name: value(row) for name, row in rows.items()} == {
            "ChargingStation.AvailabilityState": "Available",
            "EVSE@1.AvailabilityState": "Available",
            "Connector@1:1.AvailabilityState": "Available",
        }
        await b.do("fault over-voltage")
        await b.status("Faulted")
        rows = await report(b, "GetBaseReport", 9, reportBase="SummaryInventory")
        assert {value(row) for row in rows.values()} == {"Faulted", "true"}
        assert "EVSE@1.Problem" in rows


async def test_TC_B_16_CS_by_criteria(bench201):
    async with bench201() as b:
        rows = await report(b, "GetReport", 10, componentCriteria=["Enabled"])
        assert {row["variable"]["name"] for row in rows.values()} == {"Enabled"}
        assert {value(row) for row in rows.values()} == {"true"}
        components = {row["component"]["name"] for row in rows.values()}
        assert {"EVSE", "Connector", "ChargingStation", "OCPPCommCtrlr"} <= components
        await report(b, "GetReport", 11, "EmptyResultSet", componentCriteria=["Problem"])


async def test_TC_B_17_CS_TC_B_18_CS_TC_B_54_CS_to_56_by_component_and_variable(bench201):
    def wanted(*names):
        out = []
        for name in names:
            one = parse_variable(name if "." in name else name + ".x")
            out.append(one if "." in name else {"component": one["component"]})
        return {"componentVariable": out}

    async with bench201(connectors=2) as b:
        state = "EVSE@1.AvailabilityState"
        for number, (ask, more, found) in enumerate(
            (
                ([state], {}, {state}),
                ([state], {"componentCriteria": ["Available"]}, {state}),
                ([state], {"componentCriteria": ["Problem", "Available"]}, {state}),
                (
                    ["DeviceDataCtrlr.ItemsPerMessage"],
                    {},
                    {
                        f"DeviceDataCtrlr.ItemsPerMessage[{i}]"
                        for i in ("GetReport", "GetVariables", "SetVariables")
                    },
                ),
                (
                    ["DeviceDataCtrlr.ItemsPerMessage[GetReport]"],
                    {},
                    {"DeviceDataCtrlr.ItemsPerMessage[GetReport]"},
                ),
                (["EVSE.AvailabilityState"], {}, {state, "EVSE@2.AvailabilityState"}),
                (["Connector@2.Problem"], {}, {"Connector@2:1.Problem"}),
                (
                    ["ReservationCtrlr"],
                    {},
                    {"ReservationCtrlr." + n for n in ("Available", "Enabled", "NonEvseSpecific")},
                ),
            ),
            20,
        ):
            rows = await report(b, "GetReport", number, **wanted(*ask), **more)
            assert set(rows) == found, ask
        row = (await report(b, "GetReport", 40, **wanted(state)))[state]
        characteristics = row["variableCharacteristics"]
        assert characteristics["dataType"] == "OptionList"
        assert characteristics["valuesList"] == "Available,Occupied,Reserved,Unavailable,Faulted"
        for ask, more in (
            ([state], {"componentCriteria": ["Problem"]}),
            (["EVSE@3.Power"], {}),
            (["EVSE@1:1.Power"], {}),
            (["Nothing"], {}),
        ):
            await report(b, "GetReport", 41, "EmptyResultSet", **wanted(*ask), **more)


async def test_TC_B_20_CS_TC_B_22_CS_reset(bench201):
    """Idle: at once; with a transaction Immediate ends it, and tells it, first."""
    async with bench201() as b:
        before = b.st
        await b.ask("Reset", type="OnIdle")
        await b.again(before)
        assert b.st.boot["reason"] == "RemoteReset"
        await b.charge()
        before, mark = b.st, b.st.mark()
        await b.ask("Reset", type="Immediate")
        ended = await b.ended(mark, triggerReason="ResetCommand", stoppedReason="ImmediateReset")
        assert "idToken" not in ended
        await b.again(before)
        assert b.st.boot["reason"] == "RemoteReset"
        await b.cut()
        assert b.st.boot["reason"] == "PowerUp"


async def test_TC_B_21_CS_TC_B_41_CS_reset_when_it_is_idle(bench201):
    """Scheduled: no transaction begins any more, and when the last has ended it resets."""
    async with bench201(connectors=2) as b:
        await b.charge(evse=1)
        await b.charge(tag="OTHER", evse=2)
        before = b.st
        await b.ask("Reset", "Scheduled", type="OnIdle")
        await b.finish(evse=1)
        start = {"idToken": {"idToken": "A", "type": "Central"}, "remoteStartId": 1, "evseId": 1}
        await b.ask("RequestStartTransaction", "Rejected", **start)
        assert before.connected
        mark = before.mark()
        await b.do("tag OTHER 2")
        await b.ended(mark, stoppedReason="Local")
        await b.again(before)
        assert b.st.boot["reason"] == "ScheduledReset"


async def test_TC_B_28_CS_TC_B_29_CS_no_evse_is_reset_alone(bench201):
    async with bench201() as b:
        await b.ask("Reset", "Rejected", "UnsupportedRequest", type="OnIdle", evseId=1)
        await b.ask("Reset", "Rejected", "UnknownEvse", type="Immediate", evseId=2)
        await b.charge()
        await b.ask("Reset", "Rejected", "UnsupportedRequest", type="Immediate", evseId=1)
        await b.finish()


async def test_TC_B_51_CS_TC_B_52_CS_states_that_changed_offline(bench201):
    """B04: all of them after longer than OfflineThreshold, else those that changed."""
    async with bench201(connectors=2) as b:
        for threshold, told in ((3600, [1]), (1, [1, 2])):
            await b.set(COMM + "OfflineThreshold", threshold)
            before = await b.away()
            await b.do("plug" if threshold > 1 else "unplug")
            await b.passed(5)
            mark = before.mark()
            await b.cs.start()
            b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
            await b.status("Occupied" if threshold > 1 else "Available", 1, mark)
            await b.settled()
            await b.do("plug 2" if threshold > 1 else "unplug 2")
            await b.status("Occupied" if threshold > 1 else "Available", 2, mark)
            states = [p["evseId"] for p in b.st.received("StatusNotification", mark)]
            assert states[: len(told)] == told and len(states) == len(told) + 1, states


async def test_TC_A_09_CS_TC_A_10_CS_a_new_password(bench201):
    """A01: a passwordString, sent as it is; what is none changes nothing."""
    password, new = "0123456789abcdef", "New*-_=:+|@.pass"
    async with bench201(boot=False, config={"password": password}) as b:
        b.cs.credentials = {ID: password}
        await b.booted()
        await b.set("SecurityCtrlr.BasicAuthPassword", "tooshort", "Rejected")
        before = b.st
        b.cs.credentials = {ID: new}
        await b.set("SecurityCtrlr.BasicAuthPassword", new)
        await b.again(before)
        await b.cut()
        assert not any(new in line for line in b.process.output)


async def test_TC_B_19_CS_an_unknown_criterion(bench201):
    async with bench201() as b:
        payload = {"requestId": 3, "componentCriteria": ["Active", "Nonsense"]}
        await b.refused("GetReport", payload, "PropertyConstraintViolation")
