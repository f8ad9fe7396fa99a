"""The electrical side of one connector as a pure state machine: readings and a permission in,
pilot and contactor out. Every timing rule of IEC 61851-1 lives here (docs/electrical.md 3: seq.).
Time is an argument in ticks (2**30 ms period); a tick allocates nothing.

A part watches or drives one thing beside the pilot (residual.py, lock.py, ...). It has
  tick(dt_ms, c)  called in every tick of the controller, before it decides
  fault           of faults.py
  busy            no energy may be offered now
  ready           the contactor may close as far as the part is concerned
Its inputs are attributes that a driver sets before the tick, its outputs are read after it."""

from micropython import const

from . import faults, pilot

_TICKS = const(0x3FFFFFFF)
_LONG_ms = const(600000)  # timers stop counting here

# The contactor opens after two readings in a row that are not C (look()), or two ticks: with its
# own 25 ms that is in time (seq. 7). They need not agree, or a pilot that wavers between A and B
# would keep it closed. The state itself is left later, after this or three ticks, and what it is
# instead two in a row have to say: what is loose for a moment is no unplugged car.
_LEAVE_ms = const(50)
_STABLE_C_ms = const(500)  # cars pulse through C: close only after this (a BMW iX3: 250 ms)
_MIN_OFF_ms = const(5000)  # contactor open at least this long
_AGAIN_ms = const(15)  # a second look comes so much after its tick has begun, at most
_POWER_CUT_ms = const(10000)  # the same after a power cut
_BOOT_ms = const(1000)  # X1 before anything is offered
_TEST_F_ms = const(100)  # the self-test of the pilot's driver
_TESTS = const(3)  # in vain
_TESTED = const(0)
_UNTESTED = const(1)
_TESTING = const(2)
_CLOSE_ms = const(2000)  # what is offered in C must close within 3 s (seq. 4)
_OBEY_X1_ms = const(6000)  # a car that ignores X1 is cut off under load, not before (seq. 10.2)
_OBEY_5_ms = const(5000)  # (faults.STOP_5)
_DUTY_ms = const(5000)  # more comes so long after a change (seq. 6)
_DIODE_READINGS = const(3)  # consecutive readings that prove or disprove the diode
_RANGE_ms = const(1000)  # between the windows of the states, or back in one
_CHATTER_ms = const(30000)  # nothing is offered so long after D or E
_SLEEP_ms = const(30000)  # in B2, until a car is woken once: F, X1, PWM
# State F, a tick longer than the standard wants it: the pin moves after the tick that decides, by
# more in one than in another.
_FAULT_F_ms = const(325)  # after a fault
_WAKE_F_ms = const(4025)
_WAKE_X1_ms = const(750)
_SIMPLE_mA = const(10000)  # for a car that was plugged in with S2 closed (seq. 1.2)


class _Car:
    """What the pilot's levels say of the car; the attributes are Controller's."""

    def __init__(self):
        self.state = pilot.A
        self.known = self.ventilation = False
        self.visit = self.pilot_mA = 0
        self._draw = pilot.Draw()
        self._seen = pilot.A  # the state of the latest reading, and since when; -1: none
        self._seen_ms = 0
        self.other = self._other_ms = 0  # readings in a row that were not `state`, and since when
        self._next = pilot.A  # the latest of them
        self._simple = False  # the car came with S2 closed
        self._proof = 0  # readings in a row: > 0 the diode is there, < 0 it is not
        self._diode = False  # it was disproved: that stays until the car has gone
        self._range = False  # readings lie between the windows
        self._range_ms = 0  # since that is about to change
        self._chatter_ms = 0  # left
        self._broken = False  # the pilot's driver cannot make F
        self._woken = False  # the car was, since it is plugged in

    def _serves(self, state):
        return state == pilot.C or state == pilot.D and self.ventilation

    def _read_state(self, high_mV, dt):
        s = pilot.state(high_mV, self.state)
        clear = pilot.clear(high_mV)
        seen = s if clear else -1
        dt_ms = min(dt, _LEAVE_ms)  # (a stall is no evidence)
        self._seen_ms = min(self._seen_ms + dt_ms, _LONG_ms) if seen == self._seen else 0
        self._seen = seen
        self._range_ms = self._range_ms + dt_ms if clear == self._range else 0
        if self._range_ms >= _RANGE_ms:
            self._range = not clear
            self._range_ms = 0
        if s == self.state:
            self.known = self.known or self._seen_ms >= _LEAVE_ms
            self.other = self._other_ms = 0
            return
        alike = self.other and s == self._next
        self._next = s
        self._other_ms = min(self._other_ms + dt, _LONG_ms) if self.other else 0
        self.other += 1
        if alike and (self.other > 2 or self._other_ms >= _LEAVE_ms):
            self._simple = s > pilot.B and (self._simple or self.known and self.state == pilot.A)
            self.known = True
            if s == pilot.A or self.state == pilot.A:
                self.visit += 1
                self._draw.count(_DUTY_ms)  # (a car that comes was told nothing before)
            self.state = s
            self.other = self._other_ms = 0

    def _check(self, low_mV):
        # Every fault seen here but the driver's is the car's or the cable's.
        if self.pilot_mA == 0:
            self._proof = 0  # there is no low phase to see
        elif low_mV > pilot.DIODE_mV:
            self._proof = max(min(self._proof, 0) - 1, -_DIODE_READINGS)
        else:
            self._proof = min(max(self._proof, 0) + 1, _DIODE_READINGS)
        asks = self.state == pilot.D and not self.ventilation
        if self.state == pilot.A:
            self._diode = self._woken = False
            self._chatter_ms = 0
        elif self._proof == -_DIODE_READINGS and self.state != pilot.E:
            self._diode = True
        if asks or self.state == pilot.E:
            self._chatter_ms = _CHATTER_ms
        if self.state == pilot.E:
            return faults.PILOT_SHORT
        if self._diode:
            return faults.DIODE
        if asks:
            return faults.VENTILATION
        return faults.PILOT_RANGE if self._range or self._broken else faults.NONE


