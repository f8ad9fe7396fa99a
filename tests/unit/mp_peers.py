"""Failures that users of other stacks live with, here as tests, as far as they concern charging/.
The rest lies with sessions, electrical and the link."""

from flash import FOLDER, Flash, mount, read, write
from oracle import DAY, PURPOSES, WEEK, P, T, composite, record, shows

from firmware.charging import profile
from firmware.charging.limits import OCPP, Limits, share
from firmware.charging.schedule import NONE, Evaluator
from firmware.charging.store import MAX_PROFILES, Store
from firmware.clock import parse_iso

HEAP = "1M"

TX, DEFAULT, MAX = PURPOSES
FAR = 0x3FFFFFFF
UNKNOWN = -631152000 + 500  # the clock of a board that was never set


class Unit:
    """A charger's store and evaluator, on a flash that outlives the power."""

    def __init__(self, *profiles):
        self.flash = Flash(64)
        self.boot()
        for i, p in enumerate(profiles):
            p["id"] = p["id"] or 100 + i
            self.store.put(record(p))

    def boot(self, known=True):
        mount(self.flash)
        self.store = Store(FOLDER, print)
        self.ev = Evaluator(self.store)
        self.ev.known = known

    def limit(self, t, tx_start=None, running=True, connector=1):
        self.ev.at(connector, t, t if tx_start is None else tx_start, running)
        self.store.trim()
        return self.ev.limit

    def composite(self, length, tx=None, unit=0, x=T):
        start, runs = [x, x if tx is None else tx], [False, tx is not None]
        return composite(self.ev, (1,), x, length, start, runs, [0, 320], unit, 96)


def test_01_an_earlier_change_is_not_overwritten_by_a_later_one():
    """16 A -> 6 A in 60 s; beside it what changes later, at every level and purpose."""
    step = P(DEFAULT, 5, (0, 160), (60, 60), (7200, 100))
    others = [
        P(TX, 9, (0, 320), start=T + 3600),
        P(TX, 8, (0, 320), valid_from=T + 600),
        P(DEFAULT, 9, (0, 320), start=T + 900),
        P(DEFAULT, 3, (0, 50), (30, 40), (90, 30)),
        P(DEFAULT, 5, (0, 320), (10, 300), connector=0),
        P(MAX, 7, (0, 250), start=T + 1800),
        P(MAX, 2, (0, 320), (300, 310)),
    ]
    for i in range(len(others) + 1):
        unit = Unit(*(others[i:] + [step] + others[:i]))
        assert unit.limit(T) == 160 and unit.ev.until == T + 60
        assert unit.limit(T + 60) == 60
        assert unit.composite(70, tx=T)[:6] == [0, 160, 0, 60, 60, 0]


def test_01_the_pilot_and_the_composite_never_differ():
    """A limit task that sleeps until `until` shows at every second what the composite said."""
    unit = Unit(
        P(TX, 0, (0, 320), (50, 80), kind="Relative", start=None, duration=90),
        P(DEFAULT, 3, (0, 130), (40, 70), valid_to=T + 200),
        P(DEFAULT, 1, (0, 100), (7, 90), kind="Recurring", recurrency="Daily", duration=300),
        P(MAX, 0, (0, 320), (20, 120), (60, 320)),
    )
    out = unit.composite(400, tx=T - 10)
    shown, due, i = None, T, 0
    for s in range(400):
        if T + s >= due:
            shown = unit.limit(T + s, T - 10)
            shown = 320 if shown == NONE else shown
            due = unit.ev.until
        while i + 4 < len(out) and out[i + 3] <= s:
            i += 3
        assert out[i + 1] == shown, (s, out)
    assert len(out) > 15, out


def test_02_valid_to_is_an_instant_to_wake_at():
    for purpose in PURPOSES:
        unit = Unit(P(purpose, 0, (0, 60), valid_to=T + 43200))
        assert unit.limit(T) == 60 and unit.ev.until == T + 43200
        assert unit.limit(T + 43199) == 60
        assert unit.limit(T + 43200) == NONE and unit.ev.until == FAR


def test_03_min_charging_rate_does_not_raise_a_pause():
    unit = Unit()
    pause = profile.pack(
        1, 1, 0, profile.TX_DEFAULT, profile.ABSOLUTE, ((0, 0, 0),), start=0, min_rate=80
    )
    unit.store.put(pause)
    assert unit.limit(T) == 0
    assert unit.composite(10) == [0, 0, 0, 10]


def test_04_the_highest_level_survives_a_reboot():
    unit = Unit(P(DEFAULT, profile.MAX_LEVEL, (0, 60)), P(DEFAULT, 0, (0, 160)))
    unit.boot()
    assert unit.limit(T) == 60 and profile.level(unit.ev.winner) == profile.MAX_LEVEL


