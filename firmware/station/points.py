"""Where a transaction begins and ends: with the car, the token, both of them, or energy, as the
settings tx_start and tx_stop say (E06). Loaded for these moments."""

from micropython import const

from firmware import lazy
from firmware.charging import profile
from firmware.electrical import pilot
from firmware.storage import journal
from firmware.storage.transactions import Transaction

from . import states

# Bits of tx_start and tx_stop.
CAR = const(1)  # it is plugged in
TOKEN = const(2)  # it is accepted
BOTH = const(4)  # they are
ENERGY = const(8)  # it flows
# Causes that end what a token may do, and perhaps no more.
_OF_TOKEN = states.LOCAL, states.REMOTE, states.REFUSED, states.MASTER, states.TIME_OUT


def _starts(c):
    # The points at any of which a transaction begins on connector `c`. Who wants to hear of
    # starts, stops and samples only knows none without both.
    return c.settings("tx_start") if c.journal.wanted else BOTH


def alone(c):
    """A token begins a transaction on connector `c` before its car is there."""
    return bool(_starts(c) & TOKEN)


def _stops(c):
    # Those at any of which one ends. (By the same it lasts as long as its token.)
    return c.settings("tx_stop") if c.journal.wanted else TOKEN


def token(c, ask, now_s, now_ms, owner):
    """The token of `ask` may charge on connector `c` from now on: its transaction begins, unless
    the car's has."""
    c.shows(ask.token, now_ms)
    if c.tx:
        return _admit(c, ask, now_s, owner)
    tx = _new(c, ask.token, ask.kind, now_s)
    tx.group, tx.request = ask.group, ask.request
    if ask.early:
        tx.by = journal.BY_CAR if c.plugged() else journal.BY_TOKEN_ALONE
    # Its profile first: one without a transaction is dropped at boot, but a transaction without
    # its profile would go on with more current than was granted.
    if not _admitted(c, tx, ask, owner):
        return owner.ended(c)
    if _starts(c) == ENERGY:
        tx.by = journal.BY_ENERGY
        if not c.journal.hold(tx):
            return owner.ended(c)
    elif not _open(c, tx, owner):
        return
    _begun(owner)
    c.run(tx, states.PLUGGED if c.plugged() else states.FREE)
    if not c.plugged():
        c.course.alone_ms = ask.ticks_ms


def car(c, now_s, owner):
    """Another car is plugged in at connector `c`: it may begin a transaction, without a token."""
    if _starts(c) & CAR:
        tx = _new(c, "", states.NO_TOKEN, now_s)
        tx.by = journal.BY_CAR_ALONE
        if _open(c, tx, owner):
            _begun(owner)
            c.run(tx, states.PLUGGED)


def energy(course, now_s, owner):
    """Energy flows for the first time: a transaction that was held back until then begins."""
    c, tx = course.c, course.tx
    tx.start_s = tx.origin_s = now_s
    tx.start_Wh = tx.seen_Wh = c.energy_Wh()
    if _open(c, tx, owner):
        c.run(tx, states.CHARGING)
    else:
        c.tx = c.course = None


def _new(c, token, kind, now_s):
    number = c.journal.next_number()
    return Transaction(number, c.number, token, now_s, c.energy_Wh(), kind)


def _open(c, tx, owner):
    # From now on it is told. False: it cannot be remembered, so it must not begin.
    owner.clock.note(1)
    owner.metering.begin(c, tx)
    if c.journal.start(tx):
        return True
    owner.ended(c)
    return False


def _begun(owner):
    owner.sharing.due_s = 0
    owner.notify()


def _admitted(c, tx, ask, owner):
    # The token of `ask` is about to charge. False: it must not.
    w = ask.profile
    if w is not None:
        w[profile.KEY] = w[profile.KEY] & ~0xFF | c.number
        refusal = lazy.load("station.profiles").put(owner, w)
        if refusal:
            owner.log("connector %d: not started without its profile: %s" % (c.number, refusal))
            return False
    if owner.reservations:
        owner.reservations.claim(c, tx)
    owner.sharing.delay(c)
    return True


def _admit(c, ask, now_s, owner):
    # The token charges in the transaction that its car has begun.
    tx = c.tx
    tx.token, tx.kind, tx.group = ask.token, ask.kind, ask.group
    if not _admitted(c, tx, ask, owner):
        tx.token, tx.kind, tx.group = "", states.NO_TOKEN, None
        return
    tx.request = ask.request
    c.journal.note(tx, journal.TOKEN, now_s, c.state, ask.token, ask.kind, ask.request)
    _begun(owner)


def left(course, now_ms):
    """Its car has left: that ends it, but for who may come back (E06, E09, E10), to a cable of the
    station within the time there is for a car to come."""
    c = course.c
    if not course.tx.authorised or _stops(c) != TOKEN or c.settings("stop_unplugged"):
        course.stop(states.UNPLUGGED)
    elif c.journal.wanted and not c.proximity:
        course.alone_ms = now_ms


def note(course, now_s, before, state, allow_mA):
    """Tell of another state (it was `before`, or nobody knows), or another limit, if it differs by
    more than the setting significance_permille."""
    c, tx = course.c, course.tx
    paused = state in (states.PAUSED_BY_CAR, states.PAUSED_BY_STATION)
    if before == states.CHARGING and paused and _stops(c) & ENERGY:
        return course.stop(states.CAR if state == states.PAUSED_BY_CAR else states.PAUSE)
    if state != before:
        why = journal.CHANGED
        if state == states.FREE:
            why = journal.CAR_LEFT
        elif before == states.FREE:
            why, state = journal.CAR_CAME, states.PLUGGED
            course.seen = state, allow_mA
        elif state == states.PAUSED_BY_STATION and tx.denied and c.settings("refused_Wh"):
            why = journal.ENERGY_SPENT
        c.journal.note(tx, journal.STATE, now_s, state, why, c.phases or None)
    if pilot.advertisable_mA(allow_mA):  # (that there is none any more says the state)
        moved_mA = abs(allow_mA - course.told_mA)
        if moved_mA * 1000 > course.told_mA * c.settings("significance_permille"):
            if course.told_mA:
                c.journal.note(tx, journal.LIMIT, now_s, allow_mA)
            course.told_mA = allow_mA


def goes_on(course, now_s):
    """Energy has ended, for the cause of `course`. True: its transaction goes on until its car
    leaves, and that is noted."""
    c, tx = course.c, course.tx
    cause, token, kind = course.ending
    of_token = cause in _OF_TOKEN and tx.kind >= 0 and tx.seq
    if not of_token or _stops(c) != CAR or not c.plugged():
        return False
    course.ending = None
    if tx.over is None:
        tx.over = cause
        course.seen = states.ENDING, c.allow_mA
        c.journal.note(tx, journal.OVER, now_s, states.ENDING, token, kind, cause)
    return True
