# Charging profiles on flash: one small file each, replaced atomically, believed only with its CRC.
# Knows records (profile.py) and a directory; must not know OCPP, time or transactions.
# Relies on LittleFS: rewriting a file is old-or-new under power cut, and only a file that is
# being created may come back empty (an empty file is no file).

import array
import os
from micropython import const

from . import profile
from .profile import HEADER, ID, KEY, SEQUENCE

MAX_PROFILES = const(32)
_STAND_IN = const(0)  # the sequence number of a record that is not in flash
_NO_ID = const(-0x20000000)  # its chargingProfileId: nobody is likely to use it


class Full(Exception):
    """MaxChargingProfilesInstalled is reached, or the flash is full; nothing was changed."""


class Store:
    """The installed profiles, in the order the evaluator needs (see schedule.py).

    `records` holds only the headers of profiles whose periods are not needed now; `whole(w)`
    reads them back, `trim()` lets go of those that were not asked for since the last trim.

    A record that cannot be believed (damaged, or of a layout of the future) must not leave the
    station without a limit: 6 A stand in for it, in its place, until it is replaced or cleared.
    """

    def __init__(self, folder, log):
        self._folder = folder
        self._log = log
        self._sequence = 0
        self._used = []  # records with periods that were asked for since the last trim
        self.records = []
        self.damaged = 0  # records that 6 A stand in for
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there
        for name in sorted(os.listdir(folder)):
            self._open(name)

    def _open(self, name):
        path = self._folder + "/" + name
        if not os.stat(path)[6]:  # a cut while it was created: it never was
            self._forget(name)
            return
        w = self._believe(name, True)
        if w is None:
            return
        self._sequence = max(self._sequence, w[SEQUENCE])
        for other in self.records:
            # A cut between writing the new one and removing the old.
            if other[ID] == w[ID] and other[SEQUENCE] and w[SEQUENCE]:
                older = other if other[SEQUENCE] < w[SEQUENCE] else w
                os.remove(self._folder + "/" + _name(older))
                if older is w:
                    return
                self.records.remove(other)
                break
        self._insert(w if w[SEQUENCE] == _STAND_IN else w[:HEADER])

    def _believe(self, name, upgrade=False):
        try:
            w = _read(self._folder + "/" + name)
            old = profile.check(w)
            if _name(w) == name:
                if old and upgrade:
                    self._upgrade(w)
                return w
            raise profile.BadRecord("the record of %s" % _name(w))
        except (profile.BadRecord, OSError) as e:
            self._log("profile file %s: %s" % (name, e))
        try:
            connector, purpose, level = [int(n) for n in name.split("-")]
            # (Relative: in force with and without a clock)
            w = profile.pack(_NO_ID, connector, level, purpose, profile.RELATIVE, ((0, 60, 0),))
        except (ValueError, OverflowError):
            return None
        if _name(w) != name:
            return None  # nothing that this store wrote
        self.damaged += 1
        return w

    def _upgrade(self, w):
        # A later firmware need not know the layout that this one still found.
        try:
            self._write(w)
        except OSError as e:
            self._log("profile file %s keeps its old layout: %s" % (_name(w), e))

    def _write(self, w):
        with open(self._folder + "/" + _name(w), "wb") as f:
            f.write(w)

    def _insert(self, w):
        # Highest stackLevel first, and within it connectors before connector 0.
        key = _rank(w)
        for i, other in enumerate(self.records):
            if _rank(other) < key:
                self.records.insert(i, w)
                return
        self.records.append(w)

    def replaced_by(self, w):
        """The records that putting `w` removes: the same id, and the same place (A15)."""
        name = _name(w)
        return [r for r in self.records if r[ID] == w[ID] and r[SEQUENCE] or _name(r) == name]

    def room(self, w):
        """True if `w` could be put as far as the number of profiles goes."""
        return len(self.records) - len(self.replaced_by(w)) < MAX_PROFILES

    def put(self, w):
        """Install record `w` (profile.pack). Durable when this returns. Raises Full.

        One that is installed already, as it is, is not written again.
        """
        if not self.room(w):
            raise Full("%d profiles are installed" % len(self.records))
        gone = self.replaced_by(w)
        if len(gone) == 1 and profile.same(w, gone[0]):
            gone[0] = self.whole(gone[0])
            if profile.same(w, gone[0]):  # (not so if 6 A stand in for it since just now)
                return
        profile.seal(w, self._sequence + 1)
        try:
            self._write(w)
        except OSError as e:
            # LittleFS commits nothing of a file whose write failed: an older record is untouched.
            if not any(_name(r) == _name(w) for r in gone):
                self._forget(_name(w))
            raise Full("flash: %s" % e)
        self._sequence += 1
        for r in gone:
            self._drop(r)
        self._insert(w)
        for r in gone:  # (only now: if this fails, the new one is in force)
            if _name(r) != _name(w):
                os.remove(self._folder + "/" + _name(r))

    def _forget(self, name):
        try:
            os.remove(self._folder + "/" + name)
        except OSError:
            pass  # not even the empty file was made

    def remove(self, w):
        """Remove an installed record. Durable when this returns."""
        os.remove(self._folder + "/" + _name(w))
        self._drop(w)

    def _drop(self, w):
        self.records.remove(w)
        if w[SEQUENCE] == _STAND_IN:
            self.damaged -= 1

    def whole(self, w):
        """The record `w` of `records` with its periods in RAM."""
        if len(w) == HEADER:
            i = self.records.index(w)
            w = self.records[i] = self._believe(_name(w))
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
    return w[KEY] & 0xFF00 | (1 if w[KEY] & 0xFF else 0)


def _name(w):
    # What may stand only once, and so what a new record replaces: connector, purpose, stackLevel.
    return "%d-%d-%d" % (profile.connector(w), profile.purpose(w), profile.level(w))


def _read(path):
    with open(path, "rb") as f:
        size = f.seek(0, 2)
        if size > 4 * (HEADER + 2 * profile.MAX_PERIODS):
            raise profile.BadRecord("%d bytes" % size)
        f.seek(0)
        w = array.array("i", bytes(size & ~3))
        f.readinto(w)
    return w
