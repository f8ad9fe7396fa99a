"""The charging profiles of the station: put in, cleared, and what all of them come to together.
Loaded for as long as it is asked; what is kept are records (charging/store.py)."""

from micropython import const

from firmware import lazy
from firmware.charging import limits, profile
from firmware.clock import FAR

_NEAR_s = const(3)  # by how much a clock may be wrong, ours or the Central System's
_STEPS = const(16)  # of a composite schedule at a time: some 10 ms on an ESP32


def install(station, w, beside=False):
    """Check and store profile record `w`, in place of others of its connector, purpose and level,
    or `beside` them (Change.put); returns None, or why it is refused. Durable."""
    purpose = profile.purpose(w)
    if purpose == profile.CEILING and profile.connector(w):
        return "a ceiling is for connector 0"
    if purpose == profile.TX and not station.sharing.running(w):
        return "no such transaction is running"
    return put(station, w, beside)


def put(station, w, beside=False):
    """Store profile record `w`, as of now; None, or why it cannot be kept. Durable."""
    station.sharing.due_s = 0  # (also if the flash fails in the middle)
    now_s, known = station.clock.now(), station.clock.known()
    least_s, until_s = (now_s, now_s) if known else (station.clock.least_s(), FAR)
    flags = 0
    if profile.purpose(w) == profile.CEILING and not w[profile.KEY] >> 24 & profile.FLAG_ORIGIN:
        w[profile.START] = now_s  # it counts from its receipt (A6, A7)
        flags = profile.FLAG_ORIGIN | profile.FLAG_BEGUN
    elif known and -_NEAR_s < profile.begin(w) - now_s <= _NEAR_s:
        flags = profile.FLAG_BEGUN  # (A32)
    w[profile.KEY] |= flags << 24
    return station.store.change().put(w, least_s, until_s, beside)


def clear(station, profile_id=None, connector=None, purpose=None, level=None):
    """Remove the profiles that match all that is given (or `profile_id` alone) -> how many."""
    store, wanted = station.store, (profile_id,)
    if profile_id is None:
        wanted = None, connector, purpose, level
    station.sharing.due_s = 0
    installed, change = store.count(), store.change()
    for w in store.records[:]:
        has = w[profile.ID], profile.connector(w), profile.purpose(w), profile.level(w)
        if all([x in (None, y) for x, y in zip(wanted, has)]):
            change.remove(w, station.clock.least_s())
    return installed - store.count()


def schedule(station, number, duration_s, rate, most_mA=None, apart=False):
    """(now, the Composite of a connector, 0: of all, from now): see compose(). most_mA: what the
    connector can take; None: what all else allows. apart: it says who decides each period."""
    now, sharing, connectors = station.clock.now(), station.sharing, station.connectors
    sharing.evaluator.known = station.clock.known()
    sharing.evaluator.ahead_s = station.clock.least_s() - now
    local = station.settings("composite_local")
    starts = [now] + [sharing.origin_s(c, now) for c in connectors]
    running = [False] + [c.tx is not None for c in connectors]
    own_mA = [c.limits.local_mA if local else c.limits.fixed_mA for c in connectors]
    hardware = [0] + [min(mA, most_mA or mA) // 100 for mA in own_mA]
    sources = [0] + [_whose(c.limits, mA, local) for c, mA in zip(connectors, own_mA)]
    numbers = (number,) if number else tuple([c.number for c in connectors])
    asked = numbers, now, duration_s, starts, running, hardware, rate
    # (seldom asked for: not kept)
    make = lazy.load("charging.composite").Composite
    more = profile.MAX_PERIODS, sharing.outside, sources if apart else None
    return now, make(sharing.evaluator, *asked, *more)


def _whose(slots, mA, local):
    # The first slot but the hardware's that says so, of those that the composite schedule knows.
    for i in range(limits.INSTALLATION, limits.PROFILES if local else limits.CABLE):
        if slots.values[i] == mA:
            return i
    return limits.HARDWARE


def compose(station, composite):
    """Work on a composite schedule for a moment; False: it is complete."""
    more = composite.steps(_STEPS)
    station.store.trim()  # (of many profiles the periods do not fit into RAM together)
    if not more:
        station.sharing.due_s = 0  # the periods in force may have been let go
    return more
