"""Who may charge, as far as the station itself knows: the local list of the Central System, and
a cache of what it has said of tags. On flash, looked up line by line: nothing of it stays in RAM,
not even this module (Station.local). Tags are compared without case. Knows no messages."""

import os
from micropython import const

_MAX_CACHE = const(50)  # tags; the one of which something new was heard longest ago goes first
MAX_LIST = const(200)  # tags in the local list
_MAX_TEXT = const(36)  # characters of a tag, and of its group

# What is known of a tag; 1: it is blocked, 3: it is nobody's.
ACCEPTED = const(0)
EXPIRED = const(2)
IN_USE = const(4)  # it charges elsewhere: that says nothing of the tag itself


class Tags:
    """`known(tag)` and `offline(tag)` are asked, `heard(tag, ...)` tells it. Tags of two kinds
    (station/states.py) are two, whatever their text.

    A line: tag, kind, status, expiry in s since 2020 or nothing, group or nothing; between tabs.
    The first line of the list is its version."""

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
        entry = self._settings("list") and self._find(self._list, tag, kind)
        entry = entry or self._settings("cache") and self._find(self._cache, tag, kind)
        if not entry:
            return None
        status, expiry, group = int(entry[2]), entry[3], entry[4]
        over = expiry and self._clock.known() and self._clock.now() >= int(expiry)
        return EXPIRED if status == ACCEPTED and over else status, group or None

    def offline(self, tag, kind=0):
        """May `tag` charge while the Central System cannot be asked?"""
        entry = self.known(tag, kind)
        if entry:
            return entry[0] == ACCEPTED and self._settings("offline_known")
        return self._settings("offline_unknown")

    def at_once(self, tag, kind=0):
        """May `tag` charge before the Central System has answered (the setting preauthorise)?"""
        entry = self._settings("preauthorise") and self.known(tag, kind)
        return bool(entry) and entry[0] == ACCEPTED

    def heard(self, tag, status, expiry_s=None, group=None, kind=0):
        """The Central System has said this of `tag`. What the list has is not cached (3.5.3)."""
        keep = self._settings("cache") and status != IN_USE and printable(tag)
        if not keep or self._find(self._list, tag, kind):
            return
        line = _entry(tag, status, expiry_s, group if group and printable(group) else "", kind)
        if self._line(self._cache, tag, kind) != line:
            self._replace(self._cache, lambda f: self._first(f, line, _key(tag, kind)))

    def clear(self):
        """Empty the cache."""
        try:
            os.remove(self._cache)
        except OSError:
            pass  # it is empty

    def version(self):
        """Of the local list; 0: there is none."""
        try:
            with open(self._list) as f:
                return int(f.readline())
        except (OSError, ValueError):
            return 0

    def set_list(self, version, entries):
        """Replace the local list by `entries`: (tag, status, expiry_s or None, group or None,
        kind). False: too long, or the flash is full; the old one is in force then."""

        def fill(f):
            f.write("%d\n" % version)
            for entry in entries:
                f.write(_entry(*entry))

        return len(entries) <= MAX_LIST and self._replace(self._list, fill)

    def _find(self, path, tag, kind):
        line = self._line(path, tag, kind)
        entry = line.rstrip("\n").split("\t") if line else ()
        good = len(entry) == 5 and entry[2] and (entry[2] + entry[3]).isdigit()
        return entry if good else None

    def _line(self, path, tag, kind):
        tag = _key(tag, kind)
        try:
            with open(path) as f:
                for line in f:
                    if line[: len(tag)].lower() == tag:
                        return line
        except (OSError, ValueError):
            pass  # there is none, or what follows is damaged (not UTF-8)
        return None

    def _replace(self, path, fill):
        # The file by what fill(f) writes. False: the flash is full; the old one stays.
        try:
            with open(path + ".new", "w") as f:
                fill(f)
            os.rename(path + ".new", path)
            return True
        except OSError as e:
            self._log("%s: %s" % (path, e))
            return False

    def _first(self, new, line, tag):
        # `line` at the top of the cache, the others behind it, without the one that it replaces.
        new.write(line)
        most = _MAX_CACHE - 1
        try:
            old = open(self._cache)
        except OSError:
            return  # there are none
        with old:
            try:
                for line in old:
                    if most and line[: len(tag)].lower() != tag:
                        new.write(line)
                        most -= 1
            except ValueError:
                pass  # what follows is damaged (not UTF-8)


def _key(tag, kind):
    return "%s\t%d\t" % (tag.lower(), kind)


def _entry(tag, status, expiry_s, group, kind=0):
    expiry = "" if expiry_s is None else expiry_s
    return "%s\t%d\t%d\t%s\t%s\n" % (tag, kind, status, expiry, group or "")


def printable(text):
    """`text` fits into a line, and comes back from it, or from a message, as it was."""
    # (By bytes: MicroPython interns each character that is taken out of a text, for ever.)
    return 0 < len(text) <= _MAX_TEXT and all([32 <= b < 127 for b in text.encode()])
