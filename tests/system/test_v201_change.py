"""A unit whose Central System moves from one language to the other between two connections."""

import pytest
from station_201 import Bench201, token
from station_driver import ID, TAG, Bench

from host.csms import V16, V201
from host.process import WAIT_s

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
