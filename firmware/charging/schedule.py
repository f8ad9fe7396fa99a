"""The one evaluator: what the installed profiles allow at an instant, and when that next changes.
Pure integers over profile records (profile.py); time and transactions are arguments. What the
pilot gets and what the composite schedule says (composite.py) both come from Evaluator.at().
Rules and choices (A1..A33): docs/smart-charging.md."""

from micropython import const

from . import profile
from .profile import AMPS, FLAG_BEGUN, FLAG_ORIGIN, FLAG_REPLACED, HEADER, KEY, RECURRING, START

NONE = const(-1)  # no limit
_FAR = const(0x3FFFFFFF)
_UNTIL = const(11)  # of a replaced record (store.py)


class _Moment:
    """Where an instant lies in one record: a part of Evaluator, which has the attributes."""

    def _elapsed(self, w, t, tx_start):
        # Seconds into the schedule, None when the record is not active at t, negative when it is
        # but nobody knows how far: -1 less the least that it can be. _edge: when that ends or, for
        # an inactive one, the earliest instant at which it may begin.
        key = w[KEY]
        valid_from = 0 if key >> 24 & FLAG_BEGUN else w[profile.VALID_FROM]
        valid_to = _FAR if w[profile.VALID_TO] < 0 else w[profile.VALID_TO]
        if key >> 24 & FLAG_REPLACED and w[_UNTIL] < valid_to:
            valid_to = w[_UNTIL]
        self._edge = _FAR
        self._early = 0
        self._sure = True
        origin = w[START] if key >> 24 & FLAG_ORIGIN else tx_start
        always = not valid_from and valid_to == _FAR and key >> 18 & 3 != RECURRING
        if not self.known and (origin > t or not always):
            return self._judged(w, t + self.ahead_s, t - origin, origin, valid_to)
        if t >= valid_to:
            return None
        e = t - origin
        early = 0
        if key >> 24 & FLAG_BEGUN and e < 0:
            early = self._early = -e  # so long its first second lasts
            e = 0
        duration = w[profile.DURATION]
        again = _FAR
        if e < 0:
            edge = t - e
            e = -1
            # A transaction runs although it begins later by a clock that was wrong.
            active = not key >> 24 & FLAG_ORIGIN
        else:
            if key >> 18 & 3 == RECURRING:
                step = 604800 if key >> 20 & 3 else 86400
                e %= step
                again = t - e + step + early
                if duration < 0 or duration > step:
                    duration = step
            active = duration < 0 or e < duration
            edge = again
            # (compared this way round so that no sum leaves the small ints)
            if active and duration >= 0 and duration - e + early < _FAR - t:
                edge = t + duration - e + early
        if valid_from and t < valid_from:  # (t is negative while the clock is not set)
            active = False
            edge = valid_from
        if edge >= valid_to:
            edge = valid_to if active else _FAR
        self._edge = edge
        return e if active else None

    def _judged(self, w, now, e, origin, valid_to):
        # The same while the clock is not set, and it is `now` or later. `e` if that is not
        # negative: `origin` was noted without a clock too, or it is the transaction's.
        if now >= valid_to:
            return None
        begins = profile.begin(w)
        self._sure = valid_to == _FAR and begins <= now
        edge = min(valid_to, begins) if begins > now else valid_to
        duration = w[profile.DURATION]
        if w[KEY] >> 18 & 3 == RECURRING:
            step = 604800 if w[KEY] >> 20 & 3 else 86400
            if duration == 0:
                return None
            if 0 < duration < step:
                self._sure = False
            e = -1  # any second of it
        else:
            exact = e >= 0
            if not exact:  # (a negative origin would be of an earlier run whose time nobody noted)
                e = now - origin if origin >= 0 else 0
                if e < 0:
                    self._early, e = -e, 0
            if duration >= 0:
                if e >= duration:
                    return None
                if not exact:
                    self._sure = False
                edge = min(edge, now + duration - e)
            if not exact:
                e = -1 - e
        if edge < _FAR:
            self._edge = edge - self.ahead_s
        return e

    def _period(self, w, t):
        # The limit in force at t, which is _e seconds into the schedule, its numberPhases in
        # _phases; `until` falls to where the next different period begins.
        if self._e < 0:
            word = self._lowest(w, t, -1 - self._e)
        else:
            i = profile.period(w, self._e)
            word = w[i + 1]
            while i < len(w) - 2:
                i += 2
                if w[i + 1] != word:
                    self.until = min(self.until, t + w[i] - self._e + self._early)
                    break
        self._phases = word >> 24
        return word & 0xFFFFFF

    def _lowest(self, w, t, e):
        # The same where nobody knows how far: at least `e` seconds.
        for i in range(HEADER, len(w), 2):
            if w[i] > e and w[KEY] >> 18 & 3 != RECURRING:
                self.until = min(self.until, t + w[i] - e)
                break
        return profile.lowest(w, e, _FAR - (t + self.ahead_s) - self._early + e)