def test_05_replacing_works_when_as_many_as_can_be_are_installed():
    unit = Unit(
        *[P(DEFAULT, i % 16, (0, 100 + i), connector=i // 16) for i in range(MAX_PROFILES)]
    )
    p = P(DEFAULT, 15, (0, 77), id=9999)
    for _ in range(2):
        unit.store.put(record(p))
        assert len(unit.store.records) == MAX_PROFILES
        assert unit.limit(T) == 77
        unit.boot()
        assert len(unit.store.records) == MAX_PROFILES and unit.limit(T) == 77
        p = P(DEFAULT, 15, (0, 77), id=9998)


def test_06_a_limit_before_anybody_answers_and_before_the_clock_is_set():
    unit = Unit(P(MAX, 3, (0, 200), (3600, 60), (7200, 160)))
    unit.boot(known=False)
    assert unit.limit(UNKNOWN) == 60
    unit.boot(known=True)  # a clock that survived
    assert unit.limit(T) == 200


def test_07_offsets_are_honoured():
    local, utc = parse_iso("2025-06-11T12:00:00+02:00"), parse_iso("2025-06-11T10:00:00Z")
    assert local == utc == T
    unit = Unit(P(DEFAULT, 0, (0, 60), start=parse_iso("2025-06-11T09:00:10-01:00")))
    assert unit.limit(T + 9) == NONE and unit.limit(T + 10) == 60


def test_07_dates_from_2038_on():
    unit = Unit(
        P(DEFAULT, 0, (0, 60), valid_to=parse_iso("2099-12-31T23:59:59Z")),
        P(DEFAULT, 1, (0, 70), start=parse_iso("2038-01-19T03:14:08Z"), duration=10),
    )
    unit.boot()
    t = parse_iso("2038-01-19T03:14:08Z")
    assert [unit.limit(t + s) for s in (-1, 0, 9, 10)] == [60, 70, 70, 60]
    assert unit.limit(parse_iso("2053-06-01T00:00:00Z")) == 60


def test_08_no_profile_is_the_hardware_never_minus_one():
    unit = Unit()
    assert unit.composite(60) == [0, 320, 0, 60]
    assert unit.composite(60, unit=1) == [0, 220800, 0, 60]


def test_08_a_profile_in_watts_is_told_in_amps_and_the_other_way():
    unit = Unit(P(DEFAULT, 0, (0, 110400), unit="W"))
    assert unit.composite(60) == [0, 160, 0, 60]
    unit = Unit(P(DEFAULT, 0, (0, 160)))
    assert unit.composite(60, unit=1) == [0, 110400, 0, 60]


def test_09_equal_neighbours_are_merged():
    unit = Unit(
        P(DEFAULT, 1, (0, 60), (60, 100), (120, 60), duration=180),
        P(DEFAULT, 0, (0, 60), (200, 60), (300, 60)),
        P(MAX, 0, (0, 60), (400, 90)),
    )
    assert unit.composite(1000) == [0, 60, 0, 1000]


def test_10_looking_does_not_touch():
    daily = {"kind": "Recurring", "recurrency": "Daily", "start": T - 7200}
    unit = Unit(P(DEFAULT, 1, (0, 160), (3600, 60), (10800, 90), **daily))
    disk = read("1-1-1")
    first = [unit.limit(T + s) for s in range(0, DAY, 600)]
    whole = [bytes(unit.store.whole(w)) for w in unit.store.records]
    unit.composite(10 * DAY)
    for day in range(1, 4):
        assert [unit.limit(T + day * DAY + s) for s in range(0, DAY, 600)] == first, day
    assert [unit.limit(T + s) for s in range(0, DAY, 600)] == first
    assert [bytes(unit.store.whole(w)) for w in unit.store.records] == whole == [disk]
    assert read("1-1-1") == disk


def test_11_a_daily_evening_is_not_in_force_in_the_morning():
    start = parse_iso("2025-06-01T20:00:00Z")
    evening = {"kind": "Recurring", "recurrency": "Daily", "start": start, "duration": 4 * 3600}
    unit = Unit(P(DEFAULT, 0, (0, 60), **evening))
    for hour in range(24):
        t = parse_iso("2025-06-11T%02d:30:00Z" % hour)
        assert unit.limit(t) == (60 if hour >= 20 else NONE), hour


def test_12_the_ceiling_survives_every_reboot():
    unit = Unit(P(MAX, 0, (0, 200), (100, 60), kind="Relative", start=T))
    for s, wanted in ((0, 200), (99, 200), (100, 60), (10 * DAY, 60)):
        unit.boot()
        assert unit.limit(T + s) == wanted


def test_13_recurring_works_on_every_day():
    daily = {"kind": "Recurring", "recurrency": "Daily", "start": T, "duration": 60}
    unit = Unit(P(DEFAULT, 0, (0, 60), **daily))
    for day in (0, 1, 2, 30, 365, 9999):
        assert [unit.limit(T + day * DAY + s) for s in (-1, 0, 59, 60)][1:] == [60, 60, NONE], day
    assert unit.limit(T - 1) == NONE


def test_13_no_stale_limit_after_a_clear():
    unit = Unit(P(DEFAULT, 1, (0, 60)), P(DEFAULT, 0, (0, 100)))
    assert unit.limit(T) == 60
    unit.store.remove(unit.store.records[0])
    assert unit.limit(T) == 100
    unit.store.remove(unit.store.records[0])
    assert unit.limit(T) == NONE and unit.ev.winner is None
    unit.boot()
    assert unit.limit(T) == NONE


def test_13_amps_and_watts_are_not_compared_as_numbers():
    unit = Unit(P(DEFAULT, 0, (0, 100)), P(MAX, 0, (0, 41400), unit="W"))
    assert unit.limit(T) == 60
    unit = Unit(P(DEFAULT, 0, (0, 300)), P(MAX, 0, (0, 2), unit="W"))
    assert unit.limit(T) == 0


def test_13_no_number_of_changes_makes_it_refuse():
    unit = Unit()
    for i in range(1500):
        unit.store.put(record(P(DEFAULT, i % 3, (0, 60 + i % 99), id=1 + i % 5)))
    unit.boot()
    assert len(unit.store.records) == 3 and unit.flash.misused == 0


def test_14_weekly_works_on_every_weekday():
    weekly = {"kind": "Recurring", "recurrency": "Weekly", "start": T - 50 * WEEK}
    unit = Unit(P(DEFAULT, 0, *[(DAY * i, 60 + i) for i in range(7)], **weekly))
    for day in range(21):
        assert unit.limit(T + day * DAY + 5) == 60 + day % 7


def test_14_the_ceiling_shows_in_the_composite():
    unit = Unit(P(MAX, 0, (0, 100), (30, 200)))
    assert unit.composite(60) == [0, 100, 0, 30, 200, 0, 60]


def test_14_the_change_of_clocks_moves_nothing():
    start = parse_iso("2025-10-24T22:00:00+02:00")
    unit = Unit(P(DEFAULT, 0, (0, 60), kind="Recurring", recurrency="Daily", start=start))
    unit.limit(parse_iso("2025-10-26T12:00:00Z"))
    shows(
        [P(DEFAULT, 0, (0, 60), kind="Recurring", recurrency="Daily", start=start, duration=600)],
        DAY,
        [[0, 60], [600, 320]],
        x=parse_iso("2025-10-26T20:00:00Z"),
    )


def test_15_a_default_for_all_does_not_overwrite_a_connectors_own():
    for order in (1, -1):
        both = [P(DEFAULT, 3, (0, 60)), P(DEFAULT, 3, (0, 160), connector=0)][::order]
        unit = Unit(*both)
        for _ in range(2):
            assert unit.limit(T) == 60 and unit.limit(T, connector=2) == 160
            unit.boot()
        unit.store.remove([w for w in unit.store.records if profile.connector(w)][0])
        assert unit.limit(T) == 160


def test_15_a_step_takes_effect_at_its_second():
    unit = Unit(P(DEFAULT, 3, (0, 160), (17, 60)))
    assert unit.limit(T) == 160 and unit.ev.until == T + 17
    assert unit.limit(T + 16) == 160 and unit.limit(T + 17) == 60


def test_16_ceilings_stack_they_are_not_all_minimised():
    unit = Unit(P(MAX, 5, (0, 200), duration=60), P(MAX, 1, (0, 60)))
    assert unit.limit(T) == 200 and unit.limit(T + 60) == 60


def test_16_relative_keeps_its_origin_over_a_reboot():
    unit = Unit(
        P(DEFAULT, 0, (0, 160), (600, 60), kind="Relative", start=None),
        P(MAX, 0, (0, 320), (1200, 50), kind="Relative", start=T),
    )
    unit.boot()
    assert [unit.limit(T + s, tx_start=T) for s in (599, 600, 1199, 1200)] == [160, 60, 60, 50]


def test_17_less_than_six_amps_never_becomes_six():
    for tenths in (0, 1, 45, 59):
        unit = Unit(P(DEFAULT, 0, (0, tenths)))
        limits = Limits(32000)
        limits.put(OCPP, 100 * unit.limit(T))
        limits.resolve(T)
        assert limits.value_mA == 100 * tenths and limits.limit_mA == 100 * tenths
        out = [7]
        share(limits.value_mA, [32000], out)
        assert out == [0]


def test_17_a_tenth_of_an_amp_is_not_lost():
    for tenths in (61, 65, 99, 161):
        assert Unit(P(DEFAULT, 0, (0, tenths))).composite(9) == [0, tenths, 0, 9]


def test_18_another_version_of_the_firmware_deletes_no_profile():
    unit = Unit(P(DEFAULT, 0, (0, 160)), P(MAX, 0, (0, 200)))
    old = read("1-1-0"), read("0-2-0")
    new = bytearray(old[0])
    new[2] += 1  # the layout of a later firmware, and back to this one
    write("1-1-0", new)
    unit.boot()
    assert unit.limit(T) == 60, "until the later firmware is back"
    assert read("1-1-0") == new and read("0-2-0") == old[1]
    write("1-1-0", old[0])
    unit.boot()
    assert unit.limit(T) == 160
