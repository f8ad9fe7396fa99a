"""BootNotification: Accepted, Pending, Rejected; the clock; requests before it is answered."""

import asyncio
import contextlib
import re
from datetime import datetime, timedelta, timezone

import pytest
from station_driver import ID, utc

from host.csms import CallError, format_time, parse_time
from host.process import WAIT_s, poll
from host.profile import profile


def boot_answer(status, interval, time=None):
    return {
        "status": status,
        "interval": interval,
        "currentTime": time or format_time(datetime.now(timezone.utc)),
    }


@contextlib.asynccontextmanager
async def registering(bench, status, interval, **options):
    """A station whose first BootNotification is answered so; those that follow as b.registration
    is then."""
    async with bench(boot=False, **options) as b:
        b.registration = status
        b.cs.answer("BootNotification", lambda p: boot_answer(b.registration, interval))
        b.st = await b.cs.wait_station(ID, WAIT_s)
        await b.st.expect("BootNotification")
        if status == "Accepted":
            await b.booted()
        yield b


async def pending(b):
    """A station that was accepted asks again, and is not."""
    b.registration = "Pending"
    await b.ask("TriggerMessage", requestedMessage="BootNotification")
    await b.cs.until(lambda: len(b.st.received("BootNotification")) == 2)
    await b.settled()


def boots(b):
    """When BootNotification was answered, in seconds of the station's log: a busy machine does not
    stretch them."""
    return [int(line.split()[0]) for line in b.process.output if " I boot " in line]


@pytest.mark.parametrize(
    "board, meter",
    [("reference", "SDM630"), ("ee_devkitc", "SDM120"), ("ee_minimal", None)],
)
async def test_what_boot_notification_says(bench, board, meter):
    """The chip's id is its serial number, where config.json names no other; the meter's type is
    the board's, if there is one; of a SIM card nothing, for there is none."""
    async with bench(config={"board": board}, heap="300K") as b:
        serial = b.st.boot["chargePointSerialNumber"]
        assert re.fullmatch("[0-9a-f]{12}", serial)
        assert b.st.boot == {
            "chargePointVendor": "Pilotwire",
            "chargePointModel": "ESP32",
            "chargePointSerialNumber": serial,
            "firmwareVersion": b.st.boot["firmwareVersion"],
            **({"meterType": meter} if meter else {}),
        }
        await b.cut(1)
        assert b.st.boot["chargePointSerialNumber"] == serial


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_not_accepted_and_the_connection_ends(bench, status):
    """The interval counts on over a new connection (4.2): no earlier BootNotification there."""
    async with registering(bench, status, 100, speed=100) as b:
        before = b.st
        await before.disconnect(1000)
        await b.cs.wait_station(ID, WAIT_s, after=before)
        b.registration = "Accepted"
        st = await b.booted()
        got = [f[2] for way, f, _ in st.messages if way == "in" and f[0] == 2]
        assert got[:3] == ["BootNotification"] * 2 + ["StatusNotification"]
        first, second = boots(b)
        assert 99 <= second - first < 120


NOW = "2026-01-01T00:00:00Z"
WRONG = (
    CallError("InternalError", "not now"),
    {},
    {"status": "Maybe", "currentTime": NOW, "interval": 1},
    {"status": "accepted", "currentTime": NOW, "interval": 1},
    {"currentTime": NOW, "interval": 1},
    boot_answer("Pending", 0),  # (an interval of 0 is none)
)


async def test_wrong_answer_to_boot_notification(bench):
    """Not believed; asked again after a while."""
    answers = [*WRONG, boot_answer("Accepted", 0)]
    async with bench(boot=False, speed=100) as b:
        b.cs.answer("BootNotification", lambda p: answers.pop(0))
        await b.booted()
        told = [(f[2], at) for way, f, at in b.st.messages if way == "in" and f[0] == 2]
        names, at = zip(*told, strict=True)
        n = 1 + len(WRONG)
        assert names[: n + 1] == ("BootNotification",) * n + ("StatusNotification",)
        # (no less than by the station's clock: a busy machine stretches it)
        assert all((z - a) * b.speed >= 30 for a, z in zip(at[:n], at[1:n], strict=False)), at


