"""OCPP 2.0.1, E01 to E12: where transactions begin and end, and by what. A test is named after its
case of the certification tool: TC_E_01_CS is test_e_01_..."""

import pytest
from station_201 import CENTRAL, token
from station_driver import TAG

from host.csms import CallError, parse_time
from host.profile import profile

START, STOP = "TxCtrlr.TxStartPoint", "TxCtrlr.TxStopPoint"


async def points(b, start=None, stop=None):
    if start:
        await b.set(START, start)
    if stop:
        await b.set(STOP, stop)


def triggers(b, id):
    """(triggerReason, chargingState) of all events that say a state."""
    said = [(e["triggerReason"], e["transactionInfo"].get("chargingState")) for e in b.events(id)]
    return [event for event in said if event[1]]


async def remote(b, start_id=9):
    await b.ask(
        "RequestStartTransaction", evseId=1, remoteStartId=start_id, idToken=token(type=CENTRAL)
    )


CABLE = "CablePluggedIn", "EVConnected"
CHARGING = "ChargingStateChanged", "Charging"


@pytest.mark.parametrize(
    "start,cable_first,expected",
    [
        ("PowerPathClosed", False, [CABLE, CHARGING]),  # E_01, E_04
        ("PowerPathClosed", True, [("Authorized", "EVConnected"), CHARGING]),  # E_03
        ("EnergyTransfer", True, [CHARGING]),  # E_02
        ("EVConnected", True, [CABLE, ("Authorized", "EVConnected"), CHARGING]),  # E_09
        ("Authorized", False, [("Authorized", "Idle"), CABLE, CHARGING]),  # E_10
        ("EVConnected,Authorized", False, [("Authorized", "Idle"), CABLE, CHARGING]),
    ],
)
async def test_e_01_02_03_04_09_10_where_it_begins(bench201, start, cable_first, expected):
    async with bench201() as b:
        await points(b, start)
        steps = ["plug", f"tag {TAG}"]
        for step in steps if cable_first else reversed(steps):
            await b.do(step)
            await b.status("Occupied")  # (by the first of them)
        id = await b.charging()
        events = b.events(id)
        assert triggers(b, id) == expected
        assert [e["eventType"] for e in events] == ["Started"] + ["Updated"] * (len(events) - 1)
        named = [e for e in events if "idToken" in e]
        assert len(named) == 1 and named[0]["idToken"] == token()


async def test_e_13_begun_by_a_request(bench201):
    """TxStartPoint Authorized; its remoteStartId is told once."""
    async with bench201() as b:
        await points(b, "Authorized")
        await remote(b)
        begun = await b.event("RemoteStart", "Started", remoteStartId=9, chargingState="Idle")
        id = begun["transactionInfo"]["transactionId"]
        await b.do("plug")
        assert await b.charging() == id
        assert triggers(b, id)[1:] == [CABLE, CHARGING]
        assert [e["transactionInfo"].get("remoteStartId") for e in b.events(id)].count(9) == 1


async def test_a_request_joins_what_the_car_has_begun(bench201):
    """F01.FR.03: the transaction of the cable; E01.FR.02."""
    async with bench201() as b:
        await points(b, "EVConnected")
        await b.do("plug")
        begun = await b.event("CablePluggedIn", "Started")
        assert "idToken" not in begun and begun["meterValue"]
        assert not (await b.process.connector())["contactor"]
        await remote(b)
        said = await b.event("RemoteStart", "Updated", remoteStartId=9)
        assert said["idToken"] == token(type=CENTRAL)
        assert await b.charging() == begun["transactionInfo"]["transactionId"]
        await b.ask(
            "RequestStartTransaction",
            "Rejected",
            "TxInProgress",
            evseId=1,
            remoteStartId=10,
            idToken=token("OTHER"),
        )


