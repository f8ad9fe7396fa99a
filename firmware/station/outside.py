"""Limits from outside the Central System: of the owner's energy management, of the operator of the
grid, of others (docs/smart-charging.md 8). Loaded while there is one."""

import json
import os
from collections import namedtuple
from micropython import const

from firmware.charging import limits
from firmware.clock import FAR

# Whose one is.
MANAGER = const(0)  # the owner's energy management
GRID = const(1)  # the operator of the grid
OTHER = const(2)
CONTACT = const(3)  # the operator of the grid, by a contact (electrical/dim.py)

_SLOTS = const(b"\0\1\2\1")  # of limits.py, from OUTSIDE on
_NAMES = const("energy management|grid operator|another|grid operator's contact")
_NO_LIMIT = const(1000000)  # 0.1 A
_LEAST_mA = const(6000)
_REST = const(6000)  # polls, ten minutes: the file is written no more often if nothing hurries,
_BUDGET = const(66000)  # but twelve times in a row
_SPARE_s = const(600)
_SPARE_mA = const(2000)
_UNKNOWN_mA = const(-1)

# Connector `number` (0: all of them together) may take `limit_mA` per phase, until `until_s` (FAR:
# until something else is said). From then on, as nobody has said it again, `safe_mA`; None: there
# is no limit then. Said at `since_s`. critical: for the grid.
Limit = namedtuple(
    "Limit", ("source", "number", "limit_mA", "since_s", "until_s", "safe_mA", "critical")
)


