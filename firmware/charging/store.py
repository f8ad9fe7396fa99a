"""The installed charging profiles, in RAM. Knows records (profile.py) and a folder; must not know
messages, time or transactions. What changes them, and what is read and written, is loaded for that
(change.py, record.py).
Relies on LittleFS: rewriting a file is old-or-new under power cut, and only a file that is
being created may come back empty (an empty file is no file)."""

from firmware import lazy

from .profile import HEADER, SEQUENCE, replaced


class Store:
    """The installed profiles, in the order the evaluator needs (see schedule.py). Of one
    connector, purpose and stackLevel there is one, or one in each of several slots (profile.py).

    `records` holds only the headers of profiles whose periods are not needed now; `whole(w)`
    reads them back, `trim()` lets go of those that were not asked for since the last trim.
    `sequence` is the number of the record that was written last.

    A record that is replaced by one that has not begun stays in force beside it until then (A30),
    with FLAG_REPLACED, in a file of its own: there before the successor's, gone before it. It is
    not installed: it takes no room. When that is, is worked out after each change.

    A record that cannot be believed (damaged, or of another layout) must not leave the
    station without a limit: 6 A stand in for it, in its place, until it is replaced or cleared."""

    def __init__(self, folder, log):
        self.path, self.log = folder, log
        self._used = []  # records with periods that were asked for since the last trim
        self.reader = None  # record.py, while records are read or put
        self.records = []
        self.sequence = 0
        self.change().recover()

    def change(self):
        """change.Change, of this moment: what puts and removes profiles."""
        return lazy.load("charging.change").Change(self)

    def count(self):
        """How many profiles are installed."""
        return len([w for w in self.records if not replaced(w)])

    def whole(self, w):
        """The record `w` of `records` with its periods in RAM."""
        if len(w) == HEADER:
            self.reader = self.reader or lazy.load("charging.record")
            head, w = w, self.reader.again(self, w)
            self.records[self.records.index(head)] = w
        if w not in self._used:
            self._used.append(w)
        return w

    def trim(self, over=True):
        """Let go of the periods that nobody asked for since the last call; if that is `over` for
        now, of what reads them too."""
        for i, w in enumerate(self.records):
            if len(w) > HEADER and w not in self._used and w[SEQUENCE]:  # (6 A are in no file)
                self.records[i] = w[:HEADER]
        self._used.clear()
        if over:
            self.reader = None
