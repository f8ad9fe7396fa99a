"""station/needs.py and ocpp/v201/needs.py: what a car needs, what is told of it and when."""

import asyncio
import gc
import json
import sys

from rig import raises
from world import T0, UNSET, World, record

from firmware.charging import limits, profile
from firmware.electrical import pilot
from firmware.ocpp.v201 import needs as v201
from firmware.station import needs

HEAP = "800K"
BOTH = True
CHIP = True

HOUR_s = 3600
WEEK_s = 7 * 86400
NEEDS, PLAN = needs.NEEDS, needs.PLAN


def a_world(**more):
    """A station whose connector 1 has a transaction that the Central System knows."""
    w = World(**more).ready(online=True)
    w.settings["composite_local"] = False
    w.charge()
    return w


class Outbox:
    """What tell() asks of it: answers the `answers`, one after the other; None: no answer."""

    def __init__(self, w, answers=()):
        self.station, self.log = w.station, w.said.append
        self.answers, self.told, self.refused = list(answers), [], False
        self.meanwhile = lambda: None

    async def ask(self, action, payload):
        if not isinstance(payload, dict):
            self.text = "".join(payload())
            payload = json.loads(self.text)
        self.told.append((action, payload))
        self.meanwhile()
        return self.answers.pop(0)

    def tell(self, silent=()):
        asyncio.run(v201.tell(self, self.station.connectors[0], silent))


def told(w, *answers):
    """What is told while the Central System answers so."""
    outbox = Outbox(w, answers)
    for _ in answers:
        outbox.tell()
    assert not outbox.answers
    return outbox.told


def test_what_is_refused_says_why_and_changes_nothing():
    w = World(2).ready()
    assert "no transaction runs on connector 1" in needs.put(w.station, 1, 20000)
    w.charge()
    t = w.clock.now()
    for args, why in (
        ((0, 20000), "connector 0: there are 1 to 2"),
        ((3, 20000), "connector 3"),
        (("1", 20000), "connector 1: there"),
        ((2, 20000), "no transaction runs on connector 2"),
        ((1, 0), "the energy is 1 Wh to"),
        ((1, -5), "the energy"),
        ((1, 1000001), "the energy"),
        ((1, 7.5), "the energy"),
        ((1, True), "the energy"),
        ((1, "20"), "the energy"),
        ((1, 20000, t), "the departure is not within"),
        ((1, 20000, t - 5), "the departure"),
        ((1, 20000, t + WEEK_s + 1), "the departure"),
        ((1, 20000, "07:30"), "the departure"),
    ):
        said = needs.put(w.station, *args)
        assert said and said.startswith(why), (args, said)
        assert (w.c.tx.needs, w.c.tx.target_Wh, w.c.tx.until_s) == (0, 0, 0), args
    for args in ((1, 1), (1, 1000000), (1, 5, t + 1), (1, 5, t + WEEK_s)):
        woken = w.woken
        assert needs.put(w.station, *args) is None and w.woken > woken, args
    w.c.stop(0)
    assert "no transaction runs" in needs.put(w.station, 1, 20000)
    w.c.course.ending = None
    w.station.clock.known = lambda: False
    assert "the time is not known" in needs.put(w.station, 1, 20000, t + 60)
    assert needs.put(w.station, 1, 20000) is None


