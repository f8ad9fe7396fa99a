"""charging.profile: the record, word for word; and what it costs."""

import gc
import sys

from flash import FOLDER, Flash, mount, read
from profiles import DAY, WEEK, P, T, evaluator, record
from rig import raises, seeded

from firmware.charging import profile
from firmware.charging import record as records
from firmware.charging.profile import (
    DURATION,
    HEADER,
    ID,
    KEY,
    START,
    VALID_FROM,
    VALID_TO,
)
from firmware.charging.record import pack, seal
from firmware.charging.schedule import NONE
from firmware.charging.store import Store
from firmware.clock import parse_iso

HEAP = "1M"
BOTH = True
CHIP = True
NEVER = -1


def one(**more):
    more.setdefault("purpose", profile.TX_DEFAULT)
    more.setdefault("kind", profile.ABSOLUTE)
    more.setdefault("periods", ((0, 160, 0),))
    return pack(more.pop("profile_id", 1), more.pop("connector", 1), more.pop("level", 0), **more)


def test_every_field_lies_where_the_header_says():
    periods = ((0, 161, 0), (900, 0xABCDE, 3))
    times = {"valid_from": T, "valid_to": T + 1, "start": T + 2, "duration": 3, "min_rate": 4}
    more = {"rate": profile.WATTS, "recurrency": profile.WEEKLY, "transaction": 2**31 - 2}
    more["schedule_id"] = -9
    w = pack(-7, 2, 15, profile.TX, profile.RECURRING, periods, **times, **more)
    records.seat(w, 5)
    records.seal(w, 99)
    b = bytes(w)
    little = [int.from_bytes(b[i : i + 4], "little") for i in range(0, len(b), 4)]
    ids = [99, (1 << 32) - 7, 2**31 - 2, (1 << 32) - 9]
    assert b[:4] == b"PW\x04\x02" and little[2:6] == ids
    assert list(b[24:28]) == [2, 15 | 5 << 4, 0 | 1 << 2 | 1 << 4 | 1 << 6, 2]
    assert little[7:] == [T, T + 1, T + 2, 3, 4, 0, 161, 900, 0xABCDE | 3 << 24]
    place = profile.connector(w), profile.level(w), profile.purpose(w), profile.transaction(w)
    assert place == (2, 15, profile.TX, 2**31 - 2)
    assert profile.rate(w) == profile.WATTS and records.count(w) == 2
    assert (records.slot(w), records.name(w)) == (5, "2-0-15-5")
    assert (records.kind(w), records.recurrency(w)) == (profile.RECURRING, profile.WEEKLY)
    records.check(w)


def test_absent_is_absent():
    w = one()
    assert profile.transaction(w) is None
    assert list(w)[7:12] == [0, NEVER, 0, NEVER, NEVER]
    assert w[profile.KEY] >> 24 & profile.FLAG_ORIGIN == 0
    assert one(start=0)[profile.KEY] >> 24 & profile.FLAG_ORIGIN


def test_ids_of_every_size():
    for n in (0, 1, -1, 2**30, -(2**30), 2**31 - 1, -(2**31)):
        assert one(profile_id=n)[ID] == n
    for n in (1, -1, 2**30, 2**31 - 1):
        assert profile.transaction(one(transaction=n)) == n, n


def test_one_to_ninety_six_periods():
    for n in (0, 97, 10000):
        raises(ValueError, one, periods=[(i, 60, 0) for i in range(n)])
    for n in (1, 63, 64, 95, 96):
        w = one(periods=[(i, 60 + i, 0) for i in range(n)])
        records.seal(w, 1)
        records.check(w)
        assert records.count(w) == n and len(w) == len(records.plain(w)) == HEADER + 2 * n
        assert records.count(w[:HEADER]) == n


def test_periods_may_come_from_a_generator():
    listed = one(periods=[(i, 60, 1) for i in range(5)])
    assert one(periods=((i, 60, 1) for i in range(5)), n=5) == listed


def test_what_the_evaluator_reads_is_a_small_int_of_the_esp32():
    year_9999 = parse_iso("9999-12-31T23:59:59Z")
    for t in (-(2**62), -(2**31), -1, 0, 1, 2**30, 2**31, 2**40, year_9999):
        for kind in range(3):
            big = max(0, t)
            w = one(
                kind=kind, start=t, valid_from=t, valid_to=t, duration=big, min_rate=big,
                periods=((0, big, 3), (big, big, 3)), level=15, connector=255,
            )  # fmt: skip
            w = records.plain(w)
            for i in (profile.KEY, VALID_FROM, VALID_TO, START, DURATION):
                assert -(2**30) <= w[i] < 2**30, (t, i, w[i])
            for i in range(HEADER, len(w)):
                assert 0 <= w[i] < 2**30, (t, i, w[i])


