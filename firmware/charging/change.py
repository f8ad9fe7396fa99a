"""What changes the installed profiles: which give way to which, and what stays in force. Part of
the store, loaded for a change."""

import os
from micropython import const

from firmware import lazy

from . import profile
from .profile import (
    FLAG_ALONE,
    FLAG_BEGUN,
    FLAG_REPLACED,
    HEADER,
    ID,
    KEY,
    SEQUENCE,
    START,
    replaced,
)

record = lazy.load("charging.record")

MAX_PROFILES = const(32)  # and as many that were replaced and are still in force
_UNTIL = const(11)  # of a replaced record: when its successor begins
_FAR = const(0x3FFFFFFF)
_PAST_s = const(3600)  # a clock that goes back by less finds a replaced record again


class Change:
    """Changes what `store` holds."""

    def __init__(self, store):
        self.store, self.records = store, store.records
        store.reader = record  # (once is enough)

    def recover(self):
        """Take in what the folder holds, when the power comes."""
        store = self.store
        for w in lazy.load("charging.recover").records(store, self.rewrite):
            _insert(self.records, w)
            store.sequence = max(store.sequence, w[SEQUENCE])
        # The power failed before it was written what they wait for now: the last that was put.
        there = [r for r in self.records if not replaced(r)]
        for old in _alone(self.records, there) if there else ():
            self._wait_for(max(there, key=lambda r: r[SEQUENCE]), old)
        self._follow(_PAST_s)

    def rewrite(self, w):
        """What says the same as before, or less: it does no harm if that fails."""
        record.seal(w, w[SEQUENCE])
        try:
            record.write(self.store, w)
        except OSError as e:
            self.store.log("profile file %s stays as it was: %s" % (record.name(w), e))

    def moved(self, jump_s):
        """The clock was set: receipts that were noted without it move with it. Durable."""
        for w in self.records[:]:
            if w[START] < 0:
                w = self.store.whole(w)
                w[START] += jump_s
                self.rewrite(w)
        self._follow(0)

    def replaced_by(self, w, beside=False):
        """The records that putting `w` removes: the same id; and unless it is to stand `beside`
        others of its connector, purpose and stackLevel, those (A15)."""
        out = [r for r in self.records if not replaced(r)]
        return [r for r in out if r[ID] == w[ID] and r[SEQUENCE] or _yields(r, w, beside)]

    def room(self, w, beside=False):
        """True if `w` could be put as far as the number of profiles goes."""
        return self.store.count() - len(self.replaced_by(w, beside)) < MAX_PROFILES

    def put(self, w, least_s=_FAR, until_s=_FAR, beside=False):
        """Install record `w` (record.pack); None, durably, or why there is no room for it: then
        nothing was changed.

        What is installed already, as it is, is not written again. It is `least_s` to `until_s`
        now: what `w` replaces stays in force if it may have begun and `w` may not. `beside`: see
        replaced_by(); the caller knows that those are not valid when `w` is."""
        store, records, name = self.store, self.records, record.name
        if not self.room(w, beside):
            return "%d profiles are installed" % store.count()
        gone = list(map(store.whole, self.replaced_by(w, beside)))
        slot = _slot_for(records, w, beside)
        if slot is None:
            return "%d profiles of one level" % profile.SLOTS
        record.seat(w, slot)
        if len(gone) == 1 and record.same(w, record.full(store, gone[0])):
            gone[0][KEY] |= w[KEY]
            self._follow(least_s)
            return None
        place = record.place(w)
        if not beside and [r for r in gone if record.together(r, w) and record.place(r) != place]:
            w[KEY] |= FLAG_ALONE << 24
        number = store.sequence + 1
        former = [name(r) for r in gone]
        waiting = profile.begin(w) > least_s
        stay = [r[:] for r in gone if waiting and profile.begin(r) <= until_s]
        for r in stay:
            begun = profile.begin(r) <= least_s  # (also if the clock then goes back)
            r[KEY] |= (FLAG_REPLACED | FLAG_BEGUN * begun) << 24
            if not _fits(w, r):
                r[ID] = w[ID]  # (of another slot: it waits for `w` all the same)
            record.seal(r, r[SEQUENCE] or number)
            for old in records:
                if replaced(old) and record.place(old) == record.place(r):
                    if old[_UNTIL] > least_s:
                        return "nobody knows yet which of two is in force"
                    self.remove(old, least_s)  # (over: what replaced it has begun)
                    break
        if len(records) - store.count() + len(stay) > MAX_PROFILES:
            self._follow(least_s + _PAST_s)  # those that are over are not needed that much
        if len(records) - store.count() + len(stay) > MAX_PROFILES:
            return "%d replaced profiles are in force until others begin" % MAX_PROFILES
        there = [r for r in records + [w] if r not in gone]
        self._end(there, least_s)
        waits = _alone(records, there)
        number += bool(stay)  # (higher than what may just have got one)
        record.seal(w, number)
        try:
            for r in stay + [w]:
                record.write(store, r)
        except OSError as e:
            # LittleFS commits nothing of a file whose write failed: an older record is untouched.
            for r in stay + [w]:
                if name(r) not in former:
                    record.forget(store, name(r))
            return "flash: %s" % e
        store.sequence = number
        w = record.plain(w)
        for r in gone:
            records.remove(r)
        for old in waits:
            self._wait_for(w, old)
        for r in stay:
            _insert(records, r[:HEADER])
        _insert(records, w)
        self._follow(least_s)
        for file in former:  # (only now: if this fails, the new one is in force)
            if file != name(w):
                os.remove(store.path + "/" + file)
        return None

    def _wait_for(self, w, old):
        # The replaced record `old` waits for `w` from now on, which has not its place.
        r = self.store.whole(old)
        r[ID] = w[ID]
        if not record.stands_in(r):
            self.rewrite(r)  # (if that fails, it waits until the next start at least)

    def _follow(self, least_s):
        # Each replaced record is in force until the first begins that has its place or its id. It
        # goes when none is left, and some time after that.
        for old in self.records[:]:
            if not replaced(old):
                continue
            then = [r for r in self.records if not replaced(r) and _fits(r, old)]
            # (one number: the power failed before it was replaced)
            never = not then or old[SEQUENCE] in [r[SEQUENCE] for r in then]
            old[_UNTIL] = until = -1 if never else min(map(profile.begin, then))
            if until < 0 or until + _PAST_s <= least_s:
                self._forget(old)

    def _end(self, there, least_s):
        # Forget the replaced records that are over and would come back: nothing that has their
        # place or id, and is `there` still, has begun. (First: a start does not know of it.)
        for old in _alone(self.records, [r for r in there if profile.begin(r) <= least_s]):
            if old[_UNTIL] <= least_s:
                self._forget(old)

    def _forget(self, old):
        self.records.remove(old)
        record.forget(self.store, record.name(old))

    def remove(self, w, least_s=0):
        """Remove a record, with what stays in force for it; what it has ended is over for good (it
        is not before `least_s`). Durable when this returns."""
        if w not in self.records:
            return
        self.records.remove(w)
        self._end(self.records, least_s)
        self._follow(0)
        try:
            os.remove(self.store.path + "/" + record.name(w))
        except OSError:
            _insert(self.records, w)
            raise


