"""Smart charging a second time, from the text alone: slow, plain, of dicts and lists.

Written from docs/smart-charging.md, not from firmware/charging. Times are
seconds since 2020 (2025-06-11T10:00:00Z is T), limits are in 0.1 A or 0.1 W, None is "no limit".
"""

import random

from firmware.charging import profile, schedule
from firmware.charging.composite import Composite

T = 171799200
YEAR = 31557600
DAY, WEEK = 86400, 604800
HARDWARE = 320  # 0.1 A
VOLTAGE = 230
PURPOSES = ("TxProfile", "TxDefaultProfile", "ChargePointMaxProfile")
KINDS = ("Absolute", "Recurring", "Relative")
STEPS = {"Daily": DAY, "Weekly": WEEK}
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
    return list(c.out[: 3 * c.n]) + [c.length_s]


# What the text says


def origin(p, t, tx_start):
    """Where the run of the schedule that matters at `t` begins; None: it has not begun."""
    if p["kind"] == "Recurring":
        step, start = STEPS[p["recurrency"]], p["start"]
        if t < start:
            return None
        begins = start + (t - start) // step * step
        assert begins <= t < begins + step
        return begins
    if p["purpose"] != "ChargePointMaxProfile" and (p["kind"] == "Relative" or p["start"] is None):
        begins = tx_start
    else:
        begins = p["start"]
    return begins if begins <= t else None


def says(p, t, tx_start):
    """(limit, numberPhases) that `p` imposes at `t`, in its own unit, or None: not active."""
    if p["valid_from"] is not None and t < p["valid_from"]:
        return None
    if p["valid_to"] is not None and t >= p["valid_to"]:
        return None
    begins = origin(p, t, tx_start)
    if begins is None:
        return None
    if p["duration"] is not None and t >= begins + p["duration"]:
        return None
    answer = None
    for start, limit, phases in p["periods"]:
        if begins + start <= t:
            answer = (limit, phases)
    return answer


def decides(profiles, purpose, connector, t, tx_start):
    """(profile, limit, numberPhases) of the purpose at `t`, or None."""
    own, common = {}, {}
    for p in profiles:
        if p["purpose"] == purpose:
            if p["connector"] == connector:
                own[p["level"]] = p
            elif p["connector"] == 0:
                common[p["level"]] = p
    for level, p in own.items():
        if max(p["start"] or 0, p["valid_from"] or 0) <= t:  # (from its first second on: A11)
            common[level] = p
    for level in sorted(common, reverse=True):
        said = says(common[level], t, tx_start)
        if said:
            return common[level], said[0], said[1]
    return None


def effective(profiles, connector, t, tx_start, running, unit):
    """(limit, numberPhases, deciding profile) at `t`; connector 0: the ceiling alone."""
    said = []
    if connector:
        tx = decides(profiles, "TxProfile", connector, t, tx_start) if running else None
        tx = tx or decides(profiles, "TxDefaultProfile", connector, t, tx_start)
        if tx:
            said.append(tx)
    top = decides(profiles, "ChargePointMaxProfile", 0, t, tx_start)
    if top:
        said.append(top)
    given = [s[2] for s in said if s[2]]
    phases = min(given) if given else None
    best = None
    for p, limit, own in said:
        if p["unit"] != unit:
            if unit == "A":
                limit = limit // (VOLTAGE * (own or 3))
            else:
                limit = limit * VOLTAGE * (phases or 3)
        if best is None or limit < best[0]:
            best = (limit, phases, p)
    return best or (None, phases, None)


def total(profiles, connectors, t, tx_starts, running, hardware, unit):
    """(limit, numberPhases) that GetCompositeSchedule should report for the instant `t`."""
    add, given = 0, []
    for c in connectors:
        limit, phases, _ = effective(profiles, c, t, tx_starts[c], running[c], unit)
        most = hardware[c] * (1 if unit == "A" else VOLTAGE * (phases or 3))
        add += most if limit is None else min(limit, most)
        if phases:
            given.append(phases)
    if len(connectors) > 1:
        limit = effective(profiles, 0, t, 0, False, unit)[0]
        if limit is not None:
            add = min(add, limit)
    return add, min(given) if given else None


def same_period(a, b):
    """True if two (limit, numberPhases) mean the same: no numberPhases means 3 (A18)."""
    return a[0] == b[0] and (a[1] or 3) == (b[1] or 3)


