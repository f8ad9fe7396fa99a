"""ocpp.v201: a ChargingProfileType becomes a record on flash, and its report is the same text."""

import asyncio
import gc
import json
import sys

from rig import raises
from world import World

from firmware.charging import profile
from firmware.ocpp import jobs
from firmware.ocpp.rpc import CallError
from firmware.ocpp.v201 import profile_reports, smart_charging

HEAP = "2M"
BOTH = True
CHIP = True

PROFILE = (
    '{"id":%d,"stackLevel":%d,"chargingProfilePurpose":"%s","chargingProfileKind":"%s"%s'
    ',"chargingSchedule":[{"id":%d%s,"chargingRateUnit":"A","chargingSchedulePeriod":[%s]}]}'
)
NOW = ',"startSchedule":"2026-03-01T12:00:00Z"'
BIG = 2**31 - 1


def period(start_s, limit, phases=None):
    more = "" if phases is None else ',"numberPhases":%d' % phases
    return '{"startPeriod":%d,"limit":%s%s}' % (start_s, limit, more)


def text(id=1, level=0, purpose="TxDefaultProfile", kind="Absolute", more="", schedule=NOW,
         schedule_id=None, periods=("16",)):  # fmt: skip
    """A profile as JSON, in the order in which a report has its fields. periods: limits, a minute
    apart, or whole ones."""
    periods = [period(60 * i, one) if one[0] != "{" else one for i, one in enumerate(periods)]
    schedule_id = id if schedule_id is None else schedule_id
    return PROFILE % (id, level, purpose, kind, more, schedule_id, schedule, ",".join(periods))


class Unit:
    """requests.Requests and the Outbox, as far as they are asked."""

    refused = False

    def __init__(self, world):
        self.station, self.log = world.station, world.said.append
        self.rpc = self.outbox = self
        self.after = None
        self.tales, self.told = [], []
        self.answers = True

    def notify(self):
        pass

    async def ask(self, action, payload):
        if self.answers:
            self.told.append(json.loads("".join(payload())))
            return {}
        return None

    def set(self, p, evse=0):
        return asyncio.run(self.put(p, evse))

    def put(self, p, evse):
        payload = {"evseId": evse, "chargingProfile": json.loads(p)}
        return smart_charging.SetChargingProfile(self, payload)

    def report(self, **criterion):
        """The texts of the messages that follow GetChargingProfiles."""
        return ["".join(payload()) for _, payload in self.get(**criterion)]

    def get(self, **criterion):
        payload = {"requestId": 7, "chargingProfile": criterion}
        answer = smart_charging.GetChargingProfiles(self, payload)
        assert answer["status"] == "Accepted" and not self.tales, answer
        self.after()
        return profile_reports.told(*self.tales.pop()[3])


def there_and_back(*ps, evse=0):
    """Each of them alone is reported as it is, also after a power cut."""
    world = World()
    for p in ps:
        unit = Unit(world)
        assert unit.set(p, evse)["status"] == "Accepted", (p, world.said)
        head = '{"requestId":7,"evseId":%d,"chargingLimitSource":"CSO","chargingProfile":[' % evse
        assert unit.report() == [head + p + "]}"], unit.report()
        world.boot()
        assert Unit(world).report() == [head + p + "]}"]
        smart_charging.ClearChargingProfile(Unit(world), {})


def test_what_was_installed_is_what_is_reported():
    weekly = ',"recurrencyKind":"Weekly"'
    valid = ',"validFrom":"2020-01-01T00:00:00Z","validTo":"2054-01-10T13:37:03Z"'
    old = ',"validFrom":"0001-01-01T00:00:00Z","validTo":"9999-12-31T23:59:59Z"'
    there_and_back(
        text(),
        text(id=-BIG - 1, schedule_id=BIG, level=15),
        text(kind="Recurring", more=weekly + valid),
        text(kind="Recurring", more=weekly, schedule=',"startSchedule":"1969-12-31T23:59:59Z"'),
        text(kind="Relative", more=weekly + old, schedule=""),
        text(more=old, schedule=NOW + ',"duration":%d,"minChargingRate":0.1' % BIG),
        text(schedule=NOW + ',"duration":0,"minChargingRate":0'),
        text(purpose="ChargingStationMaxProfile"),
        text(periods=[period(0, "16", 1), period(BIG, "1", 3), period(BIG + 1, "0")]),
        text(
            schedule=',"startSchedule":"1999-12-31T23:59:59Z","duration":999999999',
            periods=[period(0, "1"), period(9, "2.5"), period(700000000, "3", 2)],
        ),
    )


