"""The development Central System itself, library and tool, driven by a fake station."""

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fake_station import FakeStation, Tool, with_system
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from host import certs, csms_profiles, csms_show
from host.csms import (
    CallError,
    CentralSystem,
    SchemaError,
    WAIT_s,
    format_time,
    parse_time,
    schema_errors,
)

ROOT = Path(__file__).resolve().parents[2]
T0 = "2026-03-01T12:00:00Z"
BOOT = {"chargePointVendor": "Pilotwire", "chargePointModel": "Fake"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": T0}
SAMPLE = {"timestamp": T0, "sampledValue": [{"value": "1.5", "unit": "kWh"}]}

PERIODS = [{"startPeriod": 0, "limit": 16.1}, {"startPeriod": 900, "limit": 6}]
PROFILE = {
    "chargingProfileId": 7,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": PERIODS},
}


# The library: what a station may send


async def test_url_and_restart_at_the_same_port():
    cs = CentralSystem()
    await cs.start()
    port, url = cs.port, cs.url
    assert port and url == f"ws://127.0.0.1:{port}/ocpp"
    async with FakeStation(url) as fake:
        st = await cs.wait_station("CP1")
        await cs.stop()
        await st.wait_closed()
        await fake.ws.wait_closed()
        assert cs.stations == {} and not st.connected
    await cs.stop()
    await cs.start()
    assert cs.port == port
    async with FakeStation(url):
        await cs.wait_station("CP1")
    await cs.stop()


CORE = [
    ("BootNotification", BOOT, "interval"),
    ("Heartbeat", {}, "currentTime"),
    ("Authorize", {"idTag": "A"}, "idTagInfo"),
    ("StartTransaction", START, "transactionId"),
    ("StatusNotification", STATUS, None),
    ("MeterValues", {"connectorId": 1, "meterValue": [SAMPLE]}, None),
    ("DataTransfer", {"vendorId": "x"}, "status"),
    ("FirmwareStatusNotification", {"status": "Idle"}, None),
    ("DiagnosticsStatusNotification", {"status": "Idle"}, None),
    ("SecurityEventNotification", {"type": "InvalidTLSVersion", "timestamp": T0}, None),
    ("LogStatusNotification", {"status": "Idle", "requestId": 1}, None),
    ("SignedFirmwareStatusNotification", {"status": "Idle", "requestId": 1}, None),
    ("SignCertificate", {"csr": "x"}, "status"),
]


@with_system
async def test_every_message_of_a_station_gets_a_valid_answer(cs, st, fake):
    for action, payload, field in CORE:
        answer = await fake.call(action, payload)
        assert schema_errors(action, answer, answer=True) == [], action
        assert field in answer if field else answer == {}, action
    stop = {"transactionId": 1, "meterStop": 2500, "timestamp": T0}
    assert await fake.call("StopTransaction", stop) == {}
    assert await fake.call("DataTransfer", {"vendorId": "x"}) == {"status": "UnknownVendorId"}
    assert st.violations == []
    assert st.boot == BOOT and st.status == {1: "Available"}
    assert [line[13:31] for line in cs.lines[1:3]] == [
        "CP1 <- BootNotific",
        "CP1 -> BootNotific",
    ]


@with_system
async def test_settings_are_read_at_each_request(cs, st, fake):
    cs.now = lambda: datetime(2042, 1, 2, 3, 4, 5, 678000, timezone(timedelta(hours=2)))
    cs.boot_status, cs.heartbeat_interval = "Pending", 17
    assert await fake.call("BootNotification", BOOT) == {
        "status": "Pending",
        "interval": 17,
        "currentTime": "2042-01-02T01:04:05.678Z",
    }
    cs.boot_status = "Accepted"
    assert (await fake.call("BootNotification", BOOT))["status"] == "Accepted"
    until = datetime(2050, 1, 1, tzinfo=timezone.utc)
    cs.tags["Card"] = {"status": "Blocked", "expiryDate": until, "parentIdTag": "P"}
    info = {"status": "Blocked", "expiryDate": "2050-01-01T00:00:00.000Z", "parentIdTag": "P"}
    assert await fake.call("Authorize", {"idTag": "cARD"}) == {"idTagInfo": info}
    cs.default_tag_status = "Invalid"
    assert await fake.call("Authorize", {"idTag": "x"}) == {"idTagInfo": {"status": "Invalid"}}
    cs.next_transaction_id = 1800000000
    answer = await fake.call("StartTransaction", {**START, "idTag": "card"})
    assert answer == {"transactionId": 1800000000, "idTagInfo": info}
    assert cs.next_transaction_id == 1800000001
    assert st.violations == []


@with_system
async def test_transactions_are_kept(cs, st, fake):
    one = (await fake.call("StartTransaction", START))["transactionId"]
    again = (await fake.call("StartTransaction", START))["transactionId"]
    two = (await fake.call("StartTransaction", {**START, "meterStart": 5}))["transactionId"]
    assert one == again == 1 and two == 2
    values = {"connectorId": 1, "transactionId": 1, "meterValue": [SAMPLE, SAMPLE]}
    await fake.call("MeterValues", values)
    kept = cs.transactions[1]
    assert kept is st.transactions[1]
    assert kept["connectorId"] == 1 and kept["idTag"] == "TAG" and kept["meterStart"] == 1000
    assert kept["start"] == T0 and kept["meterValues"] == [SAMPLE, SAMPLE]
    assert kept["stop"] is None and csms_show.energy_wh(kept) == 500
    stop = {"transactionId": 1, "meterStop": 3000, "timestamp": T0, "idTag": "TAG"}
    answer = {"idTagInfo": {"status": "Accepted"}}
    assert await fake.call("StopTransaction", stop) == answer
    assert await fake.call("StopTransaction", stop) == answer  # sent again: no fault
    assert kept["stop"] == stop and csms_show.energy_wh(kept) == 2000
    assert st.violations == []
    assert await fake.call("StopTransaction", {**stop, "meterStop": 1}) == answer
    assert await fake.call("StopTransaction", {**stop, "transactionId": 99}) == answer
    await fake.call("MeterValues", {**values, "transactionId": 98})
    assert len(st.violations) == 3 and kept["stop"] == stop
    assert "second, different" in st.violations[0]
    assert "unknown transactionId 99" in st.violations[1]
    assert "unknown transactionId 98" in st.violations[2]


@with_system
async def test_answers_can_be_overridden(cs, st, fake):
    cs.answer("DataTransfer", lambda p: {"status": "Accepted", "data": p["vendorId"]})
    answer = await fake.call("DataTransfer", {"vendorId": "v"})
    assert answer == {"status": "Accepted", "data": "v"}
    cs.answer(
        "StartTransaction", lambda p: {"transactionId": -5, "idTagInfo": {"status": "Invalid"}}
    )
    await fake.call("StartTransaction", START)
    assert list(st.transactions) == [-5]

    def refuse(payload):
        raise CallError("NotSupported", "no", {"a": 1})

    cs.answer("DataTransfer", refuse)
    await fake.send("DataTransfer", {"vendorId": "v"})
    assert (await fake.reply())[2:] == ["NotSupported", "no", {"a": 1}]
    cs.answer("DataTransfer", lambda p: CallError("GenericError"))
    assert await fake.call("DataTransfer", {"vendorId": "v"}) == "GenericError"
    cs.answer("DataTransfer", lambda p: {"status": "Nonsense"})  # on purpose: sent as it is
    assert await fake.call("DataTransfer", {"vendorId": "v"}) == {"status": "Nonsense"}
    assert any("our own DataTransfer.conf is wrong" in line for line in cs.lines)
    cs.answer("DataTransfer", None)
    assert await fake.call("DataTransfer", {"vendorId": "v"}) == {"status": "UnknownVendorId"}
    assert st.violations == []
    cs.answer("Heartbeat", lambda p: p["nothing"])
    assert await fake.call("Heartbeat", {}) == "InternalError"
    assert "KeyError('nothing')" in st.violations[0]


@with_system
async def test_a_slow_and_a_missing_answer(cs, st, fake):
    gate = asyncio.Event()

    async def slowly(payload):
        await gate.wait()
        return {"currentTime": T0}

    cs.answer("Heartbeat", slowly)
    await fake.send("Heartbeat", {})
    await st.expect("Heartbeat")
    assert await st.call("ClearCache") == {"status": "Accepted"}  # still reading
    assert st.violations == []
    await fake.send("StatusNotification", STATUS)
    assert (await fake.reply())[1] == "m2"
    assert st.violations == ["StatusNotification sent while Heartbeat is unanswered"]
    gate.set()
    assert await fake.reply() == [3, "m1", {"currentTime": T0}]
    cs.answer("Heartbeat", lambda p: None)
    await fake.send("Heartbeat", {})
    await st.expect("Heartbeat", since=st.mark() - 1)
    await fake.call("StatusNotification", STATUS)  # after its time-out, as it may
    await st.raw('[3,"m3",{"currentTime":"2026-01-01T00:00:00Z"}]')
    assert (await fake.reply())[1] == "m3"
    assert len(st.violations) == 1


# The library: requests to a station


@with_system
async def test_call(cs, st, fake):
    request = {"connectorId": 1, "csChargingProfiles": PROFILE}
    assert await st.call("SetChargingProfile", request) == {"status": "Accepted"}
    assert await fake.request() == ("SetChargingProfile", request)
    with pytest.raises(SchemaError, match=r"csChargingProfiles: 'stackLevel' is a required"):
        wrong = {key: value for key, value in PROFILE.items() if key != "stackLevel"}
        await st.call("SetChargingProfile", {**request, "csChargingProfiles": wrong})
    with pytest.raises(SchemaError, match="no action 'Nonsense'"):
        await st.call("Nonsense")
    assert fake.asked.empty()
    fake.answers["Nonsense"] = CallError("NotImplemented", "what?", {"x": 1})
    with pytest.raises(CallError, match="NotImplemented: what") as caught:
        await st.call("Nonsense", {"a": 1}, validate=False)
    assert caught.value.code == "NotImplemented" and caught.value.details == {"x": 1}
    assert st.violations == []
    fake.answers["ClearCache"] = {"status": "Perhaps"}
    assert await st.call("ClearCache") == {"status": "Perhaps"}
    assert "ClearCache.conf: status: 'Perhaps' is not one of" in st.violations.pop()
    fake.answers["ClearCache"] = CallError("NoSuchCode", "")
    with pytest.raises(CallError):
        await st.call("ClearCache")
    assert "unknown code 'NoSuchCode'" in st.violations.pop()
    fake.answers["ClearCache"] = None
    with pytest.raises(asyncio.TimeoutError):
        await st.call("ClearCache", timeout=0.05)
    assert st.violations == ["no answer to ClearCache within 0.05 s"]
    one, two = st.call("Reset", {"type": "Soft"}), st.call("Reset", {"type": "Hard"})
    assert await asyncio.gather(one, two) == [{"status": "Accepted"}] * 2


@with_system
async def test_call_fails_when_the_connection_ends(cs, st, fake):
    fake.answers["ClearCache"] = None
    task = asyncio.ensure_future(st.call("ClearCache"))
    await fake.request()
    await fake.ws.close()
    with pytest.raises(ConnectionError):
        await task
    with pytest.raises(ConnectionError):
        await st.call("ClearCache")
    assert st.violations == []


@with_system
async def test_composite_schedule_with_tenths_is_valid(cs, st, fake):
    periods = [{"startPeriod": n, "limit": n / 10} for n in range(1, 400, 7)]
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": periods}
    fake.answers["GetCompositeSchedule"] = {"status": "Accepted", "chargingSchedule": schedule}
    answer = await st.call("GetCompositeSchedule", {"connectorId": 1, "duration": 60})
    assert answer["chargingSchedule"] == schedule and st.violations == []
    periods[0]["limit"] = 16.05
    await st.call("GetCompositeSchedule", {"connectorId": 1, "duration": 60})
    (text,) = st.violations
    st.violations.clear()
    assert text.endswith("chargingSchedulePeriod[0].limit: 16.05 is not a multiple of 0.1")
    for limit in (1e300, 10**30):
        periods[0]["limit"] = limit
        await st.call("GetCompositeSchedule", {"connectorId": 1, "duration": 60})
        assert st.violations.pop().endswith("a number is out of any range")


@with_system
async def test_raw(cs, st, fake):
    assert await st.raw('[2,"r1","ClearCache",{}]') == [3, "r1", {"status": "Accepted"}]
    assert await st.raw('[2,"r2","ClearCache",{}]', timeout=None) is None
    fake.answers["Odd"] = CallError("NotImplemented", "")
    assert await st.raw('[2,"r3","Odd",{}]') == [4, "r3", "NotImplemented", "", {}]
    waiting = asyncio.ensure_future(st.raw("[garbage"))
    assert await fake.reply() == [None, "[garbage"]
    await fake.ws.send('[4,"-1","FormationViolation","",{}]')
    assert (await waiting)[1] == "-1"
    waiting = asyncio.ensure_future(st.raw("[garbage", reply_id="x"))
    await fake.reply()
    await fake.ws.send('[4,"x","FormationViolation","",{}]')
    assert (await waiting)[1] == "x"
    with pytest.raises(asyncio.TimeoutError):
        await st.raw("[garbage", timeout=0.05)
    assert await st.raw('[3,"no-such",{}]') is None
    await fake.reply()
    assert (await fake.reply())[1] == "no-such"
    assert st.violations == []


@with_system
async def test_expect(cs, st, fake):
    await fake.call("StatusNotification", STATUS)
    assert await st.expect("StatusNotification") == STATUS
    mark = st.mark()
    charging = {**STATUS, "status": "Charging"}
    waiting = asyncio.ensure_future(
        st.expect("StatusNotification", lambda p: p["status"] == "Charging", since=mark)
    )
    await fake.call("StatusNotification", STATUS)
    await fake.call("StatusNotification", charging)
    assert await waiting == charging
    assert st.received("StatusNotification", mark) == [STATUS, charging]
    with pytest.raises(AssertionError) as caught:
        await st.expect("StatusNotification", lambda p: p["no such field"], timeout=0.05)
    text = str(caught.value)
    assert text.startswith("CP1: no StatusNotification that passes the test within 0.05 s")
    assert '  StatusNotification {"connectorId": 1, ' in text
    with pytest.raises(AssertionError, match="what came:\n  nothing"):
        await st.expect("Heartbeat", timeout=0, since=st.mark())


# The library: what a station does wrong

FAULTS = [
    ("{", "not JSON", None),
    ('[2,"a","Heartbeat",{"x":NaN}]', "not JSON", None),
    ('{"a":1}', "not a JSON array", None),
    ("[]", "message type None", None),
    ('[5,"a",{}]', "message type 5", None),
    ('["\\ud800"]', "message type", None),
    ('[2,"a","Heartbeat"]', "has 3 elements, not 4", "FormationViolation"),
    ('[2,5,"Heartbeat",{}]', "element 1", None),
    ('[2,"a","Heartbeat",[]]', "element 3", "FormationViolation"),
    (f'[2,"{"a" * 37}","Heartbeat",{{}}]', "longer than 36", "FormationViolation"),
    ('[2,"a","Nonsense",{}]', "no action 'Nonsense'", "NotImplemented"),
    ('[2,"a","Reset",{"type":"Soft"}]', "takes no Reset", "NotSupported"),
    ('[2,"a","Heartbeat",{"x":1}]', "'x' was unexpected", "FormationViolation"),
    ('[2,"a","Authorize",{}]', "'idTag' is a required", "OccurenceConstraintViolation"),
    ('[2,"a","Authorize",{"idTag":5}]', "idTag: 5 is not of type", "TypeConstraintViolation"),
    (
        '[2,"a","Authorize",{"idTag":"123456789012345678901"}]',
        "too long",
        "PropertyConstraintViolation",
    ),
    (
        '[2,"a","SecurityEventNotification",{"type":"x","timestamp":"2026-01-01T00:00:00"}]',
        "timestamp: '2026-01-01T00:00:00' is not a 'date-time'",
        "PropertyConstraintViolation",
    ),
    ('[3,"a",{}]', "unknown message id 'a'", None),
    (b'[2,"a","Heartbeat",{}]', "binary frame", {}),
]


@with_system
async def test_faults_are_noted_and_answered(cs, st, fake):
    for text, fault, code in FAULTS:
        st._ids.clear()  # (all are called "a")
        await fake.ws.send(text)
        if code is not None:
            frame = await fake.reply()
            assert frame[0] == (3 if code == {} else 4), text
            assert code in (frame[2], {}), text
        else:
            await cs.until(lambda: st.violations)
        assert any(" !! " in line for line in cs.lines), text
        await fake.call("Heartbeat", {})  # the connection lives
        assert len(st.violations) == 1 and fault in st.violations.pop(), text
        cs.lines.clear()


@with_system
async def test_message_ids_and_second_answers(cs, st, fake):
    await fake.call("Heartbeat", {})
    fake.count = 0
    await fake.call("Heartbeat", {})
    assert st.violations.pop() == "message id 'm1' of Heartbeat was used before"
    await st.raw('[2,"r","ClearCache",{}]')
    await fake.ws.send('[3,"r",{"status":"Accepted"}]')
    await cs.until(lambda: st.violations)
    assert st.violations == ["second answer to message id 'r'"]


@with_system
async def test_messages_before_registration(cs, st, fake):
    cs.boot_status = "Pending"
    await fake.call("BootNotification", BOOT)
    await st.call("TriggerMessage", {"requestedMessage": "StatusNotification"})
    await fake.call("StatusNotification", STATUS)
    assert st.violations == []
    await fake.call("Heartbeat", {})
    assert st.violations == ["Heartbeat sent while registration is Pending"]
    cs.boot_status = "Accepted"
    await fake.call("BootNotification", BOOT)
    await fake.call("Heartbeat", {})
    assert len(st.violations) == 1


# The library: connections


@with_system
async def test_a_new_connection_replaces_the_old_one(cs, st, fake):
    await fake.call("StartTransaction", START)
    mark = st.mark()
    async with FakeStation(cs.url) as second:
        new = await cs.wait_station("CP1", after=st)
        await asyncio.wait_for(fake.ws.wait_closed(), WAIT_s)
        assert cs.stations == {"CP1": new} and not st.connected and new.connected
        await second.call("Heartbeat", {})
        await st.expect("Heartbeat", since=mark)  # the history goes on
        assert new.messages is st.messages and 1 in new.transactions
        stop = {"transactionId": 1, "meterStop": 2500, "timestamp": T0}
        await second.call("StopTransaction", stop)
        assert cs.transactions[1]["stop"] == stop and new.violations == []
        with pytest.raises(ConnectionError):
            await st.call("ClearCache")
    await new.wait_closed()
    assert cs.stations == {} and len(cs.histories["CP1"].messages) > mark
    with pytest.raises(asyncio.TimeoutError, match="CP1 did not connect"):
        await cs.wait_station("CP1", timeout=0.05)


@with_system
async def test_disconnect_drop_and_freeze(cs, st, fake):
    await st.disconnect(1012)
    await asyncio.wait_for(fake.ws.wait_closed(), WAIT_s)
    assert fake.ws.close_code == 1012
    await st.wait_closed()
    async with FakeStation(cs.url, quote("a/b ö", safe="")) as fake:
        st = await cs.wait_station("a/b ö")
        st.freeze()
        await fake.send("Heartbeat", {})
        with pytest.raises(asyncio.TimeoutError):
            await fake.reply(0.1)
        st.freeze(False)
        assert (await fake.reply())[0] == 3
        await st.drop()
        await asyncio.wait_for(fake.ws.wait_closed(), WAIT_s)
        assert fake.ws.close_code == 1006


async def test_who_is_refused():
    cs = CentralSystem(credentials={"CP1": "secret", "CP2": b"\xff\x00"})
    await cs.start()

    async def dial(path, user=None, password=b"", protocols=("ocpp1.6",)):
        key = base64.b64encode(user.encode() + b":" + password).decode() if user else ""
        headers = {"Authorization": f"Basic {key}"} if user else {}
        url = f"ws://127.0.0.1:{cs.port}{path}"
        try:
            ws = await connect(url, subprotocols=protocols, additional_headers=headers)
        except InvalidStatus as error:
            return error.response.status_code
        await ws.close()
        return 101

    assert await dial("/ocpp/CP1", "CP1", b"secret") == 101
    assert await dial("/ocpp/CP2", "CP2", b"\xff\x00") == 101
    assert await dial("/ocpp/CP1") == 401
    assert await dial("/ocpp/CP1", "CP1", b"wrong") == 401
    assert await dial("/ocpp/CP1", "CP2", b"\xff\x00") == 401
    assert await dial("/ocpp/CP3", "CP3", b"") == 401
    cs.credentials = None
    assert await dial("/ocpp/CP3") == 101
    assert await dial("/CP1") == await dial("/ocpp/") == await dial("/ocpp/x/CP1") == 404
    assert await dial("/ocpp/CP1", protocols=("ocpp2.0.1",)) == 400
    assert await dial("/ocpp/CP1", protocols=None) == 400
    assert await dial("/ocpp/CP1", protocols=("ocpp2.0.1", "ocpp1.6")) == 101
    await cs.stop()


def test_times():
    for text in ("2026-01-02T03:04:05Z", "2026-01-02T05:04:05.9999999+02:00"):
        when = parse_time(text).replace(microsecond=0)
        assert format_time(when) == "2026-01-02T03:04:05.000Z"
    for text in ("2026-01-02 03:04:05Z", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05", ""):
        with pytest.raises(ValueError):
            parse_time(text)


# Profile files

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
RUNNING = {"transactionId": 42, "connectorId": 2}


def _load(tmp_path, value, *args, **options):
    path = tmp_path / "p.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return csms_profiles.load_profile(path, NOW, *args, **options)


def test_the_examples_are_valid():
    purposes = {}
    for path in sorted((ROOT / "tools/examples").glob("*.json")):
        request = csms_profiles.load_profile(path, NOW, RUNNING)
        assert schema_errors("SetChargingProfile", request) == []
        profile = request["csChargingProfiles"]
        purposes[profile["chargingProfilePurpose"]] = profile
    assert len(purposes) == 3
    assert purposes["TxDefaultProfile"]["recurrencyKind"] == "Daily"
    long = purposes["TxProfile"]
    assert len(long["chargingSchedule"]["chargingSchedulePeriod"]) == 96
    assert long["transactionId"] == 42
    assert long["chargingSchedule"]["startSchedule"] == "2026-05-06T07:08:09.000Z"


def test_profile_files_are_completed(tmp_path):
    assert _load(tmp_path, PROFILE) == {"connectorId": 0, "csChargingProfiles": PROFILE}
    assert _load(tmp_path, {"connectorId": 2, "csChargingProfiles": PROFILE})["connectorId"] == 2
    assert _load(tmp_path, PROFILE, None, 3)["connectorId"] == 3
    tx = {**PROFILE, "chargingProfilePurpose": "TxProfile", "transactionId": "current"}
    tx["validTo"] = "now+3600"
    request = _load(tmp_path, tx, RUNNING)
    assert request["connectorId"] == 2
    assert request["csChargingProfiles"]["transactionId"] == 42
    assert request["csChargingProfiles"]["validTo"] == "2026-05-06T08:08:09.000Z"
    request = _load(tmp_path, tx, None, 1, remote_start=True)
    assert "transactionId" not in request["csChargingProfiles"]
    with pytest.raises(csms_profiles.CommandError, match="no transaction is running"):
        _load(tmp_path, tx)


@pytest.mark.parametrize(
    ("change", "connector", "fault"),
    [
        ("{", None, "is not JSON"),
        ("[]", None, "is not a JSON object"),
        ('{"csChargingProfiles": []}', 1, "is not of type 'object'"),
        ({"chargingProfilePurpose": "ChargePointMaxProfile"}, 1, "is for connector 0"),
        ({"chargingProfilePurpose": "TxProfile"}, 0, "above 0"),
        ({"transactionId": 1}, 0, "transactionId is for TxProfile"),
        ({"stackLevel": -1}, 0, "stackLevel is negative"),
        ({"stackLevel": "1"}, 0, "csChargingProfiles.stackLevel: '1' is not of type 'integer'"),
        ({"nonsense": 1}, 0, "'nonsense' was unexpected"),
        (
            {"chargingProfileKind": "Recurring"},
            0,
            "wants a recurrencyKind; Recurring wants a start",
        ),
        ({"validFrom": T0, "validTo": T0}, 0, "validTo is not after"),
        ({"validFrom": "tomorrow"}, 0, "'tomorrow' is not a 'date-time'"),
        ({"chargingSchedule": {"duration": -1}}, 0, "duration is negative"),
        ({"chargingSchedulePeriod": []}, 0, "is empty"),
        ({"chargingSchedulePeriod": [{"startPeriod": 1, "limit": 6}]}, 0, "not 0"),
        ({"chargingSchedulePeriod": PERIODS + PERIODS[1:]}, 0, "do not rise"),
        ({"chargingSchedulePeriod": [{"startPeriod": 0, "limit": -1}]}, 0, "limit is negative"),
        ({"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.05}]}, 0, "multiple of 0.1"),
        (
            {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6, "numberPhases": 4}]},
            0,
            "numberPhases",
        ),
    ],
)
def test_wrong_profile_files(tmp_path, change, connector, fault):
    value = change
    if isinstance(change, dict):
        change = dict(change)
        schedule = dict(PROFILE["chargingSchedule"], **change.pop("chargingSchedule", {}))
        if "chargingSchedulePeriod" in change:
            schedule["chargingSchedulePeriod"] = change.pop("chargingSchedulePeriod")
        value = {**PROFILE, "chargingSchedule": schedule, **change}
    with pytest.raises(csms_profiles.CommandError) as caught:
        _load(tmp_path, value, None, connector)
    assert fault in str(caught.value) and "\n" not in str(caught.value)


# The tool

SCHEDULE = {
    "status": "Accepted",
    "connectorId": 1,
    "scheduleStart": T0,
    "chargingSchedule": {
        "duration": 86400,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [*PERIODS, {"startPeriod": 1800, "limit": 0, "numberPhases": 1}],
    },
}
CONFIG = {
    "configurationKey": [
        {"key": "A", "readonly": True, "value": "1"},
        {"key": "B", "readonly": False},
    ],
    "unknownKey": ["C"],
}
OK = ": Accepted"
COMMANDS = [
    # command, request, its payload (None: any), the end of a line of the output
    ("profile daily-default", "SetChargingProfile", None, OK),
    ("profile station-max-16A.json 0", "SetChargingProfile", None, OK),
    ("profile tx-quarter-hours", "SetChargingProfile", None, OK),
    ("clear", "ClearChargingProfile", {}, OK),
    (
        "clear id=1 connector=2 purpose=TxProfile level=3",
        "ClearChargingProfile",
        {"id": 1, "connectorId": 2, "chargingProfilePurpose": "TxProfile", "stackLevel": 3},
        OK,
    ),
    (
        "composite 1 86400 a",
        "GetCompositeSchedule",
        {"connectorId": 1, "duration": 86400, "chargingRateUnit": "A"},
        "16.1 A      |########################################",
    ),
    ("composite 0 60", "GetCompositeSchedule", {"connectorId": 0, "duration": 60}, "0 A 1 ph |"),
    ("remote-start T", "RemoteStartTransaction", {"idTag": "T"}, OK),
    ("remote-start T 2", "RemoteStartTransaction", {"idTag": "T", "connectorId": 2}, OK),
    ("remote-start T 1 profile tx-quarter-hours", "RemoteStartTransaction", None, OK),
    ("remote-start T profile tx-quarter-hours", "RemoteStartTransaction", None, OK),
    ("remote-stop", "RemoteStopTransaction", {"transactionId": 1}, OK),
    ("remote-stop -3", "RemoteStopTransaction", {"transactionId": -3}, OK),
    ("reset soft", "Reset", {"type": "Soft"}, OK),
    ("reset HARD", "Reset", {"type": "Hard"}, OK),
    ("get-config", "GetConfiguration", {}, "A = 1  (read only)"),
    ("get-config A C", "GetConfiguration", {"key": ["A", "C"]}, "unknown: C"),
    ('set-config Key "a b"', "ChangeConfiguration", {"key": "Key", "value": "a b"}, OK),
    (
        "trigger MeterValues 1",
        "TriggerMessage",
        {"requestedMessage": "MeterValues", "connectorId": 1},
        OK,
    ),
    ("trigger Heartbeat", "TriggerMessage", {"requestedMessage": "Heartbeat"}, OK),
    ("unlock 1", "UnlockConnector", {"connectorId": 1}, ": Unlocked"),
    (
        "availability 0 inoperative",
        "ChangeAvailability",
        {"connectorId": 0, "type": "Inoperative"},
        OK,
    ),
    ("clear-cache", "ClearCache", {}, OK),
    ("update daily-default.json", "UpdateFirmware", None, "/daily-default.json"),
    ("update daily-default.json 90 all", "UpdateFirmware", None, "/daily-default.json"),
    ("list-version", "GetLocalListVersion", {}, "GetLocalListVersion: 4"),
    ("reserve T 5", "ReserveNow", None, OK),
    ("reserve T 0.5 0 id=9 parent=P", "ReserveNow", None, OK),
    ("cancel-reservation 9", "CancelReservation", {"reservationId": 9}, OK),
    ('call Reset {"type": "Soft"}', "Reset", {"type": "Soft"}, 'Reset: {"status": "Accepted"}'),
    ("call ClearCache", "ClearCache", {}, 'ClearCache: {"status": "Accepted"}'),
    ('raw [2,"x y","ClearCache",{}]', "ClearCache", {}, '[3, "x y", {"status": "Accepted"}]'),
]
ERRORS = [
    ("nonsense", "there is no command 'nonsense'"),
    ("_number", "there is no command"),
    ("profile no-such-file", "there is no file no-such-file"),
    ("profile daily-default x", "connector must be a whole number"),
    ("profile", "usage: profile FILE [connector]"),
    ("clear colour=red", "usage: clear"),
    ("composite 1", "usage: composite CONNECTOR SECONDS [A|W]"),
    ("composite 1 60 V", "chargingRateUnit: 'V' is not one of"),
    ("remote-start T 1 profile daily-default", "takes a TxProfile only"),
    ("remote-start T 1 2", "usage: remote-start"),
    ("reset softly", "'Softly' is not one of"),
    ("set-config Key", "usage: set-config KEY VALUE"),
    ("trigger Nonsense", "'Nonsense' is not one of"),
    ('set-config "Key', "No closing quotation"),
    ("call", "usage: call ACTION [JSON]"),
    ("call Reset {", "call: Expecting property name"),
    ("call Reset []", "is not of type 'object'"),
    ("call Nonsense", "has no action 'Nonsense'"),
    ("raw", "usage: raw TEXT"),
    ("boot Perhaps", "'Perhaps' is none of Accepted, Pending, Rejected"),
    ("tag T Perhaps", "'Perhaps' is none of"),
    ("wait Heartbeat 0.05", "CP1 sent no Heartbeat within 0.05 s"),
    ("wait StatusNotification status=Charging 0.05", "sent no StatusNotification status=Charging"),
    ("wait Heartbeat x y", "usage: wait"),
    ("sleep long", "usage: sleep SECONDS"),
    ("update daily-default.json soon", "minutes must be a number"),
    ("update", "usage: update FILE [minutes] [all] [ftp]"),
    ("update daily-default.json 1 none", "usage: update FILE [minutes] [all] [ftp]"),
    ("update daily-default.json install=5", "usage: update FILE [minutes] [all] [ftp]"),
    ("update daily-default.json colour=red", "usage: update FILE [minutes] [all] [ftp]"),
    ("update daily-default.json signer=none.pem", "there is no file none.pem"),
    ("update daily-default.json signer=daily-default.json", "a certificate and its key in PEM"),
    ("update nothing.upd", "there is no file nothing.upd"),
    ("send-list", "usage: send-list FILE [full|differential] [VERSION]"),
    ("send-list no-such-file", "there is no file no-such-file"),
    ("send-list list sideways", "usage: send-list"),
    ("reserve T", "usage: reserve TAG MINUTES"),
    ("reserve T x", "usage: reserve TAG MINUTES"),
    ("reserve T 5 1 colour=red", "colour: usage: reserve"),
    ("cancel-reservation x", "usage: cancel-reservation ID"),
    ("get-config E", "the station answers CALLERROR GenericError: dear me"),
]


def _ready(fake):
    fake.answers["GetCompositeSchedule"] = SCHEDULE
    fake.answers["GetConfiguration"] = lambda p: (
        CallError("GenericError", "dear me") if p == {"key": ["E"]} else CONFIG
    )
    fake.answers["UnlockConnector"] = {"status": "Unlocked"}
    fake.answers["GetLocalListVersion"] = {"listVersion": 4}


async def test_every_command():
    async with Tool() as tool, FakeStation(tool.url) as fake:
        _ready(fake)
        await fake.call("BootNotification", BOOT)
        await fake.call("StartTransaction", START)
        for command, action, payload, output in COMMANDS:
            tool.type(command)
            asked = await fake.request()
            assert asked[0] == action, command
            assert payload in (None, asked[1]), command
            assert schema_errors(*asked) == [], command
            await tool.until(action + output if output[0] == ":" else output)
        for command, error in ERRORS:
            tool.type(command)
            await tool.until(error)
        tool.type("boot pending")
        tool.type("tag Card blocked")
        tool.type("help")
        await tool.until("help, quit")
        assert (await fake.call("BootNotification", BOOT))["status"] == "Pending"
        info = {"status": "Blocked"}
        assert await fake.call("Authorize", {"idTag": "CARD"}) == {"idTagInfo": info}
        await tool.until("!! Authorize sent while registration is Pending")
        tool.type("wait BootNotification chargePointModel=Fake 5")
        await tool.until('BootNotification {"chargePointVendor": "Pilotwire"')
        tool.type("sleep 0.01")
        tool.type("sessions")
        assert (await tool.until("TAG")).split()[:4] == ["1", "CP1", "1", "TAG"]
        stop = {"transactionId": 1, "meterStop": 2500, "timestamp": T0}
        await fake.call("StopTransaction", stop)
        tool.type("sessions")
        assert " 1.500  stopped" in await tool.until("(Local)")
        tool.type("remote-stop")
        await tool.until("no transaction is running")
        tool.type("quit")
        assert await tool.end() == 0


async def test_a_list_goes_in_as_many_messages_as_the_station_needs(tmp_path):
    path = tmp_path / "tags.txt"
    path.write_text(
        "# mine\nA accepted until=2030-01-01T00:00:00Z parent=P\n\nB Blocked\nC Expired\n"
    )
    async with Tool() as tool, FakeStation(tool.url) as fake:
        _ready(fake)
        entry = {"key": "SendLocalListMaxLength", "readonly": True, "value": "2"}
        fake.answers["GetConfiguration"] = {"configurationKey": [entry]}
        await fake.call("BootNotification", BOOT)
        for words, kinds in (
            ("", ("Full", "Differential")),
            ("differential 9", ("Differential",) * 2),
        ):
            tool.type(f"send-list {path} {words}")
            assert [(await fake.request())[0] for _ in range(2)] == [
                "GetLocalListVersion",
                "GetConfiguration",
            ]
            sent = [(await fake.request())[1] for _ in range(2)]
            assert [one["updateType"] for one in sent] == list(kinds)
            first = 9 if words else 5
            assert [one["listVersion"] for one in sent] == [first, first + 1]
            tags = [one["localAuthorizationList"] for one in sent]
            info = {"status": "Accepted", "expiryDate": "2030-01-01T00:00:00Z", "parentIdTag": "P"}
            assert tags[0][0] == {"idTag": "A", "idTagInfo": info} and len(tags[1]) == 1
            await tool.until(", 1 tags: Accepted")
        path.write_text("A remove\n")
        tool.type(f"send-list {path}")
        await tool.until("a full list has nothing to remove")
        for line, fault in (
            ("A", "line 1: TAG STATUS"),
            ("A Perhaps", "line 1: 'Perhaps' is none of"),
            ("A Blocked colour=red", "line 1: colour: until=TIME and parent=TAG may follow"),
        ):
            path.write_text(line)
            tool.type(f"send-list {path}")
            await tool.until(fault)


async def test_an_update_by_ftp_and_a_signed_one(tmp_path):
    certs.make(tmp_path)
    (tmp_path / "x y.upd").write_bytes(b"a release")
    signer = certs.read(tmp_path / "signer.pem")

    def fetched(location):
        with urllib.request.urlopen(location, timeout=WAIT_s) as file:
            return file.read()

    async with Tool() as tool, FakeStation(tool.url) as fake:
        await fake.call("BootNotification", BOOT)
        for words, scheme in (("", "http"), ("ftp", "ftp"), ("30 all ftp", "ftp")):
            tool.type(f"update '{tmp_path}/x y.upd' {words}")
            action, payload = await fake.request()
            assert action == "UpdateFirmware" and schema_errors(action, payload) == []
            assert payload["location"].startswith(scheme + "://127.0.0.1:")
            assert await asyncio.to_thread(fetched, payload["location"]) == b"a release"
        tool.type(f"update '{tmp_path}/x y.upd' ftp signer={tmp_path}/signer.pem install=10")
        action, payload = await fake.request()
        assert action == "SignedUpdateFirmware" and schema_errors(action, payload) == []
        firmware = payload["firmware"]
        assert firmware["location"].startswith("ftp://") and firmware["installDateTime"]
        assert firmware["signingCertificate"].encode() == certs.Issued(signer, None).pem
        signature = base64.b64decode(firmware["signature"])
        how = ec.ECDSA(hashes.SHA256())
        signer.public_key().verify(signature, b"a release", how)  # (raises, or is good)
        await tool.until("SignedUpdateFirmware: Accepted")


async def test_diagnostics_come_into_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with Tool() as tool, FakeStation(tool.url) as fake:
        await fake.call("BootNotification", BOOT)
        fake.answers["GetDiagnostics"] = {"fileName": "d-1.txt"}
        for status, name in (("Uploaded", "d-1.txt"), ("UploadFailed", "../d-1.txt")):
            tool.type("diagnostics")
            action, payload = await fake.request()
            assert action == "GetDiagnostics" and payload["location"].startswith(
                "http://127.0.0.1:"
            )
            url = payload["location"] + quote(name, safe="")

            def put(url=url):
                request = urllib.request.Request(url, b"all is well", method="PUT")
                with contextlib.suppress(urllib.error.HTTPError):
                    urllib.request.urlopen(request, timeout=WAIT_s).close()

            await asyncio.to_thread(put)
            await fake.call("DiagnosticsStatusNotification", {"status": "Uploading"})
            await fake.call("DiagnosticsStatusNotification", {"status": status})
            await tool.until(status)
        assert [p.name for p in tmp_path.rglob("*")] == ["diagnostics", "d-1.txt"]
        assert (tmp_path / "diagnostics/d-1.txt").read_bytes() == b"all is well"
        tool.type("diagnostics ftp://h/x")
        assert (await fake.request())[1] == {"location": "ftp://h/x"}
        await fake.call("DiagnosticsStatusNotification", {"status": "Uploaded"})
        await tool.until("Uploaded: ftp://h/x")
        fake.answers["GetDiagnostics"] = {}
        tool.type("diagnostics")
        await tool.until("GetDiagnostics: there is nothing to send")


async def test_logs_and_security_events():
    async with Tool() as tool, FakeStation(tool.url) as fake:
        await fake.call("BootNotification", BOOT)
        fake.answers["GetLog"] = {"status": "Accepted", "filename": "s-1.txt"}
        for n, (line, kind, status) in enumerate(
            (
                ("log security ftp://h/x", "SecurityLog", "Uploaded"),
                ("log ftp://h/x", "DiagnosticsLog", "PermissionDenied"),
            ),
            1,
        ):
            tool.type(line)
            action, payload = await fake.request()
            assert (action, payload["requestId"], payload["logType"]) == ("GetLog", n, kind)
            assert payload["log"] == {"remoteLocation": "ftp://h/x"}
            for id, word in ((n, "Uploading"), (n - 1, "UploadFailure"), (n, status)):
                await fake.call("LogStatusNotification", {"status": word, "requestId": id})
            await tool.until("Uploaded: ftp://h/x" if n == 1 else status)
        tool.type("log security")
        assert (await fake.request())[1]["log"]["remoteLocation"].startswith("http://127.0.0.1:")
        await fake.call("LogStatusNotification", {"status": "Uploaded", "requestId": 3})
        await tool.until("Uploaded: diagnostics/s-1.txt")
        fake.answers["GetLog"] = {"status": "Rejected"}
        tool.type("log")
        await tool.until("GetLog: Rejected")
        tool.type("log security a b")
        await tool.until("usage: log [security] [URL]")
        event = {"type": "ResetOrReboot", "timestamp": "2026-11-30T07:00:00Z", "techInfo": "Soft"}
        await fake.call("SecurityEventNotification", event)
        tool.type("security-events")
        await tool.until(":00  ResetOrReboot  Soft")
        fake.answers["ExtendedTriggerMessage"] = {"status": "NotImplemented"}
        tool.type("extended-trigger LogStatusNotification")
        await tool.until("ExtendedTriggerMessage: NotImplemented")


async def test_several_stations():
    async with Tool() as tool:
        tool.type("clear-cache")
        await tool.until("no station is connected")
        async with FakeStation(tool.url, "A") as a, FakeStation(tool.url, "B") as b:
            await b.call("BootNotification", BOOT)
            tool.type("clear-cache")
            await tool.until("several stations are connected (A, B)")
            tool.type("station B")
            await tool.until("* B  Fake")
            tool.type("clear-cache")
            await tool.until("ClearCache: Accepted")
            assert b.asked.qsize() == 1 and a.asked.empty()
        await tool.until("B -- connection closed")
        tool.type("clear-cache")
        await tool.until("B is not connected")
        tool.process.stdin.close()  # the end of a pipe ends the tool
        assert await tool.end() == 0


async def _run_script(tmp_path, text, *args, answers=None, sends=()):
    """Run a script against a fake station: (exit code, output lines, what was asked)."""
    script = tmp_path / "script.txt"
    script.write_text(text)
    async with Tool("--script", str(script), "--no-prompt", *args) as tool:
        async with FakeStation(tool.url) as fake:
            _ready(fake)
            fake.answers.update(answers or {})
            for action, payload in sends:
                await fake.call(action, payload)
            code = await tool.end()
        asked = [fake.asked.get_nowait()[0] for _ in range(fake.asked.qsize())]
        return code, tool.seen, asked


def _script(*args, **options):
    return asyncio.run(asyncio.wait_for(_run_script(*args, **options), WAIT_s))


def test_a_script_waits_for_the_station_and_ends(tmp_path):
    text = """# a comment

    wait BootNotification 20
    wait StatusNotification status=Available connectorId=1 5
    wait StatusNotification status=Charging 5
    - wait Heartbeat 0.05
    - profile profile.json
    clear
    """
    (tmp_path / "profile.json").write_text(json.dumps(PROFILE))
    sends = [
        ("StatusNotification", {**STATUS, "status": "Charging"}),
        ("StatusNotification", STATUS),
        ("BootNotification", BOOT),
    ]
    answers = {
        "SetChargingProfile": {"status": "Rejected"},
        "ClearChargingProfile": {"status": "Unknown"},
    }
    code, seen, asked = _script(tmp_path, text, answers=answers, sends=sends)
    assert code == 0, seen
    assert asked == ["SetChargingProfile", "ClearChargingProfile"]
    assert "CP1 sent no Heartbeat within 0.05 s (going on)" in seen
    assert "refused (going on)" in seen


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("nonsense", "there is no command 'nonsense'; try help"),
        ("wait Heartbeat 0.05", "CP1 sent no Heartbeat within 0.05 s"),
        ("clear-cache", "refused"),
        ("get-config C", "refused"),
        ("profile no-such", "there is no file no-such"),
    ],
)
def test_a_script_ends_at_its_first_error(tmp_path, line, error):
    answers = {"ClearCache": {"status": "Rejected"}}
    code, seen, asked = _script(tmp_path, f"reset soft\n\n{line}\nreset hard", answers=answers)
    assert code == 1
    assert seen.count(f"{tmp_path}/script.txt:3: {line}: {error}") == 1
    assert asked.count("Reset") == 1


