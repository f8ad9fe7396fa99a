"""Nasty scenarios from a seed. A scenario is JSON: what the charge point is, and a list of
operations, each a list of a name and its arguments (harness.py plays them)."""

import copy
from datetime import timedelta, timezone

from .oracle import (
    CAPACITY,
    CEILING,
    DEFAULT,
    EPOCH,
    MAX_LEVEL,
    MAX_PERIODS,
    ORACLES,
    TX,
    UNSET,
    Oracle201,
    Profile,
    instant,
)

PURPOSES = (CEILING, DEFAULT, TX)
OLDEST, NEWEST = instant("1995-01-01T00:00:00Z"), instant("2149-12-31T00:00:00Z")
# Asked for are 2025 (before it firmware/ takes a clock as not set) to 2050 (from 2054 on its
# records say never).
FIRST, LAST = instant("2025-01-01T00:00:00Z"), instant("2050-12-01T00:00:00Z")
NOTABLE = [
    instant(text)
    for text in (
        "2028-02-29T00:00:00Z",  # a leap day
        "2038-01-19T03:14:08Z",  # 2**31
        "2036-02-07T06:28:16Z",  # the NTP era
        "2037-01-05T13:37:04Z",  # 2**29 s since 2020
        "2026-12-31T23:59:55Z",
        "2026-03-29T01:00:00Z",  # daylight saving begins in Europe
        "2026-11-22T23:59:50Z",  # a Sunday
    )
]
ZONES = ("Z", "Z", "Z", "", "+02:00", "+0530", "-11:45", "+14:00", "-0330", "+00:00", "-00:00")
FRACTIONS = ("", "", "", ".0", ".5", ".999", ".123456789")
AMPS = (0, 1, 59, 60, 61, 99, 100, 101, 160, 161, 163, 319, 320, 321, 400, 630, 9999)
WATTS = (0, 1, 2299, 2300, 6899, 6900, 6901, 36800, 41400, 69000, 70000, 73600, 110400)
WATTS += (110399, 220799, 220800, 220801, 441600, 999999, 1000000)
TRANSACTIONS = (0, -1, 1, 7, -2147483648, 2147483647, 123456789, -5)


def stamp(rng, t):
    """The instant `t` as some RFC 3339 text."""
    t = max(OLDEST, min(int(t), NEWEST))
    zone = rng.choice(ZONES)
    digits = zone[1:].replace(":", "") or "0000"
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    local = (EPOCH + timedelta(seconds=t)).astimezone(
        timezone(-offset if zone[:1] == "-" else offset)
    )
    return local.strftime("%Y-%m-%dT%H:%M:%S") + rng.choice(FRACTIONS) + zone


def number(rng, n):
    """`n` tenths as a JSON number: 16 is 16 or 16.0, sometimes 16.05."""
    if rng.random() < 0.05:
        return round(n / 10 + 0.05, 2)
    return n / 10 if n % 10 or rng.random() < 0.3 else n // 10


def near(rng):
    return rng.choice((0, 0, 1, -1, 2, 3, 5, 10, 30, 60, rng.randint(-60, 400)))


def periods(rng, unit):
    n = rng.choice((1, 1, 2, 2, 3, 3, 5, 8, 24, 96, rng.randint(1, 96)))
    step = rng.choice(
        (
            lambda: 1,
            lambda: rng.randint(1, 5),
            lambda: rng.randint(1, 120),
            lambda: rng.choice((1, 2, 60, 3600)),
            lambda: 900,
            lambda: 3600,
            lambda: rng.choice((1, 86399, 86400, 604800, rng.randint(1, 10**6))),
        )
    )
    phases = rng.choice(((None,), (3,), (1,), (1, 2, 3), (None, 1, 2, 3)))
    pool = rng.sample(WATTS if unit == "W" else AMPS, 4)
    wild = rng.random() < 0.3
    at, out = 0, []
    for _ in range(n):
        limit = rng.randint(0, 250000 if unit == "W" else 500) if wild else rng.choice(pool)
        p = {"startPeriod": at, "limit": number(rng, limit)}
        k = rng.choice(phases)
        if k:
            p["numberPhases"] = k
        out.append(p)
        at += step()
    return out


