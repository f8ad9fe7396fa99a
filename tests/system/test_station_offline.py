"""Without the Central System: charging goes on, and what happened is told afterwards."""

import pytest
from station_driver import TAG, duties, duty

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
        await b.keys(WebSocketPingInterval=5, MeterValueSampleInterval=10)
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
        await b.keys(MeterValueSampleInterval=60, ConnectionTimeOut=7200)
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


async def test_pong(bench):
    """A ping of the Central System is answered at once, also in the middle of its own request."""
    async with bench() as b:
        for _ in range(3):
            pong = await b.st._ws.ping()
            assert await pong < 2
