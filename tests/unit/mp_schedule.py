"""charging.schedule: what the profiles allow at an instant, after docs/smart-charging.md.

`shows` (profiles.py) holds the composite and at(), at every second, against the expectation.
(The worked examples of section 18: station_profiles::test_examples.)
"""

from profiles import (
    DAY,
    HARDWARE,
    PURPOSES,
    UNITS,
    WEEK,
    YEAR,
    P,
    T,
    composite,
    evaluator,
    same_period,
    shows,
    together,
)
from rig import HEAP_LOCKED

from firmware.charging import profile, schedule
from firmware.charging.composite import Composite
from firmware.charging.schedule import NONE
from firmware.clock import parse_iso

HEAP = "640K"
BOTH = True
CHIP = True

TX, DEFAULT, MAX = PURPOSES
FAR = 0x3FFFFFFF
UNKNOWN = -631152000 + 500  # the clock of a board that was never set


def limit(ev, t, connector=1, tx_start=None, running=True, unit="A"):
    ev.at(connector, t, t if tx_start is None else tx_start, running, UNITS.index(unit))
    return ev.limit


# Section 2: one profile


def test_when_one_profile_acts():
    # before its origin an absolute schedule imposes nothing
    shows([P(DEFAULT, 0, (0, 100), start=T + 50)], 100, [[0, 320], [50, 100]])
    # valid_from does not shift it; periods beyond the duration never start
    p = P(DEFAULT, 0, (0, 100), (600, 140), start=T - 550, valid_from=T + 20)
    shows([p], 100, [[0, 320], [20, 100], [50, 140]])
    p = P(DEFAULT, 0, (0, 100), (60, 200), (61, 300), duration=60)
    shows([p], 100, [[0, 100], [60, 320]])
    # the last period runs for ever without a duration
    ev = evaluator([P(DEFAULT, 0, (0, 100), (60, 200))])
    assert limit(ev, FAR - 1) == 200 and ev.until == FAR
    # a later one takes its turn
    later = P(DEFAULT, 2, (0, 120), valid_from=T + 3600)
    shows([later, P(DEFAULT, 0, (0, 250))], 4000, [[0, 250], [3600, 120]])
    # Relative counts from the transaction, whenever the profile comes
    for purpose in (TX, DEFAULT):
        p = P(purpose, 0, (0, 100), (500, 140), kind="Relative", start=None)
        shows([p], 200, [[0, 100], [100, 140]], tx=T - 400)


def test_every_kind_of_boundary_before_at_and_after():
    """(profile, instant, limit before, limit from then on)"""
    night = {"kind": "Recurring", "recurrency": "Daily", "start": T - 3 * DAY - 7200}
    week = {"kind": "Recurring", "recurrency": "Weekly", "start": T - 3 * WEEK - 7200}
    relative = {"kind": "Relative", "start": None}
    two = (0, 100), (600, 140)
    for p, at, before, after in (
        (P(DEFAULT, 0, *two), 0, NONE, 100),
        (P(DEFAULT, 0, *two), 600, 100, 140),
        (P(DEFAULT, 0, *two, duration=900), 900, 140, NONE),
        (P(DEFAULT, 0, *two, valid_from=T + 50), 50, NONE, 100),
        (P(DEFAULT, 0, *two, valid_from=T + 650), 650, NONE, 140),
        (P(DEFAULT, 0, *two, valid_to=T + 50), 50, 100, NONE),
        (P(DEFAULT, 0, *two, duration=60, valid_to=T + 60), 60, 100, NONE),
        (P(DEFAULT, 0, *two, **night), -7200, 140, 100),
        (P(DEFAULT, 0, *two, **night), -6600, 100, 140),
        (P(DEFAULT, 0, *two, duration=700, **night), -6500, 140, NONE),
        (P(DEFAULT, 0, *two, duration=700, **night), DAY - 7200, NONE, 100),
        (P(DEFAULT, 0, *two, duration=700, **night), -3 * DAY - 7200, NONE, 100),
        (P(DEFAULT, 0, *two, **week), -7200, 140, 100),
        (P(DEFAULT, 0, *two, duration=700, **week), -6500, 140, NONE),
        (P(DEFAULT, 0, *two, **relative), 900, 100, 140),
        (P(DEFAULT, 0, *two, duration=601, **relative), 901, 140, NONE),
        (P(TX, 0, *two, **relative), 900, 100, 140),
        (P(TX, 0, *two, valid_to=T + 50), 50, 100, NONE),
        (P(MAX, 0, *two), 600, 100, 140),
        (P(MAX, 0, *two, valid_to=T + 50), 50, 100, NONE),
    ):
        ev = evaluator([p])
        for s, wanted in ((at - 1, before), (at, after), (at + 1, after)):
            assert limit(ev, T + s, tx_start=T + 300) == wanted, (p, s)
            assert ev.until > T + s and (ev.winner is None) == (wanted == NONE), (p, s)
        limit(ev, T + at - 1, tx_start=T + 300)
        assert ev.until == T + at, (p, ev.until - T)


def test_equal_neighbours_are_merged():
    p = P(DEFAULT, 0, (0, 100), (10, 100), (20, 100, 1), (30, 100, 1), (40, 90, 1))
    shows([p], 60, [[0, 100], [20, 100, 1], [40, 90, 1]])
    ev = evaluator([p])
    limit(ev, T)
    assert ev.until == T + 20
    three = [
        P(DEFAULT, 1, (0, 60), (60, 100), (120, 60), duration=180),
        P(DEFAULT, 0, (0, 60), (200, 60), (300, 60)),
        P(MAX, 0, (0, 60), (400, 90)),
    ]
    shows(three, 1000, [[0, 60]])
    shows([P(DEFAULT, 1, (0, 60, 1), duration=9), P(DEFAULT, 0, (0, 60, 1))], 60, [[0, 60, 1]])


