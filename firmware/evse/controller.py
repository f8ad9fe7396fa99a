# The electrical side of one connector as a pure state machine: readings and a permission in,
# pilot and contactor out. Every timing rule of IEC 61851-1 lives here (evse.md 1.4).
# Time is an argument in ticks (2**30 ms period); a tick allocates nothing.

from micropython import const

from . import faults, pilot

_TICKS = const(0x3FFFFFFF)
_LONG_ms = const(600000)  # timers stop counting here

# A state is left after two other readings this far apart, or three; they need not agree, or a
# pilot that wavers between A and B would keep the contactor closed.
_LEAVE_ms = const(50)
_STABLE_C_ms = const(500)  # cars pulse through C: close only after this (a BMW iX3: 250 ms)
_MIN_OFF_ms = const(5000)  # contactor open at least this long
_OBEY_X1_ms = const(6000)  # a car that ignores X1 is cut off under load, not before (seq. 10.2)
_DUTY_ms = const(5000)  # between duty changes; the car has as long to follow (seq. 6)
_DIODE_READINGS = const(3)  # consecutive readings that prove or disprove the diode


class Controller:
    """tick() sets the outputs; the attributes may be read at any time.

    | attribute   | meaning |
    |---|---|
    | state       | pilot.A .. pilot.E, debounced |
    | duty_u16    | output: duty of the pilot; pilot.STEADY is X1 |
    | pilot_mA    | output: what that advertises; 0: nothing is offered |
    | closed      | output: contactor |
    | fault       | faults.NONE or the fault that forbids charging |
    | may_draw_mA | the most that a compliant car may be drawing now, or in the next moment |
    """

    def __init__(self):
        self.state = pilot.A
        self.duty_u16 = pilot.STEADY
        self.pilot_mA = 0
        self.closed = False
        self.fault = faults.NONE
        self.may_draw_mA = 0
        self._last_ms = None
        self._seen = pilot.A  # the state of the latest reading, and since when
        self._seen_ms = 0
        self._other = 0  # readings in a row that were not `state`, and since when
        self._other_ms = 0
        self._duty_ms = _LONG_ms  # since the duty changed
        self._before_mA = 0  # what the car might draw before that
        self._off_ms = 0  # since the contactor opened: at boot nobody knows, so it waits
        self._proof = 0  # readings in a row: > 0 the diode is there, < 0 it is not

    def tick(self, now_ms, high_mV, low_mV, allow_mA):
        """One step: `high_mV`, `low_mV` are the pilot's levels as of now; `allow_mA` is what the
        car may draw per phase (0: no energy)."""
        dt = 0 if self._last_ms is None else (now_ms - self._last_ms) & _TICKS
        self._last_ms = now_ms
        self._off_ms = min(self._off_ms + dt, _LONG_ms)
        self._duty_ms = min(self._duty_ms + dt, _LONG_ms)
        self._read_state(high_mV, dt)
        self._check(low_mV)
        offer = allow_mA if self.fault == faults.NONE and pilot.B <= self.state <= pilot.C else 0
        self._drive_pilot(pilot.duty_u16(offer), offer)
        self._drive_contactor()
        draw = self.pilot_mA
        if self._duty_ms < _DUTY_ms and self._before_mA > draw:
            draw = self._before_mA
        self.may_draw_mA = draw if self.pilot_mA or self.closed else 0

    def _read_state(self, high_mV, dt):
        s = pilot.state(high_mV, self.state)
        self._seen_ms = min(self._seen_ms + dt, _LONG_ms) if s == self._seen else 0
        self._seen = s
        if s == self.state:
            self._other = self._other_ms = 0
            return
        if self._other:
            self._other_ms += dt
        self._other += 1
        if self._other == 3 or self._other_ms >= _LEAVE_ms:
            self.state = s
            self._other = self._other_ms = 0

    def _check(self, low_mV):
        if self.duty_u16 == pilot.STEADY:
            self._proof = 0  # there is no low phase to see
        elif low_mV > pilot.DIODE_mV:
            self._proof = min(self._proof, 0) - 1
        else:
            self._proof = max(self._proof, 0) + 1
        self._proof = max(-_DIODE_READINGS, min(self._proof, _DIODE_READINGS))
        if self.state == pilot.A:
            self.fault = faults.NONE  # every fault seen here is the car's or the cable's
        elif self.state == pilot.E:
            self.fault = faults.PILOT_SHORT
        elif self.state == pilot.D:
            self.fault = faults.VENTILATION
        elif self._proof == -_DIODE_READINGS:
            self.fault = faults.DIODE
        elif self.fault != faults.DIODE:  # that one stays until the car has gone
            self.fault = faults.NONE

    def _drive_pilot(self, duty, offer_mA):
        if duty == self.duty_u16:
            return
        if duty != pilot.STEADY:
            if self.duty_u16 != pilot.STEADY and self._duty_ms < _DUTY_ms:
                return
        self._before_mA = self.may_draw_mA  # (what came before X1 may still flow)
        self.duty_u16 = duty
        self.pilot_mA = pilot.advertisable_mA(offer_mA)
        self._duty_ms = 0

    def _drive_contactor(self):
        offered = self.duty_u16 != pilot.STEADY
        if self.closed:
            if self.state != pilot.C or self.fault or not offered and self._duty_ms >= _OBEY_X1_ms:
                self.closed = False
                self._off_ms = 0
        elif (
            offered
            and self.state == pilot.C == self._seen
            and self._seen_ms >= _STABLE_C_ms
            and self._off_ms >= _MIN_OFF_ms
            and self._proof == _DIODE_READINGS
        ):
            self.closed = True
