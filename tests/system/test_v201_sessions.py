"""Transactions of OCPP 2.0.1 (E): whole stations against a strict Central System."""

from station_201 import CENTRAL, token
from station_driver import TAG

from host.csms import parse_time


async def test_a_session_by_a_tag(bench201):
    """E02, E06, E07: began when it is authorised and plugged, in one order, with numbers."""
    async with bench201() as b:
        assert b.st.boot["chargingStation"]["vendorName"] == "Pilotwire"
        await b.do("plug")
        await b.status("Occupied")
        await b.do(f"tag {TAG}")
        id = await b.charging()
        ended = await b.finish()
        events = b.events(id)
        begun = events[0]
        assert [event["seqNo"] for event in events] == list(range(len(events)))
        assert begun["triggerReason"] == "Authorized" and begun["idToken"] == token()
        assert begun["evse"] == {"id": 1, "connectorId": 1}
        (value,) = begun["meterValue"][0]["sampledValue"]
        assert value["context"] == "Transaction.Begin" and value["unitOfMeasure"] == {"unit": "Wh"}
        states = [e["transactionInfo"].get("chargingState") for e in events]
        assert [s for s in states if s] == ["EVConnected", "Charging", "EVConnected"]
        assert ended["transactionInfo"]["stoppedReason"] == "Local"
        assert ended["triggerReason"] == "StopAuthorized" and ended["idToken"] == token()
        (value,) = ended["meterValue"][-1]["sampledValue"]
        assert value["context"] == "Transaction.End"
        assert not any("offline" in event for event in events)
        said = [p["connectorStatus"] for p in b.st.received("StatusNotification")]
        assert said == ["Available", "Occupied", "Available"]


async def test_a_change_of_state_is_told_when_it_happens(bench201):
    """E02: not with the next sample, which is due in a minute."""
    async with bench201(speed=2) as b:
        charging = b.events(await b.charge())[-1]
        assert charging["transactionInfo"]["chargingState"] == "Charging"
        late = await b.now() - parse_time(charging["timestamp"])
        assert late.total_seconds() < 40


async def test_a_remote_start_says_by_which_request(bench201):
    """F01, F03."""
    async with bench201() as b:
        id = await b.charge_remotely(start_id=77)
        begun = b.events(id)[0]
        assert begun["triggerReason"] == "CablePluggedIn"  # (which came after it)
        assert begun["transactionInfo"]["remoteStartId"] == 77
        assert begun["idToken"] == token(type=CENTRAL)
        await b.ask("RequestStopTransaction", transactionId=id)
        await b.ended(triggerReason="RemoteStop", stoppedReason="Remote")
        await b.ask("RequestStopTransaction", "Rejected", "TxNotFound", transactionId=id)


async def test_what_happened_offline_says_so(bench201):
    """E04, E08, E11: told in order when the connection is back, and once."""
    async with bench201() as b:
        id = await b.charge()
        before = await b.away()
        await b.do("unplug")
        await b.process.until(lambda c: c["status"] == "Available")
        await b.back(before)
        ended = await b.ended(stoppedReason="EVDisconnected")
        assert ended["offline"] and ended["triggerReason"] == "EVCommunicationLost"
        assert not b.events(id)[0].get("offline")
