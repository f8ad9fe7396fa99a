"""Why a connector may take what it may: for `state`, LimitReason and console. Loaded for that."""

from firmware.charging import profile
from firmware.charging.limits import SOURCES
from firmware.clock import FAR, format_iso


def reason(station, c, purposes):
    """{limit_mA, limit_by, limit_next} of connector `c`; all are None: nothing limits it.
    limit_by: source is one of `purposes` (words.py) or of limits.SOURCES, profile and stackLevel
    are of a profile; until: when that ends or changes; None: never, or nobody knows. limit_next:
    what would hold without it, source and limit_mA."""
    limit_mA, by, after = station.sharing.limit_mA(c), None, None
    if limit_mA is not None:
        place, w, until_s, next_mA, next_source, next_w = station.sharing.why(c)
        until = format_iso(until_s) if 0 <= until_s < FAR else None  # (the clock is not set)
        by = dict(source(place, w, purposes), until=until)
        after = dict(source(next_source, next_w, purposes), limit_mA=next_mA)
    return {"limit_mA": limit_mA, "limit_by": by, "limit_next": after}


def source(place, w, purposes):
    """Who that is, as {source}, or {source, profile, stackLevel}: a place in limits.SOURCES, or a
    profile's record, or its header."""
    if w is None:
        return {"source": SOURCES.split()[place]}
    name = purposes[profile.purpose(w)]
    return {"source": name, "profile": w[profile.ID], "stackLevel": profile.level(w)}
