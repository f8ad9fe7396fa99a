# The one evaluator: what the installed profiles allow at an instant, and when that next changes.
# Pure integers over profile records (profile.py); time and transactions are arguments. What the
# pilot gets and what GetCompositeSchedule answers (composite.py) both come from Evaluator.at().
# Rules and choices (A1..A29): smart-charging.md.

from micropython import const

from .profile import (
    AMPS,
    CEILING,
    DURATION,
    FLAG_ORIGIN,
    HEADER,
    KEY,
    RECURRING,
    START,
    TX,
    TX_DEFAULT,
    VALID_FROM,
    VALID_TO,
    WATTS,
)

NONE = const(-1)  # no limit
_FAR = const(0x3FFFFFFF)


class Evaluator:
    """The limit of one connector at one instant; the attributes are the last answer.

    | attribute | meaning |
    |---|---|
    | limit     | 0.1 A per phase, or 0.1 W in all, rounded down; NONE: no profile limits |
    | phases    | smallest numberPhases given by the profiles involved; 0: none given |
    | winner    | the record that decided, or None |
    | other, other_limit | what would limit without it: TX under a ceiling, or the reverse |
    | until     | the next instant at which the answer may change; clock.FAR: never |

    `store.records` is sorted by stackLevel, highest first, and within a level a connector's own
    record stands before the one of connector 0. `store.whole(w)` returns the record with its
    periods. Asking allocates nothing when the periods are in RAM. `known` False says that the
    clock is not set: then only what needs no clock is placed, the ceiling and a TxProfile that
    cannot be placed stay at their lowest, and a TxDefaultProfile that cannot is ignored (A17).
    """

    def __init__(self, store, voltage_V=230):
        self._store = store
        self.voltage_V = voltage_V
        self.known = True
        self.limit = NONE
        self.phases = 0
        self.winner = None
        self.other = None
        self.other_limit = NONE
        self.until = _FAR
        self._edge = 0
        self._e = 0
        self._phases = 0

    def at(self, connector, t, tx_start, in_transaction=True, unit=AMPS):
        """Evaluate `connector` (1..N; 0: the ceiling alone) at `t`, seconds since 2020.

        tx_start: start of the transaction; with in_transaction False there is none, TxProfiles
        are left out and Relative schedules count from tx_start as if one began then (A25).
        """
        self.until = _FAR
        w = None
        if connector:
            if in_transaction:
                w = self._top(TX, connector, t, tx_start)
            if w is None:  # an inactive TxProfile does not hide the default (A2)
                w = self._top(TX_DEFAULT, connector, t, tx_start)
        limit = NONE if w is None else self._period(w, t)
        phases = self._phases
        cap = self._top(CEILING, 0, t, tx_start)
        cap_limit = NONE if cap is None else self._period(cap, t)
        cap_phases = self._phases
        # numberPhases of the combination: the smallest of those given (A18)
        given = 0 if w is None else phases
        if cap is not None and cap_phases and (not given or cap_phases < given):
            given = cap_phases
        self.phases = given
        if w is not None:
            limit = self._convert(limit, w, unit, phases, given)
        if cap is not None:
            cap_limit = self._convert(cap_limit, cap, unit, cap_phases, given)
            if w is None or cap_limit < limit:
                w, cap = cap, w
                limit, cap_limit = cap_limit, limit
        self.winner, self.limit = w, limit
        self.other, self.other_limit = cap, cap_limit

    def _convert(self, limit, w, unit, phases, given):
        # From the unit of record w, rounding down. Watts become amps with the phases of their own
        # period, amps become watts with those of the combination; missing means 3 (12.2, A18).
        if w[KEY] >> 22 & 1 == unit:
            return limit
        if unit == WATTS:
            return limit * self.voltage_V * (given or 3)
        return limit // (self.voltage_V * (phases or 3))

    def _top(self, purpose, connector, t, tx_start):
        # The active record of the highest level, with its seconds elapsed in _e; a level that is
        # not active is transparent (A1). What would take its place earlier lowers `until`.
        own_level = -1
        for w in self._store.records:
            key = w[KEY]
            if key >> 16 & 3 != purpose:
                continue
            if key & 0xFF != connector:
                if key & 0xFF or key >> 8 & 0xFF == own_level:
                    continue  # of another connector, or replaced by our own of its level (A11)
            else:
                own_level = key >> 8 & 0xFF
            e = self._elapsed(w, t, tx_start)
            if self._edge < self.until:
                self.until = self._edge
            if e is not None:
                self._e = e
                return w
        return None

    def _elapsed(self, w, t, tx_start):
        # Seconds into the schedule, None when the record is not active at t, negative when it is
        # but nobody knows how far; _edge: when that ends or, for an inactive one, the earliest
        # instant at which it may begin.
        key = w[KEY]
        valid_from = w[VALID_FROM]
        valid_to = w[VALID_TO]
        if valid_to < 0:
            valid_to = _FAR
        self._edge = _FAR
        if not self.known and (key >> 24 & FLAG_ORIGIN or valid_from or valid_to != _FAR):
            return None if key >> 16 & 3 == TX_DEFAULT else -1
        if t >= valid_to:
            return None
        e = t - (w[START] if key >> 24 & FLAG_ORIGIN else tx_start)
        duration = w[DURATION]
        again = _FAR
        if e < 0:
            edge = t - e
            # A transaction runs although it begins later by a clock that is not set or was wrong.
            active = not key >> 24 & FLAG_ORIGIN
        else:
            if key >> 18 & 3 == RECURRING:
                step = 604800 if key >> 20 & 3 else 86400
                e %= step
                again = t - e + step
                if duration < 0 or duration > step:
                    duration = step
            active = duration < 0 or e < duration
            edge = again
            # (compared this way round so that no sum leaves the small ints)
            if active and duration >= 0 and duration - e < _FAR - t:
                edge = t + duration - e
        if valid_from and t < valid_from:  # (t is negative while the clock is not set)
            active = False
            edge = valid_from
        if edge >= valid_to:
            edge = valid_to if active else _FAR
        self._edge = edge
        return e if active else None

    def _period(self, w, t):
        # The limit in force at t, which is _e seconds into the schedule (binary search), its
        # numberPhases in _phases; `until` falls to where the next different period begins.
        e = self._e
        if e < 0:
            return self._lowest(w)
        w = self._store.whole(w)
        low = HEADER
        high = end = len(w) - 2
        while low < high:
            middle = low + ((high - low + 2) >> 2 << 1)
            if w[middle] <= e:
                low = middle
            else:
                high = middle - 2
        word = w[low + 1]
        while low < end:
            low += 2
            if w[low + 1] != word:
                edge = t + w[low] - e
                if edge < self.until:
                    self.until = edge
                break
        self._phases = word >> 24
        return word & 0xFFFFFF

    def _lowest(self, w):
        # The period of record w that allows the least current per phase.
        w = self._store.whole(w)
        least = _FAR
        limit = 0
        for i in range(HEADER + 1, len(w), 2):
            phases = w[i] >> 24
            current = w[i] & 0xFFFFFF
            if w[KEY] >> 22 & 1:
                current //= phases or 3
            if current < least:
                least = current
                limit = w[i] & 0xFFFFFF
                self._phases = phases
        return limit