class Outside:
    """Those of a station, `list`: one of a source and connector. On flash is what holds after a
    restart, when nobody knows whether who has sent it is still there: the lower of limit and safe
    value, until it speaks again; without a safe value the limit, until its end.

    | whole | (mA, place in limits.SOURCES) of the lowest for all connectors together, or None |
    | dim   | electrical.dim.Contact, of the grid's operator, or None |"""

    def __init__(self, station, dim=None):
        self._station, self._path = station, station.auth + "/outside"
        self.list, self.whole, self.dim = [], None, dim
        self._told = {}  # (source, number): what the Central System has heard of it: mA, critical
        self._who = None  # has heard it; None: nobody since the start
        self._rows = []  # of the file: source, number and, while it holds, mA, until_s, critical
        self._rest = 0  # polls, until all of the budget is there again
        station.sharing.outside = self
        now_s = station.clock.now()
        try:
            with open(self._path) as f:
                rows = [list(map(int, row)) for row in json.load(f)]
            for source, number, *more in rows:
                mA, until_s, critical = more or (0, 0, 0)
                if mA < 0 or not 0 <= source <= CONTACT:
                    raise ValueError(source)
                # (nobody could ever end one of a contact, or connector, that there is no more)
                if number <= len(station.connectors) and (source != CONTACT or dim):
                    self._told[source, number] = _UNKNOWN_mA, False
                    if more:
                        said = source, number, mA, now_s, until_s, None, bool(critical)
                        self.list.append(Limit(*said))
                        if source != CONTACT:  # (which says it itself)
                            self._say(source, "%d mA, as before the restart" % mA)
            self._rows = rows
        except OSError:
            pass  # there are none
        except (TypeError, ValueError) as e:
            station.log("%s: %r: 6 A until somebody says otherwise" % (self._path, e))
            self._told.clear()
            self.list = [Limit(MANAGER, 0, _LEAST_mA, now_s, FAR, None, False)]
            self._rows = [[]]  # (whatever comes is another)
        self._apply()

    def put(self, one):
        """Limit `one` holds from now on, in place of the one of its source and connector. Durable;
        where the flash refuses it holds until a restart."""
        self.list = [x for x in self.list if _key(x) != _key(one)] + [one]
        self._changed()

    def end(self, source, number):
        """That limit is over. False: there is none."""
        left = [x for x in self.list if _key(x) != (source, number)]
        if len(left) == len(self.list):
            return False
        self.list = left
        self._changed()
        return True

    def at(self, number, t):
        """(what connector `number` may take at `t` in 0.1 A, until when that holds, whose it is: a
        place in limits.SOURCES); number 0: all of them together."""
        least, ends_s, whose = _NO_LIMIT, FAR, limits.OUTSIDE
        for one in self.list:
            if one.number in (0, number):
                mA = one.limit_mA
                if t >= one.until_s:
                    mA = one.safe_mA
                else:
                    ends_s = min(ends_s, one.until_s)
                if mA is not None and (mA // 100, _slot(one)) < (least, whose):
                    least, whose = mA // 100, _slot(one)
        return least, ends_s, whose

    def poll(self, now_s):
        """End what is over, look at the contact; call with Station.poll."""
        station = self._station
        if self.dim and self.dim.changed():
            self._dimmed(now_s)
        wanted, known = station.settings("outside"), station.clock.known()
        for one in self.list:  # (each change makes another list)
            t = now_s if known or one.until_s < 0 else station.clock.least_s()
            if not wanted and one.source != CONTACT:
                self._over(one, "switched off")
            elif t < one.until_s:
                pass
            elif one.safe_mA is None:
                self._over(one, "its time is over")
            else:
                self._say(one.source, "silent, %d mA" % one.safe_mA)
                said = one.source, one.number, one.safe_mA, now_s, FAR, None, one.critical
                self.put(Limit(*said))
        if self._rest:
            self._rest -= 1
            if self._rest % _REST == 0:
                self._keep()
        elif not (self.list or self._told or self.dim):
            station.sharing.outside = None

    def _dimmed(self, now_s):
        self._say(CONTACT, "closed" if self.dim.on else "open")
        if self.dim.on:
            self.put(Limit(CONTACT, 0, self.dim.limit_mA, now_s, FAR, None, True))
        else:
            self.end(CONTACT, 0)

    def _over(self, one, why):
        self._say(one.source, why)
        self.end(*_key(one))

    def _say(self, source, why):
        self._station.log("limit from outside, %s: %s" % (name(source), why))

    def moved(self, jump, known):
        """The clock is set, and was `known` before: what ends does so after its time."""
        plausible = self._station.clock.plausible

        def move(t):
            return t if t == FAR or not known and plausible(t) else t + jump

        for i, one in enumerate(self.list):
            since_s, until_s = move(one.since_s), move(one.until_s)
            said = one.source, one.number, one.limit_mA, since_s, until_s, one.safe_mA
            self.list[i] = Limit(*said, one.critical)
        self._keep()

    def news(self, who):
        """((source, number), Limit, or None: it is over) that `who` listens has to hear next, or
        None: they know all that has changed by more than the setting significance_permille."""
        if who != self._who:  # another Central System, or another language
            if self._who:
                self._told.clear()
            self._who = who
        keys, permille = [], self._station.settings("significance_permille")
        for one in self.list:
            keys.append(_key(one))
            mA, critical = self._told.get(keys[-1], (_UNKNOWN_mA, False))
            by_mA = abs(one.limit_mA - mA)
            if mA < 0 or critical != one.critical or by_mA * 1000 > mA * permille:
                return keys[-1], one
        for key in self._told:
            if key not in keys:
                return key, None
        return None

    def told(self, key, one):
        """That of news() was told."""
        if one:
            self._told[key] = one.limit_mA, one.critical
        else:
            self._told.pop(key, None)
            self._keep()

    def _changed(self):
        self._apply()
        self._keep()
        self._station.notify()

    def _apply(self):
        # Into the slots of every connector, and to who shares what there is for all.
        sharing = self._station.sharing
        whole = [(x.limit_mA, _slot(x)) for x in self.list if not x.number]
        whole = min(whole) if whole else None
        if whole != self.whole:
            sharing.due_s, self.whole = 0, whole
        for c in sharing.connectors:
            for slot in range(limits.OUTSIDE, limits.OUTSIDE + 3):
                said = [x for x in self.list if x.number in (0, c.number) and _slot(x) == slot]
                mA = min([x.limit_mA for x in said]) if said else None
                if mA != c.limits.values[slot]:
                    sharing.due_s = 0
                    c.limits.put(slot, mA)

    def _keep(self):
        # Write it: at once where after a restart too much would be allowed; else not too often:
        # energy management may speak every second.
        rows = list(map(_row, self.list))
        keys = [row[:2] for row in rows]
        rows += [list(key) for key in self._told if list(key) not in keys]
        spent = self._rest > _BUDGET
        if rows == self._rows or spent and not _allow_more(self._rows, rows):
            return
        for row in rows if spent else ():  # (so that the next ones need not be written at once)
            if len(row) > 2:
                row[2] = max(row[2] - _SPARE_mA, min(row[2], _LEAST_mA))
                row[3] = min(row[3] + _SPARE_s, FAR)
        self._rest = min(self._rest + _REST, _REST + _BUDGET)
        try:
            if rows:
                with open(self._path, "w") as f:
                    json.dump(rows, f)
            elif self._rows:
                os.remove(self._path)
            self._rows = rows
        except OSError as e:
            self._station.log("%s: %s" % (self._path, e))


def load(station, dim=None):
    """The Outside of a station, which has it from now on; dim: of its board, or None."""
    return Outside(station, dim)


def put(station, one):
    """Outside.put() of who may have none yet."""
    (station.sharing.outside or load(station)).put(one)


def name(source):
    """Whose limit that is, for a person."""
    return _NAMES.split("|")[source]


def _key(one):
    return one.source, one.number


def _slot(one):
    return limits.OUTSIDE + _SLOTS[one.source]


def _row(one):
    # As it holds after a restart.
    mA, until_s = one.limit_mA, one.until_s
    if one.safe_mA is not None:
        mA, until_s = min(mA, one.safe_mA), FAR
    return [one.source, one.number, mA, until_s, int(one.critical)]


def _allow_more(old, rows):
    # What is on flash would, than `rows`.
    old = {(row[0], row[1]): row[2:4] for row in old if len(row) > 2}
    for row in rows:
        mA, until_s = old.get((row[0], row[1]), (FAR, 0))
        if len(row) > 2 and (row[2] < mA or row[3] > until_s):
            return True
    return False
