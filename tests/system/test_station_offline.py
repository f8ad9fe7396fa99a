"""Without the Central System: charging goes on, and what happened is told afterwards."""

import asyncio
import re

import pytest
from station_driver import TAG, draws, duties, duty

from host.csms import CallError, parse_time
from host.process import WAIT_s, poll
from host.profile import profile

ANSWER_s = 30  # that the station gives an answer, at first


def told(b, since):
    """The transaction messages received, in order."""
    kinds = ("StartTransaction", "MeterValues", "StopTransaction")
    return [
        (frame[2], frame[3])
        for way, frame, _ in b.st.messages[since:]
        if way == "in" and frame[0] == 2 and frame[2] in kinds
    ]


@pytest.mark.parametrize("how", ["drop", "freeze", "stop"])
async def test_gone_during_a_transaction(bench, how):
    """The schedule goes on, a card stops the transaction, and all of it is delivered later."""
    async with bench(speed=40) as b:
        for key, value in (("WebSocketPingInterval", "5"), ("MeterValueSampleInterval", "10")):
            await b.key(key, value)
        id = await b.charge()
        start = await b.now()
        periods = {0: 16, 30: 10, 60: 0, 80: 12}
        tx = profile(1, "Tx", periods, startSchedule=start, transactionId=id)
        await b.set_profile(tx, 1)
        await b.pilot(16000)
        before, mark = b.st, b.st.mark()
        away = how == "stop"
        if how == "drop":
            await before.drop()
        elif how == "freeze":
            before.freeze()
            await b.process.wait_output("no sign of life")
        else:
            await b.cs.stop()  # nobody listens any more
        if away:
            await b.pilot(12000)
            state = await b.process.state()
            assert state["online"] is False
            stopped = await b.now()
            await b.do(f"tag {TAG}")
            await b.process.until(lambda c: c["status"] == "Finishing")
            await b.do("unplug")
            await b.process.until(lambda c: c["status"] == "Available")
            await b.passed(60)
            await b.cs.start()
        await b.again(before)
        if not away:
            await b.pilot(12000)
            stopped = await b.now()
            await b.finish()
        steps = duties(b.process)[-5:-1]
        assert steps == [duty(16000), duty(10000), 65535, duty(12000)]
        stop = await b.st.expect("StopTransaction", None, WAIT_s, mark)
        late = (parse_time(stop["timestamp"]) - stopped).total_seconds()
        assert 0 <= late < 12  # when it happened, not when it was told
        assert stop["transactionId"] == id and stop["reason"] == "Local"
        messages = told(b, mark)
        assert [name for name, _ in messages][-1] == "StopTransaction"
        assert [name for name, _ in messages].count("StopTransaction") == 1
        values = [p for name, p in messages if name == "MeterValues"]
        assert len(values) >= 2 and all(p["transactionId"] == id for p in values)
        stamps = [parse_time(p["meterValue"][0]["timestamp"]) for p in values]
        assert stamps == sorted(stamps)
        if away:
            stamps = list(dict.fromkeys(stamps))  # (told again if its answer was lost)
            gaps = [(z - a).total_seconds() for a, z in zip(stamps, stamps[1:], strict=False)]
            assert len(gaps) > 5 and all(8 <= gap <= 13 for gap in gaps), gaps
        readings = [int(p["meterValue"][0]["sampledValue"][0]["value"]) for p in values]
        assert readings == sorted(readings) and readings[-1] <= stop["meterStop"]


BETWEEN_s, AFTER_CUT_s = 200, 300


