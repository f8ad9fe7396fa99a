"""The charge point as every protocol version sees it: connectors, transactions, and what is to be
told of them. Handlers call it; it calls down only. Time comes from the clock that it is given."""

import time
from micropython import const

from firmware import lazy
from firmware.electrical import faults

from . import states
from .metering import Metering
from .states import Notice, Transfer

_MAX_NEWS = const(32)
_MAX_TRANSFERS = const(4)
_MAX_SAMPLES = const(16)


class Station:
    """The charge point.

    | connectors | Connector objects; connector number n stands at n - 1 |
    | sharing    | sharing.Sharing: what each of them may take |
    | kept       | kept.Kept: what outlives every reboot beside transactions |
    | news       | Notices of states and faults to be told |
    | metering   | metering.Metering |
    | samples    | (connector number, sample) of those that belong to no transaction |
    | asks, asked | Asks: who may charge; and the one that the Central System thinks about |
    | transfers  | Transfers of the owner's rules |
    | policy     | policy.Policy, the owner's rules, or None |
    | auth       | folder of what is known of tokens, of an update, of security |
    | untold     | 1: a security event (security.py) is to be told; 2: it is not answered |
    | reservations, update | reservations.Reservations, update.Update; None: there is none |
    | plug_tag   | presented by itself at every connector, once a plug-in; "": none |
    | heed       | called with each Notice when it is made, or None |
    | notify     | called when there is something new for the Central System |"""

    def __init__(self, sharing, journal, kept, log, policy, plug_tag="", auth="/auth"):
        self.sharing = sharing
        self.connectors = connectors = sharing.connectors
        self.store, self.clock, self.settings = sharing.store, sharing.clock, sharing.settings
        self.journal, self.kept = journal, kept
        self.log, self.policy, self.plug_tag, self.auth = log, policy, plug_tag, auth
        self.asked = self.reservations = self.update = None
        self.news, self.samples, self.asks, self.transfers = [], [], [], []
        self.untold = 0
        self._accepted = False
        self.notify, self.heed = lambda: None, None
        self.metering = Metering(self)
        kept.put_in_service()
        for tx in journal.load():
            if tx.connector <= len(connectors):
                c = connectors[tx.connector - 1]
                c.resumed = tx
                c.run(tx)
                log("transaction %s goes on after a power cut" % tx.name)
        self.clock.heard(journal.last)
        for c in connectors:
            c.presented = c.claim() is not None or c.number in kept.charged
        sharing.trim()

    @property
    def online(self):
        """The Central System can be asked, and told at once."""
        return self.journal.online

    @online.setter
    def online(self, online):
        """Of now."""
        self.journal.online = online
        self._accepted |= online

    def may_begin(self):
        """Transactions may begin: this unit is accepted, or was since it started, or need not be
        (the setting unaccepted)."""
        return self._accepted or self.settings("unaccepted")

    def access(self):
        """access.Access, of this moment: who may charge."""
        return lazy.load("station.access").Access(self, time.ticks_ms())

    def local(self):
        """tags.Tags: whom the station itself knows. Not kept: 4 KB, and all of it is on flash."""
        return lazy.load("storage.tags").Tags(self.auth, self.settings, self.clock, self.log)

    def next_ask(self):
        """The oldest of `asks` that still counts, taken out, or None."""
        self.asked = self.access().next_ask() if self.asks else None
        return self.asked

    def offline(self):
        """The Central System cannot be asked any more."""
        self.online, self.asked = False, None
        if self.asks:
            self.access().offline()

    def running(self, transaction_id):
        """The connector on which that transaction runs, or None."""
        for c in self.connectors:
            if c.tx and transaction_id in (c.tx.id, c.tx.uuid):
                return c
        return None

    def poll(self):
        """Follow cars, contactors and time-outs; call about ten times a second."""
        now_s, now_ms = self.clock.now(), time.ticks_ms()
        roam = [c for c in self.connectors if c.waits and c.waits.roams]
        asks = (self.asked or self.asks) and self.asks + [self.asked]
        if roam or asks and any([ask and not ask.connector for ask in asks]):
            cars = [c for c in self.connectors if c.plugged() and (c.free() or c in roam)]
            if cars and cars != roam:
                self.access().take(cars)
        for c in self.connectors:
            c.poll(now_s, now_ms, self)
            if self.plug_tag and c.settled() and c.controller.known:
                _present(self, c)
        if self.reservations:
            self.reservations.poll(now_s)
        if self.update:
            self.update.poll(now_s)
        sharing = self.sharing
        if sharing.outside:
            sharing.outside.poll(now_s)
        if not sharing.due_s or sharing.due_s <= now_s:  # (negative until the clock is set)
            sharing.evaluate(now_s, now_ms)
        else:
            sharing.allot(now_s, now_ms)
        for c in self.connectors:
            if c.shown.changed(c, now_ms):
                self.tell(c, now_s)
                if c.shown.fault in faults.ENDING:
                    self.kept.set("latched", [[c.number, c.shown.fault]], True)

    def sample(self, c, sample):
        """Queue a sample (metering.py) of connector `c`, and of its transaction."""
        if c.tx and c.tx.seq:
            if not self.clock.known():  # (so that order is known over power cuts)
                self.clock.note(1)
            c.tx.seen_Wh = max(c.tx.seen_Wh, c.energy_Wh())
            self.journal.sample(c.tx, sample)
        else:
            del self.samples[: 1 - _MAX_SAMPLES]
            self.samples.append((c.number, sample))
        self.notify()

    def tell(self, c, now_s, fault=None):
        """Queue a notice()."""
        news = self.news
        if len(news) == _MAX_NEWS:
            # Where nobody listens the oldest goes that is not its connector's last.
            at = 0
            while all([later.number != news[at].number for later in news[at + 1 :]]):
                at += 1
            news.pop(at)
        notice = self.notice(c, now_s, fault)
        news.append(notice)
        if self.heed:
            self.heed(notice)
        self.notify()

    def notice(self, c, now_s, fault=None):
        """A Notice of connector `c` (None: of the charge point itself, where a `fault` may be said
        that is over at once), as it is now."""
        if c:
            return Notice(c.number, c.state, c.shown.fault, now_s)
        state = states.FREE if self.kept.in_service() else states.OUT_OF_SERVICE
        broken = self.policy and self.policy.fault
        return Notice(0, state, fault or (faults.POLICY if broken else faults.NONE), now_s)

    def impose(self, words):
        """A limit from outside the Central System, in words (impose.py), for every way in; -> what
        holds now, in words. Raises ValueError, which says what is wrong with them."""
        return lazy.load("station.impose").line(self, words)

    def transfer(self, vendor, message, data):
        """For policy.py: tell `vendor` the `data`; policy.heard gets the answer. False: too many
        wait already."""
        if len(self.transfers) == _MAX_TRANSFERS:
            return False
        self.transfers.append(Transfer(vendor, message, data))
        self.notify()
        return True

    def stopped(self, c, tx):
        """Transaction `tx` has stopped on connector `c`, and is about to be kept so."""
        self.clock.note(1)
        self.metering.keep(c, tx, tx.stop_s)
        if self.plug_tag and c.plugged():
            self.kept.set("charged", [c.number], True)

    def ended(self, c):
        """The transaction of connector `c` has ended, or could not begin."""
        self.sharing.trim()
        if not c.operative and not self.kept.in_service():
            self.tell(None, self.clock.now())
        self.notify()


def _present(station, c):
    # Plug and charge: once a plug-in; after a transaction over reboots too, whatever its tag was.
    claim = c.claim()
    presented = c.plugged() and (c.presented or claim is not None or c.free())
    if presented and not (c.presented or claim):
        station.access().tag(station.plug_tag, c.number)
    elif c.presented and not presented:
        station.kept.set("charged", [c.number], False)
    c.presented = presented
