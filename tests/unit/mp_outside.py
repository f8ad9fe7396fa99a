"""station.outside, station.impose, electrical.dim: limits from outside the Central System hold,
end, fall to their safe value, outlive the power, and are told once."""

import json
import os

import flash
from rig import raises, seeded
from world import T0, World, record

from firmware.charging import limits, profile
from firmware.charging.limits import SOURCES
from firmware.electrical import pilot
from firmware.electrical.dim import Contact
from firmware.ocpp import jobs
from firmware.ocpp.v16 import messages as v16
from firmware.ocpp.v201 import external
from firmware.ocpp.v201 import messages as v201
from firmware.station import outside

HEAP = "1M"

FILE = "/flash/auth/outside"


def world(connectors=1, **more):
    w = World(connectors, **more)
    os.mkdir("/flash/auth")
    return w


def boots(w, t=None):
    """After a power cut; as build.py does it."""
    w.boot(t)
    if "outside" in os.listdir("/flash/auth"):
        outside.load(w.station)
    return w.ready()


def says(w, line, ms=100):
    w.station.impose(line)
    w.poll(ms)
    return may(w)


def may(w):
    """What each connector may take, in A, by whose word."""
    out = []
    for c in w.cs:
        mA, source = w.station.sharing.limit_mA(c), w.station.sharing.why(c)[0]
        out.append((None, None) if mA is None else (mA / 1000, SOURCES.split()[source]))
    return out if len(out) > 1 else out[0]


def holds(w):
    there = w.station.sharing.outside
    return (
        [(x.source, x.number, x.limit_mA, x.until_s, x.safe_mA) for x in there.list]
        if there
        else []
    )


def test_a_limit_holds_until_its_end():
    w = world().ready()
    assert may(w) == (None, None)
    assert says(w, "10 for 60") == (10, "EMS")
    w.poll(59000)
    assert may(w) == (10, "EMS")
    w.poll(2000)
    assert may(w) == (None, None) and holds(w) == []
    assert says(w, "10") == (10, "EMS")
    w.poll(100000)
    assert says(w, "off") == (None, None)


def test_who_falls_silent_falls_to_the_safe_value():
    w = world().ready()
    for _ in range(3):
        assert says(w, "16 for 60 else 6", 50000) == (16, "EMS")
    w.poll(11000)
    assert may(w) == (6, "EMS") and "silent" in w.said[-1], w.said
    w.poll(3600000)
    assert may(w) == (6, "EMS")
    assert says(w, "16 for 60 else 6") == (16, "EMS")
    assert says(w, "off") == (None, None)


def test_the_lowest_of_all_of_them():
    w = world().ready()
    says(w, "16")
    assert says(w, "12 by grid") == (12, "Grid")
    assert says(w, "14 by other") == (12, "Grid")
    assert says(w, "10 at 1") == (10, "EMS")
    assert says(w, "11 at 1") == (11, "EMS")  # (in the place of the one before)
    assert says(w, "off at 1") == (12, "Grid")
    assert says(w, "off by grid") == (14, "Other")
    w.install(record(8, profile.TX_DEFAULT), 100)
    w.charge()
    assert may(w) == (8, "Profiles")


def test_all_of_them_share_the_limit_of_the_station():
    """As a ceiling is; what is for one is that one's alone."""
    w = world(2).ready()
    for c in w.cs:
        w.charge("TAG%d" % c.number, c)
    says(w, "20")
    assert [c.allow_mA for c in w.cs] == [10000, 10000]
    assert may(w) == [(10, "EMS"), (10, "EMS")]
    says(w, "6 at 1")
    w.poll(3000)
    assert [c.allow_mA for c in w.cs] == [6000, 14000]
    w.install(record(18, profile.CEILING), 3000)  # the lower one counts
    assert [c.allow_mA for c in w.cs] == [6000, 12000]
    assert may(w) == [(6, "EMS"), (12, "Profiles")]
    says(w, "11")
    assert [c.allow_mA for c in w.cs] == [6000, 0]  # (two need 12)
    says(w, "off")
    w.poll(3000)
    assert [c.allow_mA for c in w.cs] == [6000, 12000]