async def test_hours_without_anything(bench):
    """Three transactions that begin, run and end offline, with power cuts in between: all of
    them is told afterwards, in order, with the ids that are given then."""
    async with bench(speed=100, connectors=3) as b:
        for key, value in (
            ("MeterValueSampleInterval", "60"),
            ("ConnectionTimeOut", "7200"),
        ):
            await b.key(key, value)
        for n in (1, 2, 3):
            await b.ask("RemoteStartTransaction", connectorId=n, idTag=f"TAG{n}")
        before, mark = b.st, b.st.mark()
        began = await b.now()
        await b.cs.stop()
        for n in (1, 2, 3):
            await b.do(f"plug {n}")
            await b.process.until(lambda c: c["ev_mA"][0] > 0, n)
            await b.passed(BETWEEN_s)
        cut_at = await b.now()
        energy = {}
        for n in (1, 2, 3):
            since = len(b.process.output)
            await b.do("power-cut 20")
            await b.process.wait_output("goes on after a power cut", since=since)
            for other in range(n, 4):  # the same transactions, without a Central System
                await b.process.until(lambda c: c["ev_mA"][0] > 0, other)
            await b.passed(AFTER_CUT_s)
            await b.do(f"unplug {n}")
            c = await b.process.until(lambda c: c["status"] == "Available", n)
            energy[n] = c["energy_Wh"]
        b.cs.next_transaction_id = 4711
        await b.back(before)
        numbers = {}

        def all_of_it():
            return len([1 for name, _ in told(b, mark) if name == "StopTransaction"]) == 3

        await poll(all_of_it, WAIT_s, "three stops")
        messages = told(b, mark)
        counts = {}
        last_Wh = {}
        for name, p in messages:
            counts[name] = counts.get(name, 0) + 1
            if name == "StartTransaction":
                number = p["connectorId"]
                assert p["idTag"] == f"TAG{number}" and number == len(numbers) + 1
                late = (parse_time(p["timestamp"]) - began).total_seconds()
                assert BETWEEN_s * (number - 1) <= late < (BETWEEN_s + 120) * number
                numbers[4710 + number] = number
                last_Wh[number] = p["meterStart"]
                continue
            number = numbers[p["transactionId"]]
            if name == "MeterValues":
                assert p["connectorId"] == number
                Wh = int(p["meterValue"][0]["sampledValue"][0]["value"])
            else:
                Wh = p["meterStop"]
                assert Wh == energy[number] and p["reason"] == "EVDisconnected"
                del numbers[p["transactionId"]]
            assert Wh >= last_Wh[number]
            last_Wh[number] = Wh
        print(f"{counts}; offline since {began}, first cut at {cut_at}")
        assert counts["StartTransaction"] == counts["StopTransaction"] == 3
        # (what a cut interrupts starts its minute anew)
        minutes = (BETWEEN_s + AFTER_CUT_s) * (1 + 2 + 3) // 60
        assert minutes - 12 <= counts["MeterValues"] <= minutes + 15, (counts, minutes)


async def test_start_transaction_unanswered(bench):
    """The connection is lost before StartTransaction.conf: all follows with the id given later."""
    async with bench() as b:
        await b.key("MeterValueSampleInterval", "10")

        async def lose(payload):
            await b.st.drop()

        b.cs.answer("StartTransaction", lose)
        before, mark = b.st, b.st.mark()
        await b.do("plug")
        await b.do(f"tag {TAG}")
        first = await b.st.expect("StartTransaction", None, WAIT_s, mark)
        b.cs.answer("StartTransaction", None)
        await b.cs.stop()
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        # A TxProfile with an id cannot come; without the Central System nothing limits.
        await b.passed(45)
        await b.do(f"tag {TAG}")
        await b.process.until(lambda c: c["status"] == "Finishing")
        b.cs.next_transaction_id = 4711
        await b.back(before)
        stop = await b.st.expect("StopTransaction", None, WAIT_s, mark)
        messages = told(b, mark)
        assert [name for name, _ in messages[:2]] == ["StartTransaction"] * 2
        assert messages[1][1] == first  # the same start, with the same time and meter
        assert [name for name, _ in messages[2:]] == ["MeterValues"] * (len(messages) - 3) + [
            "StopTransaction"
        ]
        assert len(messages) >= 6
        assert {p["transactionId"] for _, p in messages[2:]} == {4711}
        assert stop["meterStop"] > first["meterStart"]