@pytest.mark.parametrize(
    "stop,ends",
    [
        ("Authorized", True),
        ("PowerPathClosed", True),
        ("EnergyTransfer", True),
        ("EVConnected", False),
    ],
)
async def test_e_07_08_14_15_stopped_locally(bench201, stop, ends):
    """And when only the car's leaving ends it: no energy more, and its end when the car leaves."""
    async with bench201() as b:
        await points(b, stop=stop)
        id = await b.charge()
        since = b.st.mark()
        await b.do(f"tag {TAG}")
        if ends:
            ended = await b.ended(since, triggerReason="StopAuthorized", stoppedReason="Local")
            assert ended["transactionInfo"]["chargingState"] == "EVConnected"
            assert ended["idToken"] == token()
            return
        said = await b.event("StopAuthorized", "Updated", since, chargingState="EVConnected")
        assert said["idToken"] == token()
        await b.process.until(lambda c: not c["contactor"] and not c["pilot_mA"])
        await b.do("tag OTHER")
        await b.settled()
        assert (await b.process.connector())["transactionId"] == id
        await b.do("unplug")
        await b.ended(
            since, triggerReason="EVCommunicationLost", stoppedReason="Local", chargingState="Idle"
        )
        await b.status("Available", since=since)


async def test_e_20_21_stopped_by_request_and_by_the_car(bench201):
    async with bench201() as b:
        id = await b.charge()
        await b.ask("RequestStopTransaction", transactionId=id)
        await b.ended(
            triggerReason="RemoteStop", stoppedReason="Remote", chargingState="EVConnected"
        )
        await b.do("unplug")
        await b.status("Available")
        await points(b, stop="EVConnected")
        since = b.st.mark()
        await b.charge()
        await b.do("pause")
        await b.event("ChargingStateChanged", since=since, chargingState="SuspendedEV")
        await b.do("unplug")
        ended = await b.ended(since, triggerReason="EVCommunicationLost", chargingState="Idle")
        assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"


async def test_e_22_the_car_takes_no_more(bench201):
    """TxStopPoint EnergyTransfer; and the same car may charge again."""
    async with bench201() as b:
        await points(b, stop="EnergyTransfer")
        await b.charge()
        await b.passed(5)
        since = b.st.mark()
        await b.do("pause")
        ended = await b.ended(
            since, triggerReason="ChargingStateChanged", stoppedReason="StoppedByEV"
        )
        assert ended["transactionInfo"]["timeSpentCharging"] > 0
        assert ended["transactionInfo"]["chargingState"] == "EVConnected"
        await b.do("ready")
        await b.do("tag OTHER")
        await b.charging(since=since)


@pytest.mark.parametrize("stop", ["Authorized", "EVConnected"])
async def test_e_16_deauthorized(bench201, stop):
    """E05: by what the CSMS answers to the start of a token that the station has let charge."""
    async with bench201() as b:
        await points(b, stop=stop)
        b.cs.answer("TransactionEvent", lambda p: {"idTokenInfo": {"status": "Blocked"}})
        await b.do("plug")
        await b.do(f"tag {TAG}")
        if stop == "Authorized":
            ended = await b.ended(triggerReason="Deauthorized", stoppedReason="DeAuthorized")
            assert "idToken" not in ended
            return
        await b.event("Deauthorized", "Updated", chargingState="SuspendedEVSE")
        await b.process.until(lambda c: not c["contactor"])
        await b.do("unplug")
        await b.ended(triggerReason="EVCommunicationLost", stoppedReason="DeAuthorized")


async def test_a_refused_token_has_some_energy_left(bench201):
    """E05.FR.03: StopTxOnInvalidId false, MaxEnergyOnInvalidId; the tag is known from then on."""
    async with bench201() as b:
        await b.set("TxCtrlr.StopTxOnInvalidId", "false")
        await b.set("TxCtrlr.MaxEnergyOnInvalidId", 20)
        b.cs.answer("TransactionEvent", lambda p: {"idTokenInfo": {"status": "Invalid"}})
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.event(chargingState="Charging")
        await b.event("EnergyLimitReached", chargingState="SuspendedEVSE")
        await b.do("unplug")
        ended = await b.ended(stoppedReason="EVDisconnected")
        taken = [
            event["meterValue"][-1]["sampledValue"][0]["value"]
            for event in (b.events(ended["transactionInfo"]["transactionId"])[0], ended)
        ]
        assert 20 <= taken[1] - taken[0] <= 60


