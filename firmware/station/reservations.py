"""Connectors that are kept free for somebody who is to come. Loaded while there are any."""

import json
import os
from collections import namedtuple
from micropython import const

from firmware.electrical import faults

from . import states

# What reserve() answers.
ACCEPTED = const(0)
_FAULTED = const(1)
_OCCUPIED = const(2)
_REJECTED = const(3)
_UNAVAILABLE = const(4)

_EXPIRED = const("expired")
_MOST_OVER = const(8)

# By `id` for `token`, or another of `group` (None: no other), until `end_s`; connector `number`,
# or 0: whichever it comes to, so that one has to stay free.
Reservation = namedtuple("Reservation", ("id", "number", "token", "group", "end_s"))


class Reservations:
    """Those of a station; `list` is what there is, `over`: [id, was its time over?] of each that
    has ended by itself, until told(). Its file is there while one is; what it has is in force at
    once."""

    def __init__(self, station):
        self._station, self._path = station, station.auth + "/reserved"
        self.list, self.over = [], []
        self._claims = []  # (reservation, connector, the transaction that begins there by it)
        try:
            with open(self._path) as f:
                rows = json.load(f)
            found = [Reservation(*row) for row in rows if len(row) > 2]
            self.over = [row for row in rows if len(row) == 2]
            # (a power cut between the start of a transaction and what it does here)
            begun = [c.tx.reservation for c in station.connectors if c.tx]
            self.list = [r for r in found if r.id not in begun]
            station.reservations = self
        except OSError:
            pass  # there are none
        except (TypeError, ValueError) as e:
            station.log("%s: %r: nothing is reserved" % (self._path, e))

    def bars(self, c, token, group=None):
        """Connector `c` is kept for others than `token`, which is of `group`, if that is known."""
        for r in self.list:
            if r.number == c.number:
                return not _is_for(r, token, group)
        others = len([r for r in self.list if not r.number and not _is_for(r, token, group)])
        return others > 0 and others > len([x for x in self._open() if x is not c])

    def group(self, c):
        """Connector `c` may be kept for a group: whether a token is of it has to be asked."""
        return any([r.group and r.number in (0, c.number) for r in self.list])

    def own(self, token):
        """The number of the connector that is kept for `token`; 0: none."""
        return max([r.number for r in self.list if _is_for(r, token, None)] + [0])

    def _open(self):
        # The connectors that one may still come to who has no connector reserved.
        taken = [r.number for r in self.list]
        return [
            c
            for c in self._station.connectors
            if c.free() and not c.plugged() and c.number not in taken
        ]

    def claim(self, c, tx):
        """`tx` is about to begin on connector `c`: it has the id of the reservation by which it
        does. When it has begun that is over (poll)."""
        for r in self.list:
            if r.number in (0, c.number) and _is_for(r, tx.token, tx.group):
                tx.reservation = r.id
                self._claims.append((r, c, tx))
                return

    def reserve(self, r):
        """Keep a connector by Reservation `r`, in place of another with its id. One of the answers
        above; durable when it is ACCEPTED."""
        station = self._station
        others = [one for one in self.list if one.id != r.id]
        known = 0 <= r.number <= len(station.connectors)
        if not known or not station.clock.known() or r.end_s <= station.clock.now():
            return _REJECTED
        answers = [self._answer(c, others) for c in station.connectors]
        usable = answers.count(ACCEPTED)
        roaming = len([one for one in others if not one.number])
        if r.number and answers[r.number - 1]:
            return answers[r.number - 1]
        if usable <= roaming:  # (they need those that are left)
            same = usable == 0 and answers.count(answers[0]) == len(answers)
            return answers[0] if same else _OCCUPIED
        self.over = [one for one in self.over if one[0] != r.id]
        if not self._keep(others + [r]):
            return _REJECTED
        station.reservations = self
        return ACCEPTED

    def _answer(self, c, others):
        # As reserve() of connector `c` alone.
        if not c.settled() or c.ending:
            return _REJECTED
        if c.state == states.FAULTED or faults.REACTION[c.controller.fault]:
            return _FAULTED
        if c.state == states.OUT_OF_SERVICE or not c.operative:
            return _UNAVAILABLE
        reserved = [one for one in others if one.number == c.number]
        free = c.free() and c.state in (states.FREE, states.RESERVED)
        return ACCEPTED if free and not c.plugged() and not reserved else _OCCUPIED

    def cancel(self, number):
        """False: there is none with that id, or the flash refused."""
        left = [r for r in self.list if r.id != number]
        return len(left) < len(self.list) and self._keep(left)

    def poll(self, now_s):
        """End what is over; call with Station.poll."""
        station = self._station
        now_s = now_s if station.clock.known() else station.clock.least_s()
        used = [r for r, c, tx in self._claims if c.tx is tx]
        self._claims.clear()
        left = []
        for r in self.list:
            over = self._over(r, now_s)
            why = over or (r in used and "its transaction has begun")
            if why:
                station.log("reservation %d: %s" % (r.id, why))
                if over:
                    self.over = self.over[1 - _MOST_OVER :] + [[r.id, over == _EXPIRED]]
                    station.notify()
            else:
                left.append(r)
        if len(left) < len(self.list):
            self._keep(left)
            self.list = left  # (whatever the flash says)
        for c in station.connectors:
            c.reserved = bool(left) and c.free() and self.bars(c, None)
        if not left and not self.over:
            station.reservations = None

    def told(self, one):
        """That of `over` is."""
        if one in self.over:
            self.over.remove(one)
            self._keep(self.list)

    def _over(self, r, now_s):
        if now_s >= r.end_s:
            return _EXPIRED
        c = r.number and self._station.connectors[r.number - 1]
        if c and c.settled() and c.state in (states.FAULTED, states.OUT_OF_SERVICE):
            return "its connector cannot be used"
        if not c and not self._station.kept.in_service():
            return "out of service"
        return None

    def _keep(self, reservations):
        # `list` is `reservations`, durably. False: the flash refused.
        try:
            rows = list(map(list, reservations)) + self.over
            if rows:
                with open(self._path, "w") as f:
                    json.dump(rows, f)
            else:
                os.remove(self._path)
        except OSError as e:
            self._station.log("%s: %s" % (self._path, e))
            return False
        self.list = reservations
        return True


def _is_for(r, token, group):
    same = token is not None and token.lower() == r.token.lower()
    return same or bool(group) and group == r.group