def boundaries(profiles, first, last, tx_starts):
    """Every instant in first..last at which anything may change, sorted; more than enough."""
    out = set()
    for p in profiles:
        begins = list(tx_starts)
        if p["start"] is not None:
            begins.append(p["start"])
        if p["kind"] == "Recurring":
            step = STEPS[p["recurrency"]]
            run = p["start"] + max(0, (first - p["start"]) // step - 1) * step
            begins = []
            while run <= last:
                begins.append(run)
                run += step
        marks = [p["valid_from"], p["valid_to"]]
        for b in begins:
            marks.append(b)
            marks += [b + x[0] for x in p["periods"]]
            if p["duration"] is not None:
                marks.append(b + p["duration"])
        out.update([m for m in marks if m is not None and first <= m <= last])
    return sorted(out)


# The same profiles for firmware/charging


def record(p, sequence=1):
    w = profile.pack(
        p["id"] or 1,
        p["connector"],
        p["level"],
        PURPOSES.index(p["purpose"]),
        KINDS.index(p["kind"]),
        [(s, limit, phases or 0) for s, limit, phases in p["periods"]],
        unit=UNITS.index(p["unit"]),
        recurrency=1 if p["recurrency"] == "Weekly" else 0,
        valid_from=p["valid_from"],
        valid_to=p["valid_to"],
        start=p["start"],
        duration=p["duration"],
    )
    profile.seal(w, sequence)
    return w


class Rack:
    """What the evaluator needs of a store, in RAM, in the order that its docstring asks for."""

    def __init__(self, profiles):
        inorder = sorted(profiles, key=lambda p: (-p["level"], not p["connector"]))
        self.records = [record(p, i + 1) for i, p in enumerate(inorder)]
        self.profiles = inorder

    def whole(self, w):
        return w

    def trim(self):
        pass

    def profile(self, w):
        return None if w is None else self.profiles[[r is w for r in self.records].index(True)]


def evaluator(profiles):
    return schedule.Evaluator(Rack(profiles), VOLTAGE)


def check_at(ev, profiles, connector, t, tx_start, running, unit):
    """The evaluator and the text agree at `t`."""
    ev.at(connector, t, tx_start, running, UNITS.index(unit))
    limit, phases, p = effective(profiles, connector, t, tx_start, running, unit)
    got = (ev.limit, ev.phases, ev._store.profile(ev.winner))
    wanted = (schedule.NONE if limit is None else limit, phases or 0, p)
    assert got == wanted, (connector, t - T, tx_start - T, running, unit, got, wanted, profiles)
    assert ev.until > t, (t - T, ev.until - T)


def shows(
    profiles, length, wanted, tx=None, connectors=(1,), unit="A", x=T, hardware=HARDWARE, every=1
):
    """The composite of `length` s from `x` is `wanted`: [start, limit] or [start, limit, phases];
    and at every second (or at all that matter) at() and the text say the same as the composite.

    tx: start of the running transaction of connector 1, or None.
    """
    ev = evaluator(profiles)
    starts = [x, x if tx is None else tx, x]
    running = [False, tx is not None, False]
    out = composite(
        ev, connectors, x, length, starts, running, [0, hardware, hardware], UNITS.index(unit), 96
    )
    assert out.pop() == length, out
    got = [out[i : i + 3] for i in range(0, len(out), 3)]
    assert got == [list(w) + [0] * (3 - len(w)) for w in wanted], got
    if length // every > 4000:
        marks = boundaries(profiles, x, x + length, starts)
        seconds = set(range(0, length, length // 300))
        for m in marks:
            seconds.update((m - x - 1, m - x, m - x + 1))
        seconds = sorted([s for s in seconds if 0 <= s < length])
    else:
        seconds = range(0, length, every)
    i = 0
    for s in seconds:
        while i + 1 < len(got) and got[i + 1][0] <= s:
            i += 1
        told = total(profiles, connectors, x + s, starts, running, [0, hardware, hardware], unit)
        assert same_period(got[i][1:], told), (s, got[i], told)
        for c in connectors:
            check_at(ev, profiles, c, x + s, starts[c], running[c], unit)
            # `until` is never later than the next change: nothing differs before it.
            known = effective(profiles, c, x + s, starts[c], running[c], unit)
            for m in boundaries(profiles, x + s + 1, min(ev.until - 1, x + length), starts):
                later = effective(profiles, c, m, starts[c], running[c], unit)
                assert later == known, (s, m - x, ev.until - x)


# Chance


def chance(rng, x, tx_starts, n):
    """`n` profiles at random around instant `x`, no two in one place."""
    out, places = [], set()
    near = (0, 1, 2, 59, 60, 300, 3599, 3600, 7200, 43200, 86399, 86400, 86401, 200000, 604800)

    def around():
        return x + rng.choice(near) * rng.choice((-1, 1)) + rng.choice((0, 0, 0, 1, 30))

    while len(out) < n:
        purpose = rng.choice(PURPOSES)
        connector = 0
        if purpose != "ChargePointMaxProfile":
            connector = rng.randint(0 if purpose == "TxDefaultProfile" else 1, 2)
        level = rng.choice((0, 1, 2, 3, 15))
        if (purpose, connector, level) in places:
            n -= 1
            continue
        places.add((purpose, connector, level))
        unit = rng.choice("AAW")
        kind = rng.choice(KINDS)
        recurrency = start = None
        if kind == "Recurring":
            recurrency = rng.choice(("Daily", "Weekly"))
            start = around()
            if rng.getrandbits(1):  # long ago: 1999, 2013, 2020
                start -= rng.choice((x // DAY + 7670, x // DAY + 2556, x // DAY)) * DAY
        elif purpose == "ChargePointMaxProfile" or kind == "Absolute" and rng.getrandbits(2):
            start = around()
        begin, periods = 0, []
        for _ in range(rng.choice((1, 1, 2, 3, 5, 9))):
            limit = rng.choice((0, 45, 59, 60, 100, 160, 161, 320, 400, 999))
            if unit == "W":
                limit = rng.choice((0, 1, 13800, 30000, 41399, 41400, 70000, 110400, 220800))
            periods.append((begin, limit, rng.choice((None, None, 1, 2, 3))))
            begin += rng.choice((1, 2, 60, 1000, 3600, 30000, 86399, 86400, 300000))
        duration = rng.choice(
            (None, None, None, 0, 1, 60, 3600, 86399, 86400, 86401, 604800, 700000, begin)
        )
        more = {"connector": connector, "kind": kind, "recurrency": recurrency, "unit": unit}
        more.update({"start": start, "duration": duration, "id": 100 + len(out)})
        if not rng.getrandbits(2):
            more["valid_from"] = around()
        if not rng.getrandbits(2):
            more["valid_to"] = rng.choice((around(), around(), x + 60 * YEAR, x + 8000 * YEAR))
        out.append(P(purpose, level, *periods, **more))
    return out


class Chance:
    """random, of a seed: the same on both ports."""

    def __init__(self, seed):
        random.seed(seed)
        self.choice = random.choice
        self.randint = random.randint
        self.getrandbits = random.getrandbits