def test_the_sum_stays_below_it_at_random():
    rng = seeded("outside")
    w = world(3).ready()
    for c in w.cs:
        w.charge("TAG%d" % c.number, c)
    whole = {}
    for _ in range(200):
        by = rng.choice(("ems", "grid", "other"))
        if rng.choice((True, False)):
            whole[by] = rng.choice((0, 5, 6, 11, 17, 18, 30, 64))
            w.station.impose("%d by %s" % (whole[by], by))
        else:
            whole.pop(by, None)
            w.station.impose("off by " + by)
        w.poll(rng.choice((100, 200, 1000)))
        drawn = [c.allow_mA for c in w.cs]
        assert sum(drawn) <= 1000 * min(list(whole.values()) + [96]), (whole, drawn)


# Over power cuts


def test_a_limit_outlives_the_power():
    w = world().ready()
    says(w, "10 until 2026-11-20T18:00:00Z critical")
    says(w, "8 for 60 else 7 by other")
    for _ in range(2):
        boots(w)
        assert may(w) == (7, "Other"), holds(w)  # (whether it goes on speaking nobody knows)
        assert w.station.sharing.outside.list[0].critical
    says(w, "off by other")
    assert may(w) == (10, "EMS")
    w.time.pass_ms(7 * 3600000)
    boots(w)
    assert may(w) == (None, None)


def test_without_the_time_it_holds_as_long_as_it_may_have_to():
    w = world().ready()
    says(w, "10 for 3600")
    w.clock.note(1)
    boots(w, -631152000)
    assert not w.clock.known() and may(w) == (10, "EMS")
    w.poll(3500000)
    assert may(w) == (10, "EMS")
    w.poll(3 * 200000)  # (by now it is over for certain)
    assert may(w) == (None, None)
    says(w, "9 for 3600")
    w.told(T0 + 86400, 100)  # it ends after that time, whatever the clock says
    assert may(w) == (9, "EMS")
    w.poll(3500000)
    assert may(w) == (9, "EMS")
    w.poll(110000)
    assert may(w) == (None, None)


def test_a_safe_value_above_the_limit_is_none_after_a_power_cut():
    w = world().ready()
    assert says(w, "8 for 60 else 20") == (8, "EMS")
    boots(w)
    w.poll(3600000)
    assert may(w) == (8, "EMS")


def test_what_a_restart_brings_back_is_in_the_log():
    w = world().ready()
    says(w, "16 for 600 else 12")
    boots(w)
    assert "12000 mA, as before the restart" in str(w.said)


def test_what_is_damaged_counts_as_6_A():
    for text in ("{", "[[0,0]]x", '[[0,"a",1,1,1]]', "[[0,0,1]]", "[5]", "[[9,0,1,1,1]]",
                 "[[0,0,-1,1,1]]"):  # fmt: skip
        w = world()
        with open(FILE, "w") as f:
            f.write(text)
        boots(w)
        assert may(w) == (6, "EMS") and FILE in str(w.said), (text, w.said)
        says(w, "off")
        assert may(w) == (None, None)
        boots(w)
        assert may(w) == (None, None)


def test_a_connector_that_is_no_more():
    w = world(2).ready()
    says(w, "8 at 2")
    says(w, "9 at 1")
    w.n = 1
    boots(w)
    assert [one[:2] for one in holds(w)] == [(0, 1)] and may(w) == (9, "EMS")


def test_a_power_cut_at_any_moment_leaves_the_old_or_the_new():
    w = world().ready()
    says(w, "16 for 600 else 12")
    image = w.flash.data[:]
    for line, mA in (("16 for 600 else 6", 6), ("9", 9), ("20 for 600", 20), ("off", None)):
        seen = []
        for tear in (0, 4, 8):
            for cut in range(99):
                w.flash.restore(image)
                flash.mount(w.flash)
                boots(w)
                w.flash.on()
                w.flash.dies_at, w.flash.tear = cut, tear
                says(w, line)
                done = not w.flash.dead
                w.flash.on()
                flash.mount(w.flash)
                boots(w)
                seen.append(may(w)[0])
                assert seen[-1] in (12, mA), (line, tear, cut, seen)
                if done:
                    assert seen[-1] == mA
                    break
        assert 12 in seen and mA in seen and len(seen) > 4, (line, seen)


