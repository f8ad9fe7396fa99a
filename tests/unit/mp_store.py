"""charging.store on LittleFS: nothing acknowledged is lost, whatever happens to the power."""

import gc
import os

from flash import FOLDER, Flash, mount, names, read, write
from profiles import T

from firmware.charging import profile, record
from firmware.charging.change import MAX_PROFILES
from firmware.charging.profile import FLAG_REPLACED, HEADER, ID, KEY, SEQUENCE, START
from firmware.charging.record import pack, seal, seat
from firmware.charging.schedule import NONE, Evaluator
from firmware.charging.store import Store

HEAP = "2M"
BOTH = True
SWEEPS = (
    "test_power_cut_at_every_operation",
    "test_A30_power_cut_at_every_operation",
    "test_A30_power_cut_at_every_operation_where_it_waits_for_another",
    "test_beside_each_other_power_cut_at_every_operation",
    "test_power_cut_at_every_operation_while_a_receipt_moves",
    "test_one_erase_a_put_in_steady_state",
    "test_full_flash_refuses_and_keeps_what_is_installed",
    "test_a_flash_operation_that_fails_changes_nothing_or_all",
    "test_A30_a_flash_operation_that_fails_changes_nothing_or_all",
)

TORN = (0, 1, 4, 7, 8)  # eighths of the operation that the power cut hits
UNKNOWN = -631152000 + 500


def p(profile_id, connector, purpose, level, mark=160, n=3, **more):
    """A record; `mark` tells it from others."""
    periods = [(900 * i, mark + i, 0) for i in range(n)]
    more.setdefault("start", 0)
    return pack(profile_id, connector, level, purpose, more.pop("kind", 0), periods, **more)


def default(profile_id, connector, level, mark=160, n=3):
    return p(profile_id, connector, profile.TX_DEFAULT, level, mark, n)


def name(w):
    key = w[KEY]
    text = "%d-%d-%d" % (key & 0xFF, key >> 16 & 3, key >> 8 & 15)
    slot = "-%d" % (key >> 12 & 15) if key >> 12 & 15 else ""
    return text + slot + "~" * bool(key >> 24 & FLAG_REPLACED)


def content(w):
    """All of a record but its number and CRC; of a replaced one also until when it holds."""
    return bytes(w)[12:]


def holds(store):
    """What is installed: {place: content}, with the periods; each is believed."""
    out = {}
    for w in list(store.records):
        w = store.whole(w)
        if w[SEQUENCE] and name(w)[-1] != "~":
            full = record.full(store, w)
            record.check(full)
            assert record.plain(full)[HEADER:] == w[HEADER:]
            w = full
        assert name(w) not in out
        out[name(w)] = content(w)
    headers_only(store)
    return out


def headers_only(store):
    """No record has its periods in memory (trim() keeps what was needed since its last call)."""
    store.trim()
    store.trim()


def images():
    return {n: read(n) for n in names()}


def damage(place):
    data = bytearray(read(place))
    data[-1] ^= 1
    write(place, data)


def order_is_right(store):
    ranks = [(profile.level(w), profile.connector(w) != 0) for w in store.records]
    assert ranks == sorted(ranks, reverse=True), ranks
    ids = [w[ID] for w in store.records if w[SEQUENCE] and name(w)[-1] != "~"]
    assert len(set(ids)) == len(ids), ids


class Refused(Exception):
    """Not put."""


def install(store, w, *now, **more):
    refusal = store.change().put(w, *now, **more)
    if refusal:
        raise Refused(refusal)


def damaged(store):
    """How many records 6 A stand in for."""
    return len([w for w in store.records if record.stands_in(w)])


def quiet(text):
    pass


def fresh(blocks=32, records=()):
    """A flash, and a store on it with `records`."""
    flash = Flash(blocks)
    mount(flash)
    store = Store(FOLDER, quiet)
    for w in records:
        install(store, w)
    return flash, store


def again(flash, log=quiet):
    """The store after a reboot."""
    mount(flash)
    store = Store(FOLDER, log)
    order_is_right(store)
    return store


def refuses(store, w, *now):
    """There is no room for `w` (`now`: as of put): nothing changes."""
    before, disk = holds(store), images()
    records, sequence = [bytes(r) for r in store.records], store.sequence
    assert store.change().put(w, *now)
    assert holds(store) == before and images() == disk
    assert [bytes(r) for r in store.records] == records and store.sequence == sequence


