"""The certification tool's cases for a charge point, OCPP 1.6 Core: sessions, offline behaviour,
meter values, data transfer. A test is named after its case: TC_003_CS is test_003_...
The rest of Core: test_certification_core.py.
"""

from station_driver import TAG

from host.csms import CallError, parse_time
from host.process import WAIT_s


def story(b, since=0):
    """What the station told of its session, in order: actions, and statuses of connector 1."""
    out = []
    for way, frame, _ in b.st.messages[since:]:
        if way == "in" and frame[0] == 2:
            if frame[2] not in ("StatusNotification", "SecurityEventNotification"):
                out.append(frame[2])
            elif frame[2] == "StatusNotification" and frame[3]["connectorId"] == 1:
                out.append(frame[3]["status"])
    return out


# Sessions


async def test_003_plug_in_first(bench):
    async with bench() as b:
        await b.key("MeterValueSampleInterval", 10)
        since = b.st.mark()
        await b.do("plug")
        await b.status("Preparing", since=since)
        await b.do(f"tag {TAG}")
        values = await b.st.expect("MeterValues", None, WAIT_s, since)
        assert story(b, since)[:5] == [
            "Preparing", "Authorize", "StartTransaction", "Charging", "MeterValues",
        ]  # fmt: skip
        assert values["transactionId"] == (await b.process.connector())["transactionId"]


async def test_004_1_identification_first(bench):
    async with bench() as b:
        since = b.st.mark()
        await b.do(f"tag {TAG}")
        await b.status("Preparing", since=since)
        await b.do("plug")
        await b.status("Charging", since=since)
        assert story(b, since) == ["Authorize", "Preparing", "StartTransaction", "Charging"]


async def test_023_authorize_invalid(bench):
    """Preparing with the cable, and never a transaction; the next card is not held up."""
    b = bench()
    b.cs.heartbeat_interval = 86400  # (none in between)
    async with b:
        for status in ("Invalid", "Expired", "Blocked", "ConcurrentTx"):
            for words in (("plug", f"tag {TAG}"), (f"tag {TAG}", "plug")):
                await not_accepted(b, status, words)


async def not_accepted(b, status, words):
    b.cs.tags = {TAG: status}
    since, said = b.st.mark(), len(b.process.output)
    for word in words:
        await b.do(word)
    await b.st.expect("Authorize", None, WAIT_s, since)
    await b.status("Preparing", since=since)
    await b.process.wait_output("not accepted", since=said)
    await b.settled()
    assert sorted(story(b, since)) == ["Authorize", "Preparing"], status
    c = await b.process.connector()
    assert (c["status"], c["idTag"], c["contactor"]) == ("Preparing", None, False)
    await b.do("tag GOOD")
    await b.status("Charging", since=since)
    assert [p["idTag"] for p in b.st.received("StartTransaction", since)] == ["GOOD"]
    await b.finish("GOOD")


async def test_068_stop_by_same_tag(bench):
    """Without regard to case (3.9)."""
    b = bench()
    b.cs.heartbeat_interval = 86400
    async with b:
        for tag in (TAG, TAG.lower()):
            id = await b.charge()
            since = b.st.mark()
            stop = await b.finish(tag)
            assert (stop["transactionId"], stop["reason"], stop["idTag"]) == (id, "Local", tag)
            assert sorted(story(b, since)) == ["Available", "Finishing", "StopTransaction"]


# Offline


def transaction(b, since):
    """The transaction messages received, in order."""
    kinds = ("StartTransaction", "MeterValues", "StopTransaction")
    return [
        (frame[2], frame[3])
        for way, frame, _ in b.st.messages[since:]
        if way == "in" and frame[0] == 2 and frame[2] in kinds
    ]


async def begin_offline(b, answer=None):
    """A card that was accepted just before the connection was lost, then the cable: the
    transaction begins offline; -> StartTransaction.req, told when the Central System is back."""
    await b.do(f"tag {TAG}")
    await b.status("Preparing")
    before = await b.away()
    mark = before.mark()
    b.cs.answer("StartTransaction", answer)
    await b.do("plug")
    await b.process.until(lambda c: c["status"] == "Charging")
    began = await b.now()
    await b.back(before)
    start = await b.st.expect("StartTransaction", None, WAIT_s, mark)
    assert (start["idTag"], start["connectorId"]) == (TAG, 1)
    assert 0 <= (began - parse_time(start["timestamp"])).total_seconds() < 30
    return mark


async def test_037_1_offline_start_valid(bench):
    async with bench() as b:
        mark = await begin_offline(b)
        await b.status("Charging", since=mark)
        c = await b.process.until(lambda c: c["transactionId"] is not None)
        assert c["status"] == "Charging"
        assert "StopTransaction" not in story(b, mark)


def invalid(payload):
    return {"transactionId": 7, "idTagInfo": {"status": "Invalid"}}


async def test_037_2_offline_start_invalid(bench):
    """StopTransactionOnInvalidId false: no energy, and the transaction stays until it is ended."""
    async with bench() as b:
        await b.key("StopTransactionOnInvalidId", "false")
        mark = await begin_offline(b, invalid)
        await b.status("SuspendedEVSE", since=mark)
        await b.pilot(0)
        assert (await b.process.connector())["transactionId"] == 7
        assert "StopTransaction" not in story(b, mark)
        await b.do(f"tag {TAG}")
        await b.stopped(mark, transactionId=7, reason="Local")


