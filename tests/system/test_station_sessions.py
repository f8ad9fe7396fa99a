"""Who may charge: tags, remote start and stop, ids of transactions, real Central Systems."""

import asyncio
from datetime import datetime, timezone

from station_driver import TAG, draws

from host.csms import format_time, parse_time
from host.process import WAIT_s
from host.profile import profile


def tx_profile(periods=None, **more):
    return profile(9, "Tx", periods or {0: 13}, kind="Relative", **more)


# A person with a card


async def test_connection_time_out(bench):
    """No cable in time (TC_004_2, TC_011_2): Available; a car that comes later gets nothing."""
    async with bench() as b:
        await b.key("ConnectionTimeOut", "5")
        for begin in ("tag", "remote"):
            since = b.st.mark()
            if begin == "tag":
                await b.do("tag A")
            else:
                await b.ask("RemoteStartTransaction", idTag=TAG, connectorId=1)
            await b.status("Preparing", since=since)
            await b.status("Available", since=since)
        since = b.st.mark()
        await b.do("plug")
        await b.status("Preparing", since=since)
        await b.passed(30)
        assert b.st.received("StartTransaction") == []
        c = await b.process.connector()
        assert (c["status"], c["duty_u16"], c["contactor"]) == ("Preparing", 65535, False)


async def test_unplugged_while_charging(bench):
    """EVDisconnected (TC_005_1); the contactor opens within 100 ms."""
    async with bench() as b:
        await b.charge()
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        await b.do("speed 2")  # (slow; at 1 a busy host would show as lateness of ours)
        since, mark = b.st.mark(), b.process.mark()
        await b.do("unplug")
        gone = await b.process.traced("car", lambda e: e["state"] == "A", since=mark)
        opened = await b.process.traced("contactor", lambda e: not e["closed"], since=mark)
        print(f"unplugged: contactor open after {opened['ms'] - gone['ms']} ms")
        # 100 ms from the firmware, and what the contactor takes
        assert opened["ms"] - gone["ms"] <= 130
        await b.stopped(since, reason="EVDisconnected")
        await b.status("Available", since=since)


async def test_unplugged_and_the_transaction_goes_on(bench):
    """StopTransactionOnEVSideDisconnect false: SuspendedEV, and on when the car is back."""
    async with bench() as b:
        await b.key("StopTransactionOnEVSideDisconnect", "false")
        id = await b.charge()
        since = b.st.mark()
        await b.do("unplug")
        await b.status("SuspendedEV", since=since)
        # (the pilot says X1 whenever its driver does not test itself)
        c = await b.process.until(lambda c: c["duty_u16"] == 65535)
        assert (c["transactionId"], c["contactor"]) == (id, False)
        await b.do("plug")
        await b.status("Charging", since=since)
        assert b.st.received("StopTransaction") == []
        await b.do("unplug")
        await b.do(f"tag {TAG}")
        stop = await b.st.expect("StopTransaction", None, WAIT_s)
        assert (stop["transactionId"], stop["reason"]) == (id, "Local")
        await b.status("Available", since=since)
        assert len(b.st.received("StartTransaction")) == 1


async def test_plug_and_charge(bench):
    """config.json plug_and_charge: its tag is authorised by itself, once a plug-in, also over a
    power cut; RemoteStop is the last word until the car is unplugged."""
    async with bench(config={"plug_and_charge": "Plug"}) as b:
        await b.do("plug")
        await b.status("Charging")
        assert b.st.received("Authorize") == [{"idTag": "Plug"}]
        assert [p["idTag"] for p in b.st.received("StartTransaction")] == ["Plug"]
        id = (await b.process.until(lambda c: c["transactionId"] is not None))["transactionId"]
        await b.ask("RemoteStopTransaction", transactionId=id)
        assert (await b.st.expect("StopTransaction"))["reason"] == "Remote"
        await b.status("Finishing")
        since = await b.cut(1)
        await b.status("Preparing", since=since)
        await b.settled()
        assert not b.st.received("Authorize", since)
        await b.do("unplug")
        await b.status("Available", since=since)
        b.cs.tags = {"Plug": "Blocked"}
        await b.do("plug")
        await b.st.expect("Authorize", None, WAIT_s, since)
        await b.settled()
        assert (await b.process.connector())["status"] == "Preparing"
        assert not b.st.received("StartTransaction", since)
        b.cs.tags = {}
        await b.do("tag A")
        await b.status("Charging", since=since)
        assert [p["idTag"] for p in b.st.received("Authorize", since)] == ["Plug", "A"]
        since = b.st.mark()
        await b.do("unplug")
        await b.stopped(since, reason="EVDisconnected")


