"""station.policy: the owner's rules, and what becomes of their mistakes."""

import os
import sys

from rig import scratch

from firmware.charging import limits, profile
from firmware.charging.record import pack
from firmware.station import policy as rules
from firmware.station.policy import Policy
from firmware.station.states import Transfer

TRANSFER = Transfer("Owner", "Limit", "connector 1")


class Module:
    pass


class Connector:
    def __init__(self):
        self.limits = limits.Limits(32000)


class Clock:
    def now(self):
        return 0


class Sharing:
    due_s = 99


class Station:
    def __init__(self):
        self.connectors = [Connector(), Connector()]
        self.sharing = Sharing()
        self.clock = Clock()
        self.told = []  # the fault, each time it told of itself
        self.policy = None

    def tell(self, c, now_s):
        assert c is None
        self.told.append(self.policy.fault)

    def caps(self, now_s=0):
        """What every connector has in its slot."""
        out = []
        for c in self.connectors:
            c.limits.resolve(now_s)
            out.append(c.limits.values[limits.POLICY])
        assert out[0] == out[1]
        return out[0]


class Ticks:
    """Instead of time: each call of a function takes `took_ms`."""

    def __init__(self, took_ms):
        self.took_ms = took_ms
        self.ms = 2**30 - 100

    def ticks_ms(self):
        self.ms = (self.ms + self.took_ms) % 2**30
        return self.ms

    def ticks_diff(self, a, b):
        return (a - b) % 2**30


def policy(safe_mA=6000, **hooks):
    """-> Policy of a module with these functions, and what it logs."""
    module = Module()
    for name, function in hooks.items():
        setattr(module, name, function)
    sys.modules["policy"] = module
    said = []
    return Policy(said.append, safe_mA), said


def record(limit=160, purpose=profile.TX_DEFAULT, **more):
    return pack(7, 1, 3, purpose, profile.ABSOLUTE, [(0, limit, 0)], **more)


def fails(*_):
    raise KeyError("x")


def test_absent():
    sys.modules.pop("policy", None)
    said = []
    p = Policy(said.append)
    station = Station()
    assert p.accept(record(), station)
    p.local_limit(0, station)
    assert not said and station.sharing.due_s == 99


def test_without_functions():
    p, said = policy()
    station = Station()
    assert p.accept(record(), station)
    p.local_limit(0, station)
    assert said == ["policy.py is in force"]


def broken(**hooks):
    """The same, with a station whose policy it is; safe at 7 A."""
    p, said = policy(7000, **hooks)
    station = Station()
    station.policy = p
    return p, station, said


def test_on_profile():
    """It sees what the profile says, and no word of a protocol."""
    asked = []

    def hook(profile, station):
        asked.append((profile, station))
        return answer

    p, said = policy(on_profile=hook)
    station = Station()
    for answer in (True, False):
        assert p.accept(record(), station) is answer
    seen, by = asked[0]
    assert (seen.id, seen.connector, seen.level, seen.purpose) == (7, 1, 3, "default")
    assert (seen.unit, seen.duration_s) == ("A", None) and by is station
    assert list(seen.periods()) == [(0, 16000, 0)]
    periods = [(0, 110000, 3), (3600, 1, 1), (7200, 0xFFFFFF, 0)]
    in_W = {"rate": profile.WATTS, "duration": 0}
    for purpose, word in ((profile.TX, "transaction"), (profile.CEILING, "ceiling")):
        w = pack(1, 0, 0, purpose, profile.RELATIVE, periods, **in_W)
        p.accept(w, station)
        seen = asked[-1][0]
        assert (seen.connector, seen.purpose, seen.unit, seen.duration_s) == (0, word, "W", 0)
        assert list(seen.periods()) == [(s, 100 * limit, phases) for s, limit, phases in periods]
    assert len(said) == 1 and not station.told and station.caps() is None


class Odd:
    """Nothing can be done with it."""

    def __eq__(self, other):
        return True

    def __repr__(self):
        raise RuntimeError("repr")


class OddError(Exception):
    def __repr__(self):
        raise RuntimeError("repr")

    __str__ = __repr__


def raises(e):
    def hook(*_):
        raise e

    return hook


def endless(*_):
    return endless(*_)


def starving(*_):
    kept = []
    while True:
        kept.append(bytearray(1 << 24))


async def waits(now, station):
    return 8000


