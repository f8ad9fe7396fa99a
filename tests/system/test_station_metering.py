"""Meter values and configuration keys, as a strict Central System meets them."""

import re

import pytest
from station_driver import share

from host.csms import parse_time
from host.process import WAIT_s

EVERY = (
    "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,"
    "Current.Offered,Power.Offered,Frequency"
)
SOME = "Energy.Active.Import.Register,Power.Active.Import"
TEXT = {
    "Energy.Active.Import.Register": (r"\d+", "Wh"),
    "Power.Active.Import": (r"\d+", "W"),
    "Current.Import": (r"\d+\.\d{3}", "A"),
    "Voltage": (r"\d+\.\d", "V"),
    "Current.Offered": (r"\d+\.\d{3}", "A"),
    "Power.Offered": (r"\d+", "W"),
    "Frequency": (r"49\.98", None),  # (OCPP 1.6 has no hertz)
}


def contexts(values):
    return {v["context"] for v in values["sampledValue"]}


def of(context):
    return lambda p: contexts(p["meterValue"][0]) == {context}


def check(values, measurands):
    """A MeterValue has exactly these measurands, with unit, phases and the right kind of text."""
    told = [(v["measurand"], v.get("phase")) for v in values["sampledValue"]]
    wanted = []
    for name in measurands.split(","):
        phases = {"Current.Import": "L{}", "Voltage": "L{}-N"}.get(name)
        wanted += [(name, phases.format(i)) for i in (1, 2, 3)] if phases else [(name, None)]
    assert told == wanted
    for v in values["sampledValue"]:
        pattern, unit = TEXT[v["measurand"]]
        assert re.fullmatch(pattern, v["value"]) and v.get("unit") == unit, v


def seconds(values):
    t = parse_time(values["timestamp"])
    return t.hour * 3600 + t.minute * 60 + t.second


async def test_sampled_data_follows_its_keys_at_once(bench):
    async with bench() as b:
        await b.key("MeterValueSampleInterval", "3600")
        id = await b.charge()
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        await b.key("MeterValueSampleInterval", "5")
        for names in (EVERY, "Voltage", "Power.Offered"):
            await b.key("MeterValuesSampledData", names)
            since = b.st.mark()
            await b.st.expect("MeterValues", None, WAIT_s, since)  # (may have been on its way)
            since = b.st.mark()
            p = await b.st.expect("MeterValues", of("Sample.Periodic"), WAIT_s, since)
            check(p["meterValue"][0], names)
            assert p["transactionId"] == id
        # A list with something that has no source is refused, and the old one stays.
        for bad in ("SoC", "Voltage,RPM", "Voltage,", "voltage"):
            await b.key("MeterValuesSampledData", bad, "Rejected")
        since = b.st.mark()
        p = await b.st.expect("MeterValues", None, WAIT_s, since)
        check(p["meterValue"][0], "Power.Offered")


async def test_trigger(bench):
    async with bench() as b:
        await b.key("MeterValuesSampledData", EVERY)
        await b.charge()
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        for names in (EVERY, ""):
            await b.key("MeterValuesSampledData", names)
            since = b.st.mark()
            await b.st.call("TriggerMessage", {"requestedMessage": "MeterValues"})
            p = await b.st.expect("MeterValues", of("Trigger"), WAIT_s, since)
            check(p["meterValue"][0], names or "Energy.Active.Import.Register")
            offered = [
                v["value"]
                for v in p["meterValue"][0]["sampledValue"]
                if v["measurand"] == "Current.Offered"
            ]
            assert offered == (["32.000"] if names else [])


async def test_transaction_data(bench):
    """StopTxnSampledData and StopTxnAlignedData: what StopTransaction says, and how much."""
    async with bench(speed=50) as b:
        await b.keys(MeterValuesSampledData="", MeterValuesAlignedData="", StopTxnSampledData=SOME)
        await b.keys(MeterValueSampleInterval=7, ClockAlignedDataInterval=30)
        await b.key("StopTxnAlignedData", "Energy.Active.Import.Register")
        await b.charge()
        start = b.st.received("StartTransaction")[0]
        begin = parse_time(start["timestamp"])
        while (await b.now() - begin).total_seconds() < 200:
            await b.settled()
        stop = await b.finish()
        data = stop["transactionData"]
        assert 6 <= len(data) <= 15
        assert contexts(data[0]) == {"Transaction.Begin"}
        assert contexts(data[-1]) == {"Transaction.End"}
        assert {c for values in data[1:-1] for c in contexts(values)} == {
            "Sample.Periodic", "Sample.Clock"
        }  # fmt: skip
        for values in data:
            aligned = contexts(values) == {"Sample.Clock"}
            names = SOME
            if aligned:
                assert seconds(values) % 30 == 0
                names = "Energy.Active.Import.Register"
            check(values, names)
        assert data[0]["timestamp"] == start["timestamp"]
        assert data[-1]["timestamp"] == stop["timestamp"]
        assert data[0]["sampledValue"][0]["value"] == str(start["meterStart"])
        assert data[-1]["sampledValue"][0]["value"] == str(stop["meterStop"])
        times = [values["timestamp"] for values in data]
        assert times == sorted(times)
        assert b.st.received("MeterValues") == []