@pytest.mark.parametrize(
    "damaged, beat_s",
    [
        ({"status": "Accepted", "currentTime": "yesterday", "interval": 40}, 40),
        ({"status": "Accepted", "interval": "40"}, 40),
        ({"status": "Accepted", "currentTime": NOW, "interval": None}, 300),
    ],
    ids=lambda v: str(v)[:60],
)
async def test_damaged_answer_to_boot_notification(bench, damaged, beat_s):
    """What can be used of it is used: it is accepted, a clock that was not told stays unset."""
    async with bench(speed=100, boot=False) as b:
        b.cs.answer("BootNotification", lambda p: damaged)
        await b.booted()
        assert len(b.st.received("BootNotification")) == 1
        interval = await b.st.call("GetConfiguration", {"key": ["HeartbeatInterval"]})
        assert interval["configurationKey"][0]["value"] == str(beat_s)
        assert ((await b.now()).year == 2026) is (damaged.get("currentTime") == NOW)


async def test_trigger_after_a_wrong_answer_to_boot_notification(bench):
    """A triggered BootNotification does not wait for the minute to be over."""
    b = bench(boot=False)
    b.cs.answer("BootNotification", lambda p: CallError("InternalError", "not now"))
    async with b:
        b.st = await b.cs.wait_station(ID, WAIT_s)
        await b.st.expect("BootNotification")
        await b.settled()
        b.cs.answer("BootNotification", None)
        await b.ask("TriggerMessage", requestedMessage="BootNotification")
        await b.booted()
        assert len(b.st.received("BootNotification")) == 2
        assert boots(b)[0] < 50


async def test_rejected_is_silent(bench):
    """No answer to any request while Rejected (4.2)."""
    async with registering(bench, "Rejected", 150, speed=100) as b:
        for action in ("GetConfiguration", "TriggerMessage", "Nonsense"):
            with pytest.raises(asyncio.TimeoutError):
                await b.st.call(action, {}, timeout=0.1, validate=False)
        b.st.violations.clear()  # that there was no answer
        b.registration = "Accepted"
        await b.booted()
        assert (await b.st.call("GetConfiguration"))["configurationKey"]


TIMES = (
    "2031-05-06T07:08:09Z",
    "2031-05-06T07:08:09.123Z",
    "2031-05-06T07:08:09.999999999Z",
    "2031-05-06T09:08:09+02:00",
    "2031-05-05T21:38:09.5-09:30",
    "2031-05-06T07:08:09",
    "2031-05-06T07:08:09.123Z[GMT]",
)


async def test_current_time(bench):
    """The same instant, a year later each time."""
    async with bench() as b:
        for year, text in enumerate(TIMES, 2031):
            text = text.replace("2031", str(year))
            b.cs.answer("BootNotification", lambda p, t=text: boot_answer("Accepted", 300, t))
            since = b.st.mark()
            for name in ("BootNotification", "StatusNotification"):
                await b.ask("TriggerMessage", requestedMessage=name)
                await b.st.expect(name, None, WAIT_s, since)
                await b.settled()
            now = await b.now()
            late = now - datetime(year, 5, 6, 7, 8, 9, tzinfo=timezone.utc)
            # (a second early where the real one changed on the way: tools/host/station/chip.py)
            assert timedelta(seconds=-1) <= late < timedelta(seconds=120), text
            stamp = parse_time(b.st.received("StatusNotification", since)[0]["timestamp"])
            assert now - timedelta(seconds=120) < stamp <= now, text


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"])
async def test_current_time_that_nobody_filled_in(bench, text):
    """The clock stays as it was, and a car charges."""
    async with bench() as b:
        b.cs.answer("Heartbeat", lambda p: {"currentTime": text})
        await b.st.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        await b.process.wait_output(f"currentTime {text} ignored")
        assert abs((await b.now() - utc()).total_seconds()) < 60
        await b.charge()


async def test_heartbeat_sets_the_clock(bench):
    """Heartbeat.conf moves the clock; a running transaction and its schedule do not notice."""
    async with bench(speed=20) as b:
        id = await b.charge()
        relative = profile(1, "Tx", {0: 10, 10000: 20}, kind="Relative", transactionId=id)
        await b.set_profile(relative, 1)
        before = await b.composite(20000)
        b.cs.now = lambda: datetime.now(timezone.utc) + timedelta(days=400)
        await b.st.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        await b.st.expect("Heartbeat")

        async def moved():
            return (await b.now() - utc()).days >= 399

        await poll(moved, WAIT_s, "the new time")
        after = await b.composite(20000)
        assert [limit for _, limit in after] == [limit for _, limit in before] == [10, 20]
        assert 0 <= before[1][0] - after[1][0] < 60
        await b.pilot(10000)


