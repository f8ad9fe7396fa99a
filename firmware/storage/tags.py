"""Who may charge, as far as the station itself knows: the local list of the Central System, and
a cache of what it has said of tags. On flash, one line a tag, looked up line by line: nothing of
it stays in RAM, not even this module (Station.local). Tags are compared without case. Knows no
messages."""

import os
from micropython import const

_MAX_CACHE = const(50)  # tags; the one of which something new was heard longest ago goes first
MAX_LIST = const(200)  # tags in the local list
_ACCEPTED = "Accepted"


class Tags:
    """`known(tag)` and `offline(tag)` are asked, `heard(tag, ...)` tells it.

    A line: tag, status, expiry in s since 2020 or nothing, parentIdTag or nothing; between tabs.
    The first line of the list is its version."""

    def __init__(self, folder, settings, clock, log):
        self._cache = folder + "/cache"
        self._list = folder + "/list"
        self._settings = settings
        self._clock = clock
        self._log = log
        try:
            os.mkdir(folder)
        except OSError:
            pass  # it is there

    def known(self, tag):
        """(status, parentIdTag or None) of `tag`: the list's word, else the cache's; None: neither
        has it. An entry whose time is over has the status Expired."""
        for path, key in ((self._list, "list"), (self._cache, "cache")):
            if self._settings(key):
                entry = self._find(path, tag)
                if entry:
                    return self._judged(entry)
        return None

    def _judged(self, entry):
        status, expiry, parent = entry[1:]
        over = expiry and self._clock.known() and self._clock.now() >= int(expiry)
        return "Expired" if status == _ACCEPTED and over else status, parent or None

    def offline(self, tag):
        """May `tag` charge while the Central System cannot be asked?"""
        entry = self.known(tag)
        if entry:
            return entry[0] == _ACCEPTED and self._settings("offline_known")
        return self._settings("offline_unknown")

    def at_once(self, tag):
        """May `tag` charge before the Central System has answered (LocalPreAuthorize)?"""
        if not self._settings("preauthorise"):
            return False
        entry = self.known(tag)
        return entry is not None and entry[0] == _ACCEPTED

    def heard(self, tag, status, expiry_s=None, parent=None):
        """The Central System has said this of `tag`. What the list has is not cached (3.5.3)."""
        if not self._settings("cache") or not _plain(tag) or self._find(self._list, tag):
            return
        if status == "ConcurrentTx":  # says nothing of the tag itself
            return
        parent = parent if parent and _plain(parent) else ""
        expiry = "" if expiry_s is None else str(expiry_s)
        line = "\t".join((tag, status, expiry, parent)) + "\n"
        if self._line(self._cache, tag) != line:
            self._rewrite(self._cache, line, tag, _MAX_CACHE)

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
        """Replace the local list by `entries`: (tag, status, expiry_s or None, parent or None).
        False: too long, or the flash is full; the old one is in force then."""
        if len(entries) > MAX_LIST:
            return False
        try:
            with open(self._list + ".new", "w") as f:
                f.write("%d\n" % version)
                for tag, status, expiry, parent in entries:
                    expiry = "" if expiry is None else str(expiry)
                    f.write("\t".join((tag, status, expiry, parent or "")) + "\n")
            os.rename(self._list + ".new", self._list)
        except OSError as e:
            self._log("local list: %s" % e)
            return False
        return True

    def _find(self, path, tag):
        line = self._line(path, tag)
        entry = line.rstrip("\n").split("\t") if line else ()
        if len(entry) != 4 or entry[2] and not entry[2].isdigit():
            return None
        return entry

    def _line(self, path, tag):
        tag = tag.lower() + "\t"
        try:
            with open(path) as f:
                for line in f:
                    if line[: len(tag)].lower() == tag:
                        return line
        except (OSError, ValueError):
            pass  # there is none, or what follows is damaged (not UTF-8)
        return None

    def _rewrite(self, path, first, tag, most):
        # `first` at the top, the others behind it, without the one that it replaces.
        tag = tag.lower() + "\t"
        try:
            with open(path + ".new", "w") as new:
                new.write(first)
                self._others(path, new, tag, most - 1)
            os.rename(path + ".new", path)
        except OSError as e:
            self._log("%s: %s" % (path, e))

    def _others(self, path, new, tag, most):
        try:
            old = open(path)
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


def _plain(text):
    # What fits into a line, and comes back from it as it was. By bytes: MicroPython interns each
    # character that is taken out of a text, for ever.
    return 0 < len(text) <= 20 and all([32 <= b < 127 for b in text.encode()])
