"""The certification tool's cases for a charge point, OCPP 1.6 Core: provisioning, configuration,
remote control, remote trigger. A test is named after its case: TC_013_CS is test_013_...
Sessions, offline behaviour, meter values and data transfer: test_certification_sessions.py.
"""

import asyncio
from datetime import datetime, timezone

from station_driver import ID, TAG

from host.csms import format_time
from host.process import WAIT_s
from host.profile import profile


async def get(b, *keys):
    """GetConfiguration as {key: (value, readonly)}."""
    conf = await b.st.call("GetConfiguration", {"key": list(keys)} if keys else {})
    assert "unknownKey" not in conf, conf
    return {k["key"]: (k.get("value"), k["readonly"]) for k in conf["configurationKey"]}


def requests(b, since=0):
    """The actions that the station asked for, in order."""
    return [f[2] for way, f, _ in b.st.messages[since:] if way == "in" and f[0] == 2]


def told(b, since=0):
    """{connector: its last status told}."""
    return {p["connectorId"]: p["status"] for p in b.st.received("StatusNotification", since)}


async def reset(b, kind, connectors=1):
    """Reset, and wait until the station has told its statuses again; -> mark before it."""
    before, mark = b.st, b.st.mark()
    await b.ask("Reset", type=kind)
    await before.wait_closed(WAIT_s)
    b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
    await b.st.expect("BootNotification", None, WAIT_s, mark)
    booted = max(i for i, (_, f, _) in enumerate(b.st.messages) if "BootNotification" in f)
    for n in range(connectors + 1):
        await b.st.expect(
            "StatusNotification", lambda p, n=n: p["connectorId"] == n, WAIT_s, booted
        )
    return mark, booted


# Provisioning


async def boots_late(bench, first, meanwhile):
    """A first BootNotification that is not accepted; `meanwhile(b)` is what happens then."""
    answers = [(first, 30), (first, 40), ("Accepted", 10)]

    def answer(payload):
        status, interval = answers.pop(0)
        now = format_time(datetime.now(timezone.utc))
        return {"status": status, "interval": interval, "currentTime": now}

    async with bench(boot=False, speed=50, connectors=2) as b:
        b.cs.answer("BootNotification", answer)
        b.st = await b.cs.wait_station(ID, WAIT_s)
        await b.st.expect("BootNotification")
        await meanwhile(b)
        await b.booted()
        assert requests(b)[:6] == ["BootNotification"] * 3 + ["StatusNotification"] * 3
        # Seconds of its log, which a busy machine does not stretch.
        at = [int(line.split()[0]) for line in b.process.output if " I boot " in line]
        assert 29 <= at[1] - at[0] < 45 and 39 <= at[2] - at[1] < 55
        assert told(b) == {0: "Available", 1: "Available", 2: "Available"}
        await b.st.expect("Heartbeat", None, WAIT_s)
        since = await b.now()
        await b.cs.until(lambda: len(b.st.received("Heartbeat")) >= 4, WAIT_s)
        assert (await b.now() - since).total_seconds() < 3 * 10 + 15
        beats = "BootNotification", "Heartbeat"
        at = [at for way, f, at in b.st.messages if way == "in" and f[0] == 2 and f[2] in beats]
        # (no less than by its clock; the first an interval after it was accepted)
        assert all((z - a) * b.speed >= 9 for a, z in zip(at[2:], at[3:], strict=False))


async def test_001_cold_boot(bench):
    async def nothing(b):
        pass

    await boots_late(bench, "Rejected", nothing)


async def test_002_cold_boot_pending(bench):
    async def asks(b):
        assert (await get(b, "HeartbeatInterval"))["HeartbeatInterval"] == ("300", False)
        await b.key("ConnectionTimeOut", 99)
        assert (await get(b, "ConnectionTimeOut"))["ConnectionTimeOut"] == ("99", False)
        await b.ask("RemoteStartTransaction", "Rejected", idTag=TAG)

    await boots_late(bench, "Pending", asks)


async def test_013_014_reset_without_transaction(bench):
    """A connector that was made Inoperative still is; the others are Available."""
    async with bench(connectors=2) as b:
        await b.ask("ChangeAvailability", connectorId=1, type="Inoperative")
        await b.status("Unavailable")
        for kind in ("Hard", "Soft"):
            mark, booted = await reset(b, kind, 2)
            assert requests(b, mark).count("BootNotification") == 1
            assert told(b, booted) == {0: "Available", 1: "Unavailable", 2: "Available"}
        assert b.st.received("StopTransaction") == []


async def test_015_016_reset_with_transaction(bench):
    """StopTransaction with the reason of the reset, Soft: before it, with Finishing."""
    async with bench(connectors=2) as b:
        for kind in ("Hard", "Soft"):
            id = await b.charge()
            await b.set_profile(profile(1, "Default", {0: 13}))
            p = profile(2, "Tx", {0: 10}, kind="Relative", transactionId=id)
            await b.set_profile(p, 1)
            await b.pilot(10000)
            mark, booted = await reset(b, kind, 2)
            await b.stopped(mark, transactionId=id, reason=kind + "Reset")
            if kind == "Soft":
                ended = requests(b, mark)[: requests(b, mark).index("BootNotification")]
                assert sorted(ended) == ["StatusNotification", "StopTransaction"]
                assert b.st.received("StatusNotification", mark)[0]["status"] == "Finishing"
            await b.status("Preparing", since=booted)  # the car is still there
            assert told(b, booted) == {0: "Available", 1: "Preparing", 2: "Available"}
            assert len(b.st.received("StopTransaction", mark)) == 1
            assert not (await b.process.connector())["contactor"]
            assert await b.composite() == [(0, 13)]  # the TxProfile went with it
            await b.do("unplug")
            await b.status("Available", since=booted)
        # the current was ended before the contactor opened
        assert {e["load_mA"] for e in b.process.trace("contactor") if not e["closed"]} == {0}