def test_ninety_six_periods():
    daily = {"kind": "Recurring", "recurrency": "Daily", "start": T - 30 * DAY}
    p = P(DEFAULT, 15, *[(900 * i, 60 + i % 7) for i in range(96)], **daily)
    shows([p], DAY, [[900 * i, 60 + i % 7] for i in range(96)])


def test_recurring_run_over_midnight():
    """20:00 to 04:00, asked at 23:59, at 02:00 and at 04:00."""
    start = parse_iso("2025-01-01T20:00:00Z")
    night = {"kind": "Recurring", "recurrency": "Daily", "start": start, "duration": 8 * 3600}
    p = [P(DEFAULT, 0, (0, 100), (14400, 120), **night)]
    midnight = parse_iso("2025-06-12T00:00:00Z")
    shows(p, 4 * 3600 + 120, [[0, 100], [60, 120], [14460, 320]], x=midnight - 60)
    shows(p, 7260, [[0, 120], [7200, 320]], x=midnight + 7200)
    shows(p, 7260, [[0, 320], [7200, 100]], x=midnight - 6 * 3600)


def test_recurring_duration_longer_than_the_recurrence_changes_nothing():
    daily = {"kind": "Recurring", "recurrency": "Daily", "start": T - 5 * DAY - 100}
    p = P(DEFAULT, 0, (0, 100), (60, 200), (DAY, 300), duration=3 * DAY, **daily)
    shows([p], DAY, [[0, 200], [DAY - 100, 100], [DAY - 40, 200]])


def test_weekly_on_every_day_of_the_week():
    start = parse_iso("2025-01-01T09:00:00Z")  # a Wednesday
    weekly = {"kind": "Recurring", "recurrency": "Weekly", "start": start, "duration": 6 * DAY}
    p = P(DEFAULT, 0, *[(DAY * i, 100 + i) for i in range(7)], **weekly)
    ev = evaluator([p])
    for week in (0, 1, 23, 1200):
        for day in range(7):
            for s in (0, 1, 43200, DAY - 1):
                t = start + week * WEEK + day * DAY + s
                assert limit(ev, t) == (NONE if day == 6 else 100 + day), (week, day, s)
    idle = start + 23 * WEEK - DAY
    shows([p], WEEK, [[0, 320]] + [[DAY * (i + 1), 100 + i] for i in range(6)], x=idle)


def test_daily_with_a_gap_falls_back_between_the_runs():
    daily = {"kind": "Recurring", "recurrency": "Daily", "start": T - 3600, "duration": 7200}
    both = [P(DEFAULT, 2, (0, 100), **daily), P(DEFAULT, 1, (0, 130))]
    shows(both, 2 * DAY, [[0, 100], [3600, 130], [82800, 100], [90000, 130], [169200, 100]])


# Section 17: the choices that concern the evaluator


def test_A01_a_level_that_is_over_or_not_begun_is_transparent():
    """TC_072 / TC_K_40: 150 s over 400 s."""
    both = [
        P(DEFAULT, 1, (0, 60), (50, 70), duration=150, valid_to=T + 1500),
        P(DEFAULT, 0, (0, 100), (80, 200), duration=400, valid_to=T + 1500),
    ]
    shows(both, 500, [[0, 60], [50, 70], [150, 200], [400, 320]])
    both[0]["start"] = T + 20
    shows(both, 500, [[0, 100], [20, 60], [70, 70], [170, 200], [400, 320]])


def test_A02_an_inactive_tx_profile_does_not_hide_the_default():
    default = P(DEFAULT, 0, (0, 130))
    for more, wanted in (
        ({"duration": 100}, [[0, 240], [100, 130]]),
        ({"start": T + 100}, [[0, 130], [100, 240]]),
        ({"valid_from": T + 100}, [[0, 130], [100, 240]]),
        ({"valid_to": T + 100}, [[0, 240], [100, 130]]),
    ):
        shows([P(TX, 3, (0, 240), **more), default], 200, wanted, tx=T - 5)


def test_A03_valid_to_is_outside_valid_from_inside():
    p = P(DEFAULT, 0, (0, 100), valid_from=T + 10, valid_to=T + 20)
    shows([p], 30, [[0, 320], [10, 100], [20, 320]])
    shows([P(DEFAULT, 0, (0, 100), valid_from=T + 10, valid_to=T + 10)], 30, [[0, 320]])
    shows([P(DEFAULT, 0, (0, 100), valid_from=T + 20, valid_to=T + 10)], 30, [[0, 320]])


