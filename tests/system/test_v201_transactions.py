"""OCPP 2.0.1, E14 and I02: what the Central System asks about transactions. A test is named after
its case of the certification tool: TC_E_28_CS is test_e_28_..."""

from host.process import WAIT_s

STATUS = "GetTransactionStatus"


async def status(b, id=None):
    payload = {} if id is None else {"transactionId": id}
    answer = await b.st.call(STATUS, payload, WAIT_s)
    return answer.get("ongoingIndicator"), answer["messagesInQueue"]


async def quiet(b):
    """Until nothing waits to be told."""

    async def told():
        return not (await status(b))[1]

    await b.cs.until(lambda: True)
    while not await told():
        pass


def deaf(payload):
    return None  # (no answer)


async def test_e_28_to_34_transaction_status(bench201):
    async with bench201() as b:
        assert await status(b, "no-such-transaction") == (False, False)
        assert await status(b) == (None, False)
        id = await b.charge()
        await quiet(b)
        assert await status(b, id) == (True, False)
        await b.set("SampledDataCtrlr.TxUpdatedInterval", 0)
        b.cs.answer("TransactionEvent", deaf)
        since = b.st.mark()
        await b.ask("TriggerMessage", requestedMessage="TransactionEvent")
        await b.event("Trigger", since=since)
        assert await status(b, id) == (True, True)
        assert await status(b) == (None, True)
        await b.do("unplug")
        await b.process.until(lambda c: c["transactionId"] is None)
        assert await status(b, id) == (False, True)
        assert await status(b, "no-such-transaction") == (False, False)
        b.cs.answer("TransactionEvent", None)
        await b.ended(since)
        await quiet(b)
        assert await status(b, id) == (False, False)


async def test_costs_are_shown(bench201):
    """I02: kept until they change or the transaction has ended."""
    async with bench201() as b:
        id = await b.charge()
        for cost in (1, 2.345):
            assert await b.st.call("CostUpdated", {"totalCost": cost, "transactionId": id}) == {}
            await b.do("console session")
            await b.process.wait_output(f"it costs {cost:.2f} so far")
        other = {"totalCost": 7, "transactionId": "no-such-transaction"}
        assert await b.st.call("CostUpdated", other) == {}
        await b.process.wait_output("costs of a transaction that does not run")
        await b.finish()
        output = len(b.process.output)
        await b.do("console session")
        await b.process.wait_output("no transaction", since=output)
