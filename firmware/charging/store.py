"""The installed charging profiles: what replaces what, in which order, and what stays in force.
Knows records (profile.py) and a folder; must not know messages, time or transactions.
Relies on LittleFS: rewriting a file is old-or-new under power cut, and only a file that is
being created may come back empty (an empty file is no file)."""

import array
import os
from micropython import const

from firmware import lazy

from . import profile
from .profile import FLAG_BEGUN, FLAG_REPLACED, HEADER, ID, KEY, SEQUENCE, START, name, replaced

MAX_PROFILES = const(32)  # and as many that were replaced and are still in force
_STAND_IN = const(0)  # the sequence number of a record that is not in flash
_NO_ID = const(-0x20000000)  # its id: nobody is likely to use it
_UNTIL = const(11)  # of a replaced record: when its successor begins
_PLACE = const(0x3FFFF)  # of KEY: connector, stackLevel, purpose; what may stand only once
_FAR = const(0x3FFFFFFF)
_PAST_s = const(3600)  # a clock that goes back by less finds a replaced record again


class Full(Exception):
    """MAX_PROFILES are installed, or the flash is full; nothing was changed."""


class Store:
    """The installed profiles, in the order the evaluator needs (see schedule.py).

    `records` holds only the headers of profiles whose periods are not needed now; `whole(w)`
    reads them back, `trim()` lets go of those that were not asked for since the last trim.

    A record that is replaced by one that has not begun stays in force beside it until then (A30),
    with FLAG_REPLACED, in a file of its own: there before the successor's, gone before it. It is
    not installed: it takes no room. When that is, is worked out after each change.

    A record that cannot be believed (damaged, or of another layout) must not leave the
    station without a limit: 6 A stand in for it, in its place, until it is replaced or cleared."""

    def __init__(self, folder, log):
        self.path, self.log = folder, log
        self._used = []  # records with periods that were asked for since the last trim
        self.records = []
        self._sequence = 0
        for w in lazy.load("charging.recover").records(self, _believe):
            _insert(self.records, w)
            self._sequence = max(self._sequence, w[SEQUENCE])
        # The power failed before it was written what they wait for now: the last that was put.
        there = [r for r in self.records if not replaced(r)]
        for old in _alone(self.records, there) if there else ():
            self._wait_for(max(there, key=lambda r: r[SEQUENCE]), old)
        self._follow(_PAST_s)

    @property
    def damaged(self):
        """How many records 6 A stand in for."""
        return len([w for w in self.records if w[SEQUENCE] == _STAND_IN])

    def rewrite(self, w):
        """What says the same as before, or less: it does no harm if that fails."""
        profile.seal(w, w[SEQUENCE])
        try:
            _write(self.path, w)
        except OSError as e:
            self.log("profile file %s stays as it was: %s" % (name(w), e))

    def moved(self, jump_s):
        """The clock was set: receipts that were noted without it move with it. Durable."""
        for w in self.records[:]:
            if w[START] < 0:
                w = self.whole(w)
                w[START] += jump_s
                self.rewrite(w)
        self._follow(0)

    def replaced_by(self, w):
        """The records that putting `w` removes: the same id, and the same place (A15)."""
        return [r for r in self.records if not replaced(r) and _fits(w, r)]

    def count(self):
        """How many profiles are installed."""
        return len([r for r in self.records if not replaced(r)])

    def room(self, w):
        """True if `w` could be put as far as the number of profiles goes."""
        return self.count() - len(self.replaced_by(w)) < MAX_PROFILES

    def put(self, w, least_s=_FAR, until_s=_FAR):
        """Install record `w` (profile.pack). Durable when this returns. Raises Full.

        What is installed already, as it is, is not written again. It is `least_s` to `until_s`
        now: what `w` replaces stays in force if it may have begun and `w` may not."""
        if not self.room(w):
            raise Full("%d profiles are installed" % self.count())
        gone = list(map(self.whole, self.replaced_by(w)))
        if len(gone) == 1 and profile.same(w, gone[0]):
            gone[0][KEY] |= w[KEY]
            self._follow(least_s)
            return
        number = self._sequence + 1
        places = [name(r) for r in gone]
        waiting = profile.begin(w) > least_s
        stay = [r[:] for r in gone if waiting and profile.begin(r) <= until_s]
        for r in stay:
            begun = profile.begin(r) <= least_s  # (also if the clock then goes back)
            r[KEY] |= (FLAG_REPLACED | FLAG_BEGUN * begun) << 24
            profile.seal(r, r[SEQUENCE] or number)
            for old in self.records:
                if replaced(old) and (old[KEY] ^ r[KEY]) & _PLACE == 0:
                    if old[_UNTIL] > least_s:
                        raise Full("nobody knows yet which of two is in force")
                    self.remove(old, least_s)  # (over: what replaced it has begun)
                    break
        if len(self.records) - self.count() + len(stay) > MAX_PROFILES:
            self._follow(least_s + _PAST_s)  # those that are over are not needed that much
        if len(self.records) - self.count() + len(stay) > MAX_PROFILES:
            raise Full("%d replaced profiles are in force until others begin" % MAX_PROFILES)
        there = [r for r in self.records + [w] if r not in gone]
        _end(self, there, least_s)
        waits = _alone(self.records, there)
        number += bool(stay)  # (higher than what may just have got one)
        profile.seal(w, number)
        try:
            for r in stay + [w]:
                _write(self.path, r)
        except OSError as e:
            # LittleFS commits nothing of a file whose write failed: an older record is untouched.
            for r in stay + [w]:
                if name(r) not in places:
                    _forget(self.path, name(r))
            raise Full("flash: %s" % e)
        self._sequence = number
        for r in gone:
            self.records.remove(r)
        for old in waits:
            self._wait_for(w, old)
        for r in stay:
            _insert(self.records, r[:HEADER])
        _insert(self.records, w)
        self._follow(least_s)
        for place in places:  # (only now: if this fails, the new one is in force)
            if place != name(w):
                os.remove(self.path + "/" + place)

    def _wait_for(self, w, old):
        # The replaced record `old` waits for `w` from now on, which has not its place.
        r = self.whole(old)
        r[ID] = w[ID]
        if r[SEQUENCE] != _STAND_IN:
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
                self.records.remove(old)
                _forget(self.path, name(old))

    def remove(self, w, least_s=0):
        """Remove a record, with what stays in force for it; what it has ended is over for good (it
        is not before `least_s`). Durable when this returns."""
        if w not in self.records:
            return
        self.records.remove(w)
        _end(self, self.records, least_s)
        self._follow(0)
        try:
            os.remove(self.path + "/" + name(w))
        except OSError:
            _insert(self.records, w)
            raise

    def whole(self, w):
        """The record `w` of `records` with its periods in RAM."""
        if len(w) == HEADER:
            head, w = w, _believe(self, name(w))
            self.records[self.records.index(head)] = w
            w[KEY] |= head[KEY] & FLAG_BEGUN << 24
            if replaced(w):
                w[_UNTIL] = head[_UNTIL]
        if w not in self._used:
            self._used.append(w)
        return w

    def trim(self):
        """Let go of the periods that nobody asked for since the last call."""
        for i, w in enumerate(self.records):
            if len(w) > HEADER and w not in self._used and w[SEQUENCE] != _STAND_IN:
                self.records[i] = w[:HEADER]
        self._used.clear()