def test_choices_of_a_line_each():
    """(the choice, the schedule's unit and its limit at 0 s and perhaps later, what else the
    profile says, the composite of 50 s)"""
    daily = {"kind": "Recurring", "recurrency": "Daily", "start": T + 20}
    weekly = {"kind": "Recurring", "recurrency": "Weekly", "start": T + 20}
    for choice, unit, periods, more, wanted in (
        ("A4", "A", [(0, 100)], daily, [[0, 320], [20, 100]]),
        ("A4", "A", [(0, 100)], weekly, [[0, 320], [20, 100]]),
        ("A14", "A", [(0, 100)], {"valid_to": T - 5}, [[0, 320]]),
        ("A14", "A", [(0, 100)], {"duration": 5, "start": T - 60}, [[0, 320]]),
        ("A14", "A", [(0, 100)], {"valid_to": 0}, [[0, 320]]),
        ("A20", "A", [(0, 0), (5, 60)], {"min_rate": 80}, [[0, 0], [5, 60]]),
        ("A23", "A", [(0, 100)], {"duration": 10}, [[0, 100], [10, 320]]),
        ("A24", "A", [(0, 400), (5, 100)], {}, [[0, 320], [5, 100]]),
        ("A24", "W", [(0, 9999990), (5, 110400)], {}, [[0, 320], [5, 160]]),
        ("A26", "A", [(0, 45), (5, 0), (8, 1)], {}, [[0, 45], [5, 0], [8, 1]]),
    ):
        print(choice)
        shows([P(DEFAULT, 0, *periods, unit=unit, **more)], 50, wanted)
    # A10: a composite of no length is one period
    shows([P(DEFAULT, 0, (0, 130), (1, 90))], 0, [[0, 130]])
    # A23: what no profile covers is the hardware; A24: in watts with the period's phases
    shows([], 1000, [[0, 320]])
    shows([], 1000, [[0, 220800]], unit="W")
    shows([P(DEFAULT, 0, (0, 400, 1))], 10, [[0, 73600, 1]], unit="W")
    # A27: with one connector the sum is that connector
    shows([P(MAX, 0, (0, 100)), P(DEFAULT, 0, (0, 160))], 10, [[0, 100]], connectors=(1,))
    # zero is a limit
    shows([P(DEFAULT, 0, (0, 0)), P(MAX, 0, (0, 100))], 10, [[0, 0]])
    shows([P(DEFAULT, 0, (0, 100)), P(MAX, 0, (0, 0), unit="W")], 10, [[0, 0]])


def test_A05_recurrence_is_exact_in_utc_over_the_change_of_clocks():
    start = parse_iso("2025-03-01T18:00:00+01:00")
    p = P(DEFAULT, 0, (0, 100), kind="Recurring", recurrency="Daily", start=start, duration=60)
    ev = evaluator([p])
    for day in ("2025-03-29", "2025-03-30", "2025-03-31", "2025-10-26", "2026-03-29"):
        assert limit(ev, parse_iso(day + "T17:00:00Z")) == 100
        assert limit(ev, parse_iso(day + "T16:00:00Z")) == NONE


def test_A06_absolute_without_start_counts_from_the_transaction():
    for purpose in (TX, DEFAULT):
        p = P(purpose, 0, (0, 100), (60, 140), start=None, duration=90)
        shows([p], 100, [[0, 100], [40, 140], [70, 320]], tx=T - 20)


def test_A07_relative_ceiling_counts_from_its_receipt():
    p = P(MAX, 0, (0, 100), (60, 140), kind="Relative", start=T - 20)
    shows([p], 100, [[0, 100], [40, 140]], tx=T - 5000)
    shows([p], 100, [[0, 100], [40, 140]])


def test_A10_duration_0_is_empty_not_endless():
    default = P(DEFAULT, 0, (0, 130))
    for more in (
        {},
        {"kind": "Relative", "start": None},
        {"kind": "Recurring", "recurrency": "Daily"},
    ):
        shows([P(DEFAULT, 1, (0, 0), duration=0, **more), default], 100, [[0, 130]])


def test_A11_own_profile_takes_the_place_of_the_common_one():
    both = [P(DEFAULT, 1, (0, 100)), P(DEFAULT, 1, (0, 200), connector=0)]
    shows(both, 50, [[0, 100]])
    both[0]["connector"] = 2
    shows(both, 50, [[0, 200]])


def test_A11_replaced_from_the_first_second_of_the_own_one():
    """Not before: a limit that is announced must not take away the one in force (A30)."""
    common = P(DEFAULT, 1, (0, 200), connector=0)
    for more in ({"start": T + 20}, {"valid_from": T + 20}):
        shows([P(DEFAULT, 1, (0, 100), **more), common], 50, [[0, 200], [20, 100]])
    over = P(DEFAULT, 1, (0, 100), start=T + 20, duration=10)
    shows([over, common], 50, [[0, 200], [20, 100], [30, 320]])
    lower = P(DEFAULT, 0, (0, 90), connector=0)
    shows([over, common, lower], 50, [[0, 200], [20, 100], [30, 90]])


def test_A11_a_higher_level_of_connector_0_beats_a_lower_own_one():
    both = [P(DEFAULT, 1, (0, 100)), P(DEFAULT, 2, (0, 200), connector=0, duration=30)]
    shows(both, 50, [[0, 200], [30, 100]])


def test_A18_watts_and_amps_in_one_combination():
    """16 A on one phase under a cap of 6900 W is 3680 W."""
    both = [P(DEFAULT, 0, (0, 160, 1)), P(MAX, 0, (0, 69000), unit="W")]
    shows(both, 10, [[0, 36800, 1]], unit="W")
    shows(both, 10, [[0, 100, 1]])
    shows([P(DEFAULT, 0, (0, 100)), P(MAX, 0, (0, 41400), unit="W")], 10, [[0, 60]])
    shows([P(DEFAULT, 0, (0, 300)), P(MAX, 0, (0, 2), unit="W")], 10, [[0, 0]])
    # watts become amps with the phases of their own period
    shows([P(DEFAULT, 0, (0, 36800, 1), unit="W")], 10, [[0, 160, 1]])
    shows([P(DEFAULT, 0, (0, 110400), unit="W")], 10, [[0, 160]])
    shows([P(DEFAULT, 0, (0, 36800, 1), (5, 36800, 2), unit="W")], 10, [[0, 160, 1], [5, 80, 2]])