def test_what_a_person_types():
    w = World()
    t = w.clock.now()
    assert t % 86400 == 12 * HOUR_s
    for words, wanted in (
        (("20", "kWh"), (20000, None)),
        (("20", "KWH", "-"), (20000, None)),
        (("7.512", "kwh"), (7512, None)),
        (("123456789", "Wh"), (123456789, None)),
        (("1", "Wh", "23:59"), (1, t + 43140)),
        ((".5", "kWh"), (500, None)),
        (("0.0005", "kWh"), (0, None)),
        (("20000", "Wh", "12:01"), (20000, t + 60)),
        (("1", "Wh", "12:00"), (1, t + 86400)),
        (("1", "Wh", "7:30"), (1, t + 70200)),
        (("1", "Wh", "2026-11-20T14:00:00+01:00"), (1, t + HOUR_s)),
    ):
        assert needs.read(w.station, words) == wanted, words
    for words, why in (
        (("20", "h"), "h: the energy is a number, then Wh or kWh"),
        (("x", "kWh"), "x: it is a number"),
        (("-1", "kWh"), "-1: it is a number"),
        (("1e9", "kWh"), "1e9: it is a number"),
        (("", "kWh"), ": it is a number"),
        (("1234567890", "Wh"), "1234567890: it is"),
        (("1", "Wh", "24:00"), "departure 24:00: a time as 07:30"),
        (("1", "Wh", "7:5"), "departure 7:5"),
        (("1", "Wh", "soon"), "departure soon"),
        (("1", "Wh", "7:60"), "departure 7:60"),
    ):
        try:
            said = needs.read(w.station, words)
        except ValueError as e:
            said = str(e)
        assert type(said) is str and said.startswith(why), (words, said)


def test_what_is_told_is_what_is_still_needed():
    w = a_world()
    assert needs.put(w.station, 1, 20000, w.clock.now() + HOUR_s) is None
    w.meters[0].energy_Wh += 1500
    ((action, payload),) = told(w, {"status": "Accepted"})
    assert action == "NotifyEVChargingNeeds"
    charging = payload["chargingNeeds"]
    assert charging["acChargingParameters"]["energyAmount"] == 18500
    assert charging["departureTime"] == "2026-11-20T13:00:02Z"
    assert charging["requestedEnergyTransfer"] == "AC_three_phase"
    assert not needs.due(w.station, w.c) and needs.answers(w.c.tx) == (1, 0)
    assert needs.text(w.c) == "18500 Wh until 2026-11-20T13:00:02Z"
    w.meters[0].energy_Wh += 30000
    assert needs.text(w.c).startswith("0 Wh until")
    # Said anew it is told anew, and the old answers count no more.
    needs.put(w.station, 1, 500)
    assert needs.answers(w.c.tx) == (0, 0)
    ((_, payload),) = told(w, {"status": "Processing"})
    assert "departureTime" not in payload["chargingNeeds"] and needs.text(w.c) == "500 Wh"
    assert payload["chargingNeeds"]["acChargingParameters"]["evMinCurrent"] == 6
    assert needs.answers(w.c.tx) == (3, 0)


def test_what_is_of_no_use_any_more_is_not_told():
    w = a_world()
    needs.put(w.station, 1, 20000, w.clock.now() + HOUR_s)
    w.time.pass_ms(HOUR_s * 1000)
    assert needs.due(w.station, w.c) == 0
    needs.planned(w.station, 1)
    for tx in (w.c.tx, w.journal.folder.read(w.c.tx.number)):
        assert (tx.needs, tx.target_Wh, tx.until_s) == (0, 0, 0), "forgotten, durably"
    # A plan for what was told in time is told even so.
    needs.put(w.station, 1, 20000, w.clock.now() + HOUR_s)
    told(w, {"status": "Accepted"})
    w.time.pass_ms(HOUR_s * 1000)
    needs.planned(w.station, 1)
    ((_, plan),) = told(w, {"status": "Accepted"})
    assert plan["chargingSchedule"]["duration"] == 86400
    needs.put(w.station, 1, 300)
    w.meters[0].energy_Wh += 299
    assert needs.due(w.station, w.c) == NEEDS
    w.meters[0].energy_Wh += 1
    assert needs.due(w.station, w.c) == 0
    assert len([text for text in w.said if "is not told: too late" in text]) == 2


