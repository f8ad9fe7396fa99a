"""Failures that users of other stacks live with, here as tests, as far as they concern charging/.
The rest lies with sessions, electrical and the link."""

from flash import FOLDER, Flash, mount, read
from profiles import DAY, PURPOSES, P, T, composite, record

from firmware.charging import profile
from firmware.charging.schedule import NONE, Evaluator
from firmware.charging.store import Store

HEAP = "1M"

TX, DEFAULT, MAX = PURPOSES


class Unit:
    """A charger's store and evaluator, on a flash that outlives the power."""

    def __init__(self, *profiles):
        self.flash = Flash(64)
        self.boot()
        for i, p in enumerate(profiles):
            p["id"] = p["id"] or 100 + i
            self.store.put(record(p))

    def boot(self):
        mount(self.flash)
        self.store = Store(FOLDER, print)
        self.ev = Evaluator(self.store)

    def limit(self, t, connector=1):
        self.ev.at(connector, t, t, True)
        self.store.trim()
        return self.ev.limit

    def composite(self, length):
        return composite(self.ev, (1,), T, length, [T, T], [False, True], [0, 320], 0, 96)


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
        assert unit.composite(70)[:6] == [0, 160, 0, 60, 60, 0]


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


def test_12_the_ceiling_survives_every_reboot():
    unit = Unit(P(MAX, 0, (0, 200), (100, 60), kind="Relative", start=T))
    for s, wanted in ((0, 200), (99, 200), (100, 60), (10 * DAY, 60)):
        unit.boot()
        assert unit.limit(T + s) == wanted


def test_13_no_stale_limit_after_a_clear():
    unit = Unit(P(DEFAULT, 1, (0, 60)), P(DEFAULT, 0, (0, 100)))
    assert unit.limit(T) == 60
    unit.store.remove(unit.store.records[0])
    assert unit.limit(T) == 100
    unit.store.remove(unit.store.records[0])
    assert unit.limit(T) == NONE and unit.ev.winner is None
    unit.boot()
    assert unit.limit(T) == NONE


def test_13_no_number_of_changes_makes_it_refuse():
    unit = Unit()
    for i in range(1500):
        unit.store.put(record(P(DEFAULT, i % 3, (0, 60 + i % 99), id=1 + i % 5)))
    unit.boot()
    assert len(unit.store.records) == 3 and unit.flash.misused == 0


def test_15_a_default_for_all_does_not_overwrite_a_connectors_own():
    for order in (1, -1):
        both = [P(DEFAULT, 3, (0, 60)), P(DEFAULT, 3, (0, 160), connector=0)][::order]
        unit = Unit(*both)
        for _ in range(2):
            assert unit.limit(T) == 60 and unit.limit(T, connector=2) == 160
            unit.boot()
        unit.store.remove([w for w in unit.store.records if profile.connector(w)][0])
        assert unit.limit(T) == 160
