"""OCPP 2.0.1, K15 to K17 without ISO 15118: what the car needs, said by a person, another system
or the owner's rules, and the plan that follows; docs/smart-charging.md 7. A test is named after
its case of the certification tool: TC_K_53_CS is test_k_53_..."""

from datetime import timedelta

from console_driver import Console
from station_201 import Bench201
from station_driver import ID, Bench, WAIT_s, periods

from host.build import ROOT
from host.csms import V16, V201, parse_time
from host.process import poll
from host.profile import profile_201

NEEDS, PLAN = "NotifyEVChargingNeeds", "NotifyEVChargingSchedule"
HOURS_s = 8 * 3600
BOTH = {"protocols": [V201.protocol, V16.protocol]}
# The example of the owner's rules, with the function in use that says it.
POLICY = (
    (ROOT / "examples/policy.py").read_text()
    + """

def local_limit(now, station):
    say_what_is_needed(station)
"""
)


async def profiled(b, id, periods, **more):
    """A TxProfile for the transaction b.id."""
    p = profile_201(id, "Tx", periods, kind="Relative", transactionId=b.id, **more)
    await b.set_profile(p, 1)


async def needed(b, since=0):
    """Wait for what is told of the car's needs; -> the energy in Wh."""
    payload = await b.st.expect(NEEDS, None, WAIT_s, since)
    return payload["chargingNeeds"]["acChargingParameters"]["energyAmount"]


async def planned(b, since=0):
    """Wait for the plan; -> (its payload, its periods)."""
    payload = await b.st.expect(PLAN, None, WAIT_s, since)
    return payload, periods(payload["chargingSchedule"])


async def flowed(b, energy_Wh):
    """Wait until the car has got so much more."""
    begin = (await b.process.until(lambda c: True))["energy_Wh"]
    await b.process.until(lambda c: c["energy_Wh"] >= begin + energy_Wh)


async def says(b, text):
    """Wait until the station's output has that."""
    await poll(lambda: [s for s in b.process.output if text in s], WAIT_s, text)


async def test_k_53_a_profile_and_the_plan_for_what_a_car_needs(bench201):
    """Processing, then a TxProfile, and the plan lies within it; as a person said it on the
    control port, and at the console. The answers are logged, and shown."""
    b = bench201(speed=1)
    b.cs.answer(NEEDS, lambda payload: {"status": "Processing"})
    async with b:
        b.id = await b.charge()
        departure = (await b.now() + timedelta(seconds=HOURS_s)).strftime("%Y-%m-%dT%H:%M:%SZ")
        await b.do(f"needs 20 kWh {departure}")
        said = await b.st.expect(NEEDS, None, WAIT_s)
        energy_Wh = said["chargingNeeds"]["acChargingParameters"].pop("energyAmount")
        assert 19900 < energy_Wh <= 20000
        assert said == {
            "evseId": 1,
            "maxScheduleTuples": 96,
            "chargingNeeds": {
                "requestedEnergyTransfer": "AC_three_phase",
                "departureTime": departure,
                "acChargingParameters": {
                    "evMinCurrent": 6,
                    "evMaxCurrent": 32,
                    "evMaxVoltage": 230,
                },
            },
        }
        await says(b, "NotifyEVChargingNeeds: Processing")
        assert not b.st.received(PLAN)
        limits = [(0, 10), (600, 40), (1200, 16), (1800, 16), (2400, 8.5)]
        await profiled(b, 7, limits)
        told, plan = await planned(b)
        schedule = told["chargingSchedule"]
        assert (told["evseId"], schedule["id"], schedule["chargingRateUnit"]) == (1, 7, "A")
        begin = parse_time(told["timeBase"])
        assert begin + timedelta(seconds=schedule["duration"]) == parse_time(departure)
        # (cut to the station's 32 A, merged where nothing changes)
        assert [limit for _, limit in plan] == [10, 32, 16, 8.5]
        steps = [at - plan[1][0] for at, _ in plan[1:]]
        assert steps == [0, 600, 1800]
        await says(b, "NotifyEVChargingSchedule: Accepted")
        await b.do("console session")
        await says(b, f"Wh until {departure}: Processing; the plan for that: Accepted")


