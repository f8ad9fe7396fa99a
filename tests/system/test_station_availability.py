"""ChangeAvailability and UnlockConnector: what a Central System asks of a connector."""

import asyncio

from station_driver import TAG

from host.process import WAIT_s


async def change(b, connector, kind, expect="Accepted"):
    await b.ask("ChangeAvailability", expect, connectorId=connector, type=kind)


async def test_idle(bench):
    """TC_CP: Inoperative and Operative, over a power cut."""
    async with bench() as b:
        await change(b, 1, "Inoperative")
        await b.status("Unavailable")
        await change(b, 1, "Inoperative")
        await b.ask("RemoteStartTransaction", "Rejected", idTag=TAG, connectorId=1)
        mark = await b.cut(up=False)
        await b.status("Unavailable", since=mark)
        since = b.st.mark()
        await b.do("plug")
        await change(b, 1, "Operative")
        await b.status("Preparing", since=since)
        await b.do(f"tag {TAG}")
        await b.status("Charging", since=since)


async def test_scheduled(bench):
    """During a transaction: Scheduled, also over a power cut; Unavailable when it has ended."""
    async with bench() as b:
        await b.charge()
        since = b.st.mark()
        await change(b, 1, "Inoperative", "Scheduled")
        since = await b.cut(5)
        await b.status("Charging", since=since)
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
        await b.ask("UnlockConnector", "UnlockFailed", connectorId=1)
        assert not first.done()
        await b.do("clear lock-jam")
        assert await first == [3, "1", {"status": "Unlocked"}]
        await b.ask("UnlockConnector", "Unlocked", connectorId=1)
