"""A unit whose Central System moves from one language to the other between two connections."""

import pytest
from station_201 import Bench201, token
from station_driver import ID, TAG, Bench

from host.csms import V16, V201
from host.process import WAIT_s, poll

BOTH = {"protocols": [V201.protocol, V16.protocol]}


def steps(bench, language):
    """What `bench` does from now on, as the class for that language does it."""
    bench.__class__ = {V16: Bench, V201: Bench201}[language]
    bench.cs.protocols = (language.protocol,)


@pytest.mark.parametrize("cut", [False, True], ids=["", "power-cut"])
@pytest.mark.parametrize("first,then", [(V16, V201), (V201, V16)], ids=["to-2.0.1", "to-1.6"])
async def test_a_transaction_goes_on_in_the_other_language(bench201, first, then, cut):
    """3.4: it is told as one that begins, with the time when it did, and to its end, also where no
    sample is due; energy flows all the while. A power cut between the two changes nothing."""
    async with bench201(config=BOTH, boot=False) as b:
        steps(b, first)
        await b.booted()
        assert b.st.language is first
        name = "MeterValueSampleInterval" if first is V16 else "SampledDataCtrlr.TxUpdatedInterval"
        await b.key(name, 0)
        await b.charge()
        before = await b.away()
        await b.passed(30)
        steps(b, then)
        if cut:
            await b.do("power-cut 1")
        await b.cs.start()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert b.st.language is then
        assert (await b.process.state())["connectors"][0]["idTag"] == TAG
        if then is V201:
            begun = await b.event(kind="Started")
            assert begun["idToken"] == token() and begun["seqNo"] == 0
            ended = await b.finish()
            id = ended["transactionInfo"]["transactionId"]
            assert [e["seqNo"] for e in b.events(id)] == list(range(ended["seqNo"] + 1))
        else:
            begun = await b.st.expect("StartTransaction", None, WAIT_s)
            assert begun["idTag"] == TAG
            stop = await b.finish()
            assert stop["meterStop"] >= begun["meterStart"]
        state = (await b.process.state())["connectors"][0]
        assert state["status"] == "Available" and state["transactionId"] is None


async def leave(b, interval):
    """Make the Central System go away when all but what it has not answered was told."""
    await b.key(interval, 0)
    if b.st.language is V201:

        async def told():
            return not (await b.st.call("GetTransactionStatus", {}))["messagesInQueue"]

        await poll(told, WAIT_s, "all was told")
        b.cs.answer("TransactionEvent", lambda payload: None)
        mark = b.st.mark()
        await b.ask("TriggerMessage", requestedMessage="TransactionEvent")
        await b.event("Trigger", since=mark)
    before = await b.away()
    b.cs.answer("TransactionEvent", None)
    return before


@pytest.mark.parametrize("languages", [(V201, V16) * 2, (V16, V201) * 2], ids=["2.0.1", "1.6"])
async def test_there_and_back(bench201, languages):
    """It goes on in each under the name that it has there: begun once; neither what was told in
    the other nor what was not answered leaves a gap in seqNo, or a number that is used twice."""
    intervals = {V16: "MeterValueSampleInterval", V201: "SampledDataCtrlr.TxUpdatedInterval"}
    async with bench201(config=BOTH, boot=False) as b:
        steps(b, languages[0])
        await b.booted()
        await b.charge()
        for language in languages:
            if b.st.language is not language:
                before = await leave(b, intervals[b.st.language])
                await b.passed(30)
                steps(b, language)
                await b.cs.start()
                b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
            since, action = b.st.mark(), "TransactionEvent" if language is V201 else "MeterValues"
            await b.key(intervals[language], 10)
            await b.cs.until(lambda b=b, a=action, m=since: len(b.st.received(a, m)) >= 3, WAIT_s)
        events = b.st.received("TransactionEvent")
        (uuid,) = {event["transactionInfo"]["transactionId"] for event in events}
        (id,) = {p["transactionId"] for p in b.st.received("MeterValues")}
        (start,) = b.st.received("StartTransaction")
        assert start["idTag"] == TAG
        if languages[-1] is V16:
            await b.ask("RemoteStopTransaction", transactionId=id)
            assert (await b.stopped())["transactionId"] == id
        else:
            await b.ask("RequestStopTransaction", transactionId=uuid)
            await b.ended()
        numbers = [event["seqNo"] for event in Bench201.events(b, uuid)]
        assert numbers == list(range(len(numbers))) and len(numbers) >= 6
