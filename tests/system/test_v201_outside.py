"""OCPP 2.0.1, K11 to K14: limits from outside the Central System, by every way in; in OCPP 1.6 the
same limits hold. docs/smart-charging.md 8. A test is named after its cases of the certification
tool: TC_K_52 is test_k_52_..."""

import json

import pytest
from console_driver import Console
from station_201 import assert_reason
from station_driver import WAIT_s, own_tree
from test_v201_smart_charging import P, speak

from host.csms import V16, V201
from host.profile import profile

EXTERNAL = "ChargingStationExternalConstraints"
SIGNIFICANCE = "SmartChargingCtrlr.LimitChangeSignificance"
CONTACT = """
from .reference import *  # noqa: F403

DIM = {"pin": 4, "live": 0, "pull": 2}
"""
GRID_mA = 4200 * 1000 // 690  # what the contact leaves, on three phases
POLICY = """
def local_limit(now, station):
    tx = station.connectors[0].tx
    if tx and tx.token == "WRONG":
        station.impose("10 for ever")
    station.impose("9 for 60 else 7")
"""


async def port(b, line):
    await b.do("outside " + line)


async def console(b, line):
    await b.do("console outside " + line)


async def transfer(b, line):
    payload = {"vendorId": "Pilotwire", "messageId": "OutsideLimit", "data": line}
    answer = await b.st.call("DataTransfer", payload)
    assert answer["status"] == "Accepted" and isinstance(answer["data"], str), answer


WAYS = port, console, transfer


async def notified(b, since, critical=False, source="EMS", **fields):
    """Wait for a NotifyChargingLimit that says just this; -> its schedules, if it has any."""

    def test(p):
        said = {k: v for k, v in p.items() if k != "chargingSchedule"}
        limit = {"chargingLimitSource": source, "isGridCritical": critical}
        return said == {"chargingLimit": limit, **fields}

    p = await b.st.expect("NotifyChargingLimit", test, WAIT_s, since)
    return p.get("chargingSchedule")


async def cleared(b, since, source="EMS", **fields):
    said = {"chargingLimitSource": source, **fields}
    await b.st.expect("ClearedChargingLimit", lambda p: p == said, WAIT_s, since)


def told(b, since=0):
    """The actions of this use case that were told, in order; those of samples are left out."""
    out = []
    for way, frame, _ in b.st.messages[since:]:
        if way == "in" and frame[0] == 2:
            if frame[2] in ("NotifyChargingLimit", "ClearedChargingLimit"):
                out.append(frame[2])
            elif frame[3].get("triggerReason") == "ChargingRateChanged":
                out.append("ChargingRateChanged")
    return out


async def limited(b, mA, source="EMS", connector=1):
    """Wait until `state` has that limit, by that source."""

    def test(c):
        by = c["limit_by"] and c["limit_by"]["source"]
        return (c["limit_mA"], by) == (mA, source if mA is not None else None)

    await b.process.until(test, connector)


async def test_k_48_50_a_limit_without_a_transaction(bench201):
    """By every way in (K12, K13); nothing of what changes it by less than
    LimitChangeSignificance."""
    async with bench201(connectors=2) as b:
        await b.set(SIGNIFICANCE, 20)
        for way in WAYS:
            since = b.st.mark()
            await way(b, "10 at 2")
            assert await notified(b, since, evseId=2) is None
            await limited(b, 10000, connector=2)
            await limited(b, None)
            await way(b, "11 at 2")
            await limited(b, 11000, connector=2)
            await way(b, "13 at 2 critical")
            await notified(b, since, True, evseId=2)
            await way(b, "off at 2")
            await cleared(b, since, evseId=2)
            await limited(b, None, connector=2)
            await b.settled()
            assert told(b, since) == ["NotifyChargingLimit"] * 2 + ["ClearedChargingLimit"]


async def test_k_51_a_limit_in_a_transaction(bench201):
    """K11, K13: the pilot follows, the Central System hears of the limit, then of the rate."""
    async with bench201() as b:
        id = await b.charge()
        for line, mA, action in (
            ("10", 10000, "NotifyChargingLimit"),
            ("7", 7000, "NotifyChargingLimit"),
            ("12 by grid", 7000, "NotifyChargingLimit"),
            ("off", 12000, "ClearedChargingLimit"),
            ("off by grid", 32000, "ClearedChargingLimit"),
        ):
            before_mA = (await b.process.connector())["pilot_mA"]
            since = b.st.mark()
            await port(b, line)
            await b.st.expect(action, None, WAIT_s, since)
            if mA != before_mA:
                await b.pilot(mA)
                await b.event("ChargingRateChanged", "Updated", since, transactionId=id)
                assert told(b, since) == [action, "ChargingRateChanged"]
        await b.set(SIGNIFICANCE, 50)
        await port(b, "16")  # half of it: that is not more
        await b.pilot(16000)
        since = b.st.mark()
        await port(b, "0")
        await b.event("ChargingStateChanged", since=since, chargingState="SuspendedEVSE")
        await b.finish()


