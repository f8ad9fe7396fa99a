"""OCPP 2.0.1, F: remote control. A test is named after its case of the certification tool:
TC_F_01_CS is test_f_01_..."""

import pytest
from station_201 import CENTRAL, assert_reason, token
from station_driver import TAG

from host.process import WAIT_s

START = "RequestStartTransaction"
CARD = {"idToken": token(), "remoteStartId": 9}


@pytest.fixture
def socket201(bench201):
    """A station with a socket and a lock: the cable is detachable."""
    return bench201(config={"board": "reference_full"}, heap="300K")


async def trigger(b, action, expect="Accepted", reason=None, evse=None, connector=None, of=None):
    """TriggerMessage; -> the payload of the message that comes then (of: its action)."""
    payload = {"requestedMessage": action}
    if evse is not None:
        payload["evse"] = {"id": evse} | ({"connectorId": connector} if connector else {})
    since = b.st.mark()
    answer = await b.ask("TriggerMessage", expect, **payload)
    if expect != "Accepted":
        assert_reason(answer, reason)
        return None
    return await b.st.expect(of or action, None, WAIT_s, since)


# Remote start and stop


@pytest.mark.parametrize("first", ["cable", "request"])
@pytest.mark.parametrize("asks", ["true", "false"])
async def test_f_01_to_03_remote_start(bench201, first, asks):
    """With AuthorizeRemoteStart the token is asked about first."""
    async with bench201() as b:
        await b.set("AuthCtrlr.AuthorizeRemoteStart", asks)
        since = b.st.mark()
        if first == "cable":
            await b.do("plug")
            await b.status("Occupied", since=since)
        await b.ask(START, evseId=1, **CARD)
        if first == "request":
            await b.status("Occupied", since=since)
            await b.do("plug")
        trigger = "RemoteStart" if first == "cable" else "CablePluggedIn"  # (what came last)
        begun = await b.event(trigger, "Started", since, remoteStartId=9)
        assert begun["idToken"] == token()
        asked = [p["idToken"] for p in b.st.received("Authorize", since)]
        assert asked == ([token()] if asks == "true" else [])


async def test_f_04_no_cable_in_time(bench201):
    async with bench201() as b:
        await b.set("TxCtrlr.EVConnectionTimeOut", 30)
        await b.ask(START, evseId=1, **CARD)
        await b.status("Occupied")
        since = b.st.mark()
        await b.status("Available", since=since)
        await b.do("plug")
        await b.status("Occupied", since=since)
        assert b.cs.transactions == {}


