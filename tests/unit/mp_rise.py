"""station/connector.py, wait() and allot(): less is allowed at once, more when it has stood for
long enough, and what a limit took away comes back after a pause."""

import random

from rig import seeded
from world import World, record

from firmware.charging import limits, profile
from firmware.electrical import pilot
from firmware.station import profiles, states
from firmware.station.retime import set_clock

HEAP = "640K"
S = 10  # polls of World.poll in a second


def world(delay_s=5, pause_s=60, **options):
    w = World(**options, rise_s=delay_s, pause_s=pause_s)
    return w.ready()


def limit(w, amps, ms=0):
    w.install(record(amps, profile.TX_DEFAULT, 0, 1), ms)


def seen(w, ms):
    """What was allowed in the next `ms`, each value once, in order."""
    out = [w.c.allow_mA]
    for _ in range(ms // 100):
        w.poll(100)
        if w.c.allow_mA != out[-1]:
            out.append(w.c.allow_mA)
    return out


def test_more_waits_and_less_does_not():
    for delay_s in (2, 3, 5):
        w = world(delay_s)
        limit(w, 8)
        w.charge()
        assert w.c.allow_mA == 8000
        limit(w, 16)
        assert seen(w, 1000 * delay_s) == [8000], delay_s
        assert w.poll(100) and w.c.allow_mA == 16000, delay_s
        limit(w, 10, 100)
        assert w.c.allow_mA == 10000
        assert w.station.sharing.limit_mA(w.c) == 10000
        limit(w, 16)  # what is true at once: only the pilot waits
        w.poll(100)
        assert w.station.sharing.limit_mA(w.c) == 16000 and w.c.allow_mA == 10000


def test_of_what_stood_in_that_time_the_least_counts():
    w = world()
    limit(w, 8)
    w.charge()
    for amps, ms in ((16, 2000), (12, 1000), (20, 2000)):
        limit(w, amps)
        assert seen(w, ms) == [8000]
    assert seen(w, 200) == [8000, 12000]
    assert seen(w, 5200) == [12000, 20000]
    limit(w, 32, 4000)
    limit(w, 20)  # as before: it has not stood
    w.poll(100)
    limit(w, 32)
    assert seen(w, 5000) == [20000]
    assert seen(w, 100) == [20000, 32000]


def test_a_profile_that_is_renewed_in_two_steps_or_that_begins_late():
    """ClearChargingProfile, and 150 ms later SetChargingProfile; startSchedule = now of a clock
    that is ahead."""
    for late_s in (0, 1, 2):
        w = world()
        tx = w.charge()
        more = {"kind": profile.ABSOLUTE, "transaction": tx.number}
        w.install(record(8, start=w.clock.now(), **more), 100)
        assert w.c.allow_mA == 8000
        for i in range(20):
            if i & 1:
                assert profiles.clear(w.station, 7) == 1
                w.poll(200)
            start = w.clock.now() + late_s
            assert profiles.install(w.station, record(8, start=start, **more)) is None
            assert seen(w, 3000) == [8000], (late_s, i)


def test_the_first_offer_of_a_transaction_does_not_wait():
    w = world()
    for amps in (16, 20):
        limit(w, amps)
        w.charge()
        assert w.c.allow_mA == 1000 * amps
        w.stop(states.LOCAL, 2000)
        assert w.c.tx is None and w.c.allow_mA == 0
    # it may be nothing: then what comes after it waits, but there is no pause
    limit(w, 0)
    w.charge()
    assert w.c.allow_mA == 0
    limit(w, 16)
    assert seen(w, 5000) == [0]
    assert seen(w, 200) == [0, 16000]
    # over a power cut the first one is what is known then
    w.boot().ready()
    assert w.c.tx and w.c.allow_mA == 16000


def test_a_stall_is_no_evidence():
    w = world()
    limit(w, 8)
    w.charge()
    limit(w, 16, 100)
    for _ in range(4):
        w.time.pass_ms(9900)
        w.poll(100)
        assert w.c.allow_mA == 8000
    assert seen(w, 1000) == [8000, 16000]


def test_nobody_ever_has_more_than_one_after_another_allows():
    """Random limits of two connectors under a random ceiling: the pilots in sum never above it,
    none above its own, none above the least of the last 5 s unless it was there before."""
    seeded("rises")
    w = world(pause_s=random.choice((0, 20)), connectors=2)
    for c in w.cs:
        w.charge(c=c, tag="TAG%d" % c.number)
    own, ceiling = [32, 32], 64
    history = [[32000] * 50 for _ in w.cs]
    for _ in range(400):
        kind = random.randrange(4)
        if kind == 3:
            ceiling = random.choice((0, 5, 6, 11, 12, 16, 20, 32, 64))
            profiles.install(w.station, record(ceiling, profile.CEILING, 0, 0, 9))
        elif kind < 2:
            own[kind] = random.choice((0, 5, 6, 10, 16, 32))
            profiles.install(
                w.station, record(own[kind], profile.TX_DEFAULT, kind + 1, 1, 10 + kind)
            )
        for _ in range(random.choice((1, 2, 10, 50, 80))):
            before = [c.allow_mA for c in w.cs]
            w.poll(100)
            assert sum([c.allow_mA for c in w.cs]) <= 1000 * ceiling
            for i, c in enumerate(w.cs):
                assert c.allow_mA <= 1000 * own[i]
                history[i] = history[i][1:] + [1000 * own[i]]
                assert c.allow_mA <= max(before[i], min(history[i]))


# The pause


def closings(w, ms):
    """How often the contactor closes while the limit is 5 A and 6 A by turns, 12 s each."""
    n, was = 0, w.electrics[0].closed
    for at in range(0, ms, 100):
        if at % 12000 == 0:
            limit(w, 5 if at % 24000 == 0 else 6)
        w.poll(100)
        now = w.electrics[0].closed
        n += now and not was
        was = now
    return n


def test_a_limit_about_6_A_does_not_wear_the_contactor():
    for pause_s, most in ((60, 4), (120, 2), (0, 10)):
        w = world(pause_s=pause_s)
        limit(w, 6)
        w.charge()
        n = closings(w, 240000)
        assert most - 1 <= n <= most, (pause_s, n)


def test_a_pause_says_so_and_ends():
    w = world()
    limit(w, 16)
    w.charge()
    assert w.c.state == states.CHARGING
    limit(w, 5, 5000)
    # while the limit is what forbids it, it says that
    assert w.station.sharing.limit_mA(w.c) == 5000
    assert limits.SOURCES.split()[w.station.sharing.why(w.c)[0]] == "Profiles"
    limit(w, 16, 200)
    source, w_, _, next_mA, next_source, _ = w.station.sharing.why(w.c)
    assert (
        limits.SOURCES.split()[source] == "Pause"
        and w_ is None
        and w.station.sharing.limit_mA(w.c) == 0
    )
    assert limits.SOURCES.split()[next_source] == "Profiles" and next_mA == 16000
    assert w.c.limits.local_mA == 32000
    for _ in range(53 * S):
        w.poll(100)
        assert w.c.allow_mA < 6000 and w.c.state == states.PAUSED_BY_STATION
    w.poll(4000)
    assert w.c.allow_mA == 16000 and w.c.state == states.CHARGING
    assert limits.SOURCES.split()[w.station.sharing.why(w.c)[0]] == "Profiles"


def test_where_there_is_no_pause():
    # the car itself has paused
    w = world()
    w.charge()
    w.car(pilot.B, 3000)
    w.car(pilot.C, 200)
    assert w.c.allow_mA == 32000 and w.c.controller.closed
    # the next transaction
    limit(w, 0, 200)
    limit(w, 16, 200)
    assert limits.SOURCES.split()[w.station.sharing.why(w.c)[0]] == "Pause"
    w.stop(states.LOCAL, 2000)
    assert w.c.tx is None
    w.charge()
    assert w.c.allow_mA == 16000
    # (nor does it outlive the clock's being set)
    limit(w, 0, 1000)
    limit(w, 16, 1000)
    set_clock(w.station, w.clock.now() + 86400, 0, 0)
    assert seen(w, 57000) == [0]
    assert seen(w, 3000) == [0, 16000]


def test_who_has_to_pause_leaves_its_share_to_others():
    w = world(connectors=2)
    profiles.install(w.station, record(6, profile.CEILING, 0, 0, 9))
    for c in w.cs:
        w.charge(c=c, tag="TAG%d" % c.number)
    assert [c.allow_mA for c in w.cs] == [6000, 0]
    w.install(record(5, profile.TX_DEFAULT, 1, 1, 10), 7000)
    assert [c.allow_mA for c in w.cs] == [0, 6000]
    profiles.install(w.station, record(6, profile.TX_DEFAULT, 1, 1, 10))
    for _ in range(45 * S):
        w.poll(100)
        assert [c.allow_mA for c in w.cs] == [0, 6000]
    w.poll(10000)
    assert [c.allow_mA for c in w.cs] == [6000, 0]
