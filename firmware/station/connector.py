"""The life of one connector: who may charge, the transaction, the state.
Knows the electrical controller, its meter and the journal; must not know OCPP messages.
Time is an argument: now_s in seconds since 2020, now_ms in ticks for intervals."""

from micropython import const

from firmware.electrical import faults, pilot
from firmware.storage.transactions import Transaction

from . import states

_TICKS = const(0x3FFFFFFF)
_SETTLE_ms = const(1000)  # after boot, at least; and until the pilot's state has been read
_RECENT_ms = const(3000)  # a tag that is shown again so soon is the same hand at the same reader
_WAKE_POLLS = const(100)  # for a meter's first answer, after it too was without power
_UNKNOWN_ms = const(-1)
_AUTHORISED = const(3)  # of storage/journal.py
_STATE = const(4)  # behind it: limit


class Connector:
    """One outlet or cable.

    | number     | 1..N |
    | state      | of states.py, told when it changes |
    | tx         | the transaction, or None |
    | resumed    | that which went on at boot, or None |
    | waits      | states.Ask: who may start one when a car is plugged in, or None |
    | operative  | in service: a transaction may begin |
    | ending     | a reset is under way: none may begin |
    | reserved   | it is kept for somebody who is to come |
    | lock, proximity | of electrical/, or None |
    | parts      | those that must be sure of a plug-in before one begins |
    | heat       | what has temperature_dC (electrical.derating), or None |
    | cable_of   | whose cable stays locked (setting unlock_unplugged), or None |
    | resumes    | a transaction that a power cut interrupted goes on, if a car is there |
    | presented  | the plug-and-charge tag has had its turn since the car was plugged in |
    | last       | the tag (in lower case) that just began or ended a transaction here, or was seen
      again since, or None |
    | allow_mA   | what the pilot may offer now; 0 unless a transaction runs |
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
        self.tx = self.resumed = self.waits = self.cable_of = self.last = None
        self.presented = self.ending = self.reserved = False
        self.winner = self.other = None
        self.allow_mA = self.until_s = self.phases = self.other_mA = 0
        self._journal = journal
        self._stop = None  # (cause, token) of a stop that waits for the current to end
        self._readings = 0  # of the meter, when the contactor opened for that stop,
        self._polls = 0  # and how often it was looked for another since
        self._boot_ms = _UNKNOWN_ms
        self._last_ms = self._now_s = 0  # (_now_s: of the latest poll)
        self._noted = ()  # state and limit that the journal has of the transaction

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
            self._journal.save(self.tx)

    def stop(self, cause, token=None):
        """End the transaction, for a cause of states.py: the energy first."""
        if self.tx and not self._stop:
            self._stop = (cause, token)
            self._readings = -1

    def stopping(self):
        """Its transaction is to end, and waits for the current to."""
        return self._stop is not None

    def free(self):
        """A transaction could begin here."""
        usable = self.operative and not self.ending and not faults.REACTION[self.controller.fault]
        return usable and not self.tx and not (self.waits and self.same_car(self.waits.visit))

    def again(self, tag, now_ms):
        """`tag` is there: True if it began or ended a transaction here and never left since."""
        if self.last != tag.lower():
            return False
        self._last_ms = now_ms
        return True

    def poll(self, now_s, now_ms, owner):
        """Follow the car and the clock; the limit is worked out after it, then the state. `owner`
        (Station) hears of a transaction: began(), stopped(), ended()."""
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
        if self.settled() and self.tx:
            self._follow_transaction(now_s, now_ms, owner)
        elif self.settled() and self.waits:
            self._follow_waiting(now_s, now_ms, owner)
        if not self.plugged() or (now_ms - self._last_ms) & _TICKS >= _RECENT_ms:
            self.last = None
        if self.lock:
            keep = not self.settings("unlock_unplugged")
            gone = self.proximity and not self.proximity.plugged
            if self.plugged() or gone or not (keep and self.lock.holds):
                self.cable_of = None
            self.lock.keep = keep and bool(self.tx or self.cable_of)

    def _follow_waiting(self, now_s, now_ms, owner):
        ask, lock = self.waits, self.lock
        # (the last reading of a meter that was lost since is where the bill begins)
        read = self.meter.known() or self.meter.readings
        if self.ending or not self.operative or not self.same_car(ask.visit):
            self.waits = None
        elif lock and lock.release and self.plugged():
            self.waits = None  # (somebody unlocked it, while the lock was closing)
        elif self.plugged() and not faults.REACTION[self.controller.fault] and read:
            # Sure of the plug-in first: it is locked, the sensor was tested; or there is a fault.
            busy = any([part.busy for part in self.parts])
            # (The fault once more: a test may have failed in between.)
            if not busy and not faults.REACTION[self.controller.fault]:
                self._begin(ask, now_s, now_ms, owner)
        elif (now_ms - ask.ticks_ms) & _TICKS >= 1000 * ask.wait_s:
            self.waits = None

    def _begin(self, ask, now_s, now_ms, owner):
        self.last, self._last_ms = ask.token.lower(), now_ms
        number = self._journal.next_number()
        tx = Transaction(number, self.number, ask.token, now_s, self.energy_Wh())
        tx.group = ask.group
        # Its profile first: one without a transaction is dropped at boot, but a transaction
        # without its profile would go on with more current than was granted.
        if owner.began(self, tx) and self._journal.start(tx):
            self.tx, self._noted = tx, ()
            self._journal.note(tx, _AUTHORISED, now_s)
        else:
            owner.ended(self)
        self.waits = None

    def _follow_transaction(self, now_s, now_ms, owner):
        c = self.controller
        if self._journal.wanted and self.state and not self._stop:  # (FREE: not known yet)
            before, self._noted = self._noted, (self.state, self.allow_mA)
            for i, value in enumerate(self._noted):
                if not before or value != before[i]:
                    self._journal.note(self.tx, _STATE + i, now_s, value)
        if c.known and not self.plugged() and self.settings("stop_unplugged"):
            self.stop(states.UNPLUGGED)
        fault = c.fault  # (once: the tick goes on meanwhile)
        if (fault in faults.ENDING or fault == faults.INTERLOCK) and not self._stop:
            self.tx.fault = fault
            self.stop(states.INTERLOCK if fault == faults.INTERLOCK else states.FAULT)
        if not self._stop or c.closed or self.allow_mA:  # (a tick could close it still)
            return
        # What flowed until the contactor opened belongs to the bill: wait for a reading.
        tx, meter = self.tx, self.meter
        cause, token = self._stop
        left = cause == states.UNPLUGGED or cause == states.POWER_LOSS and not self.plugged()
        if self._readings < 0:
            self._readings = meter.readings
            self._polls = 0
            if self.lock and not left:
                self.lock.release = True  # (5.11, 5.12: stop, and unlock)
        if self._readings == meter.readings:
            self._polls += 1  # (not by the clock: in a stall it was not asked)
            if meter.known() or not meter.readings and self._polls <= _WAKE_POLLS:
                return
        tx.stop_s, tx.cause, tx.stop_token = now_s, cause, token
        tx.stop_Wh = max(tx.seen_Wh, self.energy_Wh())  # (0 where the meter was never read)
        if token:
            self.last, self._last_ms = token.lower(), now_ms
        owner.stopped(self, tx)
        self._journal.stop(tx)
        if self.lock and left:
            self.cable_of = tx.token
        self.tx = self._stop = None
        # (a car that has come since then is another one's)
        self.shown.finished = c.visit - (left and c.visit & 1)
        owner.ended(self)
