"""The life of an update of the firmware: asked for, downloaded, installed when no transaction
runs, until the Central System knows what became of it. The app does the steps (app/updating.py).
In RAM while there is one; its record is a file, most often below 128 bytes."""

import json
import os
from micropython import const

# Its state, and what is told of it; a protocol has words for them.
ASKED = const(0)
LOADING = const(1)
LOADED = const(2)
NOT_LOADED = const(3)
INSTALLING = const(4)
INSTALLED = const(5)
NOT_INSTALLED = const(6)
SWITCHED = const(7)  # installing, and the next start is that of the new code

_VERSION = const(1)


class Update:
    """Of `station`.

    | state    | above |
    | news     | the states that are still to be told, in order |
    | location | where the file is, as it was asked for |
    | from_s   | not before that |
    | tries    | how often the download may still be begun |
    | pause_s  | between two of them |
    | waits    | the app's turn: to download, or, INSTALLING, to restart |"""

    def __init__(self, station):
        self._station, self._path = station, station.auth + "/update"
        self.state, self.news, self.waits = ASKED, [], False
        self.location, self.from_s, self.tries, self.pause_s = "", 0, 1, 0
        self._slot = self._runs = ""  # that of the new code, and that of what has loaded it
        self._begun = False  # the app is at it

    def ask(self, location, from_s, tries, pause_s):
        """There is to be this one, in place of one that is not yet being installed; False: one
        is."""
        before = self._station.update
        if before:
            if before.state in (INSTALLING, SWITCHED):
                return False
            self.news = before.news  # (the one that is being told stays the first)
            if before.state == LOADED:
                for c in self._station.connectors:
                    c.ending = False
        self.location, self.from_s = location, from_s
        self.tries, self.pause_s = tries, pause_s
        self._station.update = self
        self._station.local()  # (makes the folder)
        self._keep()
        return True

    def over(self):
        """Nothing is left but to tell."""
        return self.state in (NOT_LOADED, INSTALLED, NOT_INSTALLED)

    def poll(self, now_s):
        """Follow the clock and the transactions; call with Station.poll."""
        if self._begun or self.over() or self.state == SWITCHED:
            return
        if self.state >= LOADED:
            for c in self._station.connectors:  # none begins
                c.ending = True
            if any([c.tx for c in self._station.connectors]):
                return
            if self.state == LOADED:
                self._go(INSTALLING)
        elif now_s < self.from_s:  # (before the clock is set it is)
            return
        self._begun = self.waits = True

    def loading(self):
        """The download begins, or goes on after a pause; False: it is no longer wanted."""
        if self._station.update is not self:
            return False
        if self.state == ASKED:
            self._go(LOADING)
        return True

    def failed(self, again):
        """An attempt has failed. True: there is to be another, `again`, when pause_s are over."""
        self.tries -= 1
        if again and self.tries > 0:
            self._keep()
            return True
        self._go(NOT_LOADED)
        return False

    def loaded(self, slot, runs):
        """All of it is in that slot; `runs`: the one that runs."""
        self._slot, self._runs, self._begun = slot, runs, False
        self._go(LOADED)

    def switch(self, switch):
        """The restart is next: switch(slot) makes it that of the new code, or raises OSError."""
        self.state = SWITCHED
        self._keep()
        try:
            switch(self._slot)
        except OSError as e:
            self._station.log("update: %s" % e)
            self._go(NOT_INSTALLED)

    def good(self):
        """What runs is: it has reached the Central System, or has lasted."""
        if self.state == SWITCHED:
            self._go(INSTALLED)

    def told(self):
        """The first of `news` is."""
        del self.news[:1]
        if self._station.update is self:
            self._keep()

    def _go(self, state):
        self.state = state
        self.news.append(state)
        self._keep()
        self._station.notify()

    def _keep(self):
        try:
            if self.over() and not self.news:
                self._station.update = None
                os.remove(self._path)
                return
            record = [_VERSION, self.state, self.news, self._slot, self._runs, self.tries]
            with open(self._path, "w") as f:
                json.dump(record + [self.pause_s, self.from_s, self.location], f)
        except (MemoryError, OSError) as e:
            self._station.log("%s: %s" % (self._path, e))

    def resume(self, runs):
        """Go on after a start, which was of slot `runs`, if there is one. A download begins anew,
        which is a try."""
        try:
            with open(self._path) as f:
                record = json.load(f)
            version, self.state, self.news, self._slot, before, self.tries = record[:6]
            self.pause_s, self.from_s, self.location = record[6:]
            if version != _VERSION:
                raise ValueError("version %d" % version)
        except OSError:
            return  # there is none
        except (KeyError, TypeError, ValueError) as e:  # (also of a file that was being created)
            self._station.log("%s: %r: no update" % (self._path, e))
            return
        self._station.update = self
        if self.state == LOADING:
            self.failed(True)
        elif self.state >= LOADED and not self.over():
            self._runs = before
            if runs == self._slot:
                self.state = SWITCHED  # (to be good())
            elif self.state == SWITCHED or runs != before:
                self._go(NOT_INSTALLED)