def _rank(w):
    return w[KEY] & 0xFF00 | (2 if w[KEY] & 0xFF else 0) | (1 if replaced(w) else 0)


def _fits(w, r):
    # True if record `w` takes the place of `r`, or its id elsewhere (A15).
    same = r[ID] == w[ID] and (r[SEQUENCE] or replaced(r))
    return same or (r[KEY] ^ w[KEY]) & _PLACE == 0


def _insert(records, w):
    # Highest stackLevel first; in it connectors before 0, what was replaced before its successor.
    i = 0
    while i < len(records) and _rank(records[i]) >= _rank(w):
        i += 1
    records.insert(i, w)


def _alone(records, there):
    # The replaced records for which nothing is `there` to end them.
    there = [r for r in there if not replaced(r)]
    return [old for old in records if replaced(old) and not [r for r in there if _fits(r, old)]]


def _end(store, there, least_s):
    # Forget the replaced records that are over and would come back: nothing that has their place
    # or id, and is `there` still, has begun. (First: a start does not know of it.)
    for old in _alone(store.records, [r for r in there if profile.begin(r) <= least_s]):
        if old[_UNTIL] <= least_s:
            store.records.remove(old)
            _forget(store.path, name(old))


def _believe(store, file):
    # The record in that file; 6 A where it cannot be believed, or None: it is nobody's.
    try:
        with open(store.path + "/" + file, "rb") as f:
            size = f.seek(0, 2)
            if size > 4 * (HEADER + 2 * profile.MAX_PERIODS):
                raise ValueError("%d bytes" % size)
            f.seek(0)
            w = array.array("i", bytes(size & ~3))
            f.readinto(w)
        profile.check(w)
        if name(w) == file:
            return w
        raise ValueError("the record of %s" % name(w))
    except (ValueError, OSError) as e:
        store.log("profile file %s: %s" % (file, e))
    try:
        connector, purpose, level = [int(n) for n in file.rstrip("~").split("-")]
        # (Relative: in force with and without a clock)
        w = profile.pack(_NO_ID, connector, level, purpose, profile.RELATIVE, ((0, 60, 0),))
        if file.endswith("~"):
            w[KEY] |= FLAG_REPLACED << 24
    except (ValueError, OverflowError):
        return None
    return w if name(w) == file else None  # nothing that this store wrote


def _write(path, w):
    with open(path + "/" + name(w), "wb") as f:
        f.write(w)


def _forget(path, file):
    try:
        os.remove(path + "/" + file)
    except OSError:
        pass  # not even the empty file was made