async def test_start_transaction_answered_with_damage(bench):
    """A right id beside what cannot be read: it is asked once, charges, and a remote stop knows
    the id."""
    damaged = {"transactionId": "4711", "idTagInfo": {"status": "Accepted", "expiryDate": "soon"}}
    async with bench() as b:
        b.cs.answer("StartTransaction", lambda payload: damaged)
        b.hostile = True  # (that answer)
        await b.key("TransactionMessageRetryInterval", 1)
        mark = b.st.mark()
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.process.until(lambda c: c["ev_mA"][0] > 0)
        stop = {"transactionId": 4711}
        assert await b.st.call("RemoteStopTransaction", stop) == {"status": "Accepted"}
        await b.stopped(mark, transactionId=4711, reason="Remote")
        assert len(b.st.received("StartTransaction", mark)) == 1


async def test_a_start_that_opened_two_transactions(bench):
    """Both tries are answered late, each with an id: the first that is heard stays, the other one
    is told to have ended where it began, also over a power cut, and the true one is billed."""
    async with bench() as b:
        tries, again, heard = [], asyncio.Event(), asyncio.Event()

        async def late(payload):
            tries.append(payload)
            n = len(tries)
            if n == 1:
                await again.wait()
            else:
                again.set()
                await heard.wait()
            return {"transactionId": 4710 + n, "idTagInfo": {"status": "Accepted"}}

        for key, value in (
            ("MeterValueSampleInterval", "0"),
            ("HeartbeatInterval", "86400"),
            ("TransactionMessageRetryInterval", "1"),
        ):
            await b.key(key, value)
        b.cs.answer("StartTransaction", late)
        b.cs.answer("StopTransaction", lambda payload: None)  # never
        mark = b.st.mark()
        b.hostile = True  # (what leaves while the Central System still thinks: 30 s are over)
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.process.until(lambda c: c["transactionId"] == 4711)
        heard.set()
        twin = await b.st.expect("StopTransaction", None, WAIT_s, mark)
        start = tries[0]
        assert twin == {
            "transactionId": 4712,
            "meterStop": start["meterStart"],
            "timestamp": start["timestamp"],
            "reason": "Other",
        }
        c = await b.process.until(lambda c: c["ev_mA"][0] > 0 and c["energy_Wh"] > 1200)
        assert c["transactionId"] == 4711 and tries[1] == start
        before = b.st
        b.cs.answer("StopTransaction", None)
        mark = b.st.mark()
        await b.do("power-cut 1")
        await b.again(before)
        assert await b.st.expect("StopTransaction", None, WAIT_s, mark) == twin
        c = await b.process.until(lambda c: c["ev_mA"][0] > 0)
        assert c["transactionId"] == 4711
        await b.ask("RemoteStopTransaction", transactionId=4711)
        await b.st.expect("StopTransaction", lambda p: p["transactionId"] == 4711, WAIT_s, mark)
        both = b.st.received("StopTransaction", mark)
        assert [p["transactionId"] for p in both] == [4712, 4711], both
        assert both[1]["meterStop"] > start["meterStart"] + 100 and len(tries) == 2


async def test_start_transaction_refused(bench):
    """A CALLERROR is answered with three attempts; what follows is told with transactionId -1
    (errata 3.18)."""
    async with bench(speed=40) as b:
        await b.key("MeterValueSampleInterval", "10")
        b.cs.answer("StartTransaction", lambda p: CallError("InternalError", "full"))
        mark = b.st.mark()
        await b.do("plug")
        await b.do(f"tag {TAG}")
        await b.process.wait_output("StartTransaction given up after 3 attempts")
        starts = b.st.received("StartTransaction", mark)
        assert len(starts) == 3 and starts[0] == starts[1] == starts[2]
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        await b.st.expect("MeterValues", lambda p: p["transactionId"] == -1, WAIT_s, mark)
        await b.do(f"tag {TAG}")
        await b.stopped(mark, transactionId=-1, reason="Local")
        b.cs.answer("StartTransaction", None)
        await b.do("unplug")
        await b.status("Available", since=mark)
        assert await b.charge() == 1  # the next one is as ever