# StartTransaction


IDS = 1, 1800000000, 2**30, 2**31 - 1, 2**31, 2**31 + 7, 2**32 + 1, 2**53, 0, -1, -(2**31)


async def test_transaction_id(bench):
    """Any integer is an id (errata 3.54)."""
    async with bench(speed=50) as b:
        for id in IDS:
            await one_of_any_id(b, id)


async def one_of_any_id(b, id):
    b.cs.next_transaction_id = id
    since = b.st.mark()
    assert await b.charge() == id
    await b.set_profile(tx_profile(transactionId=id), 1)
    await b.pilot(13000)
    for other in (id + 1, id ^ 2**31, ~id, id + 2**32):
        await b.set_profile(tx_profile(transactionId=other), 1, "Rejected")
        await b.ask("RemoteStopTransaction", "Rejected", transactionId=other)
    await b.st.call("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1})
    values = await b.st.expect("MeterValues", None, WAIT_s, since)
    assert values["transactionId"] == id
    await b.ask("RemoteStopTransaction", transactionId=id)
    await b.stopped(since, transactionId=id, reason="Remote")
    await b.do("unplug")
    await b.status("Available", since=since)


# Remote start and stop


async def test_remote_start(bench):
    """TC_010, TC_011_1: no Authorize, then StartTransaction with the tag of the request."""
    async with bench(connectors=2) as b:
        for first, named in (("cable", 2), ("cable", None), ("remote", 2), ("remote", None)):
            since = b.st.mark()
            n = 1 if (first, named) == ("remote", None) else 2  # where a car is, else the first
            if first == "cable":
                await b.do(f"plug {n}")
                await b.status("Preparing", n, since)
            await b.ask(
                "RemoteStartTransaction", idTag=TAG, **({"connectorId": n} if named else {})
            )
            if first == "remote":
                await b.status("Preparing", n, since)
                await b.do(f"plug {n}")
            await b.status("Charging", n, since)
            start = b.st.received("StartTransaction", since)
            assert [(p["connectorId"], p["idTag"]) for p in start] == [(n, TAG)]
            id = (await b.process.connector(n))["transactionId"]
            await b.ask("RemoteStopTransaction", transactionId=id)
            await b.stopped(since, reason="Remote")
            await b.status("Finishing", n, since)
            await b.do(f"unplug {n}")
            await b.status("Available", n, since)
        assert b.st.received("Authorize") == []


async def test_remote_start_rejected(bench):
    """TC_026, TC_027, TC_028 and the like: Rejected, and what runs is not touched."""
    async with bench(connectors=2) as b:
        id = await b.charge("A", 1)
        await b.ask("RemoteStartTransaction", "Rejected", idTag=TAG, connectorId=1)
        await b.ask("RemoteStartTransaction", "Rejected", idTag=TAG, connectorId=0)
        await b.ask("RemoteStartTransaction", "Rejected", idTag=TAG, connectorId=3)
        await b.ask("RemoteStartTransaction", "Rejected", idTag=TAG, connectorId=-1)
        await b.ask("RemoteStopTransaction", "Rejected", transactionId=id + 5)
        await b.do("plug 2")
        await b.do("fault pilot-short 2")
        await b.status("Faulted", 2)
        await b.ask("RemoteStartTransaction", "Rejected", idTag=TAG, connectorId=2)
        c = await b.process.connector(1)
        assert (c["status"], c["transactionId"]) == ("Charging", id)
        assert len(b.st.received("StartTransaction")) == 1


BAD_PROFILES = {
    "TxDefaultProfile": profile(9, "Default", {0: 13}, kind="Relative"),
    "ChargePointMaxProfile": profile(9, "Max", {0: 13}),
    "transactionId": tx_profile(transactionId=1),
    "stackLevel": tx_profile(level=99),
    "negative duration": tx_profile(duration=-1),
    "no recurrencyKind": profile(9, "Tx", {0: 13}, kind="Recurring"),
    "no startSchedule": profile(9, "Tx", {0: 13}, kind="Recurring", recurrencyKind="Daily"),
}  # fmt: skip


async def test_remote_start_with_bad_profile(bench):
    """TC_060 and section 9: the whole request is refused and nothing begins."""
    async with bench() as b:
        await b.do("plug")
        await b.status("Preparing")
        for name, p in BAD_PROFILES.items():
            answer = await b.st.call(
                "RemoteStartTransaction",
                {"idTag": TAG, "connectorId": 1, "chargingProfile": p},
                validate=False,
            )
            assert answer == {"status": "Rejected"}, name
        c = await b.process.connector()
        assert (c["status"], c["idTag"]) == ("Preparing", None)
        assert b.st.received("StartTransaction") == []
        # A local start afterwards has no profile of any of them.
        await b.do(f"tag {TAG}")
        await b.status("Charging")
        await b.pilot(32000)


async def test_remote_start_with_profile(bench):
    """TC_059, and as SteVe sends it: TxProfile without transactionId, in force from the first
    second, gone with its transaction."""
    async with bench() as b:
        p = tx_profile({0: 13, 100: 7})
        await b.ask("RemoteStartTransaction", idTag=TAG, connectorId=1, chargingProfile=p)
        await b.do("plug")
        await b.status("Charging")
        assert max(e["duty_u16"] for e in b.process.trace("pilot") if e["duty_u16"] < 65535) == (
            14199
        )  # never the 32 A of the hardware
        c, _ = await b.pilot(13000)
        assert c["limit_by"]["source"] == "TxProfile" and c["limit_by"]["profile"] == 9
        start = b.st.received("StartTransaction")[0]
        composite = await b.composite(1000)
        late = (b.schedule_start - b.schedule_start.fromisoformat(
            start["timestamp"].replace("Z", "+00:00"))).total_seconds()  # fmt: skip
        assert composite == [(0, 13), (100 - late, 7)]
        # A later profile of the same level replaces it, with the id that is known by now.
        id = c["transactionId"]
        await b.set_profile(profile(10, "Tx", {0: 11}, kind="Relative", transactionId=id), 1)
        await b.pilot(11000)
        await b.clear(id=9, expect="Unknown")
        await b.finish()
        await b.charge()  # the next transaction does not see it
        await b.pilot(32000)


# Central Systems in the field


async def test_home_assistant(bench):
    """The sequence of lbbrhzn/ocpp, as its users meet it."""
    async with bench(boot=False) as b:
        cs = b.cs
        cs.heartbeat_interval = 3600
        cs.next_transaction_id = 1800000000
        st = b.st = await cs.wait_station("CP1", WAIT_s)

        async def value(key):
            conf = await st.call("GetConfiguration", {"key": [key]})
            return conf["configurationKey"][0]["value"]

        assert "SmartCharging" in await value("SupportedFeatureProfiles")
        await b.booted()
        for name in ("BootNotification", "StatusNotification"):
            await b.ask("TriggerMessage", requestedMessage=name)
        await b.ask("ChangeAvailability", connectorId=0, type="Operative")
        measurands = ",".join(["Current.Export", "Current.Import", "Energy.Active.Import.Register",
            "Power.Active.Import", "Voltage", "Temperature", "SoC", "RPM"] * 5)[:442]  # fmt: skip
        await b.key("MeterValuesSampledData", measurands, "Rejected")
        assert await value("MeterValuesSampledData") == (
            "Energy.Active.Import.Register,Power.Active.Import,"
            "Current.Import,Voltage,Current.Offered,Power.Offered,Frequency"
        )
        await b.key("PilotwireAcceptKnownMeasurands", "true")
        await b.key("MeterValuesSampledData", measurands)
        assert await value("MeterValuesSampledData") == (
            "Current.Import,Energy.Active.Import.Register,Power.Active.Import,Voltage"
        )
        await b.keys(HeartbeatInterval=3600, MeterValueSampleInterval=30)
        level = int(await value("ChargeProfileMaxStackLevel"))
        id = await b.charge()
        assert id == 1800000000
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        await b.set_profile(profile(8, "Max", {0: 14}, kind="Relative", level=level))
        await b.pilot(14000)
        await b.process.until(lambda c: c["ev_mA"] == draws(14000))
        await b.set_profile(
            profile(8, "Tx", {0: 12}, kind="Relative", level=level, transactionId=id), 1
        )
        c, _ = await b.pilot(12000)
        assert c["limit_by"]["source"] == "TxProfile"  # (the same id: the maximum has gone)
        await b.set_profile(profile(8, "Default", {0: 10}, kind="Relative", level=level), 1)
        c, _ = await b.pilot(10000)
        values = await st.expect("MeterValues", None, WAIT_s)
        assert values["transactionId"] == id
        # It disconnects a station now and then, cleanly, and expects it back.
        before, mark = st, st.mark()
        await st.disconnect(1000)
        b.st = await cs.wait_station("CP1", WAIT_s, after=before)
        await b.booted(mark)
        await b.ask("RemoteStopTransaction", transactionId=id)
        await b.st.expect("StopTransaction", lambda p: p["transactionId"] == id)
        await b.status("Finishing", since=mark)


async def test_request_right_behind_an_answer(bench):
    """What a Central System sends behind its answer finds that answer dealt with: a TxProfile
    with the id of StartTransaction.conf, a remote start behind BootNotification.conf."""
    async with bench(boot=False) as b:
        results = []

        def behind(action, payload, answer):
            async def send():
                results.append((await b.cs.stations["CP1"].call(action, payload))["status"])

            def fn(request):
                asyncio.get_running_loop().call_soon(asyncio.ensure_future, send())
                return answer

            return fn

        now = format_time(datetime.now(timezone.utc))
        accepted = {"status": "Accepted", "currentTime": now, "interval": 300}
        start = {"idTag": TAG, "connectorId": 1}
        b.cs.answer("BootNotification", behind("RemoteStartTransaction", start, accepted))
        conf = {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}
        p = {"connectorId": 1, "csChargingProfiles": tx_profile(transactionId=7)}
        b.cs.answer("StartTransaction", behind("SetChargingProfile", p, conf))
        await b.booted()
        await b.do("plug")
        await b.status("Charging")
        await b.pilot(13000)
        assert results == ["Accepted", "Accepted"]


async def test_minimum_status_duration(bench):
    """9.1: a status that is left again sooner is not told; a fault is told at once."""
    async with bench() as b:
        await b.key("MinimumStatusDuration", "30")
        mark = b.st.mark()
        await b.do("plug")
        preparing = await b.st.expect("StatusNotification", None, WAIT_s, mark)
        assert preparing["status"] == "Preparing"
        assert (await b.now() - parse_time(preparing["timestamp"])).total_seconds() >= 29
        await b.do(f"tag {TAG}")
        told = await b.st.expect(
            "StatusNotification", lambda p: p["status"] != "Preparing", WAIT_s
        )
        mark = b.st.mark()
        for word, status in (("pause", "SuspendedEV"), ("ready", "Charging")):
            await b.do(word)
            await b.process.until(lambda c, status=status: c["status"] == status)
        await b.do("fault diode-short")
        told = await b.st.expect("StatusNotification", None, WAIT_s, mark)
        assert told["status"] == "Faulted"
        assert (await b.now() - parse_time(told["timestamp"])).total_seconds() < 20
