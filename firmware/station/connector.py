"""The life of one connector: who may charge, the transaction, the state.
Knows the electrical controller, its meter and the journal; must not know OCPP messages.
Time is an argument: now_s in seconds since 2020, now_ms in ticks for intervals."""

from micropython import const

from firmware.electrical import faults, pilot
from firmware.storage.transactions import Transaction

from . import states

_TICKS = const(0x3FFFFFFF)
_SETTLE_ms = const(1000)  # after boot, at least; and until the pilot's state has been read
_GRACE_ms = const(10000)  # a car may take so long to close S2 before it counts as pausing
_MOMENT_ms = const(10000)
_RECENT_ms = const(3000)  # a tag that is shown again so soon is the same hand at the same reader
_WAKE_POLLS = const(100)  # for a meter's first answer, after it too was without power
_UNKNOWN_ms = const(-1)
_NEVER = const(-1)
_PAUSE = const(8)  # of limits.SOURCES
_STEP_ms = const(1000)  # what one look at a higher limit counts at most: a stall is no evidence
_RISE_Wh_s = const(20)  # at most, of a meter


class Connector:
    """One outlet or cable.

    | attribute  | meaning |
    |---|---|
    | number     | 1..N |
    | state      | of states.py, told when it changes |
    | tx         | the transaction, or None |
    | operative  | in service: a transaction may begin |
    | ending     | a reset is under way: none may begin |
    | lock       | electrical.lock.Lock, or None |
    | parts      | those of electrical/ that must be sure of a plug-in before one begins |
    | proximity  | electrical.proximity.Proximity, or None |
    | kept       | whose cable stays locked (UnlockConnectorOnEVSideDisconnect), or None |
    | resumes    | a transaction that a power cut interrupted goes on, if a car is there |
    | presented  | the plug-and-charge tag has had its turn since the car was plugged in |
    | settings   | value of a configuration key by its name |
    | tag        | the idTag that may start when a car is plugged in, or None |
    | roams      | it named no connector: it goes where the car does |
    | last       | the tag (in lower case) that just began or ended a transaction here, or was seen
      again since, or None |
    | allow_mA   | what the pilot may offer now; 0 unless a transaction runs |
    | limits     | charging.limits.Limits |
    | heat       | what has temperature_dC (electrical.derating), or None |
    | winner, until_s | the profile that decided, and when that may change (Evaluator) |
    | phases    | numberPhases of the profiles in force; 0: none given |
    | other, other_mA | the profile that would limit without it, and to what |
    | on_begin  | called with connector and transaction before it begins; False: it must not |
    | on_stop   | called with connector and transaction before its stop is kept |
    | on_end    | called with the connector when its transaction has ended, or could not begin |"""

    def __init__(self, number, controller, limits, meter, journal):
        self.number = number
        self.controller = controller
        self.limits = limits
        self.meter = meter
        self.state = states.FREE
        self.operative = True
        self.lock = self.proximity = None
        self.parts = ()
        self.tx = None
        self.tag = self.kept = self.last = self.settings = None
        self.roams = False
        self.resumes = True
        self.presented = self.ending = False
        self.heat = None
        self.profile = None  # a RemoteStart's TxProfile, waiting for its transaction
        self.allow_mA = 0
        self._offered = False  # the transaction has had its first offer
        self._offer_ms = 0  # when that was looked at last, and how long after the time before
        self._dt_ms = 0
        self._rise_mA = 0  # the least of what has stood above allow_mA
        self._rise_ms = _UNKNOWN_ms  # for so long
        self._pause_ms = 0  # until energy that was taken away may come back
        self.winner = None
        self.until_s = 0
        self.phases = 0
        self.other = None
        self.other_mA = 0
        self.on_begin = self.on_stop = self.on_end = None
        self._journal = journal
        self._waits = None, 0, 0  # parentIdTag of `tag`; when that was accepted; for so many ms
        self._visit = 0  # Controller.visit when it was accepted
        self._last_ms = 0
        self._finished = _NEVER  # Controller.visit when a transaction ended
        self._stop = None  # (cause, token) of a stop that waits for the current to end
        self._readings = 0  # of the meter, when the contactor opened for that stop,
        self._polls = 0  # and how often it was looked for another since
        self._offered_ms = _UNKNOWN_ms  # since when the car has been offered energy
        self._withheld_ms = _UNKNOWN_ms  # since when it has not, in a transaction
        self._boot_ms = _UNKNOWN_ms
        self._fault = faults.NONE  # what was told last
        self._now_s = 0  # of the latest poll

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
        """The meter's register; in a transaction as if it had always been the same one, and
        never less than what was seen before."""
        tx = self.tx
        return max(tx.seen_Wh, self.meter.energy_Wh + tx.offset_Wh) if tx else self.meter.energy_Wh

    def moved(self, before_Wh, now_Wh):
        """The meter shows another register: `now_Wh`, where `before_Wh` were (None: since boot
        nothing). What goes on from there is the transaction's energy, what lies between is not."""
        tx = self.tx
        if not tx:
            return
        if before_Wh is None:
            passed_s = self._now_s - tx.origin_s
            if passed_s <= 0:  # the clock is not set
                passed_s = 86400
            seen_Wh = tx.seen_Wh - tx.offset_Wh
            if 0 <= now_Wh - seen_Wh <= _RISE_Wh_s * passed_s:
                return
            before_Wh = seen_Wh
        tx.offset_Wh += before_Wh - now_Wh
        self._journal.save(tx)

    def authorised(self, tag, now_ms, for_s, profile=None, parent=None):
        """`tag`, with that parentIdTag, may charge here: the car that is there, or one that comes
        within `for_s` seconds. When that car has gone it counts no more."""
        self.tag = tag
        self.profile = profile
        self._waits = parent, now_ms, for_s * 1000
        self._visit = self.controller.visit
        if self.lock:
            self.lock.release = False

    def take(self, other):
        """The tag that waits at `other`: its car came here. What waits here goes there for it,
        unless it has waited longer."""
        for c in (self, other):
            if not c.same_car(c._visit):
                c.tag = c.profile = None
        older = (self._waits[1] - other._waits[1]) & _TICKS > _TICKS >> 1
        if not other.tag or self.tag and older:
            return
        self.tag, other.tag = other.tag, self.tag
        self.roams, other.roams = True, self.roams
        self.profile, other.profile = other.profile, self.profile
        self._waits, other._waits = other._waits, self._waits
        for c in (self, other):
            c._visit = c.controller.visit
        if self.lock:
            self.lock.release = False

    def resume(self, tx):
        """At boot: go on with a transaction that a power cut interrupted."""
        self.tx = tx

    def stop(self, cause, token=None):
        """End the transaction, for a cause of states.py: the energy first."""
        if self.tx and not self._stop:
            self._stop = (cause, token)
            self._readings = -1

    def wait(self, mA, now_s, now_ms):
        """Of `mA` that it may have it takes nothing yet: what a limit took away does not come back
        before PilotwireMinimumPause. True: that begins or ends in the slots. Before allot()."""
        self._dt_ms = (now_ms - self._offer_ms) & _TICKS
        self._offer_ms = now_ms
        self._pause_ms = max(self._pause_ms - self._dt_ms, 0)
        if not self.tx:
            self._pause_ms = 0
            ended = self.limits.get(_PAUSE) is not None
            self.limits.put(_PAUSE, None)
            return ended
        rest_ms = self._pause_ms - 1000 * self.settings("rise_s")
        if rest_ms <= 0 or not pilot.advertisable_mA(mA):
            return False
        self.limits.put(_PAUSE, 0, now_s + rest_ms // 1000 + 1)  # (the delay is a part of it)
        return True

    def allot(self, mA):
        """Have `mA` allowed: less at once; more when it has stood for PilotwireIncreaseDelay, and
        then the least of that time. The first offer of a transaction does not wait."""
        if not self._offered or mA <= self.allow_mA:
            if pilot.advertisable_mA(self.allow_mA) and not pilot.advertisable_mA(mA):
                self._pause_ms = 1000 * self.settings("pause_s")
            self.allow_mA = mA
            self._rise_ms = _UNKNOWN_ms
            self._offered = self.tx is not None
            return
        if self._rise_ms == _UNKNOWN_ms:
            self._rise_ms = 0
            self._rise_mA = mA
        else:
            self._rise_ms += min(self._dt_ms, _STEP_ms)
            self._rise_mA = min(self._rise_mA, mA)
        if self._rise_ms >= 1000 * self.settings("rise_s"):
            if not self._pause_ms or not pilot.advertisable_mA(self._rise_mA):
                self.allow_mA = self._rise_mA
                self._rise_ms = _UNKNOWN_ms

    def free(self):
        """A transaction could begin here."""
        usable = self.operative and not self.ending and not faults.REACTION[self.controller.fault]
        return usable and not self.tx and not (self.tag and self.same_car(self._visit))

    def again(self, tag, now_ms):
        """`tag` is there: True if it just began or ended a transaction here and was never gone for
        long since."""
        if self.last != tag.lower():
            return False
        self._last_ms = now_ms
        return True

    def stopping(self):
        """Its transaction is to end, and waits for the current to."""
        return self._stop is not None

    def poll(self, now_s, now_ms):
        """Follow the car and the clock; the limit is worked out after it, then the state."""
        self._now_s = now_s
        if self._boot_ms == _UNKNOWN_ms:
            self._boot_ms = now_ms
        settled = self._boot_ms is None
        c = self.controller
        # (behind a fault that keeps the pilot in F, or between its windows, nobody can see a car)
        if (
            not settled
            and (now_ms - self._boot_ms) & _TICKS >= _SETTLE_ms
            and (c.known or faults.REACTION[c.fault])
        ):
            self._boot_ms = None
            settled = True
            if self.tx and not (self.resumes and (self.plugged() or not c.known)):
                self.stop(states.POWER_LOSS)
        if settled:
            if self.tx:
                self._follow_transaction(now_s, now_ms)
            elif self.ending or not self.operative or not self.same_car(self._visit):
                self.tag = self.profile = None
            elif self.lock and self.lock.release and self.plugged():
                self.tag = self.profile = None  # (UnlockConnector, while the lock was closing)
            elif self.tag:
                fault = faults.REACTION[self.controller.fault]
                # (the last reading of a meter that was lost since is where the bill begins)
                read = self.meter.known() or self.meter.readings
                if self.plugged() and not fault and read:
                    # Sure of the plug-in first: its lock holds, the sensor was tested. That takes
                    # seconds, and then it is so, or a fault.
                    if not any([part.busy for part in self.parts]):
                        self._begin(now_s, now_ms)
                elif (now_ms - self._waits[1]) & _TICKS >= self._waits[2]:
                    self.tag = self.profile = None
        if self.last and (now_ms - self._last_ms) & _TICKS >= _RECENT_ms:
            self.last = None
        if not self.plugged():
            self.last = None
        if self.lock:
            keep = not self.settings("unlock_unplugged")
            gone = self.proximity and not self.proximity.plugged
            if self.plugged() or gone or not (keep and self.lock.holds):
                self.kept = None
            self.lock.keep = keep and bool(self.tx or self.kept)

    def changed(self, now_ms):
        """Bring `state` up to date; True when it, or the error beside it, has changed."""
        if self._boot_ms is not None:
            return False
        before, fault = self.state, self._fault
        self.state = self._state(now_ms)
        self._fault = self.controller.fault
        return self.state != before or self._fault != fault

    def _begin(self, now_s, now_ms):
        self.last, self._last_ms = self.tag.lower(), now_ms
        tx = Transaction(
            self._journal.next_number(), self.number, self.tag, now_s, self.energy_Wh()
        )
        tx.group = self._waits[0]
        # Its profile first: one without a transaction is dropped at boot, but a transaction
        # without its profile would go on with more current than was granted.
        if self.on_begin(self, tx) and self._journal.start(tx):
            self.tx = tx
        else:
            self.on_end(self)
        self.tag = self.profile = None

    def _follow_transaction(self, now_s, now_ms):
        c = self.controller
        if c.known and not self.plugged() and self.settings("stop_unplugged"):
            self.stop(states.UNPLUGGED)
        if c.fault in faults.ENDING and not self._stop:
            self.tx.fault = c.fault
            self.stop(states.FAULT)
        if not self._stop or self.controller.closed:
            return
        # What flowed until the contactor opened belongs to the bill: wait for a reading.
        meter = self.meter
        cause = self._stop[0]
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
        tx = self.tx
        tx.stop_s = now_s
        tx.stop_Wh = max(tx.seen_Wh, self.energy_Wh())  # (0 where the meter was never read)
        tx.cause, tx.stop_token = self._stop
        if tx.stop_token:
            self.last, self._last_ms = tx.stop_token.lower(), now_ms
        self.on_stop(self, tx)
        self._journal.stop(tx)
        if self.lock and left:
            self.kept = tx.token
        self.tx = self._stop = None
        # (a car that has come since then is another one's)
        self._finished = self.controller.visit - (left and self.plugged())
        self.on_end(self)

    def _state(self, now_ms):
        c = self.controller
        if faults.REACTION[c.fault]:
            self._offered_ms = _UNKNOWN_ms
            return states.FAULTED
        if not self.tx:
            self._withheld_ms = _UNKNOWN_ms
            if not self.operative:
                return states.OUT_OF_SERVICE
            cable = self.proximity and self.proximity.plugged  # in the socket
            if not self.plugged() and not cable and not self.kept:
                self._finished = _NEVER
                return states.PLUGGED if self.tag else states.FREE
            # It ended with the car that is there or was the last; or after that had left.
            now, then = c.visit, self._finished
            ended = then != _NEVER and now - then <= then & 1
            return states.ENDING if ended and not self.tag else states.PLUGGED
        # What stays while nothing is decided; a transaction is past FREE and ENDING.
        going = states.PLUGGED <= self.state <= states.PAUSED_BY_STATION
        same = self.state if going else states.PLUGGED
        if self._stop:
            return same
        if not self.plugged():
            return states.PAUSED_BY_CAR
        if not c.pilot_mA:
            self._offered_ms = _UNKNOWN_ms
            if self._withheld_ms == _UNKNOWN_ms:
                self._withheld_ms = now_ms
            # What a lock, a self-test or the next tick withholds for a moment is no suspension.
            short = (now_ms - self._withheld_ms) & _TICKS < _MOMENT_ms
            return (
                same
                if short and pilot.advertisable_mA(self.allow_mA)
                else states.PAUSED_BY_STATION
            )
        self._withheld_ms = _UNKNOWN_ms
        if c.closed:
            self._offered_ms = now_ms
            return states.CHARGING
        if self._offered_ms == _UNKNOWN_ms:
            self._offered_ms = now_ms
        if self.state == states.CHARGING or (now_ms - self._offered_ms) & _TICKS >= _GRACE_ms:
            return states.PAUSED_BY_CAR
        return same

    def fault(self):
        """Its fault (electrical/faults.py)."""
        return self.controller.fault