def test_energy_management_may_speak_all_the_time():
    """Each rise and each repeat is no write; what would allow too much after a power cut is."""
    w = world().ready()

    def speaks(line):
        """Half an hour, every second; -> mA and until_s of each file that was written."""
        written = []
        for i in range(1800):
            w.station.impose(line % (10 + i * 7 % 9))
            w.time.pass_ms(1000)
            for _ in range(10):
                w.station.sharing.outside.poll(w.clock.now())
            with open(FILE) as f:
                row = json.load(f)[0][2:4]
            if not written or row != written[-1]:
                written.append(row)
            one = w.station.sharing.outside.list[0]
            assert row[0] <= one.limit_mA and row[1] >= one.until_s, (i, row, one)
        return written

    assert speaks("%d for 60 else 6") == [[6000, 0x3FFFFFFF]]
    assert 12 < len(speaks("%d for 60")) < 25  # (its end moves)


def test_a_flash_that_refuses():
    """It holds until a restart, and that is said."""
    w = world().ready()
    os.mkdir(FILE)
    assert says(w, "10") == (10, "EMS") and FILE in w.said[-1], w.said
    assert says(w, "off") == (None, None)


# What is said


def test_what_is_wrong_with_it_is_said_and_changes_nothing():
    w = world(2).ready()
    says(w, "16")
    for line, why in (
        ("", "nothing: amperes"),
        ("ten", "ten: amperes"),
        ("-1", "-1: amperes"),
        ("1e3", "amperes"),
        ("10000", "amperes"),
        ("1000", "amperes"),
        ("10.1234", "amperes"),
        ("10 for", "for what?"),
        ("10 for 0", "1 to"),
        ("10 for ever", "1 to"),
        ("10 for 99999999", "1 to"),
        ("10 for 60 until 18:00", "not both"),
        ("10 for 60 for 60", "for?"),
        ("10 until 24:00", "no such time"),
        ("10 until noon", "a time is"),
        ("10 until 2026-11-20T11:00:00Z", "within a year"),
        ("10 else 6", "else goes with"),
        ("10 for 60 else x", "x: amperes"),
        ("10 at 3", "connector 3"),
        ("10 at one", "connector one"),
        ("10 by me", "by me"),
        ("10 please", "please?"),
        ("off for 60", "off goes with"),
        ("off critical", "off goes with"),
    ):
        said = str(raises(ValueError, w.station.impose, line))
        assert why in said, (line, said)
        assert [one.limit_mA for one in w.station.sharing.outside.list] == [16000]
    w.settings["outside"] = False
    assert "switched off" in str(raises(ValueError, w.station.impose, "10"))
    w.poll(100)
    assert holds(w) == []


def test_what_is_said():
    w = world(2).ready()
    said = w.station.impose
    assert said("10") == "all together: 10 A by energy management"
    assert said("6.1 until 18:00 else 6 at 2 by grid critical") == (
        "connector 2: 6.1 A by grid operator until 2026-11-20T18:00:00Z,"
        " then 6 A if it is not said again, critical"
    )
    assert "until 2026-11-21T12:00:00Z" in said("10 UNTIL 12:00")
    assert said("0a FOR 60 BY OTHER").startswith("all together: 0 A by another until")
    assert [x[2] for x in holds(w)] == [6100, 10000, 0]
    assert said("off at 2 by grid").startswith("it is over; all together: 10 A by energy manage")
    assert said("off at 2 by grid") == "connector 2: there is none by grid operator"
    assert said("off").startswith("it is over; all together: 0 A by another until")
    assert said("off by other") == "it is over; no limit from outside holds any more"
    assert said("off by other") == "all together: there is none by another"


def test_a_time_of_day_needs_a_clock():
    w = World(t=-631152000).ready()
    os.mkdir("/flash/auth")
    said = str(raises(ValueError, w.station.impose, "10 until 18:00"))
    assert said == "the clock is not set: for how many seconds?"
    assert says(w, "10 for 60") == (10, "EMS")


# What is told