async def test_remote_start_refused(bench201):
    """F01.FR.21 to 24, F02.FR.25: each says why."""
    async with bench201(connectors=2) as b:
        for evse in (0, 3, -1):
            await b.ask(START, "Rejected", "UnknownEvse", evseId=evse, **CARD)
        for text in ("", "a\nb", "a\x7f"):
            await b.ask(START, "Rejected", "InvalidIdToken", **{**CARD, "idToken": token(text)})
        await b.charge()
        await b.ask(START, "Rejected", "TxInProgress", evseId=1, **CARD)
        await b.ask("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 2})
        await b.ask(START, "Rejected", "NotEnabled", evseId=2, **CARD)
        await b.ask(START, "Rejected", "NotEnabled", **CARD)


async def test_remote_start_before_the_boot_is_accepted(bench201):
    """B02.FR.05."""
    b = bench201(boot=False)
    b.cs.boot_status = "Pending"
    async with b:
        b.st = await b.cs.wait_station("CP1", WAIT_s)
        await b.st.expect("BootNotification", None, WAIT_s)
        await b.ask(START, "Rejected", "CSNotAccepted", evseId=1, **CARD)
        b.cs.boot_status = "Accepted"
        await trigger(b, "BootNotification")
        await b.booted()


async def test_f_08_and_09_remote_stop(bench201):
    async with bench201() as b:
        await b.ask("RequestStopTransaction", "Rejected", "TxNotFound", transactionId="no-such")
        id = await b.charge()
        await b.ask("RequestStopTransaction", transactionId=id)
        await b.ended(triggerReason="RemoteStop", stoppedReason="Remote")


# UnlockConnector


async def unlock(b, expect, reason=None, evse=1, connector=1):
    answer = await b.ask("UnlockConnector", expect, evseId=evse, connectorId=connector)
    if expect != "Unlocked":
        assert_reason(answer, reason)


async def test_f_05_06_07_10_unlock(socket201):
    async with socket201 as b:
        await unlock(b, "Unlocked")  # no cable is there
        await b.do("plug")
        await b.status("Occupied")
        await unlock(b, "Unlocked")
        await b.do("unplug")
        id = await b.charge()
        await unlock(b, "OngoingAuthorizedTransaction", "TxInProgress")
        assert (await b.process.connector())["transactionId"] == id
        await unlock(b, "UnknownConnector", "UnknownEvse", evse=2)
        await unlock(b, "UnknownConnector", "UnknownConnectorId", connector=2)


async def test_a_cable_that_is_fixed(bench201):
    async with bench201() as b:
        await unlock(b, "UnlockFailed", "FixedCable")


async def test_a_bolt_that_is_stuck(socket201):
    async with socket201 as b:
        await b.charge()
        await b.do("fault lock-jam")
        await b.do(f"tag {TAG}")
        await b.ended()
        await unlock(b, "UnlockFailed", "Unspecified")


# TriggerMessage


async def test_f_11_and_12_meter_values(bench201):
    """Of the measurands of AlignedDataCtrlr; without an EVSE of each."""
    async with bench201(connectors=2) as b:
        await b.set("AlignedDataCtrlr.Measurands", "Voltage")
        told = await trigger(b, "MeterValues", evse=2)
        values = told["meterValue"][0]["sampledValue"]
        assert told["evseId"] == 2
        assert {v["measurand"] for v in values} == {"Voltage"}
        assert {v["context"] for v in values} == {"Trigger"}
        since = b.st.mark()
        await trigger(b, "MeterValues")
        await b.st.expect("MeterValues", lambda p: p["evseId"] == 2, WAIT_s, since)
        assert [p["evseId"] for p in b.st.received("MeterValues", since)] == [1, 2]


async def test_f_13_and_14_transaction_event(bench201):
    """With the state and a sample, in its place among the others; of each that runs."""
    async with bench201(connectors=2) as b:
        await trigger(b, "TransactionEvent", "Rejected", "TxNotFound")
        id = await b.charge()
        await trigger(b, "TransactionEvent", "Rejected", "TxNotFound", evse=2)
        await b.set("SampledDataCtrlr.TxUpdatedMeasurands", "Current.Import")
        for evse in (1, None):
            since = b.st.mark()
            await trigger(b, "TransactionEvent", evse=evse)
            told = await b.event("Trigger", "Updated", since, transactionId=id)
            assert told["transactionInfo"]["chargingState"] == "Charging"
            (value,) = told["meterValue"]
            assert {v["measurand"] for v in value["sampledValue"]} == {"Current.Import"}
            assert {v["context"] for v in value["sampledValue"]} == {"Trigger"}


async def test_f_15_18_20_23_24_27_and_26_the_others(bench201):
    async with bench201(connectors=2) as b:
        assert await trigger(b, "LogStatusNotification") == {"status": "Idle"}
        assert await trigger(b, "FirmwareStatusNotification", evse=1) == {"status": "Idle"}
        assert await trigger(b, "Heartbeat") == {}
        for evse, status in ((1, "Available"), (2, "Occupied")):
            if evse == 2:
                await b.do("plug 2")
                await b.status("Occupied", 2)
            told = await trigger(b, "StatusNotification", evse=evse, connector=1)
            assert (told["evseId"], told["connectorStatus"]) == (evse, status)
        for evse in (None, 1):  # (F06.FR.12)
            await trigger(b, "StatusNotification", "Rejected", "MissingParam", evse)
        await trigger(b, "BootNotification", "Rejected", "NotEnabled")
        for never in (
            "SignV2GCertificate", "SignCombinedCertificate", "PublishFirmwareStatusNotification",
        ):  # fmt: skip
            await trigger(b, never, "NotImplemented", "UnsupportedRequest")
        await trigger(b, "MeterValues", "Rejected", "UnknownEvse", 3)
        await trigger(b, "MeterValues", "Rejected", "UnknownConnectorId", 1, 2)


async def test_a_token_of_the_central_system_is_not_asked_about(bench201):
    """C05, also with AuthorizeRemoteStart."""
    async with bench201() as b:
        await b.set("AuthCtrlr.AuthorizeRemoteStart", "true")
        since = b.st.mark()
        await b.charge_remotely(idToken=token(type=CENTRAL))
        assert b.st.received("Authorize", since) == []
