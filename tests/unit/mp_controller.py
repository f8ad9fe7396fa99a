"""electrical/controller.py: states, and timing to a tick (docs/electrical.md 8). Random runs, and
somebody who watches them and knows only that, are in tests/prove_evse."""

import random

from rig import HEAP_LOCKED, TICK_ms, levels, seeded

from firmware.electrical import faults, pilot
from firmware.electrical.controller import Controller

X1 = pilot.STEADY
F = pilot.FAULT
WRAP = 2**30


class Bench:
    """A controller and a car that is only a state; time moves in ticks."""

    def __init__(self, state="A", allow_mA=0, now_ms=0, **options):
        self.c = Controller(**options)
        self.now_ms = now_ms
        self.state = state
        self.diode = True
        self.allow_mA = allow_mA

    def tick(self, n=1, dt_ms=TICK_ms):
        for _ in range(n):
            self.now_ms = (self.now_ms + dt_ms) % WRAP
            high, low = levels(self.state, self.c.duty_u16, self.diode)
            self.c.tick(self.now_ms, high, low, self.allow_mA)
        return self.c

    def run(self, ms):
        return self.tick(ms // TICK_ms)

    def read(self, high_mV, low_mV=-12000, dt_ms=TICK_ms):
        """A tick that reads these levels, with 16 A allowed."""
        self.now_ms = (self.now_ms + dt_ms) % WRAP
        self.c.tick(self.now_ms, high_mV, low_mV, 16000)

    def car(self, state, ms):
        """The car shows `state`, and `ms` pass."""
        self.state = state
        return self.run(ms)

    def allow(self, mA, ms=TICK_ms):
        """`mA` are allowed, and `ms` pass."""
        self.allow_mA = mA
        return self.run(ms)

    def until(self, done, most_ms=20000, state=None):
        """Tick until done(controller), with a car that shows `state` from now on; -> the ms that
        passed."""
        self.state = state or self.state
        passed = 0
        while not done(self.c):
            assert passed < most_ms, "waited for %d ms" % passed
            self.tick()
            passed += TICK_ms
        return passed


def closed(c):
    return c.closed


def opened(c):
    return not c.closed


def charging(allow_mA=16000, **options):
    """A bench with a car that charges."""
    b = Bench(**options)
    b.run(6000)
    b.allow_mA = allow_mA
    b.car("B", 1000)
    b.until(closed, state="C")
    b.run(6000)
    assert b.c.closed and b.c.pilot_mA == allow_mA and b.c.fault == faults.NONE
    return b


# States and what they lead to


def test_visits():
    """Odd while a car is there; what is no car, and what a car does, changes nothing."""
    b = Bench()
    b.run(2000)
    assert b.c.visit == 0
    for state, visit in (("B", 1), ("C", 1), ("E", 1), ("B", 1), ("A", 2), ("A", 2), ("C", 3)):
        b.car(state, 1000)
        assert b.c.visit == visit, state
    b.state = "A"  # the contact bounces
    b.tick(1)
    b.car("C", 1000)
    assert b.c.visit == 3


def test_states_and_permissions():
    # state, diode, allowed -> duty, closed, fault; ten seconds later
    d6, d16 = pilot.duty_u16(6000), pilot.duty_u16(16000)
    for state, diode, allow_mA, duty, on, fault in (
        ("A", True, 0, X1, False, faults.NONE),
        ("A", True, 16000, X1, False, faults.NONE),
        ("B", True, 0, X1, False, faults.NONE),
        ("B", True, 5999, X1, False, faults.NONE),
        ("B", True, 6000, d6, False, faults.NONE),
        ("B", True, 16000, d16, False, faults.NONE),
        ("B", False, 16000, X1, False, faults.DIODE),
        ("B", False, 0, X1, False, faults.NONE),  # without PWM nobody can tell
        ("C", True, 0, X1, False, faults.NONE),
        ("C", True, 5999, X1, False, faults.NONE),
        ("C", True, 16000, d16, True, faults.NONE),
        ("C", False, 16000, X1, False, faults.DIODE),
        ("D", True, 0, X1, False, faults.VENTILATION),
        ("D", True, 16000, X1, False, faults.VENTILATION),
        ("D", False, 16000, X1, False, faults.VENTILATION),
        ("E", True, 0, X1, False, faults.PILOT_SHORT),
        ("E", True, 16000, X1, False, faults.PILOT_SHORT),
    ):
        b = Bench(state, allow_mA)
        b.diode = diode
        c = b.run(10000)
        got = c.duty_u16, c.closed, c.fault
        assert got == (duty, on, fault), (state, diode, allow_mA, got)
        assert c.pilot_mA == (0 if duty == X1 else allow_mA), (state, diode, allow_mA)
        assert pilot.STATES[c.state] == state


# Closing


def test_closes_after_half_a_second_of_stable_c():
    b = Bench()
    b.run(6000)
    b.allow_mA = 16000
    b.car("B", 1000)
    b.state = "C"
    # (the first reading of C is the start of the 500 ms)
    assert b.until(closed) == 500 + TICK_ms
    assert b.c.may_draw_mA == 16000


class Part:
    """Something beside the pilot that keeps the contactor open."""

    fault, busy, ready = faults.NONE, False, False

    def tick(self, dt_ms, c):
        pass


def wait(b, ms):
    """The longest that a car in C was offered energy, and had none, in the next `ms`."""
    longest = waits = 0
    for _ in range(ms // TICK_ms):
        c = b.tick()
        offered = b.state == "C" and c.duty_u16 != X1 and c.duty_u16 != F
        waits = waits + TICK_ms if offered and not c.closed else 0
        longest = max(longest, waits)
    return longest


def test_no_car_waits_in_c_for_what_it_was_offered():
    """3 s at most (IEC 61851-1, sequence 4): after every kind of start, when a car comes back
    while the contactor rests, and when a part is not ready."""
    for power_cut in (False, True):
        for at_ms in (0, 500, 1500, 2500, 4000, 7000, 9000):
            for allow_ms in (0, 2000, 12000):
                b = Bench("B", 0 if allow_ms else 16000, power_cut=power_cut)
                longest = wait(b, at_ms)
                b.state = "C"
                longest = max(longest, wait(b, allow_ms))
                b.allow_mA = 16000
                longest = max(longest, wait(b, 13000))
                assert b.c.closed and longest <= 2600, (power_cut, at_ms, allow_ms, longest)
    for pause_ms in (100, 1000, 2500, 3500, 4500, 6000):
        b = charging()
        b.car("B", pause_ms)
        assert b.c.pilot_mA == 16000  # (in B energy may be offered: the car has to ask for it)
        b.state = "C"
        assert wait(b, 8000) <= 2600 and b.c.closed, pause_ms
    b = Bench("B", 16000)
    part = Part()
    b.c.parts = (part,)
    b.run(6000)
    assert b.c.pilot_mA == 16000  # (a lock may wait for C)
    b.state = "C"
    assert wait(b, 20000) < 200 and not b.c.pilot_mA and not b.c.closed
    part.ready = True
    assert wait(b, 3000) < 200 and b.c.closed
    part.ready = False  # once it is closed only a fault ends it
    assert wait(b, 5000) == 0 and b.c.closed


def test_one_other_reading_starts_the_half_second_again():
    for other in "ABDE":
        b = Bench("B", 16000)
        b.run(10000)
        b.car("C", 475)
        b.state = other
        b.tick()
        assert b.until(closed, state="C") == 500 + TICK_ms, other


def test_the_diode_is_proved_by_three_readings_of_pwm():
    b = Bench("C")
    b.run(10000)  # X1: nothing is known of the diode
    b.allow_mA = 16000
    assert b.until(closed) == 4 * TICK_ms  # the tick that starts the PWM, and three readings
    # a bad reading between
    b = Bench()
    b.car("C", 10000)
    b.allow_mA = 16000
    b.tick(3)
    b.diode = False
    b.tick()
    b.diode = True
    b.tick(2)
    assert not b.c.closed
    assert b.tick().closed


def test_never_closes_with_a_shorted_diode():
    b = Bench()
    b.diode, b.allow_mA = False, 16000
    b.run(6000)
    for state in "BCBCCB":
        b.state = state
        for _ in range(100):
            b.tick()
            assert not b.c.closed
    assert b.c.fault == faults.DIODE and b.c.duty_u16 == X1
    b.diode = True  # mending it is not enough: the car must go
    assert b.run(10000).fault == faults.DIODE
    assert b.car("A", 100).fault == faults.NONE
    assert b.car("C", 10000).closed


# Opening


def test_opens_two_readings_after_c_was_left():
    for state in "ABDE":
        for mA in (6000, 16000, 32000):
            b = charging(mA)
            b.state = state
            assert b.until(opened) == 2 * TICK_ms, state


def test_opens_when_the_readings_agree_only_in_not_being_c():
    for pair in ("AB", "BD", "DE", "AE", "BE"):
        b = charging()
        for i in range(2):
            assert b.c.closed
            b.state = pair[i & 1]
            b.tick()
        assert not b.c.closed, pair
        for i in range(200):  # and stays open while that goes on
            b.state = pair[i & 1]
            assert not b.tick().closed


def test_a_stray_reading_is_no_state():
    """Three readings that are not C open; what the state is instead, two in a row have to say."""
    for stray in "AE":
        b = charging()
        for b.state in ("B", "B", stray, "B"):
            b.tick()
            assert b.c.state == pilot.C, stray
        assert not b.c.closed
        b.tick()
        assert b.c.state == pilot.B and b.c.fault == faults.NONE
        # "until unplugged" is not over for a car that is still there
        b = charging()
        b.diode = False
        b.run(200)
        assert b.c.fault == faults.DIODE
        b.diode = True
        for b.state in ("B", "B", "A", "B", "A", "B", "B", "B"):
            assert b.tick().fault == faults.DIODE
        b.state = "A"
        b.tick(4)
        assert b.c.fault == faults.NONE


def test_ticks_that_come_late():
    for dt_ms in (5, 20, 25, 60, 500, 3000):
        b = charging()
        b.state = "B"
        assert b.tick(1, dt_ms).closed
        assert not b.tick(1, dt_ms).closed, dt_ms


def test_a_second_look_within_a_tick():
    for ventilation in (False, True):
        for high_mV, opens in ((9000, True), (12000, True), (0, True), (6000, 0), (3000, None)):
            b = charging()
            b.c.ventilation = ventilation
            b.state = "B"
            assert b.tick().closed and b.c.other == 1
            b.c.look(high_mV)
            wanted = not ventilation if opens is None else bool(opens)
            assert b.c.closed != wanted and b.c.state == pilot.C, (high_mV, ventilation)
            b.state = "C"
            b.run(4975)
            assert b.c.closed != wanted


def test_what_a_car_did_in_a_stall_is_no_reason_to_close():
    b = Bench()
    b.run(6000)
    b.allow_mA = 16000
    b.car("B", 1000)
    b.car("C", TICK_ms)
    assert not b.tick(1, 4000).closed
    assert b.until(closed) == 450


def test_x1_comes_before_opening_and_the_car_has_6_s():
    for allow_mA in (0, 5999):
        b = charging()
        b.allow(allow_mA)
        assert b.c.duty_u16 == X1 and b.c.closed and b.c.pilot_mA == 0
        assert b.until(opened) == 6000  # a car that ignores it
        b.run(20000)
        assert not b.c.closed and b.c.duty_u16 == X1


def test_energy_returns_before_the_6_s_are_over():
    b = charging()
    b.allow(0, 5000)
    b.allow_mA = 10000
    for _ in range(400):
        assert b.tick().closed
    assert b.c.pilot_mA == 10000
    b.allow(0)
    assert b.until(opened) == 6000  # counted afresh


# The duty


def changes(b, ms):
    """[(ms, duty)] of the changes in the next `ms`."""
    out = []
    before = b.c.duty_u16
    for at in range(TICK_ms, ms + 1, TICK_ms):
        b.tick()
        if b.c.duty_u16 != before:
            before = b.c.duty_u16
            out.append((at, before))
    return out


def test_more_comes_5_s_after_a_change():
    for first, second in ((20000, 32000), (10000, 20000), (6000, 6007)):
        b = charging()
        b.allow(first)
        assert b.c.pilot_mA == first
        b.allow_mA = second
        assert changes(b, 6000) == [(5000, pilot.duty_u16(second))], (first, second)
        assert b.c.pilot_mA == second


def test_less_never_waits():
    """However soon after a change, also after one to more, and however often."""
    for first in (20000, 10000):
        for ms in (25, 2500, 4975):
            b = charging()
            b.allow(first, ms)
            assert b.c.pilot_mA == first
            for mA in range(first - 100, 6000, -700):
                assert b.allow(mA).duty_u16 == pilot.duty_u16(mA), (first, ms, mA)
                assert b.c.pilot_mA == mA
            assert b.allow(5999).duty_u16 == X1


def test_of_several_limits_within_5_s_the_latest_counts():
    b = charging()
    b.allow(6000)
    for mA in range(16000, 6000, -100):
        b.allow(mA)
        assert b.c.pilot_mA == 6000
    assert changes(b, 5000) == [(2500, pilot.duty_u16(6100))]


def test_x1_does_not_wait():
    b = charging()
    b.allow(20000)
    assert b.allow(0).duty_u16 == X1
    b.allow_mA = 10000  # and back
    assert b.tick().duty_u16 == pilot.duty_u16(10000)
    b.allow_mA = 20000
    assert changes(b, 6000) == [(5000, pilot.duty_u16(20000))]


def test_a_limit_that_the_pilot_cannot_tell_apart_changes_nothing():
    b = charging(16000)
    b.allow_mA = 16000
    before = b.c.duty_u16
    b.run(10000)
    assert b.c.duty_u16 == before
    b = charging(51000)
    b.allow_mA = 52000
    assert not changes(b, 10000) and b.c.pilot_mA == 51000


def test_what_a_car_may_draw():
    b = Bench()
    b.car("B", 6000)
    assert b.c.may_draw_mA == 0
    assert b.allow(16000).may_draw_mA == 16000  # it may begin in the next moment
    b.until(closed, state="C")
    b.run(10000)
    assert b.allow(10000).pilot_mA == 10000
    for _ in range(5000 // TICK_ms - 1):
        assert b.tick().may_draw_mA == 16000  # it has so long to follow
    assert b.tick().may_draw_mA == 10000
    assert b.allow(0).may_draw_mA == 10000 and b.c.closed
    b.until(opened, state="B")
    assert b.c.may_draw_mA == 0


def test_what_a_car_may_draw_when_x1_came_between():
    b = charging(32000)
    b.allow(0)
    b.allow(6000)
    assert b.c.pilot_mA == 6000
    for _ in range(5000 // TICK_ms - 2):  # (since it was offered last)
        assert b.tick().may_draw_mA == 32000
    assert b.tick().may_draw_mA == 6000


def test_less_is_offered_to_an_open_contactors_car_when_more_is_forgotten():
    """Its share went to others when the offer ended; a car that is slow to read the duty would
    begin with more than what it gets back."""
    for again_mA in (16000, 12000):
        b = charging(16000)
        b.until(opened, state="B")
        b.allow(0, 2500)
        assert b.c.pilot_mA == b.c.may_draw_mA == 0
        b.allow_mA = again_mA
        ms = b.until(lambda c: c.pilot_mA, 5000)
        assert b.c.may_draw_mA == again_mA
        assert (ms > 2000) == (again_mA < 16000)


def test_what_the_car_before_may_draw_is_not_what_the_next_one_may():
    b = charging(16000)
    b.car("A", 75)
    b.allow_mA = 6000
    b.until(lambda c: c.pilot_mA, 4000, state="B")
    assert b.c.pilot_mA == b.c.may_draw_mA == 6000


def test_what_a_car_may_draw_when_less_comes_in_quick_succession():
    """The highest of the last 5 s, to the tick; of many changes never less than that, and at most
    what was offered 5 s before."""
    b = charging(32000)
    for mA in (20000, 16000, 10000):
        b.allow(mA, 1000)
        assert b.c.pilot_mA == mA and b.c.may_draw_mA == 32000
    for ms, mA in (
        (2000, 32000),
        (25, 20000),
        (975, 20000),
        (25, 16000),
        (975, 16000),
        (25, 10000),
    ):
        b.run(ms)
        assert b.c.may_draw_mA == mA, (ms, mA, b.c.may_draw_mA)
    offers = [32000] * 400
    b = charging(32000)
    for i in range(2000):
        if i % 7 == 0:
            b.allow_mA -= 100
        b.tick()
        offers.append(b.c.pilot_mA)
        # 5 s before, before a change: its tick is still told in full
        assert max(offers[-200:]) <= b.c.may_draw_mA <= offers[-401], (i, b.c.may_draw_mA)
        if b.allow_mA < 6100:
            b.allow(32000, 10000)
            offers = [32000] * 400
    b.run(5000)
    assert b.c.may_draw_mA == b.c.pilot_mA


# Boot


def test_x1_at_boot():
    """A second, and until the contactor has rested so long that it can close in time."""
    for power_cut, rest_ms in ((False, 3000), (True, 8000)):
        for state in "BC":
            b = Bench(state, 16000, power_cut=power_cut)
            # (the first tick counts nothing)
            assert b.until(lambda c: c.duty_u16 != X1) == rest_ms + TICK_ms


def test_a_state_is_known_when_it_was_read_more_than_once():
    for dt_ms in (TICK_ms, 2000):  # (a stall is no reading)
        for state in "ABCDE":
            b = Bench(state)
            assert not b.tick(1, dt_ms).known, state
            for _ in range(3):
                c = b.tick(1, dt_ms)
                assert not c.known or pilot.STATES[c.state] == state
            assert c.known
    b = Bench()
    for b.state in "ACABA":  # nothing that lasts
        assert not b.tick().known
    b = Bench()  # in F there is nothing to see
    b.c.parts = (part,) = (Part(),)
    part.fault = faults.WELDED
    assert not b.run(20000).known and b.c.duty_u16 == F
    part.fault = faults.NONE
    b.car("C", 400)
    assert b.c.known and b.c.state == pilot.C


def test_a_stall_is_no_second_of_a_level_between_the_windows():
    b = charging()
    b.read(7500, dt_ms=3000)
    for _ in range(20):
        assert b.tick().fault == faults.NONE


def test_the_first_closing():
    for power_cut, ms in ((False, 5000), (True, 10000)):
        b = Bench("C", 16000, power_cut=power_cut)
        assert b.until(closed) == ms + TICK_ms
        b.run(1000)
        b.until(opened, state="B")
        assert b.until(closed, state="C") == 5000, power_cut


def test_the_self_test_of_the_pilot():
    for broken in (False, True):
        b = Bench(self_test=True)
        c = b.run(1000)
        assert c.duty_u16 == X1
        b.tick()
        assert c.duty_u16 == F
        for _ in range(3):
            b.c.tick(b.now_ms, -12000, -12000, 0)  # (no time passes)
        for attempt in range(3 if broken else 1):  # (one bad reading is not believed)
            assert c.fault == faults.NONE
            for i in range(4):
                assert c.duty_u16 == F, (attempt, i)
                b.now_ms += TICK_ms
                low = 300 if broken else -12000
                c.tick(b.now_ms, low, low, 0)
            assert c.duty_u16 == X1 and c.state == pilot.A
            if attempt < 2 and broken:
                b.tick()
        assert c.fault == (faults.PILOT_RANGE if broken else faults.NONE)
        b.allow_mA = 16000
        b.car("B", 1000)
        b.car("C", 20000)
        assert c.closed == (not broken) and c.fault == (faults.PILOT_RANGE if broken else 0)
        b.car("A", 20000)  # it is the unit's: nothing that a car does ends it
        assert c.duty_u16 == X1 and (c.fault != 0) == broken


def test_no_self_test_while_a_car_is_there():
    b = Bench("B", self_test=True)
    for _ in range(400):
        assert b.tick().duty_u16 == X1
    b.state = "A"
    assert b.until(lambda c: c.duty_u16 == F) == 75


# A delay, and cars that are not as others


def test_a_delay_withholds_the_offer():
    b = Bench()
    b.car("B", 6000)
    b.c.delay_ms = 3000
    b.allow_mA = 16000
    assert b.until(lambda c: c.pilot_mA) == 3000 and b.c.delay_ms == 0
    b = charging()
    b.c.delay_ms = 1000
    assert b.tick().duty_u16 == X1 and b.c.closed


def test_a_car_that_came_with_s2_closed_gets_10_A():
    b = Bench()
    b.allow(16000, 6000)
    b.until(closed, state="C")
    b.run(10000)
    assert b.c.pilot_mA == 10000 == b.c.may_draw_mA and b.c.closed
    assert b.allow(8000).pilot_mA == 8000
    assert b.allow(5999).duty_u16 == X1
    assert b.allow(32000).pilot_mA == 10000
    b.state = "B"  # such a car never shows B: it is another one, or one that can do more
    assert changes(b, 10000) == [(5000, pilot.duty_u16(32000))]
    b.until(closed, state="C")
    assert b.c.pilot_mA == 32000
    b.car("A", 6000)
    assert b.until(closed, state="C") and b.c.pilot_mA == 10000


def test_a_car_that_is_in_c_at_boot_is_as_others():
    b = Bench("C", 32000)
    b.until(closed)
    assert b.c.pilot_mA == 32000


def test_ventilation_that_the_board_has():
    for state in "CD":
        b = Bench()
        b.c.ventilation = True
        b.state = "B"
        b.allow(16000, 6000)
        assert b.until(closed, state=state) == 500 + TICK_ms and b.c.fault == faults.NONE
        b.state = "C" if state == "D" else "D"
        for _ in range(400):
            assert b.tick().closed and b.c.pilot_mA == 16000
        assert b.until(opened, state="B") == 2 * TICK_ms


def test_d_and_e_chatter():
    for state in "DE":
        b = charging()
        for _ in range(5):
            assert b.until(opened, state=state) + TICK_ms <= 100
            b.run(1000)
            b.state = "C"
            b.run(400 if state == "E" else 100)
            assert b.c.fault == faults.NONE, state
            for _ in range(29000 // TICK_ms):
                b.tick()
                assert b.c.duty_u16 == X1 and not b.c.closed, state
        b.car(state, 1000)  # a car that goes takes it along
        b.car("A", 1000)
        b.car("B", 1000)
        assert b.until(closed, state="C") <= 5000, state


# A sleeping car


def sleeping(**options):
    b = Bench(**options)
    b.car("B", 6000)
    b.allow_mA = 16000
    return b


def test_a_sleeping_car_is_woken_once():
    b = sleeping(now_ms=WRAP - 20000)
    b.tick()
    d = pilot.duty_u16(16000)
    assert b.c.duty_u16 == d
    assert changes(b, 120000) == [(30000, F), (34025, X1), (34775, d)]
    assert not b.c.closed and b.c.state == pilot.B and b.c.fault == faults.NONE
    b.allow(0, 1000)  # not a second time with the same car
    b.allow(16000)
    assert not changes(b, 60000)
    b.car("A", 1000)
    b.state = "B"
    b.until(lambda c: c.pilot_mA)
    assert changes(b, 60000) == [(30000, F), (34025, X1), (34775, d)]


def test_who_is_not_woken():
    b = sleeping()  # configured off
    b.c.wake = False
    b.tick()
    assert not changes(b, 120000)
    b = charging()  # a car that is full
    b.state = "B"
    assert not changes(b, 120000)
    b = sleeping()  # just in time
    b.tick()
    b.run(29900)
    b.until(closed, state="C")
    b.state = "B"
    assert not changes(b, 120000)
    b = sleeping()  # nothing is offered
    b.allow_mA = 0
    assert not changes(b, 120000)
    b = charging()  # but a car that was made to pause, and fell asleep
    b.allow_mA = 0
    b.car("B", 60000)
    b.allow(16000)
    assert [duty for _, duty in changes(b, 60000)][:1] == [F]


def test_what_ends_a_wake_up():
    b = sleeping()
    b.tick()
    b.run(32000)
    assert b.c.duty_u16 == F
    assert b.allow(0).duty_u16 == X1
    b.allow_mA = 16000
    assert b.until(lambda c: c.pilot_mA) == 750  # (X1 began with the tick before)
    b = sleeping()  # no sooner than any other state F
    b.tick()
    b.run(29900)
    b.until(lambda c: c.duty_u16 == F)
    b.allow_mA = 0
    assert b.until(lambda c: c.duty_u16 == X1) == 325
    b = sleeping()
    b.tick()
    b.run(31000)
    b.car("A", 3000)  # nobody can see that in state F
    assert b.c.duty_u16 == F
    b.tick()
    assert b.c.state == pilot.B and b.c.duty_u16 == X1
    assert b.until(lambda c: c.state == pilot.A) == 75
    b.run(10000)
    assert b.c.duty_u16 == X1


def test_less_to_offer_than_a_moment_ago_does_not_end_a_wake_up():
    for before_ms in (4000, 25, 0, -25, -3000):
        b = sleeping()
        b.tick()
        b.run(30000 - before_ms)
        b.allow_mA = 15000
        b.until(lambda c: c.duty_u16 == F)
        assert 4000 <= b.until(lambda c: c.duty_u16 == X1) + max(-before_ms, 0) <= 4075, before_ms
        b.until(lambda c: c.pilot_mA)
        assert b.c.duty_u16 == pilot.duty_u16(15000)


# Levels between the windows


def test_a_level_between_the_windows():
    for mV in (7500, 7210, 7790):
        b = charging()
        for i in range(40):
            assert not b.c.fault, i
            b.read(mV)
        # one second, counted from the last reading before it
        assert b.c.fault == faults.PILOT_RANGE and b.c.duty_u16 == X1 and b.c.closed
        for i in range(6000 // TICK_ms):
            assert b.c.closed, i
            b.read(mV, mV)
        assert not b.c.closed
        assert b.until(lambda c: not c.fault) == 1000
        b.until(closed)


def test_a_level_between_the_windows_is_no_reason_to_close():
    b = Bench("B", 16000)
    b.run(10000)
    b.car("C", 475)
    b.read(7300)
    assert b.c.state == pilot.C
    assert b.until(closed) == 500 + TICK_ms
    b = Bench()
    b.run(6000)
    for mV in (5000, 7300):
        for _ in range(38):  # C, then almost C
            b.read(mV if mV == 7300 else 4700, mV if b.c.duty_u16 == X1 else -12000)
            assert not b.c.closed


# Time


def test_ticks_wrap():
    for before_ms in range(0, 9000, 475):
        b = charging(now_ms=WRAP - 25 - before_ms)
        b.allow_mA = 10000
        assert changes(b, 6000) == [(25, pilot.duty_u16(10000))]
        b.allow(0)
        assert b.until(opened) == 6000
        b.allow_mA = 16000
        assert 4900 <= b.until(closed) <= 5000


def test_13_days_of_idling():
    b = Bench()
    b.tick(5)
    for _ in range(WRAP // 600000 + 200):
        b.tick(1, 600000)
    b.state, b.allow_mA = "C", 16000
    assert b.until(closed) <= 525
    b.run(6000)
    for _ in range(WRAP // 600000 + 200):  # and of charging
        assert b.tick(1, 600000).closed
    assert b.allow(10000).pilot_mA == 10000
    b.allow(0)
    assert b.until(opened) == 6000
    for _ in range(WRAP // 600000 + 200):
        assert not b.tick(1, 600000).closed
    b.allow_mA = 16000
    assert b.until(closed) == 100


def test_nothing_is_allocated():
    seeded("heap")
    c = Controller()
    # what follows is in a list before the heap is locked; near the wrap of the ticks
    state, allow_mA, diode = "B", 16000, True
    now = WRAP - 100000
    seen = 0
    for _ in range(5):
        readings = []
        for _ in range(1000):
            if not random.randrange(25):
                state = random.choice("AABCCCCDE")
            if not random.randrange(40):
                allow_mA = random.choice((0, 5999, 6000, 16000, 32000, 51500, 80000))
            if not random.randrange(60):
                diode = not diode
            pwm = levels(state, 20000, diode)
            now = (now + random.choice((25, 25, 25, 26, 700, 9999))) % WRAP
            readings.append((now, pwm[0], pwm[1], allow_mA))
        with HEAP_LOCKED:
            for now, high, low, allow_mA in readings:
                c.tick(now, high, high if c.duty_u16 == X1 else low, allow_mA)
                seen |= 1 << c.fault | c.closed << 20 | (c.pilot_mA > 0) << 21
    own = 1 << faults.PILOT_SHORT | 1 << faults.DIODE | 1 << faults.VENTILATION
    assert seen == 0x300001 | own, hex(seen)  # every fault, closed, offered


def test_short_pulses_of_c_do_not_close():
    for pulse_ms in (25, 50, 75, 250, 475):
        b = Bench("B", 16000)
        b.run(10000)
        for _ in range(10):
            b.state = "C"
            for _ in range(pulse_ms // TICK_ms):
                b.tick()
                assert not b.c.closed, pulse_ms
            b.state = "B"
            for _ in range(20):
                b.tick()
                assert not b.c.closed, pulse_ms


def test_a_stray_reading_does_not_open_and_two_are_no_other_state():
    for state in "ABDE":
        b = charging()
        for n in (1, 2, 1, 3):
            b.state = state
            assert b.tick().closed, state
            b.state = "C"
            assert b.tick(n).closed, state
        b.state = state
        assert not b.tick(2).closed and b.c.state == pilot.C and b.c.fault == faults.NONE
        b.state = "C"
        b.run(4975)
        assert b.c.state == pilot.C and not b.c.closed
        assert b.until(closed) <= 1000


def test_what_a_car_may_draw_while_its_limit_goes_down_every_5_s():
    """Never the highest for ever: what was said 5 s ago is over."""
    b = charging(32000)
    for mA in range(30000, 10000, -2000):
        b.allow(mA)
        assert b.c.pilot_mA == mA and b.c.may_draw_mA == mA + 2000
        b.run(5000 - TICK_ms)
        assert b.c.may_draw_mA == mA + 2000