GARBAGE = (6.5, 8000.0, -1, True, False, "6000", b"", [6000], {}, Odd(), 1e30, int, -(2**70))
BAD_CALLS = (
    fails, raises(OddError("x")), raises(SystemExit(0)), raises(GeneratorExit()), lambda: 8000,
    lambda a: 8000, lambda a, b, c: 8000, 8000, "8000", endless, waits,
)  # fmt: skip


def test_a_broken_on_profile_refuses_nothing_and_is_capped():
    answers = [lambda *_, a=a: a for a in GARBAGE + (None, 0, 1, "Rejected")]
    answers = [a for a in answers if type(a()) is not bool]
    for hook in answers + list(BAD_CALLS):
        p, station, said = broken(on_profile=hook)
        p.local_limit(0, station)
        assert station.caps() is None and not station.told
        station.sharing.due_s = 99
        assert p.accept(record(), station)
        assert station.caps(10**9) == 7000 and station.sharing.due_s == 0
        assert station.told == [p.fault] and p.fault.startswith("policy.py: on_profile")
        for t in range(100):  # local_limit has nothing to do with it
            p.local_limit(t, station)
            assert station.caps(t) == 7000
        assert len(said) == 2 and len(station.told) == 1, said
        # What it said a minute ago is no longer what it says.
        p.module.on_profile = lambda *_: False
        assert not p.accept(record(), station)
        p.local_limit(100, station)
        assert station.caps(100) is None and station.told[1:] == [None] and len(said) == 3


def test_local_limit():
    p, said = policy(local_limit=lambda now, station: limit)
    station = Station()
    limit = 10000
    p.local_limit(1000, station)
    assert station.sharing.due_s == 0
    for c in station.connectors:
        c.limits.resolve(1000)
        assert (c.limits.limit_mA, limits.SOURCES.split()[c.limits.source]) == (10000, "Policy")
    station.sharing.due_s = 99
    p.local_limit(1001, station)
    assert station.sharing.due_s == 99  # nothing new
    assert station.caps(1060) == 10000
    assert station.caps(1061) == 6000  # not repeated for a minute: the safe value
    assert station.caps(10**9) == 6000
    limit = None
    p.local_limit(1062, station)
    assert station.caps(1062) is None
    assert station.caps(1122) == 6000
    limit = 2**40
    p.local_limit(1123, station)
    assert station.caps(1123) == 2**40 and station.connectors[0].limits.value_mA == 32000
    assert not station.told


def test_a_broken_local_limit_is_the_safe_value_for_as_long_as_it_is():
    answers = [lambda *_, a=a: a for a in GARBAGE]
    for hook in answers + list(BAD_CALLS) + [starving]:
        p, station, said = broken(local_limit=hook)
        for t in range(0, 500):
            p.local_limit(t, station)
            assert station.caps(t) == 7000, (hook, t)
            assert p.fault.startswith("policy.py: local_limit") and len(p.fault) <= 100
        assert station.caps(10**9) == 7000
        assert len(said) == 2 and station.told == [p.fault], said


def test_a_policy_that_worked_and_breaks_and_is_well_again():
    for word, cap in ((None, 7000), (16000, 7000), (0, 0), (6500, 6500)):
        p, station, said = broken(local_limit=lambda *_, a=word: a)
        p.local_limit(0, station)
        assert station.caps() == word
        p.module.local_limit = fails
        station.sharing.due_s = 99
        for t in range(1, 200):
            p.local_limit(t, station)
            # (the lower of its last word and the safe value, for a minute)
            assert station.caps(t) == (cap if t < 60 else 7000), (word, t)
        assert station.sharing.due_s == (99 if cap == word == 7000 else 0)
        p.module.local_limit = lambda *_: 12000
        for t in range(200, 259):
            p.local_limit(t, station)
            assert station.caps(t) == 7000
        p.local_limit(259, station)
        assert station.caps(259) == 12000 and p.fault is None
        assert len(station.told) == 2 and station.told[1] is None
        assert said[1].endswith("7000 mA at most") and said[2] == "policy.py is in force again"
        p.module.local_limit = fails  # and once more, said once more
        p.local_limit(260, station)
        assert station.caps(260) == 7000 and len(said) == 4 and len(station.told) == 3