class Unit:
    """The Outbox, as far as it is asked, in the language of `messages`."""

    refused = False
    who = "us"

    def __init__(self, w, messages=v201, schedules=False):
        self.station, self.messages, self.schedules = w.station, messages, schedules
        self.settings = self
        self.told, self.answers = [], True

    def value(self, setting):
        assert setting == "limit_schedules"
        return self.schedules

    def message(self, name, *args):
        return getattr(self.messages, name)(*args)

    async def ask(self, action, payload):
        payload = json.loads("".join(payload())) if callable(payload) else payload
        if self.answers:
            self.told.append((action, payload))
            return {}
        return None

    async def all(self):
        """What is told from now on."""
        self.told = []
        for _ in range(9):
            if not (self.station.sharing.outside and self.station.sharing.outside.news(self.who)):
                return self.told
            await jobs.limit(self, self.station.sharing.outside, self.who, [])
            if not self.answers:
                return []
        raise AssertionError("no end")


def notified(source="EMS", critical=False, **more):
    limit = {"chargingLimitSource": source, "isGridCritical": critical}
    return ("NotifyChargingLimit", dict(more, chargingLimit=limit))


def cleared(source="EMS", **more):
    return ("ClearedChargingLimit", dict(more, chargingLimitSource=source))


async def test_it_is_told_once():
    """K11.FR.02, K12.FR.02, K13.FR.02: what changes by more than LimitChangeSignificance."""
    w = world(2, significance_permille=100).ready()
    u = Unit(w)
    says(w, "10 for 600 else 6")
    assert await u.all() == [notified()]
    says(w, "11 for 600 else 6")
    assert await u.all() == []
    says(w, "11.1 for 600 else 6 critical")
    assert await u.all() == [notified(critical=True)]
    says(w, "12.3 for 600 else 6 critical")
    assert await u.all() == [notified(critical=True)]
    says(w, "8 at 2 by grid")
    says(w, "7 by other")
    assert await u.all() == [notified("SO", evseId=2), notified("Other")]
    w.poll(601000)
    assert await u.all() == [notified(critical=True)]  # (its safe value)
    for line in ("off", "off at 2 by grid", "off by other"):
        says(w, line)
    told = [cleared(), cleared("SO", evseId=2), cleared("Other")]
    said = await u.all()
    assert len(said) == 3 and all([one in said for one in told]), said
    w.poll(8100000)  # (as long as it looks after how often the file is written)
    assert w.station.sharing.outside is None
    assert "outside" not in os.listdir("/flash/auth")


async def test_offline_only_what_still_holds_is_told_on_return():
    w = world().ready()
    u = Unit(w)
    says(w, "10")
    says(w, "off")
    assert await u.all() == []  # (it came and went)
    says(w, "10")
    assert await u.all() == [notified()]
    u.answers = False
    for line in ("12", "off", "9", "8", "7 by grid", "off by grid"):
        says(w, line)
        assert await u.all() == []
    u.answers = True
    assert await u.all() == [notified()]
    w.poll(3700000)
    says(w, "off")
    boots(w)  # its end is told after a power cut too
    u = Unit(w)
    assert await u.all() == [cleared()]
    says(w, "10")
    boots(w)
    u = Unit(w)
    assert await u.all() == [notified()]


async def test_another_central_system_hears_all_that_holds():
    w = world().ready()
    u = Unit(w)
    says(w, "10")
    says(w, "12 by grid")
    assert len(await u.all()) == 2 and await u.all() == []
    u.who = "others"
    says(w, "off")
    assert await u.all() == [notified("SO")]


async def test_1_6_has_no_words_for_it():
    w = world().ready()
    u = Unit(w, v16)
    says(w, "10")
    assert await u.all() == [] and w.station.sharing.outside.news("us") is None
    says(w, "off")
    assert await u.all() == []


