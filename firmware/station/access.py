"""Who may charge: tokens that are shown at the station, or named by the Central System. Loaded for
as long as one of them takes; those that wait for an answer are Station.asks."""

from micropython import const

from firmware import lazy

from . import states
from .states import CARD, Ask

_TICKS = const(0x3FFFFFFF)


class Access:
    """Of `station`, at `now_ms`."""

    def __init__(self, station, now_ms):
        self._station, self._now_ms = station, now_ms
        self._local = None

    def local(self):
        """Station.local(), the same until this is let go: to load it takes a chip 50 ms."""
        if not self._local:
            self._local = self._station.local()
        return self._local

    def tag(self, token, number, kind=CARD):
        """A person presents `token`, of that kind (states.py), at connector `number`: stops their
        transaction or asks to start one. Tokens are compared without case; another one of the same
        group stops it too.
        False: it began or ended one there just now, and counts once."""
        station, log = self._station, self._station.log
        c = station.connectors[number - 1]
        if c.again(token, self._now_ms):
            log("connector %d: tag %s was here a moment ago" % (number, token))
            return False
        tx = c.claim()
        if tx is None and (c.ending or not c.operative):
            log("connector %d: out of service" % number)
        elif c.cable_of and c.cable_of.lower() == token.lower():
            c.lock.release = True
        elif tx and _is_of(tx, token, kind):
            c.stop(states.LOCAL, token, kind)
        elif not tx or tx.group or station.settings("master_group"):
            self.ask(token, c, None, kind)
        else:
            log("connector %d: in use with another tag" % number)
        return True

    def card(self, uid):
        """A card lies on the station's one reader: at the connector where it is in use or waits,
        or the one that it fits best, or the one that is plugged next. False as of tag()."""
        same, station = uid.lower(), self._station
        for ask in _asking(self._station):
            if ask.token.lower() == same and self._counts(ask):
                ask.ticks_ms = self._now_ms
                return False
        for c in station.connectors:
            tx = c.claim()
            tag = tx.token if tx else c.waits and c.waits.token or c.cable_of
            if c.last == same or tag and tag.lower() == same:
                return self.tag(uid, c.number)
        best = self.choose(uid, station.online)
        if best:
            self.ask(uid, best if best.plugged() else None)
            return True
        group = self.group(uid, CARD)  # it may be that which charges
        master = station.settings("master_group")
        for c in station.connectors:
            if c.tx and (c.tx.group or master) and (not best or group and group == c.tx.group):
                best = c
        if best:
            return self.tag(uid, best.number)
        station.log("card %s: no connector is free" % uid)
        return True

    def ask(self, token, c, w=None, kind=CARD, request=None, group=None):
        """Have the Central System say whether `token` may charge at connector `c` (None: where
        its car comes), or say it without it, as the settings want (3.4, 3.5). `request`: the
        number of the one that names it; it may know the group."""
        station = self._station
        known = self.local()
        if not self.may(token, c, station.online, kind, group):
            return station.log("connector %d: reserved for somebody else" % c.number)
        if station.online and known.settled(token, kind):
            return station.log("tag %s not accepted, and not asked about" % token)
        if known.at_once(token, kind) if station.online else known.offline(token, kind):
            return self.accept(token, c, w, group, kind, request)
        station.asks[:] = [ask for ask in station.asks if self._counts(ask)]
        if len(station.asks) < 2 * len(station.connectors):
            one = Ask(token, c, w, self._now_ms, kind, request)
            one.group = group
            station.asks.append(one)
            station.notify()

    def may(self, token, c, asked, kind=CARD, group=None):
        """False: connector `c` (None: any) is kept for others than `token`. `asked`: the Central
        System is about to say of which group it is."""
        reservations = self._station.reservations
        if not reservations or not c:
            return True
        barred = reservations.bars(c, token, group or self.group(token, kind))
        return not barred or asked and reservations.group(c)

    def group(self, token, kind):
        """That of `token`, as far as the station itself knows it, or None."""
        entry = self.local().known(token, kind)
        return entry[1] if entry else None

    def offline(self):
        """The Central System cannot be asked any more: those who need it not go on."""
        asks = self._station.asks
        for ask in asks[:]:
            if self.local().offline(ask.token, ask.kind):
                asks.remove(ask)
                self.authorised(ask)

    def next_ask(self):
        """The oldest of Station.asks that still counts, taken out, or None: a card that was shown
        longer ago than wait_s must not start charging now."""
        station = self._station
        while station.asks:
            ask = station.asks.pop(0)
            age_ms = (self._now_ms - ask.ticks_ms) & _TICKS
            if age_ms > 1000 * station.settings("wait_s"):
                station.log("tag %s was not asked for in time" % ask.token)
            elif self._counts(ask):
                return ask
        return None

    def _counts(self, ask):
        # What it was to start, or to end, is there still; not with another car.
        c = ask.connector
        if not c or c.claim() is ask.tx and (ask.tx or c.same_car(ask.visit)):
            return True
        self._station.log("connector %d: tag %s came for what is over" % (c.number, ask.token))
        return False

    def authorised(self, ask, group=None):
        """The token of `ask`, whose group may be known, is accepted."""
        if self._counts(ask):
            group = group or ask.group
            self.accept(ask.token, ask.connector, ask.profile, group, ask.kind, ask.request)

    def accept(self, token, c, w=None, group=None, kind=CARD, request=None):
        """`token`, whose group may be known, may charge at connector `c` (None: where its car
        comes) by profile `w`, or end what another one of its group has begun there. `request` as
        in ask()."""
        station, same = self._station, token.lower()
        if group is None:
            group = self.group(token, kind)
        if self.master(group):
            return _end_all(station, token, kind)
        roams = not c and not (station.reservations and station.reservations.own(token))
        c = c or _find(station, token, group)
        if not c:
            station.log("tag %s: no connector is free" % token)
        elif not c.claim() and _barred(station, c, token, group):
            station.log("connector %d: reserved for somebody else" % c.number)
        elif not c.claim():
            # (one that waits is shown again: it roams as before)
            ask = Ask(token, c, w, self._now_ms, kind, request)
            ask.group, ask.wait_s = group, station.settings("wait_s")
            ask.roams = roams or c.waits and c.waits.token.lower() == same and c.waits.roams
            ask.early = not c.plugged()
            alone = ask.early and not (ask.roams and len(station.connectors) > 1)
            ask.begins = alone and lazy.load("station.points").alone(c)
            _let(c, ask)
        elif _is_of(c.tx, token, kind):
            pass  # it is shown again
        elif group and group == c.tx.group:
            c.stop(states.LOCAL, token, kind)
        else:
            station.log("connector %d: in use with another tag" % c.number)

    def master(self, group):
        """A token of `group` ends every transaction, and begins none."""
        text = self._station.settings("master_group")
        return bool(text and group) and group in [self.local().group(text, k) for k in range(8)]

    def choose(self, token, asked, kind=CARD, group=None):
        """The connector on which a start that names none should happen, or None (asked: may())."""
        free = [c for c in self._station.connectors if c.free()]
        asking = [a for a in _asking(self._station) if not a.connector or a.connector.free()]
        if len(free) <= len(asking):
            return None
        return _find(self._station, token, group or self.group(token, kind), asked)

    def take(self, cars):
        """To the connectors `cars`, where one is: what named no connector and waits elsewhere goes
        there, who was first first; or what is being asked for."""
        for c in cars:
            for other in self._station.connectors:
                ask = other.waits
                if ask and ask.roams and not other.plugged():
                    if not _barred(self._station, c, ask.token, ask.group):
                        _take(c, other)
            for ask in _asking(self._station):
                if not ask.connector and _find(self._station, ask.token) is c:
                    ask.connector, ask.visit = c, c.controller.visit