class Evaluator(_Moment):
    """The limit of one connector at one instant; the attributes are the last answer.

    | limit     | 0.1 A per phase, or 0.1 W in all, rounded down; NONE: no profile limits |
    | phases    | smallest numberPhases given by the profiles involved; 0: none given |
    | winner    | the record that decided, or None |
    | other, other_limit | what would limit without it: TX under a ceiling, or the reverse |
    | until     | the next instant at which the answer may change; clock.FAR: never |
    | steady    | until then it comes from the same records: later() may ask again |

    `store.records` is sorted by stackLevel, highest first, and within a level a connector's own
    record stands before the one of connector 0. `store.whole(w)` returns the record with its
    periods. Asking allocates nothing when the periods are in RAM.

    `known` False says that the clock is not set: it is `ahead_s` later than `t`, or later still.
    What is certain even so is placed; whatever is not caps at its lowest (A17)."""

    def __init__(self, store, voltage_V=230):
        self._store = store
        self.voltage_V = voltage_V
        self.known = True
        self.ahead_s = 0
        self.until = self.steady = _FAR
        self._e = self._phases = 0  # seconds into the schedule, of the latest answer
        self._own = self._cap = None  # the two records that it came from, the seconds into them
        self._own_e = self._cap_e = self._t = 0  # at _t
        # Of the record looked at last: when its answer ends, how long its first second lasts
        # beyond that, whether it can be placed.
        self._edge = self._early = 0
        self._sure = True
        self.limit = self.other_limit = self._limit = NONE
        self.phases = 0
        self.winner = self.other = None
        self._least = None  # of the records that cannot be placed the one that allows least,
        self._least_limit = 0  # and how much
        self._lows = {}  # sequence number: lowest period of a record that cannot be placed

    def at(self, connector, t, tx_start, in_transaction=True, rate=AMPS):
        """Evaluate `connector` (1..N; 0: the ceiling alone) at `t`, seconds since 2020. tx_start:
        start of the transaction; with in_transaction False there is none, profiles of one are
        left out and Relative schedules count from tx_start as if one began then (A25)."""
        self.until = self.steady = _FAR
        self._least = w = None
        if self.known and self._lows:
            self._lows.clear()
        if connector:
            if in_transaction:
                w = self._top(profile.TX, connector, t, tx_start)
            if w is None:  # one that is not active does not hide the default (A2)
                w = self._top(profile.TX_DEFAULT, connector, t, tx_start)
        plain = self.known and (w is None or self._e >= 0 and not self._early)
        self._t, self._own, self._own_e = t, w, self._e
        w = self._say(w, t)
        limit, phases = self._limit, self._phases
        cap = self._cap = self._top(profile.CEILING, 0, t, tx_start)
        self._cap_e = self._e
        cap = self._say(cap, t)
        self.until = min(self.until, self.steady)
        if not plain or cap is not None and (self._e < 0 or self._early):
            self.steady = t
        self._decide(w, limit, phases, cap, rate)

    def later(self, t, rate=AMPS):
        """What at() would say to the same question at `t`, which is not before the latest and
        before `steady`."""
        passed_s = t - self._t
        self._t = t
        self.until = self.steady
        self._e = self._own_e = self._own_e + passed_s
        w = self._say(self._own, t)
        limit, phases = self._limit, self._phases
        self._e = self._cap_e = self._cap_e + passed_s
        self._decide(w, limit, phases, self._say(self._cap, t), rate)

    def another(self):
        """One with the same profiles and the same clock, for who asks now and then."""
        ev = Evaluator(self._store, self.voltage_V)
        ev.known, ev.ahead_s = self.known, self.ahead_s
        return ev

    def _decide(self, w, limit, phases, cap, rate):
        cap_limit, cap_phases = self._limit, self._phases
        # numberPhases of the combination: the smallest of those given (A18)
        self.phases = given = min(phases or cap_phases, cap_phases or phases)
        limit = self._convert(limit, w, rate, phases, given)
        cap_limit = self._convert(cap_limit, cap, rate, cap_phases, given)
        if cap is not None and (w is None or cap_limit < limit):
            w, cap = cap, w
            limit, cap_limit = cap_limit, limit
        self.winner, self.limit = w, limit
        self.other, self.other_limit = cap, cap_limit

    def _say(self, w, t):
        # The record that says least of `w`, the active one, and those that cannot be placed; what
        # it says in _limit and _phases.
        self._phases = 0
        self._limit = NONE if w is None else self._period(w, t)
        return w if self._least is None else self._less(w)

    def _less(self, w):
        least, self._least = self._least, None
        if w is None or self._least_limit < self._convert(self._limit, w, AMPS, self._phases, 0):
            w = least
            word = self._lows[w[profile.SEQUENCE]]
            self._limit, self._phases = word & 0xFFFFFF, word >> 24
        return w

    def _convert(self, limit, w, rate, phases, given):
        # From the rate of record w, rounding down. Watts become amps with the phases of their own
        # period, amps become watts with those of the combination; missing means 3 (A18).
        if w is None or w[KEY] >> 22 & 1 == rate:
            return limit
        if rate == profile.WATTS:
            return limit * self.voltage_V * (given or 3)
        return limit // (self.voltage_V * (phases or 3))

    def _top(self, purpose, connector, t, tx_start):
        # The active record of the highest level, whole, with its seconds elapsed in _e; a level
        # that is not active is transparent (A1). What would take its place lowers `steady`.
        own_level = own_end = -1
        now = t if self.known else t + self.ahead_s
        for w in self._store.records:
            key = w[KEY]
            if key >> 16 & 3 != purpose:
                continue
            level = key >> 8 & 15
            doubt = False
            if key & 0xFF != connector:
                if key & 0xFF:
                    continue  # of another connector
                if level == own_level:
                    if self.known or own_end == _FAR:
                        continue  # replaced by our own of its level (A11)
                    doubt = True  # (that may begin, or end)
            elif purpose == profile.TX_DEFAULT:
                # It has its level for itself from its begin on, also while it is not active (A11).
                begins = profile.begin(w)
                end = w[_UNTIL] if key >> 24 & FLAG_REPLACED else _FAR
                edge = begins if begins > now else end
                if now < edge < _FAR and edge - now + t < self.steady:
                    self.steady = edge - now + t
                if begins <= now < end or level == own_level and begins == own_end:
                    own_level, own_end = level, end
                elif now < begins < end and not self.known and level != own_level:
                    own_level, own_end = level, -1  # perhaps
            e = self._elapsed(w, t, tx_start)
            self.steady = min(self.steady, self._edge)
            if e is None:
                continue
            if self._sure and not doubt:
                self._e = e
                return self._store.whole(w)
            # It may be active, or what lies below it.
            word = self._lows.get(w[profile.SEQUENCE])
            if word is None:
                word = self._lows[w[profile.SEQUENCE]] = profile.lowest(self._store.whole(w))
                self._store.trim(False)  # (the periods of all do not fit into RAM together)
            current = self._convert(word & 0xFFFFFF, w, AMPS, word >> 24, 0)
            if self._least is None or current < self._least_limit:
                self._least, self._least_limit = w, current
        return None