@pytest.mark.parametrize("stop_unplugged", ["true", "false"])
async def test_e_17_24_25_37_the_car_leaves(bench201, stop_unplugged):
    """With PowerPathClosed, whatever StopTxOnEVSideDisconnect says (E06.FR.06)."""
    async with bench201() as b:
        await b.set("TxCtrlr.StopTxOnEVSideDisconnect", stop_unplugged)
        await b.charge()
        await b.do("unplug")
        await b.ended(
            triggerReason="EVCommunicationLost",
            stoppedReason="EVDisconnected",
            chargingState="Idle",
        )
        await b.status("Available")


async def test_e_26_27_the_car_may_come_back(bench201):
    """E10: and has as long as one that is to come."""
    async with bench201() as b:
        await points(b, stop="Authorized")
        await b.set("TxCtrlr.StopTxOnEVSideDisconnect", "false")
        id = await b.charge()
        since = b.st.mark()
        await b.do("unplug")
        await b.event("EVCommunicationLost", "Updated", since, chargingState="Idle")
        await b.do("plug")
        await b.event("CablePluggedIn", "Updated", since, chargingState="EVConnected")
        await b.event(since=since, chargingState="Charging", transactionId=id)
        await b.set("TxCtrlr.EVConnectionTimeOut", 20)
        await b.do("unplug")
        await b.ended(since, triggerReason="EVConnectTimeout", stoppedReason="Timeout")
        await b.status("Available", since=since)


async def test_e_05_39_nobody_plugs_in(bench201):
    """F_04 too: and the next one can."""
    async with bench201() as b:
        await points(b, "Authorized")
        await b.set("TxCtrlr.EVConnectionTimeOut", 20)
        await b.do(f"tag {TAG}")
        begun = await b.event(kind="Started")
        ended = await b.ended(
            triggerReason="EVConnectTimeout", stoppedReason="Timeout", chargingState="Idle"
        )
        passed = parse_time(ended["timestamp"]) - parse_time(begun["timestamp"])
        assert 19 <= passed.total_seconds() <= 25
        since = b.st.mark()
        await remote(b)
        await b.event("RemoteStart", "Started", since)
        await b.do("plug")
        await b.charging(since=since)


async def test_e_38_a_car_that_is_not_ready(bench201):
    async with bench201() as b:
        await b.do("plug")
        await b.do("pause")
        await b.status("Occupied")
        await b.do(f"tag {TAG}")
        await b.event("Authorized", "Started", chargingState="EVConnected")
        await b.event("ChargingStateChanged", chargingState="SuspendedEV")


@pytest.mark.parametrize("name", [START, STOP])
async def test_other_points_are_refused(bench201, name):
    async with bench201() as b:
        for value in ("ParkingBayOccupancy", "DataSigned", "Authorized,Never", "", "0"):
            await b.set(name, value, "Rejected")
        await b.set(name, "EnergyTransfer,EVConnected")
        assert set((await b.get(name)).split(",")) == {"EnergyTransfer", "EVConnected"}


async def test_before_the_boot_is_accepted(bench201):
    """B02.FR.04, B03: TxBeforeAcceptedEnabled false."""
    async with bench201() as b:
        for value in ("false", "true"):
            await b.set("TxCtrlr.TxBeforeAcceptedEnabled", value)
            await b.set("AuthCtrlr.OfflineTxForUnknownIdEnabled", "true")
        await b.set("TxCtrlr.TxBeforeAcceptedEnabled", "false")
        before = await b.away()
        await b.do("power-cut 1")
        await b.process.until(lambda c: c["status"] == "Available")
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.process.until(lambda c: c["status"] == "Preparing")
        await b.passed(20)
        assert (await b.process.connector())["pilot_mA"] == 0
        await b.back(before)
        assert (await b.event(kind="Started"))["idToken"] == token()


