"""Who may charge, as far as the station itself knows: the local list of the Central System, and
a cache of what it has said of tags. On flash, in records of one size: nothing of it stays in RAM,
not even this module (Station.local). Tags are compared without case. Knows no messages.

A record, little endian; those of the list are sorted by their tags, so that a look-up reads a
few of them, those of the cache by when something new was heard, the latest first:

  bytes  meaning
  0-7    the tag and its kind: the first bytes of their SHA-256; of the list's first record: _HEAD
  8-15   the same of its group; zeros: it has none
  16-19  expiry, seconds since 2020; all ones: never; of the list's first record: its version
  20     status
  21     check byte"""

import os
import struct
from binascii import crc32, hexlify, unhexlify
from hashlib import sha256
from micropython import const

_MAX_CACHE = const(50)  # tags; the one of which something new was heard longest ago goes first
MAX_LIST = const(1000)  # tags in the local list
_ROW = const("<8s8siB")
_SIZE = const(22)
_STATUS = const(20)
_KEY = const(8)
_HEAD = const(b"Taglist1")
_LAST_s = const(0x7FFFFFFF)
_GONE = const(0xFF)  # the status of what a change takes out of the list
_PIECE = const(440)  # copied at once

# What is known of a tag; 1: it is blocked, 3: it is nobody's.
ACCEPTED = const(0)
EXPIRED = const(2)
IN_USE = const(4)  # it charges elsewhere: that says nothing of the tag itself