def profile(rng, oracle, purpose=None):
    """Some good profile whose boundaries crowd around now."""
    now = oracle.least() or FIRST
    purpose = purpose or rng.choice(PURPOSES)
    kind = rng.choice(("Absolute", "Recurring", "Relative"))
    unit = rng.choice("AAW")
    said = periods(rng, unit)
    schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": said}
    out = {
        "chargingProfileId": rng.choice(
            (0, rng.randint(-3, 12), rng.randint(-(2**31), 2**31 - 1))
        ),
        "stackLevel": rng.choice((0, 0, 1, 1, 2, 3, 15, rng.randint(0, 15))),
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    }
    offsets = [p["startPeriod"] for p in said]
    recurrency = rng.choice(("Daily", "Weekly"))
    every = 86400 if recurrency == "Daily" else 604800
    if rng.random() < 0.5:
        last = offsets[-1]
        schedule["duration"] = rng.choice(
            (0, 1, 2, 30, 300, 3600, every - 1, every, every + 1, every + 1, 2 * every, 10**8)
            + (last, last + 1, max(last - 1, 0), last + rng.randint(1, 500)) * 2
        )
        offsets.append(schedule["duration"])
    if kind == "Recurring" or rng.random() < 0.1:  # (accepted, ignored)
        out["recurrencyKind"] = recurrency
    # A boundary of the schedule comes to lie near now.
    anchor = now - rng.choice(offsets) + near(rng)
    if kind == "Recurring":
        turns = rng.choice((0, 0, 1, 1, 2, 7, 365, 3000, rng.randint(0, 9000)))
        if rng.random() < 0.1:
            turns = -rng.choice((1, 2, 400, 9000))  # begins in the future
        anchor = now - rng.choice(offsets) % every + near(rng) - turns * every
    elif rng.random() < 0.1:
        anchor = rng.choice((OLDEST, OLDEST, -1, instant("2011-06-28T00:00:00Z"), NEWEST, FIRST))
        late = now - anchor + near(rng)  # a boundary near now all the same
        if late > max(offsets):
            schedule["duration"] = late
            if len(said) < MAX_PERIODS and rng.random() < 0.5:
                del schedule["duration"]
                said.append({"startPeriod": late, "limit": 11.1})
    if kind == "Recurring" or rng.random() < (0.8 if kind == "Absolute" else 0.1):
        schedule["startSchedule"] = stamp(rng, anchor)
    anywhere = (now + near(rng), anchor + rng.choice(offsets), OLDEST, NEWEST, 0, -1, now - 10**6)
    if rng.random() < 0.3:
        out["validFrom"] = stamp(rng, rng.choice(anywhere))
    if rng.random() < 0.3:
        out["validTo"] = stamp(rng, rng.choice((now + abs(near(rng)), *anywhere)))
    if rng.random() < 0.1:
        schedule["minChargingRate"] = rng.choice((0, 6, 8.1, 4140))
    if rng.random() < 0.03:
        schedule["limitBeforeUs"] = "an extra field"
    if isinstance(oracle, Oracle201) and rng.random() < 0.95:  # (else it is refused)
        if kind == "Relative" and purpose == CEILING:
            kind = out["chargingProfileKind"] = "Absolute"
        if kind == "Relative":
            schedule.pop("startSchedule", None)
        else:
            schedule.setdefault("startSchedule", stamp(rng, anchor))
    return out


def beside(rng, oracle, connector, p):
    """Profile `p` so that most often OCPP 2.0.1 has no other one against it there: with the id of
    that, or valid before it or after it."""
    new = Profile(connector, p, oracle.now)
    others = [q for q in oracle.profiles if oracle.clashes(new, q)]
    if not others or rng.random() < 0.1:
        return p
    q = rng.choice(others)
    way = rng.random()
    if q.valid_from is not None and way < 0.3:
        p["validTo"] = stamp(rng, q.valid_from)
    elif q.valid_to is not None and way < 0.6:
        p["validFrom"] = stamp(rng, q.valid_to)
    elif way < 0.7 and q.purpose != TX:  # (what was valid for ever is not any more)
        p["chargingProfileId"] = q.id
        p["validTo"] = stamp(rng, oracle.now + near(rng))
    else:
        p["chargingProfileId"] = q.id
    return p