async def test_e_40_to_45_offline(bench201):
    """E04, E08, E11, E12: what happened offline says so, in order, by its own time."""
    async with bench201() as b:
        await b.set("AuthCtrlr.OfflineTxForUnknownIdEnabled", "true")
        await b.set("SampledDataCtrlr.TxUpdatedInterval", 20)
        await points(b, "EVConnected", "EVConnected")
        first = await b.charge()
        before = await b.away()
        await b.do(f"tag {TAG}")
        await b.process.until(lambda c: c["status"] == "Finishing")
        await b.do("unplug")
        await b.process.until(lambda c: c["status"] == "Available")
        await b.do("plug")
        await b.process.until(lambda c: c["status"] == "Preparing")
        await b.do("tag OTHER")
        await b.process.until(lambda c: c["contactor"])
        await b.passed(30)
        await b.back(before)
        second = await b.event(kind="Started", offline=True)
        id = second["transactionInfo"]["transactionId"]
        await b.ask("RequestStopTransaction", transactionId=id)
        await b.event("RemoteStop", "Updated")
        events = b.events(first) + b.events(id)
        offline = [event.get("offline", False) for event in events]
        assert offline[0] is False and offline[-1] is False
        told = [e["triggerReason"] for e in events if e.get("offline")]
        for trigger in ("StopAuthorized", "EVCommunicationLost", "CablePluggedIn", "Authorized"):
            assert told.count(trigger) == 1
        assert told.count("MeterValuePeriodic") >= 1
        times = [e["timestamp"] for e in events]
        assert times == sorted(times)
        assert [e["seqNo"] for e in b.events(first)] == list(range(len(b.events(first))))


async def test_e_41_42_retries(bench201):
    """E13: MessageAttempts, MessageAttemptInterval; given up, and what follows is told."""
    async with bench201() as b:
        b.cs.sequences = None
        await b.set("OCPPCommCtrlr.MessageAttempts[TransactionEvent]", 2)
        await b.set("OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]", 5)

        def broken(payload):
            if payload["eventType"] == "Started":
                return CallError("GenericError", "it does not want that")
            return {}

        b.cs.answer("TransactionEvent", broken)
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.event(chargingState="Charging")
        begun = [p for p in b.st.received("TransactionEvent") if p["eventType"] == "Started"]
        assert len(begun) == 2 and begun[0] == begun[1]


@pytest.mark.parametrize("refused", [1, 3], ids=["51", "50"])
async def test_e_50_51_call_errors(bench201, refused):
    """MessageAttempts times and no more, or until one is answered; each the same."""
    async with bench201() as b:
        await b.set("OCPPCommCtrlr.MessageAttempts[TransactionEvent]", 3)
        await b.set("OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]", 5)
        id, tries = await b.charge(), []
        await b.settled()

        def broken(payload):
            if payload["triggerReason"] != "Trigger":
                return {}
            tries.append(payload)
            return CallError("InternalError", "later") if len(tries) <= refused else {}

        b.cs.answer("TransactionEvent", broken)
        await b.ask("TriggerMessage", requestedMessage="TransactionEvent")
        await b.finish()  # (what comes behind it waits)
        assert len(tries) == min(refused + 1, 3) and all(one == tries[0] for one in tries)
        assert tries[0]["transactionInfo"]["transactionId"] == id


async def test_a_fault_ends_it(bench201):
    """AbnormalCondition, and which kind of fault."""
    async with bench201(config={"board": "reference_full"}, heap="300K") as b:
        await b.charge()
        await b.do("fault residual")
        await b.ended(triggerReason="AbnormalCondition", stoppedReason="GroundFault")


async def test_a_limit_that_changes_enough(bench201):
    """K: ChargingRateChanged, by more than LimitChangeSignificance."""
    async with bench201() as b:
        await b.set("SmartChargingCtrlr.LimitChangeSignificance", 20)
        id = await b.charge()
        for amps in (30, 20):
            await b.set_profile(profile(1, "Default", {0: amps}, kind="Relative"), evse=1)
            await b.process.until(lambda c, amps=amps: c["pilot_mA"] == amps * 1000)
            await b.settled()
        told = [e for e in b.events(id) if e["triggerReason"] == "ChargingRateChanged"]
        assert len(told) == 1
