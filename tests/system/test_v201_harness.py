"""The Central System of the tests in OCPP 2.0.1, driven by a fake station: what it must catch."""

import functools
import json
from datetime import datetime, timezone

import pytest
from fake_station import FakeStation, with_system

from host.csms import LANGUAGES, V16, V201, CentralSystem, SchemaError
from host.variables import format_variable, parse_variable

T0 = "2026-03-01T12:00:00Z"
BOOT = {"chargingStation": {"vendorName": "Pilotwire", "model": "Fake"}, "reason": "PowerUp"}
TOKEN = {"idToken": "TAG", "type": "ISO14443"}
STATUS = {"timestamp": T0, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
METER = [{"timestamp": T0, "sampledValue": [{"value": 1500}]}]

in_201 = functools.partial(with_system, protocol=V201.protocol)


def event(number, kind="Updated", id="T", **more):
    trigger = more.pop("trigger", "Trigger")
    info = {"transactionId": id, **more.pop("info", {})}
    event = {"eventType": kind, "timestamp": T0, "triggerReason": trigger, "seqNo": number}
    return {**event, "transactionInfo": info, **more}


def begun(id="T", **more):
    return event(0, "Started", id, evse={"id": 1, "connectorId": 1}, **more)


MESSAGES = [
    ("BootNotification", BOOT, "interval"),
    ("Heartbeat", {}, "currentTime"),
    ("StatusNotification", STATUS, None),
    ("Authorize", {"idToken": TOKEN}, "idTokenInfo"),
    ("TransactionEvent", begun(), None),
    ("TransactionEvent", event(1, idToken=TOKEN), "idTokenInfo"),
    ("MeterValues", {"evseId": 1, "meterValue": METER}, None),
    ("NotifyReport", {"requestId": 1, "generatedAt": T0, "seqNo": 0}, None),
    (
        "NotifyEvent",
        {
            "generatedAt": T0,
            "seqNo": 0,
            "eventData": [
                {
                    "eventId": 1,
                    "timestamp": T0,
                    "trigger": "Alerting",
                    "actualValue": "true",
                    "eventNotificationType": "HardWiredNotification",
                    "component": {"name": "EVSE"},
                    "variable": {"name": "Problem"},
                }
            ],
        },
        None,
    ),
    ("NotifyMonitoringReport", {"requestId": 1, "generatedAt": T0, "seqNo": 0}, None),
    (
        "NotifyCustomerInformation",
        {"requestId": 1, "generatedAt": T0, "seqNo": 0, "data": "x"},
        None,
    ),
    (
        "NotifyChargingLimit",
        {"chargingLimit": {"chargingLimitSource": "EMS"}},
        None,
    ),
    ("ClearedChargingLimit", {"chargingLimitSource": "EMS"}, None),
    (
        "NotifyEVChargingNeeds",
        {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "AC_three_phase"}},
        "status",
    ),
    ("SecurityEventNotification", {"type": "InvalidTLSVersion", "timestamp": T0}, None),
    ("SignCertificate", {"csr": "x"}, "status"),
    ("FirmwareStatusNotification", {"status": "Idle"}, None),
    ("LogStatusNotification", {"status": "Idle"}, None),
    ("ReservationStatusUpdate", {"reservationId": 1, "reservationUpdateStatus": "Expired"}, None),
    ("DataTransfer", {"vendorId": "x"}, "status"),
]


@in_201
async def test_every_message_of_a_station_gets_a_valid_answer(cs, st, fake):
    for action, payload, field in MESSAGES:
        answer = await fake.call(action, payload)
        assert V201.schema_errors(action, answer, answer=True) == [], action
        assert field in answer if field else answer == {}, action
    assert st.violations == []
    assert st.boot == BOOT and st.status == {1: "Available"}
    one = cs.transactions["T"]
    assert one is st.transactions["T"] and one["stop"] is None
    assert (one["evseId"], one["idToken"], list(one["events"])) == (1, TOKEN, [0, 1])
    await fake.call("TransactionEvent", event(2, "Ended"))
    assert one["stop"] == event(2, "Ended") and st.violations == []
    schedule = {"id": 1, "chargingRateUnit": "A"}
    schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": 16.123}]
    plan = {"timeBase": T0, "evseId": 1, "chargingSchedule": schedule}
    assert await fake.call("NotifyEVChargingSchedule", plan) == {"status": "Accepted"}
    profile = {"id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile"}
    profile |= {"chargingProfileKind": "Relative", "chargingSchedule": [schedule]}
    report = {"requestId": 1, "chargingLimitSource": "CSO", "evseId": 1}
    assert (
        await fake.call("ReportChargingProfiles", {**report, "chargingProfile": [profile]}) == {}
    )
    assert st.violations == []