def place(rng, oracle, p):
    """A connector for profile `p`, mostly one where it will be accepted."""
    purpose = p["chargingProfilePurpose"]
    if rng.random() < 0.04:
        return rng.choice((-1, 0, 1, len(oracle.numbers) + 1))
    if purpose != TX and rng.random() < 0.05:  # (ignored)
        p["transactionId"] = rng.choice(TRANSACTIONS)
    if purpose == CEILING:
        return 0
    if purpose == DEFAULT:
        return rng.choice((0, *oracle.numbers))
    running = sorted(oracle.tx)
    connector = rng.choice(running or list(oracle.numbers))
    strict = isinstance(oracle, Oracle201)
    if rng.random() < (0.95 if strict else 0.6) and running:
        tx = oracle.ids[connector] if strict else oracle.tx[connector][0]
        if tx is not None:
            p["transactionId"] = tx
    if rng.random() < 0.05:
        p["transactionId"] = rng.choice(TRANSACTIONS)
    return connector


WEIGHTS = {
    "set": 10,
    "limits": 4,
    "composite": 5,
    "begin": 1.5,
    "advance": 1,
    "end": 0.7,
    "clear": 1,
    "remote": 1,
    "plug": 0.8,
    "expire": 0.1,
    "clock": 0.7,
    "reboot": 0.6,
    "cut": 0.4,
    "hush": 0.2,
    "speak": 0.4,
    "report": 0.5,
    "outside": 1.5,
}


def spoken(scenario, protocol):
    """The scenario in that language. In 2.0.1 nothing is installed while the clock is not set:
    which slot is free then depends on what is in force, and no oracle says that."""
    ops, known = [], True
    for op in scenario["ops"]:
        if op[0] in ("cut", "restore"):
            known = op[0] == "restore"
        if known or op[0] != "set" or protocol == "ocpp1.6":
            ops.append(op)
    return {**scenario, "protocol": protocol, "ops": ops}


