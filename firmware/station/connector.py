"""The life of one connector: who may charge, the state; its transaction is in course.py.
Knows the electrical controller, its meter and the journal; must not know OCPP messages.
Time is an argument: now_s in seconds since 2020, now_ms in ticks for intervals."""

from micropython import const

from firmware import lazy
from firmware.electrical import faults, pilot

from . import states

_TICKS = const(0x3FFFFFFF)
_SETTLE_ms = const(1000)  # after boot, at least; and until the pilot's state has been read
_RECENT_ms = const(3000)  # a tag that is shown again so soon is the same hand at the same reader
_UNKNOWN_ms = const(-1)


class Connector:
    """One outlet or cable.

    | number     | 1..N |
    | state      | of states.py, told when it changes |
    | tx, course | the transaction, and its Course; or None |
    | journal    | storage.journal.Journal |
    | came       | Controller.visit when a car was last looked at, whether it begins one |
    | resumed    | that which went on at boot, or None |
    | waits      | states.Ask: who may start one when a car is plugged in, or None |
    | operative  | in service: a transaction may begin |
    | ending     | none may begin: a reset is under way; 2: an update waits, which is told |
    | reserved   | it is kept for somebody who is to come |
    | lock, proximity | of electrical/, or None |
    | parts      | those that must be sure of a plug-in before one begins |
    | heat       | what has temperature_dC (electrical.derating), or None |
    | cable_of   | whose cable stays locked (setting unlock_unplugged), or None |
    | resumes    | a transaction that a power cut interrupted goes on, if a car is there |
    | presented  | the plug-and-charge tag has had its turn since the car was plugged in |
    | last       | the tag (in lower case) that just began or ended a transaction here, or was seen
      again since, or None |
    | allow_mA   | what the pilot may offer now; 0 unless one runs, with a token |
    | limits     | charging.limits.Limits |
    | shown      | states.Shown |
    | winner, until_s | the profile that decided, and when that may change (Evaluator) |
    | phases     | as many as the profiles in force say; 0: they do not |
    | other, other_mA | the profile that would limit without it, and to what |"""

    def __init__(self, number, outlet, limits, journal, settings, resumes=True):
        """`outlet`: what has controller, meter and parts; `settings`: a setting by its name."""
        self.number, self.limits, self.settings = number, limits, settings
        self.controller, self.meter = outlet.controller, outlet.meter
        self.lock, self.proximity, self.heat = outlet.lock, outlet.proximity, outlet.derating
        self.parts = [part for part in (self.proximity, outlet.residual, self.lock) if part]
        self.resumes, self.operative = resumes, True
        self.state, self.shown = states.FREE, states.Shown()
        self.tx = self.course = self.resumed = self.waits = self.cable_of = self.last = None
        self.presented = self.ending = self.reserved = False
        self.winner = self.other = None
        self.allow_mA = self.until_s = self.phases = self.other_mA = 0
        self.journal, self.came = journal, 0
        self._boot_ms = _UNKNOWN_ms
        self._last_ms = self._now_s = 0  # (_now_s: of the latest poll)

    def settled(self):
        """`state` says what is there: the pilot was read, or a fault forbids it."""
        return self._boot_ms is None

    def plugged(self):
        """A car is there, as far as the pilot says."""
        return self.controller.state != pilot.A

    def same_car(self, visit):
        """What came at `visit` (of the controller) is for the car that is there now, or for the
        next one: a car was there then and has not left, or none was and no other has come."""
        now = self.controller.visit
        return now == visit or now == visit + 1 and not visit & 1

    def energy_Wh(self):
        """The meter's register; in a transaction as if it were one register that never falls."""
        tx = self.tx
        return max(tx.seen_Wh, self.meter.energy_Wh + tx.offset_Wh) if tx else self.meter.energy_Wh

    def moved(self, before_Wh, now_Wh):
        """The meter shows another register (Transaction.moved)."""
        if self.tx and self.tx.moved(before_Wh, now_Wh, self._now_s):
            self.journal.save(self.tx)

    def claim(self):
        """Its transaction, if that has got a token; or None."""
        return self.tx if self.tx and self.tx.kind >= 0 else None

    def run(self, tx, state=None):
        """`tx` runs here from now on, of which `state` is known already (Course)."""
        self.tx, self.course = tx, lazy.load("station.course").Course(self, tx, state)

    def stop(self, cause, token=None, kind=0):
        """End the transaction, for a cause of states.py, by a token of a kind: energy first."""
        if self.course:
            self.course.stop(cause, token, kind)

    def stopping(self):
        """Its transaction is to end, and waits for the current to."""
        return self.course is not None and self.course.ending is not None

    def free(self):
        """A token could begin a transaction here, or charge in that of the car alone."""
        usable = self.operative and not self.ending and not faults.REACTION[self.controller.fault]
        usable = usable and not self.claim() and not self.stopping()
        return usable and not (self.waits and self.same_car(self.waits.visit))

    def shows(self, tag, now_ms):
        """`tag` begins or ends a transaction here, now: see again()."""
        self.last, self._last_ms = tag.lower(), now_ms

    def again(self, tag, now_ms):
        """`tag` is there: True if it began or ended a transaction here and never left since."""
        if self.last != tag.lower():
            return False
        self._last_ms = now_ms
        return True

    def poll(self, now_s, now_ms, owner):
        """Follow the car and the clock; the limit is worked out after it, then the state. `owner`
        (Station) hears of a transaction: stopped(), ended(); and notify()."""
        self._now_s = now_s
        if self._boot_ms == _UNKNOWN_ms:
            self._boot_ms = now_ms
        c = self.controller
        # (behind a fault that keeps the pilot in F, or between its windows, nobody can see a car)
        seen = c.known or faults.REACTION[c.fault]
        if seen and not self.settled() and (now_ms - self._boot_ms) & _TICKS >= _SETTLE_ms:
            self._boot_ms = None
            if self.tx and not (self.resumes and (not c.known or self.plugged())):
                self.stop(states.POWER_LOSS)
        if self.settled():
            if self.course:
                self.course.follow(now_s, now_ms, owner)
            if self.waits:
                self._follow_waiting(now_s, now_ms, owner)
            elif self.came != c.visit and not self.tx and c.known:
                self._follow_car(now_s, owner)
        if not self.plugged() or (now_ms - self._last_ms) & _TICKS >= _RECENT_ms:
            self.last = None
        if self.lock:
            keep = not self.settings("unlock_unplugged")
            gone = self.proximity and not self.proximity.plugged
            if self.plugged() or gone or not (keep and self.lock.holds):
                self.cable_of = None
            self.lock.keep = keep and bool(self.claim() or self.cable_of)

    def _usable(self, owner):
        # Nothing is in the way of a transaction. (The last reading of a meter that was lost since
        # is where the bill begins.)
        read = self.meter.known() or self.meter.readings
        return read and not faults.REACTION[self.controller.fault] and owner.may_begin()

    def _follow_waiting(self, now_s, now_ms, owner):
        ask, lock = self.waits, self.lock
        if self.ending or not self.operative or not self.same_car(ask.visit):
            self.waits = None
        elif lock and lock.release and self.plugged():
            self.waits = None  # (somebody unlocked it, while the lock was closing)
        elif (self.plugged() or ask.begins) and self._usable(owner):
            # Sure of the plug-in first: it is locked, the sensor was tested; or there is a fault.
            busy = self.plugged() and any([part.busy for part in self.parts])
            # (The fault once more: a test may have failed in between.)
            if not busy and not faults.REACTION[self.controller.fault]:
                lazy.load("station.points").token(self, ask, now_s, now_ms, owner)
                self.waits = None
        elif (now_ms - ask.ticks_ms) & _TICKS >= 1000 * ask.wait_s:
            self.waits = None

    def _follow_car(self, now_s, owner):
        # Another one is there, or one has left.
        waits = self.plugged() and not (self._usable(owner) and self.operative)
        if not waits and not self.ending:
            self.came = self.controller.visit
            if self.plugged():
                lazy.load("station.points").car(self, now_s, owner)
