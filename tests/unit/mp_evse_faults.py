"""Every fault of electrical/faults.py in every state of a charge, with all parts fitted.

Each tick of the controller runs with the heap locked, and the ticks wrap on the way.
"""

from electrics import FITTINGS, outlet
from rig import HEAP_LOCKED, HIGH_mV, SHORTED_mV, TICK_ms, due, raises

from firmware import names
from firmware.electrical import faults, pilot
from firmware.electrical.controller import Controller
from firmware.ocpp.v16 import words

HEAP = "200K"
SWEEPS = (
    "test_every_state_and_every_input",
    "test_residual",
    "test_welded",
    "test_cable",
    "test_meter",
    "test_voltage",
)
X1, F = pilot.STEADY, pilot.FAULT
WRAP = 2**30


class World:
    """A controller with all parts, and what they see. Attributes are the truth out there."""

    def __init__(self, ventilation=False):
        self.fit(ventilation=ventilation)
        self.now_ms = WRAP - 20000
        self.ticks = 0
        self.car = "A"
        self.mV = None  # of the pilot's high level, if no car makes it
        self.diode = True
        self.allow_mA = 0
        self.draw_mA = 15000
        self.leak = self.sensor_broken = self.jam = self.meter_lost = False
        self.grounded = self.loop = self.obeys = True
        self.bolt = False
        self.live = None  # of the load side, if not as the contactor says
        self.dC = 250
        self.ohm = 220
        self.volt_mV = 230000
        self.supply.readings = 1
        self.was_closed = False
        self.x1_ms = 0  # of X1 or F

    def fit(self, power_cut=False, ventilation=False):
        """The station starts."""
        o = self.made = outlet(FITTINGS, power_cut, ventilation=ventilation)
        self.residual, self.mirror, self.earth = o.residual, o.mirror, o.earth
        self.interlock, self.readback = o.interlock, o.readback
        self.overcurrent, self.derating, self.supply = o.overcurrent, o.derating, o.supply
        self.proximity, self.lock, self.phases = o.proximity, o.lock, o.phases
        self.c = o.controller
        self.parts = o.controller.parts

    def tick(self, n=1):
        c = self.c
        for _ in range(n):
            self.ticks += 1
            self.now_ms = (self.now_ms + TICK_ms) & (WRAP - 1)
            high = low = self.mV or HIGH_mV[self.car]
            if c.duty_u16 == F:
                high = low = 0 if self.car == "E" else -12000
            elif c.duty_u16 != X1:
                low = 0 if self.car == "E" else -12000
                if not self.diode:
                    low = SHORTED_mV.get(self.car, low)
            self.residual.tripped = self.leak or self.residual.test and not self.sensor_broken
            self.mirror.live = c.closed if self.live is None else self.live
            self.earth.live = self.grounded
            self.interlock.live = self.loop
            self.readback.duty_u16 = c.duty_u16 if self.obeys else c.duty_u16 ^ 32768
            if not self.meter_lost and self.ticks % 40 == 0:
                self.overcurrent.current_mA = self.draw_mA if c.closed and self.car in "CD" else 0
                self.overcurrent.readings += 1
            self.derating.temperature_dC = self.dC
            self.proximity.cable_ohm = self.ohm if self.car != "A" else None
            if self.lock.drive and not self.jam:
                self.bolt = self.lock.drive > 0
            self.lock.locked = self.bolt
            self.supply.low_mV = self.supply.high_mV = self.volt_mV
            self.supply.readings += 1
            self.made.line.high_mV, self.made.line.low_mV = high, low
            with HEAP_LOCKED:
                self.made.tick(self.now_ms, self.allow_mA)
            self.check()
        return c

    def check(self):
        """What is true after every tick."""
        c = self.c
        reaction = faults.REACTION[c.fault]
        offered = c.duty_u16 not in (X1, F)
        assert offered == (c.pilot_mA > 0)
        assert not offered or reaction == faults.REPORT, "offers with fault %d" % c.fault
        self.x1_ms = 0 if offered else self.x1_ms + TICK_ms
        if c.closed:
            assert reaction < faults.OPEN, "closed with fault %d" % c.fault
            assert c.state == pilot.C or c.state == pilot.D and c.ventilation
            assert c.duty_u16 != F
            assert self.x1_ms <= 6000
            if not self.was_closed:
                assert offered
                for part in self.parts:
                    assert part.ready and not part.fault
        self.was_closed = c.closed
        for part in self.parts:
            assert not part.fault or 0 < c.fault <= part.fault, "not the gravest"

    def run(self, ms):
        return self.tick(ms // TICK_ms)

    def shows(self, state, ms):
        """The car shows `state`, and `ms` pass."""
        self.car = state
        return self.run(ms)

    def until(self, done, most_ms, car=None):
        """Tick until done(self), with a car that shows `car` from now on; -> ms, or None after
        most_ms."""
        self.car = car or self.car
        ms = 0
        while not done(self):
            if ms >= most_ms:
                return None
            self.tick()
            ms += TICK_ms
        return ms

    def has(self, fault):
        """The fault is there, if behind a graver one."""
        return self.c.fault == fault or any([part.fault == fault for part in self.parts])


def closed(w):
    return w.c.closed


# The states that a fault may come in

STATES = ("A", "B1", "B2", "C1", "C2 open", "C2", "C2 in X1", "D", "D2", "E", "wake F", "wake X1")


def world_in(state):
    w = World(ventilation=state == "D2")
    w.run(12000)
    if state == "A":
        w.allow_mA = 16000
        w.run(1000)
        return w
    w.shows("B", 3000)
    if state == "B1":
        return w
    if state == "C1":
        w.shows("C", 3000)
        return w
    w.allow_mA = 16000
    if state.startswith("wake"):
        w.run(31000 if state == "wake F" else 34300)
        assert w.c.duty_u16 == (F if state == "wake F" else X1)
        return w
    w.run(5000)
    assert w.c.pilot_mA == 16000
    if state == "B2":
        return w
    if state == "E":
        w.shows("E", 2000)
        assert w.c.fault == faults.PILOT_SHORT
        return w
    w.shows("C", 200)
    if state == "C2 open":
        return w
    w.run(8000)
    assert w.c.closed and w.c.pilot_mA == 16000 and not w.c.fault
    if state == "C2 in X1":
        w.allow_mA = 0
        w.run(1000)
        assert w.c.closed and w.c.duty_u16 == X1
    if state[0] == "D":
        w.shows("D", 2000)
        assert w.c.closed == (state == "D2") and w.c.state == pilot.D
    return w


# Faults: how they come and go, in which states they are seen and after how long (least, most),
# and how they are over.

UNPLUGGED, PERSON = 1, 2  # else the most ms that it lasts when its cause has gone


def leak(w, on):
    w.leak = on


def earth(w, on):
    w.grounded = not on


def stop(w, on):
    w.loop = not on


def other_duty(w, on):
    w.obeys = not on


def overload(w, on):
    w.draw_mA = 25000 if on else 15000


def overcurrent(w, on):
    w.draw_mA = 19000 if on else 15000


def pilot_short(w, on):
    w.before = "B" if w.car == "E" else w.car if on else w.before
    w.car = "E" if on else w.before


def ventilation(w, on):
    w.before = "C" if w.car == "D" else w.car if on else w.before
    w.car = "D" if on else w.before


def cable(w, on):
    w.ohm = None if on else 220


def diode(w, on):
    w.diode = not on


def weld(w, on):
    w.live = True if on else None


def dead(w, on):
    w.live = False if on else None


def sag(w, on):
    w.volt_mV = 200000 if on else 230000


def surge(w, on):
    w.volt_mV = 260000 if on else 230000


def heat(w, on):
    w.dC = 710 if on else 609


def jam(w, on):
    if on:
        w.bolt = w.car == "A"
    else:
        w.bolt = not w.bolt
    w.jam = on


def between(w, on):
    w.mV = (10500, 7500, 7500, 4500, 1500)[w.c.state] if on else None


def meter(w, on):
    w.meter_lost = on


PLUGGED = STATES[1:]
CLOSED = ("C2", "D2")
NOT_F = tuple([s for s in STATES if s != "wake F"])
TABLE = {
    faults.WELDED: (weld, STATES, 250, 250, PERSON),
    faults.RESIDUAL: (leak, STATES, 25, 25, PERSON),
    faults.INTERLOCK: (stop, STATES, 25, 25, UNPLUGGED),
    faults.PE: (earth, STATES, 25, 25, 60000),
    faults.OVERLOAD: (overload, CLOSED + ("C2 in X1",), 1000, 2000, UNPLUGGED),
    faults.PILOT_SHORT: (pilot_short, NOT_F, 75, 75, 75),
    faults.CABLE: (cable, PLUGGED, 75, 75, UNPLUGGED),
    faults.DIODE: (diode, CLOSED + ("B2", "C2 open"), 75, 75, UNPLUGGED),
    faults.NOT_CLOSED: (dead, CLOSED + ("C2 in X1",), 250, 250, 10000),
    faults.DUTY: (other_duty, STATES, 200, 200, UNPLUGGED),
    faults.VENTILATION: (ventilation, ("A",) + PLUGGED[:7] + ("E", "wake X1"), 75, 75, 75),
    faults.UNDERVOLTAGE: (sag, STATES, 3975, 4000, 60000),
    faults.OVERVOLTAGE: (surge, STATES, 3975, 4000, 60000),
    faults.OVERHEATED: (heat, STATES, 25, 25, 25),
    faults.OVERCURRENT: (overcurrent, CLOSED, 7000, 8000, UNPLUGGED),
    faults.LOCK: (jam, STATES[:9] + ("wake F", "wake X1"), 7800, 7950, 100),
    faults.PILOT_RANGE: (between, NOT_F[:7] + ("D2", "wake X1"), 1000, 1000, 1000),
    faults.METER: (meter, STATES, 59000, 60000, 1000),
}


def matrix(fault):
    cause, visible, least_ms, most_ms, over = TABLE[fault]
    for state in STATES:
        name = "%s in %s" % (names.fault(fault), state)
        try:
            one_of_matrix(fault, state, cause, state in visible, least_ms, most_ms, over)
        except Exception:
            print(name)
            raise


def one_of_matrix(fault, state, cause, visible, least_ms, most_ms, over):
    w = world_in(state)
    c = w.c
    before = c.fault
    expected = min(before or fault, fault)
    if fault == faults.VENTILATION:  # (in E it takes the place of what was there)
        expected = fault
    cause(w, True)
    if not visible:
        if state not in ("wake F", "wake X1", "C2 open"):  # (which are over soon)
            was = c.closed
            w.run(3000)
            assert not w.has(fault) and c.closed == was
        return
    if fault == faults.WELDED and c.closed:  # nobody can see it before the contactor opens
        w.run(2000)
        assert c.closed and not c.fault
        assert w.until(lambda w: not w.c.closed, 75, "B") is not None
        least_ms = most_ms = 500
    had_mA = c.pilot_mA
    duty = c.duty_u16
    if fault == before:
        assert state in ("D", "E")
    else:
        ms = w.until(lambda w: w.has(fault), 70000)
        assert ms is not None and least_ms <= ms <= most_ms, ms
    assert (c.fault == expected) or c.fault < expected, (c.fault, expected)
    reaction = faults.REACTION[fault]
    # the pilot, from this tick on
    if reaction == faults.REPORT:
        if had_mA and duty == c.duty_u16:
            w.run(3000)
            assert c.pilot_mA == had_mA
    elif reaction == faults.OPEN_F and expected == fault != before:
        f_ms = 0
        while c.duty_u16 == F and f_ms < 20000:
            w.tick()
            f_ms += TICK_ms
        if fault == faults.WELDED:
            assert f_ms == 20000
            assert w.bolt == (state != "A")
        else:
            assert f_ms == 300 + TICK_ms and c.duty_u16 == X1, f_ms
    elif c.duty_u16 != X1:
        assert state.startswith("wake") or before, c.duty_u16
    # the contactor
    if reaction >= faults.OPEN:
        assert not c.closed
    elif reaction != faults.REPORT and c.closed:
        w.until(lambda w: not w.c.closed, 7000)
        assert w.x1_ms == (5000 if reaction == faults.STOP_5 else 6000) + TICK_ms
    # what does not end it: time, a person who resets too early, the cause that goes
    w.run(2000)
    assert w.has(fault)
    if state != "A" and c.fault != faults.WELDED:
        assert not c.reset() and w.has(fault)
    cause(w, False)
    if over == PERSON or over == UNPLUGGED and state != "A":
        w.run(100000)
        assert w.has(fault)
    else:
        ms = w.until(lambda w: not w.has(fault), (500 if over == UNPLUGGED else over) + TICK_ms)
        assert ms is not None, over
        if over >= 60000:
            assert ms >= over - TICK_ms
    # the car goes
    w.shows("A", 2000)
    assert w.has(fault) == (over == PERSON)
    if over == PERSON:
        w.run(60000)
        assert w.has(fault)
        assert (c.duty_u16 == F) == (fault == faults.WELDED) and w.bolt == (
            fault == faults.WELDED and state != "A"
        )
        assert c.reset()
        w.run(1000)
    assert not c.fault, c.fault
    # and the next one charges
    w.mV = None
    w.allow_mA = 16000
    w.shows("B", 3000)
    assert w.until(closed, 5000, "C") is not None
    w.run(6000)
    assert c.pilot_mA == 16000 and not c.fault


def test_welded():
    matrix(faults.WELDED)


def test_residual():
    matrix(faults.RESIDUAL)


def test_cable():
    matrix(faults.CABLE)


def test_voltage():
    matrix(faults.UNDERVOLTAGE)
    matrix(faults.OVERVOLTAGE)


def test_meter():
    matrix(faults.METER)


def test_every_other_fault():
    own = faults.WELDED, faults.RESIDUAL, faults.CABLE, faults.METER
    for fault in sorted(TABLE):
        if fault not in own + (faults.UNDERVOLTAGE, faults.OVERVOLTAGE):
            matrix(fault)


def test_closes_within_3_s_and_opens_within_100_ms_with_all_parts():
    for first in "ABC":
        for then in "ABDE":
            w = World()
            w.run(12000)
            w.shows(first, 6000)
            w.allow_mA = 6000
            assert w.until(closed, 3000, "C") is not None, first
            w.run(2000)
            assert w.until(lambda w: not w.c.closed, 75, then) is not None, then


def test_a_power_cut_under_a_car():
    """At boot the car is there: nothing is unlocked, all is tested, and it charges on."""
    w = World()
    w.car, w.bolt, w.allow_mA = "C", True, 16000
    w.fit(power_cut=True)
    for _ in range(10000 // TICK_ms):
        assert not w.tick().closed and w.bolt and not w.c.fault and w.c.duty_u16 != F
    w.tick()
    assert w.c.closed and w.c.pilot_mA == 16000


def test_a_residual_sensor_that_fails_its_test():
    for at_boot in (True, False):
        w = World()
        if at_boot:
            w.sensor_broken = True
            w.run(12000)
        else:
            w.run(12000)
            w.sensor_broken = True
            w.car = "B"
            w.allow_mA = 16000
            ms = w.until(lambda w: w.c.fault, 3000)
            assert 1000 <= ms <= 1200 and w.c.duty_u16 == F
            for _ in range(300 // TICK_ms + 1):
                assert w.c.duty_u16 == F
                w.tick()
            assert w.c.duty_u16 == X1
        w.sensor_broken = False
        for w.car in ("B", "C", "B", "A", "B", "C", "A"):
            w.run(20000)
            assert w.c.fault == faults.RESIDUAL_TEST and not w.c.pilot_mA
        assert w.c.reset()
        w.run(1000)
        w.allow_mA = 16000
        w.shows("B", 3000)
        assert w.until(closed, 3000, "C") is not None


def test_a_loop_that_is_open_at_boot_under_a_car():
    """It closes while the pilot shows F, before anybody can see the car: that has to go first."""
    w = World()
    w.car, w.bolt, w.allow_mA, w.loop = "C", True, 16000, False
    w.fit(power_cut=True)
    assert w.tick(4).duty_u16 == F and not w.c.known
    w.loop = True
    for _ in range(60000 // TICK_ms):
        assert w.tick().fault == faults.INTERLOCK and not w.c.closed and not w.c.pilot_mA
    w.shows("A", 2000)
    assert not w.c.fault
    w.shows("B", 3000)
    assert w.until(closed, 5000, "C") is not None


def test_a_car_that_comes_while_a_loop_is_open_for_a_moment():
    """And the pilot shows F: it is there before the loop is closed again."""
    for known in (False, True):
        w = World()
        w.run(12000 if known else 0)
        w.allow_mA = 16000
        w.loop = False
        assert w.tick(3).duty_u16 == F
        w.car = "B"
        w.tick(2)
        w.loop = True
        for _ in range(60000 // TICK_ms):
            assert w.tick().fault == faults.INTERLOCK and not w.c.pilot_mA
        w.shows("A", 2000)
        assert not w.c.fault


def test_a_contactor_that_never_closes():
    w = world_in("B2")
    w.live = False
    w.car = "C"
    times = []
    for _ in range(4):
        assert w.until(closed, 20000) is not None
        times.append(w.ticks * TICK_ms)
        assert w.until(lambda w: not w.c.closed, 2000) == 1000
        assert w.c.fault == faults.NOT_CLOSED and w.c.duty_u16 == X1
    assert min([b - a for a, b in zip(times, times[1:])]) >= 11000
    assert w.until(closed, 100000) is None and w.c.fault == faults.NOT_CLOSED
    w.live = None
    w.shows("A", 60000)
    assert w.c.fault == faults.NOT_CLOSED and w.c.reset()
    w.run(100)
    assert not w.c.fault


def test_a_part_that_is_not_ready_holds_the_contactor_open():
    for i in range(9):
        w = world_in("B2")
        part = w.parts[i]
        if part in (w.overcurrent, w.derating):
            continue  # they never hold it
        tick = part.tick

        def hold(dt_ms, c, tick=tick, part=part):
            tick(dt_ms, c)
            part.ready = False

        part.tick = hold
        w.car = "C"
        w.tick(3)
        for _ in range(200):  # nor is offered what cannot come (docs/electrical.md 3, seq. 4)
            assert not w.tick().closed and w.c.duty_u16 == X1, i
        part.tick = tick
        # (the mirror, the lock and the rest are ready by now: PWM, and three readings of it)
        assert w.until(closed, 100) == 4 * TICK_ms, i


class Says:
    """A part that says what it is told."""

    def __init__(self, fault, busy, ready):
        self.fault, self.busy, self.ready = fault, busy, ready

    def tick(self, dt_ms, c):
        pass


def test_every_state_and_every_input():
    """15 s after boot, and 10 s of charging before what is said becomes true."""
    n = 0
    for charging in (False, True):
        for state in "ABCDE":
            for allow_mA in (0, 5999, 6000, 32000):
                for fault in (0, faults.METER, faults.LOCK, faults.DIODE, 1, 2):
                    for busy, ready in ((0, 1), (0, 0), (1, 1), (1, 0)):
                        for fan in (False, True) if state == "D" else (False,):
                            if due(n):
                                one_of_every(charging, state, allow_mA, fault, busy, ready, fan)
                            n += 1
    print("%d cases" % n)


def one_of_every(charging, state, allow_mA, fault, busy, ready, ventilation):
    part = Says(0, False, True)
    c = Controller((part,))
    c.ventilation = ventilation
    now_ms = WRAP - 5000
    car = "B"
    told_mA = 20000 if charging else 0
    for ms in (6000, 9000 if charging else 0, 150, 9000):
        if ms == 9000 and car == "B":
            car = "C"
        if ms == 150:
            car = state
            told_mA = allow_mA
            part.fault, part.busy, part.ready = fault, bool(busy), bool(ready)
            was = c.closed
            assert was == charging
        for _ in range(ms // TICK_ms):
            now_ms = (now_ms + TICK_ms) & (WRAP - 1)
            high = HIGH_mV[car] if c.duty_u16 != F else -12000
            pwm = c.duty_u16 not in (X1, F)
            c.tick(now_ms, high, -12000 if pwm and car != "E" else high, told_mA)
        serves = state == "C" or state == "D" and ventilation
        reaction = faults.REACTION[fault]
        if state == "E" and (not fault or faults.PILOT_SHORT < fault):
            reaction = faults.OPEN_F
        if state == "D" and not ventilation:
            reaction = max(reaction, faults.OPEN)
        could = state == "B" or serves and (ready or charging)
        may = could and reaction == faults.REPORT and not busy
        offer = allow_mA if may and allow_mA >= 6000 else 0
        case = (charging, state, allow_mA, fault, busy, ready, ventilation, ms)
        if ms == 150:
            assert (c.duty_u16 == F) == (reaction == faults.OPEN_F), case
            if not offer:
                assert c.pilot_mA == 0, case
            if charging:
                assert c.closed == (serves and reaction < faults.OPEN), case
        elif ms == 9000 and told_mA == allow_mA and car == state:
            assert c.pilot_mA == offer, case
            # (closed stays closed while a part is not ready: it is asked for closing)
            on = serves and offer > 0 and (ready or charging)
            assert c.closed == bool(on), case
            assert (c.duty_u16 == F) == (c.fault == faults.WELDED), case


def test_phases_under_a_car():
    for obeys in (True, False):
        w = world_in("C2")
        w.phases.wanted = 1
        assert w.tick().duty_u16 == X1 and w.c.closed
        if obeys:
            w.run(1500)
            w.car = "B"
        ms = w.until(lambda w: not w.c.closed, 7000)
        assert ms == (25 if obeys else 6000)
        assert w.until(lambda w: not w.phases.three, 1000) == 100
        pause_ms = w.until(lambda w: w.c.pilot_mA, 100000)
        assert pause_ms == (10000 if obeys else 60000 - 100), pause_ms
        assert w.until(closed, 3000, "C") is not None
        w.phases.wanted = 3
        for _ in range(100000 // TICK_ms):
            assert w.tick().closed


# What a Central System is told of each fault: errorCode, vendorErrorCode.
CODES = {
    faults.NONE: ("NoError", None),
    faults.WELDED: ("PowerSwitchFailure", "ContactorWelded"),
    faults.RESIDUAL: ("GroundFailure", "ResidualCurrent"),
    faults.RESIDUAL_TEST: ("GroundFailure", "ResidualSelfTest"),
    faults.INTERLOCK: ("OtherError", "Interlock"),
    faults.PE: ("GroundFailure", "ProtectiveEarth"),
    faults.OVERLOAD: ("OverCurrentFailure", "Overload"),
    faults.PILOT_SHORT: ("EVCommunicationError", "PilotShort"),
    faults.CABLE: ("OtherError", "Cable"),
    faults.DIODE: ("EVCommunicationError", "DiodeFault"),
    faults.NOT_CLOSED: ("PowerSwitchFailure", "ContactorNotClosed"),
    faults.DUTY: ("InternalError", "PilotDuty"),
    faults.VENTILATION: ("OtherError", "VentilationNotAvailable"),
    faults.UNDERVOLTAGE: ("UnderVoltage", None),
    faults.OVERVOLTAGE: ("OverVoltage", None),
    faults.OVERHEATED: ("HighTemperature", None),
    faults.OVERCURRENT: ("OverCurrentFailure", None),
    faults.LOCK: ("ConnectorLockFailure", None),
    faults.PILOT_RANGE: ("EVCommunicationError", "PilotRange"),
    faults.METER: ("PowerMeterFailure", None),
    faults.POLICY: ("OtherError", "Policy"),
    faults.LIST: ("LocalListConflict", None),
}


def test_the_table():
    n = faults.LIST + 1
    assert len(faults.REACTION) == n == len(CODES) and raises(IndexError, words.error, n)
    for fault in range(n):
        assert words.error(fault) == CODES[fault], fault
        if fault > 1:  # the gravest has the strictest reaction: one number decides
            assert faults.REACTION[fault] <= faults.REACTION[fault - 1], fault


def test_the_severity_of_each_fault():
    """As OCPP 2.0.1 counts, N08: what can kill is 0; what only is told is none of the grave ones;
    what waits for a person is a danger or broken hardware."""
    n = faults.LIST + 1
    assert len(faults.SEVERITY) == n and faults.SEVERITY[faults.NONE] == 9
    for fault in range(1, n):
        severity = faults.SEVERITY[fault]
        assert 0 <= severity <= 6, fault
        assert (faults.REACTION[fault] == faults.REPORT) <= (severity >= 4), fault
        assert (fault in faults.ENDING) <= (severity <= 1), fault
    danger = [fault for fault in range(n) if not faults.SEVERITY[fault]]
    assert danger == [faults.WELDED, faults.RESIDUAL, faults.INTERLOCK, faults.PE]