def scenario(rng, protocol="ocpp1.6"):
    """A scenario of good input. It is followed by an oracle of that language while it grows, so
    that most of it makes sense."""
    t = rng.choice((rng.choice(NOTABLE) + near(rng), rng.randint(FIRST, LAST)))
    out = {
        "t": t,
        "connectors": rng.choice((1, 1, 2, 2, 3)),
        "volts": rng.choice((230, 230, 230, 120, 240)),
        "hardware_mA": rng.choice((32000, 32000, 16000, 63000, 80000)),
        "ops": [],
    }
    oracle = ORACLES[protocol](out["connectors"], out["volts"], out["hardware_mA"] // 100, t)
    many = rng.random() < 0.12
    n = rng.randint(15, 30) if many else rng.randint(6, 26)
    weights = dict(WEIGHTS, set=20) if many else WEIGHTS
    places = [(CEILING, 0, level) for level in range(MAX_LEVEL + 1)]
    places += [(DEFAULT, c, level) for c in (0, *oracle.numbers) for level in range(MAX_LEVEL + 1)]
    rng.shuffle(places)
    for k in range(rng.randint(CAPACITY - 1, CAPACITY) if many else 0):
        purpose, number, level = places[k]
        p = profile(rng, oracle, purpose)
        p["chargingProfileId"], p["stackLevel"] = 100 + k, level
        out["ops"].append(["set", number, p])
        follow(oracle, out["ops"][-1])
    for i in range(n):
        name = rng.choices(list(weights), list(weights.values()))[0]
        if i < 4 and not many:
            name = rng.choice(("set", "set", "begin", name))
        op = [name, *ARGUMENTS[name](rng, oracle)]
        for each in [op] if name != "cut" else dark(rng, oracle):
            out["ops"].append(each)
            follow(oracle, each)
    for connector in (0, *oracle.numbers):
        for unit in "AW":
            op = ["composite", connector, rng.choice((300, 600, 900)), unit]
            out["ops"].append(op)
    out["ops"].append(["report"])
    out["ops"].append(["limits", rng.randint(300, 900), 1, True])
    return out


def dark(rng, oracle):
    """A power cut, and what happens until the Central System says what time it is."""
    t = oracle.now + rng.choice((1, 60, 3000, 86400))
    if rng.random() < 0.3:  # a transaction that the Central System does not hear of
        yield ["hush"]
        for name in ("begin", "advance", "end", "advance"):
            yield (
                [name, *(rng.choice((0, 1, 20, 150)),)]
                if name == "advance"
                else [name, *ARGUMENTS[name](rng, oracle)]
            )
    for _ in range(rng.choice((1, 1, 1, 2))):
        noted = oracle.now + (0 if oracle.known else UNSET)
        noted = rng.choice((noted, max(noted - 1, 0), max(noted - rng.randint(0, 300), 0), None))
        yield ["cut", noted]
        for _ in range(rng.randint(1, 5)):
            name = rng.choice(("limits", "limits", "begin", "end", "advance", "set", "clear"))
            if name == "advance":
                yield [name, rng.choice((1, 60, 3600))]
            else:
                yield [name, *ARGUMENTS[name](rng, oracle)]
        yield ["limits", 60, 1, True]
    t = max(t, oracle.latest() + 1)
    yield ["restore", t, stamp(rng, t)]


IN_THE_DARK = ("limits", "begin", "end", "advance", "set", "clear", "cut", "restore")


def follow(oracle, op):
    """What `op` does to the oracle; what it answers."""
    name, args = op[0], op[1:]
    if name == "set":
        return oracle.set(*args)
    if name == "clear":
        return oracle.clear(*args)
    if name == "remote":
        return oracle.remote_start(*args)
    if name in ("clock", "restore"):
        return getattr(oracle, name)(args[0])
    if name == "limits":
        oracle.now += (args[0] - 1) * args[1]
    elif name == "advance":
        oracle.now += args[0]
    elif name == "hush":
        oracle.silent = True
    elif name == "speak":
        oracle.answer()
    elif name in ("plug", "begin", "expire", "end", "reboot", "cut", "outside"):
        name = "impose" if name == "outside" else name
        getattr(oracle, name)(*args)


def _set(rng, oracle):
    p = profile(rng, oracle)
    old = rng.choice(oracle.profiles) if oracle.profiles and rng.random() < 0.4 else None
    if old and rng.random() < 0.3:  # an old one again, a little different, or as it is
        q = copy.deepcopy(old.payload)
        if rng.random() < 0.7:
            said = q["chargingSchedule"]["chargingSchedulePeriod"]
            said[-1]["limit"] = number(rng, rng.choice(AMPS))
        if q.get("transactionId") is not None and rng.random() < 0.5:
            q.pop("transactionId")
        return old.connector, q
    if old:  # a successor that begins now, by another clock, or later
        for name in ("chargingProfileId", "stackLevel", "chargingProfilePurpose"):
            if name == "chargingProfilePurpose" or rng.random() < 0.8:
                p[name] = old.payload[name]
        off = rng.choice((0, 1, 2, 3, 4, -2, -3, 20, 90))
        begins = stamp(rng, (oracle.least() or FIRST) + off)
        if p["chargingProfileKind"] == "Relative" or rng.random() < 0.3:
            p["validFrom"] = begins
        else:
            p["chargingSchedule"]["startSchedule"] = begins
        return old.connector, p
    connector = place(rng, oracle, p)
    if isinstance(oracle, Oracle201):
        p = beside(rng, oracle, connector, p)
    return connector, p


def _limits(rng, oracle):
    if rng.random() < 0.15 and oracle.now < LAST:
        return rng.randint(10, 60), rng.choice((7, 60, 900, 3600, 86400)), rng.random() < 0.5
    return rng.choice((30, 60, 120, 300)), 1, rng.random() < 0.6


def _composite(rng, oracle):
    duration = rng.choice((0, 1, 2, 60, 300, 600, 900, 1200, 86400, 90000, 700000))
    number = rng.choice((0, *oracle.numbers))
    if rng.random() < 0.02:
        number = rng.choice((-1, len(oracle.numbers) + 1))
    return number, duration, rng.choice(("A", "A", "W", "W", None))


def _clear(rng, oracle):
    criteria = {}
    p = rng.choice(oracle.profiles) if oracle.profiles else None
    if rng.random() < 0.3:
        criteria["id"] = p.id if p and rng.random() < 0.8 else rng.randint(-3, 12)
    if rng.random() < 0.4:
        criteria["connectorId"] = p.connector if p and rng.random() < 0.7 else rng.randint(0, 3)
    if rng.random() < 0.4:
        criteria["chargingProfilePurpose"] = p.purpose if p else rng.choice(PURPOSES)
    if rng.random() < 0.4:
        criteria["stackLevel"] = p.level if p and rng.random() < 0.7 else rng.randint(0, 15)
    return (criteria,)


def _remote(rng, oracle):
    p = None
    if rng.random() < 0.9:
        p = profile(rng, oracle, TX if rng.random() < 0.95 else None)
        if rng.random() < 0.05:
            p["transactionId"] = rng.choice(TRANSACTIONS)
    return rng.choice(list(oracle.numbers)), p


def _clock(rng, oracle):
    jump = rng.choice((2, -2, 3, 60, -60, 3600, -3600, 86400, -86400 * 400, 10**8, -3, -2, -4, 4))
    t = max(FIRST, min(oracle.now + jump, LAST))
    if oracle.drifted(t):  # (less than 2 s are not worth moving a clock for)
        t = oracle.now
    return t, stamp(rng, t)


def _advance(rng, oracle):
    t = oracle.now + rng.choice((1, 5, 60, 3000, 86400, 604800, rng.randint(0, 10**6)))
    return (max(0, min(t, LAST) - oracle.now),)


def _start(rng, oracle):
    used = [tx[0] for tx in oracle.tx.values()] + list(oracle.ids.values())
    ids = [i for i in TRANSACTIONS if i not in used]
    return rng.choice(list(oracle.numbers)), rng.choice(ids)


def _outside(rng, oracle):
    """A limit from outside the Central System, whose safe value is not above it, or its end."""
    number, by = rng.choice((0, 0, *oracle.numbers)), rng.choice(("ems", "ems", "grid", "other"))
    if rng.random() < 0.2:
        return number, by, None, None, None
    tenths = rng.choice((0, 59, 60, 61, 100, 101, 161, 250, 320, rng.randint(0, 700)))
    if rng.random() < 0.3:
        return number, by, tenths, None, None
    seconds = rng.choice((1, 2, 30, 60, 300, 900, 86400, rng.randint(1, 4000)))
    return number, by, tenths, seconds, rng.choice((None, 0, min(60, tenths), tenths // 2, tenths))


def _connector(rng, oracle):
    return (rng.choice(list(oracle.numbers)),)


def _nothing(rng, oracle):
    return ()


ARGUMENTS = {
    "set": _set,
    "limits": _limits,
    "composite": _composite,
    "begin": _start,
    "advance": _advance,
    "end": _connector,
    "clear": _clear,
    "remote": _remote,
    "plug": _start,
    "expire": _nothing,
    "clock": _clock,
    "reboot": _nothing,
    "cut": _nothing,
    "hush": _nothing,
    "speak": _nothing,
    "report": _nothing,
    "outside": _outside,
}


PLACES = {  # field: (where it is, required)
    "chargingProfileId": ((), True),
    "transactionId": ((), False),
    "stackLevel": ((), True),
    "recurrencyKind": ((), False),
    "validFrom": ((), False),
    "validTo": ((), False),
    "duration": (("chargingSchedule",), False),
    "startSchedule": (("chargingSchedule",), False),
    "minChargingRate": (("chargingSchedule",), False),
    "limit": (("chargingSchedule", "chargingSchedulePeriod", 0), True),
    "numberPhases": (("chargingSchedule", "chargingSchedulePeriod", 0), False),
}
