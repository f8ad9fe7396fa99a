"""The certification tool's cases for a charge point, OCPP 1.6 Core, that concern cable and lock. A
test is named after its case: TC_005_1_CS is test_005_1_...
"""

import json

import pytest
from station_driver import TAG

from host.process import WAIT_s


@pytest.fixture
def socket(bench, tmp_path):
    """A station with a socket and a lock: the cable is detachable."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"board": "reference_full"}))
    return bench(config=config, heap="300K")


async def ask(b, action, expect, **payload):
    """A request that must be answered with that status."""
    conf = await b.st.call(action, payload, timeout=WAIT_s)
    assert conf == {"status": expect}, (action, payload)


async def configure(b, **keys):
    for key, value in keys.items():
        await ask(b, "ChangeConfiguration", "Accepted", key=key, value=value)


async def unplugged(b, id):
    """The car is unplugged while it charges: the transaction ends; -> mark before that."""
    since = b.st.mark()
    await b.do("unplug")
    stop = await b.st.expect("StopTransaction", None, WAIT_s, since)
    assert (stop["transactionId"], stop["reason"]) == (id, "EVDisconnected")
    return since


# Unplugged at the car


async def test_005_1_ev_side_disconnect_fixed_cable(bench):
    """The cable is fixed: pulled from the car nothing is left to be finished."""
    async with bench() as b:
        id = await b.charge()
        since = await unplugged(b, id)
        await b.status("Available", since=since)


async def test_005_1_ev_side_disconnect(socket):
    """StopTransactionOnEVSideDisconnect, UnlockConnectorOnEVSideDisconnect true: the plug can be
    taken out of the socket too."""
    async with socket as b:
        await configure(
            b, StopTransactionOnEVSideDisconnect="true", UnlockConnectorOnEVSideDisconnect="true"
        )
        since = await unplugged(b, await b.charge())
        await b.status("Available", since=since)


async def test_005_2_ev_side_disconnect_stays_locked(socket):
    """UnlockConnectorOnEVSideDisconnect false: until UnlockConnector."""
    async with socket as b:
        await configure(
            b, StopTransactionOnEVSideDisconnect="true", UnlockConnectorOnEVSideDisconnect="false"
        )
        since = await unplugged(b, await b.charge())
        await b.status("Finishing", since=since)
        await b.settled()
        assert (await b.process.connector())["status"] == "Finishing"
        await ask(b, "UnlockConnector", "Unlocked", connectorId=1)
        await b.status("Available", since=since)


async def test_005_3_ev_side_disconnect_goes_on(socket):
    """StopTransactionOnEVSideDisconnect false: SuspendedEV, until RemoteStop."""
    async with socket as b:
        await configure(
            b, StopTransactionOnEVSideDisconnect="false", UnlockConnectorOnEVSideDisconnect="false"
        )
        id = await b.charge()
        since = b.st.mark()
        await b.do("unplug")
        await b.status("SuspendedEV", since=since)
        assert b.st.received("StopTransaction") == []
        await ask(b, "RemoteStopTransaction", "Accepted", transactionId=id)
        stop = await b.st.expect("StopTransaction", None, WAIT_s, since)
        assert (stop["transactionId"], stop["reason"]) == (id, "Remote")


# The lock


async def test_017_1_unlock_without_session(socket):
    async with socket as b:
        await ask(b, "UnlockConnector", "Unlocked", connectorId=1)


async def test_017_2_unlock_without_session_fixed_cable(bench):
    async with bench() as b:
        await ask(b, "UnlockConnector", "NotSupported", connectorId=1)


async def test_018_1_unlock_in_a_session(socket):
    async with socket as b:
        id = await b.charge()
        since = b.st.mark()
        await ask(b, "UnlockConnector", "Unlocked", connectorId=1)
        stop = await b.st.expect("StopTransaction", None, WAIT_s, since)
        assert (stop["transactionId"], stop["reason"]) == (id, "UnlockCommand")
        await b.status("Finishing", since=since)
        await b.do("unplug")
        await b.status("Available", since=since)


async def test_018_2_unlock_in_a_session_fixed_cable(bench):
    async with bench() as b:
        id = await b.charge()
        await ask(b, "UnlockConnector", "NotSupported", connectorId=1)
        await b.settled()
        c = await b.process.connector()
        assert (c["status"], c["transactionId"]) == ("Charging", id)
        assert b.st.received("StopTransaction") == []


async def test_030_unlock_failure(socket):
    async with socket as b:
        await b.charge()  # (the bolt is in)
        await b.do("fault lock-jam")
        await ask(b, "UnlockConnector", "UnlockFailed", connectorId=1)


async def test_031_unlock_unknown_connector(bench):
    async with bench() as b:
        await ask(b, "UnlockConnector", "NotSupported", connectorId=2)


async def test_024_lock_failure(bench, tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"board": "reference_full"}')
    async with bench(config=config, heap="300K", speed=40) as b:
        await b.do("fault lock-jam")
        await b.do("plug")
        await b.st.expect(
            "StatusNotification",
            lambda p: (p["status"], p["errorCode"]) == ("Faulted", "ConnectorLockFailure"),
            WAIT_s,
        )
        await b.do(f"tag {TAG}")
        await b.settled()
        assert b.st.received("StartTransaction") == []
        assert (await b.process.connector())["transactionId"] is None