def test_phases_are_those_that_it_draws_from():
    w = a_world()

    def transfer(*mA, gives=0x8FF, phases=0):
        w.meters[0].current_mA, w.meters[0].gives, w.c.phases = mA, gives, phases
        needs.put(w.station, 1, 20000)
        ((_, payload),) = told(w, {"status": "Rejected"})
        return payload["chargingNeeds"]["requestedEnergyTransfer"]

    assert w.c.controller.closed
    assert transfer(16000, 16000, 16000) == "AC_three_phase"
    assert transfer(16000, 16000, 90) == "AC_two_phase"
    assert transfer(16000, None, 0) == "AC_single_phase"
    assert transfer(16000, 0, 0, phases=3) == "AC_single_phase"
    assert transfer(1000, 999, 0) == "AC_single_phase"
    assert transfer(0, 0, 0) == "AC_three_phase"  # (it draws nothing: nobody knows)
    assert transfer(16000, 0, 0, phases=1) == "AC_three_phase"  # (a profile allows it one)
    assert transfer(0, 0, 0, gives=0x27) == "AC_single_phase"


def test_no_plan_without_needs():
    w = a_world(connectors=2)
    needs.planned(w.station, 1)
    assert needs.due(w.station, w.c) == 0
    w.charge("OTHER", w.cs[1])
    needs.put(w.station, 2, 20000)
    needs.planned(w.station, 1)
    assert w.c.tx.needs == 0 and w.cs[1].tx.needs == NEEDS
    w.car(pilot.A, 2000)
    needs.planned(w.station, 1)  # (nor without a transaction)


def test_needs_first_then_the_plan_that_came_of_them():
    w = a_world()
    needs.put(w.station, 1, 20000, w.clock.now() + HOUR_s)
    w.install(record([(0, 10), (600, 40), (1200, 32), (1800, 8.5)], id=7, schedule_id=9), 100)
    w.c.limits.put(limits.CABLE, 20000)
    needs.planned(w.station, 1)
    _, (action, plan) = told(w, {"status": "Processing"}, {"status": "Rejected"})
    assert action == "NotifyEVChargingSchedule"
    schedule = plan["chargingSchedule"]
    assert (plan["evseId"], schedule["id"], schedule["chargingRateUnit"]) == (1, 9, "A")
    # (in force by what its cable can take, and merged; until its car leaves)
    assert [p["limit"] for p in schedule["chargingSchedulePeriod"]] == [10, 20, 8.5]
    assert schedule["duration"] in (3599, 3600)
    assert needs.answers(w.c.tx) == (3, 2)
    # The same plan again: another answer takes the place of the one before.
    for status, wanted in (("Accepted", 1), ("Rejected", 2)):
        needs.planned(w.station, 1)
        told(w, {"status": status})
        assert needs.answers(w.c.tx) == (3, wanted)
    # Another profile, another plan; also in watts, and for a day where nobody knows better.
    needs.put(w.station, 1, 20000)
    # It is that of the highest level, whatever else is installed.
    w.install(record(20, profile.TX_DEFAULT, id=3, level=9, schedule_id=33), 100)
    w.install(record(3680, id=8, level=1, rate=profile.WATTS, schedule_id=88), 100)
    w.install(record(9, id=6, schedule_id=66), 100)
    needs.planned(w.station, 1)
    _, (_, plan) = told(w, {"status": "Accepted"}, {"status": "Accepted"})
    schedule = plan["chargingSchedule"]
    assert (schedule["chargingRateUnit"], schedule["duration"]) == ("W", 86400)
    assert schedule["id"] == 88
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 3680}]