async def test_k_54_rejected_and_the_default_holds(bench201):
    """No plan follows; nor anything of either kind where nobody says what a car needs."""
    b = bench201()
    b.cs.answer(NEEDS, lambda payload: {"status": "Rejected"})
    async with b:
        await b.set_profile(profile_201(3, "Default", {0: 13}, kind="Relative"), 0)
        b.id = await b.charge()
        await profiled(b, 4, {0: 12})
        await b.pilot(12000)
        await b.finish()
        assert not b.st.received(NEEDS) and not b.st.received(PLAN)
        b.id = await b.charge()
        await b.do("needs 20 kWh")
        await needed(b)
        await says(b, f"{NEEDS}: Rejected")
        await b.pilot(13000)
        await b.finish()
        assert not b.st.received(PLAN)


async def test_k_56_offline_and_after_a_power_cut(bench201):
    """The default holds; what was said meanwhile is told on return, as what is still needed, once.
    The power takes neither it nor what was told of it."""
    b = bench201()
    b.cs.answer(NEEDS, lambda payload: {"status": "Accepted"})
    async with b:
        say = Console(b)
        await b.set_profile(profile_201(3, "Default", {0: 13}, kind="Relative"), 0)
        b.id = await b.charge()
        before = await b.away()
        answer = await say.one("needs 300 kWh")
        assert answer.startswith("connector 1: its car needs 300000 Wh; it is told when")
        await b.pilot(13000)
        await flowed(b, 50)
        await b.back(before)
        assert 200000 < await needed(b) <= 299950
        await says(b, f"{NEEDS}: Accepted")
        # Told is told; what is not is told after the cut.
        mark = await b.cut()
        await profiled(b, 4, {0: 12})
        await planned(b, mark)
        assert not b.st.received(NEEDS, mark)
        before = await b.away()
        await b.do("needs 200 kWh")
        await flowed(b, 50)
        mark = before.mark()
        await b.do("power-cut 1")
        await b.back(before)
        assert 100000 < await needed(b, mark) <= 199950
        # It goes with its transaction.
        await b.finish()
        assert (await say.one("session 1")) == "connector 1: no transaction"
        await b.charge()
        assert not [line for line in await say("session 1") if "needs" in line]


async def test_k_57_said_anew(bench201):
    """K17: there is another profile and another plan."""
    b = bench201()
    b.cs.answer(NEEDS, lambda payload: {"status": "Accepted"})
    async with b:
        b.id = await b.charge()
        for i, energy in enumerate(("20", "9.5")):
            mark = b.st.mark()
            await b.do(f"needs {energy} kWh")
            assert await needed(b, mark) <= float(energy) * 1000
            await profiled(b, 7, {0: 10 + i})
            _, plan = await planned(b, mark)
            assert plan == [(0, 10 + i)]
            await b.pilot(10000 + 1000 * i)


async def test_k_55_58_the_central_system_begins(bench201):
    """K16: another TxProfile, another plan, without needs anew; also in watts, also after a plan
    that was declined. Other profiles bring none."""
    b = bench201()
    b.cs.answer(NEEDS, lambda payload: {"status": "Accepted"})
    b.cs.answer(PLAN, lambda payload: {"status": "Rejected"})
    async with b:
        b.id = await b.charge()
        await b.do("needs 20 kWh")
        await needed(b)
        await profiled(b, 7, {0: 10})
        await planned(b)
        await says(b, f"{PLAN}: Rejected")
        mark = b.st.mark()
        await b.set_profile(profile_201(3, "Default", {0: 6}, kind="Relative"), 0)
        await profiled(b, 8, {0: 5520}, level=1, unit="W")
        told, plan = await planned(b, mark)
        schedule = told["chargingSchedule"]
        assert (schedule["id"], schedule["chargingRateUnit"]) == (8, "W")
        assert (schedule["duration"], plan) == (86400, [(0, 5520)])
        await b.pilot(8000)
        await b.finish()
        assert len(b.st.received(PLAN)) == 2 and len(b.st.received(NEEDS)) == 1


async def test_the_owners_rules_say_it(bench201):
    """For each transaction, when it has begun."""
    async with bench201(policy=POLICY) as b:
        for _ in range(2):
            mark = b.st.mark()
            await b.charge()
            payload = await b.st.expect(NEEDS, None, WAIT_s, mark)
            assert payload["chargingNeeds"]["departureTime"].endswith("T05:30:00Z")
            await b.finish()


