"""What each connector may take: its own limit, its share of the ceiling; how soon it gets more."""

import os
from micropython import const

from firmware.charging import limits, profile
from firmware.charging.schedule import NONE
from firmware.clock import FAR
from firmware.electrical import pilot

_TICKS = const(0x3FFFFFFF)
_UNKNOWN_ms = const(-1)
_PAUSE = const(11)  # of limits.SOURCES
_STEP_ms = const(1000)  # what one look at a higher limit counts at most: a stall is no evidence


class _Pacing:
    """Of one connector."""

    def __init__(self):
        self._offered = False  # the transaction has had its first offer
        self._offer_ms = self._dt_ms = 0  # when it was looked at last; since the time before
        self._rise_mA = 0  # the least of what has stood above what is allowed
        self._rise_ms = _UNKNOWN_ms  # for so long
        self._pause_ms = 0  # until energy that was taken away may come back

    def _waits(self, c, mA, now_s, now_ms):
        # Of `mA` that connector `c` may have it takes nothing yet: what a limit took away does not
        # come back before pause_s. True: that begins or ends in the slots. Before _take().
        self._dt_ms = (now_ms - self._offer_ms) & _TICKS
        self._offer_ms = now_ms
        self._pause_ms = max(self._pause_ms - self._dt_ms, 0)
        if not (c.tx and c.tx.authorised):
            self._pause_ms = 0
            ended = c.limits.values[_PAUSE] is not None
            c.limits.put(_PAUSE, None)
            return ended
        rest_ms = self._pause_ms and self._pause_ms - 1000 * c.settings("rise_s")
        if rest_ms <= 0 or not pilot.advertisable_mA(mA):
            return False
        c.limits.put(_PAUSE, 0, now_s + rest_ms // 1000 + 1)  # (the delay is a part of it)
        return True

    def _take(self, c, mA):
        # Have `mA` allowed: less at once; more when it has stood for rise_s, and then the least of
        # that time. The first offer of a transaction does not wait.
        if not self._offered or mA <= c.allow_mA:
            if pilot.advertisable_mA(c.allow_mA) and not pilot.advertisable_mA(mA):
                self._pause_ms = 1000 * c.settings("pause_s")
            c.allow_mA = mA
            self._rise_ms = _UNKNOWN_ms
            self._offered = c.tx is not None and c.tx.authorised
            return
        if self._rise_ms == _UNKNOWN_ms:
            self._rise_ms, self._rise_mA = 0, mA
        else:
            self._rise_ms += min(self._dt_ms, _STEP_ms)
            self._rise_mA = min(self._rise_mA, mA)
        if self._rise_ms >= 1000 * c.settings("rise_s"):
            if not self._pause_ms or not pilot.advertisable_mA(self._rise_mA):
                c.allow_mA = self._rise_mA
                self._rise_ms = _UNKNOWN_ms


class Sharing:
    """What each connector may have, now and soon.

    | due_s     | when the limits must be worked out again; 0: at once |
    | outside   | outside.Outside, limits from outside the Central System; None: there is none |
    | on_limit  | called when they have changed |"""

    def __init__(self, connectors, evaluator, store, clock, settings, held=None, start_delay_s=0):
        """`held`: Kept, or None. A transaction gets energy after a random part of the delay."""
        self.connectors, self.evaluator, self.store = connectors, evaluator, store
        self.clock, self.settings = clock, settings
        self.due_s, self.outside = 0, None
        self.on_limit = lambda: None
        self._held = held
        self._delay_s = start_delay_s
        self._pacing = [_Pacing() for _ in connectors]
        self._wants_mA = [0] * len(connectors)
        self._share_mA = [0] * len(connectors)
        self._may_mA = [0] * len(connectors)  # the less of both: what they may have, soon or now
        # The ceiling in force: its profile (or None: Outside.whole), what it says, until when.
        self._ceiling, self._ceiling_mA, self._ceiling_s = None, NONE, FAR

    def evaluate(self, now_s, now_ms):
        """Work out every connector's limit as of `now_s`. The pilot follows at the next tick."""
        ev, held = self.evaluator, self._held
        ev.known = self.clock.known()
        ev.ahead_s = self.clock.least_s() - now_s
        due, now_mA = FAR, []
        for c in self.connectors:
            ev.at(c.number, now_s, self.origin_s(c, now_s), c.tx is not None)
            c.winner, c.until_s, c.phases = ev.winner, ev.until, ev.phases
            c.other, c.other_mA = ev.other, ev.other_limit * 100
            limit_mA = None if ev.limit == NONE else ev.limit * 100
            c.limits.put(limits.PROFILES, limit_mA)
            now_mA.append(limit_mA)
            if held:
                c.limits.put(limits.LAST, None if ev.known else held.held[c.number - 1])
            c.limits.resolve(now_s)
            due = min(due, ev.until, c.limits.until_s)
        ev.at(0, now_s, now_s, False)
        self._ceiling, self._ceiling_s = ev.winner, ev.until
        self._ceiling_mA = ev.limit if ev.limit == NONE else ev.limit * 100
        whole = self.outside and self.outside.whole
        if whole and not NONE < self._ceiling_mA <= whole[0]:
            self._ceiling, self._ceiling_mA, self._ceiling_s = None, whole[0], FAR
        self.store.trim()
        if held and ev.known:
            held.put("held", now_mA)
        self.due_s = min(due, ev.until)
        self.allot(now_s, now_ms)
        self.on_limit()

    def allot(self, now_s, now_ms):
        """Set what each connector may offer: its own limit and its share of the ceiling."""
        for i, c in enumerate(self.connectors):
            going = c.tx and c.tx.authorised and not c.stopping()
            if going and c.tx.denied:  # what one may have whose token is not accepted (9.1)
                Wh = self.settings("refused_Wh")
                going = c.meter.known() and c.energy_Wh() - c.tx.start_Wh < Wh
            mA = c.limits.value_mA if going else 0
            if self._pacing[i]._waits(c, mA, now_s, now_ms):
                mA = self.due_s = 0
            self._wants_mA[i] = mA
        shared = self._ceiling_mA != NONE and len(self.connectors) > 1
        if shared:
            limits.share(self._ceiling_mA, self._wants_mA, self._share_mA)
        changed = False
        # (A tick may come at any moment, and offers what stands in allow_mA: less goes first.)
        for more in (False, True):
            for i, c in enumerate(self.connectors):
                mA = self._wants_mA[i]
                if shared:
                    # Nobody gets more before the others have really let go of it.
                    free = self._ceiling_mA
                    for k, other in enumerate(self.connectors):
                        if k != i:
                            free -= max(self._share_mA[k], other.controller.may_draw_mA)
                    mA = min(self._share_mA[i], max(free, c.controller.pilot_mA))
                if (mA > c.allow_mA) == more:
                    changed = changed or shared and mA != self._may_mA[i]
                    self._may_mA[i] = mA
                    self._pacing[i]._take(c, mA)
        if changed:
            self.on_limit()

    def limit_mA(self, c):
        """What connector `c` may take, or None where nothing but the hardware limits it."""
        return self._may_mA[c.number - 1] if self._shared(c) else c.limits.limit_mA

    def _shared(self, c):
        # True if its share of the ceiling limits connector `c`. (Below 6 A nobody has a share.)
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
            whole = self._ceiling is None and self.outside and self.outside.whole
            by = whole[1] if whole else limits.PROFILES
            return (by, self._ceiling, self._ceiling_s, slots.value_mA) + own
        until_s = c.until_s if own[1] else FAR
        if own[1] and c.other and c.other_mA <= slots.next_mA:
            return own + (until_s, c.other_mA, limits.PROFILES, c.other)
        other = c.winner if slots.next_source == limits.PROFILES else None
        return own + (until_s, slots.next_mA, slots.next_source, other)

    def origin_s(self, c, now_s):
        """When the transaction of `c` began. Noted without a clock before a power cut, it can have
        been earlier by what the power was away."""
        if not c.tx:
            return now_s
        before = c.tx.origin_s < 0 and not self.evaluator.known and c.tx is c.resumed
        return c.tx.origin_s + (self.evaluator.ahead_s if before else 0)

    def delay(self, c):
        """Many stations must not all start at one price's first second, or after one outage."""
        c.controller.delay_ms = int.from_bytes(os.urandom(2), "big") * self._delay_s * 1000 >> 16

    def running(self, w):
        """The transaction of profile record `w` goes on."""
        txs = [c.tx for c in self.connectors if c.tx and c.number == profile.connector(w)]
        return bool(txs) and profile.transaction(w) in (None, txs[0].number)

    def trim(self):
        """A transaction's profile outlives the power exactly if that does."""
        self.due_s = 0
        for w in self.store.records[:]:
            if profile.purpose(w) == profile.TX and not self.running(w):
                self.store.change().remove(w)