async def test_with_schedules_it_is_told_as_it_was_said():
    """K11.FR.03, K12.FR.03."""
    w = world().ready()
    u = Unit(w, schedules=True)
    since = "2026-11-20T12:00:01Z"
    schedule = {"id": -10, "startSchedule": since, "chargingRateUnit": "A"}
    for line, more, periods in (
        ("10.55", {}, [(0, 10.5)]),
        ("9 for 60", {"duration": 60}, [(0, 9)]),
        ("8 for 60 else 6.1", {}, [(0, 8), (60, 6.1)]),
    ):
        w.station.impose(line)
        ((action, told),) = await u.all()
        periods = [{"startPeriod": s, "limit": a} for s, a in periods]
        assert told["chargingSchedule"] == [dict(schedule, chargingSchedulePeriod=periods, **more)]


def test_as_a_profile():
    """Of every criterion; no Central System has installed it."""
    w = world(2).ready()
    for line in ("10 for 60", "9 at 2", "8 by grid", "7 at 1 by other"):
        w.station.impose(line)
    there = w.station.sharing.outside
    every = [-10, -12, -20, -31]
    for criterion, number, ids in (
        ({}, None, every),
        ({}, 0, [-10, -20]),
        ({}, 2, [-12]),
        ({"chargingProfileId": [-12, 5, -20]}, None, [-12, -20]),
        ({"chargingProfileId": [5]}, None, []),
        ({"chargingLimitSource": ["EMS"]}, None, [-10, -12]),
        ({"chargingLimitSource": ["CSO", "SO", "Other"]}, None, [-20, -31]),
        ({"chargingLimitSource": ["CSO"]}, None, []),
        ({"stackLevel": 0}, None, every),
        ({"stackLevel": 1}, None, []),
        ({"chargingProfilePurpose": "TxProfile"}, None, []),
        ({"chargingProfilePurpose": "ChargingStationExternalConstraints"}, None, every),
    ):
        found = external.wanted(there, criterion, number)
        told = [json.loads("".join(external.report(one, 7, True))) for one in found]
        assert [one["chargingProfile"][0]["id"] for one in told] == ids, (criterion, told)
    assert told[0] == {
        "requestId": 7,
        "evseId": 0,
        "chargingLimitSource": "EMS",
        "tbc": True,
        "chargingProfile": [
            {
                "id": -10,
                "stackLevel": 0,
                "chargingProfilePurpose": "ChargingStationExternalConstraints",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": [
                    {
                        "id": -10,
                        "startSchedule": "2026-11-20T12:00:01Z",
                        "duration": 60,
                        "chargingRateUnit": "A",
                        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
                    }
                ],
            }
        ],
    }
    assert [external.has(there, id) for id in (-10, -11, 10)] == [True, False, False]


# The grid operator's contact


def looks(dim, levels):
    """What `on` becomes, look by look, where it changes."""
    out = []
    for live in levels:
        dim.live = live
        if dim.changed():
            out.append(dim.on)
    return out


def test_a_contact_that_bounces():
    """Less soon, more when it was quiet for 5 s; noise is neither."""
    dim = Contact(6000)
    assert looks(dim, [None] * 99) == []
    assert looks(dim, [False] * 49) == [] and looks(dim, [False]) == [False]
    assert looks(dim, [True, True, False] * 99) == []
    assert looks(dim, [True] * 3) == [True]
    assert looks(dim, ([False] * 49 + [True]) * 9) == []
    assert looks(dim, [False] * 50) == [False]
    dim = Contact(6000)
    assert looks(dim, [True] * 3) == [True]


def contact(w, live):
    """The board has one; -> it, after a start."""
    w.boot()
    dim = Contact(6086)
    dim.live = live
    outside.load(w.station, dim)
    return dim


def test_the_contact_is_a_limit():
    w = world(2).ready()
    dim = contact(w, False)
    w.poll(6000)
    assert holds(w) == [] and may(w)[0] == (None, None)
    dim.live = True
    w.poll(400)
    assert may(w) == [(6.086, "Grid")] * 2
    (one,) = w.station.sharing.outside.list
    assert one.critical and one.number == 0 and one.until_s == 0x3FFFFFFF
    says(w, "off by grid")  # (that is another one's)
    assert may(w)[0] == (6.086, "Grid")
    w.settings["outside"] = False  # nor is it switched off
    w.poll(1000)
    assert may(w)[0] == (6.086, "Grid")
    dim = contact(w, None)
    w.poll(100)
    assert may(w)[0] == (6.086, "Grid")  # from the start on
    dim.live = False
    w.poll(6000)
    assert may(w)[0] == (None, None)
    assert w.said[-1] == "limit from outside, grid operator's contact: open"
    # a board that has none any more
    dim.live = True
    w.poll(1000)
    w.boot()
    outside.load(w.station)
    assert may(w)[0] == (None, None)