async def test_by_a_data_transfer(bench201):
    """For who plans by these messages, and has heard elsewhere what the car needs."""
    async with bench201() as b:
        ask = {"vendorId": "Pilotwire", "messageId": "Needs"}
        said = {"evseId": 1, "energyAmount": 12000}
        await b.ask("DataTransfer", "Rejected", "InvalidValue", **ask, data=said)
        await b.charge()
        for wrong in (
            None,
            7,
            [],
            {},
            {**said, "evseId": 2},
            {**said, "energyAmount": 0.5},
            {**said, "departureTime": "soon"},
            {**said, "departureTime": 5},
            {**said, "departure": "2019-01-01T00:00:00Z"},
            {**said, "departureTime": "2019-01-01T00:00:00Z"},
        ):
            await b.ask("DataTransfer", "Rejected", "InvalidValue", **ask, data=wrong)
        await b.ask("DataTransfer", "Rejected", "InvalidValue", **ask)
        assert not b.st.received(NEEDS)
        await b.ask("DataTransfer", **ask, data=said)
        assert 0 < await needed(b) <= 12000


async def test_every_mistake_says_what_is_right(bench201):
    async with bench201(connectors=2) as b:
        say = Console(b)
        assert "no transaction runs on connector 1" in await say.one("needs 20 kWh")
        await b.charge(evse=2)
        for line, why in (
            ("needs", "it is used as: needs energy kWh|Wh [departure] [connector]"),
            ("needs 20kWh", "it is used as"),
            ("needs 20 h", "h: the energy is a number, then Wh or kWh, as 20 kWh"),
            ("needs many kWh", "many: it is a number"),
            ("needs 0 kWh", "the energy is 1 Wh to 1000 kWh"),
            ("needs 2 MWh", "MWh: the energy"),
            ("needs 20 kWh soon", "departure soon: a time as 07:30 (UTC)"),
            ("needs 20 kWh 2019-01-01T00:00:00Z", "the departure is not within the next seven"),
            ("needs 20 kWh - 1", "no transaction runs on connector 1"),
            ("needs 20 kWh - 3", "connector 3: there are 1 to 2"),
        ):
            assert (await say.one(line)).startswith("needs: " + why), line
        for line, why in (
            ("needs", ": the energy is a number, then Wh or kWh"),
            ("needs 20 kWh - 3", "connector 3"),
            ("needs 20 kWh - 1", "no transaction"),
            ("needs 20 kWh soon 2", "departure soon"),
        ):
            try:
                await b.do(line)
            except Exception as e:
                assert why in str(e), line
            else:
                raise AssertionError(line)
        assert not b.st.received(NEEDS)
        # Where one car charges it is that one; of several nobody knows.
        assert (await say.one("needs 20 kWh 07:30")).startswith("connector 2: its car needs")
        assert (await b.st.expect(NEEDS, None, WAIT_s))["evseId"] == 2
        await b.charge("OTHER", evse=1)
        assert "several cars charge" in await say.one("needs 20 kWh 07:30")
        mark = b.st.mark()
        assert (await say.one("needs 5 kWh 07:30 1")).endswith("the Central System is told")
        assert (await b.st.expect(NEEDS, None, WAIT_s, mark))["evseId"] == 1


async def test_ocpp_1_6_has_no_message_for_it(bench201):
    """That is said; it is kept, and told when the Central System comes to speak 2.0.1."""
    async with bench201(config=BOTH, boot=False) as b:
        b.__class__, b.cs.protocols = Bench, (V16.protocol,)
        await b.booted()
        await b.charge()
        answer = await Console(b).one("needs 200 kWh")
        assert "200000 Wh; it is kept, but OCPP 1.6 has no message for it" in answer
        before = await b.away()
        b.__class__, b.cs.protocols = Bench201, (V201.protocol,)
        await b.cs.start()
        b.st = await b.cs.wait_station(ID, WAIT_s, after=before)
        assert 100000 < await needed(b) <= 200000
        started = [e for e in b.st.received("TransactionEvent") if e["eventType"] == "Started"]
        assert started, "it belongs to what was told before"