async def test_transaction_data_over_a_power_cut(bench):
    """What was kept before the cut is told too, and the transaction is one."""
    async with bench(speed=20) as b:
        await b.key("MeterValueSampleInterval", "10")
        await b.key("StopTxnSampledData", "Energy.Active.Import.Register")
        id = await b.charge()
        for _ in range(3):
            await b.st.expect("MeterValues", None, WAIT_s, b.st.mark())
        await b.cut(5)
        old = [p["meterValue"] for p in b.st.received("MeterValues")]
        # (the last one may be told again: its answer may be lost)
        await b.st.expect("MeterValues", lambda p: p["meterValue"] not in old, WAIT_s)
        stop = await b.finish()
        assert stop["transactionId"] == id and len(b.st.received("StartTransaction")) == 1
        told = [(contexts(v).pop(), v["timestamp"]) for v in stop["transactionData"]]
        assert [c for c, _ in told] == (
            ["Transaction.Begin"] + ["Sample.Periodic"] * (len(told) - 2) + ["Transaction.End"]
        )
        sampled = [p["meterValue"][0]["timestamp"] for p in b.st.received("MeterValues")]
        assert len(told) >= 6 and {t for _, t in told[1:-1]} == set(sampled)


# A meter that lies. The car draws 16 A of 32 A unless a test says otherwise; the wall knows what
# it really took.

# What its frames show: after how many simulated seconds at most nobody believes it.
LIES = {
    "nan": 10,
    "inf": 10,
    "negative": 10,
    "zero-volts": 8,
    "zero-energy": 20,
    "energy-frozen": 20,
    "frozen": 20,
}


def took_Wh(b):
    """What the car took, by the trace."""
    Wms, before = 0, None
    for e in b.process.trace("car"):
        if before:
            Wms += sum(before["ev_mA"]) * 230 // 1000 * (e["ms"] - before["ms"])
        before = e
    return Wms / 3600000


def energies(b):
    """The energy of every MeterValues, and of transactionData; none of them ever less than before,
    by connector."""
    out = []
    for p in b.st.received("MeterValues"):
        for values in p["meterValue"]:
            out += [
                int(v["value"])
                for v in values["sampledValue"]
                if v["measurand"] == "Energy.Active.Import.Register"
            ]
    assert out == sorted(out)
    return out


async def paid(b, id, lost_Wh=15):
    """The bill is right: what the car took, less what no meter could know."""
    stop = await b.finish()
    start_Wh = b.cs.transactions[id]["meterStart"]
    billed_Wh, true_Wh = stop["meterStop"] - start_Wh, took_Wh(b)
    assert true_Wh > 50
    assert -lost_Wh - true_Wh / 40 <= billed_Wh - true_Wh <= 5 + true_Wh / 40, (
        billed_Wh, true_Wh
    )  # fmt: skip
    told = energies(b)
    assert start_Wh <= min(told, default=start_Wh) and max(told, default=0) <= stop["meterStop"]


async def distrusted(b, mark, most_s, since):
    """PowerMeterFailure is told, in time, and the connector has what a lost meter leaves it."""
    p = await b.st.expect(
        "StatusNotification", lambda p: p["errorCode"] == "PowerMeterFailure", WAIT_s, mark
    )
    assert p["status"] == "Charging"
    passed_s = (parse_time(p["timestamp"]) - since).total_seconds()
    assert passed_s <= most_s, passed_s
    await b.process.until(lambda c: c["limit_mA"] == 6000 and c["limit_by"]["source"] == "Meter")


@pytest.mark.parametrize("name", share(LIES))
async def test_a_meter_that_lies_is_not_believed(bench, name):
    async with bench() as b:
        await b.key("MeterValueSampleInterval", "10")
        await b.key("MeterValuesSampledData", EVERY)
        id = await b.charge()
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        await b.st.expect("MeterValues", None, WAIT_s, b.st.mark())
        mark, since = b.st.mark(), await b.now()
        await b.do(f"fault meter-{name}")
        await distrusted(b, mark, LIES[name], since)
        await b.do("console status")
        await b.process.wait_output("not believed, ")
        # What is not known is not said: no energy, no zero, nothing of the meter's.
        for i in range(3):
            p = await b.st.expect("MeterValues", None, WAIT_s, b.st.mark())
            if not i:
                continue  # (it may have been on its way)
            names = {v["measurand"] for v in p["meterValue"][0]["sampledValue"]}
            assert names == {"Current.Offered", "Power.Offered"}
        mark = b.st.mark()
        await b.do(f"clear meter-{name}")
        await b.st.expect(
            "StatusNotification", lambda p: p["errorCode"] == "NoError", WAIT_s, mark
        )
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        await paid(b, id)


@pytest.mark.parametrize("name", share(["reset", "back", "ahead"]))
async def test_another_register_in_a_transaction(bench, name):
    """The meter begins anew, or is another one, also with a power cut around it: the energy of the
    transaction goes on, and the next one begins with what the register shows."""
    async with bench() as b:
        await b.key("MeterValueSampleInterval", "10")
        await b.key("StopTxnSampledData", "Energy.Active.Import.Register")
        id = await b.charge()
        await b.process.until(lambda c: c["energy_Wh"] > 1100)
        await b.do(f"fault meter-{name}")
        await b.passed(60)
        await b.cut(5)
        await b.process.until(lambda c: c["ev_mA"] == [16000] * 3)
        await b.passed(60)
        await b.do(f"clear meter-{name}")  # the old one is back
        await b.passed(60)
        await paid(b, id, 60)
        id = await b.charge()
        shown = (await b.process.connector())["energy_Wh"]
        assert shown - 10 <= b.cs.transactions[id]["meterStart"] <= shown