@in_201
async def test_what_a_tag_is_worth(cs, st, fake):
    until = datetime(2050, 1, 1, tzinfo=timezone.utc)
    cs.tags["tag"] = {"status": "Blocked", "expiryDate": until, "parentIdTag": "P"}
    info = {
        "status": "Blocked",
        "cacheExpiryDateTime": "2050-01-01T00:00:00.000Z",
        "groupIdToken": {"idToken": "P", "type": "ISO14443"},
    }
    assert await fake.call("Authorize", {"idToken": TOKEN}) == {"idTokenInfo": info}
    assert await fake.call("TransactionEvent", begun(idToken=TOKEN)) == {"idTokenInfo": info}
    cs.answer("TransactionEvent", lambda p: {"totalCost": 1.5})
    assert await fake.call("TransactionEvent", event(1)) == {"totalCost": 1.5}
    assert st.violations == []


ENDED = event(1, "Ended")
SEQUENCES = [  # events, and what is wrong with the last
    ([begun(), begun(), event(1), event(2), event(1), ENDED | {"seqNo": 3}], None),
    ([begun("A"), begun("B"), event(1, id="B"), event(1, id="A")], None),
    ([begun(), event(2)], "seqNo 2 after 0"),
    ([begun(), event(2), event(1)], "seqNo 1 after 2"),
    ([begun(), event(1), event(1, offline=True)], "seqNo 1 again, with another offline"),
    ([begun(), begun(info={"remoteStartId": 1})], "seqNo 0 again, with another transactionInfo"),
    ([event(0)], "begins with Updated, not Started"),
    ([event(1, "Started")], "begins with seqNo 1, not 0"),
    ([begun(), event(1, "Started")], "Started again, with seqNo 1"),
    ([begun(), ENDED, event(2)], "Updated with seqNo 2 after Ended"),
    ([begun(), ENDED, ENDED], None),
]


@in_201
async def test_transaction_events_follow_each_other(cs, st, fake):
    for events, fault in SEQUENCES:
        st.transactions.clear()
        for one in events:
            st.violations.clear()
            await fake.call("TransactionEvent", one)
        said = [f"TransactionEvent of T: {fault}"] if fault else []
        assert st.violations == said, events
    gap, changed = [begun(), event(2)], [begun(), event(0)]
    for sequences, events, faults in (("gaps", gap, 0), ("gaps", changed, 1), (None, changed, 0)):
        st.violations.clear(), st.transactions.clear()
        cs.sequences = sequences
        for one in events:
            await fake.call("TransactionEvent", one)
        assert len(st.violations) == faults, (sequences, events)


@in_201
async def test_the_pieces_of_a_report_follow_each_other(cs, st, fake):
    for id, numbers, fault in (
        (1, ((0, True), (1, True), (2, False)), None),
        (2, ((0, True), (2, False)), "seqNo 2, where 1 is due"),
        (3, ((0, False), (1, False)), "seqNo 1 after the last"),
        (4, ((0, True), (0, True), (1, False)), None),
    ):
        for number, more in numbers:
            piece = {"requestId": id, "generatedAt": T0, "seqNo": number, "tbc": more}
            await fake.call("NotifyReport", piece)
        assert st.violations == ([f"NotifyReport {id}: {fault}"] if fault else [])
        st.violations.clear()


