"""The certification tool's cases for a charge point, OCPP 1.6 Core, that concern cable and lock. A
test is named after its case: TC_005_1_CS is test_005_1_...
"""

from station_driver import TAG

from host.process import WAIT_s, poll


async def unplugged(b, id, how="unplug"):
    """The car is unplugged while it charges: the transaction ends; -> mark before that."""
    since = b.st.mark()
    await b.do(how)
    await b.stopped(since, transactionId=id, reason="EVDisconnected")
    return since


HELD = {"error": "connector 1: the lock holds the plug"}


async def pull(b):
    """Pull the plug out of the socket, as soon as the lock lets go of it."""

    async def pulled():
        answer = await b.process.command("unplug station")
        assert answer in ({"ok": True}, HELD), answer
        return answer != HELD

    await poll(pulled, WAIT_s, "the plug is pulled")


# Unplugged at the car


async def test_005_1_ev_side_disconnect(socket):
    """StopTransactionOnEVSideDisconnect, UnlockConnectorOnEVSideDisconnect true: Finishing, until
    the plug is taken out of the socket too; at both ends at once Available."""
    async with socket as b:
        await b.keys(
            StopTransactionOnEVSideDisconnect="true", UnlockConnectorOnEVSideDisconnect="true"
        )
        since = await unplugged(b, await b.charge(), "unplug ev")
        await b.status("Finishing", since=since)
        await pull(b)
        await b.status("Available", since=since)
        since = await unplugged(b, await b.charge())
        await b.status("Available", since=since)


async def test_005_2_ev_side_disconnect_stays_locked(socket):
    """UnlockConnectorOnEVSideDisconnect false: until UnlockConnector."""
    async with socket as b:
        await b.keys(
            StopTransactionOnEVSideDisconnect="true", UnlockConnectorOnEVSideDisconnect="false"
        )
        since = await unplugged(b, await b.charge(), "unplug ev")
        await b.status("Finishing", since=since)
        await b.settled()
        assert (await b.process.connector())["status"] == "Finishing"
        assert await b.process.command("unplug station") == HELD
        await b.ask("UnlockConnector", "Unlocked", connectorId=1)
        await b.do("unplug station")
        await b.status("Available", since=since)


async def test_005_3_ev_side_disconnect_goes_on(socket):
    """StopTransactionOnEVSideDisconnect false: SuspendedEV, until RemoteStop."""
    async with socket as b:
        await b.keys(
            StopTransactionOnEVSideDisconnect="false", UnlockConnectorOnEVSideDisconnect="false"
        )
        id = await b.charge()
        since = b.st.mark()
        await b.do("unplug")
        await b.status("SuspendedEV", since=since)
        assert b.st.received("StopTransaction") == []
        await b.ask("RemoteStopTransaction", transactionId=id)
        await b.stopped(since, transactionId=id, reason="Remote")


# A cable without a car


async def test_a_cable_in_the_socket_is_preparing(socket):
    """7.7: Preparing when a cable is inserted; and Available when it is pulled again."""
    async with socket as b:
        for _ in range(2):
            since = b.st.mark()
            await b.do("plug station")
            await b.status("Preparing", since=since)
            await b.do("unplug station")
            await b.status("Available", since=since)
        since = b.st.mark()
        await b.do("plug station")
        await b.do(f"tag {TAG}")
        await b.status("Preparing", since=since)
        await b.do("plug ev")
        await b.status("Charging", since=since)


async def test_another_car_at_the_cable_that_was_left(socket):
    """Finishing, Preparing, Charging: no Available between them."""
    async with socket as b:
        since = await unplugged(b, await b.charge(), "unplug ev")
        await b.status("Finishing", since=since)
        await b.do("plug ev")
        await b.status("Preparing", since=since)
        await b.do("tag OTHER")
        await b.status("Charging", since=since)
        told = [p["status"] for p in b.st.received("StatusNotification", since)]
        assert told == ["Finishing", "Preparing", "Charging"]


async def test_a_power_cut_with_a_cable_in_the_socket(socket):
    """Nobody knows any more that it has finished: Preparing, and unlocked."""
    async with socket as b:
        since = await unplugged(b, await b.charge(), "unplug ev")
        await b.status("Finishing", since=since)
        since = await b.cut(2)
        await b.status("Preparing", since=since)
        await pull(b)
        await b.status("Available", since=since)