async def test_037_3_offline_start_invalid_is_stopped(bench):
    """StopTransactionOnInvalidId true: DeAuthorized."""
    async with bench() as b:
        mark = await begin_offline(b, invalid)
        await b.stopped(mark, transactionId=7, reason="DeAuthorized")
        await b.status("Finishing", since=mark)


async def test_039_offline_transaction(bench):
    """Begun and ended offline: told in order, the stop with the id that the start was given."""
    async with bench() as b:
        await b.do(f"tag {TAG}")
        await b.status("Preparing")
        before = await b.away()
        mark = before.mark()
        await b.do("plug")
        await b.process.until(lambda c: c["status"] == "Charging")
        await b.do(f"tag {TAG}")
        await b.process.until(lambda c: c["status"] == "Finishing")
        b.cs.next_transaction_id = 4711
        await b.back(before)
        stop = await b.stopped(mark, transactionId=4711, reason="Local")
        start = transaction(b, mark)[0]
        assert start[0] == "StartTransaction"
        assert parse_time(start[1]["timestamp"]) <= parse_time(stop["timestamp"])
        assert stop["meterStop"] >= start[1]["meterStart"]


# Meter values


MEASURANDS = ["Energy.Active.Import.Register", "Power.Active.Import", "Power.Offered"]


def check_values(p, context):
    """One sampledValue for each measurand, of that context, and none with a location."""
    (values,) = p["meterValue"]
    assert [v["measurand"] for v in values["sampledValue"]] == MEASURANDS
    assert {v["context"] for v in values["sampledValue"]} == {context}
    assert not [v for v in values["sampledValue"] if "location" in v]
    return parse_time(values["timestamp"])


async def test_070_sampled_meter_values(bench):
    async with bench(speed=50) as b:
        await b.key("MeterValueSampleInterval", 10)
        await b.key("MeterValuesSampledData", ",".join(MEASURANDS))
        id = await b.charge()
        await b.cs.until(lambda: len(b.st.received("MeterValues")) >= 4, WAIT_s)
        told = b.st.received("MeterValues")
        assert {(p["connectorId"], p["transactionId"]) for p in told} == {(1, id)}
        at = [check_values(p, "Sample.Periodic") for p in told]
        gaps = [(z - a).total_seconds() for a, z in zip(at, at[1:], strict=False)]
        assert all(8 <= gap <= 13 for gap in gaps), gaps


async def test_071_clock_aligned_meter_values(bench):
    async with bench(speed=50, connectors=2) as b:
        await b.key("MeterValueSampleInterval", 0)
        await b.key("MeterValuesAlignedData", ",".join(MEASURANDS))
        await b.key("ClockAlignedDataInterval", 30)
        id = await b.charge()
        since = b.st.mark()
        await b.cs.until(lambda: len(b.st.received("MeterValues", since)) >= 6, WAIT_s)
        told = b.st.received("MeterValues", since)
        of = [(p["connectorId"], p.get("transactionId")) for p in told]
        assert set(of) == {(1, id), (2, None)}
        told = [p for p, (n, _) in zip(told, of, strict=True) if n == 1]
        at = [check_values(p, "Sample.Clock") for p in told]
        assert [t.second % 30 for t in at] == [0] * len(at)
        assert [(z - a).seconds for a, z in zip(at, at[1:], strict=False)] == [30] * (len(at) - 1)


# Data transfer


async def test_062_data_transfer_to_the_charge_point(bench):
    async with bench() as b:
        conf = await b.st.call("DataTransfer", {"vendorId": "unknown", "messageId": "x"})
        assert conf == {"status": "UnknownVendorId"}


POLICY = """
limit_mA = None
asked = False

def local_limit(now, station):
    global asked
    if not asked:
        asked = station.transfer("Owner", "Limit", "connector 1")
    return limit_mA

def on_transfer(transfer, accepted, data, station):
    global limit_mA
    assert transfer.message == "Limit"
    limit_mA = int(data)
"""


async def test_064_data_transfer_to_the_central_system(bench):
    """An owner's rule asks its Central System for a limit, and goes by the answer."""
    b = bench(policy=POLICY)
    b.cs.answer("DataTransfer", lambda p: {"status": "Accepted", "data": "10000"})
    async with b:
        sent = await b.st.expect("DataTransfer", None, WAIT_s)
        assert sent == {"vendorId": "Owner", "messageId": "Limit", "data": "connector 1"}
        await b.charge()
        await b.pilot(10000)
        assert len(b.st.received("DataTransfer")) == 1


async def test_064_data_transfer_that_is_not_understood(bench):
    """A Central System that refuses (CitrineOS answers NotSupported): nothing else is held up."""
    b = bench(policy=POLICY.replace("int(data)", "12000 if accepted is None else 0"))
    b.cs.answer("DataTransfer", lambda p: CallError("NotSupported", "no"))
    async with b:
        await b.st.expect("DataTransfer", None, WAIT_s)
        await b.charge()
        await b.pilot(12000)
