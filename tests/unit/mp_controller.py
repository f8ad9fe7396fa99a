"""evse/controller.py: states, every timing to a tick, and a random run against evse.md 4.5."""

import micropython
import random
import sys
import time

from rig import TICK_ms, a_wall, drive, levels, seeded

from firmware.evse import faults, pilot
from firmware.evse.controller import Controller
from sim.car import FAULTS, offered_mA

X1 = pilot.STEADY
WRAP = 2**30


class Bench:
    """A controller and a car that is only a state; time moves in ticks."""

    def __init__(self, now_ms=0):
        self.c = Controller()
        self.now_ms = now_ms
        self.state = "A"
        self.diode = True
        self.allow_mA = 0

    def tick(self, n=1, dt_ms=TICK_ms):
        for _ in range(n):
            self.now_ms = (self.now_ms + dt_ms) % WRAP
            high, low = levels(self.state, self.c.duty_u16, self.diode)
            self.c.tick(self.now_ms, high, low, self.allow_mA)
        return self.c

    def run(self, ms):
        return self.tick(ms // TICK_ms)

    def until(self, done, most_ms=20000):
        """Tick until done(controller); -> the ms that passed."""
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
    b.state = "C"
    b.until(closed)
    b.run(6000)
    assert b.c.closed and b.c.pilot_mA == allow_mA and b.c.fault == faults.NONE
    return b


# States and what they lead to


def test_at_first_nothing_is_offered():
    c = Controller()
    assert (c.duty_u16, c.pilot_mA, c.closed, c.fault, c.may_draw_mA) == (X1, 0, False, 0, 0)
    b = Bench()
    b.allow_mA = 32000
    b.run(10000)
    assert (c.duty_u16, b.c.pilot_mA, b.c.closed, b.c.state) == (X1, 0, False, pilot.A)


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
        b = Bench()
        b.state, b.diode, b.allow_mA = state, diode, allow_mA
        c = b.run(10000)
        got = c.duty_u16, c.closed, c.fault
        assert got == (duty, on, fault), (state, diode, allow_mA, got)
        assert c.pilot_mA == (0 if duty == X1 else allow_mA), (state, diode, allow_mA)
        assert pilot.STATES[c.state] == state


def test_from_charging_to_every_state():
    for state, fault in (
        ("A", faults.NONE),
        ("B", faults.NONE),
        ("D", faults.VENTILATION),
        ("E", faults.PILOT_SHORT),
    ):
        b = charging()
        b.state = state
        c = b.run(10000)
        assert (c.closed, c.fault) == (False, fault), state
        assert c.pilot_mA == (16000 if state == "B" else 0), state
        if state != "A":  # D and E go by when the car does
            b.state = "A"
            assert b.run(100).fault == faults.NONE, state
        b.state = "C"
        assert b.run(10000).closed, state


def test_ventilation_is_over_when_the_car_says_so():
    b = charging()
    b.state = "D"
    assert b.run(100).fault == faults.VENTILATION and not b.c.closed and b.c.duty_u16 == X1
    b.state = "C"
    assert b.until(closed) >= 5000 - 100 - TICK_ms and b.c.fault == faults.NONE


# Closing


def test_closes_after_half_a_second_of_stable_c():
    b = Bench()
    b.run(6000)
    b.allow_mA = 16000
    b.state = "B"
    b.run(1000)
    b.state = "C"
    # (the first reading of C is the start of the 500 ms)
    assert b.until(closed) == 500 + TICK_ms
    assert b.c.may_draw_mA == 16000


def test_closes_within_3_s_however_the_car_came():
    for first in "ABC":
        b = Bench()
        b.run(6000)
        b.state = first
        b.run(1000)
        b.allow_mA = 6000
        b.state = "C"
        assert b.until(closed) <= 3000, first


def test_short_pulses_of_c_do_not_close():
    for pulse_ms in (25, 50, 75, 250, 475):
        b = Bench()
        b.state, b.allow_mA = "B", 16000
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


def test_one_other_reading_starts_the_half_second_again():
    for other in "ABDE":
        b = Bench()
        b.state, b.allow_mA = "B", 16000
        b.run(10000)
        b.state = "C"
        b.run(475)
        b.state = other
        b.tick()
        b.state = "C"
        assert b.until(closed) == 500 + TICK_ms, other


def test_stays_open_for_5_s():
    b = Bench()  # at boot: nobody knows when it opened
    b.state, b.allow_mA = "C", 16000
    assert b.until(closed) == 5000 + TICK_ms  # (the first tick starts the count)
    b.run(1000)
    b.state = "B"
    b.until(opened)
    b.state = "C"
    assert b.until(closed) == 5000


def test_the_diode_is_proved_by_three_readings_of_pwm():
    b = Bench()
    b.state = "C"
    b.run(10000)  # X1: nothing is known of the diode
    b.allow_mA = 16000
    assert b.until(closed) == 4 * TICK_ms  # the tick that starts the PWM, and three readings
    # a bad reading between
    b = Bench()
    b.state = "C"
    b.run(10000)
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
    b.state = "A"
    assert b.run(100).fault == faults.NONE
    b.state = "C"
    assert b.run(10000).closed


# Opening


def test_opens_within_100_ms_of_leaving_c():
    for state in "ABDE":
        for mA in (6000, 16000, 32000):
            b = charging(mA)
            b.state = state
            # The car left just after a reading: one tick passes before the first other reading.
            assert b.until(opened) + TICK_ms <= 100, (state, b.now_ms)


def test_opens_when_the_readings_agree_only_in_not_being_c():
    for pair in ("AB", "BD", "DE", "AE", "BE"):
        b = charging()
        for i in range(3):
            assert b.c.closed
            b.state = pair[i & 1]
            b.tick()
        assert not b.c.closed, pair
        for i in range(200):  # and stays open while that goes on
            b.state = pair[i & 1]
            assert not b.tick().closed


def test_one_or_two_stray_readings_do_not_open():
    for state in "ABDE":
        b = charging()
        for n in (1, 2, 1, 2):
            b.state = state
            assert b.tick(n).closed, (state, n)
            b.state = "C"
            assert b.tick(2).closed, (state, n)


def test_ticks_that_come_late():
    # two readings 50 ms apart are enough
    for dt_ms in (50, 60, 500, 3000):
        b = charging()
        b.state = "B"
        assert b.tick(1, dt_ms).closed
        assert not b.tick(1, dt_ms).closed, dt_ms
    b = charging()
    b.state = "B"
    b.tick(1, 40)
    assert b.tick(1, 40).closed  # 40 ms between them: not yet
    assert not b.tick(1, 40).closed
    b = charging()
    b.state = "B"
    assert b.tick(2, 24).closed and not b.tick(1, 24).closed  # a little early: three are enough


def test_a_diode_that_fails_while_charging_opens_under_load():
    b = charging()
    b.diode = False
    assert b.until(opened) == 3 * TICK_ms
    assert b.c.fault == faults.DIODE and b.c.duty_u16 == X1 and b.c.may_draw_mA == 0


def test_unplugged_under_load():
    b = charging()
    b.state = "A"
    assert b.until(opened) <= 75
    assert b.c.state == pilot.A and b.c.duty_u16 == X1 and b.c.fault == faults.NONE


def test_x1_comes_before_opening_and_the_car_has_6_s():
    for allow_mA in (0, 5999):
        b = charging()
        b.allow_mA = allow_mA
        b.tick()
        assert b.c.duty_u16 == X1 and b.c.closed and b.c.pilot_mA == 0
        assert b.until(opened) == 6000  # a car that ignores it
        b.run(20000)
        assert not b.c.closed and b.c.duty_u16 == X1


def test_a_car_that_obeys_x1_is_let_go_at_once():
    b = charging()
    b.allow_mA = 0
    b.run(1000)
    b.state = "B"
    assert b.c.closed and b.until(opened) <= 75


def test_energy_returns_before_the_6_s_are_over():
    b = charging()
    b.allow_mA = 0
    b.run(5000)
    b.allow_mA = 10000
    for _ in range(400):
        assert b.tick().closed
    assert b.c.pilot_mA == 10000
    b.allow_mA = 0
    b.tick()
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


def test_duty_changes_are_5_s_apart():
    for first, second in ((10000, 6000), (20000, 32000), (10000, 20000), (20000, 10000)):
        b = charging()
        b.allow_mA = first
        b.tick()
        assert b.c.pilot_mA == first
        b.allow_mA = second
        assert changes(b, 6000) == [(5000, pilot.duty_u16(second))], (first, second)
        assert b.c.pilot_mA == second


def test_of_several_limits_within_5_s_the_latest_counts():
    b = charging()
    b.allow_mA = 20000
    b.tick()
    for mA in range(6000, 16000, 100):
        b.allow_mA = mA
        b.tick()
        assert b.c.pilot_mA == 20000
    assert changes(b, 5000) == [(2500, pilot.duty_u16(15900))]


def test_x1_does_not_wait():
    b = charging()
    b.allow_mA = 20000
    b.tick()
    b.allow_mA = 0
    assert b.tick().duty_u16 == X1
    b.allow_mA = 20000  # and back
    assert b.tick().duty_u16 == pilot.duty_u16(20000)
    b.allow_mA = 10000
    assert changes(b, 6000) == [(5000, pilot.duty_u16(10000))]


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
    b.state = "B"
    b.run(6000)
    assert b.c.may_draw_mA == 0
    b.allow_mA = 16000
    assert b.tick().may_draw_mA == 16000  # it may begin in the next moment
    b.state = "C"
    b.until(closed)
    b.run(10000)
    b.allow_mA = 10000
    assert b.tick().pilot_mA == 10000
    for _ in range(5000 // TICK_ms - 1):
        assert b.tick().may_draw_mA == 16000  # it has so long to follow
    assert b.tick().may_draw_mA == 10000
    b.allow_mA = 0
    assert b.tick().may_draw_mA == 10000 and b.c.closed
    b.state = "B"
    b.until(opened)
    assert b.c.may_draw_mA == 0


def test_what_a_car_may_draw_when_x1_came_between():
    b = charging(32000)
    b.allow_mA = 0
    b.tick()
    b.allow_mA = 6000
    b.tick()
    assert b.c.pilot_mA == 6000
    for _ in range(5000 // TICK_ms - 1):
        assert b.tick().may_draw_mA == 32000
    assert b.tick().may_draw_mA == 6000


# Time


def test_ticks_wrap():
    for before_ms in range(0, 9000, 475):
        b = charging(now_ms=WRAP - 25 - before_ms)
        b.allow_mA = 10000
        assert changes(b, 6000) == [(25, pilot.duty_u16(10000))]
        b.allow_mA = 0
        b.tick()
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
    b.allow_mA = 10000
    assert b.tick().pilot_mA == 10000
    b.allow_mA = 0
    b.tick()
    assert b.until(opened) == 6000
    for _ in range(WRAP // 600000 + 200):
        assert not b.tick(1, 600000).closed
    b.allow_mA = 16000
    assert b.until(closed) == 100


def test_nothing_is_allocated():
    seeded("heap")
    c = Controller()
    # everything that follows is in lists before the heap is locked; near the wrap of the ticks
    n = 1500
    state, allow_mA, diode = "B", 16000, True
    readings = []
    now = WRAP - 100000
    for _ in range(n):
        if not random.randrange(30):
            state = random.choice("ABCCCCDE")
        if not random.randrange(40):
            allow_mA = random.choice((0, 5999, 6000, 16000, 32000, 51500, 80000))
        if not random.randrange(60):
            diode = not diode
        pwm = levels(state, 20000, diode)
        now = (now + random.choice((25, 25, 25, 26, 700, 9999))) % WRAP
        readings.append((now, pwm[0], pwm[1], allow_mA))
    seen = 0
    locked = False
    micropython.heap_lock()
    try:
        for now, high, low, allow_mA in readings:
            c.tick(now, high, high if c.duty_u16 == X1 else low, allow_mA)
            seen |= 1 << c.fault | c.closed << 8 | (c.pilot_mA > 0) << 9
    except MemoryError:
        locked = True
    finally:
        micropython.heap_unlock()
    assert not locked, "a tick allocated"
    assert seen == 0x30F, hex(seen)  # every fault, closed, offered


# A random run, watched by somebody who knows only evse.md 4.5


class Monitor:
    """Sees what the car and the outputs do, tick by tick; knows nothing of the controller."""

    def __init__(self):
        self.not_c_ms = 0  # since the last reading of C
        self.c_ms = -1  # since the first of the present row of C readings
        self.bad_diode_ms = 0  # since the diode could be seen to be bad
        self.x1_ms = 0
        self.duty = X1
        self.duty_ms = 10000  # since the latest change
        self.offers = [0] * 201  # of the last 5 s, and one tick
        self.offered = False
        self.over_ms = 0  # since more is offered than allowed
        self.closed = False
        self.off_ms = 0
        self.want_ms = 0  # since all says "close"
        self.closings = self.load_openings = self.changes = 0

    def look(self, state, diode, allow_mA, load_mA, duty, on):
        """After a tick that read `state` and got `allow_mA`; load_mA flowed before it."""
        pwm = self.duty != X1  # while it was read
        self.not_c_ms = 0 if state == "C" else self.not_c_ms + TICK_ms
        self.c_ms = self.c_ms + TICK_ms if state == "C" and self.c_ms >= 0 else -(state != "C")
        self.bad_diode_ms = self.bad_diode_ms + TICK_ms if pwm and not diode else 0
        if duty == X1:
            self.x1_ms = self.x1_ms + TICK_ms if self.duty == X1 else 0
        # the pilot
        offer = offered_mA(duty)
        self.offers.pop(0)
        self.offers.append(offer)
        self.over_ms = self.over_ms + TICK_ms if offer > allow_mA else 0
        assert self.over_ms <= 5000 + TICK_ms, "offers %d of %d mA" % (offer, allow_mA)
        assert allow_mA >= 6000 or duty == X1, "X1 is immediate"
        assert duty == X1 or 5243 <= duty <= 62914 or offer == 6000, "a duty without meaning"
        self.duty_ms += TICK_ms
        if duty != self.duty:
            if X1 not in (duty, self.duty):
                assert self.duty_ms >= 5000, "duty after %d ms" % self.duty_ms
            self.duty_ms = 0
            self.changes += 1
        # the contactor
        self.off_ms += TICK_ms
        if on and not self.closed:
            assert state == "C" and self.c_ms >= 500, "closed after %d ms of C" % self.c_ms
            assert diode and pwm and duty != X1, "closed without proof or offer"
            assert self.off_ms >= 5000, "closed %d ms after opening" % self.off_ms
            self.closings += 1
        if on:
            assert self.not_c_ms + TICK_ms <= 100, "closed in %s" % state
            assert self.bad_diode_ms + TICK_ms <= 100, "closed with a bad diode"
        if self.closed and not on:
            self.off_ms = 0
            if load_mA > 1000 and not self.not_c_ms and not self.bad_diode_ms:
                assert duty == X1 and self.x1_ms >= 6000, "under load after %d ms" % self.x1_ms
                self.load_openings += 1
        ready = state == "C" and duty != X1 and diode and self.off_ms >= 5000 and not on
        self.want_ms = self.want_ms + TICK_ms if ready else 0
        assert self.want_ms <= 3000, "does not close"
        self.closed = on
        self.duty = duty


class Trip:
    """A pulse on the pilot that is not of the car's own making: `state` for a few ticks."""

    def __init__(self):
        self.state = None
        self.left = 0


def shake(car, trip, plain):
    """Something happens, or nothing."""
    kind = random.randrange(100)
    if kind < 20:
        car.plug()
        car.max_mA = random.choice((6000, 10000, 16000, 32000, 80000))
        car.phases = random.randrange(1, 4)
    elif kind < 30:
        car.unplug()
    elif kind < 45:
        car.wants = car.plugged and not car.wants
    elif kind < 60:
        trip.state = random.choice("ABCCDE")
        trip.left = random.choice((1, 2, 3, 4, 10, 19))
    elif kind < 70 and not plain:
        car.faults.add(random.choice(FAULTS))
    else:
        car.faults.clear()


def random_run(plain, ticks, most_ms):
    wall = a_wall()
    outlet = wall.outlets[0]
    car = outlet.car
    c = Controller()
    watch = Monitor()
    trip = Trip()
    start = random.randrange(WRAP)
    allow_mA = 0
    compliant_ms = 0
    began = time.ticks_ms()
    n = 0
    while n < ticks and time.ticks_diff(time.ticks_ms(), began) < most_ms:
        n += 1
        if not random.randrange(100):
            shake(car, trip, plain)
        if not random.randrange(120 if random.randrange(4) else 7):
            allow_mA = random.choice((0, 5900, 6000, 0, 13000, 51300, 52502, 80000))
            if random.randrange(2):
                allow_mA = random.randrange(6000, 33000)
        wall.advance(wall.now_ms + TICK_ms)
        state, diode = car.state(), "diode-short" not in car.faults or not car.plugged
        high, low = car.pilot_mV(outlet.duty)
        if trip.left:
            trip.left -= 1
            state = trip.state
            high, low = levels(state, outlet.duty)
            diode = True
        if not random.randrange(3):
            high += random.randrange(-150, 151)
            low += random.randrange(-150, 151)
        load_mA = car.current_mA
        c.tick((start + wall.now_ms) & (WRAP - 1), high, low, allow_mA)
        diode = diode and low < -10000 or outlet.duty == X1 or state in "AE"
        watch.look(state, diode, allow_mA, load_mA, c.duty_u16, c.closed)
        assert offered_mA(c.duty_u16) <= max(c.pilot_mA, 0)
        # a car that obeys: never more than it was told, 5 s after it was told
        if car.faults:
            compliant_ms = 0
        compliant_ms += TICK_ms
        if compliant_ms > 10000 and car.current_mA:
            assert car.current_mA <= max(watch.offers) + 1000, "the car draws %d mA" % load_mA
            if c.closed:
                assert car.current_mA <= c.may_draw_mA, "may draw %d mA" % c.may_draw_mA
        drive(wall, outlet, c)
    print("%d ticks, %d closings, %d duty changes" % (n, watch.closings, watch.changes))
    return watch, n


def test_a_random_run_with_every_fault():
    seeded("faults")
    watch, n = random_run(False, 100000, 8000)
    assert n < 20000 or watch.closings > 10 and watch.changes > 100, sys.platform


def test_a_random_run_with_cars_that_obey():
    seeded("obey")
    watch, n = random_run(True, 100000, 8000)
    assert n < 20000 or watch.closings > 20 and watch.changes > 100
    assert not watch.load_openings