def test_quiet_shows_violations_only(tmp_path):
    sends = [
        ("BootNotification", BOOT),
        ("StopTransaction", {"transactionId": 9, "meterStop": 1, "timestamp": T0}),
    ]
    code, seen, _ = _script(
        tmp_path, "wait StopTransaction 10\nquit\nnonsense", "--quiet", sends=sends
    )
    assert code == 0
    assert not any(" <- " in line or " -> " in line for line in seen)
    assert any("!! StopTransaction with the unknown transactionId 9" in line for line in seen)


async def test_the_tour(tmp_path):
    """The example script, with a station that does what it is asked."""
    script = ROOT / "tools/examples/tour.txt"
    async with Tool("--script", str(script), "--no-prompt") as tool:
        async with FakeStation(tool.url) as fake:
            _ready(fake)
            fake.answers["GetConfiguration"] = {"configurationKey": CONFIG["configurationKey"]}
            await fake.call("BootNotification", BOOT)
            await fake.call("StatusNotification", STATUS)
            meter = {"connectorId": 1, "transactionId": 1, "meterValue": [SAMPLE]}
            stop = {"transactionId": 1, "meterStop": 4210, "timestamp": T0, "reason": "Remote"}
            follow = {
                "RemoteStartTransaction": ("StartTransaction", START),
                "TriggerMessage": ("MeterValues", meter),
                "RemoteStopTransaction": ("StopTransaction", stop),
            }
            asked = []
            while len(asked) < 11:
                asked.append((await fake.request(20))[0])
                if asked[-1] in follow:
                    await fake.call(*follow[asked[-1]])
            assert await tool.end() == 0, tool.seen
    assert asked.count("SetChargingProfile") == 3
    assert any(" 3.210  stopped" in line and "(Remote)" in line for line in tool.seen)
    assert not any("!!" in line for line in tool.seen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_end_the_tool(number):
    async with Tool("--no-prompt") as tool, FakeStation(tool.url) as fake:
        await tool.until("-- connected")
        tool.process.send_signal(number)
        assert await tool.end() == 0
        await asyncio.wait_for(fake.ws.wait_closed(), WAIT_s)
        assert fake.ws.close_code == 1001
        assert not any("Traceback" in line for line in tool.seen)


async def test_passwords():
    async with Tool("--password", "CP1=a=b", "CP2=x", "--no-prompt") as tool:
        with pytest.raises(InvalidStatus):
            async with FakeStation(tool.url):
                pass
        await tool.until("CP1 -- refused: no or wrong Basic authentication")
        key = base64.b64encode(b"CP1:a=b").decode()
        headers = {"Authorization": f"Basic {key}"}
        async with FakeStation(tool.url, additional_headers=headers) as fake:
            await fake.call("BootNotification", BOOT)


def _tool(*args, **env):
    return subprocess.run(
        [str(ROOT / "tools/csms"), *args],
        env={**os.environ, "PILOTWIRE_PYTHON": sys.executable, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_s,
    )


def test_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _tool("--port", str(port))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == (
        f"tools/csms: cannot listen on port {port} of 127.0.0.1: "
        "it is in use; choose another with --port\n"
    )


def test_other_start_errors(tmp_path):
    done = _tool("--port", "0", "--script", str(tmp_path / "no-such"), "--no-prompt")
    assert done.returncode == 1
    assert done.stderr == f"tools/csms: {tmp_path}/no-such: No such file or directory\n"
    done = _tool(PILOTWIRE_PYTHON=str(tmp_path / "no-python"))
    assert done.returncode == 1 and "make setup" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    for words, text in (
        ("--port 70000", "--port: 70000 is not 0 to 65535"),
        ("--port x", "--port: x is not 0 to 65535"),
        ("--password x", "--password wants ID=KEY"),
        ("--colour red", "unrecognized arguments: --colour red"),
        ("--key noise", "--key and --client-ca want --cert or --make-certs"),
        ("--cert none", "--cert none: No such file or directory"),
        ("--cert noise", "--cert noise: no certificate in PEM, or its key does not fit"),
        ("--make-certs noise", "--make-certs noise: File exists"),
        ("--host nowhere.invalid", "cannot listen on port 9000 of nowhere.invalid: "),
        ("--port 0 --script noise --no-prompt", "noise: 'utf-8' codec can't decode"),
    ):
        words = [str(tmp_path / w) if w in ("noise", "none") else w for w in words.split()]
        done = _tool(*words)
        lines = done.stderr.splitlines()
        assert done.returncode in (1, 2) and len(lines) == 1, (words, done)
        assert text in lines[0].replace(f"{tmp_path}/", ""), lines
        assert lines[0].startswith("tools/csms: "), lines


def test_without_an_input():
    """What is said where nothing can be typed, as stdin is closed, and where the commands end."""
    command = [sys.executable, "-c", "from host.csms_cli import main; raise SystemExit(main())"]
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *command, "--port", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
        capture_output=True,
        text=True,
        timeout=WAIT_s,
    )
    assert done.returncode == 2 and done.stdout == "", done
    assert done.stderr.startswith("tools/csms: no commands can be read, for stdin is closed")
    done = _tool("--port", "0")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2, done
    assert "The input has ended, and so does this; --no-prompt goes on without" in done.stdout
