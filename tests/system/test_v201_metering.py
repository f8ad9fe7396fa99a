"""OCPP 2.0.1, J: meter values. A test is named after its case of the certification tool:
TC_J_01_CS is test_j_01_..."""

from station_201 import CENTRAL, token
from station_driver import ID, TAG

from host.csms import parse_time
from host.process import WAIT_s

ENERGY, POWER = "Energy.Active.Import.Register", "Power.Active.Import"


def measurands(value):
    return [v["measurand"] for v in value["sampledValue"]]


def contexts(value):
    return {v["context"] for v in value["sampledValue"]}


def seconds(value):
    return parse_time(value["timestamp"]).timestamp()


async def test_j_01_02_clock_aligned(bench201):
    """Of an idle EVSE MeterValues, of a transaction TransactionEvent; with SendDuringIdle the
    former alone."""
    async with bench201() as b:
        await b.set("AlignedDataCtrlr.Measurands", f"{ENERGY},{POWER}")
        await b.set("AlignedDataCtrlr.Interval", 20)
        await b.set("SampledDataCtrlr.TxUpdatedInterval", 0)
        idle = await b.st.expect("MeterValues")
        assert idle["evseId"] == 1
        (value,) = idle["meterValue"]
        assert measurands(value) == [ENERGY, POWER] and contexts(value) == {"Sample.Clock"}
        assert seconds(value) % 20 == 0
        id = await b.charge()
        since = b.st.mark()
        event = await b.event("MeterValueClock", "Updated", since, transactionId=id)
        (value,) = event["meterValue"]
        assert measurands(value) == [ENERGY, POWER] and seconds(value) % 20 == 0
        await b.set("AlignedDataCtrlr.SendDuringIdle", "true")
        since = b.st.mark()
        await b.passed(45)
        assert not b.st.received("MeterValues", since)
        assert not [p for p in b.st.received("TransactionEvent", since) if p.get("meterValue")]
        await b.finish()
        await b.st.expect("MeterValues", since=b.st.mark())


async def test_j_03_10_what_the_end_tells(bench201):
    """Intervals of its own, beside what is told meanwhile."""
    async with bench201() as b:
        for name, value in (
            ("SampledDataCtrlr.TxUpdatedInterval", 0),
            ("SampledDataCtrlr.TxEndedMeasurands", ENERGY),
            ("SampledDataCtrlr.TxEndedInterval", 10),
            ("AlignedDataCtrlr.TxEndedMeasurands", POWER),
            ("AlignedDataCtrlr.TxEndedInterval", 15),
        ):
            await b.set(name, value)
        id = await b.charge()
        await b.passed(60)
        ended = await b.finish()
        values = ended["meterValue"]
        assert contexts(values[0]) == {"Transaction.Begin"}
        assert contexts(values[-1]) == {"Transaction.End"}
        of = {context: [v for v in values if contexts(v) == {context}] for context in (
            "Sample.Periodic", "Sample.Clock"
        )}  # fmt: skip
        assert all(measurands(v) == [ENERGY] for v in of["Sample.Periodic"])
        assert all(measurands(v) == [POWER] for v in of["Sample.Clock"])
        periodic = [seconds(v) for v in of["Sample.Periodic"]]
        clock = [seconds(v) for v in of["Sample.Clock"]]
        assert len(periodic) >= 4 and len(clock) >= 3
        assert all(9 <= b - a <= 12 for a, b in zip(periodic, periodic[1:], strict=False))
        assert all(t % 15 == 0 for t in clock)
        told = [e for e in b.events(id) if e["eventType"] == "Updated" and e.get("meterValue")]
        assert not told


async def test_j_07_what_the_start_tells(bench201):
    """TxStartedMeasurands: the same if it is told twice, also after a power cut; none; energy."""
    async with bench201() as b:
        await b.set("SampledDataCtrlr.TxStartedMeasurands", f"{ENERGY},Voltage,{POWER}")
        b.cs.answer("TransactionEvent", lambda p: None)
        await b.do("plug")
        await b.do(f"tag {TAG}")
        first = await b.event(kind="Started")
        (value,) = first["meterValue"]
        assert measurands(value) == [ENERGY, POWER, *["Voltage"] * 3]
        assert contexts(value) == {"Transaction.Begin"}
        b.cs.answer("TransactionEvent", None)
        before = b.st
        await b.do("power-cut 1")
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert await b.event(kind="Started") == first
        await b.event(chargingState="Charging")
        await b.finish()
        for names, expected in ((ENERGY, [ENERGY]), ("", None)):
            await b.set("SampledDataCtrlr.TxStartedMeasurands", names)
            since = b.st.mark()
            await b.charge()
            begun = await b.event(kind="Started", since=since)
            values = begun.get("meterValue")
            assert (measurands(values[0]) if values else None) == expected
            await b.finish()


async def test_j_09_while_it_runs(bench201):
    """And a temperature, for which there is no measurand in 2.0.1, is not among them."""
    async with bench201() as b:
        await b.set("SampledDataCtrlr.TxUpdatedInterval", 5)
        await b.ask(
            "RequestStartTransaction", evseId=1, remoteStartId=1, idToken=token(type=CENTRAL)
        )
        await b.do("plug")
        await b.charging()
        events = []
        while len(events) < 3:
            since = b.st.mark()
            events.append(await b.event("MeterValuePeriodic", "Updated", since))
        for event in events:
            (value,) = event["meterValue"]
            assert contexts(value) == {"Sample.Periodic"}
            assert "Temperature" not in measurands(value) and measurands(value)[0] == ENERGY
        await b.set("SampledDataCtrlr.TxUpdatedMeasurands", "Temperature", "Rejected")