class Controller(_Car):
    """tick() sets the outputs; the attributes may be read at any time.

    | state       | pilot.A .. pilot.E, debounced; in state F the last one known |
    | known       | `state` was read since boot, and more than once: not in state F |
    | other       | ticks in a row whose reading was not `state` |
    | visit       | rises when a car is plugged in, and when it is unplugged: odd with a car |
    | duty_u16    | output: duty of the pilot; pilot.STEADY is X1, pilot.FAULT is F |
    | pilot_mA    | output: what that advertises; 0: nothing is offered |
    | closed      | output: contactor |
    | fault       | the gravest of its own and its parts' (faults.py), or faults.NONE |
    | may_draw_mA | the most that a compliant car may be drawing now, or in the next moment |
    | parts       | tuple of what is beside the pilot |
    | delay_ms    | input: offer nothing so long; counts down |
    | ventilation | input: state D may be served |
    | wake        | input: a car that sleeps in B2 is woken, once a plug-in |
    | bench       | input: bench.Bench, which has the outputs while it lasts, or None |"""

    def __init__(self, parts=(), power_cut=False, self_test=False):
        """power_cut: the reset was one, or nobody knows; self_test: drive F for 100 ms at boot
        when no car is there, and measure it."""
        super().__init__()
        self.parts = parts
        self.duty_u16 = pilot.STEADY
        self.closed = False
        self.fault = faults.NONE
        self.may_draw_mA = self.delay_ms = 0
        self.wake = True
        self.bench = None
        self._last_ms = None
        self._duty_ms = _LONG_ms  # since the duty changed
        self._off_ms = _POWER_CUT_ms if power_cut else _MIN_OFF_ms  # left to stay open
        self._f_ms = 0  # of state F left
        self._x1_ms = _BOOT_ms  # of X1 left, after that
        self._test = _UNTESTED if self_test else _TESTED
        self._failures = 0
        self._b2_ms = 0  # since an offer that the car has not answered; -1: it has

    def tick(self, now_ms, high_mV, low_mV, allow_mA):
        """One step: `high_mV`, `low_mV` are the pilot's levels as of now; `allow_mA` is what the
        car may draw per phase (0: no energy)."""
        dt = 0 if self._last_ms is None else (now_ms - self._last_ms) & _TICKS
        self._last_ms = now_ms
        self._count(dt)
        if self.duty_u16 != pilot.FAULT:  # in state F nothing is known of the car
            self._read_state(high_mV, dt)
        if self._test:
            self._self_test(high_mV)
        fault = self._check(low_mV)
        busy = self.delay_ms or self._chatter_ms
        ready = True
        for part in self.parts:
            part.tick(dt, self)
            if part.fault and (part.fault < fault or not fault):
                fault = part.fault
            busy = busy or part.busy
            ready = ready and part.ready
        reaction = faults.REACTION[fault]
        if reaction == faults.OPEN_F and (fault < self.fault or not self.fault):
            self._f_ms = _FAULT_F_ms
            self._x1_ms = 0
        self.fault = fault
        offer = 0
        # Energy is offered to a car in C only if it comes in time. A car in B may be offered it
        # sooner: a lock waits for C, but a contactor that has long to rest would make it wait.
        if self.state == pilot.B:
            could = self.pilot_mA or self._off_ms <= _CLOSE_ms
        else:
            could = self.closed or ready and self._off_ms <= _CLOSE_ms
            could = could and self._serves(self.state)
        # What an open contactor's car was told is nobody's share: an offer that begins anew waits
        # until that is forgotten where it was more. (To wake it is no offer yet.)
        again = self.pilot_mA or self.closed or self._f_ms
        could = could and (again or self._draw.most_mA(0) <= allow_mA)
        if reaction == faults.REPORT and not busy and could and not self.bench:
            offer = min(allow_mA, _SIMPLE_mA) if self._simple else allow_mA
        self._drive_pilot(offer, dt)
        self._drive_contactor(reaction, ready)
        draws = self.pilot_mA or self.closed
        self.may_draw_mA = self._draw.most_mA(self.pilot_mA) if draws else 0
        if self.bench:
            self.bench.drive(self, dt)

    def look(self, high_mV):
        """One more reading within a tick, of a car that may have left C: has it?"""
        s = pilot.state(high_mV, self.state)
        if s != self.state and not self._serves(s):
            self._open()
            self._off_ms += _AGAIN_ms

    def _open(self):
        self.closed = False
        self._off_ms = _MIN_OFF_ms

    def reset(self):
        """A person clears the latched faults; True if that was possible: no car, contactor open,
        not welded nor tripped still.
        (With a welded contactor F stays, and nobody knows whether there is a car.)"""
        if self.closed or self.state != pilot.A and self.fault != faults.WELDED:
            return False
        asked = [part.reset() for part in self.parts if hasattr(part, "reset")]
        return False not in asked

    def _count(self, dt):
        self._duty_ms = min(self._duty_ms + dt, _LONG_ms)
        self._draw.count(dt)
        self._off_ms = self._off_ms and max(self._off_ms - dt, 0)
        self.delay_ms = self.delay_ms and max(self.delay_ms - dt, 0)
        self._chatter_ms = self._chatter_ms and max(self._chatter_ms - dt, 0)
        if self._f_ms:
            self._f_ms = max(self._f_ms - dt, 0)
        elif self._x1_ms:
            self._x1_ms = max(self._x1_ms - dt, 0)

    def _self_test(self, high_mV):
        if self._test == _TESTING:
            if not self._f_ms:
                wrong = high_mV > pilot.DIODE_mV
                self._failures += wrong
                self._broken = self._failures == _TESTS
                self._test = _UNTESTED if wrong and not self._broken else _TESTED
        elif self.known and self.state == pilot.A and not self._x1_ms and not self._f_ms:
            self._test = _TESTING
            self._f_ms = _TEST_F_ms

    def _sleeps(self, offer_mA, dt):
        # A car that has answered this offer with C, and went back to B, does not want more.
        if not offer_mA:
            self._b2_ms = 0
        elif self._serves(self.state):
            self._b2_ms = -1
        elif self.pilot_mA and self._b2_ms >= 0:
            self._b2_ms = min(self._b2_ms + dt, _LONG_ms)
        return self.wake and not self._woken and self._b2_ms >= _SLEEP_ms

    def _drive_pilot(self, offer_mA, dt):
        if self._sleeps(offer_mA, dt):
            self._woken = True
            self._f_ms, self._x1_ms = _WAKE_F_ms, _WAKE_X1_ms
        elif self._x1_ms and not offer_mA and self._f_ms <= _WAKE_F_ms - _FAULT_F_ms:
            self._f_ms = 0  # there is nothing to wake the car for
        duty = pilot.STEADY
        if self._f_ms or self.fault == faults.WELDED:
            duty = pilot.FAULT
        elif not self._x1_ms:
            duty = pilot.duty_u16(offer_mA)
        if duty == self.duty_u16:
            return
        offered = duty != pilot.STEADY and duty != pilot.FAULT
        if offered and 0 < self.pilot_mA < offer_mA and self._duty_ms < _DUTY_ms:
            return  # (more has to wait; less, or nothing, never does)
        if self.pilot_mA:
            self._draw.was(self.pilot_mA)
        self.duty_u16 = duty
        self.pilot_mA = pilot.advertisable_mA(offer_mA) if offered else 0
        self._duty_ms = 0

    def _drive_contactor(self, reaction, ready):
        if self.closed:
            obey_ms = _OBEY_5_ms if reaction == faults.STOP_5 else _OBEY_X1_ms
            ignores = not self.pilot_mA and self._duty_ms >= obey_ms
            # (in bench mode it closes again, as long as that lasts)
            ignores = ignores or self.bench
            left = self.other > 1 and not self._serves(self._next)
            if left or not self._serves(self.state) or reaction >= faults.OPEN or ignores:
                self._open()
        elif ready and self.pilot_mA and self._serves(self.state) and not self._off_ms:
            stable = self.state == self._seen and self._seen_ms >= _STABLE_C_ms
            self.closed = stable and self._proof == _DIODE_READINGS
