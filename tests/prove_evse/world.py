"""A life of one connector, made of random events: the unit's own outlet, made of a board's dict
(firmware/fitting.py), with played drivers, on a wall, under the monitor. Its ticks come when a
chip's come (chip.py), and the world does not wait for them.

A chapter is `[[gap_ms, name, argument], ...]`; it begins with a power-up. The same list gives
the same life on every interpreter. Runs on CPython and on MicroPython.
"""

# ruff: noqa: UP031

from firmware.fitting import Fitting
from sim.car import FAULTS, Dice
from sim.faults import WALL_FAULTS
from sim.monitor import PARTS, Monitor
from sim.rules.deadlines import X1, EARLY_ms, OPEN_ms, TICK_ms
from sim.wall import Wall
from tests.prove_evse.chip import LOADS, Chip, SPREAD_ms
from tests.unit import electrics

WRAP = 1 << 30
PINS = {"pilot": 27, "contactor": 33, "sense": 36}
HARDWARE_mA = 32000
EVENTS = 100  # of a chapter
END_ms = 10000  # after the last of them
METER_ms = 1000
_STEP_ms = 50  # of physics, at most
_AGAIN_ms = 3  # a second burst of readings in a tick
_LATE_ms = 80  # between two ticks at most, but where an erase or a stall takes longer
_PICK_ms = 100  # from boot.py to pick.py, which makes the outputs what the firmware expects
_NEVER = 1 << 29
# What the program does: not in the middle of a tick, which cuts through it.
PROGRAM = "allow", "release", "person", "three", "restart"
RESETS = "cut", "reset", "restart"
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
    haste = dice.one_of((1, 1, 4))
    out = [[0, "begin", [below(1000000), fitted, below(len(LOADS))]]]
    out.append([below(2500), "allow", 16000])
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
        gap = below(200) if gap < 5 else below(2000) if gap < 9 else 2500 + below(10000)
        out.append([gap // haste] + event)
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
        return ["loose", [dice.one_of("ABDE"), dice.between(5, 200)]]
    if n < 60:
        return ["spike", dice.between(-6000, 6000)]
    if n < 62:
        return ["stall", dice.between(45, 400) if below(3) else dice.between(1000, 5000)]
    if n < 65:
        return _reset(dice)
    if n < 69:
        return ["person", 0]
    if n < 70:
        return ["three", dice.one_of((0, 1, 3))]
    if n < 75:
        return ["rest", 10000]
    if kind == 0 or n % 2:
        return ["rest", below(1000)]
    if kind == 1 or kind == 3 and below(2):
        return ["fault", dice.one_of(FAULTS)]
    return ["wall-fault", dice.one_of(WALL_FAULT_NAMES)]


def _reset(dice):
    """How the program ends, and how many ms it takes until there is power again or the watchdog
    bites, then until boot.py runs, and then until there are ticks."""
    between = dice.between
    boot = [between(500, 1000), between(500, 2500)]
    n = dice.below(8)
    if n < 2:  # (10 ms: somebody presses EN)
        return ["cut", [between(10, 20000) if n else 10] + boot]
    if n < 3:  # it hangs and does not tick either; this board has nothing that opens the contactor
        return ["reset", [dice.one_of((2000, 8000))] + boot]
    return ["reset" if n < 6 else "restart", [0] + boot]  # a panic; machine.reset()


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
    high_mV = low_mV = 0

    def __init__(self, outlet, life):
        self.outlet, self.life = outlet, life
        self.set(X1)

    def set(self, duty):
        self.outlet.duty = duty

    def sample(self):
        self.high_mV, self.low_mV = self.outlet.pilot_mV()
        if self.life.looked:  # (already in this tick, before the others of its ms)
            return self.life.tick_to(self.life.now_ms + _AGAIN_ms)
        self.high_mV += self.life.spike_mV
        self.life.goes_on()  # (while the tick is made of it)


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
    """What hangs on the pins, which a reset of the processor lets live on."""

    def __init__(self, life, outlet, monitor, seed):
        self.life = life
        self.outlet = outlet
        self.monitor = monitor
        dice = Dice(seed)
        self.dice = dice
        self.leak_ms = self.test_ms = self.drive_ms = self.read_ms = 0
        self.answer_ms = dice.between(50, 800)  # of the residual current sensor to its test
        self.release_ms = dice.between(50, 1500)
        self.travel_ms = dice.between(75, 250)  # of the lock
        self.meter_ms = dice.below(METER_ms)
        self.heat_ms = dice.below(METER_ms)
        self.dt_ms = 0

    def lived_on(self, before_ms, after_ms, parts):
        """So long before boot.py and after it no program has looked; until then the pin of the
        test was as the last program left it."""
        off_ms = after_ms
        if self.outlet.residual_mA >= 6:
            self.leak_ms += before_ms + after_ms
        if "residual" in parts and parts["residual"].test:
            self.test_ms += before_ms
        else:
            off_ms += before_ms
        left_ms = min(self.test_ms, self.answer_ms + self.release_ms)
        self.test_ms = max(left_ms - off_ms, 0) if left_ms > self.answer_ms else 0
        self.drive_ms = 0

    def driver(self, module, name):
        """What plays this class of firmware/drivers."""
        outlet = self.outlet
        if module == "outputs":
            return lambda pin: Contactor(outlet)
        if module == "pilot_line":
            return lambda *pins: Line(outlet, self.life)
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

    def readback(self, part, dt_ms):
        self.read_ms += dt_ms
        if self.read_ms >= (50 if part.wrong else 250):
            self.read_ms = 0
            part.duty_u16 = self.outlet.wire()

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


class Off(Exception):
    """The program has ended, wherever it was: `name` and `argument` of the event."""

    def __init__(self, name, argument):
        super().__init__(name)
        self.name, self.argument = name, argument


class Life:
    """Of the chapter `events`. `took_ms`: each time that a car which left C for A or B had the
    coil off, without a stall, how long after that; `load` of the chip."""

    def __init__(self, events, sabotage=None):
        self.sabotage = sabotage
        self.took_ms = []
        self.ticks = self.now_ms = 0
        self._events, self._at = events, 1
        self._due_ms = 0
        self._begin(events[0][2])
        self._due()

    def _begin(self, argument):
        seed, fitted, self.load = argument  # (the same draws on every interpreter)
        dice = Dice(seed)
        self.start = dice.one_of((0, WRAP - 1 - dice.below(60000), dice.below(1000000) * 1000))
        self.wall = Wall((PINS,), lambda outlet, what, fields: None, (), seed)
        self.outlet = self.wall.outlets[0]
        self.car = self.outlet.car
        self.board = Board(fitted)
        self.chip = Chip(seed, self.load)
        self.monitor = Monitor(self.outlet, (), HARDWARE_mA)
        self.monitor.spread_ms = SPREAD_ms
        self.allow_mA = 0
        self.spike_mV = self.loose_ms = 0
        self.left_ms = -1  # when the car left C, under a coil that is on
        self.ticking = self.looked = False
        self.power_up(True)

    def live(self):
        """Until END_ms after the last event; raises Violation."""
        while self._due_ms < _NEVER or self.now_ms < self.end_ms:
            try:
                self.tick()
            except Off as e:
                self._off(e)

    def _off(self, e):
        self.ticking = self.runs = False
        while e:
            try:
                self._boot(e.name, e.argument)
                e = None
            except Off as again:
                e = again

    # --- the program

    def _boot(self, name, argument):
        """A reset of the processor lets go of no pin: until boot.py runs the outputs stay as they
        were, or as the program left them (docs/hardware.md, "Reset, crash, update")."""
        first_ms, boot_ms, start_ms = argument
        wall = self.wall
        if name == "cut":
            wall.no_power()
        elif name == "restart":
            self._safe()
        else:
            self._motor_goes_on()
        self.wait(first_ms + boot_ms)
        if name != "cut":  # boot.py
            wall.out(PINS["contactor"], 0)
            wall.out(PINS["pilot"], 0)
        self.left_ms = -1
        self.wait(_PICK_ms)
        self._safe()
        self.wait(start_ms)
        if name != "cut":
            self.sensors.lived_on(first_ms + boot_ms, _PICK_ms + start_ms, self.parts)
        self.power_up(name == "cut")

    def _safe(self):
        self.wall.pwm(PINS["contactor"], 5000, 0)
        self.wall.pwm(PINS["pilot"], 1000, X1)

    def _motor_goes_on(self):
        lock = self.parts.get("lock")
        if lock and lock.drive and not self.outlet.lock_jam:
            self.outlet.locked = lock.drive > 0

    def power_up(self, cut):
        """The station's program starts."""
        if cut:
            seed = self.outlet.dice.below(1000000)
            self.sensors = Sensors(self, self.outlet, self.monitor, seed)
        fit = Fitting(self.board, Config, cut, self.sensors.driver)
        self.made = made = fit.outlet(self.board.pins)
        self.c = made.controller
        self.parts = {name: getattr(made, name) for name in PARTS if getattr(made, name)}
        self.monitor.fitted = set(self.parts)
        if self.sabotage:
            made.controller = self.sabotage(self.c, self.parts)
        if "phases" in self.parts:
            self.outlet.phases_relay = self.parts["phases"].three
        self.monitor.now_ms = self.now_ms
        self.monitor.power_up(cut)
        self.chip.start(self.now_ms)
        self.runs = True

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

    def tick(self):
        """The time until the next tick, and that tick."""
        chip, monitor, made = self.chip, self.monitor, self.made
        begin_ms = chip.next_ms()
        self.pass_to(chip.between_ms)  # (where a car may move too)
        while self.now_ms < begin_ms:
            self.pass_to(begin_ms)
            begin_ms = max(begin_ms, chip.free_ms)
        self.ticks += 1
        self.dt_ms = self.sensors.dt_ms = begin_ms - chip.read_ms
        if made.supply:
            self.sensors.meter(made)
        granted = self.granted_mA()
        self.looked = False
        made.tick((self.start + begin_ms) & (WRAP - 1), granted)
        self._watch()
        monitor.granted_mA = granted
        monitor.told_mA = made.controller.may_draw_mA
        monitor.drives(self.now_ms - chip.end_ms)
        if self.spike_mV:
            monitor.stray()
            self.spike_mV = 0
        chip.end_ms = self.now_ms
        self._held_to_its_time()

    def goes_on(self):
        """The tick has read its inputs; some ms later it sets its outputs."""
        chip, monitor = self.chip, self.monitor
        monitor.reads(self.dt_ms)
        if self.spike_mV:
            monitor.stray()
        if self.left_ms >= 0:
            since_ms = max(self.left_ms, chip.read_ms)
            if self.dt_ms >= EARLY_ms:
                self.own_ms += min(self.now_ms - since_ms, TICK_ms)
            if self.spike_mV or monitor.strayed:  # what was seen counts for nothing
                self.own_ms = 0
                self.counts = False
            elif self.dt_ms > _LATE_ms or chip.free_ms > chip.read_ms:  # (an erase; a stall)
                self.counts = False
        chip.read_ms = self.now_ms
        self.looked = True
        self.tick_to(self.now_ms + chip.tick_ms)

    def tick_to(self, ms):
        self.ticking = True
        self.pass_to(ms)
        self.ticking = False

    # --- how long it takes until the coil is off

    def _watch(self):
        if not self.outlet.coil:
            return
        state = self.car.state()
        if state == "C":
            self.left_ms = -1
        elif self.left_ms < 0:
            self.left_ms = self.now_ms
            self.own_ms = 0
            self.counts = state in "AB"

    def _held_to_its_time(self):
        if self.left_ms < 0:
            return
        if not self.outlet.coil:
            if self.counts:
                self.took_ms.append(self.now_ms - self.left_ms)
            self.left_ms = -1
        elif self.own_ms + self.chip.tick_ms > OPEN_ms:
            ms = self.now_ms - self.left_ms
            self.monitor.fail("open", "closed in %s for %d ms" % (self.car.state(), ms))

    # --- the world

    def wait(self, ms):
        self.pass_to(self.now_ms + ms)

    def pass_to(self, ms):
        """The world goes on, and what happens does."""
        while self._due_ms <= ms:
            _, name, argument = self._events[self._at]
            if self.ticking and name in PROGRAM:
                break
            resets = name in RESETS and (self.runs or name == "cut")
            self._advance(self._due_ms)
            self._at += 1
            self._due(argument if name == "rest" else 0)
            if name != "rest":
                self.happen(name, argument)
                self._watch()
            if resets:
                raise Off(name, argument)
        self._advance(ms)

    def _due(self, rest_ms=0):
        self.end_ms = max(self._due_ms, self.now_ms) + rest_ms + END_ms
        if self._at == len(self._events):
            self._due_ms = _NEVER
        else:
            self._due_ms += rest_ms + self._events[self._at][0]

    def _advance(self, ms):
        if self.loose_ms and self.loose_ms <= ms:
            self._step(self.loose_ms)
            self.loose_ms = 0
            self.car.shows = None
            self._watch()
        self._step(ms)

    def _step(self, ms):
        # (past the wall, whose trace nobody reads)
        outlet = self.outlet
        while self.now_ms < ms:
            dt = min(ms - self.now_ms, _STEP_ms)
            self.now_ms += dt
            outlet.step(dt)
            if outlet.coil:
                self._watch()

    def happen(self, name, argument):
        car, outlet, monitor = self.car, self.outlet, self.monitor
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
            car.shows = argument[0]
            self.loose_ms = self.now_ms + argument[1]
        elif name == "spike":
            self.spike_mV = argument
        elif self.runs:
            self._program(name, argument)

    def _program(self, name, argument):
        car, parts, monitor = self.car, self.parts, self.monitor
        if name == "stall":
            self.chip.held(self.now_ms, argument)
        elif name == "release":
            if "lock" in parts:
                parts["lock"].release = bool(argument)
                if argument and car.plugged:
                    monitor.doubt["release"] = "unplug"
                else:
                    monitor.doubt.pop("release", None)
        elif name == "person":
            gone = monitor.gone_ms > 200 and car.state() == "A"
            if gone and not self.outlet.coil and self.c.reset():
                monitor.person()
        elif name == "three":
            if "phases" in parts:
                parts["phases"].wanted = argument
                monitor.hold_ms = 100000


def play(events, sabotage=None):
    """Live through the events. -> Life; raises Violation"""
    life = Life(events, sabotage)
    life.live()
    return life