async def test_nothing_starts_during_a_reset(bench):
    """A reset waits for what must be told; a tag or a remote start meanwhile begins nothing."""
    async with bench(connectors=2, speed=4) as b:
        await b.charge()
        answered = asyncio.Event()

        async def late(payload):
            await answered.wait()
            return {}

        b.cs.answer("StopTransaction", late)
        before, mark = b.st, b.st.mark()
        await b.ask("Reset", type="Soft")
        await b.st.expect("StopTransaction", None, WAIT_s, mark)
        await b.do("plug 2")
        await b.do("tag B 2")
        for n in (1, 2):
            await b.ask("RemoteStartTransaction", "Rejected", idTag="C", connectorId=n)
        answered.set()
        await b.again(before)
        assert not b.st.received("Authorize", mark) and not b.st.received("StartTransaction", mark)
        await b.settled()
        await b.ask("RemoteStartTransaction", idTag="C", connectorId=2)
        await b.status("Charging", 2, mark)


# Section 9: what every station with these profiles has, and what it may not let be changed.
WRITABLE = """AuthorizeRemoteTxRequests ClockAlignedDataInterval ConnectionTimeOut
    ConnectorPhaseRotation HeartbeatInterval LocalAuthorizeOffline LocalPreAuthorize
    MeterValuesAlignedData MeterValuesSampledData MeterValueSampleInterval ResetRetries
    StopTransactionOnInvalidId StopTxnAlignedData StopTxnSampledData TransactionMessageAttempts
    TransactionMessageRetryInterval""".split()
FIXED = """ChargeProfileMaxStackLevel ChargingScheduleAllowedChargingRateUnit
    ChargingScheduleMaxPeriods GetConfigurationMaxKeys MaxChargingProfilesInstalled
    NumberOfConnectors SupportedFeatureProfiles""".split()


SIX = """Core FirmwareManagement LocalAuthListManagement RemoteTrigger Reservation
    SmartCharging""".split()


async def test_019_retrieve_configuration(bench):
    """All keys, one key, SupportedFeatureProfiles; AuthorizationKey is never readable."""
    async with bench() as b:
        every = await get(b)
        assert (await get(b, "HeartbeatInterval"))["HeartbeatInterval"] == ("300", False)
        for key, entry in every.items():
            assert await get(b, key) == {key: entry}
        profiles, readonly = every["SupportedFeatureProfiles"]
        assert sorted(profiles.split(",")) == SIX and readonly
        assert every["NumberOfConnectors"] == ("1", True)
        assert every["AuthorizationKey"] == (None, False)
        assert [every[key][1] for key in WRITABLE + FIXED] == [False] * 16 + [True] * 7
        assert every["UnlockConnectorOnEVSideDisconnect"] == ("false", True)  # a fixed cable


async def test_021_and_040_change_configuration(bench):
    async with bench() as b:
        key = "MeterValueSampleInterval"
        await b.key(key, -1, "Rejected")
        assert (await get(b, key))[key] == ("60", False)
        await b.key(key, 45)
        assert (await get(b, key)) == {key: ("45", False)}
        await b.key("NoSuchKey", 1, "NotSupported")


async def test_034_power_failure_with_unavailable(bench):
    async with bench(connectors=2) as b:
        await b.ask("ChangeAvailability", connectorId=0, type="Inoperative")
        for n in range(3):
            await b.status("Unavailable", n)
        mark = await b.cut(5)
        for n in range(3):
            await b.status("Unavailable", n, mark)
        mark = b.st.mark()
        await b.ask("ChangeAvailability", connectorId=0, type="Operative")
        for n in range(3):
            await b.status("Available", n, mark)


# Remote control


async def started(b, since=0):
    """A transaction by TAG has begun; -> its id."""
    start = await b.st.expect("StartTransaction", None, WAIT_s, since)
    assert (start["connectorId"], start["idTag"]) == (1, TAG)
    await b.status("Charging", since=since)
    return (await b.process.until(lambda c: c["transactionId"] is not None))["transactionId"]


async def test_010_remote_start_cable_first(bench):
    async with bench() as b:
        await b.key("AuthorizeRemoteTxRequests", "true")
        b.cs.tags = {"BAD": "Blocked"}
        await b.do("plug")
        await b.status("Preparing")
        for tag in ("BAD", TAG):
            await b.ask("RemoteStartTransaction", idTag=tag, connectorId=1)
            await b.st.expect("Authorize", lambda p, tag=tag: p["idTag"] == tag)
            await b.settled()
        await started(b)
        assert b.st.received("Authorize") == [{"idTag": "BAD"}, {"idTag": TAG}]
        assert len(b.st.received("StartTransaction")) == 1


# Remote trigger, and profiles that are not there


async def test_054_trigger_message(bench):
    async with bench() as b:
        id = await b.charge()
        for action in (
            "BootNotification", "DiagnosticsStatusNotification", "FirmwareStatusNotification",
            "Heartbeat", "MeterValues", "StatusNotification",
        ):  # fmt: skip
            since = b.st.mark()
            await b.ask("TriggerMessage", requestedMessage=action, connectorId=1)
            p = await b.st.expect(action, None, WAIT_s, since)
            if action == "MeterValues":
                (value,) = p["meterValue"]
                assert p["connectorId"] == 1 and p["transactionId"] == id
                assert {v["context"] for v in value["sampledValue"]} == {"Trigger"}
            elif action == "StatusNotification":
                assert (p["connectorId"], p["status"]) == (1, "Charging")
            elif action[0] in "DF":
                assert p == {"status": "Idle"}