def _fits(w, r):
    """True if record `w` takes the place of `r`, or a part of its time there, or its id elsewhere
    (A15)."""
    same = r[ID] == w[ID] and (r[SEQUENCE] or replaced(r))
    return (
        same
        or record.place(r) == record.place(w)
        or record.together(r, w)
        and record.overlap(r, w)
    )


def _yields(r, w, beside):
    """True if the installed record `r` goes when `w` is put, whatever its id: see Change.put. (A
    stand-in always does.)"""
    return record.together(r, w) and not (beside and r[SEQUENCE])


def _slot_for(records, w, beside):
    """The slot for `w`, or None: that of what goes for it, first of its own id; or of a replaced
    record that it is to end; or the first in which there is nothing."""
    there = [r for r in records if record.together(r, w)]
    taken, ranked = [], []
    for r in there:
        n = record.slot(r)
        if replaced(r):
            if not beside or record.overlap(r, w):
                ranked.append((2, n))
        elif r[ID] == w[ID] and r[SEQUENCE]:
            return n
        elif _yields(r, w, beside):
            ranked.append((1, n))
        else:
            taken.append(n)
    free = set(range(profile.SLOTS)) - set(map(record.slot, there))
    for _, n in sorted(ranked) + [(3, n) for n in sorted(free)]:
        if n not in taken:
            return n
    return None


def _insert(records, w):
    """Put `w` where the evaluator needs it: highest stackLevel first; in it connectors before 0,
    what was replaced before its successor, the oldest first."""
    i = 0
    while i < len(records) and _rank(records[i]) <= _rank(w):
        i += 1
    records.insert(i, w)


def _rank(w):
    return -profile.level(w), not profile.connector(w), not replaced(w), w[SEQUENCE]


def _alone(records, there):
    """The replaced records for which nothing is `there` to end them."""
    there = [r for r in there if not replaced(r)]
    return [old for old in records if replaced(old) and not [r for r in there if _fits(r, old)]]