def fill(store, n=MAX_PROFILES, size=3):
    """`n` profiles: ids 100.., levels 0..15 of connectors 0 and 1."""
    for i in range(n):
        install(store, default(100 + i, i // 16, i % 16, 200 + i, size))


# Putting, replacing, removing


def test_what_was_put_is_there_after_a_reboot():
    flash, store = fresh()
    wanted = {}
    for w in (
        default(1, 0, 0),
        default(2, 1, 0, n=96),
        default(3, 2, 15, n=1),
        p(4, 0, profile.CEILING, 15, n=24),
        p(-5, 1, profile.TX, 15, transaction=2**31 - 1, valid_from=T, valid_to=T + 9),
        p(6, 0, profile.CEILING, 1, start=-99, valid_from=-(2**33), valid_to=2**31, n=96),
    ):
        install(store, w)
        wanted[name(w)] = content(w)
        assert holds(store) == wanted
        assert holds(again(flash)) == wanted
    assert flash.misused == 0
    install(again(flash), default(9, 0, 3))


def replaced(setup, w, gone):
    """Putting `w` removes exactly the places `gone`."""
    flash, store = fresh(48, setup)
    before = holds(store)
    assert sorted([name(r) for r in store.change().replaced_by(w)]) == sorted(gone)
    install(store, w)
    order_is_right(store)
    for place in gone:
        before.pop(place)
    assert name(w) not in before
    before[name(w)] = content(w)
    assert holds(store) == before
    assert holds(again(flash)) == before
    assert names() == sorted(before)


def test_what_is_replaced():
    """By place, by id elsewhere (whatever the purpose), by both at once, by itself; another
    connector or purpose is another place (A15)."""
    both = [default(1, 1, 3), default(2, 1, 4)]
    ceiling = p(1, 0, profile.CEILING, 3)
    for installed, w, gone in (
        (both, default(3, 1, 3, 99), ["1-1-3"]),
        (both, default(1, 0, 5, 99), ["1-1-3"]),
        (both, ceiling, ["1-1-3"]),
        (both, default(1, 1, 4, 99), ["1-1-3", "1-1-4"]),
        (both, default(1, 1, 3, 99), ["1-1-3"]),
        ([default(1, 1, 3), default(2, 0, 3)], default(3, 2, 3), []),
        ([default(1, 1, 3), p(2, 0, profile.CEILING, 3)], p(3, 1, profile.TX, 3), []),
    ):
        replaced(installed, w, gone)


def test_32_of_the_largest_can_be_installed_and_replaced():
    flash, store = fresh(96)
    fill(store, size=96)
    assert len(store.records) == MAX_PROFILES
    refuses(store, default(1, 2, 0))
    install(store, default(131, 1, 15, 5, n=96))  # itself
    install(store, default(1, 1, 14, 6, n=96))  # by place
    install(store, default(1, 2, 14, 7, n=96))  # by id
    install(store, default(1, 1, 13, 8, n=96))  # both: one place is free now
    install(store, default(2, 2, 0, 9, n=96))
    refuses(store, default(3, 2, 1))
    assert len(store.records) == MAX_PROFILES
    wanted = holds(store)
    store = again(flash)
    assert holds(store) == wanted
    refuses(store, default(3, 2, 1))
    store.change().remove(store.records[5])
    install(store, default(3, 2, 1))


def test_periods_are_read_back_when_they_are_needed():
    flash, store = fresh()
    install(store, default(1, 1, 3, n=24))
    install(store, default(2, 1, 4, n=24))
    store = again(flash)
    assert [len(w) for w in store.records] == [HEADER, HEADER]
    w = store.whole(store.records[1])
    assert w is store.records[1] and len(w) == HEADER + 48
    store.trim()
    assert [len(w) for w in store.records] == [HEADER, HEADER + 48]
    assert store.whole(store.records[1]) is w
    store.trim()
    assert store.records[1] is w
    store.trim()
    assert [len(w) for w in store.records] == [HEADER, HEADER]


# Power cuts


def cuts(setup, actions, blocks=24):
    """Cut the power at every flash operation of `actions`, and again at every one of the boot
    that follows. Returns how many cuts there were."""
    flash, store = fresh(blocks, () if callable(setup) else setup)
    if callable(setup):
        setup(store)
    image = bytes(flash.data)
    states = [holds(store)]  # after each action
    flash.on()
    for action in actions:
        action(store)
        states.append(holds(store))
    total, count, at_boot = flash.ops, 0, 0
    for cut in range(total):
        for torn in TORN:
            gc.collect()
            flash.restore(image)
            store = again(flash)
            assert flash.ops == 0, "a boot with nothing to mend writes"
            flash.dies_at, flash.tear = cut, torn
            done = 0
            try:
                for action in actions:
                    action(store)
                    if flash.dead:  # (who only logs what the flash says has not noticed)
                        break
                    done += 1
            except (Refused, OSError):
                pass
            assert flash.dead and done < len(actions)
            count += 1
            left = bytes(flash.data)
            flash.on()
            n = mended(flash, states, done)
            # The boot mends: cut the power there too.
            for second in range(n):
                flash.restore(left)
                mount(flash)
                flash.dies_at, flash.tear = second, torn
                try:
                    Store(FOLDER, quiet)
                except OSError:
                    pass
                flash.on()
                mended(flash, states, done)
                at_boot += 1
    assert flash.misused == 0
    print("%d operations, %d cuts, %d more while it boots" % (total, count, at_boot))
    return count + at_boot


def complain(text):
    raise AssertionError(text)


def mended(flash, states, done):
    """After the cut each place holds the old or the new; returns the operations of the boot."""
    mount(flash)
    ops = flash.ops
    store = Store(FOLDER, complain)
    ops = flash.ops - ops
    order_is_right(store)
    assert damaged(store) == 0
    got = holds(store)
    if got not in (states[done], states[done + 1]):
        # What stays in force for another goes before it.
        gone = {place: w for place, w in states[done].items() if got.get(place) != w}
        assert gone and all([place[-1] == "~" for place in gone]), (done, sorted(got))
        assert all([states[done].get(place) == w for place, w in got.items()]), (done, sorted(got))
    # and it works
    if len(got) == MAX_PROFILES:
        got.pop(name(store.records[3]))
        store.change().remove(store.records[3])
    w = default(7777, 3, 9, 77)
    install(store, w, 0, 0)
    got[name(w)] = content(w)
    assert holds(again(flash, complain)) == got
    return ops


def failures(ways, before=()):
    """After `before` the chip refuses one operation of each of `ways` and works on: what is in
    force and what is kept agree. Returns how many operations that were."""
    flash, store = fresh(32, two())
    for way in before:
        way(store)
    image = bytes(flash.data)
    count = 0
    for way in ways:
        flash.restore(image)
        store = again(flash)
        old = holds(store)
        way(store)
        new = holds(store)
        for n in range(flash.ops):
            gc.collect()
            flash.restore(image)
            store = again(flash)
            flash.fails_at = n
            try:
                way(store)
                done = True
            except (Refused, OSError):
                done = False
            flash.on()
            count += 1
            got = holds(store)
            assert got == new or got == old and not done, (n, got)
            assert holds(again(flash, complain)) == got
            install(store, default(9, 3, 3))
    return count


def put(*args):
    return lambda store: install(store, default(*args))


def remove(place):
    return lambda store: store.change().remove([w for w in store.records if name(w) == place][0])


TWO = (1, 1, 3, 160, 24), (2, 1, 4, 170, 24)


def two():
    return [default(*a) for a in TWO]


def test_power_cut_while_the_folder_is_made():
    flash = Flash(24)
    image = bytes(flash.data)
    mount(flash)
    Store(FOLDER, complain)
    total = flash.ops
    assert total
    for cut in range(total):
        for torn in TORN:
            flash.restore(image)
            mount(flash)
            flash.dies_at, flash.tear = cut, torn
            try:
                Store(FOLDER, complain)
            except OSError:
                pass
            flash.on()
            mended(flash, [{}, {}], 0)


def test_power_cut_at_every_operation():
    """Of a new one, one in the same place, by id elsewhere, by both; of removing; with 32
    installed; of a busy day."""
    day = [
        put(3, 0, 0, 9, 24),
        put(3, 0, 1, 10, 24),
        put(1, 1, 4, 11, 96),
        remove("0-1-1"),
        put(4, 0, 1, 12, 24),
        put(1, 0, 1, 13, 24),
        put(5, 1, 4, 14, 1),
    ]
    assert cuts([], [put(1, 1, 3, 9, 24)])
    for actions in (
        [put(3, 0, 0, 9, 1)],
        [put(3, 0, 0, 9, 24)],
        [put(3, 0, 0, 9, 96)],
        [put(1, 1, 3, 9, 24)],
        [put(3, 1, 3, 9, 96)],
        [put(3, 1, 3, 9, 1)],
        [put(1, 0, 0, 9, 24)],
        [put(1, 1, 5, 9, 96)],
        [put(1, 1, 4, 9, 24)],
        [put(2, 1, 3, 9, 24)],
        [remove("1-1-3")],
        [remove("1-1-4"), remove("1-1-3")],
    ):
        assert cuts(two(), actions)
    many = [default(100 + i, i // 16, i % 16, 200 + i, 9) for i in range(32)]
    assert cuts(many, [put(131, 0, 3, 9, 24)], 64)
    assert cuts(two(), day, 16)


def test_a_flash_operation_that_fails_changes_nothing_or_all():
    ways = (
        put(3, 0, 0, 9, 24),
        put(3, 0, 0, 9, 96),
        put(1, 1, 3, 9, 96),
        put(1, 0, 0, 9, 24),
        put(1, 1, 4, 9, 96),
        remove("1-1-3"),
    )
    print(failures(ways), "failures")


# A30: what is replaced stays in force until its successor begins

NOW = T + 7


def later(start, *args):
    w = default(*args)
    w[START] = start
    return w


def put_later(start, *args):
    """At NOW comes one that begins at `start`."""
    return lambda store: install(store, later(start, *args), NOW, NOW)


def in_force(store, *instants):
    """The limit of connector 1 at each, and where the record stands that says so."""
    ev = Evaluator(store)
    out = []
    for t in instants:
        ev.at(1, t, T)
        out.append(ev.winner and (name(ev.winner), ev.limit))
    return out


def stays(setup, ways, wanted):
    """After `ways` the files are `wanted`, and a reboot finds the same; -> store"""
    flash, store = fresh(48, setup)
    for way in ways:
        way(store)
        order_is_right(store)
    before = holds(store)
    assert sorted(before) == names() == sorted(wanted), (names(), sorted(before))
    store = again(flash, complain)
    assert holds(store) == before
    assert store.count() == len([n for n in names() if n[-1] != "~"])
    return store


def hands_over(store, begins, before, after):
    """`before` says the limit from NOW until `begins`, `after` from then on."""
    got = in_force(store, NOW, begins - 1, begins)
    assert got == [before, before, after], got


def test_A30_replaced_by_one_that_has_not_begun():
    """It stays until the newest begins."""
    first, elsewhere = put_later(NOW + 9, 1, 1, 3, 50), put_later(NOW + 9, 1, 1, 5, 50)
    newest = put_later(NOW + 99, 2, 1, 3, 60)
    valid = default(1, 1, 3, 50)
    valid[profile.VALID_FROM] = NOW + 9
    here, there = ["1-1-3", "1-1-3~"], ["1-1-3~", "1-1-5"]
    for ways, places, after_s, after in (
        ([first], here, 9, ("1-1-3", 50)),
        ([put_later(NOW + 9, 7, 1, 3, 50)], here, 9, ("1-1-3", 50)),  # whatever its id
        ([lambda store: install(store, valid, NOW, NOW)], here, 9, ("1-1-3", 52)),  # or validFrom
        ([first, newest], here, 99, ("1-1-3", 60)),
        ([first, newest, put_later(NOW + 5, 1, 1, 3, 70)], here, 5, ("1-1-3", 70)),
        # by id elsewhere; and what it waited for is replaced under another id
        ([elsewhere], there, 9, ("1-1-5", 50)),
        ([elsewhere, put_later(NOW + 99, 2, 1, 5, 60)], there, 99, ("1-1-5", 60)),
        # what it waited for, which had its place and another id, goes elsewhere
        (
            [put_later(NOW + 9, 7, 1, 3, 50), put_later(NOW + 99, 7, 1, 5, 60)],
            there,
            99,
            ("1-1-5", 60),
        ),
    ):
        hands_over(stays(two()[:1], ways, places), NOW + after_s, ("1-1-3~", 183), after)
    store = stays(two(), [first], here + ["1-1-4"])
    store.change().remove(store.records[0])
    hands_over(store, NOW + 9, ("1-1-3~", 183), ("1-1-3", 50))
    # by id and by place at once
    store = stays(two(), [put_later(NOW + 9, 1, 1, 4, 50)], ["1-1-3~", "1-1-4", "1-1-4~"])
    hands_over(store, NOW + 9, ("1-1-4~", 193), ("1-1-4", 50))
    # and by one of another purpose
    w = p(1, 0, profile.CEILING, 3, 50, start=NOW + 9)
    stays(two()[:1], [lambda store: install(store, w, NOW, NOW)], ["0-2-3", "1-1-3~"])


def test_A30_replaced_by_one_that_has_begun():
    for start in (0, NOW - 9, NOW):
        store = stays(two()[:1], [put_later(start, 1, 1, 3, 50)], ["1-1-3"])
        assert in_force(store, NOW)[0] in (("1-1-3", 50), ("1-1-3", 52))
    w = later(NOW + 3, 1, 1, 3, 50)
    w[KEY] |= profile.FLAG_BEGUN << 24
    stays(two()[:1], [lambda store: install(store, w, NOW, NOW)], ["1-1-3"])


def test_A30_after_the_newest_has_begun():
    """A clock that goes back finds again what it replaced; an hour later it is gone."""
    ways = [put_later(NOW + 9, 1, 1, 3, 50), put_later(NOW + 99, 2, 1, 3, 60)]
    ways.append(put_later(NOW, 1, 1, 3, 80))
    stays(two()[:1], ways, ["1-1-3", "1-1-3~"])
    hour = lambda store: install(store, default(9, 2, 0), NOW + 3600, NOW + 3600)  # noqa: E731
    stays(two()[:1], ways + [hour], ["1-1-3", "2-1-0"])
    stays(two()[:1], ways[:-1] + [put_later(0, 1, 1, 3, 80)], ["1-1-3"])
    ways = [put_later(NOW + 9, 1, 1, 5, 50), put_later(NOW + 99, 2, 1, 5, 60)]
    stays(two()[:1], ways + [put_later(NOW, 2, 1, 5, 60)], ["1-1-3~", "1-1-5"])


def test_A30_in_the_dark_one_that_never_begins_changes_nothing():
    """Before a reboot and after it: the one in force stands before its successor."""
    flash, store = fresh()
    install(store, default(1, 1, 3, 160, 1))
    install(store, later(0x3FFFFFFF, 1, 1, 3, 50, 1), NOW, NOW)
    for _ in range(2):
        assert [name(w) for w in store.records] == ["1-1-3~", "1-1-3"]
        ev = Evaluator(store)
        ev.known, ev.ahead_s = False, NOW - UNKNOWN
        ev.at(1, UNKNOWN, UNKNOWN)
        assert ev.limit == 160
        store = again(flash, complain)


def test_A30_it_goes_with_what_replaced_it():
    for setup, way, place in (
        (two()[:1], put_later(NOW + 9, 1, 1, 3, 50), "1-1-3"),
        (two()[:1], put_later(NOW + 9, 1, 1, 5, 50), "1-1-5"),
        (two(), put_later(NOW + 9, 1, 1, 4, 50), "1-1-4"),
    ):
        stays(setup, [way, remove(place)], [])
    stays(two()[:1], [put_later(NOW + 9, 1, 1, 3, 50), remove("1-1-3~")], ["1-1-3"])


def test_A30_what_is_over_does_not_come_back():
    """Neither when what has ended it is replaced by one that begins later, nor when that goes."""
    ways = [put_later(NOW + 9, 1, 1, 5, 50)]
    ends = lambda store: install(store, later(NOW + 99, 1, 0, 7, 60), NOW + 20, NOW + 20)  # noqa: E731
    store = stays(two()[:1], ways + [ends], ["0-1-7", "1-1-5~"])
    assert in_force(store, NOW + 20, NOW + 98) == [("1-1-5~", 50), ("1-1-5~", 50)]
    ways.append(put_later(NOW + 99, 2, 1, 3, 60))  # (in the place of what waits)
    store = stays(two()[:1], ways, ["1-1-3", "1-1-3~", "1-1-5"])
    store.change().remove([r for r in store.records if profile.level(r) == 5][0], NOW + 20)
    assert in_force(store, NOW + 20) == [None] and names() == ["1-1-3"]


def test_A30_it_does_not_count():
    flash, store = fresh(160)
    fill(store)
    for i in range(MAX_PROFILES):
        install(store, later(NOW + 9, 100 + i, i // 16, i % 16, 50), NOW, NOW)
    assert store.count() == MAX_PROFILES and len(store.records) == 2 * MAX_PROFILES
    assert len(holds(again(flash, complain))) == 2 * MAX_PROFILES
    # There are as many of those too, and no more.
    install(store, later(NOW - 9, 100, 3, 0), NOW, NOW)
    assert len(store.records) == 2 * MAX_PROFILES  # (one of them is over now)
    install(store, later(NOW + 9, 100, 3, 0), NOW, NOW)
    assert len(store.records) == 2 * MAX_PROFILES
    assert "0-1-0~" not in names() and "3-1-0~" in names()
    install(store, later(NOW - 9, 101, 3, 1, 9), NOW - 10, NOW - 10)
    refuses(store, later(NOW + 9, 101, 3, 1, 8), NOW - 10, NOW - 9)
    assert holds(store) == holds(again(flash, complain))


def test_A30_a_damaged_record_that_is_replaced():
    """6 A stay in force too."""
    flash, store = fresh(records=[default(1, 1, 3)])
    write("1-1-3", bytes(72))
    store = again(flash)
    put_later(NOW + 9, 2, 1, 3, 50)(store)
    assert damaged(store) == 0
    for _ in range(2):
        assert in_force(store, NOW, NOW + 9) == [("1-1-3~", 60), ("1-1-3", 50)]
        store = again(flash, complain)
    write("1-1-3~", b"x")  # and where it is damaged itself
    store = again(flash)
    assert in_force(store, NOW, NOW + 9) == [("1-1-3~", 60), ("1-1-3", 50)] and damaged(store) == 1
    store.change().remove(store.records[1])
    assert damaged(store) == 0 and names() == []
    # also where what it waited for is elsewhere
    install(store, default(1, 1, 3))
    put_later(NOW + 9, 1, 1, 5, 50)(store)
    write("1-1-3~", b"x")
    for _ in range(2):
        store = again(flash)
        assert in_force(store, NOW, NOW + 9) == [("1-1-3~", 60), ("1-1-5", 50)]
        assert damaged(store) == 1 and read("1-1-3~") == b"x"


def test_A30_sent_again_as_it_is():
    flash, store = fresh(records=two())
    put_later(NOW + 9, 1, 1, 3, 50)(store)
    ops, kept = flash.ops, images()
    for t in (NOW, NOW + 5, NOW + 20):
        install(store, later(NOW + 9, 1, 1, 3, 50), t, t)
    assert (flash.ops, images()) == (ops, kept)
    w = later(NOW + 9, 1, 1, 3, 50)
    w[KEY] |= profile.FLAG_BEGUN << 24
    install(store, w, NOW + 8, NOW + 8)  # near enough now
    kept.pop("1-1-3~")
    assert images() == kept
    assert in_force(store, NOW + 8)[0] == ("1-1-4", 193)
    store.change().remove(store.records[0])
    assert in_force(store, NOW + 8) == [("1-1-3", 50)]


def test_A30_while_the_clock_is_not_set():
    """What may have begun stays, unless its successor has for certain."""
    for start, old, least, wanted in (
        (NOW + 9, 0, NOW, ["1-1-3", "1-1-3~"]),
        (NOW + 9, NOW + 5, NOW, ["1-1-3", "1-1-3~"]),
        (NOW - 9, 0, NOW, ["1-1-3"]),
    ):
        flash, store = fresh()
        install(store, later(old, 1, 1, 3))
        install(store, later(start, 1, 1, 3, 50), least, 0x3FFFFFFF)
        assert sorted(holds(again(flash, complain))) == wanted == names()


def test_A30_in_the_dark_two_that_may_be_in_force_and_one_place():
    """What is in force, or what replaces it, would have to go: nobody knows which it is."""
    flash, store = fresh(records=[default(1, 1, 3)])
    put_later(NOW + 9, 1, 1, 3, 50)(store)
    for n in (3, 5):
        refuses(store, later(NOW + 99, 1, 1, n, 60), NOW, 0x3FFFFFFF)
    install(store, later(NOW + 99, 1, 1, 3, 60), NOW + 9, 0x3FFFFFFF)  # it has begun for certain
    assert in_force(store, NOW + 98, NOW + 99) == [("1-1-3~", 50), ("1-1-3", 60)]


def test_A30_power_cut_at_every_operation():
    assert cuts(two(), [put_later(NOW + 9, 1, 1, 3, 9, 24)])
    assert cuts(two(), [put_later(NOW + 9, 1, 1, 5, 9, 96)])
    assert cuts(two(), [put_later(NOW + 9, 1, 1, 4, 9, 1)])
    day = [
        put_later(NOW + 9, 1, 1, 3, 9, 24),
        put_later(NOW + 99, 3, 1, 3, 10, 24),
        put_later(NOW + 9, 2, 0, 4, 11, 96),
        put_later(0, 4, 1, 3, 12, 24),
        put_later(NOW + 9, 4, 1, 3, 13, 24),
        remove("1-1-3"),
        remove("0-1-4"),
    ]
    assert cuts(two(), day, 32)


def test_A30_power_cut_at_every_operation_where_it_waits_for_another():
    """What is replaced waits for one that is replaced itself: it has one of the two to wait for
    at every moment."""
    for ways in (
        [put_later(NOW + 9, 1, 1, 5, 9, 24), put_later(NOW + 99, 3, 1, 5, 10, 24)],
        [put_later(NOW + 9, 7, 1, 3, 9, 24), put_later(NOW + 99, 7, 1, 5, 10, 24)],
        [
            put_later(NOW + 9, 1, 1, 5, 9, 24),
            put_later(0, 3, 0, 0, 30, 1),
            put_later(NOW + 99, 3, 1, 5, 10, 24),
            put_later(NOW + 50, 4, 1, 5, 11, 1),
            put_later(NOW - 9, 5, 1, 5, 12, 1),
        ],
    ):
        assert cuts(two(), ways, 32)


def test_A30_a_flash_operation_that_fails_changes_nothing_or_all():
    ways = [put_later(NOW + 9, 1, 1, n, 9, 96) for n in (3, 4, 5)] + [remove("1-1-3")]
    assert failures(ways)
    assert failures([put_later(NOW + 99, 3, 1, 5, 9, 24)], [put_later(NOW + 9, 1, 1, 5, 9, 24)])


# Beside each other: of one connector, purpose and level, valid one after the other

DAY = 86400


def month(n, id=None, mark=None, **more):
    """The TxDefaultProfile of connector 1, level 3, that is valid on day `n`."""
    times = {"valid_from": NOW + n * DAY, "valid_to": NOW + (n + 1) * DAY}
    times.update(more)
    id = 100 + n if id is None else id
    return p(id, 1, profile.TX_DEFAULT, 3, 160 + n if mark is None else mark, 1, **times)


def beside(w, *now):
    return lambda store: install(store, w, *(now or (NOW, NOW)), beside=True)


def instead(w, *now):
    return lambda store: install(store, w, *(now or (NOW, NOW)))


def test_beside_each_other_each_in_its_time():
    flash, store = fresh(64)
    for n in (2, 0, 1):
        beside(month(n))(store)
    wanted = [("1-1-3-1", 160), ("1-1-3-2", 161), ("1-1-3", 162), None]
    for _ in range(2):
        got = in_force(store, *[NOW + n * DAY + 5 for n in range(4)])
        assert got == wanted and store.count() == 3
        store = again(flash, complain)
    # the same again is not written; by its id each is replaced where it stands
    flash.on()
    for n in (1, 2, 0):
        beside(month(n))(store)
    assert flash.ops == 0
    beside(month(1, mark=99))(store)
    assert in_force(store, NOW + DAY)[0] == ("1-1-3-2", 99)
    # what is free is taken first
    store.change().remove([w for w in store.records if w[ID] == 100][0])
    beside(month(7))(store)
    beside(month(8))(store)
    assert names() == ["1-1-3", "1-1-3-1", "1-1-3-2", "1-1-3-3"] and holds(again(flash, complain))


def test_beside_each_other_16_at_most():
    flash, store = fresh(64)
    for n in range(16):
        beside(month(n))(store)
    before = holds(store)
    assert len(before) == 16 and store.change().put(month(16), NOW, NOW, True)
    assert holds(store) == before == holds(again(flash, complain))
    beside(month(3, mark=1))(store)


def test_of_several_all_are_replaced_where_a_place_has_one():
    """As OCPP 1.6 has it. What one of them has in force stays until the new one begins."""
    flash, store = fresh(64)
    for n in range(3):
        beside(month(n))(store)
    assert len(store.change().replaced_by(month(5, 7))) == 3
    instead(month(5, 7))(store)
    for _ in range(2):
        assert names() == ["1-1-3", "1-1-3~"] and store.count() == 1
        got = in_force(store, NOW, NOW + DAY - 1, NOW + DAY, NOW + 5 * DAY)
        assert got == [("1-1-3~", 160)] * 2 + [None, ("1-1-3", 165)]
        store = again(flash, complain)
    store.change().remove([w for w in store.records if w[ID] == 7][0])
    assert names() == []
    # the one in force has another slot than the new one
    for n in (1, 0):
        beside(month(n))(store)
    instead(month(5, 7))(store)
    for _ in range(2):
        assert names() == ["1-1-3", "1-1-3-1~"]
        assert in_force(store, NOW, NOW + 5 * DAY) == [("1-1-3-1~", 160), ("1-1-3", 165)]
        store = again(flash, complain)
    # later ones stand beside it again
    beside(month(6))(store)
    assert sorted(holds(again(flash, complain))) == ["1-1-3", "1-1-3-1~", "1-1-3-2"]


def test_A30_beside_others_it_waits_for_its_own_successor():
    """Not for one that has begun long ago, and has its place in another time."""
    flash, store = fresh(64)
    beside(month(0))(store)
    beside(month(1, valid_to=None))(store)
    t = NOW + DAY + 5
    beside(month(3, 101), t, t)(store)
    for _ in range(2):
        assert names() == ["1-1-3", "1-1-3-1", "1-1-3-1~"]
        got = in_force(store, t, NOW + 3 * DAY - 1, NOW + 3 * DAY)
        wanted = [("1-1-3-1~", 161), ("1-1-3-1~", 161), ("1-1-3-1", 163)]
        assert got == wanted, got
        store = again(flash, complain)
    # its id goes elsewhere; who takes its time ends it, who has another time does not
    other = p(101, 1, profile.TX_DEFAULT, 9, 50, start=NOW + 9 * DAY)
    for w, ends in ((month(2, 7), True), (month(-3, 7), False)):
        flash, store = fresh(64)
        beside(month(1, valid_to=None))(store)
        beside(other, t, t)(store)
        beside(w, t, t)(store)
        got = in_force(store, t, NOW + 2 * DAY, NOW + 3 * DAY, NOW + 9 * DAY)
        held = ("1-1-3~", 161)
        after = [("1-1-3", 162), None] if ends else [held, held]
        assert got == [held] + after + [("1-1-9", 50)], got


def test_beside_each_other_6_A_stand_in_for_what_is_damaged():
    flash, store = fresh(64)
    for n in range(3):
        beside(month(n))(store)
    damage("1-1-3-1")
    store = again(flash)
    assert in_force(store, NOW + DAY) == [("1-1-3-1", 60)] and damaged(store) == 1
    beside(month(1))(store)
    assert damaged(store) == 0 and in_force(again(flash, complain), NOW + DAY)[0][1] == 161


def test_beside_each_other_power_cut_at_every_operation():
    three = [month(0), month(1), month(2)]

    def setup(store):
        for w in three:
            beside(w)(store)

    for actions in (
        [beside(month(3))],
        [beside(month(1, mark=9))],
        [beside(month(7, 101), NOW + DAY, NOW + DAY)],
        [instead(month(1, 7, 9), NOW + DAY, NOW + DAY)],
        [instead(month(5, 7, 9)), beside(month(0))],
        [instead(month(5, 102, 9), NOW + DAY, NOW + DAY), beside(month(6))],
    ):
        assert cuts(setup, actions, 48)


# A receipt that was noted without a clock


def received(at, n=3):
    w = p(1, 0, profile.CEILING, 0, 160, n, duration=900 * n)
    w[HEADER + 3] = 100
    w[START] = at
    w[KEY] |= profile.FLAG_BEGUN << 24
    return w


def test_a_receipt_moves_with_the_clock_and_is_durable():
    flash, store = fresh()
    install(store, received(UNKNOWN))
    install(store, default(2, 1, 3))
    store.change().moved(NOW - UNKNOWN)
    for _ in range(2):
        w = [w for w in store.records if w[ID] == 1][0]
        assert w[START] == NOW and store.whole(w)[HEADER + 1] == 160
        kept = images()
        store.change().moved(NOW - UNKNOWN)  # it has
        assert images() == kept
        store = again(flash, complain)


def test_a_receipt_from_before_a_power_cut_is_at_its_lowest():
    flash, store = fresh(records=[received(UNKNOWN)])
    for _ in range(2):
        flash.on()
        store = again(flash, complain)
        w = store.whole(store.records[0])
        assert w[START] == UNKNOWN and [w[i] for i in (13, 15, 17)] == [100] * 3
    assert flash.ops == 0, "once is enough"
    store.change().moved(NOW - UNKNOWN)
    assert limit(store, t=NOW + 2699) == 100 and limit(store, t=NOW + 2700) == NONE
    assert limit(again(flash, complain), t=NOW) == 100


def test_power_cut_at_every_operation_while_a_receipt_moves():
    flash, store = fresh(records=[received(UNKNOWN)])
    image = bytes(flash.data)
    store.change().moved(NOW - UNKNOWN)
    for cut in range(flash.ops):
        for torn in TORN:
            flash.restore(image)
            store = again(flash)
            flash.dies_at, flash.tear = cut, torn
            store.change().moved(NOW - UNKNOWN)
            flash.on()
            w = again(flash, complain).records[0]
            assert w[START] in (NOW, UNKNOWN)
            limited = limit(again(flash, complain), w[START] == NOW, t=w[START])
            assert limited in (100, 160), limited


# Wear


def test_one_erase_a_put_in_steady_state():
    flash, store = fresh(128)
    fill(store, 16, 24)
    for title, n, size in (("24 periods", 200, 24), ("96 periods", 200, 96), ("1 period", 200, 1)):
        flash.on()
        for i in range(n):
            install(store, default(100 + i % 16, 0, i % 16, i, size))
        print("%s: %d erases, %d operations in %d puts" % (title, flash.erases, flash.ops, n))
        # (one for the file; LittleFS compacts its directory every 60 or so)
        assert flash.erases <= n * 102 // 100
    flash.on()
    for i in range(200):
        install(store, default(100, 1, i % 16, i, 24))
    print("elsewhere by id: %d erases, %d operations in 200 puts" % (flash.erases, flash.ops))
    assert flash.erases <= 212


def test_an_identical_profile_is_not_written_again():
    for n in (1, 24, 96):
        flash, store = fresh()
        w = default(1, 1, 3, 160, n)
        install(store, default(2, 0, 3, 160, n))
        install(store, w)
        kept, sequence = images(), store.sequence
        flash.on()
        install(store, default(1, 1, 3, 160, n))  # in force
        headers_only(store)
        install(store, default(1, 1, 3, 160, n))  # header only
        store = again(flash, complain)
        install(store, default(1, 1, 3, 160, n))
        assert flash.ops == 0 and images() == kept and store.sequence == sequence
        # but any difference is
        other = default(1, 1, 3, 160, n)
        other[HEADER + 2 * n - 1] += 1
        for w in (
            other,
            default(3, 1, 3, 160, n),  # another id in its place
            default(1, 1, 4, 160, n),  # its id in another place
            p(2, 0, profile.TX_DEFAULT, 3, 160, n, start=1),
            p(2, 0, profile.TX_DEFAULT, 3, 160, n, min_rate=60),
            p(2, 0, profile.TX_DEFAULT, 3, 160, n + (1 if n < 96 else -1)),
        ):
            ops = flash.ops
            install(store, w)
            assert flash.ops > ops and holds(again(flash, complain))[name(w)] == content(w)


def test_an_identical_profile_mends_one_that_is_damaged():
    flash, store = fresh(records=[default(1, 1, 3)])
    for known in (True, False):  # noticed at the boot, or not before the put
        store = again(flash)
        damage("1-1-3")
        if known:
            store = again(flash)
        install(store, default(1, 1, 3))
        assert damaged(store) == 0 and limit(store) == 162
        assert holds(again(flash, complain)) == {"1-1-3": content(default(1, 1, 3))}


# Flash full


def filler(size):
    try:
        with open("/flash/filler", "wb") as f:
            for _ in range(size // 512):
                f.write(bytes(512))
            f.write(bytes(size % 512))
        return True
    except OSError:
        os.remove("/flash/filler")
        return False


def test_full_flash_refuses_and_keeps_what_is_installed():
    """At every fill of a small device, for every way of putting."""
    flash, store = fresh(12, two())
    image = bytes(flash.data)
    refused = done = 0
    for size in range(0, 9 * 4096, 1024):
        for w in (
            default(3, 0, 0, 9, 96),
            default(3, 0, 0, 9, 1),
            default(1, 1, 3, 9, 96),
            default(1, 0, 1, 9, 96),
            default(1, 1, 4, 9, 96),
        ):
            gc.collect()
            flash.restore(image)
            mount(flash)
            if not filler(size):
                continue
            store = again(flash, complain)
            before = holds(store)
            after = dict(before)
            for r in store.change().replaced_by(w):
                after.pop(name(r))
            after[name(w)] = content(w)
            try:
                install(store, w)
                done += 1
                assert holds(store) == after
                assert holds(again(flash, complain)) == after
            except Refused:
                refused += 1
                assert names() == sorted(before), "what was begun stays"
                assert holds(store) == before
                order_is_right(store)
                assert holds(again(flash, complain)) == before
                os.remove("/flash/filler")
                install(store, w)
                assert holds(store) == after
                assert holds(again(flash, complain)) == after
    print(done, "put,", refused, "refused")
    assert refused > 10 and done > 10


# What cannot be believed


def limit(store, known=True, connector=1, t=T, tx_start=T - 10):
    ev = Evaluator(store)
    ev.known = known
    ev.at(connector, t, tx_start)
    return ev.limit


def test_each_damaged_byte_of_a_record_leaves_6_A_in_its_place():
    flash, store = fresh()
    places = ("0-2-3", "1-1-3", "0-1-3", "3-0-3")
    for w in (
        p(1, 0, profile.CEILING, 3, 110, start=T - 99),
        default(2, 1, 3, 100),
        default(3, 0, 3, 100),
        p(4, 3, profile.TX, 3, 105, start=None, kind=profile.RELATIVE),
    ):
        install(store, w)
    good = images()
    told = []
    for place in places:
        image = good[place]
        for i in range(len(image)):
            for bits in (1, 0x80, 0xFF):
                bad = bytearray(image)
                bad[i] ^= bits
                write(place, bad)
                told.clear()
                store = Store(FOLDER, told.append)
                assert len(told) == 1 and place in told[0], told
                assert damaged(store) == 1 and len(store.records) == 4
                stand_in = [w for w in store.records if name(w) == place][0]
                assert store.whole(stand_in)[HEADER + 1] == 60
                order_is_right(store)
            if i % 16:
                continue
            # in force whatever the time
            for tx_start in (T - 10, T + 10):
                for known in (True, False):
                    for t in (T, UNKNOWN):
                        connector = int(place[0]) or 2
                        assert limit(store, known, connector, t, tx_start) == 60, (place, known, t)
        write(place, image)
    store = Store(FOLDER, complain)
    assert damaged(store) == 0 and images() == good
    assert limit(store, connector=3) == 105


def test_a_damaged_record_is_replaced_or_removed():
    flash, store = fresh(records=two())
    for place, data in (("1-1-3", bytes(72)), ("0-2-5", b"x"), ("1-1-9", b"")):
        write(place, data)
    store = again(flash)
    assert damaged(store) == 2 and "1-1-9" not in names()  # (an empty file is none)
    w = default(9, 1, 3, 99)
    assert [name(r) for r in store.change().replaced_by(w)] == ["1-1-3"]
    install(store, w)
    assert damaged(store) == 1 and len(store.records) == 3
    assert holds(again(flash))["1-1-3"] == content(w)
    for w in list(store.records):
        store.change().remove(w)
    assert damaged(store) == 0 and names() == []
    assert limit(again(flash, complain)) == NONE


def test_damaged_records_are_not_each_others_duplicates():
    flash, store = fresh()
    for place in ("0-2-0", "1-1-0", "1-1-1"):
        write(place, b"x")
    store = again(flash)
    assert len(store.records) == 3 and damaged(store) == 3
    # nor of a profile with the chargingProfileId that stands in for theirs
    install(store, default(store.records[0][ID], 2, 0))
    assert len(store.records) == 4
    assert len(again(flash).records) == 4


def test_a_record_that_is_damaged_while_it_is_only_a_header():
    flash, store = fresh(records=[default(1, 1, 3, 160)])
    store = again(flash)
    damage("1-1-3")
    assert limit(store) == 60 and damaged(store) == 1
    assert limit(store) == 60 and damaged(store) == 1
    headers_only(store)
    assert limit(store) == 60
    os.remove(FOLDER + "/1-1-3")
    store = again(flash)
    install(store, default(1, 1, 3, 160))
    headers_only(store)
    os.remove(FOLDER + "/1-1-3")  # by someone else
    assert limit(store) == 60


def test_a_record_in_the_place_of_another_is_not_believed():
    flash, store = fresh(records=[default(1, 1, 3)])
    write("1-1-4", read("1-1-3"))
    store = again(flash)
    assert damaged(store) == 1 and sorted(holds(store)) == ["1-1-3", "1-1-4"]


def test_another_layout_is_6_A_and_kept():
    flash, store = fresh()
    w = default(1, 1, 3, 160)
    seal(w, 1)
    w[0] += 1 << 16
    write("1-1-3", w)
    told = []
    store = again(flash, told.append)
    assert limit(store) == 60 and "layout version 5" in told[0]
    assert read("1-1-3") == bytes(w), "the newer firmware comes back to it"


def test_files_of_others_are_left_alone():
    flash, store = fresh()
    strays = (
        "README", "1-1", "1-1-3-0", "1-1-3-16", "1-1-3-04", "1-1-3-4-5", "-1-1-3", "a-b-c",
        "1-1-3.tmp", ".1-1-3", "1-1-x", "01-1-3", "1-1-16",
        "+1-1-3", "1- 1-3", "300-1-3", "1-4-3", "1-1-256", "1-1-99999999999999999999",
        "1-1-1000000000", "99999999999-1-1", "1-1--3", "1-1-3 ", "0x1-1-3", "1-1-1_0",
    )  # fmt: skip
    for stray in strays:
        write(stray, b"something")
    store = again(flash)
    assert store.records == [] and damaged(store) == 0, [name(w) for w in store.records]
    install(store, default(1, 1, 3))
    assert sorted(names()) == sorted(strays + ("1-1-3",))
    for stray in strays:
        assert read(stray) == b"something"


def test_a_folder_in_the_folder_does_not_stop_the_boot():
    """(Its st_size is whatever was in that word of the stack.)"""
    flash, store = fresh()
    for folder in ("old", "1-1-3", "1-1-4"):
        os.mkdir(FOLDER + "/" + folder)
        write(folder + "/x", b"x")
    store = again(flash)
    install(store, default(1, 1, 5))
    store = again(flash)
    assert name(store.records[0]) == "1-1-5" and damaged(store) == len(store.records) - 1


def test_files_of_every_length():
    flash, store = fresh(records=[default(1, 1, 3, n=96)])
    image = read("1-1-3")
    for n in list(range(1, 60)) + [len(image) - 4, len(image) - 1]:
        write("1-1-3", image[:n])
        store = Store(FOLDER, quiet)
        assert damaged(store) == 1 and limit(store) == 60
    for more in (4, 800, 60000):
        write("1-1-3", image + bytes(more))
        store = Store(FOLDER, quiet)
        assert damaged(store) == 1 and limit(store) == 60


# The layout. What has been released must be read by each later firmware.

FORMER = (  # layout 3
    "50570303 eac64e36 2a000000 00293501 00000000 00000000 01071502 a0723d0a ffffffff 7f3a0900"
    " 80510100 3c000000 00000000 a1000000 80700000 5a000003 40190100 40010001"
).replace(" ", "")
IMAGE = (
    "50570403 88d4d548 2a000000 00293501 00000000 05000000 01171502 a0723d0a ffffffff 7f3a0900"
    " 80510100 3c000000 00000000 a1000000 80700000 5a000003 40190100 40010001"
    " 08000000 a03cd845 09ffffff ffffffff"
).replace(" ", "")


def golden():
    periods = ((0, 161, 0), (28800, 90, 3), (72000, 320, 1))
    times = {"valid_from": T, "valid_to": T + 1000000000, "start": -1, "duration": 86400}
    weekly = {"recurrency": profile.WEEKLY, "min_rate": 60, "transaction": None}
    place = 20261120, 1, 7, profile.TX_DEFAULT, profile.RECURRING
    return pack(*place, periods, **times, **weekly, schedule_id=5)


def recurs_weekly(store):
    """Its limits are those of golden()."""
    assert store.sequence == 42 and store.records[0][ID] == 20261120
    ev = Evaluator(store)
    monday = -1 + 300 * 604800  # its origin
    steps = (0, 161), (28799, 161), (28800, 90), (72000, 320), (86399, 320), (86400, NONE)
    for s, wanted in steps:
        ev.at(1, monday + s, monday)
        assert ev.limit == wanted, s
    assert ev.until == monday + 604800


def test_golden_image_of_this_layout():
    w = golden()
    seat(w, 1)
    seal(w, 42)
    assert bytes(w).hex() == IMAGE, bytes(w).hex()
    flash, store = fresh()
    write("1-1-7-1", bytes.fromhex(IMAGE))
    store = again(flash, complain)
    assert read("1-1-7-1").hex() == IMAGE
    assert holds(store) == {"1-1-7-1": content(w)}
    recurs_weekly(store)


def test_a_record_of_the_former_layout_is_read():
    """It is in force and reported as it is; sent again it is of this layout."""
    flash, store = fresh()
    write("1-1-7", bytes.fromhex(FORMER))
    store = again(flash, complain)
    recurs_weekly(store)
    w = record.full(store, store.records[0])
    assert w[profile.SCHEDULE] == 0 and record.said(w, profile.VALID_TO) is None
    assert read("1-1-7").hex() == FORMER
    # one of its level comes beside it, it waits for one that begins later, it is replaced
    beside(p(9, 1, profile.TX_DEFAULT, 7, start=T, valid_to=T))(store)
    assert sorted(holds(again(flash, complain))) == ["1-1-7", "1-1-7-1"]
    install(store, p(20261120, 1, profile.TX_DEFAULT, 9, 50, start=NOW + 9), NOW, NOW)
    assert sorted(holds(again(flash, complain))) == ["1-1-7-1", "1-1-7~", "1-1-9"]
    install(store, golden(), NOW + 9, NOW + 9)
    w = golden()
    seat(w, 1)  # (that of the one that goes for it)
    assert read("1-1-7-1")[2] == 4 and holds(again(flash, complain))["1-1-7-1"] == content(w)