async def test_a_power_cut_keeps_the_cable_of_a_transaction_that_goes_on(socket):
    """StopTransactionOnEVSideDisconnect, UnlockConnectorOnEVSideDisconnect false: the car comes
    too late after the power, its transaction ends with PowerLoss, the plug is still locked."""
    async with socket as b:
        await b.keys(
            StopTransactionOnEVSideDisconnect="false", UnlockConnectorOnEVSideDisconnect="false"
        )
        await b.charge()
        since = b.st.mark()
        await b.do("unplug ev")
        await b.status("SuspendedEV", since=since)
        since = await b.cut(2)
        await b.stopped(since, reason="PowerLoss")
        await b.status("Finishing", since=since)
        assert await b.process.command("unplug station") == HELD
        await b.do(f"tag {TAG}")  # its owner's
        await pull(b)
        await b.status("Available", since=since)


# The lock follows the authorisation


async def test_stopped_the_plug_is_free_although_the_car_is_there(socket):
    """5.12: stop the transaction and unlock. It locks again for the next one."""
    async with socket as b:
        for how, reason in (("card", "Local"), ("remote", "Remote"), ("no", "DeAuthorized")):
            if how == "no":
                conf = {"transactionId": 0, "idTagInfo": {"status": "Invalid"}}
                b.cs.answer("StartTransaction", lambda p, conf=conf: conf)
            since = b.st.mark()
            await b.do("plug")
            await b.do(f"tag {TAG}")
            if how != "no":
                await b.status("Charging", since=since)
                assert await b.process.command("unplug station") == HELD
                c = await b.process.until(lambda c: c["transactionId"] is not None)
            if how == "card":
                await b.do(f"tag {TAG}")
            elif how == "remote":
                await b.ask("RemoteStopTransaction", transactionId=c["transactionId"])
            stop = await b.stopped(since, reason=reason)
            assert (stop["transactionId"] == 0) == (how == "no")
            await b.status("Finishing", since=since)
            assert not [e["closed"] for e in b.process.trace("contactor")][-1:] == [True]
            if how == "card":  # a person stays, and begins again
                since = b.st.mark()
                await b.do(f"tag {TAG}")
                await b.status("Charging", since=since)
                assert await b.process.command("unplug station") == HELD
                await b.do(f"tag {TAG}")
                await b.stopped(since, reason="Local")
            await pull(b)
            await b.status("Available", since=since)


# The lock


async def test_017_1_and_018_1_unlock(socket):
    """A transaction ends with UnlockCommand, then the plug is free."""
    async with socket as b:
        await b.ask("UnlockConnector", "Unlocked", connectorId=1)
        id = await b.charge()
        since = b.st.mark()
        await b.ask("UnlockConnector", "Unlocked", connectorId=1)
        await b.stopped(since, transactionId=id, reason="UnlockCommand")
        await b.status("Finishing", since=since)
        assert not (await b.process.connector())["contactor"]
        await b.do("unplug station")
        await b.status("Available", since=since)
        await b.do("unplug")
        await b.charge()  # and the next one charges
        assert [e["load_mA"] for e in b.process.trace("contactor") if not e["closed"]] == [0]


async def test_017_2_018_2_and_031_unlock_with_a_fixed_cable(bench):
    async with bench() as b:
        for connector in (1, 0, 2):
            await b.ask("UnlockConnector", "NotSupported", connectorId=connector)
        id = await b.charge()
        await b.ask("UnlockConnector", "NotSupported", connectorId=1)
        await b.settled()
        c = await b.process.connector()
        assert (c["status"], c["transactionId"]) == ("Charging", id)
        assert b.st.received("StopTransaction") == []


async def jammed(b):
    """ConnectorLockFailure is told."""
    await b.st.expect(
        "StatusNotification", lambda p: p["errorCode"] == "ConnectorLockFailure", WAIT_s
    )


async def test_030_unlock_failure(socket):
    async with socket as b:
        await b.charge()  # (the bolt is in)
        await b.do("fault lock-jam")
        await b.ask("UnlockConnector", "UnlockFailed", connectorId=1)
        await jammed(b)


async def test_024_lock_failure(socket):
    socket.speed = 40
    async with socket as b:
        await b.do("fault lock-jam")
        await b.do("plug")
        await jammed(b)
        assert (await b.process.connector())["status"] == "Faulted"
        await b.do(f"tag {TAG}")
        await b.settled()
        assert b.st.received("StartTransaction") == []
        assert (await b.process.connector())["transactionId"] is None