def _asking(station):
    # Those that have no answer yet.
    return [ask for ask in [station.asked] + station.asks if ask]


def _barred(station, c, token, group):
    # The same as Access.may(), by what is known now.
    reservations = station.reservations
    return bool(reservations) and reservations.bars(c, token, group)


def _find(station, token, group=None, asked=False):
    # The free connector that no token is being asked for, nor kept for others (unless they may
    # be of its group, and that is `asked`): the one that is kept for `token`, or else one with
    # a car if there is one; None.
    spoken_for = [ask.connector for ask in _asking(station)]
    free = [c for c in station.connectors if c.free() and c not in spoken_for]
    reservations = station.reservations
    if reservations:
        own = reservations.own(token)
        perhaps = [c for c in free if asked and reservations.group(c)]
        free = [c for c in free if not _barred(station, c, token, group)] or perhaps
        free = [c for c in free if c.number == own] or free
    plugged = [c for c in free if c.plugged()]
    return (plugged + free + [None])[0]


def _is_of(tx, token, kind):
    return tx.kind == kind and tx.token.lower() == token.lower()


def _let(c, ask):
    # The token of `ask` may charge there: the car that is there now, or one that comes in time.
    c.waits = ask
    if c.lock:
        c.lock.release = False


def _take(here, there):
    # The token that waits there: its car came here. What waits here goes there, unless it has
    # waited longer.
    for c in (here, there):
        if c.waits and not c.same_car(c.waits.visit):
            c.waits = None
    mine, theirs = here.waits, there.waits
    if not theirs or mine and (mine.ticks_ms - theirs.ticks_ms) & _TICKS > _TICKS >> 1:
        return
    there.waits = mine
    _let(here, theirs)
    for c in (here, there):
        if c.waits:
            c.waits.visit = c.controller.visit


def _end_all(station, token, kind):
    station.log("tag %s ends every transaction" % token)
    for c in station.connectors:
        c.stop(states.MASTER, token, kind)
