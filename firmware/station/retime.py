"""The clock is set: what was noted by another time moves with it. Loaded for that."""

from micropython import const

from firmware import lazy
from firmware.station.security import CLOCK_SET

from .states import Notice

_MOVED_s = const(60)  # by less the clock is corrected, not set


def set_clock(station, t, ms, trip_ms):
    """The Central System, or a time server, says that it is `t` (Clock.set)."""
    clock = station.clock
    known = clock.known()
    jump = clock.set(t, ms, trip_ms)
    if not jump:
        return
    station.log("clock moved by %d s" % jump)
    for c in station.connectors:
        c.limits.moved(jump)
        # (a transaction from before a power cut already lies on the right axis)
        if c.tx and (known or not clock.plausible(c.tx.origin_s)):
            c.tx.origin_s += jump
            station.journal.save(c.tx)
    if station.sharing.outside:
        station.sharing.outside.moved(jump, known)
    if not known:
        station.store.change().moved(jump)
        station.journal.clock_set(jump)
        for i, n in enumerate(station.news):
            station.news[i] = Notice(n.number, n.state, n.fault, n.time_s + jump)
    station.sharing.due_s = 0
    security = lazy.load("station.security")
    if not known:
        security.moved(station, jump)
        security.note(station, CLOCK_SET, "it was not set")
    elif abs(jump) > _MOVED_s:
        security.note(station, CLOCK_SET, "moved by %d s" % jump, _MOVED_s)
