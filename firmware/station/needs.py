"""What the car of a transaction needs, and by when: a person or another system says it, for the
pilot does not (docs/smart-charging.md 7). It is durable, is told, and goes with its transaction:
Transaction.target_Wh, until_s, needs. Loaded for that."""

from micropython import const

from firmware.charging import limits
from firmware.clock import format_iso, parse_iso

# Bits of Transaction.needs: what is still to be told; then what was answered to each, two bits:
# 0 nothing yet, or 1 and up, as the Central System's words for it come.
NEEDS = const(1)
PLAN = const(2)  # the limits that the Central System has set for them
_NEEDS_AT = const(2)
_PLAN_AT = const(4)
_MOST_Wh = const(1000000)
_DAY_s = const(86400)
_AHEAD_s = const(604800)


def put(station, number, energy_Wh, departs_s=None):
    """The car at connector `number` needs so much from now on, 1 Wh to 1 MWh, and leaves at
    `departs_s`, within a week; None: nobody knows. What was said before is forgotten. Returns
    None, or why it is refused, and nothing has changed. Durable."""
    every, now_s = station.connectors, station.clock.now()
    if type(number) is not int or not 1 <= number <= len(every):
        return "connector %s: there are 1 to %d" % (number, len(every))
    if type(energy_Wh) is not int or not 1 <= energy_Wh <= _MOST_Wh:
        return "the energy is 1 Wh to 1000 kWh"
    if departs_s is not None:
        if not station.clock.known():
            return "the time is not known yet, so no departure is"
        if type(departs_s) is not int or not 0 < departs_s - now_s <= _AHEAD_s:
            return "the departure is not within the next seven days"
    c = every[number - 1]
    if not c.claim() or c.stopping():
        return "no transaction runs on connector %d: say it when its car may charge" % number
    c.tx.target_Wh, c.tx.until_s = c.energy_Wh() + energy_Wh, departs_s or 0
    c.tx.needs = c.tx.needs & PLAN | NEEDS
    station.log("connector %d: its car needs %s" % (number, text(c)))
    _keep(station, c.tx)
    return None


def read(station, words):
    """(energy_Wh, departs_s or None) of "20 kWh", "20000 Wh", then, if there is more, "07:30",
    which is the next one in UTC, a date-time, or "-". Raises ValueError, which says what is
    wrong."""
    value, kind, when = tuple(words) + ("", "", "-")[len(words) :]
    factor = {"wh": 1, "kwh": 1000}.get(kind.lower())
    if not factor:
        raise ValueError("%s: the energy is a number, then Wh or kWh, as 20 kWh" % kind)
    whole, _, part = value.partition(".")
    if not (whole + part).isdigit() or len(value) > 9:
        raise ValueError("%s: it is a number, as 20 or 7.5" % value)
    energy_Wh = int(whole or 0) * factor + int((part + "000")[:3]) * factor // 1000
    if when == "-":
        return energy_Wh, None
    return energy_Wh, _instant(when, station.clock.now())


def _instant(when, now_s):
    hours, _, minutes = when.partition(":")
    if (hours + minutes).isdigit() and len(minutes) == 2 and int(hours) < 24 and int(minutes) < 60:
        at = now_s - now_s % _DAY_s + int(hours) * 3600 + int(minutes) * 60
        return at if at > now_s else at + _DAY_s
    try:
        return parse_iso(when)
    except ValueError:
        raise ValueError("departure %s: a time as 07:30 (UTC), a date-time, or -" % when)


def text(c):
    """What the car of `c` needs still, for a person."""
    until = " until " + format_iso(c.tx.until_s) if c.tx.until_s else ""
    return "%d Wh%s" % (max(left_Wh(c), 0), until)


def left_Wh(c):
    """What it has not got yet."""
    return c.tx.target_Wh - c.energy_Wh()


def most_mA(c):
    """What connector `c`, and the cable in it, can give at most, per phase."""
    slots = [c.limits.values[i] for i in (limits.HARDWARE, limits.INSTALLATION, limits.CABLE)]
    return min([mA for mA in slots if mA is not None])


def due(station, c):
    """NEEDS or PLAN: what is to be told next of the transaction of `c`; 0: nothing. What its car
    has got, or is away with, it does not need any more."""
    tx = c.tx
    late = tx.until_s and station.clock.known() and tx.until_s <= station.clock.now()
    if tx.needs & NEEDS and (late or left_Wh(c) <= 0):
        station.log("connector %d: what its car needed is not told: too late" % c.number)
        _forget(station, tx)
    return tx.needs & -tx.needs & (NEEDS | PLAN)


def planned(station, number):
    """The Central System has set limits for the transaction of that connector: if its needs were
    said, what comes of both is to be told."""
    tx = station.connectors[number - 1].tx
    if tx and tx.target_Wh:
        tx.needs |= PLAN
        _keep(station, tx)


def answered(station, c, what, status):
    """To `what`, NEEDS or PLAN, of the transaction of `c`: see Transaction.needs. Who has no
    answer (0) to the needs has no use for a plan, unless something else was said meanwhile."""
    tx, at = c.tx, _NEEDS_AT if what == NEEDS else _PLAN_AT
    tx.needs = tx.needs & ~(3 << at) | status << at
    if what == NEEDS and not status and not tx.needs & NEEDS:
        return _forget(station, tx)
    station.journal.save(tx)


def answers(tx):
    """What was answered to its needs, and to the plan."""
    return tx.needs >> _NEEDS_AT & 3, tx.needs >> _PLAN_AT & 3


def _keep(station, tx):
    station.journal.save(tx)  # (a full flash: told all the same, unless the power fails first)
    station.notify()


def _forget(station, tx):
    tx.target_Wh = tx.until_s = tx.needs = 0
    station.journal.save(tx)
