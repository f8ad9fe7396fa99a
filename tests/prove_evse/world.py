"""A life of one connector, made of random events: the unit's own outlet, made of a board's dict
(firmware/fitting.py), with played drivers, on a wall, under the monitor.

A chapter is `[[gap_ticks, name, argument], ...]`; it begins with a power-up. The same list gives
the same life on every interpreter. Runs on CPython and on MicroPython.
"""

# ruff: noqa: UP031

from firmware.fitting import Fitting
from sim.car import FAULTS, Dice
from sim.faults import WALL_FAULTS
from sim.monitor import PARTS, Monitor
from sim.rules.deadlines import X1, TICK_ms
from sim.wall import Wall
from tests.unit import electrics

WRAP = 1 << 30
PINS = {"pilot": 27, "contactor": 33, "sense": 36}
HARDWARE_mA = 32000
EVENTS = 100  # of a chapter
METER_ms = 1000
LIMITS_mA = (0, 5999, 6000, 6000, 10000, 13000, 16000, 16000, 20000, 32000)
# Faults that end by themselves would hide what comes after them: few at a time, and cleared soon.
_MOST = 2
ENDS = ("ev", "station")  # of a cable
# (without a meter's lies: this world has no driver that would see them)
NO_LIES = "meter-lost", "meter-garbles"
WALL_FAULT_NAMES = sorted(n for n in WALL_FAULTS if n[:6] != "meter-" or n in NO_LIES)


# What the board's dict has beside PINS, and the parts that come of it.
FITTINGS = dict(electrics.FITTINGS, phases={"min_s": 20})
_NAMES = sorted(FITTINGS)


# --- what happens


def chapter(seed, events=EVENTS, prefer=None):
    """The events of the chapter with this seed; `prefer`: a fault that comes often."""
    dice = Dice(seed)
    below = dice.below
    kind = below(4)  # 0: nothing is wrong, 1: odd cars, 2: the wall's faults, 3: both
    fitted = [n for n in _NAMES if below(4)] if below(2) else _NAMES
    out = [[0, "begin", [below(1000000), fitted]], [below(100), "allow", 16000]]
    wrong = []
    while len(out) < events:
        if wrong and (len(wrong) >= _MOST or below(3) == 0):
            name = wrong.pop(below(len(wrong)))
            event = [name[0].replace("fault", "clear"), name[1]]
        else:
            event = _event(dice, kind)
            if prefer and event[0] == "rest" and len(wrong) < _MOST:
                event = ["wall-fault" if prefer in WALL_FAULTS else "fault", prefer]
            if event[0] in ("fault", "wall-fault"):
                wrong.append(event)
        gap = below(10)
        gap = below(8) if gap < 5 else 10 + below(70) if gap < 9 else 100 + below(400)
        out.append([gap] + event)
    return out


def _event(dice, kind):
    below = dice.below
    n = below(100)
    if n < 18:
        return ["plug", below(1000000) if below(3) == 0 else 0]
    if n < 20:
        return ["unplug", dice.one_of((None, None, "ev", "station"))]
    if n < 21:
        return ["release", below(3) > 0] if below(2) else ["plug-end", dice.one_of(ENDS)]
    if n < 33:
        return ["wants", below(4) > 0]
    if n < 53:
        if below(3):
            return ["allow", dice.one_of(LIMITS_mA)]
        return ["allow", dice.between(5500, 33000)]
    if n < 56:
        return ["loose", [dice.one_of("ABDE"), 25 * dice.between(1, 8)]]
    if n < 59:
        return ["spike", dice.between(-6000, 6000)]
    if n < 62:
        return ["late", dice.between(2, 25)]
    if n < 64:
        return ["stall", dice.between(45, 400) if below(3) else dice.between(1000, 5000)]
    if n < 65:
        if below(2):
            return ["cut", dice.between(10, 20000)]
        return ["reset", dice.between(1000, 3000)]
    if n < 69:
        return ["person", 0]
    if n < 70:
        return ["three", dice.one_of((0, 1, 3))]
    if n < 75:
        return ["rest", 400]
    if kind == 0 or n % 2:
        return ["rest", below(40)]
    if kind == 1 or kind == 3 and below(2):
        return ["fault", dice.one_of(FAULTS)]
    return ["wall-fault", dice.one_of(WALL_FAULT_NAMES)]


# --- sensors: from what is true to what the firmware is told


class Board:
    """`fitted`: names of FITTINGS."""

    SENSE_ZERO_uV = SENSE_PER_V_uV = 0
    METER_UART = {}

    def __init__(self, fitted):
        self.pins = dict(PINS)
        for name in fitted:
            self.pins[name] = FITTINGS[name]


class Config:
    voltage_V = 230
    meter_lost_mA = 6000
    wake = True
    ventilation = False


class Driver:
    """Of one part: it reads what is true at the outlet."""

    def __init__(self, sensors, part, read):
        self.sensors, self.part, self.read = sensors, part, read

    def update(self):
        self.read(self.part, self.sensors.dt_ms)


