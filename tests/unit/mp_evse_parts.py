"""The parts beside the pilot, each by itself: what it does, and every time to a tick."""

from rig import TICK_ms

from firmware.electrical import faults, pilot
from firmware.electrical.contact import Earth, Interlock, Mirror
from firmware.electrical.derating import Derating
from firmware.electrical.lock import Lock
from firmware.electrical.meter import Overcurrent, Supply
from firmware.electrical.phases import Phases
from firmware.electrical.proximity import Proximity, rating_mA
from firmware.electrical.readback import Readback
from firmware.electrical.residual import Residual


class Told:
    """What a part sees of its controller."""

    def __init__(self, state=pilot.A, closed=False):
        self.known = True
        self.state = state
        self.closed = closed
        self.fault = faults.NONE
        self.may_draw_mA = self.pilot_mA = self.other = 0


def run(part, c, ms, each=None, **now):
    """Tick for `ms`. `now`: what is so from now on; `state` and `closed` are the controller's, all
    else is what the part sees or is told."""
    for name, value in now.items():
        setattr(c if name in ("state", "closed") else part, name, value)
    for _ in range(ms // TICK_ms):
        if each:
            each()
        elif isinstance(part, Supply):
            part.readings += 1  # (its meter answers)
        part.tick(TICK_ms, c)
    return part


def until(part, c, done, each=None, most_ms=100000):
    """Tick until done(part); -> the ms that passed."""
    ms = 0
    while not done(part):
        assert ms < most_ms, "waited for %d ms" % ms
        run(part, c, TICK_ms, each)
        ms += TICK_ms
    return ms


def fault_of(part):
    return part.fault


def ready_of(part):
    return part.ready


# Residual current


def settled(tests=True):
    """A sensor whose first second is over."""
    return run(Residual(tests), Told(), 1000)


def tested(c):
    part = settled()
    run(part, c, TICK_ms)
    assert part.test and part.busy and not part.ready
    run(part, c, TICK_ms, tripped=True)
    assert not part.test and part.busy
    run(part, c, TICK_ms, tripped=False)
    assert part.ready and not part.busy and not part.fault
    return part


def test_residual_is_tested_at_boot_once_a_plug_in_and_once_a_day():
    c = Told()
    part = tested(c)
    for _ in range(3):
        run(part, c, 10000)
        assert not part.test
        run(part, c, TICK_ms, state=pilot.B)
        assert part.test and part.busy  # before anything is offered
        run(part, c, 500, tripped=True)
        run(part, c, TICK_ms, tripped=False)
        for c.state in (pilot.B, pilot.C, pilot.D, pilot.E, pilot.B):
            assert not run(part, c, 1000).test and part.ready
        assert not run(part, c, 1000, closed=True).test
        c.closed = False
        assert not run(part, c, 1000, state=pilot.A).test
    # (hours pass in ticks of 9 minutes)
    for _ in range(24 * 3600 // 540 - 1):
        part.tick(540000, c)
        assert part.ready
    part.tick(540000, c)
    assert part.test


def test_residual_asks_for_a_pause_when_a_day_is_over():
    c = Told()
    part = tested(c)
    c.closed = True
    for _ in range(24 * 3600 // 540):
        assert not part.busy
        part.tick(540000, c)
    assert part.busy and not part.test  # never while closed
    run(part, c, 6000)
    assert not part.test
    assert run(part, c, TICK_ms, closed=False).test


def test_residual_self_test_fails():
    c = Told()
    part = settled()  # it never trips
    run(part, c, TICK_ms)
    assert until(part, c, fault_of) == 1000 and part.fault == faults.RESIDUAL_TEST
    assert not part.test and not part.ready
    part = settled()  # it trips for good
    run(part, c, TICK_ms)
    run(part, c, TICK_ms, tripped=True)
    assert until(part, c, fault_of) == 3000 and part.fault == faults.RESIDUAL_TEST
    part = settled()  # in the last moment
    run(part, c, TICK_ms)
    run(part, c, 1000 - TICK_ms)
    run(part, c, 3000, tripped=True)
    run(part, c, TICK_ms, tripped=False)
    assert part.ready


def test_residual_is_not_looked_at_while_the_sensor_powers_up():
    c = Told()
    for tests in (True, False):
        part = Residual(tests)
        run(part, c, 975, tripped=True)
        assert not part.fault and not part.ready and part.busy and not part.test
        run(part, c, 2 * TICK_ms, tripped=False)
        assert not part.fault and part.test == tests
        part = Residual(tests)
        run(part, c, 1000 + TICK_ms, tripped=True)
        assert part.fault == faults.RESIDUAL


def test_residual_without_a_test_input():
    c = Told()
    part = settled(tests=False)
    assert not part.ready
    run(part, c, TICK_ms)
    assert part.ready and not part.busy
    for c.state in (pilot.A, pilot.B, pilot.C, pilot.A, pilot.B):
        for _ in range(10):
            run(part, c, 9000)
            assert part.ready and not part.busy and not part.test
    part._age_ms = 86400000 - TICK_ms
    run(part, c, 1000)
    assert part.ready and not part.test
    run(part, c, TICK_ms, tripped=True)
    assert part.fault == faults.RESIDUAL and not part.ready
    run(part, c, 10000, tripped=False)
    assert part.fault == faults.RESIDUAL
    part.reset()
    run(part, c, TICK_ms)
    assert part.ready and not part.fault and not part.test


def test_residual_after_a_person_is_tested_again():
    """(What does not end it: mp_evse_faults.) Meanwhile it is not; and one that still trips cannot
    be cleared: kept.py would forget it, and a power cut the fault."""
    c = Told()
    part = tested(c)
    run(part, c, 100, tripped=True)
    for _ in range(200):
        part.tick(540000, c)
        assert part.fault == faults.RESIDUAL and not part.test
    assert part.reset() is False
    run(part, c, TICK_ms)
    assert part.fault == faults.RESIDUAL
    run(part, c, TICK_ms, tripped=False)
    part.reset()
    run(part, c, TICK_ms)
    assert not part.fault and part.test and not part.ready


# Mirror contact


def test_mirror_welded():
    c = Told(pilot.C, True)
    part = Mirror()
    run(part, c, 10000, live=True)
    c.closed = False  # (the part sees it in the next tick)
    assert until(part, c, fault_of) == 500 and part.fault == faults.WELDED
    run(part, c, 100000, live=False)
    run(part, c, 100000, state=pilot.A)
    assert part.fault == faults.WELDED and not part.ready
    part.reset()
    assert until(part, c, ready_of) == 500
    part.live = True
    assert until(part, c, fault_of) == 250  # it is again
    assert part.reset() is False and part.fault == faults.WELDED  # for all to see
    part.live = False
    part.reset()
    assert until(part, c, ready_of) == 500


def test_mirror_opens_slowly_or_bounces():
    for live_ms in (0, 25, 250, 475):
        c = Told(pilot.C, True)
        part = Mirror()
        run(part, c, 10000, live=True)
        run(part, c, live_ms, closed=False)
        run(part, c, 10000, live=False)
        assert not part.fault and part.ready, live_ms
        for _ in range(20):  # interference
            run(part, c, 225, live=True)
            assert not part.ready
            run(part, c, 25, live=False)
        assert not part.fault and part.ready


def test_mirror_at_boot():
    c = Told()
    part = Mirror()
    part.live = False
    assert until(part, c, ready_of) == 500
    part = Mirror()
    part.live = True
    assert until(part, c, fault_of) == 500 and part.fault == faults.WELDED


def test_mirror_that_nobody_has():
    c = Told()
    part = Mirror()
    for c.closed in (False, True, False, True):
        run(part, c, 10000)
        assert part.ready and not part.fault


def test_mirror_not_closing():
    """(How often it tries, and what ends that: mp_evse_faults.)"""
    c = Told(pilot.C)
    part = Mirror()
    run(part, c, 1000, live=False)
    for _ in range(10):  # one that closes in time begins the count of attempts again
        assert run(part, c, 975, closed=True).ready
        run(part, c, 5000, live=True)
        assert part.ready
        part.live = False  # (and one that drops out)
        assert until(part, c, fault_of) == 250 and part.fault == faults.NOT_CLOSED
        c.closed = False
        assert until(part, c, ready_of) == 10000


# Overcurrent


class Draw:
    """A car that draws `mA`; a reading every second."""

    def __init__(self, part, mA=0):
        self.part = part
        self.mA = mA
        self.ticks = 0

    def __call__(self):
        self.ticks += 1
        if self.ticks % 40 == 1:
            self.part.current_mA = self.mA
            self.part.readings += 1


def drawing(mA, told_mA):
    c = Told(pilot.C, True)
    c.may_draw_mA = c.pilot_mA = told_mA
    part = Overcurrent(6000)
    draw = Draw(part, told_mA)
    run(part, c, 10000, draw)
    draw.mA = mA
    assert not part.fault
    return part, c, draw


def test_overcurrent():
    for told_mA in (6000, 16000, 32000, 80000):
        most = (told_mA + 500) * 11 // 10
        part, c, draw = drawing(most, told_mA)
        run(part, c, 60000, draw)
        assert not part.fault, told_mA
        part, c, draw = drawing(most + 1, told_mA)
        assert until(part, c, fault_of, draw) == 7000 + TICK_ms, told_mA  # (of the reading)
        assert part.fault == faults.OVERCURRENT
        draw.mA = 0
        for c.closed in (True, False):
            for c.state in (pilot.B, pilot.C, pilot.D, pilot.E):
                run(part, c, 10000, draw)
                assert part.fault == faults.OVERCURRENT
        assert not run(part, c, TICK_ms, draw, state=pilot.A).fault


def test_overload():
    for told_mA in (6000, 16000, 53333):
        part, c, draw = drawing(told_mA * 3 // 2, told_mA)
        run(part, c, 7000, draw)
        assert not part.fault, told_mA
        part, c, draw = drawing(told_mA * 3 // 2 + 1, told_mA)
        assert until(part, c, fault_of, draw) == 1000 + TICK_ms, told_mA
        assert part.fault == faults.OVERLOAD
        c.closed = False
        draw.mA = 0
        run(part, c, 60000, draw)
        assert part.fault == faults.OVERLOAD
        assert not run(part, c, TICK_ms, draw, state=pilot.A).fault


def test_overload_needs_two_readings():
    part, c, draw = drawing(40000, 16000)
    run(part, c, TICK_ms, draw)
    draw.mA = 16000
    run(part, c, 60000, draw)
    assert not part.fault
    part, c, draw = drawing(40000, 16000)
    run(part, c, TICK_ms, draw)
    run(part, c, 60000 - TICK_ms)  # a meter that fell silent says nothing of the present
    assert not part.fault
    assert run(part, c, TICK_ms).fault == faults.METER
    assert run(part, c, 600000).fault == faults.METER


def test_overload_counts_from_a_reading_under_the_limit():
    """Two readings, and both while the limit counts: one from before it fell is none of them."""
    part, c, draw = drawing(16000, 16000)
    run(part, c, 10000, draw)
    c.may_draw_mA = 6648  # the 5 s of a lower limit are over
    run(part, c, 500)
    run(part, c, TICK_ms, draw)
    draw.mA = 7000  # it obeys, late
    run(part, c, 975)
    assert not part.fault
    run(part, c, TICK_ms, draw)
    assert not run(part, c, 60000 - TICK_ms, draw).fault


def test_a_lost_meter_does_not_make_its_last_reading_an_overcurrent():
    """The limit falls to 6 A; what the car drew before is no evidence against that."""
    part, c, draw = drawing(32000, 32000)
    run(part, c, 10000, draw)
    run(part, c, 60000)
    assert part.fault == faults.METER and part.limit_mA() == 6000
    c.may_draw_mA = 6000
    run(part, c, 60000)
    assert part.fault == faults.METER
    run(part, c, TICK_ms, draw)  # it answers again
    assert part.fault == faults.NONE
    run(part, c, 8000, draw)
    assert part.fault in (faults.OVERLOAD, faults.OVERCURRENT)


def test_overcurrent_is_counted_afresh():
    part, c, draw = drawing(20000, 16000)
    for _ in range(5):
        draw.mA = 20000
        run(part, c, 6000, draw)
        draw.mA = 16000
        run(part, c, 1000, draw)
        assert not part.fault
    draw.mA = 20000
    run(part, c, 6000, draw)
    run(part, c, TICK_ms, draw, closed=False)
    run(part, c, 6975, draw, closed=True)
    assert not part.fault


def test_overcurrent_after_x1_is_measured_by_what_was_told_before():
    part, c, draw = drawing(16000, 16000)
    c.pilot_mA = c.may_draw_mA = 0  # it ignores X1
    run(part, c, 60000, draw)
    assert not part.fault
    draw.mA = 25000
    assert until(part, c, fault_of, draw) == 1000 + TICK_ms and part.fault == faults.OVERLOAD


def test_a_meter_that_is_not_believed_is_lost_at_once():
    for lost_mA in (6000, 0):
        for state, closed in ((pilot.A, False), (pilot.B, False), (pilot.C, True)):
            c = Told(state, closed)
            c.may_draw_mA = 32000
            part = Overcurrent(lost_mA)
            part.readings = 1
            assert not run(part, c, 1000).fault and part.limit_mA() is None
            assert run(part, c, TICK_ms, lost=True).fault == faults.METER
            assert part.limit_mA() == lost_mA
            assert run(part, c, 600000).fault == faults.METER
            part.lost = False
            part.readings += 1
            assert not run(part, c, TICK_ms).fault and part.limit_mA() is None


# Temperature


def test_derating():
    part = Derating()
    c = Told()
    for dC, limit, fault in (
        (250, None, 0),
        (649, None, 0),
        (650, 16000, 0),
        (679, 16000, 0),
        (621, 16000, 0),
        (620, None, 0),
        (649, None, 0),
        (680, 8000, 0),
        (709, 8000, 0),
        (650, 8000, 0),
        (680, 8000, 0),
        (649, 16000, 0),
        (710, 0, faults.OVERHEATED),
        (650, 0, faults.OVERHEATED),
        (610, 0, faults.OVERHEATED),
        (609, None, 0),
        (900, 0, faults.OVERHEATED),
        (-300, None, 0),
    ):
        part.temperature_dC = dC
        part.tick(TICK_ms, c)
        assert (part.limit_mA(32000), part.fault) == (limit, fault), dC
    part.temperature_dC = 690
    part.tick(TICK_ms, c)
    assert part.limit_mA(16000) == 6000 and part.limit_mA(40000) == 10000
    part.temperature_dC = 660
    part.tick(TICK_ms, c)


def test_derating_without_a_sensor():
    for before in (None, 250, 690):
        part = Derating()
        c = Told()
        if before:
            part.temperature_dC = before
            run(part, c, 1000)
            part.temperature_dC = None
        first = part.limit_mA(32000)
        run(part, c, 60000 - TICK_ms)
        assert part.limit_mA(32000) == first
        run(part, c, TICK_ms)
        assert part.limit_mA(32000) == 6000
        run(part, c, 540000 - TICK_ms)
        assert part.limit_mA(32000) == 6000
        run(part, c, TICK_ms)
        assert part.limit_mA(32000) == 0 and not part.fault
        run(part, c, TICK_ms, temperature_dC=250)
        assert part.limit_mA(32000) is None
    run(part, c, TICK_ms, temperature_dC=720)  # too hot, then lost: that is not cooler
    run(part, c, 120000, temperature_dC=None)
    assert part.limit_mA(32000) == 0 and part.fault == faults.OVERHEATED


# Proximity


def test_what_a_cable_carries():
    windows = ((80, 140, 63000), (164, 308, 32000), (400, 936, 20000), (1100, 2460, 13000))
    before = 63000
    for ohm in range(6000):
        rating = rating_mA(ohm)
        if ohm < 80 or ohm > 4500:
            assert rating == 0, ohm
            continue
        assert rating <= before, ohm  # never rises with the resistance
        before = rating
        for low, high, nominal in windows:
            if low <= ohm <= high:
                assert rating == nominal, ohm
            elif ohm > high:
                assert rating < nominal or nominal == 13000, ohm
    assert rating_mA(None) == 0
    for ohm, mA in ((1500, 13000), (680, 20000), (220, 32000), (100, 63000)):
        assert rating_mA(ohm) == mA


def socket(ohm=220, state=pilot.B):
    c = Told()
    part = Proximity()
    run(part, c, 1000)
    assert not part.ready and part.busy and not part.rating_mA
    part.cable_ohm = ohm
    assert until(part, c, ready_of) == 500 + TICK_ms
    c.state = state
    run(part, c, 10000)
    assert part.ready and not part.fault and part.rating_mA == rating_mA(ohm)
    return part, c


def test_proximity_lost():
    for state in (pilot.B, pilot.C, pilot.D, pilot.E):
        for ohm in (None, 0, 59, 79, 4501, 100000):
            part, c = socket(state=state)
            part.cable_ohm = ohm
            assert until(part, c, fault_of) == 75 and part.fault == faults.CABLE
            assert not part.rating_mA and not part.ready
            part.cable_ohm = 220
            for c.state in (pilot.B, pilot.C, pilot.D, pilot.E):
                run(part, c, 10000)
                assert part.fault == faults.CABLE and not part.ready
            assert not run(part, c, TICK_ms, state=pilot.A).fault


def test_proximity_changed():
    for ohm in (100, 680, 1500):
        part, c = socket()
        part.cable_ohm = ohm
        assert not run(part, c, TICK_ms).ready
        assert until(part, c, fault_of) == 500 and part.fault == faults.CABLE
    part, c = socket()
    for _ in range(10):  # a bad contact, for a moment
        run(part, c, 475, cable_ohm=350)
        run(part, c, 50, cable_ohm=None)
        run(part, c, TICK_ms, cable_ohm=220)
        assert part.ready and part.rating_mA == 32000 and not part.fault


def test_proximity_and_a_car_at_boot():
    c = Told(pilot.C)
    part = Proximity()
    part.cable_ohm = 680
    assert until(part, c, ready_of) == 500 + TICK_ms and part.rating_mA == 20000
    c = Told(pilot.B)  # a car without a cable
    part = Proximity()
    assert until(part, c, fault_of) == 1000 and part.fault == faults.CABLE


def test_proximity_without_a_car_follows():
    c = Told()
    part = Proximity()
    for ohm, mA in ((220, 32000), (680, 20000), (None, 0), (100, 63000)):
        part.cable_ohm = ohm
        run(part, c, 500 + TICK_ms)
        assert part.rating_mA == mA and not part.fault


def test_proximity_sees_a_plug_with_or_without_a_car():
    """Also one that may carry nothing; not for one or two readings, nor gone for them."""
    for ohm in (220, 20, 1500):
        c = Told()
        part = Proximity()
        run(part, c, 1000)
        assert not part.plugged
        for readings in (1, 2, 3):
            part.cable_ohm = ohm
            run(part, c, readings * TICK_ms)
            assert part.plugged is (readings == 3), (ohm, readings)
            part.cable_ohm = None if readings < 3 else ohm
            run(part, c, TICK_ms)
        for state in (pilot.B, pilot.C, pilot.A):
            c.state = state
            run(part, c, 2000)
            assert part.plugged
        for readings in (1, 2, 3):
            run(part, c, readings * TICK_ms, cable_ohm=None)
            assert part.plugged is (readings < 3), (ohm, readings)
            part.cable_ohm = ohm if readings < 3 else None
            run(part, c, TICK_ms)


# Lock


class Motor:
    """Moves the bolt in 200 ms, if it can."""

    def __init__(self, part, locked=False, sense=True):
        self.part = part
        self.locked = locked
        self.jam = False
        self.sense = sense
        self.ms = 0
        self.rest_ms = 10000
        self.pulses = []

    def __call__(self):
        d = self.part.drive
        if d and not self.ms:
            assert self.rest_ms >= 1000, "a pause of %d ms" % self.rest_ms
        if d:
            self.ms += TICK_ms
            assert self.ms <= self.part.pulse_ms
            if self.ms >= 200 and not self.jam:
                self.locked = d > 0
            self.rest_ms = 0
        else:
            if self.ms:
                self.pulses.append(self.ms)
            self.ms = 0
            self.rest_ms += TICK_ms
        if self.sense:
            self.part.locked = self.locked


def test_lock_locks_and_unlocks():
    for sense in (True, False):
        for pulse_ms in (300, 600):
            c = Told()
            part = Lock()
            part.pulse_ms = pulse_ms
            motor = Motor(part, sense=sense)
            run(part, c, 5000, motor)
            assert not motor.locked and not part.ready and part.busy
            motor.pulses.clear()
            c.state = pilot.B
            ms = until(part, c, ready_of, motor)
            assert motor.locked and ms <= pulse_ms + 2 * TICK_ms and not part.busy
            for c.state in (pilot.C, pilot.D, pilot.B):
                run(part, c, 10000, motor)
                assert part.ready
            assert run(part, c, TICK_ms, motor, state=pilot.A).drive == -1
            assert not part.ready
            run(part, c, 5000, motor)
            assert not motor.locked and not part.fault
            assert motor.pulses == [pulse_ms] * 2, motor.pulses


def test_lock_at_boot_moves_nothing_for_a_second():
    c = Told()
    part = Lock()
    motor = Motor(part, locked=True)
    run(part, c, 50, motor)
    run(part, c, 5000, motor, state=pilot.C)  # (by now the pilot's state is known)
    assert part.ready and not motor.pulses
    part = Lock()
    motor = Motor(part, locked=True)
    c.state = pilot.A
    assert until(part, c, lambda p: p.drive, motor) == 1000


def locked():
    c = Told()
    part = Lock()
    motor = Motor(part)
    run(part, c, 2000, motor)
    run(part, c, 5000, motor, state=pilot.C)
    assert part.ready and motor.locked and not part.drive
    return part, c, motor


def stays_while_welded(part, c, motor):
    c.fault = faults.WELDED
    run(part, c, 20000, motor)
    assert motor.locked
    c.fault = faults.NONE
    run(part, c, 2000, motor)
    assert not motor.locked


def test_lock_stays_while_closed_or_welded():
    for state in (pilot.A, pilot.B, pilot.E):
        part, c, motor = locked()
        c.closed = True
        c.state = state
        run(part, c, 20000, motor, release=True)
        assert motor.locked
        c.closed = False
        stays_while_welded(part, c, motor)


def test_lock_that_was_about_to_open_when_a_weld_was_seen():
    for sense in (True, False):
        c = Told()
        part = Lock()
        motor = Motor(part, sense=sense)
        run(part, c, 5000, motor)
        run(part, c, 400, motor, state=pilot.B)
        assert motor.locked
        run(part, c, 100, motor, state=pilot.A)  # (the motor pauses)
        stays_while_welded(part, c, motor)


def test_lock_in_e_and_without_a_cable():
    part, c, motor = locked()
    c.state = pilot.E
    assert until(part, c, lambda p: p.drive < 0, motor) == 5000
    part, c, motor = locked()
    c.fault = faults.CABLE
    assert until(part, c, lambda p: p.drive < 0, motor) == TICK_ms


def test_lock_released_by_a_person():
    part, c, motor = locked()
    run(part, c, TICK_ms, motor, release=True, closed=True)
    assert part.busy and not part.ready and motor.locked  # nothing is offered; then it opens
    run(part, c, 6000, motor)
    assert motor.locked
    run(part, c, 2000, motor, closed=False)
    assert not motor.locked and part.release
    run(part, c, 60000, motor)
    assert not motor.locked
    run(part, c, 1000, motor, state=pilot.A)
    assert not part.release
    run(part, c, 1000, motor, state=pilot.B)
    assert motor.locked and part.ready


def test_lock_that_keeps_the_plug_of_a_car_that_left():
    part, c, motor = locked()
    part.keep = True
    run(part, c, 60000, motor, state=pilot.A)
    assert motor.locked and not part.release
    run(part, c, 2000, motor, release=True)
    assert not motor.locked and not part.release
    run(part, c, 60000, motor)
    assert not motor.locked  # it locks nothing that was open
    run(part, c, 1000, motor, state=pilot.B)
    run(part, c, 1000, motor, state=pilot.A)
    assert motor.locked
    run(part, c, 2000, motor, keep=False)
    assert not motor.locked


def test_lock_that_keeps_the_plug_over_a_power_cut():
    """What it is told to keep it keeps as it finds it."""
    for is_locked in (True, False):
        c = Told()
        part = Lock()
        part.keep = True
        motor = Motor(part, locked=is_locked)
        run(part, c, 10000, motor)
        assert motor.locked is is_locked and not motor.pulses and not part.fault
        run(part, c, 3000, motor, release=True)
        assert not motor.locked and not part.release


def test_lock_that_was_released_locks_again_when_that_is_taken_back():
    part, c, motor = locked()
    run(part, c, 3000, motor, release=True)
    assert not motor.locked and part.busy
    run(part, c, 3000, motor, release=False)
    assert motor.locked and part.ready and not part.busy


def test_lock_jams():
    for to_lock in (True, False):
        part, c, motor = locked()
        if to_lock:
            run(part, c, 3000, motor, state=pilot.A)
        motor.pulses.clear()
        motor.jam = True
        c.state = pilot.B if to_lock else pilot.A
        run(part, c, TICK_ms, motor)
        # six pulses of 300 ms and a pause of a second after each
        assert until(part, c, fault_of, motor) == 6 * 1300, to_lock
        assert part.fault == faults.LOCK and len(motor.pulses) == 6 and not part.ready
        run(part, c, 60000, motor)
        assert len(motor.pulses) == 6 and part.fault == faults.LOCK
        # a hand moves it, or the other wish comes
        if to_lock:
            run(part, c, TICK_ms, motor, state=pilot.A)
        else:
            motor.locked = False
            run(part, c, 100, motor)
        assert not part.fault


def test_lock_is_not_ready_on_a_reading_that_doubts_it():
    c = Told(pilot.B)
    part = Lock()
    run(part, c, 3000, locked=False)
    run(part, c, 3000, locked=True)
    assert part.ready and not part.busy
    run(part, c, TICK_ms, locked=False)  # one reading: nothing closes on it, but the offer stays
    assert not part.ready and not part.busy
    run(part, c, TICK_ms, locked=True)
    assert part.ready and not part.busy


def test_lock_that_gives_way_under_load():
    part, c, motor = locked()
    c.closed = True
    motor.locked = False
    assert until(part, c, lambda p: p.busy, motor) == 75
    assert until(part, c, ready_of, motor) <= 400
    for _ in range(20):  # two wrong readings are none
        motor.locked = False
        run(part, c, 50, motor)
        motor.locked = True
        run(part, c, TICK_ms, motor)
        assert part.ready and not part.busy


# Phases


def of_phases(three=True, wanted=1, state=pilot.C, closed=False):
    c = Told(state, closed)
    part = Phases()
    part.three = three
    run(part, c, 200)
    assert part.ready and not part.busy and part.three == three
    part.wanted = wanted
    return part, c


def test_phases_without_a_wish_and_without_a_car():
    for three, wanted in ((True, 0), (True, 3), (False, 0), (False, 1)):
        part, c = of_phases(three, wanted)
        run(part, c, 60000)
        assert part.three == three and part.ready
    part, c = of_phases(state=pilot.A)  # at once
    run(part, c, TICK_ms)
    assert not part.three and not part.busy and part.ready


def test_phases_when_it_opened_under_load():
    part, c = of_phases(closed=True)
    run(part, c, 6000)
    c.closed = False
    ms = until(part, c, lambda p: not p.three)
    assert ms == 100 and ms + until(part, c, ready_of) == 60000
    part, c = of_phases(wanted=0, closed=True)  # that was a while ago
    run(part, c, 55000, closed=False)
    run(part, c, TICK_ms, wanted=1)
    assert not part.three and until(part, c, ready_of) == 10000


def test_phases_not_too_often():
    part, c = of_phases()
    run(part, c, 10025)
    assert not part.three and part.ready
    run(part, c, 300000 - 10025, wanted=3)
    assert part.ready and not part.three
    run(part, c, TICK_ms * 2)
    assert part.three and part.busy


def test_phases_a_wish_that_is_taken_back_and_a_car_that_leaves():
    part, c = of_phases(closed=True)
    run(part, c, 3000)
    assert part.busy
    run(part, c, TICK_ms, wanted=3)
    assert part.ready and part.three
    part, c = of_phases()
    run(part, c, 1000)
    assert part.busy
    run(part, c, TICK_ms, state=pilot.A)
    assert part.ready


# Supply


def mains(low_V=230, high_V=230):
    part = Supply(230)
    part.low_mV, part.high_mV = low_V * 1000, high_V * 1000
    run(part, Told(), 1000)
    return part, Told()


def test_supply_in_range():
    for low_V, high_V in ((230, 230), (207, 253), (207, 207), (253, 253), (0, 0)):
        part, c = mains(low_V, high_V)
        run(part, c, 60000)
        assert part.ready and not part.fault, low_V


def test_supply_out_of_range():
    for low_mV, high_mV, fault in (
        (206999, 230000, faults.UNDERVOLTAGE),
        (0, 230000, faults.UNDERVOLTAGE),
        (230000, 253001, faults.OVERVOLTAGE),
    ):
        part, c = mains()
        part.low_mV, part.high_mV = low_mV, high_mV
        run(part, c, TICK_ms)
        assert not part.ready and not part.fault and not part.busy
        assert until(part, c, fault_of) == 4000 - TICK_ms and part.fault == fault
        run(part, c, 100000)
        assert part.fault == fault
        part.low_mV = part.high_mV = 230000
        run(part, c, 59000)
        part.low_mV, part.high_mV = low_mV, high_mV  # again, for a moment
        run(part, c, TICK_ms)
        part.low_mV = part.high_mV = 230000
        run(part, c, 59975, state=pilot.C)
        assert part.fault == fault and not part.ready
        run(part, c, TICK_ms)
        assert part.ready and not part.fault


def test_supply_does_not_go_by_an_old_reading():
    part, c = mains()
    run(part, c, 1000)
    run(part, c, 900, low_mV=100000)
    run(part, c, 60000, lambda: None)  # the meter has fallen silent
    assert not part.fault and part.ready
    run(part, c, 4000)
    assert part.fault == faults.UNDERVOLTAGE


def test_supply_needs_a_minute_of_readings_after_a_fault():
    """A stall, or a meter that is silent, is no evidence that the voltage is back."""
    part, c = mains()
    run(part, c, 4000, high_mV=260000)
    assert part.fault == faults.OVERVOLTAGE
    run(part, c, 10000, high_mV=230000)
    run(part, c, 500000, lambda: None)  # (its last reading is fresh for 3 s)
    assert part.fault == faults.OVERVOLTAGE
    assert until(part, c, ready_of) == 47000 + TICK_ms
    run(part, c, 4000, high_mV=260000)
    part.low_mV = part.high_mV = 0  # the meter is given up
    assert until(part, c, ready_of) == 60000


def test_supply_sags_for_a_moment():
    part, c = mains()
    for _ in range(10):
        run(part, c, 3975, low_mV=100000)
        run(part, c, TICK_ms, low_mV=230000)
        assert part.ready and not part.fault


def test_earth_lost():
    part, c = Earth(), Told()
    run(part, c, 1000)  # not read yet: nothing may close, and nothing is wrong
    assert not part.ready and not part.fault
    part.live = True
    assert until(part, c, ready_of) == TICK_ms
    part.live = False
    assert until(part, c, fault_of) == TICK_ms and part.fault == faults.PE and not part.ready
    part.live = True
    for c.state in (pilot.A, pilot.B):
        run(part, c, 29000)
        assert part.fault == faults.PE
    run(part, c, TICK_ms, live=False)  # again, for a moment
    part.live = True
    assert until(part, c, ready_of) == 60000 and not part.fault


def test_interlock():
    """Open at the first reading; over when it was closed and no car was there for 500 ms."""
    part, c = Interlock(), Told()
    run(part, c, 1000)  # not read yet: nothing may close, and nothing is wrong
    assert not part.ready and not part.fault and not part.busy
    part.live = True
    assert until(part, c, ready_of) == TICK_ms and not part.fault
    for state in (pilot.A, pilot.B, pilot.C, pilot.D, pilot.E):
        assert run(part, c, 1000, state=state).ready and not part.fault  # a car is no fault
        part.live = False
        assert until(part, c, fault_of) == TICK_ms and part.fault == faults.INTERLOCK
        assert not part.ready
        run(part, c, 1000, state=pilot.A)
        assert part.fault  # no car, but it is open
        if state != pilot.A:
            run(part, c, 475, live=True)
            run(part, c, 700000, state=state)
            assert part.fault and not part.ready
            c.state = pilot.A
        part.live = True
        run(part, c, 475)
        run(part, c, TICK_ms, live=False)  # again, for a moment
        part.live = True
        assert until(part, c, ready_of) == 500 and not part.fault


def test_readback():
    """Eight readings in a row, of whatever is driven; over after as many, without a car."""
    for duty in (pilot.STEADY, pilot.FAULT, 6560, 17476, 34952, 58458):
        part, c = Readback(), Told()
        c.duty_u16 = duty

        def read(*off, state=pilot.C, part=part, c=c):
            for u16 in off:
                run(part, c, TICK_ms, duty_u16=c.duty_u16 + u16, state=state)
                run(part, c, 50)  # no new reading: nothing is judged
            return part

        run(part, c, 1000)
        assert not part.ready and not part.fault and not part.wrong
        assert read(-983, 983, 0).ready and not part.fault and not part.wrong
        for off in (984, -984, 32768, (1 << 18) - duty, -(1 << 18) - duty):
            assert read(*(off,) * 7).wrong == 7 and part.ready and not part.fault
            assert not read(0).wrong
            assert read(*(off,) * 8).fault == faults.DUTY and not part.ready and not part.wrong
            read(*(0,) * 100)
            assert part.fault and not part.ready  # the car is still there
            read(off, *(0,) * 7, state=pilot.A)
            assert part.fault and part.wrong == 7
            read(off, *(0,) * 7, state=pilot.A)
            assert part.fault
            assert read(0, state=pilot.A).ready and not part.fault and not part.wrong
    c.duty_u16 = 6560  # another one is set: what is seen from then on counts
    assert not read(0).wrong


def test_a_lock_does_not_move_before_anybody_knows_whether_a_car_is_there():
    for locked in (True, False):
        part, c = Lock(), Told()
        c.known = False
        part.locked = locked
        for _ in range(10):
            part.tick(2000, c)
            assert part.drive == 0 and part.busy and not part.ready
        c.known, c.state = True, pilot.B
        until(part, c, lambda part: part.drive or part.ready, most_ms=2000)
        assert part.drive == (0 if locked else 1)
