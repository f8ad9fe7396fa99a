"""ChangeAvailability and UnlockConnector: what a Central System asks of a connector."""

import asyncio

import pytest
from station_driver import TAG

from host.process import WAIT_s


async def change(b, connector, kind, expect="Accepted"):
    payload = {"connectorId": connector, "type": kind}
    assert await b.st.call("ChangeAvailability", payload) == {"status": expect}


async def test_idle(bench):
    """TC_CP: Inoperative and Operative, over a power cut."""
    async with bench() as b:
        await change(b, 1, "Inoperative")
        await b.status("Unavailable")
        await change(b, 1, "Inoperative")
        answer = await b.st.call("RemoteStartTransaction", {"idTag": TAG, "connectorId": 1})
        assert answer == {"status": "Rejected"}
        mark = b.st.mark()
        before = b.st
        await b.do("power-cut 1")
        b.st = await b.cs.wait_station("CP1", WAIT_s, after=before)
        await b.status("Unavailable", since=mark)
        since = b.st.mark()
        await b.do("plug")
        await change(b, 1, "Operative")
        await b.status("Preparing", since=since)
        await b.do(f"tag {TAG}")
        await b.status("Charging", since=since)


async def test_scheduled(bench):
    """During a transaction: Scheduled, and Unavailable when it has ended."""
    async with bench() as b:
        await b.charge()
        since = b.st.mark()
        await change(b, 1, "Inoperative", "Scheduled")
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        await b.do(f"tag {TAG}")
        await b.st.expect("StopTransaction", None, WAIT_s, since)
        await b.status("Unavailable", since=since)
        await b.do("unplug")
        await b.process.until(lambda c: c["cp"] == "A")
        since = b.st.mark()
        await change(b, 1, "Operative")
        await b.status("Available", since=since)
        told = [p["status"] for p in b.st.received("StatusNotification")]
        assert "Finishing" not in told


async def test_scheduled_over_a_power_cut(bench):
    """What is scheduled stays so: the transaction goes on, then the connector is Unavailable."""
    async with bench() as b:
        await b.charge()
        await change(b, 1, "Inoperative", "Scheduled")
        before, mark = b.st, b.st.mark()
        await b.do("power-cut 5")
        await b.again(before)
        await b.status("Charging", since=mark)
        await b.do(f"tag {TAG}")
        await b.status("Unavailable", since=mark)
        answer = await b.st.call("RemoteStartTransaction", {"idTag": TAG, "connectorId": 1})
        assert answer == {"status": "Rejected"}


async def test_charge_point(bench):
    """Connector 0 is all of them, and the charge point itself."""
    async with bench(connectors=2) as b:
        since = b.st.mark()
        await change(b, 0, "Inoperative")
        for n in (0, 1, 2):
            await b.status("Unavailable", n, since)
        await change(b, 3, "Inoperative", "Rejected")
        await change(b, -1, "Inoperative", "Rejected")
        since = b.st.mark()
        await b.st.call("TriggerMessage", {"requestedMessage": "StatusNotification"})
        await b.status("Unavailable", 0, since)
        since = b.st.mark()
        await change(b, 0, "Operative")
        for n in (0, 1, 2):
            await b.status("Available", n, since)


async def test_charge_point_scheduled(bench):
    """In a transaction connector 0 is Unavailable when the last of all is."""

    async def zero(b, since):
        told = b.st.received("StatusNotification", since)
        return [p["status"] for p in told if p["connectorId"] == 0]

    async with bench(connectors=3) as b:
        await b.charge()
        await b.charge("B", 2)
        since = b.st.mark()
        for _ in range(2):
            await change(b, 0, "Inoperative", "Scheduled")
        await b.status("Unavailable", 3, since)
        trigger = {"requestedMessage": "StatusNotification", "connectorId": 0}
        await b.st.call("TriggerMessage", trigger)
        await b.status("Available", 0, since)
        await b.do("unplug 2")
        await b.status("Unavailable", 2, since)
        await b.do("power-cut 1")
        before = b.st
        await b.again(before)
        await b.status("Charging", 1, since)
        assert await zero(b, since) == ["Available"] * 2
        since = b.st.mark()
        await b.do(f"tag {TAG}")
        await b.status("Unavailable", 0, since)
        await b.status("Unavailable", 1, since)
        since = b.st.mark()
        await change(b, 0, "Operative")
        await b.status("Available", 0, since)
        await b.status("Available", 3, since)
        assert await zero(b, since) == ["Available"]


@pytest.mark.parametrize(
    "connector, expect", [(1, "NotSupported"), (0, "NotSupported"), (9, "NotSupported")]
)
async def test_unlock_without_a_lock(bench, connector, expect):
    async with bench() as b:
        id = await b.charge()
        answer = await b.st.call("UnlockConnector", {"connectorId": connector})
        assert answer == {"status": expect}
        assert (await b.process.connector())["transactionId"] == id


@pytest.fixture
def socket(bench, tmp_path):
    """A station with a socket and a lock."""
    config = tmp_path / "config.json"
    config.write_text('{"board": "reference_full"}')
    return bench(config=config, heap="300K")


async def test_unlock(socket):
    """A transaction ends with UnlockCommand, then the plug is free."""
    async with socket as b:
        id = await b.charge()
        since = b.st.mark()
        answer = await b.st.call("UnlockConnector", {"connectorId": 1}, timeout=WAIT_s)
        assert answer == {"status": "Unlocked"}
        stop = await b.st.expect("StopTransaction", None, WAIT_s, since)
        assert stop["transactionId"] == id and stop["reason"] == "UnlockCommand"
        await b.status("Finishing", since=since)
        assert not (await b.process.connector())["contactor"]
        await b.do("unplug")
        await b.status("Available", since=since)
        await b.charge()  # and the next one charges
        assert [e["load_mA"] for e in b.process.trace("contactor") if not e["closed"]] == [0]


async def test_unlock_holds_nothing_up(socket):
    """While the lock is being opened every other request is answered."""
    async with socket as b:
        await b.charge()
        await b.do("fault lock-jam")
        first = asyncio.create_task(
            b.st.raw('[2,"1","UnlockConnector",{"connectorId":1}]', WAIT_s)
        )
        await b.process.until(lambda c: not c["contactor"])
        conf = await b.st.call("GetConfiguration", {"key": ["NumberOfConnectors"]})
        assert conf["configurationKey"][0]["value"] == "1"
        answer = await b.st.call("UnlockConnector", {"connectorId": 1})
        assert answer == {"status": "UnlockFailed"}  # one at a time
        assert not first.done()
        await b.do("clear lock-jam")
        assert await first == [3, "1", {"status": "Unlocked"}]
        assert (await b.st.call("UnlockConnector", {"connectorId": 1}))["status"] == "Unlocked"


async def test_unlock_idle(socket):
    async with socket as b:
        answer = await b.st.call("UnlockConnector", {"connectorId": 1}, timeout=WAIT_s)
        assert answer == {"status": "Unlocked"}
        await b.charge()


async def test_unlock_that_jams(socket):
    async with socket as b:
        await b.charge()
        await b.do("fault lock-jam")
        answer = await b.st.call("UnlockConnector", {"connectorId": 1}, timeout=WAIT_s)
        assert answer == {"status": "UnlockFailed"}
        await b.st.expect(
            "StatusNotification", lambda p: p["errorCode"] == "ConnectorLockFailure", WAIT_s
        )