FAULTS = [
    ('[2,"a","Heartbeat"]', "has 3 elements, not 4", "RpcFrameworkError"),
    ('[2,"a","StartTransaction",{}]', "2.0.1 has no action", "NotImplemented"),
    ('[2,"a","SetVariables",{"setVariableData":[]}]', "setVariableData: [] should be", None),
    ('[2,"a","GetLocalListVersion",{}]', "takes no GetLocalListVersion", "NotSupported"),
    ('[2,"a","Heartbeat",{"x":1}]', "'x' was unexpected", "FormatViolation"),
    ('[2,"a","Authorize",{}]', "'idToken' is a required", "OccurrenceConstraintViolation"),
    (
        json.dumps([2, "a", "TransactionEvent", {**begun(), "seqNo": "0"}]),
        "seqNo: '0' is not of type 'integer'",
        "TypeConstraintViolation",
    ),
    (
        json.dumps([2, "a", "TransactionEvent", begun(trigger="StopTransaction")]),
        "triggerReason: 'StopTransaction' is not one of",
        "PropertyConstraintViolation",
    ),
]


@in_201
async def test_faults_of_a_station_are_noted_and_answered(cs, st, fake):
    for text, fault, code in FAULTS:
        st._ids.clear()
        await fake.ws.send(text)
        frame = await fake.reply()
        assert frame[0] == 4 and code in (None, frame[2]) and frame[2] in V201.codes, frame
        assert len(st.violations) == 1 and fault in st.violations.pop(), text
    assert st.transactions == {}
    with pytest.raises(SchemaError, match="'idToken' is a required"):
        await st.call("RequestStartTransaction", {"remoteStartId": 1})
    fake.answers["RequestStartTransaction"] = {"status": "Accepted", "transactionId": 5}
    await st.call("RequestStartTransaction", {"remoteStartId": 1, "idToken": TOKEN})
    assert "RequestStartTransaction.conf: transactionId: 5 is not" in st.violations.pop()
    assert not st.violations


@in_201
async def test_messages_before_registration(cs, st, fake):
    cs.boot_status = "Pending"
    await fake.call("BootNotification", BOOT)
    report = {"requestId": 1, "generatedAt": T0, "seqNo": 0}
    await fake.call("NotifyReport", report)
    assert st.violations == ["NotifyReport sent while registration is Pending"]
    await st.call("GetBaseReport", {"requestId": 2, "reportBase": "FullInventory"})
    await fake.call("NotifyReport", report)
    await st.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    await fake.call("Heartbeat", {})
    assert len(st.violations) == 1


async def test_what_is_negotiated():
    """The first that a station offers of those that are taken; one may change to another."""
    cs = CentralSystem(protocols=tuple(LANGUAGES))
    await cs.start()
    before = None
    for offered, language in (
        ((V201.protocol, V16.protocol), V201),
        ((V16.protocol, V201.protocol), V16),
        (("ocpp2.1", V201.protocol), V201),
    ):
        async with FakeStation(cs.url, protocols=offered) as fake:
            st = await cs.wait_station("CP1", after=before)
            assert fake.ws.subprotocol == language.protocol and st.language is language
            await fake.call("BootNotification", BOOT)
            # (to OCPP 1.6, it is no BootNotification)
            assert bool(st.violations) == (language is V16)
            st.violations.clear()
        before = st
    await cs.stop()


def test_names_of_variables():
    for text, entry in (
        ("A.B", {"component": {"name": "A"}, "variable": {"name": "B"}}),
        (
            "A[x]@1:2.B[y z]/MaxSet",
            {
                "component": {
                    "name": "A",
                    "instance": "x",
                    "evse": {"id": 1, "connectorId": 2},
                },
                "variable": {"name": "B", "instance": "y z"},
                "attributeType": "MaxSet",
            },
        ),
        (
            "EVSE@1.P",
            {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "P"}},
        ),
    ):
        assert parse_variable(text) == entry and format_variable(entry) == text
    assert format_variable({"component": {"name": "A"}, "attributeType": "Actual"}) == "A"
    for text in ("A", "A.", "A.B.C", "A[.B", "A@x.B", "A.B/Other"):
        with pytest.raises(ValueError, match=r"is not COMPONENT\.VARIABLE"):
            parse_variable(text)