async def test_heartbeat_interval(bench):
    """At the interval of BootNotification.conf; ChangeConfiguration changes it."""
    b = bench(boot=False)
    b.cs.heartbeat_interval = 10
    async with b:
        await b.booted()

        async def beats(n, interval_s):
            # By the station's clock: simulated time goes slower where the host is busy.
            at = []
            for _ in range(n):
                await b.st.expect("Heartbeat", None, WAIT_s, b.st.mark())
                at.append(await b.now())
            gaps_s = [(z - a).total_seconds() for a, z in zip(at, at[1:], strict=False)]
            assert all(interval_s - 3 <= gap <= interval_s + 5 for gap in gaps_s), gaps_s

        await beats(4, 10)
        await b.key("HeartbeatInterval", "20")
        mark = b.st.mark()
        await b.st.expect("Heartbeat", None, WAIT_s, mark)
        await beats(3, 20)


async def test_requests_before_boot_notification_is_answered(bench):
    """Home Assistant asks before it answers: every request is served, none of ours is sent."""
    answer = asyncio.Event()

    async def later(payload):
        await answer.wait()
        return boot_answer("Accepted", 300)

    async with bench(boot=False) as b:
        b.cs.answer("BootNotification", later)
        st = b.st = await b.cs.wait_station(ID, WAIT_s)
        await st.expect("BootNotification")
        assert (await st.call("GetConfiguration", {}))["configurationKey"]
        change = {"key": "MeterValueSampleInterval", "value": "30"}
        assert (await st.call("ChangeConfiguration", change))["status"] == "Accepted"
        for name in ("BootNotification", "StatusNotification"):
            conf = await st.call("TriggerMessage", {"requestedMessage": name})
            assert conf["status"] == "Accepted"
        await b.set_profile(profile(1, "Max", {0: 10}))
        assert (await st.call("RemoteStartTransaction", {"idTag": "A"}))["status"] == "Rejected"
        assert [f[2] for w, f, _ in st.messages if w == "in" and f[0] == 2] == ["BootNotification"]
        answer.set()
        await b.booted()
        # What was triggered meanwhile follows.
        await b.cs.until(lambda: len(st.received("BootNotification")) == 2)
        await b.cs.until(lambda: len(st.received("StatusNotification")) >= 4)


async def test_trigger_message_while_pending(bench):
    """Pending: what is triggered is sent at once, and a BootNotification ends the wait."""
    async with registering(bench, "Pending", 3600) as b:
        for name in ("Heartbeat", "StatusNotification", "MeterValues"):
            await b.ask("TriggerMessage", requestedMessage=name)
            await b.st.expect(name)
        await b.set_profile(profile(1, "Default", {0: 10}))
        await b.ask("RemoteStartTransaction", "Rejected", idTag="A")
        b.registration = "Accepted"
        mark = b.st.mark()
        await b.ask("TriggerMessage", requestedMessage="BootNotification")
        await b.booted(since=mark)
        assert len(b.st.received("BootNotification")) == 2


async def test_plugged_and_tagged_while_pending(bench):
    """Nothing may be said of it before Accepted; afterwards the session begins."""
    async with registering(bench, "Pending", 20) as b:
        await b.do("plug")
        await b.do("tag A")
        await b.process.until(lambda c: c["status"] == "Preparing")
        b.registration = "Accepted"
        await b.status("Charging")
        messages = [f[2] for w, f, _ in b.st.messages if w == "in" and f[0] == 2]
        assert messages[:3] == ["BootNotification"] * 2 + ["StatusNotification"]


async def test_remote_stop_while_pending(bench):
    """4.2 does not allow it, and it is done: it means less energy. It is told after Accepted."""
    async with registering(bench, "Accepted", 60) as b:
        id = await b.charge()
        await pending(b)
        mark = b.st.mark()
        await b.ask("RemoteStopTransaction", transactionId=id)
        await b.process.until(lambda c: c["status"] == "Finishing")
        assert b.st.received("StopTransaction") == []
        b.registration = "Accepted"
        await b.stopped(mark, transactionId=id, reason="Remote")


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
async def test_reset_while_pending(bench, kind):
    """A configuration may need it (4.2). What cannot be told meanwhile holds nothing up."""
    async with registering(bench, "Accepted", 3600) as b:
        id = await b.charge()
        await pending(b)
        before, mark, now = b.st, b.st.mark(), await b.now()
        await b.ask("Reset", type=kind)
        await before.wait_closed(WAIT_s)
        assert (await b.now() - now).total_seconds() < 14
        b.registration = "Accepted"
        await b.again(before)
        await b.stopped(mark, transactionId=id, reason=kind + "Reset")