def test_a_policy_that_fails_now_and_then_is_broken_and_does_not_flood_the_log():
    errors = (KeyError, ValueError, TypeError, RuntimeError)

    def local_limit(now, station):
        if now % 3:
            raise errors[now % 4](now)
        return 16000

    def on_profile(profile, station):
        limit = next(profile.periods())[1] // 100
        if limit % 2:
            raise errors[limit % 4](limit)
        return True

    p, station, said = broken(local_limit=local_limit, on_profile=on_profile)
    for t in range(1, 1000):
        p.local_limit(t, station)
        p.accept(record(t), station)
        assert station.caps(t) == 7000
    assert 3 <= len(said) <= 3 + 1000 // 60, len(said)
    assert len(station.told) <= len(said)


def test_a_function_that_takes_too_long():
    kept = rules.time
    try:
        for name in ("local_limit", "on_profile", "on_transfer"):
            for took_ms, slow in ((250, False), (251, True), (5000, True)):
                rules.time = Ticks(took_ms)
                p, station, said = broken(**{name: lambda *_: _[0]})
                if name != "local_limit":
                    p.module.on_profile = lambda profile, station: True
                for i in range(3):
                    assert p.fault is None, (name, took_ms)
                    rules.time.took_ms = took_ms
                    if name == "local_limit":
                        p.local_limit(8000, station)
                    elif name == "on_profile":
                        p.accept(record(), station)
                    else:
                        p.heard(TRANSFER, None, None, station)
                    rules.time.took_ms = 0
                    if name != "local_limit":
                        p.local_limit(i, station)
                assert bool(p.fault) == slow, (name, took_ms, p.fault)
                if slow:
                    assert "it took %d ms" % took_ms in p.fault and station.caps(9000) <= 7000
        # Three times that are not in a row are none.
        p, station, said = broken(local_limit=lambda *_: 8000)
        for t in range(100):
            rules.time.took_ms = 300 if t % 3 else 0
            p.local_limit(t, station)
        assert p.fault is None
    finally:
        rules.time = kept


def imported(text):
    """Policy of a file with that text; None: of no file."""
    sys.modules.pop("policy", None)
    folder = scratch("policy")
    os.mkdir(folder)
    sys.path.insert(0, folder)
    said = []
    try:
        if text is not None:
            with open(folder + "/policy.py", "w") as f:
                f.write(text)
        return Policy(said.append, 7000), said
    finally:
        sys.path.pop(0)
        if text is not None:
            os.remove(folder + "/policy.py")
        os.rmdir(folder)


def test_a_file_that_cannot_be_imported():
    p, said = imported(None)
    assert p.module is p.fault is None and not said
    p, said = imported("")
    assert p.module and p.fault is None
    for text in (
        "def local_limit(now, station)\n    return 8000\n",
        "import policy_helper\n",
        "from policy_helper import x\n",
        "from sys import no_such_thing\n",
        "def f():\n  \treturn 1\n return 2\n",
        "1 / 0\n",
        "raise SystemExit\n",
        "x = bytearray(1 << 40)\n",
        "x = [",
        "\x00\x01",
    ):
        p, said = imported(text)
        assert p.module is None and p.fault.startswith("policy.py: import: "), text
        assert len(said) == 1 and said[0].startswith(p.fault)
        station = Station()
        station.policy = p
        for t in range(200):
            p.local_limit(t, station)
            assert p.accept(record(), station)
            assert station.caps(10 * t) == 7000
        assert len(said) == 1 and len(station.told) == 1


def test_the_example_runs():
    sys.modules.pop("policy", None)
    sys.path.insert(0, "examples")
    said = []
    p = Policy(said.append)
    assert said == ["policy.py is in force"], said

    station = Station()
    assert p.accept(record(0, profile.CEILING), station)
    assert not p.accept(record(0), station)
    assert p.accept(record(0, duration=60), station)
    assert p.accept(record(60), station)
    for hour, limit in ((16, None), (17, 10000), (19, 10000), (20, None)):
        p.local_limit(86400 * 2500 + hour * 3600, station)
        assert station.connectors[1].limits.values[limits.POLICY] == limit, hour


def test_on_transfer():
    answered = []
    p, said = policy(on_transfer=lambda *args: answered.append(args))
    station = Station()
    p.heard(TRANSFER, True, "6", station)
    assert answered == [(TRANSFER, True, "6", station)] and not station.told
    p, station, said = broken(on_transfer=fails)
    p.heard(TRANSFER, None, None, station)
    assert len(said) == 2 and "on_transfer" in said[1]
    assert station.caps() == 7000 and len(station.told) == 1
    p, said = policy()
    p.heard(TRANSFER, None, None, Station())
    assert len(said) == 1