def test_it_is_told_until_it_is_answered():
    """And no longer to who never answers that, or declines it."""
    w = a_world()
    needs.put(w.station, 1, 20000)
    outbox = Outbox(w, [None])
    outbox.tell()
    assert needs.due(w.station, w.c) == NEEDS
    outbox.answers = [None]
    outbox.tell(["NotifyEVChargingNeeds"])
    assert not needs.due(w.station, w.c)
    needs.put(w.station, 1, 20000)
    outbox.answers, outbox.refused = [None], True
    outbox.tell()
    needs.planned(w.station, 1)
    assert (w.c.tx.needs, w.c.tx.target_Wh) == (0, 0), "nor is it told of plans"
    # A damaged answer is one.
    needs.put(w.station, 1, 20000)
    assert len(told(w, {"status": None, "statusInfo": None})) == 1
    # What is said while the Central System thinks is not lost.
    outbox.answers, outbox.meanwhile = [{"status": "Accepted"}], lambda: needs.put(w.station, 1, 7)
    needs.put(w.station, 1, 20000)
    outbox.tell()
    assert needs.due(w.station, w.c) == NEEDS and needs.left_Wh(w.c) == 7
    # Nor is a profile that comes before the answer.
    outbox.answers, outbox.meanwhile = (
        [{"status": "Accepted"}],
        lambda: needs.planned(w.station, 1),
    )
    outbox.tell()
    assert needs.due(w.station, w.c) == PLAN
    needs.put(w.station, 1, 20000)
    # The connection is lost in the middle.
    outbox.ask = None
    raises(TypeError, outbox.tell)
    assert needs.due(w.station, w.c) == NEEDS


def test_the_transaction_ends_meanwhile():
    w = a_world()
    needs.put(w.station, 1, 20000)
    tx = w.c.tx
    outbox = Outbox(w, [{"status": "Accepted"}])
    outbox.meanwhile = lambda: w.car(pilot.A, 2000)
    outbox.tell()
    assert w.c.tx is None and needs.answers(tx) == (0, 0)
    w.charge()
    assert w.c.tx.needs == 0, "it has gone with its transaction"


def test_why_it_was_declined_stands_in_the_log():
    w = a_world()
    needs.put(w.station, 1, 20000)
    info = {"reasonCode": "NoProfile", "additionalInfo": "not\ud800today"}
    told(w, {"status": "Rejected", "statusInfo": info})
    assert "NotifyEVChargingNeeds: Rejected, NoProfile, not?today" in w.said[-1], w.said[-1]


def test_it_outlives_the_power():
    """What is needed, what is still to be told, and what was answered, at each step."""
    w = a_world()
    needs.put(w.station, 1, 20000, w.clock.now() + 4 * HOUR_s)
    w.meters[0].energy_Wh += 1500
    w.boot(T0 + 60)
    assert needs.due(w.station, w.c) == NEEDS
    assert needs.left_Wh(w.c) == 18500
    told(w.ready(online=True), {"status": "Accepted"})
    w.boot(T0 + 120)
    assert needs.due(w.station, w.c) == 0 and needs.answers(w.c.tx) == (1, 0)
    needs.planned(w.station, 1)
    w.boot(UNSET)  # (nobody knows the time: nor whether its car should be away)
    assert needs.due(w.station, w.c) == PLAN
    assert w.c.tx.until_s > T0 + 3 * HOUR_s


def test_the_longest_plan_leaves_in_pieces():
    """96 periods as objects would be 10 KB: it takes the code that makes them text, and a piece of
    that."""
    w = a_world()
    needs.put(w.station, 1, 20000, w.clock.now() + WEEK_s)
    w.install(record([(900 * i, 6 + i % 20 / 10) for i in range(96)], id=2**31 - 1), 100)
    needs.planned(w.station, 1)
    outbox = Outbox(w, [{"status": "Accepted"}] * 2)
    outbox.tell()
    most = pieces = 0

    async def ask(action, payload):
        nonlocal most, pieces
        gc.collect()
        before = gc.mem_alloc()
        for _ in payload():
            gc.collect()
            most, pieces = max(most, gc.mem_alloc() - before), pieces + 1
        outbox.text = "".join(payload())
        return {"status": "Accepted"}

    outbox.ask = ask
    outbox.tell()
    told = json.loads(outbox.text)
    assert len(told["chargingSchedule"]["chargingSchedulePeriod"]) == 96
    most //= 1 + (sys.maxsize > 2**31)
    assert pieces > 96 and most < 4096, (pieces, most)
