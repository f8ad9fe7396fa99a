"""Boards of one's own: with a pulse meter, over power cuts: what is counted, told and kept; with a
meter whose register has large steps; with the loop of an emergency stop; with a read-back."""

import pytest
from station_driver import TAG, X1, WAIT_s, duty, own_tree

from host.process import poll
from host.profile import profile

KEEP_Wh = 50  # a power cut costs that at most (docs/boards.md)
PULSES = """
from .reference import *  # noqa: F403

CONNECTORS = ({"pilot": 27, "sense": 36, "contactor": 33, "s0": {"pin": 4}},)
"""
STEP_Wh = 1000
STEPS = """
from .reference import *  # noqa: F403

METER_STEP_Wh = 1000
"""
LOOP = """
from .reference import *  # noqa: F403

CONNECTORS = (dict(CONNECTORS[0], interlock={"pin": 4, "live": 0, "pull": 2}),)  # noqa: F405
"""
SEEN = """
from .reference import *  # noqa: F403

CONNECTORS = (dict(CONNECTORS[0], readback={"pin": 34, "live": 0}),)  # noqa: F405
"""


@pytest.fixture
def station(bench, tmp_path, request):
    """A station in a tree of its own, with a board that the project does not have."""
    tree = tmp_path / "tree"
    tool = own_tree(tree)
    (tree / "firmware/boards/mine.py").write_text(getattr(request, "param", PULSES))
    b = bench(config={"board": "mine"})
    b.tool = tool
    return b


async def counts(b, Wh):
    """Wait until the meter shows `Wh`; -> what it shows."""
    return (await b.process.until(lambda c: c["energy_Wh"] >= Wh))["energy_Wh"]


async def cut(b):
    """-> what the meter showed before a power cut, at least, and shows after it."""
    before_Wh = (await b.process.connector())["energy_Wh"]
    await b.cut()
    c = await b.process.until(lambda c: c["energy_Wh"] > 0)
    assert not c["contactor"] or before_Wh < c["energy_Wh"]  # (nothing flows for ten seconds)
    return before_Wh, c["energy_Wh"]


def told_Wh(b, mark=0):
    """The register, as the Central System heard it, in order: start, samples, stop."""
    out = []
    for way, frame, _ in b.st.messages[mark:]:
        if way != "in" or frame[0] != 2:
            continue
        if frame[2] == "MeterValues":
            for value in frame[3]["meterValue"][0]["sampledValue"]:
                if value["measurand"] == "Energy.Active.Import.Register":
                    out.append(int(value["value"]))
        elif frame[2] in ("StartTransaction", "StopTransaction"):
            out.append(frame[3].get("meterStart", frame[3].get("meterStop")))
    return out


async def test_pulses_over_power_cuts_in_a_transaction(station):
    """Each cut costs what was counted since the count was written, at most, and nothing that was
    told; the bill never runs backwards."""
    async with station as b:
        await b.key("MeterValueSampleInterval", 2)
        await b.charge()
        lost_Wh, flowed_Wh = 0, 0
        shown_Wh = 0
        for Wh in (70, 30, 20, 130):  # (some cuts before the next fifty are full)
            await counts(b, shown_Wh + Wh)
            before_Wh, after_Wh = await cut(b)
            assert 0 <= before_Wh - after_Wh <= KEEP_Wh, (before_Wh, after_Wh)
            lost_Wh += before_Wh - after_Wh
            flowed_Wh += before_Wh - shown_Wh
            shown_Wh = after_Wh
            assert shown_Wh % KEEP_Wh < 10, shown_Wh  # as of the last time that it was written
            await b.process.until(lambda c: c["contactor"])
        last_Wh = await counts(b, shown_Wh + 60)
        stop = await b.finish()
        flowed_Wh += last_Wh - shown_Wh
        values = told_Wh(b)
        assert values == sorted(values) and len(values) > 20, values
        (start,) = b.st.received("StartTransaction")
        energy_Wh = stop["meterStop"] - start["meterStart"]
        assert flowed_Wh - lost_Wh <= energy_Wh < flowed_Wh + 20, (flowed_Wh, lost_Wh, energy_Wh)
        assert stop["meterStop"] >= values[-2] and stop["reason"] == "Local"


async def test_pulses_after_a_transaction_outlive_a_power_cut(station):
    """The next one begins where the one before has ended, to the pulse."""
    async with station as b:
        await b.charge()
        await counts(b, 73)
        stop = await b.finish()
        end_Wh = stop["meterStop"]
        now = await b.now()
        await poll(lambda: _passed(b, now, 15), WAIT_s, "15 s")
        before_Wh, after_Wh = await cut(b)
        assert before_Wh == after_Wh == end_Wh, (before_Wh, after_Wh, end_Wh)
        mark = b.st.mark()
        await b.charge(TAG)
        (start,) = b.st.received("StartTransaction", mark)
        assert start["meterStart"] == end_Wh
        await counts(b, end_Wh + 20)
        assert (await b.finish())["meterStop"] >= end_Wh + 20


