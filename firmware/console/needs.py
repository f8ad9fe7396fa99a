"""Console command (line.py) about what a car needs, in the transaction that runs."""

from firmware import lazy


def needs(unit, energy, kind, departure, connectors=None):
    """Say it; the connector where several cars charge."""
    station = unit.station
    if connectors is None:  # (three words: the last is no departure)
        connectors, departure = departure, "-"
    domain = lazy.load("station.needs")
    energy_Wh, departs_s = domain.read(station, (energy, kind, departure))
    charging = [c for c in connectors if c.claim()] or connectors
    if len(charging) > 1 and charging[0].claim():
        raise ValueError("several cars charge: end with the connector, the departure - if unknown")
    c = charging[0]
    why = domain.put(station, c.number, energy_Wh, departs_s)
    if why:
        raise ValueError(why)
    told = "the Central System is told"
    if not station.journal.wanted:
        told = "it is kept, but OCPP 1.6 has no message for it: only in 2.0.1 it is told"
    elif not station.online:
        told = "it is told when the Central System is there again"
    yield "connector %d: its car needs %s; %s" % (c.number, domain.text(c), told)
