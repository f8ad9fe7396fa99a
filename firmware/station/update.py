"""The life of an update of the firmware: asked for, downloaded, installed when no transaction
runs, until the Central System knows what became of it. The app does the steps (app/updating.py).
In RAM while there is one; its record is a file, most often below 128 bytes."""

import json
import os
from micropython import const

from firmware import lazy
from firmware.station.security import FIRMWARE_UPDATED

# Its state, and what is told of it; a protocol has words for them.
ASKED = const(0)
LOADING = const(1)
LOADED = const(2)
NOT_LOADED = const(3)
INSTALLING = const(4)
INSTALLED = const(5)
NOT_INSTALLED = const(6)
SWITCHED = const(7)  # installing, and the next start is that of the new code
VERIFIED = const(8)  # its signature is good, where it is a job with one
BAD_SIGNATURE = const(9)
WAITING = const(10)  # to be installed
PAUSED = const(11)  # loading: told, no state
RESUMED = const(12)

_VERSION = const(1)


class Update:
    """Of `station`.

    | state    | above |
    | news     | the states that are still to be told, in order |
    | location | where the file is, as it was asked for; None: somebody brings it |
    | from_s   | not before that |
    | tries, pause_s | how often the download may still be begun, and the time between |
    | job      | the number of the request, where that is to be told, or None |
    | install_s | not to be installed before that |
    | digest   | of the file: SHA-256 in hexadecimal, once it is loaded |
    | waits    | the app's turn: to download; LOADED, to check; INSTALLING, to restart |
    | stop     | ends what the app does, for another takes its place; or None |

    News of a job are [state, its number]."""

    def __init__(self, station):
        self._station, self._path = station, station.auth + "/update"
        self.state, self.news, self.waits, self.stop = ASKED, [], False, None
        self.location, self.from_s, self.tries, self.pause_s = "", 0, 1, 0
        self.job, self.install_s, self.digest = None, 0, ""
        self._slot = self._runs = ""  # that of the new code, and that of what has loaded it
        self._proof = ""  # the file with what a signature is checked by; "": there is none
        self._begun = False  # the app is at it

    def ask(self, location, from_s, tries, pause_s, job=None, install_s=0, proof=None):
        """There is to be this one, in place of one that is not yet being installed; False: one
        is. `proof` of a job: what the app needs to check its signature, for JSON."""
        before = self._station.update
        if before:
            if before.state in (INSTALLING, SWITCHED):
                return False
            self.news = before.news  # (the one that is being told stays the first)
            if before.state in (LOADED, VERIFIED, WAITING):
                for c in self._station.connectors:
                    c.ending = False
        self.location, self.from_s, self.tries, self.pause_s = location, from_s, tries, pause_s
        self.job, self.install_s = job, install_s
        self._station.local()  # (makes the folder)
        if proof:
            # (the one before holds until there is a record of this one)
            two = before and before._proof == "signature"
            self._proof = "signature2" if two else "signature"
            try:
                with open(_file(self), "w") as f:
                    json.dump(proof, f)
            except (MemoryError, OSError) as e:
                self._station.log("%s: %s" % (_file(self), e))
                return False
        self._station.update = self
        if job is not None and self._station.clock.now() < from_s:
            self._go(ASKED)
        else:
            self._keep()
        if before:
            _forget(before)
            if before.stop:
                before.stop()
        return True

    def signed(self):
        """Has ask() got a proof?"""
        return bool(self._proof)

    def proof(self):
        """What ask() was given to check the signature. Raises OSError, ValueError."""
        with open(_file(self)) as f:
            return json.load(f)

    def over(self):
        """Nothing is left but to tell."""
        return self.state in (NOT_LOADED, INSTALLED, NOT_INSTALLED, BAD_SIGNATURE)

    def poll(self, now_s):
        """Follow the clock and the transactions; call with Station.poll."""
        if self._begun or self.over() or self.state == SWITCHED:
            return
        if self.state == LOADED and self._proof:
            if not self._station.clock.known():  # (first of all it is checked, with its dates)
                return
        elif self.state >= LOADED:
            waits = now_s < self.install_s and self.state != INSTALLING
            if not waits:
                waits = any([c.tx for c in self._station.connectors])
                for c in self._station.connectors:  # none begins (L01.FR.07)
                    c.ending = 2 if waits else c.ending or True
            if waits:
                if self.state == VERIFIED or self.job is not None and self.state == LOADED:
                    self._go(WAITING)
                return
            if self.state != INSTALLING:
                self._go(INSTALLING)
                if self.job is not None:
                    self._say(SWITCHED)  # (before the restart: app/farewell.py waits for it)
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

    def loaded(self, slot, runs, digest=""):
        """All of it is in that slot; `runs`: the one that runs."""
        self._slot, self._runs, self.digest, self._begun = slot, runs, digest, False
        self._go(LOADED)

    def checked(self, good):
        """The signature is `good`, or that is its end; None: it cannot be checked."""
        self._begun = False
        self._go(VERIFIED if good else NOT_INSTALLED if good is None else BAD_SIGNATURE)

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
            text = "version " + lazy.load("version").VERSION
            lazy.load("station.security").note(self._station, FIRMWARE_UPDATED, text)
            self._go(INSTALLED)

    def told(self):
        """The first of `news` is."""
        del self.news[:1]
        if self._station.update:  # (if another has taken its place, its news are that one's)
            self._station.update._keep()

    def _go(self, state):
        self.state = state
        if self._station.update is self:
            self._say(state)

    def _say(self, state):
        if self.location is not None:
            self.news.append(state if self.job is None else [state, self.job])
        self._keep()
        self._station.notify()

    def _keep(self):
        try:
            if self.over() and not self.news:
                self._station.update = None
                os.remove(self._path)
                return _forget(self)
            record = [_VERSION, self.state, self.news, self._slot, self._runs, self.tries]
            record += [self.pause_s, self.from_s, self.location]
            if self.job is not None:
                record += [self.job, self.install_s, self.digest, self._proof]
            with open(self._path, "w") as f:
                json.dump(record, f)
        except (MemoryError, OSError) as e:
            self._station.log("%s: %s" % (self._path, e))

    def resume(self, runs):
        """Go on after a start, which was of slot `runs`, if there is one. A download begins anew,
        which is a try."""
        try:
            with open(self._path) as f:
                record = json.load(f)
            version, self.state, self.news, self._slot, before, self.tries = record[:6]
            self.pause_s, self.from_s, self.location = record[6:9]
            if record[9:]:
                self.job, self.install_s, self.digest, self._proof = record[9:]
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


def bring(update):
    """As its ask(), of a file that somebody brings to the unit, who then says loaded() or
    failed(). Nobody else is told."""
    if not update.ask(None, 0, 1, 0):
        return False
    update._begun = True
    return update.loading()


def pause(update, paused):
    """The download of `update` waits, or goes on after that."""
    if update.job is not None and update.state == LOADING and update._station.update is update:
        update._say(PAUSED if paused else RESUMED)


def closed(outlets):
    """One of their contactors is: nothing is written, for an erase holds up the tick that opens
    it."""
    return any([outlet.controller.closed for outlet in outlets])


def _file(update):  # with what proof() gives
    return update._station.auth + "/" + update._proof


def _forget(update):  # that is needed no more
    if update.signed():
        try:
            os.remove(_file(update))
        except OSError:
            pass  # (it never was there)