def test_A21_conversion_rounds_down_to_a_tenth():
    for watts in (69, 690, 13799, 13800, 13801, 41399, 41400, 69999, 70000, 110399, 110400):
        shows([P(DEFAULT, 0, (0, watts), unit="W")], 1, [[0, watts // 690]])
        for phases in (1, 2, 3):
            p = P(DEFAULT, 0, (0, watts, phases), unit="W")
            shows([p], 1, [[0, min(watts // (230 * phases), HARDWARE), phases]])
    for amps in (0, 1, 59, 60, 161):
        shows([P(DEFAULT, 0, (0, amps))], 1, [[0, amps * 690]], unit="W")
        shows([P(DEFAULT, 0, (0, amps, 1))], 1, [[0, amps * 230, 1]], unit="W")


def test_A25_without_transaction_as_if_one_started_now():
    three = [
        P(TX, 0, (0, 60)),
        P(DEFAULT, 0, (0, 100), (60, 140), kind="Relative", start=None),
        P(MAX, 0, (0, 120)),
    ]
    shows(three, 100, [[0, 100], [60, 120]])


def test_A27_connector_0_is_the_sum_under_the_ceiling():
    three = [
        P(DEFAULT, 0, (0, 160), connector=1),
        P(DEFAULT, 0, (0, 100), (30, 60), connector=2),
        P(MAX, 0, (0, 500), (60, 200)),
    ]
    shows(three, 90, [[0, 260], [30, 220], [60, 200]], connectors=(1, 2))
    shows(
        three, 90, [[0, 260 * 690], [30, 220 * 690], [60, 200 * 690]], connectors=(1, 2), unit="W"
    )
    shows([], 90, [[0, 640]], connectors=(1, 2))
    two = [P(DEFAULT, 0, (0, 100, 1)), P(DEFAULT, 0, (0, 60), (9, 70, 3), connector=2)]
    shows(two, 90, [[0, 160, 1], [9, 170, 1]], connectors=(1, 2))
    # a transaction on the first, none on the second
    tx = P(TX, 0, (0, 60), duration=40)
    shows([tx] + three, 90, [[0, 160], [30, 120], [40, 220], [60, 200]], tx=T, connectors=(1, 2))


def test_ceiling_never_raises_and_stands_alone_on_connector_0():
    both = [P(MAX, 1, (0, 200)), P(MAX, 0, (0, 60)), P(DEFAULT, 0, (0, 100))]
    shows(both, 10, [[0, 100]])
    shows([P(MAX, 1, (0, 200), duration=60), both[1]], 90, [[0, 200], [60, 60]])
    ev = evaluator(both)
    assert limit(ev, T, connector=0) == 200  # levels do not combine by minimum
    assert ev.winner is ev._store.records[0]


def test_why_names_the_deciding_profile_the_default_where_equal():
    both = [P(MAX, 1, (0, 100), (10, 90)), P(DEFAULT, 0, (0, 100))]
    ev = evaluator(both)
    limit(ev, T)
    assert profile.purpose(ev.winner) == profile.TX_DEFAULT and ev.until == T + 10
    limit(ev, T + 10)
    assert profile.purpose(ev.winner) == profile.CEILING and ev.until == FAR
    limit(evaluator([]), T)


# A17: the clock is not known


def unknown(profiles, connector=1, running=True, t=UNKNOWN, tx_start=UNKNOWN - 100, least=0):
    """The limit while the clock is not set, and it is `least` or later."""
    ev = evaluator(profiles)
    ev.known = False
    ev.ahead_s = least - t
    return limit(ev, t, connector, tx_start, running)


def test_A17_ceiling_stays_at_its_lowest():
    two = [P(MAX, 2, (0, 200), (60, 90), (120, 300)), P(MAX, 1, (0, 100))]
    assert unknown(two) == 90
    assert unknown(two, 0, False) == 90
    for more in ({"valid_from": T}, {"valid_to": T}, {"duration": 1}, {"kind": "Relative"}):
        assert unknown([P(MAX, 2, (0, 200), (60, 90), **more)]) == 90


def test_A17_each_that_cannot_be_placed_caps_whatever_its_level():
    for purpose in (TX, DEFAULT, MAX):
        for levels in ((1, 2), (2, 1)):
            low = P(purpose, levels[0], (0, 60), valid_to=T + 99)
            high = P(purpose, levels[1], (0, 90), valid_from=T + 9)
            for least in (0, T):
                assert unknown([low, high], least=least) == 60


def test_A17_what_is_certain_applies():
    """From the last time known on: begun, without an end, in its last period."""
    for purpose in (TX, DEFAULT, MAX):
        standing = P(purpose, 1, (0, 60), start=T - 60)
        assert unknown([standing], least=T) == 60
        # it hides what lies below it, which is lower
        assert unknown([standing, P(purpose, 0, (0, 50))], least=T) == 60
        assert unknown([standing, P(purpose, 0, (0, 50))], least=T - 61) == 50
        # above it stands what is over, or what may begin
        over = P(purpose, 2, (0, 0), valid_to=T)
        assert unknown([standing, over], least=T) == 60
        assert unknown([standing, over], least=T - 1) == 0
        over = P(purpose, 2, (0, 0), start=T - 100, duration=90)
        assert unknown([standing, over], least=T - 10) == 60
        assert unknown([standing, over], least=T - 11) == 0
        assert unknown([standing, P(purpose, 2, (0, 90), start=T + 5)], least=T) == 60
        assert unknown([standing, P(purpose, 2, (0, 40), start=T + 5)], least=T) == 40
        # its periods: those that are over do not count, the lowest of the others does
        steps = P(purpose, 1, (0, 0), (100, 90), (200, 70), (300, 80), start=T)
        for s, wanted in ((0, 0), (99, 0), (100, 70), (299, 70), (300, 80), (10**8, 80)):
            assert unknown([steps], least=T + s) == wanted, s
        # nor does what begins after 2054
        late = P(purpose, 1, (0, 90), (FAR - T - 1, 80), (FAR - T, 70), start=T)
        assert unknown([late], least=T + 9) == 80
        # also if it counts from an instant that is later than the least
        if purpose != MAX:
            late["start"] = None
            assert unknown([late], least=0, tx_start=T) == 80
        # what recurs without a gap is certain, but not when in it it is
        daily = {"kind": "Recurring", "recurrency": "Daily", "start": T - 60}
        for more in ({}, {"duration": DAY}, {"duration": 2 * DAY}):
            p = P(purpose, 1, (0, 90), (3600, 70), **daily, **more)
            assert unknown([p, P(purpose, 0, (0, 50))], least=T) == 70
        p["duration"] = DAY - 1
        assert unknown([p, P(purpose, 0, (0, 50), start=0)], least=T) == 50
        p["duration"] = 0
        assert unknown([p, P(purpose, 0, (0, 150), start=0)], least=T) == 150


def test_A17_a_level_that_a_connector_may_have_for_itself():
    """What is in force now may be hidden by now, and then what lies below it decides."""
    common, low = P(DEFAULT, 1, (0, 160), connector=0), P(DEFAULT, 0, (0, 60), connector=0)
    own = P(DEFAULT, 1, (0, 100), valid_from=T + 10, valid_to=T + 20)
    for s in (0, 9, 10, 19, 20):
        assert unknown([common, low, own], least=T + s) == 60, s
        assert unknown([common, own], least=T + s) == (100 if s < 20 else NONE), s
        assert unknown([common, low, own], connector=2, least=T + s) == 160, s
    own["valid_from"] = FAR  # it never will
    own["valid_to"] = None
    assert unknown([common, low, own], least=T) == 100


def test_A17_a_day_of_another_boot():
    """A schedule that may end is at its lowest until it is over for certain."""
    p = P(DEFAULT, 1, (0, 100), (3600, 60), (7200, 120), duration=DAY)
    for s, wanted in ((-9, 60), (0, 60), (9000, 60), (DAY - 1, 60), (DAY, NONE)):
        assert unknown([p], least=T + s) == wanted, s


def test_A17_until_is_when_the_answer_changes():
    ev = evaluator(
        [
            P(DEFAULT, 5, (0, 50), valid_from=T + 10, valid_to=T + 40),
            P(DEFAULT, 4, (0, 60), start=T - 100, duration=150),
            P(DEFAULT, 3, (0, 70), start=T + 60, duration=30),
            P(DEFAULT, 2, (0, 100), (80, 90), (100, 120), start=T),
            P(DEFAULT, 1, (0, 55), start=T - 5),
        ]
    )
    ev.known = False
    seen = []
    for s in range(-10, 120):
        t = UNKNOWN + s
        ev.ahead_s = T - UNKNOWN
        limit(ev, t)
        if seen and seen[-1][1] > t:
            assert seen[-1][0] == ev.limit, (s, seen[-1][0], ev.limit)
        seen.append((ev.limit, ev.until))
        assert ev.until > t
    changes = [s - 10 for s in range(1, 130) if seen[s][0] != seen[s - 1][0]]
    assert changes == [40, 50, 90, 100], changes


def test_A17_the_periods_of_many_are_not_kept():
    """Nor read again at each look."""
    many = [P(DEFAULT, i, (0, 100 + i), (60, 60 + i), start=T + 9) for i in range(16)]
    ev = evaluator(many)
    reads = []
    rack = ev._store
    rack.whole = lambda w: reads.append(w) or w
    ev.known = False
    for _ in range(3):
        assert limit(ev, UNKNOWN) == 60
    assert len(reads) == 16
    ev.known = True
    assert limit(ev, T + 9) == 115 and not ev._lows


def test_A17_lowest_of_watts_is_by_current():
    p = P(MAX, 2, (0, 69000, 3), (60, 46000, 1), (70, 92000, 3), unit="W")
    assert unknown([p]) == 100
    p = P(MAX, 2, (0, 92000, 3), (60, 46000, 1), (70, 69000), unit="W")
    assert unknown([p]) == 100
    ev = evaluator([P(MAX, 2, (0, 46000, 1), (60, 46000, 2), (70, 92000, 3), unit="W")])
    ev.known = False
    assert limit(ev, UNKNOWN) == 100 and ev.phases == 2
    assert unknown([P(MAX, 2, (0, 100, 3), (60, 60, 1))]) == 60


def test_A17_what_counts_from_the_transaction_works():
    """Relative; and Absolute without a start, which is as Relative (A6)."""
    two = (0, 100), (60, 140), (200, 160)
    for purpose in (TX, DEFAULT):
        for more in ({"kind": "Relative"}, {}):
            assert unknown([P(purpose, 0, *two, start=None, **more)]) == 140
            assert unknown([P(purpose, 0, *two, start=None, duration=90, **more)]) == NONE


def test_A17_default_that_needs_the_time_is_at_its_lowest():
    for more in (
        {},
        {"kind": "Recurring", "recurrency": "Daily"},
        {"kind": "Relative", "start": None, "valid_from": T},
        {"kind": "Relative", "start": None, "valid_to": T},
    ):
        two = [
            P(DEFAULT, 3, (0, 80), (60, 60), (90, 70), **more),
            P(DEFAULT, 1, (0, 100), kind="Relative", start=None),
        ]
        assert unknown(two) == 60
        assert unknown(two[:1]) == 60
        two[1]["periods"] = [(0, 50, None)]
        assert unknown(two) == 50  # (what lies below it may be in force just as well)


def test_A17_tx_profile_that_cannot_be_placed_is_at_its_lowest():
    p = P(TX, 3, (0, 200), (60, 70), (90, 100))
    assert unknown([p]) == 70
    assert unknown([p], running=False) == NONE
    # not even a default that can be placed may raise it
    assert unknown([p, P(DEFAULT, 5, (0, 160), kind="Relative", start=None)]) == 70
    # of another connector
    p["connector"] = 2
    assert unknown([p]) == NONE


def test_A17_a_relative_tx_profile_that_is_over_is_over():
    over = P(TX, 3, (0, 60), kind="Relative", start=None, duration=50)
    assert unknown([over]) == NONE
    assert unknown([over, P(DEFAULT, 0, (0, 100), kind="Relative", start=None)]) == 100


def test_A17_resumed_transaction_without_clock():
    """It began in 2025, it is 2000 now: nobody knows how far its schedules are."""
    two = (0, 100), (60, 80), (200, 160)
    for purpose in (TX, DEFAULT):
        p = P(purpose, 0, *two, kind="Relative", start=None)
        for least, wanted in ((0, 80), (T, 80), (T + 199, 80), (T + 200, 160)):
            assert unknown([p], tx_start=T, least=least) == wanted, least
        p["duration"] = 400
        assert unknown([p], tx_start=T, least=T + 399) == 80
        assert unknown([p], tx_start=T, least=T + 400) == NONE
    # (an origin of an earlier run that the clock, which nobody could note, has not reached)
    assert unknown([P(DEFAULT, 0, *two, kind="Relative", start=None)], tx_start=UNKNOWN + 9) == 80


# A30: what is replaced stays in force until its successor begins


def replaced(profiles, p, until):
    """An evaluator for whom `p` is replaced by one that begins at `until`."""
    ev = evaluator(profiles)
    w = ev._store.records[[q is p for q in ev._store.profiles].index(True)]
    w[profile.KEY] |= profile.FLAG_REPLACED << 24
    w[11] = until
    return ev


def test_A30_a_replaced_record_ends_when_its_successor_begins():
    two = [P(DEFAULT, 1, (0, 120), start=T + 50), P(DEFAULT, 1, (0, 100), (20, 80), (70, 60))]
    low = P(DEFAULT, 0, (0, 130))
    for more, wanted in (
        ({}, [[0, 100], [20, 80], [50, 120]]),
        ({"valid_to": T + 30}, [[0, 100], [20, 80], [30, 130], [50, 120]]),
        ({"valid_from": T + 10}, [[0, 130], [10, 100], [20, 80], [50, 120]]),
        ({"duration": 40}, [[0, 100], [20, 80], [40, 130], [50, 120]]),
    ):
        two[1].update({"valid_to": None, "valid_from": None, "duration": None})
        two[1].update(more)
        ev = replaced(two + [low], two[1], T + 50)
        out = composite(ev, (1,), T, 90, [T, T], [False] * 2, [0, 320], 0, 96)
        assert out == [x for s, a in wanted for x in (s, a, 0)] + [90], out
        limit(ev, T)
        assert ev._store.profile(ev.winner) is (low if "valid_from" in more else two[1])


def test_A30_it_hides_none_of_connector_0_when_it_is_over():
    """The successor has its id and stands on connector 0."""
    two = [P(DEFAULT, 1, (0, 60)), P(DEFAULT, 1, (0, 90), connector=0)]
    ev = replaced(two, two[0], T + 5)
    assert [limit(ev, T + s) for s in (0, 4, 5, 6)] == [60, 60, 90, 90]


def test_A30_with_the_clock_not_set_both_cap():
    for a, b in ((60, 90), (90, 60)):
        two = [P(DEFAULT, 1, (0, a), start=T + 50), P(DEFAULT, 1, (0, b))]
        for least, wanted in ((T, 60), (T + 49, 60), (T + 50, a)):
            ev = replaced(two, two[1], T + 50)
            ev.known = False
            ev.ahead_s = least - UNKNOWN
            assert limit(ev, UNKNOWN) == wanted, (a, least)


# A32: begun when it was received


def test_A32_what_had_begun_when_it_came_has_begun_whatever_the_clock_says():
    for more in ({}, {"valid_from": T + 2}, {"duration": 60}):
        p = P(DEFAULT, 1, (0, 60), (30, 80), start=T + 2, **more)
        ev = evaluator([p, P(DEFAULT, 0, (0, 130))])
        ev._store.records[0][profile.KEY] |= profile.FLAG_BEGUN << 24
        out = composite(ev, (1,), T, 90, [T, T], [False] * 2, [0, 320], 0, 96)
        end = [62, 130, 0] if "duration" in more else []
        assert out == [0, 60, 0, 32, 80, 0] + end + [90], out
        for s in (-3600, -9, -1, 0, 31):  # the clock is set back
            assert limit(ev, T + s) == 60 and ev.until == T + 32
    p = P(MAX, 0, (0, 60), (1, 80), kind="Recurring", recurrency="Daily", start=T + 2, duration=9)
    ev = evaluator([p])
    ev._store.records[0][profile.KEY] |= profile.FLAG_BEGUN << 24
    assert [limit(ev, T + s) for s in (0, 1, 2, 3, 10, 11)] == [60, 60, 60, 80, 80, NONE]


def test_a_transaction_later_than_the_clock_does_not_lose_its_limit():
    p = P(DEFAULT, 0, (0, 100), (60, 80), (200, 160), kind="Relative", start=None)
    ev = evaluator([p])
    assert limit(ev, T, tx_start=T + 30) == 80 and ev.until == T + 30
    assert limit(ev, T + 30, tx_start=T + 30) == 100
    p["valid_from"], p["valid_to"] = T + 10, T + 20
    ev = evaluator([p])
    assert limit(ev, T, tx_start=T + 30) == NONE and ev.until == T + 10
    assert limit(ev, T + 10, tx_start=T + 30) == 80 and ev.until == T + 20
    assert limit(ev, T + 20, tx_start=T + 30) == NONE


def test_A17_what_recurs_since_before_2020_is_certain_where_no_time_was_ever_known():
    for recurrency in ("Daily", "Weekly"):
        for start in ("1995-01-01T00:00:00Z", "2019-12-31T23:59:59Z"):
            recurring = {"kind": "Recurring", "recurrency": recurrency, "start": parse_iso(start)}
            ev = evaluator([P(DEFAULT, 14, (0, 100), **recurring), P(DEFAULT, 0, (0, 60))])
            ev.known = False
            for least in (0, WEEK - 1):
                ev.ahead_s = least - UNKNOWN
                assert limit(ev, UNKNOWN) == 100, (start, least)
            ev.known = True
            assert limit(ev, T) == 100


# Years


def test_anchors_of_1999_and_2013():
    for year in ("1999", "2013", "2000", "2019", "1970"):
        start = parse_iso(year + "-03-01T10:00:30Z")
        for recurrency in ("Daily", "Weekly"):
            recurring = {"kind": "Recurring", "recurrency": recurrency, "start": start}
            p = P(DEFAULT, 0, (0, 100), (60, 140), (90, 90), duration=100, **recurring)
            step = DAY if recurrency == "Daily" else WEEK
            for about in (T, T + 7 * YEAR, T + 28 * YEAR):
                x = about + (start - about) % step - 5
                shows([p], 120, [[0, 320], [5, 100], [65, 140], [95, 90], [105, 320]], x=x)
        shows([P(DEFAULT, 0, (0, 100), (60, 140), start=start)], 100, [[0, 140]])
        shows([P(DEFAULT, 0, (0, 100), start=start, duration=WEEK)], 100, [[0, 320]])


def test_valid_to_of_2099_and_9999():
    for text in ("2038-01-19T03:14:08Z", "2099-12-31T23:59:59Z", "9999-12-31T23:59:59Z"):
        end = parse_iso(text)
        p = P(DEFAULT, 0, (0, 100), valid_from=parse_iso("1999-01-01T00:00:00Z"), valid_to=end)
        shows([p], 100, [[0, 100]])
        shows([p], 100, [[0, 100 if end > T + 28 * YEAR else 320]], x=T + 28 * YEAR)
        shows([P(DEFAULT, 0, (0, 100), valid_from=end)], 100, [[0, 320]])
        shows([P(DEFAULT, 0, (0, 100), start=end)], 100, [[0, 320]])
    end = parse_iso("2038-01-19T03:14:08Z")
    shows([P(DEFAULT, 0, (0, 100), valid_to=end)], 100, [[0, 100], [50, 320]], x=end - 50)


def test_durations_of_many_years():
    start = parse_iso("2012-01-01T00:00:00Z")
    for years in (14, 20, 30, 33):
        end = start + years * YEAR
        p = P(DEFAULT, 0, (0, 100), start=start, duration=years * YEAR)
        shows([p], 100, [[0, 100], [50, 320]], x=end - 50)
        ev = evaluator([p])
        assert limit(ev, T) == 100 and ev.until == end
    p["duration"] = 2**40
    assert limit(evaluator([p]), FAR - 1) == 100


def test_every_kind_works_until_2053():
    for year in (2029, 2034, 2038, 2039, 2045, 2053):
        x = parse_iso("%d-06-11T10:00:00Z" % year)
        daily = {"kind": "Recurring", "recurrency": "Daily", "start": T}
        four = [
            P(DEFAULT, 2, (0, 100), (10, 90), start=x + 5, duration=20),
            P(DEFAULT, 1, (0, 130), (45, 60), duration=50, **daily),
            P(DEFAULT, 0, (0, 140), (60, 150), kind="Relative", start=None),
            P(MAX, 0, (0, 145)),
        ]
        wanted = [[0, 130], [5, 100], [15, 90], [25, 130], [45, 60], [50, 140], [60, 145]]
        shows(four, 100, wanted, tx=x, x=x)


# The work of one composite


class Counted(schedule.Evaluator):
    """Notes the instants that it is asked for."""

    calls = []

    def at(self, connector, t, *args):
        self.calls.append(t)
        super().at(connector, t, *args)

    def later(self, t, *args):
        self.calls.append(t)
        super().later(t, *args)

    def another(self):
        return Counted(self._store, self.voltage_V)


def test_work_of_a_composite_is_bounded_and_its_length_is_honest():
    """32 profiles whose steps come every second, for ten years."""
    recurring = {"kind": "Recurring", "recurrency": "Daily", "start": T - DAY}
    many = []
    for level in range(16):
        steps = [(level + 2 * i, 60 + i % 2) for i in range(96)]
        steps[0] = (0, 60)
        many.append(P(DEFAULT, level, *steps, connector=0, duration=300, **recurring))
        many.append(P(MAX, level, *steps, duration=300, **recurring))
    ev = evaluator(many)
    counted, calls = Counted(ev._store), Counted.calls
    for connectors in ((1,), (1, 2)):
        for room in (96, 1001):
            calls.clear()
            out = composite(
                counted, connectors, T, 10 * YEAR, [T] * 3, [False] * 3, [0, 320, 320], 0, room
            )
            length = out.pop()
            assert len(calls) <= 1001 * (len(connectors) + (len(connectors) > 1)), len(calls)
            assert 0 < length < 10 * YEAR
            assert len(out) <= 3 * room
            i = 0
            for s in range(0, min(length, 3 * DAY), 1 if length < 5000 else 97):
                while i + 3 < len(out) and out[i + 3] <= s:
                    i += 3
                told, _ = together(ev, connectors, T + s, [T] * 3, [False] * 3, [0, 320, 320])
                assert same_period(out[i + 1 : i + 3], told), (s, told, out[i : i + 3])
            assert max(calls) <= T + length


def test_a_composite_is_worked_out_a_few_instants_at_a_time():
    p = P(DEFAULT, 0, *[(900 * i, 60 + i) for i in range(96)])
    ev = Counted(evaluator([p, P(MAX, 0, (0, 900), (1, 800))])._store)
    calls = ev.calls
    calls.clear()
    c = Composite(ev, (1, 2), T, DAY, [T] * 3, [False] * 3, [0, 320, 320], 0, 96)
    seen = 0
    while c.steps(8):
        assert len(calls) == seen + 24 and c.length_s < DAY, len(calls)
        ev.at(1, T + 12345, T)  # the limits are worked out in between
        seen = len(calls)
    assert c.length_s == DAY and len(c.out) == 3 * 96 and len(calls) <= 3 * 98 + 13


def test_a_composite_says_who_decides_each_part():
    """Of equal ones who is named for a connector that charges: limits.py, the profile before the
    hardware, the installation before the profile. The same numbers as where nobody asks."""
    own = P(DEFAULT, 0, (0, 160), (600, 320), (1200, 100), (1800, 250), id=7)
    ceiling = P(MAX, 0, (0, 400), (900, 100), (1500, 60), id=9)

    def said(source, most=320, **more):
        by = Composite(
            evaluator([own, ceiling]), (1,), T, 2400, [T] * 2, [True] * 2, [0, most], 0, 96, None,
            [0, source],
        )  # fmt: skip
        while by.steps(1):
            pass
        starts = list(by.out)[::3]
        assert len(starts) == len(by.by)
        named = [w if type(w) is int else w[profile.ID] for w in by.by]
        return list(zip(starts, list(by.out)[1::3], named))

    assert said(0) == [(0, 160, 7), (600, 320, 7), (900, 100, 9), (1200, 100, 7), (1500, 60, 9)]
    assert said(1, 320)[:2] == [(0, 160, 7), (600, 320, 1)]
    assert said(1, 100) == [(0, 100, 1), (1500, 60, 9)]
    merged = composite(
        evaluator([own, ceiling]), (1,), T, 2400, [T] * 2, [True] * 2, [0, 320], 0, 96
    )
    assert merged[::3][:-1] == [0, 600, 900, 1500]


def test_a_composite_ends_where_time_does():
    """Beyond 2054 nobody can tell: no period begins at its own duration or later."""
    ev = evaluator([P(DEFAULT, 0, (0, 130)), P(MAX, 0, (0, 90), valid_to=FAR - 40)])
    for duration in (99, 100, 101, 5000, 10**12):
        out = composite(ev, (1,), FAR - 100, duration, [0, 0], [False] * 2, [0, 320], 0, 96)
        assert out == [0, 90, 0, 60, 130, 0, min(duration, 100)], out


def test_composite_is_cut_where_the_room_ends():
    p = P(DEFAULT, 0, *[(10 * i, 60 + i) for i in range(20)])
    ev = evaluator([p])
    out = composite(ev, (1,), T, 1000, [T, T], [False, False], [0, 320], 0, 5)
    assert len(out) == 16 and out[-1] == 50 and out[-4:-1] == [40, 64, 0]
    out = composite(ev, (1,), T, 50, [T, T], [False, False], [0, 320], 0, 5)
    assert len(out) == 16 and out[-1] == 50


def test_neighbours_that_say_three_phases_in_two_ways_are_one_period():
    """No numberPhases means 3 (A18): no room is spent on the difference."""
    p = P(DEFAULT, 0, (0, 60), (10, 60, 3), (20, 70, 3), (30, 70), (40, 70, 1))
    ev = evaluator([p])
    out = composite(ev, (1,), T, 50, [T, T], [False, False], [0, 320], 0, 3)
    assert out == [0, 60, 0, 20, 70, 3, 40, 70, 1, 50], out


# No allocation


def test_asking_allocates_nothing():
    daily = {"kind": "Recurring", "recurrency": "Daily"}
    weekly = {"kind": "Recurring", "recurrency": "Weekly"}
    start = parse_iso("1999-01-01T00:00:00Z")
    quarters = [(900 * i, 60 + i) for i in range(96)]
    many = [
        P(TX, 3, (0, 320), (900, 100), kind="Relative", start=None, duration=1800),
        P(TX, 2, (0, 100), start=T, duration=10),
        P(DEFAULT, 9, (0, 90), start=T + 40 * YEAR),
        P(DEFAULT, 8, (0, 90), valid_to=T + 8000 * YEAR, start=start, duration=60),
        P(DEFAULT, 5, *quarters, start=start, duration=80000, **daily),
        P(DEFAULT, 4, (0, 160, 1), (500000, 90), start=T - WEEK, duration=600000, **weekly),
        P(DEFAULT, 3, (0, 70000), unit="W", start=start, connector=0),
        P(MAX, 0, (0, 110400, 2), (DAY, 90000), unit="W", kind="Relative", start=T),
    ]
    ev = evaluator(many)
    for year in range(2026, 2034):
        for day in ("-01-01T00:00:00Z", "-06-30T23:30:00Z", "-12-31T23:59:59Z"):
            t = parse_iso(str(year) + day)
            for known in (True, False):
                ev.known = known
                for connector in (0, 1, 2):
                    for running in (True, False):
                        tx_start = t - 1000
                        if not known:  # (what cannot be placed is looked at once)
                            ev.at(connector, t, tx_start, running)
                        with HEAP_LOCKED:
                            ev.at(connector, t, tx_start, running)
                            ev.at(connector, t, tx_start, running, 1)