@pytest.mark.parametrize("station", [STEPS], indirect=True)
async def test_a_register_in_kWh(station):
    """It charges with all that it may have, and the bill is what the register shows."""
    station.speed = 60
    async with station as b:
        await b.key("MeterValueSampleInterval", 0)
        await b.do("ev max_mA=32000 phases=3")
        start_Wh = (await b.process.connector())["energy_Wh"]
        assert start_Wh % STEP_Wh <= 1
        await b.charge()
        await counts(b, start_Wh + 3 * STEP_Wh - 1)
        stop = await b.finish()
        assert abs(stop["meterStop"] - start_Wh - 3 * STEP_Wh) <= 1, (stop, start_Wh)
        told = b.st.received("StatusNotification")
        assert {p["errorCode"] for p in told} == {"NoError"}, told
        shown = [e["duty_u16"] for e in b.process.trace("pilot") if e["duty_u16"]]
        assert duty(32000) in shown and duty(6000) not in shown, shown


@pytest.mark.parametrize("station", [LOOP], indirect=True)
async def test_an_emergency_stop(station):
    """Energy is off at once and the transaction ends with that reason; released, nothing begins
    before the car was unplugged, whoever asks for it."""
    async with station as b:
        id = await b.charge()
        f_at, c_at = (len(b.process.trace(what)) for what in ("pilot", "contactor"))
        mark = b.st.mark()
        await b.do("fault interlock")
        await b.status("Faulted", since=mark)
        (said,) = b.st.received("StatusNotification", mark)
        assert (said["errorCode"], said["vendorErrorCode"]) == ("OtherError", "Interlock")
        assert (await b.process.connector())["severity"] == 0
        stop = await b.st.expect("StopTransaction")
        assert (stop["transactionId"], stop["reason"]) == (id, "EmergencyStop")
        await b.process.until(lambda c: c["duty_u16"] == X1 and not c["contactor"])
        f, x1 = b.process.trace("pilot")[f_at:]
        (opened,) = b.process.trace("contactor")[c_at:]
        assert f["duty_u16"] == 0 and x1["duty_u16"] == X1 and not opened["closed"], (f, x1)
        assert abs(opened["ms"] - f["ms"]) <= 100, (opened, f)
        mark = b.st.mark()
        await b.do("clear interlock")
        await b.do(f"tag {TAG}")
        now = await b.now()
        await poll(lambda: _passed(b, now, 60), WAIT_s, "a minute")
        c = await b.process.connector()
        assert (c["status"], c["transactionId"], c["contactor"]) == ("Faulted", None, False)
        assert not [e for e in b.process.trace("pilot")[f_at:] if e["advertised_mA"]]
        await b.do("unplug")
        await b.status("Available", since=mark)
        assert not b.st.received("StartTransaction", mark)
        await b.charge()
        await b.finish()


@pytest.mark.parametrize("station", [SEEN], indirect=True)
async def test_a_pilot_that_sends_another_duty(station):
    """All is well until less is offered than the driver goes on telling the car: energy is off
    within a second, and nothing is offered before that car has gone and the pilot obeys."""
    async with station as b:
        id = await b.charge()
        await b.process.until(lambda c: c["ev_mA"][0] > 10000)
        await b.do("fault duty-stuck")
        now = await b.now()
        await poll(lambda: _passed(b, now, 5), WAIT_s, "5 s")
        assert (await b.process.connector())["status"] == "Charging"
        mark = b.st.mark()
        p_at, c_at = (len(b.process.trace(what)) for what in ("pilot", "contactor"))
        await b.set_profile(profile(1, "Default", {0: 8}, kind="Relative"))
        await b.status("Faulted", since=mark)
        (said,) = b.st.received("StatusNotification", mark)
        assert (said["errorCode"], said["vendorErrorCode"]) == ("InternalError", "PilotDuty")
        c = await b.process.until(lambda c: c["duty_u16"] == X1 and not c["contactor"])
        assert c["severity"] == 1 and c["transactionId"] == id
        less, x1 = b.process.trace("pilot")[p_at:]
        (opened,) = b.process.trace("contactor")[c_at:]
        assert less["duty_u16"] == duty(8000) and x1["duty_u16"] == X1 and not opened["closed"]
        assert x1["ms"] - less["ms"] < 1000 and opened["ms"] - x1["ms"] < 100, (less, x1, opened)
        await b.do("console faults")
        said = "PilotDuty, severity 1"
        await poll(lambda: any(said in line for line in b.process.output), WAIT_s, said)
        mark = b.st.mark()
        await b.do("unplug")
        await b.do("clear duty-stuck")
        await b.status("Available", since=mark)
        await b.clear(id=1)
        await b.charge()
        await b.finish()


async def _passed(b, since, seconds):
    return (await b.now() - since).total_seconds() >= seconds