def test_limits_are_capped_never_cut():
    """A limit that does not fit its field is a very high limit, not a low one."""
    for limit in (0xFFFFFF, 0x1000000, 0x1000001, 2**40):
        assert one(periods=((0, limit, 2),))[HEADER + 1] == 0xFFFFFF | 2 << 24


def test_recurring_anchors_before_2020_keep_their_phase():
    for year in (1970, 1999, 2013, 2019):
        start = parse_iso("%d-05-05T05:05:05Z" % year)
        for recurrency, step in ((profile.DAILY, DAY), (profile.WEEKLY, WEEK)):
            w = one(kind=profile.RECURRING, recurrency=recurrency, start=start)
            assert 0 <= w[START] < step and (w[START] - start) % step == 0


def test_check_finds_every_flipped_bit_of_a_record():
    w = one(periods=((0, 160, 0), (60, 100, 3)))
    records.seal(w, 5)
    image = bytearray(w)
    for i in range(8 * len(image)):
        image[i >> 3] ^= 1 << (i & 7)
        copy = w[:0]
        copy.extend(type(w)("i", image))
        raises(ValueError, records.check, copy)
        image[i >> 3] ^= 1 << (i & 7)
    for n in range(len(w)):
        raises(ValueError, records.check, w[:n])
    raises(ValueError, records.check, w + w[:2])


def test_check_never_fails_otherwise():
    rng = seeded("records")
    w = one()
    for _ in range(2000):
        words = type(w)("i", bytes([rng.getrandbits(8) for _ in range(4 * rng.randint(0, 20))]))
        if rng.getrandbits(1) and len(words):
            words[0] = w[0]
        raises(ValueError, records.check, words)


DAYS = "0001-01-01", "1970-05-05", "2054-02-02", "9999-12-31"
INSTANTS = [parse_iso(day + "T05:05:05Z") for day in DAYS]
INSTANTS += [-1, 0, 1, 0x3FFFFFFE, 0x3FFFFFFF, 0x40000000, 2**31]


def test_what_a_word_cannot_hold_is_said_all_the_same():
    """Each time alone and all together, for every kind: said() gives what was given to pack()."""
    names = (("valid_from", VALID_FROM), ("valid_to", VALID_TO), ("start", START))
    for kind in (profile.ABSOLUTE, profile.RECURRING):
        for t in INSTANTS:
            for some in (names[:1], names[1:2], names[2:], names):
                periods = ((0, 160, 0), (5, 150, 0), (2**31, 140, 0), (2**40, 130, 1))
                times = {name: t for name, _ in some}
                if t >= 0:
                    times["duration"] = t
                w = one(kind=kind, periods=periods, **times)
                records.seal(w, 1)
                records.check(w)
                got = {name: records.said(w, i) for name, i in names + (("duration", DURATION),)}
                assert {name: got[name] for name in got if got[name] is not None} == times, t
                starts = [records.said(w, HEADER + 2 * i) for i in range(4)]
                assert starts == [at for at, _, _ in periods], (t, starts)
                assert records.plain(w) == w[: HEADER + 8]


def test_recurrency_of_what_does_not_recur_is_remembered():
    for kind in (profile.ABSOLUTE, profile.RELATIVE):
        for given in (None, profile.DAILY, profile.WEEKLY):
            assert records.recurrency(one(kind=kind, recurrency=given)) == given


def test_validity_that_overlaps():
    """Half-open; one that is never valid overlaps nothing."""
    for first, second, wanted in (
        ((None, None), (None, None), True),
        ((None, T), (T, None), False),
        ((None, T + 1), (T, None), True),
        ((T, T + 9), (T + 8, T + 9), True),
        ((T, T + 9), (T + 9, T + 20), False),
        ((T + 5, T + 5), (None, None), False),
        ((T + 5, T + 4), (None, None), False),
        ((-9, -5), (None, None), False),
        ((None, 2**31), (2**30 - 2, None), True),
    ):
        both = [one(valid_from=a, valid_to=b) for a, b in (first, second)]
        assert records.overlap(*both) == wanted == records.overlap(both[1], both[0]), first


