"""The charge point as every protocol version sees it: connectors, profiles, transactions, limits.
Handlers call it; it calls down only. Time comes from the clock that is handed in."""

import os
import time
from micropython import const

from firmware import lazy
from firmware.charging import limits, profile
from firmware.charging.schedule import NONE
from firmware.charging.store import Full
from firmware.clock import FAR
from firmware.electrical import faults, pilot

from . import metering, states
from .events import Ask, Notice, Reading, Transfer

_MAX_NEWS = const(32)
_MAX_TRANSFERS = const(4)
_MAX_SAMPLES = const(16)
_NEAR_s = const(3)  # by how much a clock may be wrong, ours or the Central System's
_STEPS = const(8)  # of a composite schedule at a time: tens of milliseconds on an ESP32


class Station:
    """
    | attribute | meaning |
    |---|---|
    | connectors | Connector objects; connector number n stands at n - 1 |
    | due_s      | when the limits must be worked out again; 0: at once |
    | news       | Notices of states and faults to be told |
    | metering   | metering.Metering |
    | readings   | Readings that belong to no transaction |
    | asks       | Asks for those who may charge |
    | transfers  | Transfers of the owner's rules |
    | policy     | policy.Policy, the owner's rules, or None |
    | online     | the Central System can be asked |
    | plug_tag   | presented by itself at every connector, once a plug-in; "": none |
    | start_delay_s | a transaction gets energy after a random part of that |
    | wake       | called when there is something new for the Central System |"""

    def __init__(
        self,
        clock,
        connectors,
        store,
        evaluator,
        journal,
        settings,
        log,
        policy=None,
        held=None,
        availability=None,
        latches=None,
        auth="/auth",
    ):
        self.clock = clock
        self.policy = policy
        self._held = held
        self._availability = availability
        self._latches = latches
        self._auth = auth
        self.online = False
        self.plug_tag = ""
        self.start_delay_s = 0
        self.connectors = connectors
        self.store = store
        self.evaluator = evaluator
        self.journal = journal
        self.due_s = 0
        self.news = []
        self.readings = []
        self.asks = []
        self._asked = None  # the one that the Central System is thinking about
        self.transfers = []
        self.wake = self.on_limit = lambda: None
        self._settings = settings
        self._log = log
        self._wants_mA = [0] * len(connectors)
        self._share_mA = [0] * len(connectors)
        self._may_mA = [0] * len(connectors)  # the less of both: what they may have, soon or now
        self._ceiling = None  # the ChargePointMaxProfile in force, and what it says
        self._ceiling_mA = NONE
        self._ceiling_s = FAR  # when that may change
        self.metering = metering.Metering(
            connectors, settings, evaluator.voltage_V, self.sample, journal.keep
        )
        for c in connectors:
            c.settings = settings
            c.on_begin = self._begun
            c.on_stop = self._stopped
            c.on_end = self._ended
        self._resumed = []  # transactions from before the power cut
        self.put_in_service()
        for tx in journal.load():
            if tx.stop_s is None and tx.connector <= len(connectors):
                connectors[tx.connector - 1].resume(tx)
                self._resumed.append(tx)
                log("transaction %s goes on after a power cut" % tx.id)
        clock.heard(journal.last)
        for c in connectors:
            c.presented = bool(c.tx or availability and -c.number in availability.numbers)
        # A TxProfile outlives the power exactly if its transaction does.
        for w in [r for r in store.records if profile.purpose(r) == profile.TX]:
            if not self._of_running(w):
                store.remove(w)

    # --- profiles

    def install(self, w):
        """Check and store profile record `w`; returns None, or why it is refused. Durable."""
        purpose, number = profile.purpose(w), profile.connector(w)
        if number > len(self.connectors):
            return "no such connector"
        if purpose == profile.CEILING and number:
            return "ChargePointMaxProfile is for connector 0"
        if purpose == profile.TX:
            if not number:
                return "TxProfile is for a connector"
            if not self._of_running(w):
                return "no such transaction is running"
        return self._put(w)

    def _of_running(self, w):
        number = profile.connector(w)
        tx = self.connectors[number - 1].tx if 0 < number <= len(self.connectors) else None
        wanted = profile.transaction(w)
        return tx and (wanted is None or wanted == tx.number)

    def _put(self, w):
        self.due_s = 0  # (also if the flash fails in the middle)
        now_s = self.clock.now()
        least_s, until_s = now_s, now_s
        if not self.clock.known():
            least_s, until_s = self.clock.least_s(), FAR
        flags = 0
        if (
            profile.purpose(w) == profile.CEILING
            and not w[profile.KEY] >> 24 & profile.FLAG_ORIGIN
        ):
            w[profile.START] = now_s  # it counts from its receipt (A6, A7)
            flags = profile.FLAG_ORIGIN | profile.FLAG_BEGUN
        elif least_s == until_s and -_NEAR_s < profile.begin(w) - now_s <= _NEAR_s:
            flags = profile.FLAG_BEGUN  # (A32)
        w[profile.KEY] |= flags << 24
        try:
            self.store.put(w, least_s, until_s)
        except Full as e:
            return str(e)
        return None

    def clear(self, profile_id=None, connector=None, purpose=None, level=None):
        """Remove the profiles that match all that is given (`profile_id` alone decides if given);
        returns how many went."""
        gone = []
        for w in self.store.records:
            if profile_id is not None:
                if w[profile.ID] == profile_id:
                    gone.append(w)
            elif (
                (connector is None or profile.connector(w) == connector)
                and (purpose is None or profile.purpose(w) == purpose)
                and (level is None or profile.level(w) == level)
            ):
                gone.append(w)
        self.due_s = 0
        installed = self.store.count()
        for w in gone:
            self.store.remove(w)
        return installed - self.store.count()

    def schedule(self, number, duration_s, unit, room):
        """(now, the Composite of a connector, 0: of all, from now): see compose()."""
        composite = lazy.load("charging.composite")  # (seldom asked for: not kept)
        now = self.clock.now()
        self.evaluator.known = self.clock.known()
        self.evaluator.ahead_s = self.clock.least_s() - now
        starts, running, hardware = [now], [False], [0]
        for c in self.connectors:
            starts.append(self._started(c, now))
            running.append(c.tx is not None)
            all_of_it = self._settings("composite_local")
            hardware.append((c.limits.local_mA if all_of_it else c.limits.fixed_mA) // 100)
        numbers = (number,) if number else tuple(c.number for c in self.connectors)
        return now, composite.Composite(
            self.evaluator, numbers, now, duration_s, starts, running, hardware, unit, room
        )

    def compose(self, composite):
        """Work on a composite schedule for a moment; False: it is complete."""
        more = composite.steps(_STEPS)
        self.store.trim()  # (of many profiles the periods do not fit into RAM together)
        self.due_s = 0  # the periods in force may just have been let go
        return more

    def _started(self, c, now_s):
        # When the transaction of `c` began. Noted without a clock before a power cut, it can have
        # been earlier by what the power was away.
        if not c.tx:
            return now_s
        if c.tx.origin_s < 0 and not self.evaluator.known and c.tx in self._resumed:
            return c.tx.origin_s + self.evaluator.ahead_s
        return c.tx.origin_s

    # --- limits

    def evaluate(self, now_s):
        """Work out every connector's limit as of `now_s`. The pilot follows at the next tick."""
        ev = self.evaluator
        ev.known = self.clock.known()
        ev.ahead_s = self.clock.least_s() - now_s
        due = FAR
        for c in self.connectors:
            ev.at(c.number, now_s, self._started(c, now_s), c.tx is not None)
            c.winner = ev.winner
            c.phases = ev.phases
            c.until_s = ev.until
            c.other, c.other_mA = ev.other, ev.other_limit * 100
            limit_mA = None if ev.limit == NONE else ev.limit * 100
            c.limits.put(limits.PROFILES, limit_mA)
            if self._held:
                if ev.known:
                    self._held.keep(c.number, limit_mA)
                c.limits.put(limits.LAST, None if ev.known else self._held.mA[c.number - 1])
            c.limits.resolve(now_s)
            due = min(due, ev.until, c.limits.until_s)
        ev.at(0, now_s, now_s, False)
        self._ceiling = ev.winner
        self._ceiling_mA = ev.limit if ev.limit == NONE else ev.limit * 100
        self._ceiling_s = ev.until
        self.store.trim()
        if self._held:
            self._held.write()
        self.due_s = min(due, ev.until)
        self.allot()
        self.on_limit()

    def allot(self):
        """Set what each connector may offer: its own limit and its share of the ceiling."""
        now_s, now_ms = self.clock.now(), time.ticks_ms()
        for i, c in enumerate(self.connectors):
            going = c.tx and not c.stopping() and not (c.tx.denied and self._enough(c))
            mA = c.limits.value_mA if going else 0
            if c.wait(mA, now_s, now_ms):
                mA = self.due_s = 0
            self._wants_mA[i] = mA
        shared = self._ceiling_mA != NONE and len(self.connectors) > 1
        if shared:
            limits.share(self._ceiling_mA, self._wants_mA, self._share_mA)
        changed = False
        for i, c in enumerate(self.connectors):
            mA = self._wants_mA[i]
            if shared:
                # Nobody gets more before the others have really let go of it.
                free = self._ceiling_mA
                for k, other in enumerate(self.connectors):
                    if k != i:
                        free -= max(self._share_mA[k], other.controller.may_draw_mA)
                mA = min(self._share_mA[i], max(free, c.controller.pilot_mA))
                changed = changed or mA != self._may_mA[i]
            self._may_mA[i] = mA
            c.allot(mA)
        if changed:
            self.on_limit()

    def _enough(self, c):
        # A transaction whose tag is not accepted has had what it may have all the same (9.1).
        Wh = self._settings("refused_Wh")
        return not c.meter.known() or c.energy_Wh() - c.tx.start_Wh >= Wh

    def limit_mA(self, c):
        """What connector `c` may take, or None where nothing but the hardware limits it."""
        return self._may_mA[c.number - 1] if self._shared(c) else c.limits.limit_mA

    def _shared(self, c):
        # True if its share of the ceiling is what limits connector `c`. (Who wants less than the
        # pilot can offer has no share, but not for that.)
        wants_mA = self._wants_mA[c.number - 1]
        shares = len(self.connectors) > 1 and pilot.advertisable_mA(wants_mA)
        return shares and self._may_mA[c.number - 1] < c.limits.value_mA

    def why(self, c):
        """Who decided limit_mA(c), and who would without them: (source, profile, until_s,
        next limit in mA, next source, next profile). Sources index limits.SOURCES; a profile is
        a record, or None where the source is local. No local source knows its end: what expires
        in limits.py is renewed before it does."""
        slots = c.limits
        own = slots.source, c.winner if slots.source == limits.PROFILES else None
        if self._shared(c):
            return (limits.PROFILES, self._ceiling, self._ceiling_s, slots.value_mA) + own
        until_s = c.until_s if own[1] else FAR
        if own[1] and c.other and c.other_mA <= slots.next_mA:
            return own + (until_s, c.other_mA, limits.PROFILES, c.other)
        other = c.winner if slots.next_source == limits.PROFILES else None
        return own + (until_s, slots.next_mA, slots.next_source, other)

    # --- availability

    def in_service(self):
        """False: the charge point as a whole is out of service, and no transaction goes on that
        has yet to end for that."""
        ending = [c for c in self.connectors if c.tx and not c.operative]
        return bool(ending) or not self._availability or 0 not in self._availability.numbers

    def set_availability(self, number, operative):
        """Put connector `number` (0: all, and the charge point itself) into or out of service,
        over every reboot. False: it could not be kept. A transaction runs to its end first."""
        numbers = [number] if number else list(range(len(self.connectors) + 1))
        if not self._availability.set(numbers, not operative):
            return False
        self.put_in_service()
        if not number and (operative or not self.in_service()):
            self.tell(None, self.clock.now())
        self.wake()
        return True

    def put_in_service(self):
        """Every connector is in service or not, as it was set to be."""
        for c in self.connectors:
            c.operative = not self._availability or c.number not in self._availability.numbers

    def clear_faults(self, c):
        """A person clears the faults of connector `c` that wait for one; True if that was
        possible (Controller.reset)."""
        if not c.controller.reset():
            return False
        if self._latches:
            self._latches.set([n for n in self._latches.numbers if n >> 8 == c.number], False)
        return True

    # --- sessions

    def tag(self, id_tag, number):
        """A person presents `id_tag` at connector `number`: stops their transaction or asks to
        start one. Tags are compared without case; another tag of the same group (parentIdTag)
        stops it too. False: it began or ended one there just now, and counts once."""
        c = self.connectors[number - 1]
        if c.again(id_tag, time.ticks_ms()):
            self._log("connector %d: tag %s was here a moment ago" % (number, id_tag))
            return False
        if c.tx is None and (c.ending or not c.operative):
            self._log("connector %d: out of service" % number)
        elif c.kept and c.kept.lower() == id_tag.lower():
            c.lock.release = True
        elif c.tx is None:
            self.ask(id_tag, c)
        elif c.tx.token.lower() == id_tag.lower():
            c.stop(states.LOCAL, id_tag)
        elif c.tx.group:
            self.ask(id_tag, c)
        else:
            self._log("connector %d: in use with another tag" % number)
        return True

    def card(self, uid):
        """A card lies on the station's one reader: at the connector where it is in use or waits,
        or the one that it fits best, or the one that is plugged next. False as of tag()."""
        same = uid.lower()
        for ask in self.asks + [self._asked]:
            if ask and ask.token.lower() == same and self._counts(ask):
                ask.ticks_ms = time.ticks_ms()
                return False
        for c in self.connectors:
            tag = c.tx.token if c.tx else c.tag or c.kept
            if c.last == same or tag and tag.lower() == same:
                return self.tag(uid, c.number)
        best = self.choose()
        if best:
            self.ask(uid, best if best.plugged() else None)
            return True
        entry = self.local().known(uid)  # it may be of the group that charges
        for c in self.connectors:
            if c.tx and c.tx.group and (not best or entry and entry[1] == c.tx.group):
                best = c
        if best:
            return self.tag(uid, best.number)
        self._log("card %s: no connector is free" % uid)
        return True

    def ask(self, id_tag, c, w=None):
        """Have the Central System say whether `id_tag` may charge at connector `c` (None: where
        its car comes), or say it without it, as the configuration keys want (3.4, 3.5)."""
        known = self.local()
        if known.at_once(id_tag) if self.online else known.offline(id_tag):
            return self.accept(id_tag, c, w)
        for i in range(len(self.asks) - 1, -1, -1):
            if not self._counts(self.asks[i]):
                self.asks.pop(i)
        if len(self.asks) < 2 * len(self.connectors):
            self.asks.append(Ask(id_tag, c, w, time.ticks_ms()))
            self.wake()

    def offline(self):
        """The Central System cannot be asked any more: those of `asks` that need it not go on."""
        self.online = False
        self._asked = None
        for ask in self.asks[:]:
            if self.local().offline(ask.token):
                self.asks.remove(ask)
                self.authorised(ask)

    def next_ask(self):
        """The oldest of `asks`, taken out, or None. A card that was shown longer ago than
        ConnectionTimeOut, while offline, must not start charging now."""
        self._asked = None
        while self.asks and not self._asked:
            ask = self.asks.pop(0)
            age_ms = (time.ticks_ms() - ask.ticks_ms) & 0x3FFFFFFF
            if age_ms > 1000 * self._settings("wait_s"):
                self._log("tag %s was not asked for in time" % ask.token)
            elif self._counts(ask):
                self._asked = ask
        return self._asked

    def _counts(self, ask):
        # What it was to start, or to end, is there still; not with another car.
        c = ask.connector
        if not c or c.tx is ask.tx and (ask.tx or c.same_car(ask.visit)):
            return True
        self._log("connector %d: tag %s came for what is over" % (c.number, ask.token))
        return False

    def authorised(self, ask, parent=None):
        """The tag of `ask` (see `asks`), whose parentIdTag may be known, is accepted."""
        if self._counts(ask):
            self.accept(ask.token, ask.connector, ask.profile, parent)

    def accept(self, id_tag, c, w=None, parent=None):
        """`id_tag`, whose parentIdTag may be known, may charge at connector `c` (None: where its
        car comes), or end what goes on there if it is another one of its group; `w`: TxProfile of
        the transaction to come."""
        if parent is None:
            entry = self.local().known(id_tag)
            parent = entry[1] if entry else None
        roams = not c
        c = c or self.find()
        if not c:
            self._log("tag %s: no connector is free" % id_tag)
        elif not c.tx:
            # (one that waits is shown again: it roams as before)
            c.roams = roams or c.roams and c.tag and c.tag.lower() == id_tag.lower()
            for_s = self._settings("wait_s")
            c.authorised(id_tag, time.ticks_ms(), for_s, w, parent)
        elif c.tx.token.lower() != id_tag.lower():
            if parent and c.tx.group and parent.lower() == c.tx.group.lower():
                c.stop(states.LOCAL, id_tag)
            else:
                self._log("connector %d: in use with another tag" % c.number)

    def local(self):
        """tags.Tags: whom the station itself knows. Not kept: it is 4 KB that a
        tag needs for a moment, and all that it knows is on flash."""
        tags = lazy.load("storage.tags")
        return tags.Tags(self._auth, self._settings, self.clock, self._log)

    def choose(self):
        """The connector on which a start that names none should happen, or None."""
        free = len([c for c in self.connectors if c.free()])
        for ask in self.asks + [self._asked]:
            if ask and (not ask.connector or ask.connector.free()):
                free -= 1
        return self.find() if free > 0 else None

    def find(self):
        """The free connector that no tag is being asked for, with a car if there is one; None."""
        best = None
        spoken_for = [ask.connector for ask in self.asks + [self._asked] if ask]
        for c in self.connectors:
            if c.free() and c not in spoken_for:
                if best is None or c.plugged() and not best.plugged():
                    best = c
        return best

    def running(self, transaction_id):
        """The connector on which that transaction runs, or None."""
        for c in self.connectors:
            if c.tx and c.tx.id == transaction_id:
                return c
        return None

    def poll(self):
        """Follow cars, contactors and time-outs; call about ten times a second."""
        now_s, now_ms = self.clock.now(), time.ticks_ms()
        for c in self.connectors:
            self._follow(c)
        for c in self.connectors:
            c.poll(now_s, now_ms)
            if self.plug_tag and c.settled() and c.controller.known:
                # Once a plug-in; after a transaction over reboots too, with whatever tag it was.
                presented = c.plugged() and (c.presented or c.tx is not None or c.free())
                if presented and not (c.presented or c.tx):
                    self.tag(self.plug_tag, c.number)
                elif c.presented and not presented:
                    self._availability.set([-c.number], False)
                c.presented = presented
        if not self.due_s or self.due_s <= now_s:  # (now_s is negative until the clock is set)
            self.evaluate(now_s)
        else:
            self.allot()
        for c in self.connectors:
            if c.changed(now_ms):
                self.tell(c, now_s)
                if self._latches and c.controller.fault in faults.ENDING:
                    self._latches.set([c.number << 8 | c.controller.fault], True)

    def _follow(self, c):
        # A car is at connector `c`: what named none and waits elsewhere goes there, who was first
        # first; or what is being asked for.
        if not c.plugged() or not c.free() and not (c.tag and c.roams):
            return
        for other in self.connectors:
            if other.roams and not other.plugged():
                c.take(other)
        for ask in [self._asked] + self.asks:
            if ask and not ask.connector and self.find() is c:
                ask.connector, ask.visit = c, c.controller.visit

    def sample(self, c, sample):
        """Queue a sample (metering.py) of connector `c`, and of its transaction."""
        if c.tx:
            if not self.clock.known():  # (so that order is known over power cuts)
                self.clock.note(1)
            c.tx.seen_Wh = max(c.tx.seen_Wh, c.energy_Wh())
            self.journal.sample(c.tx, sample)
        else:
            if len(self.readings) == _MAX_SAMPLES:
                self.readings.pop(0)
            self.readings.append(Reading(c.number, sample))
        self.wake()

    def tell(self, c, now_s):
        """Queue the state of connector `c` (None: of the charge point itself), as it is now."""
        news = self.news
        if len(news) == _MAX_NEWS:
            # Where nobody listens the oldest goes that is not its connector's last.
            at = 0
            while all([later.number != news[at].number for later in news[at + 1 :]]):
                at += 1
            news.pop(at)
        news.append(self.notice(c, now_s))
        self.wake()

    def notice(self, c, now_s):
        """A Notice of connector `c` (None: of the charge point itself), as it is now."""
        if c:
            return Notice(c.number, c.state, c.fault(), now_s)
        state = states.FREE if self.in_service() else states.OUT_OF_SERVICE
        broken = self.policy and self.policy.fault
        return Notice(0, state, faults.POLICY if broken else faults.NONE, now_s)

    def transfer(self, vendor, message, data):
        """For policy.py: tell the Central System `data`, which is for `vendor`. Its answer goes to
        policy.on_data_transfer. False: too many wait already."""
        if len(self.transfers) == _MAX_TRANSFERS:
            return False
        self.transfers.append(Transfer(vendor, message, data))
        self.wake()
        return True

    def _begun(self, c, tx):
        if c.profile is not None:
            refusal = self._put(profile.on_connector(c.profile, c.number))
            if refusal:
                self._log(
                    "connector %d: not started without its profile: %s" % (c.number, refusal)
                )
                return False
        self.delay(c)
        self.clock.note(1)
        self.metering.keep(c, tx, tx.start_s)
        self.due_s = 0
        self.wake()
        return True

    def delay(self, c):
        """Many stations must not all start at one price's first second, or after one outage."""
        random = int.from_bytes(os.urandom(2), "big")
        c.controller.delay_ms = random * self.start_delay_s * 1000 >> 16

    def _stopped(self, c, tx):
        self.clock.note(1)
        self.metering.keep(c, tx, tx.stop_s)
        if self.plug_tag and c.plugged():
            self._availability.set([-c.number], True)

    def _ended(self, c):
        self.clear(connector=c.number, purpose=profile.TX)
        if not c.operative and not self.in_service():
            self.tell(None, self.clock.now())
        self.wake()

    def set_clock(self, t, ms, trip_ms):
        """The Central System says that it is `t` (Clock.set). Running transactions began when they
        began."""
        known = self.clock.known()
        jump = self.clock.set(t, ms, trip_ms)
        if not jump:
            return
        self._log("clock moved by %d s" % jump)
        for c in self.connectors:
            c.limits.moved(jump)
            # (a transaction from before a power cut already lies on the right axis)
            if c.tx and (known or not self.clock.plausible(c.tx.origin_s)):
                c.tx.origin_s += jump
                self.journal.save(c.tx)
        if not known:
            self.store.moved(jump)
            self.journal.clock_set(jump)
            for i, n in enumerate(self.news):
                self.news[i] = Notice(n.number, n.state, n.fault, n.time_s + jump)
        self.due_s = 0