async def test_who_falls_silent_falls_to_the_safe_value(bench201):
    """It is told as another limit; who speaks again is heard."""
    async with bench201() as b:
        await b.charge()
        since = b.st.mark()
        await port(b, "16 for 200 else 6")
        await notified(b, since)
        await b.pilot(16000)
        since = b.st.mark()
        await b.do("speed 300")
        await notified(b, since)
        await b.pilot(6000)
        silent = "limit from outside, energy management: silent, 6000 mA"
        await b.process.wait_output(silent)
        await b.do("speed 20")
        since = b.st.mark()
        await port(b, "12 for 200")
        await notified(b, since)
        await b.pilot(12000)
        await b.do("speed 300")
        await cleared(b, since)
        await b.pilot(32000)
        await b.finish()


async def reports(b, expect="Accepted", **asked):
    """GetChargingProfiles -> the messages that follow."""
    since = b.st.mark()
    payload = {"requestId": since + 1, "chargingProfile": asked}
    answer = await b.st.call("GetChargingProfiles", payload)
    assert answer["status"] == expect, answer
    if expect == "NoProfiles":
        return []
    last = lambda p: p["requestId"] == since + 1 and not p.get("tbc")  # noqa: E731
    await b.st.expect("ReportChargingProfiles", last, WAIT_s, since)
    messages = b.st.received("ReportChargingProfiles", since)
    assert [p.get("tbc", False) for p in messages] == [True] * (len(messages) - 1) + [False]
    return [
        (p["chargingLimitSource"], p["evseId"], [one["id"] for one in p["chargingProfile"]])
        for p in messages
    ]


async def test_k_52_it_is_in_reports_and_in_no_request(bench201):
    """K09 by each criterion; K01.FR.05, K01.FR.22, K10: the Central System can neither install nor
    replace nor clear it."""
    async with bench201(connectors=2) as b:
        await port(b, "10 for 600 else 6")
        await port(b, "8 at 2 by grid critical")
        await b.set_profile(P(1), 1)
        await b.set_profile(P(2, "Max"), 0)
        ours = [("EMS", 0, [-10]), ("SO", 2, [-22])]
        theirs = [("CSO", 0, [2]), ("CSO", 1, [1])]
        assert await reports(b) == theirs + ours
        assert await reports(b, chargingLimitSource=["SO", "EMS"]) == ours
        assert await reports(b, chargingLimitSource=["CSO"]) == theirs
        assert await reports(b, chargingLimitSource=["Other"], expect="NoProfiles") == []
        assert await reports(b, chargingProfilePurpose=EXTERNAL) == ours
        assert await reports(b, chargingProfilePurpose="TxDefaultProfile") == theirs[1:]
        assert await reports(b, chargingProfileId=[-22, 1]) == theirs[1:] + ours[1:]
        since = b.st.mark()
        await reports(b, chargingProfileId=[-10])
        (p,) = b.st.received("ReportChargingProfiles", since)
        (one,) = p["chargingProfile"]
        (schedule,) = one.pop("chargingSchedule")
        purpose = {"chargingProfilePurpose": EXTERNAL, "chargingProfileKind": "Absolute"}
        assert one == {"id": -10, "stackLevel": 0, **purpose}
        assert schedule.pop("startSchedule")
        periods = [{"startPeriod": 0, "limit": 10}, {"startPeriod": 600, "limit": 6}]
        assert schedule == {
            "id": -10, "chargingRateUnit": "A", "chargingSchedulePeriod": periods,
        }  # fmt: skip
        await b.set_profile(P(-10), 0, "Rejected", "InvalidProfile")
        wrong = {**P(5), "chargingProfilePurpose": EXTERNAL}
        await b.set_profile(wrong, 0, "Rejected", "InvalidProfile")
        await b.clear("Unknown", id=-10)
        await b.clear("Unknown", chargingProfilePurpose=EXTERNAL)
        await b.clear(evseId=0)
        assert await reports(b) == theirs[1:] + ours
        await b.clear()
        await b.clear("Unknown")
        await limited(b, 10000)
        await limited(b, 8000, "Grid", 2)
        assert await b.get("SmartChargingCtrlr.MaxExternalConstraintsId") == "-1"


