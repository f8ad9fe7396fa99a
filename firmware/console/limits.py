"""Console commands (line.py) about charging limits: why, the profiles, the composite schedule."""

from micropython import const

from firmware import lazy
from firmware.charging import limits, profile
from firmware.charging.schedule import NONE
from firmware.clock import FAR, format_iso

_LONGEST_s = const(316224000)  # ten years


def _text(mA):
    return "no limit at all" if mA is None else "%g A" % (mA / 1000)


def _source(source):  # limit_by or limit_next (ocpp/reason.py) in words
    text = source["source"]
    if "profile" in source:
        text += ", id %d, stackLevel %d" % (source["profile"], source["stackLevel"])
    return text


def limit(unit, connectors):
    """What each connector may take, and by whose word."""
    station = unit.station
    purposes = lazy.load("names").PURPOSES
    for c in connectors:
        slots = c.limits
        reason = lazy.load("ocpp.reason").reason(station, c, purposes)
        by = reason["limit_by"]
        if by is None:
            most = _text(slots.value_mA)
            yield "connector %d: no limit but the hardware's %s" % (c.number, most)
        else:
            yield "connector %d: %s by %s" % (c.number, _text(reason["limit_mA"]), _source(by))
            after = reason["limit_next"]
            yield "  without that: %s by %s" % (_text(after["limit_mA"]), _source(after))
        for i, name in enumerate(limits.SOURCES.split()):
            mA = slots.values[i]
            if mA is not None or i == limits.PROFILES:
                here = "*" if i == slots.source else " "
                yield "  %s %-14s %s" % (here, name, _text(mA))
        if slots.until_s < limits.NEVER:
            yield "  the first of these ends %s if it is not renewed" % format_iso(slots.until_s)
        yield "  profiles: " + _period(station, c)
        runs = "a transaction runs" if c.tx else "no transaction, so nothing"
        offered = _text(c.allow_mA), _text(c.controller.pilot_mA), runs
        yield "  offered now: %s, pilot %s; %s" % offered
    if not station.clock.known():
        yield "the time is not known: what needs it is at its lowest"


def outside(unit, *words):
    """Limits from outside the Central System; with words one more, or one less."""
    station = unit.station
    if words:
        yield station.impose(" ".join(words))
        return
    there = station.sharing.outside.list if station.sharing.outside else ()
    for one in there:
        yield lazy.load("station.impose").words_of(one)
    if not there:
        yield "none holds; one is set as: outside 10 until 18:00 else 6"


def _period(station, c):  # what the profiles will say when their answer next changes
    at = c.until_s
    if not 0 < at < FAR:
        return "no change to come"
    ev = station.sharing.evaluator
    ev.at(c.number, at, c.tx.origin_s if c.tx else at, c.tx is not None)
    station.sharing.due_s = 0  # (the periods in force may just have been let go)
    mA = None if ev.limit == NONE else ev.limit * 100
    return "%s from %s on" % (_text(mA), format_iso(at))


def profiles(unit):
    """The charging profiles that are installed."""
    records, record = unit.station.store.records, lazy.load("charging.record")
    purposes = lazy.load("names").PURPOSES
    in_force = [c.winner[profile.ID] for c in unit.station.connectors if c.winner]
    kinds = "Absolute Recurring Relative Daily Weekly".split(" ")
    if not records:
        yield "no charging profile is installed"
        return
    yield "  connector level purpose               id         kind       periods    valid"
    for w in list(records):
        kind = w[profile.KEY] >> 18 & 3
        if kind == profile.RECURRING:
            kind = 3 + (w[profile.KEY] >> 20 & 3)
        here = "*" if w[profile.ID] in in_force else " "
        said = here, profile.connector(w), profile.level(w), purposes[profile.purpose(w)]
        said += w[profile.ID], kinds[kind], record.count(w)
        begin, end = w[profile.VALID_FROM], w[profile.VALID_TO]
        valid = "since always" if not begin else "from %s on" % format_iso(begin)
        if end >= 0:
            valid += " until before " + format_iso(end)
        if profile.transaction(w) is not None:
            valid += " for transaction %d" % profile.transaction(w)
        said += "W" if profile.rate(w) else "A", valid
        yield "%s %-9d %-5d %-21s %-10d %-10s %3d in %s   %s" % said
        if w[profile.KEY] >> 24 & profile.FLAG_REPLACED:
            yield "  (replaced: in force until %s)" % format_iso(w[11])
    damaged = len(list(filter(record.stands_in, records)))
    if damaged:
        yield "%d damaged: 6 A stand in for each" % damaged


def composite(unit, number="1", duration_s="86400", kind="A"):
    """The composite schedule from now on; duration in s, a day if none is said."""
    station = unit.station
    if not number.isdigit() or int(number) > len(station.connectors):
        raise ValueError("connector %s: there are 0 to %d" % (number, len(station.connectors)))
    if not duration_s.isdigit() or not 0 < int(duration_s) <= _LONGEST_s:
        raise ValueError("duration_s: 1 to %d" % _LONGEST_s)
    watts = kind.upper() == "W"
    if not watts and kind.upper() != "A":
        raise ValueError("it is in A or in W")
    rate = profile.WATTS if watts else profile.AMPS
    profiles = lazy.load("station.profiles")
    now, schedule = profiles.schedule(station, int(number), int(duration_s), rate)
    while profiles.compose(station, schedule):
        yield None
    what = "watts in all" if watts else "amperes per phase"
    yield "connector %s from %s for %d s, %s" % (number, format_iso(now), schedule.length_s, what)
    out = schedule.out
    highest = max([out[i] for i in range(1, len(out), 3)] + [1])
    for i in range(0, len(out), 3):
        t, limit, phases = out[i : i + 3]
        bar = "#" * (limit * 40 // highest)
        on = " (%d phases)" % phases if phases else ""
        yield "%s %8g %s%s" % (format_iso(now + t), limit / 10, bar, on)
    if schedule.length_s < int(duration_s):
        yield "it ends here: a schedule has at most %d periods" % profile.MAX_PERIODS