async def test_back_off(bench):
    """RetryBackOff...: doubled so many times, with some chance in it."""
    async with bench(speed=200) as b:
        for key, value in (("WaitMinimum", "1"), ("RepeatTimes", "6"), ("RandomRange", "20")):
            await b.key("RetryBackOff" + key, value)
        since = len(b.process.output)
        await b.cs.stop()

        def tries():
            lines = [line for line in b.process.output[since:] if "Central System:" in line]
            return lines if len(lines) >= 10 else None

        lines = await poll(tries, WAIT_s, "ten attempts")
        at = [int(re.search(r"(\d+) I ", line)[1]) for line in lines]
        gaps = [z - a for a, z in zip(at, at[1:], strict=False)]
        print(f"seconds between the attempts: {gaps}")
        for i, gap in enumerate(gaps):
            least = 2 ** min(i, 6)
            assert least - 1 <= gap <= least + 20 + 12, gaps  # (12: a busy host)
        before = b.st
        await b.back(before)


async def test_back_off_after_connections_that_were_accepted(bench):
    """However short they were, each is dialled again after RetryBackOffWaitMinimum."""
    async with bench(speed=100) as b:
        await b.key("RetryBackOffRandomRange", "0")
        since = len(b.process.output)
        for _ in range(7):
            await b.settled()
            before = b.st
            await before.drop()
            await b.again(before)
        text = "\n".join(b.process.output[since:])
        ended = re.findall(r"(\d+) I Central System: connection lost", text)
        begun = re.findall(r"(\d+) I connected to", text)
        waits = [int(z) - int(a) for a, z in zip(ended, begun, strict=True)]
        print(f"seconds without a connection: {waits}")
        assert len(waits) == 7 and all(1 <= s <= 30 for s in waits), waits


async def test_pong(bench):
    """A ping of the Central System is answered at once, also in the middle of its own request."""
    async with bench() as b:
        for _ in range(3):
            pong = await b.st._ws.ping()
            assert await pong < 2


async def test_request_never_answered(bench):
    """A CALL that the Central System never answers is given up after 30 s; the next goes on.
    Meanwhile charging and its limits go on, and requests of the Central System are answered."""
    async with bench() as b:
        id = await b.charge()
        mark = b.st.mark()
        b.cs.answer("Heartbeat", lambda p: None)
        await b.st.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        await b.st.expect("Heartbeat", None, WAIT_s, mark)
        b.cs.answer("Heartbeat", None)
        await b.st.call("TriggerMessage", {"requestedMessage": "StatusNotification"})
        await b.set_profile(profile(1, "Tx", {0: 11}, kind="Relative", transactionId=id), 1)
        await b.pilot(11000)
        await b.process.until(lambda c: c["ev_mA"] == draws(11000))
        assert b.st.received("StatusNotification", mark) == []
        await b.st.expect("StatusNotification", None, WAIT_s, mark)
        await b.finish()


@pytest.mark.parametrize("timeout_s, asked", [(30, False), (3600, True)])
async def test_tag_of_long_ago(bench, timeout_s, asked):
    """A card shown offline counts for ConnectionTimeOut, and then never starts anything."""
    async with bench(speed=40) as b:
        await b.key("ConnectionTimeOut", str(timeout_s))
        before, mark = b.st, b.st.mark()
        await b.cs.stop()
        await b.do("plug")
        await b.do("tag A")
        await b.passed(60)
        await b.back(before)
        if asked:
            await b.st.expect("StartTransaction", lambda p: p["idTag"] == "A", WAIT_s, mark)
        else:
            await b.process.wait_output("was not asked for in time")
            assert b.st.received("Authorize", mark) == []