async def test_the_composite_schedule_knows_it(bench201):
    """K08: of an EVSE, of the grid connection, in both units."""
    async with bench201(connectors=2) as b:
        await b.set_profile(P(1, periods={0: 20}), 0)
        await port(b, "16 for 3600 else 6")
        await port(b, "10 at 2 by other")
        first, second = await b.composite(7200), await b.composite(7200, 0)
        assert [limit for _, limit in first] == [16, 6] and 3000 < first[1][0] <= 3600
        assert [limit for _, limit in second] == [16, 6]  # (not 16 + 10)
        assert await b.composite(60, 2) == [(0, 10)]
        assert await b.composite(60, 0, "W") == [(0, 16 * 690)]


async def test_it_is_told_with_its_schedule(bench201):
    """K11.FR.03, K12.FR.03: as it was said."""
    async with bench201() as b:
        await b.set("SmartChargingCtrlr.NotifyChargingLimitWithSchedules", "true")
        since = b.st.mark()
        await port(b, "10.5 for 3600")
        (schedule,) = await notified(b, since)
        periods = [{"startPeriod": 0, "limit": 10.5}]
        assert (schedule["duration"], schedule["chargingSchedulePeriod"]) == (3600, periods)
        assert (schedule["id"], schedule["chargingRateUnit"]) == (-10, "A")


async def test_offline_only_what_still_holds_is_told_on_return(bench201):
    """Also after a power cut, over which it holds."""
    async with bench201() as b:
        await b.charge()
        since = b.st.mark()
        await port(b, "12")
        await notified(b, since)
        before = await b.away()
        since = before.mark()
        for line in ("9", "off", "10"):
            await port(b, line)
        await b.pilot(10000)
        await b.back(before)
        await notified(b, since)
        await port(b, "off")
        await cleared(b, since)
        await b.pilot(32000)
        assert [s for s in told(b, since) if s != "ChargingRateChanged"] == [
            "NotifyChargingLimit",
            "ClearedChargingLimit",
        ]
        await port(b, "7 by grid")
        await notified(b, since, source="SO")
        await b.pilot(7000)
        before, since = b.st, b.st.mark()
        await b.do("power-cut 1")
        await limited(b, 7000, "Grid")
        await b.again(before)
        await notified(b, since, source="SO")
        await b.pilot(7000)
        await b.finish()


async def test_a_central_system_may_switch_it_off(bench201):
    """ExternalControlSignalsEnabled: what there is ends, nothing new is taken."""
    async with bench201() as b:
        since = b.st.mark()
        await port(b, "10")
        await notified(b, since)
        name = "SmartChargingCtrlr.ExternalControlSignalsEnabled"
        await b.set(name, "false")
        await cleared(b, since)
        await limited(b, None)
        payload = {"vendorId": "Pilotwire", "messageId": "OutsideLimit", "data": "10"}
        assert_reason(await b.ask("DataTransfer", "Rejected", **payload), "InvalidValue")
        await b.set(name, "true")
        await b.ask("DataTransfer", **payload)
        await limited(b, 10000)


async def test_every_mistake_gets_an_answer_and_costs_nothing(bench201):
    async with bench201() as b:
        await port(b, "10")
        say = Console(b)
        use = "it is said as: AMPERES|off [for SECONDS | until TIME] [else AMPERES]"
        for line, why in (
            ("x", "x: amperes are a number, 0 to 999.999"),
            ("1000", "1000: amperes are a number, 0 to 999.999"),
            ("10 until noon", "until NOON: a time is 18:00 (UTC) or 2026-12-01T18:00:00Z"),
            ("10 at 3", "connector 3: there are 1 to 1"),
            ("10 for 60 please", "please? " + use),
            ("10 else 6", "else goes with for or until"),
        ):
            answer = await b.process.command("outside " + line)
            assert answer["error"].startswith(why), answer
            said = " ".join(await say("outside " + line))
            assert said.startswith("outside: " + why), said
            payload = {"vendorId": "Pilotwire", "messageId": "OutsideLimit", "data": line}
            answer = await b.ask("DataTransfer", "Rejected", "InvalidValue", **payload)
            assert answer["statusInfo"]["additionalInfo"].startswith(why)
        for data in ([], {"a": 1}, None, True, 10**9, ""):
            payload["data"] = data
            await b.ask("DataTransfer", "Rejected", "InvalidValue", **payload)
        del payload["data"]
        await b.ask("DataTransfer", "Rejected", "InvalidValue", **payload)
        assert "error" in await b.process.command("outside")
        await limited(b, 10000)
        assert await say("outside") == ["all together: 10 A by energy management"]
        assert await say("outside 9 for 60 else 6")
        assert await say("outside off") == ["it is over; no limit from outside holds any more"]
        none = "none holds; one is set as: outside 10 until 18:00 else 6"
        assert await say("outside") == [none]
        assert any("outside [amperes|off] [...]" in text for text in await say("help"))