async def test_registration_lost_later(bench):
    """A triggered BootNotification that is answered Pending: silent again until Accepted."""
    async with registering(bench, "Accepted", 20) as b:
        await pending(b)
        mark = b.st.mark()
        await b.do("plug")
        await b.process.until(lambda c: c["status"] == "Preparing")
        await b.st.expect("BootNotification", None, 10, mark)
        b.registration = "Accepted"
        await b.status("Preparing", since=mark)


async def test_reconnect_is_no_boot(bench):
    """OCPP-J 5.4: no BootNotification after a mere loss of the connection."""
    async with bench() as b:
        mark, before = b.st.mark(), b.st
        await b.st.drop()
        await b.again(before)
        await b.do("plug")
        await b.status("Preparing", since=mark)
        assert b.st.received("BootNotification", mark) == []


async def test_status_of_connector_0_and_all(bench):
    async with bench(connectors=3) as b:
        told = b.st.received("StatusNotification")
        assert [(p["connectorId"], p["status"], p["errorCode"]) for p in told] == [
            (n, "Available", "NoError") for n in range(4)
        ]


# what is asked for, of which connector, how many messages come (None: Rejected)
TRIGGERS = (
    ("BootNotification", None, 1),
    ("Heartbeat", None, 1),
    ("Heartbeat", 1, 1),
    ("MeterValues", None, 2),
    ("MeterValues", 2, 1),
    ("MeterValues", -1, None),
    ("StatusNotification", None, 3),
    ("StatusNotification", 0, 1),
    ("StatusNotification", 1, 1),
    ("StatusNotification", 3, None),
    ("DiagnosticsStatusNotification", None, 1),
    ("FirmwareStatusNotification", None, 1),
    ("FirmwareStatusNotification", 3, None),
)


async def test_trigger_message(bench):
    b = bench(connectors=2)
    b.cs.heartbeat_interval = 86400  # (only those that are asked for)
    async with b:
        for action, connector, count in TRIGGERS:
            await trigger(b, action, connector, count)


async def trigger(b, action, connector, count):
    mark = b.st.mark()
    payload = {"requestedMessage": action}
    if connector is not None:
        payload["connectorId"] = connector
    await b.ask("TriggerMessage", "Rejected" if count is None else "Accepted", **payload)
    await b.cs.until(lambda: len(b.st.received(action, mark)) >= (count or 0))
    # A request of ours that comes after: what was triggered has been sent before it.
    await b.ask("TriggerMessage", requestedMessage="Heartbeat")
    beats = 1 + (action == "Heartbeat")
    await b.cs.until(lambda: len(b.st.received("Heartbeat", mark)) == beats)
    got = [f[2] for w, f, _ in b.st.messages[mark:] if w == "in" and f[0] == 2]
    got = [name for name in got if name != "SecurityEventNotification"]  # (of the start)
    assert got == [action] * (count or 0) + ["Heartbeat"], payload
    for name in ("DiagnosticsStatusNotification", "FirmwareStatusNotification"):
        idle = count if action == name else 0
        assert b.st.received(name, mark) == [{"status": "Idle"}] * (idle or 0)
    for p in b.st.received("MeterValues", mark):
        values = [v for m in p["meterValue"] for v in m["sampledValue"]]
        assert {v["context"] for v in values} == {"Trigger"}
        assert "transactionId" not in p


async def test_connection_lost_in_a_heartbeat(bench):
    """Each task of the firmware ends in order when its request is left unanswered."""
    b = bench(boot=False)
    b.cs.heartbeat_interval = 5
    async with b:
        await b.booted()
        for _ in range(2):
            before = b.st

            async def cut(payload, st=before):
                await st.drop()

            b.cs.answer("Heartbeat", cut)
            b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        b.cs.answer("Heartbeat", None)
        await b.st.expect("Heartbeat", None, WAIT_s, b.st.mark())