class Line:
    spike_mV = high_mV = low_mV = 0

    def __init__(self, outlet):
        self.outlet = outlet
        self.set(X1)

    def set(self, duty):
        self.outlet.duty = duty

    def sample(self):
        self.high_mV, self.low_mV = self.outlet.pilot_mV()
        self.high_mV += self.spike_mV


class Contactor:
    def __init__(self, outlet):
        self.outlet = outlet
        self.set(False)

    def set(self, closed):
        if self.outlet.coil != closed:
            self.outlet.coil = closed
            self.outlet.coil_ms = 0


class Meter:
    """An answer a second, or none; five in vain and it is lost."""

    why = None
    readings = step_Wh = 0
    failed = 5

    def __init__(self, outlet):
        self.outlet = outlet
        self.current_mA = self.voltage_mV = (0, 0, 0)

    def known(self):
        return self.failed < 5

    def read(self):
        outlet = self.outlet
        if outlet.meter_lost or outlet.meter_garbles:
            self.failed += 1
            return
        self.failed = 0
        self.current_mA = [mA * outlet.meter_permille // 1000 for mA in outlet.car.phase_mA()]
        self.voltage_mV = tuple(outlet.volts_mV)
        self.readings += 1


class Sensors:
    def __init__(self, outlet, monitor, seed):
        self.outlet = outlet
        self.monitor = monitor
        dice = Dice(seed)
        self.dice = dice
        self.leak_ms = self.test_ms = self.drive_ms = 0
        self.answer_ms = dice.between(50, 800)  # of the residual current sensor to its test
        self.release_ms = dice.between(50, 1500)
        self.travel_ms = dice.between(75, 250)  # of the lock
        self.meter_ms = dice.below(METER_ms)
        self.heat_ms = dice.below(METER_ms)
        self.dt_ms = 0

    def driver(self, module, name):
        """What plays this class of firmware/drivers."""
        outlet = self.outlet
        if module == "outputs":
            return lambda pin: Contactor(outlet)
        if module == "pilot_line":
            return lambda *pins: Line(outlet)
        if name == "Eastron":
            return lambda *bus: Meter(outlet)
        if name in ("Bus", "NoMeter"):
            return lambda **pins: None
        return self.play

    def play(self, part, min_s=0, test=None):
        if min_s:
            part.min_ms = 1000 * min_s
        name = type(part).__name__.lower()
        return Driver(self, part, getattr(self, name))

    def meter(self, made):
        """The meter's turn comes once a second."""
        self.meter_ms += self.dt_ms
        if self.meter_ms >= METER_ms:
            self.meter_ms = 0
            made.meter.read()
            made.metered()

    def mirror(self, part, dt_ms):
        part.live = self.outlet.live

    def earth(self, part, dt_ms):
        part.live = self.outlet.pe_ok

    def interlock(self, part, dt_ms):
        part.live = self.outlet.loop_closed

    def proximity(self, part, dt_ms):
        ohm = self.outlet.cable_ohm
        part.cable_ohm = ohm and ohm * (98 + self.dice.below(5)) // 100

    def derating(self, part, dt_ms):
        self.heat_ms += dt_ms
        if self.outlet.sensor_lost:
            part.temperature_dC = None
        elif self.heat_ms >= METER_ms:
            self.heat_ms = 0
            part.temperature_dC = self.outlet.temperature_dC

    def phases(self, part, dt_ms):
        self.outlet.phases_relay = part.three

    def residual(self, part, dt_ms):
        outlet = self.outlet
        if part.test:
            self.test_ms += dt_ms
            outlet.residual_test = True
        elif self.test_ms:
            # it takes its time to see that the test is over
            self.test_ms = min(self.test_ms, self.answer_ms + self.release_ms)
            self.test_ms = self.test_ms - dt_ms if self.test_ms > self.answer_ms else 0
        leak = outlet.residual_mA
        self.leak_ms = self.leak_ms + dt_ms if leak >= 6 else 0
        delay = 100 if leak >= 200 else 300 if leak >= 60 else 1000
        was = outlet.residual_trip
        outlet.residual_trip = not outlet.residual_broken and (
            self.leak_ms >= delay or self.test_ms >= self.answer_ms
        )
        if outlet.residual_test and not part.test and not outlet.residual_trip:
            if was and not outlet.coil:
                self.monitor.tested = True
            if not self.test_ms:
                outlet.residual_test = False
        part.tripped = outlet.residual_trip

    def lock(self, part, dt_ms):
        outlet = self.outlet
        if part.drive:
            self.drive_ms += dt_ms
            if part.drive < 0 and outlet.locked:
                self.monitor.unlocks()
            if self.drive_ms >= self.travel_ms and not outlet.lock_jam:
                outlet.locked = part.drive > 0
        else:
            self.drive_ms = 0
        part.locked = outlet.locked


# --- the life


class Life:
    def __init__(self, sabotage=None):
        self.sabotage = sabotage
        self.ticks = 0
        self.now_ms = 0

    def begin(self, argument):
        seed, fitted = argument
        dice = Dice(seed)
        self.start = dice.one_of((0, WRAP - 1 - dice.below(60000), dice.below(1000000) * 1000))
        self.wall = Wall((PINS,), lambda outlet, what, fields: None, (), seed)
        self.outlet = self.wall.outlets[0]
        self.car = self.outlet.car
        self.board = Board(fitted)
        self.monitor = Monitor(self.outlet, (), HARDWARE_mA)
        self.allow_mA = 0
        self.spike_mV = self.loose_ms = 0
        self.power_up(True)

    def power_up(self, cut):
        """The station's program starts."""
        self.sensors = Sensors(self.outlet, self.monitor, self.dice_seed())
        fit = Fitting(self.board, Config, cut, self.sensors.driver)
        self.made = made = fit.outlet(self.board.pins)
        self.c = made.controller
        self.parts = {name: getattr(made, name) for name in PARTS if getattr(made, name)}
        self.monitor.fitted = set(self.parts)
        if self.sabotage:
            made.controller = self.sabotage(self.c, self.parts)
        if "phases" in self.parts:
            self.outlet.phases_relay = self.parts["phases"].three
        self.monitor.power_up(cut)

    def dice_seed(self):
        return self.outlet.dice.below(1000000)

    def granted_mA(self):
        mA = min(self.allow_mA, HARDWARE_mA)
        for name in self.parts:
            part = self.parts[name]
            limit = None
            if name == "proximity":
                limit = part.rating_mA
            elif name == "derating":
                limit = part.limit_mA(HARDWARE_mA)
            elif name == "overcurrent":
                limit = part.limit_mA()
            if limit is not None:
                mA = min(mA, limit)
        return mA

    def tick(self, dt_ms):
        self.ticks += 1
        monitor, made = self.monitor, self.made
        self.pass_time(dt_ms)
        self.sensors.dt_ms = dt_ms
        if made.supply:
            self.sensors.meter(made)
        granted = self.granted_mA()
        spike_mV = made.line.spike_mV = self.spike_mV
        if spike_mV:
            monitor.stray()
            self.spike_mV = 0
        made.tick((self.start + self.now_ms) & (WRAP - 1), granted)
        monitor.granted_mA = granted
        monitor.told_mA = made.controller.may_draw_mA
        monitor.look(dt_ms)
        if spike_mV:
            monitor.stray()

    def pass_time(self, dt_ms):
        self.now_ms += dt_ms
        if self.loose_ms:
            self.loose_ms = max(0, self.loose_ms - dt_ms)
            if not self.loose_ms:
                self.car.shows = None
        self.wall.advance(self.now_ms)

    def go(self, ticks):
        for _ in range(ticks):
            self.tick(TICK_ms)

    def happen(self, name, argument):
        car, outlet, monitor = self.car, self.outlet, self.monitor
        if name != "rest":
            monitor.note("event: %s %s" % (name, argument))
        if name == "plug":
            if not car.plugged:
                if argument:
                    car.vary(Dice(argument))
                car.plug()
        elif name == "plug-end":
            if not car.plugged:
                car.plug(argument)
        elif name == "unplug":
            car.unplug(argument)
        elif name == "release":
            if "lock" in self.parts:
                self.parts["lock"].release = bool(argument)
                if argument and car.plugged:
                    monitor.doubt["release"] = "unplug"
                else:
                    monitor.doubt.pop("release", None)
        elif name == "wants":
            car.wants = car.plugged and bool(argument)
        elif name == "allow":
            self.allow_mA = argument
        elif name == "fault":
            car.faults.add(argument)
        elif name == "clear":
            car.faults.discard(argument)
        elif name == "wall-fault":
            WALL_FAULTS[argument][0](outlet)
        elif name == "wall-clear":
            WALL_FAULTS[argument][1](outlet)
        elif name == "loose":
            car.shows, self.loose_ms = argument
        elif name == "spike":
            self.spike_mV = argument
        elif name == "late" or name == "stall":
            self.tick(TICK_ms + argument)
        elif name == "cut" or name == "reset":
            if name == "cut":  # (a reset of the processor lets go of no pin)
                self.wall.no_power()
            self.pass_time(argument)
            self.power_up(name == "cut")
        elif name == "person":
            gone = monitor.gone_ms > 200 and car.state() == "A"
            if gone and not outlet.coil and self.c.reset():
                monitor.person()
        elif name == "three":
            if "phases" in self.parts:
                self.parts["phases"].wanted = argument
                monitor.hold_ms = 100000
        elif name == "rest":
            self.go(argument)


def play(events, sabotage=None):
    """Live through the events. -> Life; raises Violation"""
    life = Life(sabotage)
    for gap, name, argument in events:
        if name == "begin":
            life.begin(argument)
            continue
        life.go(gap)
        life.happen(name, argument)
    life.go(400)
    return life