async def test_policy_py_imposes_and_is_broken_by_its_mistakes(bench201):
    """A limit of its own with a safe value; a line that is wrong is a fault of it, which costs
    current."""
    async with bench201(policy=POLICY) as b:
        await notified(b, 0)
        await limited(b, 9000)
        await b.charge()
        await b.pilot(9000)
        await b.finish()
        await b.charge("WRONG")
        await limited(b, 6000, "Policy")
        state = await b.process.state()
        assert "for ever" in state["policy"], state["policy"]
        await b.pilot(6000)
        await b.process.wait_output("limit from outside, energy management: silent, 7000 mA")
        b.process.output = [s for s in b.process.output if "Traceback" not in s]


@pytest.mark.parametrize("language", [V201, V16], ids=lambda v: v.protocol)
async def test_the_contact_of_the_grids_operator(bench201, bench, tmp_path, language):
    """By its pin: less within a second, more when it has been quiet; whatever it bounces."""
    tree = tmp_path / "tree"
    tool = own_tree(tree)
    (tree / "firmware/boards/mine.py").write_text(CONTACT)
    make = bench201 if language is V201 else bench
    protocols = [language.protocol]
    b = make(config={"board": "mine", "protocols": protocols})
    b.tool = tool
    said = "limit from outside, grid operator's contact: "
    async with b:
        await b.process.wait_output(said + "open")
        await b.charge()
        since = b.st.mark()
        await b.do("dim on")
        await b.pilot(GRID_mA)
        await limited(b, GRID_mA, "Grid")
        before = b.st
        await b.do("power-cut 1")
        await limited(b, GRID_mA, "Grid")
        await b.again(before)
        await b.do("dim chatter")
        await b.passed(20)
        await limited(b, GRID_mA, "Grid")
        await b.do("dim off")
        await b.pilot(32000)
        logged = [s for s in b.process.output if said in s]
        assert [s.split()[-1] for s in logged] == ["open", "closed", "closed", "open"]
        if language is V201:
            await cleared(b, 0, "SO")
            history = told(b)
            assert history.count("ClearedChargingLimit") == 1
            assert b.st.received("NotifyChargingLimit")[-1] == {
                "chargingLimit": {"chargingLimitSource": "SO", "isGridCritical": True}
            }
        else:
            assert told(b, since) == []
        await b.finish()


async def test_in_1_6_the_same_limit_holds_and_is_explained(bench):
    """By LimitReason and `state`; shared by all connectors; the composite schedule has it."""
    async with bench(connectors=2) as b:
        for connector in (1, 2):
            await b.charge(f"TAG{connector}", connector)
        await transfer(b, "20 for 7200")
        for connector in (1, 2):
            await b.pilot(10000, connector)
        await limited(b, 10000)
        request = {"vendorId": "Pilotwire", "messageId": "LimitReason", "data": "1"}
        said = json.loads((await b.st.call("DataTransfer", request))["data"])
        assert said["limit_by"] == {"source": "EMS", "until": None}
        composite = await b.composite(10000, 0)
        assert composite[0] == (0, 20) and composite[1][1] == 64, composite
        request = {"vendorId": "Pilotwire", "messageId": "OutsideLimit", "data": "ten"}
        answer = await b.st.call("DataTransfer", request)
        assert answer["status"] == "Rejected" and answer["data"].startswith("ten: amperes")
        await b.set_profile(profile(1, "Max", {0: 14}, kind="Relative"))
        for connector in (1, 2):
            await b.pilot(7000, connector)
        await limited(b, 7000, "ChargePointMaxProfile")
        await b.clear(id=1)
        await transfer(b, "off")
        for connector in (1, 2):
            await b.pilot(32000, connector)


async def test_it_is_that_of_both_languages(bench201):
    """What was said under 1.6 is told as soon as 2.0.1 is spoken."""
    both = {"protocols": [V201.protocol, V16.protocol]}
    async with bench201(config=both) as b:
        await port(b, "10")
        await notified(b, 0)
        await speak(b, V16)
        await limited(b, 10000)
        await port(b, "9 by grid")
        await limited(b, 9000, "Grid")
        await port(b, "off")
        await speak(b, V201)
        await notified(b, 0, source="SO")
        assert told(b) == ["NotifyChargingLimit"] * 2