# The composite schedule


def composite(w, number, duration_s, rate=profile.AMPS):
    from firmware.station import profiles

    _, schedule = profiles.schedule(w.station, number, duration_s, rate)
    while profiles.compose(w.station, schedule):
        pass
    out = schedule.out
    return [(out[i], out[i + 1] / 10) for i in range(0, len(out), 3)]


def test_the_plan_says_who_decides_what():
    """A place in limits.SOURCES, or a profile; None: each connector by its own."""
    from firmware.station import profiles

    w = world(2).ready()

    def by(number):
        _, schedule = profiles.schedule(w.station, number, 300, profile.AMPS, apart=True)
        while profiles.compose(w.station, schedule):
            pass
        named = [x if type(x) is not type(schedule.out) else x[profile.ID] for x in schedule.by]
        return list(zip(list(schedule.out)[::3], named))

    HARDWARE, EMS, GRID = 0, limits.OUTSIDE, limits.OUTSIDE + 1
    assert by(1) == by(0) == [(0, HARDWARE)]
    w.station.impose("10 for 60 else 6 at 1")
    assert by(1) == [(0, EMS), (60, EMS)] and by(2) == [(0, HARDWARE)] and by(0)[0] == (0, None)
    w.station.impose("10 for 120 by grid")
    assert by(1) == [(0, EMS), (60, EMS)] and by(2) == [(0, GRID), (120, HARDWARE)]
    assert by(0) == [(0, GRID), (120, None)]
    w.install(record([(0, 10), (120, 9)], profile.TX_DEFAULT, 0), 100)
    id = w.station.store.records[0][profile.ID]
    assert by(2) == [(0, id), (120, id)], "a profile before what comes from outside"
    w.cs[1].limits.put(limits.INSTALLATION, 10000)
    w.cs[1].limits.put(limits.POLICY, 7000)
    w.cs[1].limits.resolve(0)
    assert by(2) == [(0, limits.INSTALLATION), (120, id)], "what holds just now is no plan"
    w.settings["composite_local"] = True
    assert by(2) == [(0, limits.POLICY)]


def test_it_counts_in_the_composite_schedule():
    w = world(2).ready()
    w.install(record([(0, 16), (120, 9)], profile.TX_DEFAULT, 0), 100)
    w.station.impose("10 for 60 else 6 at 1")
    assert composite(w, 1, 300) == [(0, 10), (60, 6)]
    assert composite(w, 2, 300) == [(0, 16), (120, 9)]
    assert composite(w, 0, 300) == [(0, 26), (60, 22), (120, 15)]
    w.station.impose("off at 1")
    w.station.impose("20 for 90")
    assert composite(w, 1, 300) == [(0, 16), (120, 9)]
    assert composite(w, 0, 300) == [(0, 20), (90, 32), (120, 18)]
    assert composite(w, 0, 60, profile.WATTS) == [(0, 20 * 690)]
    w.station.impose("8 for 90")
    assert composite(w, 1, 60, profile.WATTS) == [(0, 8 * 690)]
    assert composite(w, 1, 300) == [(0, 8), (90, 16), (120, 9)]


def test_what_it_says_is_what_it_does():
    """The composite is what each connector may take, second by second."""
    w = world().ready()
    w.install(record([(0, 16), (100, 9), (200, 20)], profile.TX_DEFAULT, 0), 100)
    w.charge()
    w.station.impose("12 for 150 else 7 by grid")
    w.station.impose("11 for 50")
    w.poll(1000)
    said = composite(w, 1, 300)
    for s in range(290):
        wanted = [a for t, a in said if t <= s][-1]
        mA = w.station.sharing.limit_mA(w.c)
        assert mA == wanted * 1000, (s, mA, said)
        w.poll(1000)
    assert w.c.state and w.electrics[0].state == pilot.C