def test_every_tenth():
    """96 at a time, also where a float has four bytes."""
    ps = []
    for first in (0, 96, 192, 288, 36700, 220000):
        limits = ["%d.%d" % (n // 10, n % 10) if n % 10 else "%d" % (n // 10)
                  for n in range(first, first + 96)]  # fmt: skip
        ps.append(text(periods=limits))
    there_and_back(*ps)


def test_a_report_is_split_by_evse_and_by_length():
    world = World(2, blocks=128)
    unit = Unit(world)
    full = [str(i % 30) for i in range(96)]
    for i in range(20):
        p = text(id=i, level=i % 16, kind="Relative", schedule="", periods=full[: 96 - 4 * i])
        assert unit.set(p, 1 + i // 16)["status"] == "Accepted", world.said
    told = [json.loads(one) for one in unit.report()]
    assert [one.get("tbc", False) for one in told] == [True] * (len(told) - 1) + [False]
    assert {one["requestId"] for one in told} == {7}
    assert [one["evseId"] for one in told] == sorted([one["evseId"] for one in told])
    ids = [p["id"] for one in told for p in one["chargingProfile"]]
    assert sorted(ids) == list(range(20))
    sizes = [len(one) for one in unit.report()]
    assert max(sizes) < 7168 and 4 < len(sizes) < 20, sizes


def test_a_message_takes_the_memory_of_its_records():
    """4 KB at most, of the longest profile that there is."""
    world = World(blocks=64)
    unit = Unit(world)
    limits = [period(3600 * i, "4194.9", 3) for i in range(96)]
    unit.set(text(periods=limits, more=',"validTo":"9999-12-31T23:59:59Z"'))
    messages = unit.get()
    world.store.trim()
    gc.collect()
    before = most = gc.mem_alloc()
    _, payload = next(messages)
    for _ in payload():
        gc.collect()
        most = max(most, gc.mem_alloc())
    print("%d bytes" % (most - before))
    assert list(messages) == []
    if sys.maxsize == 2**31 - 1:
        assert most - before <= 4096


def test_what_is_cleared_meanwhile_is_not_told():
    world = World(2)
    unit = Unit(world)
    for id, evse in ((1, 0), (2, 1), (3, 2)):
        unit.set(text(id=id, level=id), evse)
    messages = unit.get()
    next(messages)
    smart_charging.ClearChargingProfile(unit, {"chargingProfileId": 3})
    _, payload = next(messages)
    assert '"id":2' in "".join(payload()) and "tbc" not in "".join(payload())
    assert list(messages) == []
    smart_charging.ClearChargingProfile(unit, {})
    assert list(profile_reports.told(unit.station, 1, [0x10000])) == []


async def test_a_report_is_told_to_its_end():
    """Each message until it is answered; 4 reports at a time."""
    world = World(2)
    unit = Unit(world)
    for id, evse in ((1, 0), (2, 1), (3, 2)):
        await unit.put(text(id=id, level=id), evse)
    unit.tales = [[unit.get(), None]]
    unit.answers = False
    await jobs.go_on(unit, [])
    unit.answers = True
    for n in range(1, 4):
        await jobs.go_on(unit, [])
        assert [one["evseId"] for one in unit.told] == list(range(n)), unit.told
    await jobs.go_on(unit, [])
    assert unit.tales == []
    unit.tales = [[iter(()), None]] * 4
    asked = {"requestId": 7, "chargingProfile": {}}
    assert (
        raises(CallError, smart_charging.GetChargingProfiles, unit, asked).code == "GenericError"
    )


def test_reports_that_wait_cost_no_more_than_their_requests():
    unit = Unit(World())
    unit.set(text(id=1))

    def ask():
        payload = {"requestId": 7, "chargingProfile": {}}
        assert smart_charging.GetChargingProfiles(unit, payload)["status"] == "Accepted"
        unit.after()
        gc.collect()
        return gc.mem_alloc()

    first, _, _, last = [ask() for _ in range(4)]
    assert len(unit.tales) == 4 and last - first < 8192, last - first


def test_ids_that_no_record_can_keep():
    unit = Unit(World())
    for p in (text(id=BIG + 1), text(schedule_id=-BIG - 2)):
        assert raises(CallError, unit.set, p).code == "PropertyConstraintViolation"
    assert unit.station.store.count() == 0


def test_a_profile_that_is_not_believed_is_reported_as_what_holds():
    """6 A in its place (docs/storage.md)."""
    world = World()
    Unit(world).set(text(id=9, level=3), 1)
    with open("/flash/profiles/1-1-3", "r+b") as f:
        f.write(b"x")
    world.boot()
    (message,) = Unit(world).report()
    (told,) = json.loads(message)["chargingProfile"]
    (one,) = told["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert (told["stackLevel"], one) == (3, {"startPeriod": 0, "limit": 6})
    assert Unit(world).set(text(id=9, level=3), 1) == {"status": "Accepted"}
    assert world.store.records[0][profile.SEQUENCE]  # (no stand-in)