class Tags:
    """`known(tag)` and `offline(tag)` are asked, `heard(tag, ...)` and `update()` tell it. Tags of
    two kinds (station/states.py) are two, whatever their text. A group is what group() says."""

    def __init__(self, folder, settings, clock, log):
        self._cache, self._list = folder + "/cache", folder + "/list"
        self._settings, self._clock, self._log = settings, clock, log
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there

    def known(self, tag, kind=0):
        """(status, group or None) of `tag`: the list's word, else the cache's; None: neither has
        it. An entry whose time is over has the status EXPIRED."""
        key = _key(tag, kind)
        row = self._settings("list") and self._listed(key)
        row = row or self._settings("cache") and self._cached(key)
        if not row:
            return None
        _, group, expiry_s, status = struct.unpack(_ROW, row)
        over = expiry_s >= 0 and self._clock.known() and self._clock.now() >= expiry_s
        group = hexlify(group).decode() if any(group) else None
        return EXPIRED if status == ACCEPTED and over else status, group

    def offline(self, tag, kind=0):
        """May `tag` charge while the Central System cannot be asked?"""
        entry = self.known(tag, kind)
        if entry:
            return entry[0] == ACCEPTED and self._settings("offline_known")
        return self._settings("offline_unknown")

    def at_once(self, tag, kind=0):
        """May `tag` charge before the Central System has answered (the settings preauthorise, and
        unasked: it is not to be asked at all)?"""
        asked = self._settings("preauthorise") or self._settings("unasked")
        entry = asked and self.known(tag, kind)
        return bool(entry) and entry[0] == ACCEPTED

    def settled(self, tag, kind=0):
        """Is `tag` not to charge, and nobody to be asked about it (the settings unasked; and of
        one that is known list_final, cache_final)?"""
        if self._settings("unasked"):
            return not self.at_once(tag, kind)
        if not self._settings("preauthorise"):
            return False
        entry, key = self.known(tag, kind), _key(tag, kind)
        listed = self._settings("list") and self._listed(key)
        final = entry and self._settings("list_final" if listed else "cache_final")
        return bool(final) and entry[0] != ACCEPTED

    def group(self, text, kind=0):
        """What stands for the group that the Central System calls `text` (None: for none)."""
        return hexlify(_key(text, kind)).decode() if text else None

    def heard(self, tag, status, expiry_s=None, group=None, kind=0):
        """The Central System has said this of `tag`. What the list has is not cached (3.5.3).
        True: the list says that it may charge, and the Central System that it may not."""
        key, life_s = _key(tag, kind), self._settings("cache_s")
        if expiry_s is None and life_s and self._clock.known():
            expiry_s = self._clock.now() + life_s
        listed = self._listed(key)
        if listed or status == IN_USE or not self._settings("cache"):
            conflict = listed and listed[_STATUS] == ACCEPTED and status not in (ACCEPTED, IN_USE)
            return bool(conflict) and self._settings("list")
        row = _row(key, status, expiry_s, group)
        if self._cached(key) != row:
            self._remember(row, key)
        return False

    def clear(self):
        """Empty the cache."""
        _remove(self._cache)

    def held(self, tag, kind=0):
        """(is it in the list, is it in the cache), whether they are in use or not."""
        key = _key(tag, kind)
        return bool(self._listed(key)), bool(self._cached(key))

    def forget(self, tag, kind=0):
        """Take `tag` out of the cache. False: the flash refused."""
        return self._remember(None, _key(tag, kind))

    def version(self):
        """Of the local list; 0: there is none."""
        try:
            with open(self._list, "rb") as f:
                row = f.read(_SIZE)
        except OSError:
            return 0
        return struct.unpack(_ROW, row)[2] if _good(row) and row[:_KEY] == _HEAD else 0

    def sizes(self):
        """(tags in the list, bytes of the list, bytes of the cache)."""
        sizes = []
        for path in (self._list, self._cache):
            try:
                sizes.append(os.stat(path)[6])
            except OSError:
                sizes.append(0)
        return max(sizes[0] // _SIZE - 1, 0), sizes[0], sizes[1]

    def update(self, version, entries, anew):
        """Put `entries` into the local list, or make it of them alone (`anew`); it has `version`
        then. Entries: (tag, status or None: it goes, expiry_s or None, group or None, kind).
        A generator, which is run to its end: then it is durable. The old list is in force until
        then, and stays where this raises ValueError, which says why."""
        rows = []
        for tag, status, expiry_s, group, kind in entries:
            status = _GONE if status is None else status
            rows.append(_row(_key(tag, kind), status, expiry_s, group))
            yield
        rows.sort()
        for i in range(1, len(rows)):
            if rows[i][:_KEY] == rows[i - 1][:_KEY]:
                raise ValueError("a tag stands there twice")
        path = self._list + ".new"
        try:
            with open(path, "wb") as new:
                new.write(_row(_HEAD, ACCEPTED, version, None))
                yield from self._merge(rows, new, anew)
                count = new.tell() // _SIZE - 1
            if count > MAX_LIST:
                raise ValueError("more than %d tags" % MAX_LIST)
            if count:
                os.rename(path, self._list)
            else:
                _remove(self._list)
        except OSError as e:
            raise ValueError("flash: %s" % e)
        finally:
            _remove(path)

    def _merge(self, rows, new, anew):
        # What stands between two of `rows` is copied as it is.
        try:
            old = None if anew else open(self._list, "rb")
        except OSError:
            old = None  # there is none
        at = 1
        try:
            for row in rows:
                if old:
                    place = _place(old, row[:_KEY])
                    yield from _copy(old, at, place, new)
                    at = place + (_at(old, place)[:_KEY] == row[:_KEY])
                if row[_STATUS] != _GONE:
                    new.write(row)
                yield
            if old:
                yield from _copy(old, at, old.seek(0, 2) // _SIZE, new)
        finally:
            if old:
                old.close()

    def _listed(self, key):
        # Its record in the list, or None.
        try:
            with open(self._list, "rb") as f:
                row = _at(f, _place(f, key))
        except OSError:
            return None  # there is none
        return row if row[:_KEY] == key and _good(row) else None

    def _cached(self, key):
        # Its record in the cache, or None.
        row = bytearray(_SIZE)
        begin = memoryview(row)[:_KEY]
        try:
            with open(self._cache, "rb") as f:
                while f.readinto(row) == _SIZE:
                    if begin == key:
                        return row if _good(row) else None
        except OSError:
            pass  # there is none
        return None

    def _remember(self, row, key):
        # In the cache: `row` first, if there is one, the others behind it, without that of `key`.
        # False: the flash refused.
        others, most = b"", _MAX_CACHE
        try:
            with open(self._cache, "rb") as f:
                others = f.read(_SIZE * _MAX_CACHE)
        except OSError:
            pass  # there are no others
        try:
            with open(self._cache, "wb") as f:
                if row:
                    f.write(row)
                    most -= 1
                for at in range(0, len(others), _SIZE):
                    other = others[at : at + _SIZE]
                    if most and other[:_KEY] != key and _good(other):
                        f.write(other)
                        most -= 1
        except OSError as e:
            self._log("%s: %s" % (self._cache, e))
            return False
        return True


def _key(tag, kind):
    return sha256(b"%d %s" % (kind, tag.lower().encode())).digest()[:_KEY]


def _row(key, status, expiry_s, group):
    expiry_s = -1 if expiry_s is None else max(0, min(expiry_s, _LAST_s))
    row = struct.pack(_ROW, key, unhexlify(group or ""), expiry_s, status)
    return row + bytes((crc32(row) & 0xFF,))


def _good(row):
    return len(row) == _SIZE and crc32(memoryview(row)[:-1]) & 0xFF == row[-1]


def _at(f, i):
    # Record `i` of the list in `f`.
    f.seek(_SIZE * i)
    return f.read(_SIZE)


def _place(f, key):
    # Which record of the list in `f` is the first that is not below `key`.
    low, high = 1, f.seek(0, 2) // _SIZE
    other = bytearray(_KEY)
    while low < high:
        i = (low + high) // 2
        f.seek(_SIZE * i)
        f.readinto(other)
        if other < key:
            low = i + 1
        else:
            high = i
    return low


def _copy(old, at, end, new):
    # The records from `at` to before `end`.
    old.seek(_SIZE * at)
    size = _SIZE * (end - at)
    while size > 0:
        data = old.read(min(size, _PIECE))
        if not data:
            break
        new.write(data)
        size -= len(data)
        yield


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass  # it is not there
