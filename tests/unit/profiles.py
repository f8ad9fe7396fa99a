"""Profiles as short as a test can say them, and what the evaluator and the composite make of them.

Times are seconds since 2020 (2025-06-11T10:00:00Z is T), limits are in 0.1 A or 0.1 W, None is
"no limit". What is expected stands in the tests, from docs/smart-charging.md; against an oracle
written from that text make prove holds both (tests/prove/oracle.py).
"""

from firmware.charging import schedule
from firmware.charging.composite import Composite
from firmware.charging.record import pack, plain, seal
from firmware.clock import FAR

T = 171799200
YEAR = 31557600
DAY, WEEK = 86400, 604800
HARDWARE = 320  # 0.1 A
VOLTAGE = 230
PURPOSES = ("TxProfile", "TxDefaultProfile", "ChargePointMaxProfile")
KINDS = ("Absolute", "Recurring", "Relative")
UNITS = "AW"


def P(purpose, level, *periods, **more):
    """A profile; `periods`: (startPeriod, limit) or (startPeriod, limit, numberPhases)."""
    p = {
        "id": None,
        "connector": 0 if purpose == "ChargePointMaxProfile" else 1,
        "level": level,
        "purpose": purpose,
        "kind": "Absolute",
        "recurrency": None,
        "unit": "A",
        "periods": [(x[0], x[1], x[2] if len(x) > 2 else None) for x in periods],
        "valid_from": None,
        "valid_to": None,
        "start": T,
        "duration": None,
        "min_rate": None,
    }
    for name in more:
        assert name in p, name
        p[name] = more[name]
    return p


def composite(*args):
    """The composite schedule as a list start_s, limit, phases, start_s, ..., length_s."""
    c = Composite(*args)
    while c.steps(7):
        assert c.length_s < args[3]
    return list(c.out) + [c.length_s]


def record(p, sequence=1):
    w = pack(
        p["id"] or 1,
        p["connector"],
        p["level"],
        PURPOSES.index(p["purpose"]),
        KINDS.index(p["kind"]),
        [(s, limit, phases or 0) for s, limit, phases in p["periods"]],
        rate=UNITS.index(p["unit"]),
        recurrency=1 if p["recurrency"] == "Weekly" else 0,
        valid_from=p["valid_from"],
        valid_to=p["valid_to"],
        start=p["start"],
        duration=p["duration"],
        min_rate=p["min_rate"],
    )
    seal(w, sequence)
    return plain(w)


class Rack:
    """What the evaluator needs of a store, in RAM, in the order that its docstring asks for."""

    def __init__(self, profiles):
        inorder = sorted(profiles, key=lambda p: (-p["level"], not p["connector"]))
        self.records = [record(p, i + 1) for i, p in enumerate(inorder)]
        self.profiles = inorder

    def whole(self, w):
        return w

    def trim(self, over=True):
        pass

    def profile(self, w):
        return None if w is None else self.profiles[[r is w for r in self.records].index(True)]


def evaluator(profiles):
    return schedule.Evaluator(Rack(profiles), VOLTAGE)


def together(ev, connectors, t, starts, running, hardware, unit="A"):
    """[limit, numberPhases] of these connectors together at the instant `t`, and until when it
    says so: what a composite should say (A27). One connector counts as itself."""
    add, phases, until = 0, 0, FAR
    for c in connectors if len(connectors) == 1 else connectors + (0,):
        ev.at(c, t, starts[c] if c else t, bool(c) and running[c], UNITS.index(unit))
        assert ev.until > t, (c, t - T, ev.until - T)
        until = min(until, ev.until)
        most = hardware[c] * (1 if unit == "A" else VOLTAGE * (ev.phases or 3)) if c else add
        limit = most if ev.limit == schedule.NONE else min(ev.limit, most)
        add = add + limit if c else limit
        if c and ev.phases:
            phases = min(phases or 3, ev.phases)
    return [add, phases], until


def same_period(a, b):
    """True if two (limit, numberPhases) mean the same: no numberPhases means 3 (A18)."""
    return a[0] == b[0] and (a[1] or 3) == (b[1] or 3)


def shows(profiles, length, wanted, tx=None, connectors=(1,), unit="A", x=T, hardware=HARDWARE):
    """The composite of `length` s from `x` is `wanted`: [start, limit] or [start, limit, phases];
    so is at(), at every second (or at all that matter), and it says no other before `until`.

    tx: start of the running transaction of connector 1, or None.
    """
    ev = evaluator(profiles)
    starts = [x, x if tx is None else tx, x]
    running = [False, tx is not None, False]
    most = [0, hardware, hardware]
    out = composite(ev, connectors, x, length, starts, running, most, UNITS.index(unit), 96)
    assert out.pop() == length, out
    got = [out[i : i + 3] for i in range(0, len(out), 3)]
    assert got == [list(w) + [0] * (3 - len(w)) for w in wanted], got
    seconds = range(length)
    if length > 4000:
        seconds = {start + d for start, _, _ in got for d in (-1, 0, 1)}
        seconds.update(range(0, length, length // 300))
        seconds = sorted([s for s in seconds if 0 <= s < length])
    i = until = 0
    before = None
    for s in seconds:
        while i + 1 < len(got) and got[i + 1][0] <= s:
            i += 1
        said, due = together(ev, connectors, x + s, starts, running, most, unit)
        assert same_period(got[i][1:], said), (s, got[i], said)
        assert x + s >= until or said == before, (s, before, said, until - x)
        before, until = said, due
