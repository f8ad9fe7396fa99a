"""Bench mode (electrical/bench.py), by the console."""

from firmware import lazy, log
from firmware.electrical import faults
from firmware.electrical.pilot import advertisable_mA


def bench(unit, word, connectors):
    """Begin, prolong or end bench mode (electrical/bench.py); not while a car is there."""
    c, on = _connector(connectors), _wanted(word)
    made = lazy.load("electrical.bench")
    if c.controller.bench:
        c.controller.bench.left_ms = made.STAY_ms if on else 0
        yield "connector %d: %s" % (c.number, "bench mode goes on" if on else "bench mode ends")
        return
    if not on:
        yield "connector %d: not in bench mode" % c.number
        return
    if not c.settled():
        raise ValueError("connector %d: nobody knows yet whether a car is there" % c.number)
    if c.tx or c.waits or c.plugged():
        raise ValueError("connector %d: a car is connected, or a transaction runs" % c.number)
    if c.ending or faults.REACTION[c.controller.fault]:
        raise ValueError("connector %d: there is a fault, or a reset is under way" % c.number)
    c.operative = False

    def wanted():
        return c.tx or c.waits or c.operative or c.ending

    def ended(why):
        unit.station.kept.put_in_service()
        log.warning("connector %d: bench mode has ended: %s" % (c.number, why))

    # (the lock and the cable's coding wait for a plug, which must not be there)
    parts = [part for part in c.controller.parts if part not in (c.lock, c.proximity)]
    c.controller.bench = made.Bench(parts, wanted, ended)
    log.warning("connector %d: bench mode" % c.number)
    yield "for %d s: connector %d is out of service" % (made.STAY_ms // 1000, c.number)
    yield "pilot 6 ... 80 and contactor on work until a car is connected; bench off ends it"


def pilot(unit, text, connectors):
    """In bench mode: the duty that offers 6 to 80 A, or a steady +12 V (`off`)."""
    c = _check(connectors)
    if text != "off" and (not text.isdigit() or not 6 <= int(text) <= 80):
        raise ValueError("say 6 to 80 amperes, or off")
    mA = c.controller.bench.allow_mA = 0 if text == "off" else int(text) * 1000
    level = "the duty of %d A" % (advertisable_mA(mA) // 1000) if mA else "a steady +12 V"
    yield "connector %d: from the next tick on the pilot is at %s" % (c.number, level)


def contactor(unit, word, connectors):
    """In bench mode: close or open the contactor."""
    c = _check(connectors)
    close = c.controller.bench.close = _wanted(word)
    how = "closes at the next tick, if all parts of the hardware are ready"
    yield "connector %d: the contactor %s" % (c.number, how if close else "opens at the next tick")


def _connector(connectors):
    if len(connectors) > 1:
        raise ValueError("which connector? There are 1 to %d" % len(connectors))
    return connectors[0]


def _check(connectors):
    c = _connector(connectors)
    if not c.controller.bench:
        raise ValueError("connector %d: in bench mode only; see bench on" % c.number)
    return c


def _wanted(word):
    if word not in ("on", "off"):
        raise ValueError("say on or off")
    return word == "on"
