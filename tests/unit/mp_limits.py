"""charging.limits: the lowest source wins and says why; a ceiling is shared fairly."""

from rig import seeded

from firmware.charging import limits as module
from firmware.charging.limits import (
    CABLE,
    HARDWARE,
    INSTALLATION,
    NEVER,
    POLICY,
    PROFILES,
    TEMPERATURE,
    Limits,
    share,
)

BOTH = True
CHIP = True

SOURCES = module.SOURCES.split()
LEAST = 6000


def said(limits, now_s=0):
    limits.resolve(now_s)
    return limits.value_mA, limits.limit_mA, SOURCES[limits.source]


def test_the_lowest_source_wins_and_is_named():
    limits = Limits(32000)
    assert said(limits) == (32000, None, "Hardware") and limits.hardware_mA == 32000
    for slot, mA, wanted in (
        (PROFILES, 16000, (16000, 16000, "Profiles")),
        (INSTALLATION, 10000, (10000, 10000, "Installation")),
        (PROFILES, 8000, (8000, 8000, "Profiles")),
        (PROFILES, 10000, (10000, 10000, "Installation")),  # equal: the first source
        (PROFILES, None, (10000, 10000, "Installation")),
        (INSTALLATION, 0, (0, 0, "Installation")),  # zero is a limit
        (INSTALLATION, None, (32000, None, "Hardware")),
        (PROFILES, 0, (0, 0, "Profiles")),
        (PROFILES, 40000, (32000, None, "Hardware")),  # what is above the hardware is none
        (PROFILES, 32000, (32000, 32000, "Profiles")),
        (INSTALLATION, 63000, (32000, 32000, "Profiles")),
    ):
        limits.put(slot, mA)
        assert said(limits) == wanted, (slot, mA, said(limits))


def test_a_slot_expires_after_its_time_whatever_the_clock_does():
    for jump in (848502207, 3600, -3600, 0):
        limits = Limits(32000)
        limits.put(POLICY, 9000, 60, 7000)
        limits.put(CABLE, 20000)
        limits.moved(jump)
        for passed, wanted in ((0, 9000), (59, 9000), (60, 7000), (9999, 7000)):
            assert said(limits, jump + passed)[0] == wanted, (jump, passed)
        limits.put(POLICY, None)
        assert said(limits, NEVER - 1)[0] == 20000


def test_a_slot_expires_to_its_safe_value():
    limits = Limits(32000)
    limits.put(TEMPERATURE, 20000, until_s=100, safe_mA=6000)
    limits.put(POLICY, 25000, until_s=50)
    assert said(limits, 0) == (20000, 20000, "Temperature") and limits.until_s == 50
    assert said(limits, 49) == (20000, 20000, "Temperature") and limits.until_s == 50
    assert said(limits, 50) == (20000, 20000, "Temperature") and limits.until_s == 100
    assert limits.values[POLICY] is None  # nothing safe was stated: it is gone
    assert said(limits, 99) == (20000, 20000, "Temperature")
    assert said(limits, 100) == (6000, 6000, "Temperature") and limits.until_s == NEVER
    limits.put(TEMPERATURE, 30000, until_s=300, safe_mA=6000)
    assert said(limits, 101) == (30000, 30000, "Temperature")
    limits.put(TEMPERATURE, None)
    assert said(limits, 400) == (32000, None, "Hardware")


def test_the_runner_up():
    limits = Limits(32000)
    assert said(limits)[2] == "Hardware"
    for slot, mA, wanted in (
        (PROFILES, 16000, (32000, "Hardware")),
        (CABLE, 20000, (20000, "Cable")),
        (POLICY, 6000, (16000, "Profiles")),
        (PROFILES, 40000, (20000, "Cable")),  # above the hardware: it would not limit either
    ):
        limits.put(slot, mA)
        said(limits)
        assert (limits.next_mA, SOURCES[limits.next_source]) == wanted, (slot, mA)


def test_what_a_composite_schedule_may_know():
    limits = Limits(32000)
    limits.put(PROFILES, 8000)
    said(limits)
    assert (limits.fixed_mA, limits.local_mA) == (32000, 32000)
    limits.put(INSTALLATION, 25000)
    limits.put(TEMPERATURE, 10000)
    said(limits)
    assert (limits.fixed_mA, limits.local_mA) == (25000, 10000)


def test_slots_at_random():
    rng = seeded("slots")
    values = (None, 0, 1, 5999, 6000, 16000, 31999, 32000, 32001, 80000)
    limits = Limits(32000)
    slots = {}
    for _ in range(2000):
        slot = rng.choice(range(1, len(SOURCES)))
        slots[slot] = rng.choice(values)
        limits.put(slot, slots[slot])
        limits.resolve(0)
        given = [v for v in slots.values() if v is not None]
        assert limits.value_mA == min(given + [32000])
        if limits.source == HARDWARE:
            assert limits.limit_mA is None and all([v > 32000 for v in given])
        else:
            assert limits.limit_mA == limits.value_mA == slots[limits.source]


# share


def shared(ceiling, wants):
    out = [-1] * len(wants)
    share(ceiling, wants, out)
    return out


def test_share_by_hand():
    for ceiling, wants, wanted in (
        (32000, [32000], [32000]),
        (32000, [32000, 32000], [16000, 16000]),
        (32000, [10000, 32000], [10000, 22000]),
        (32000, [32000, 0], [32000, 0]),
        (32000, [0, 32000], [0, 32000]),
        (64000, [32000, 32000], [32000, 32000]),
        (11999, [32000, 32000], [11999, 0]),
        (12000, [32000, 32000], [6000, 6000]),
        (5999, [32000, 32000], [0, 0]),
        (0, [32000, 32000], [0, 0]),
        (6000, [0, 16000, 16000], [0, 6000, 0]),
        (20000, [5999, 16000], [0, 16000]),
        (20000, [6000, 7000, 32000], [6000, 7000, 7000]),
        (20, [], []),
    ):
        assert shared(ceiling, wants) == wanted, (ceiling, wants, shared(ceiling, wants))


def test_share_at_random():
    rng = seeded("share")
    for _ in range(4000):
        n = rng.randint(1, 6)
        wants = [
            rng.choice((0, 5999, 6000, 6001, 16000, 16000, 32000, rng.randint(0, 63000)))
            for _ in range(n)
        ]
        ceiling = rng.choice((0, 5999, 6000, 11999, 12000, 32000, rng.randint(0, 200000)))
        before = list(wants)
        out = shared(ceiling, wants)
        case = (ceiling, wants, out)
        assert wants == before
        assert sum(out) <= ceiling, case
        for i in range(n):
            assert out[i] == 0 or LEAST <= out[i] <= wants[i], case
        able = [i for i in range(n) if wants[i] >= LEAST]
        served = [i for i in able if out[i]]
        # as many as can be, the first ones
        assert served == able[: min(len(able), ceiling // LEAST)], case
        # nothing is left over that someone served still wants
        if any([out[i] < wants[i] for i in served]):
            assert sum(out) == ceiling, case
        for i in served:
            for k in served:
                # who got less than another got all that it wanted (equal wishes: within 1 mA)
                assert out[i] >= out[k] - 1 or out[i] == wants[i], case
        assert shared(ceiling, wants) == out