def test_a_schedule_that_began_long_ago():
    """An Absolute one counts on from where it began, however long ago: only what lies before
    2020 is left out of the record."""
    for back_s in (0, 1, 0x10000000, 0x10000001, 25 * 31557600, 120 * 31557600):
        begin = T - back_s
        steps = (0, back_s - 10, back_s, back_s + 10, back_s + 40)
        if back_s < 100:
            steps = (0, 20, 30, 40, 70)
        periods = [(s, 60 + i) for i, s in enumerate(steps)]
        for duration in (None, steps[4] + 5):
            ps = [P("TxDefaultProfile", 1, *periods, start=begin, duration=duration)]
            ev = evaluator(ps)
            for t in range(T - 15, T + 90):
                said = [limit for s, limit in periods if begin + s <= t]
                ends = duration is not None and t >= begin + duration
                ev.at(1, t, T - 100, True)
                assert ev.limit == (NONE if ends or not said else said[-1]), (back_s, duration, t)
    # over before 2020
    p = P("TxDefaultProfile", 1, (0, 60), start=-100, duration=50)
    ev = evaluator([p])
    ev.at(1, T, T, True)
    assert ev.limit == NONE and ev.winner is None


def test_the_same_but_for_its_number():
    w, other = one(), one()
    seal(w, 1)
    seal(other, 2)
    assert records.same(w, other) and records.same(w, one())
    for i in range(3, len(w)):
        other[i] ^= 1
        assert not records.same(w, other), i
        other[i] ^= 1


# What it costs


def day(profile_id, level, n=24):
    p = P("TxDefaultProfile", level, *[(86400 // n * i, 60 + i) for i in range(n)])
    p.update({"id": profile_id, "kind": "Recurring", "recurrency": "Daily"})
    return record(p)


def put(store, w):
    assert not store.change().put(w)


def live():
    gc.collect()
    return gc.mem_alloc()


def test_a_profile_of_24_periods_is_256_bytes_in_flash_and_in_ram():
    flash = Flash(80)
    mount(flash)
    store = Store(FOLDER, print)
    ev = evaluator([])
    ev._store = store
    put(store, day(1, 1))
    size = len(read("1-1-1"))
    store.trim()
    store.trim()
    # (of many, for the collector takes some stale words on the stack for references)
    before = live()
    for level in range(15):
        for connector in (0, 2):
            w = day(10 + 3 * level + connector, level)
            w[KEY] = w[KEY] & ~0xFF | connector
            put(store, w)
    store.reader = None  # (the code that reads and writes, until the next trim)
    in_force = (live() - before) // 30
    store.trim()
    store.trim()
    header = (live() - before) // 30
    assert all([len(w) == HEADER for w in store.records])
    before = live()
    for connector in (1, 2):
        ev.at(connector, T, T)
    whole = (live() - before) // 2
    print(
        "24 periods: %d B of flash; RAM: %d B in force, %d B header only"
        % (size, in_force, header)
    )
    print("in force again: + %d B" % whole)
    assert sum([len(w) == HEADER + 48 for w in store.records]) == 2
    assert size == 48 + 24 * 8 <= 256
    if sys.maxsize == 2**31 - 1:
        # 256 and 64 of the record, the rest of the list that holds it
        assert in_force <= 256 + 16 and header <= 64 + 24


def test_churn_of_whole_and_trim_leaks_nothing():
    flash = Flash(80)
    mount(flash)
    store = Store(FOLDER, print)
    for level in range(16):
        for connector in (0, 1):
            p = day(16 * connector + level + 1, level)
            p[KEY] = p[KEY] & ~0xFF | connector
            put(store, p)
    store.trim()
    store.trim()
    rest = live()
    ops, spent, rounds = flash.ops, 0, 300
    rng = seeded("churn")
    gc.disable()
    for i in range(rounds):
        if i % 20 == 0:
            gc.collect()
        before = gc.mem_alloc()
        store.whole(store.records[rng.randint(0, 31)])
        spent += gc.mem_alloc() - before
        store.trim(False)
    gc.enable()
    store.trim()
    store.trim()
    print("reading back 24 periods: %d B of garbage and record a time" % (spent // rounds))
    assert flash.ops == ops, "reading writes"
    assert live() <= rest + 400, live() - rest
    assert all([len(w) == HEADER for w in store.records])
    # (most of it the slices of this flash chip in Python)
    if sys.maxsize == 2**31 - 1:
        assert spent // rounds <= 4096
