"""Every name that `fault` knows and every part of every board: what a simulated pin or bus shows
changes what the firmware does, as the table in electrical/faults.py promises. The connector is the
unit's own (firmware/fitting.py) with its own drivers, in the wall's time."""

import os
import sys

sys.path[:0] = ["tools", "tools/sim/esp32"]

import asyncio
import machine
import time

from electrics import Plain
from fork import apart
from rig import seeded, share

from firmware import check_board, fitting
from firmware.boards import reference, wall
from firmware.charging import limits
from firmware.electrical import faults, pilot
from firmware.station import states
from sim.car import FAULTS
from sim.devices.line import Line
from sim.faults import WALL_FAULTS

HEAP = "512K"
TICK_ms = 25
OFFER_mA = 10000
random = seeded("fitting")  # (each site has an ADC of its own)
SENSORS = ("ntc", "mcp9700", "ds18b20")


def sleep_ms(ms):
    yield ms


asyncio.sleep_ms = sleep_ms  # (modbus's: a reading lasts as long in the wall's time)


class Site:
    """Connector `i` of a board, on its wall; what the meter's task and the slots do is done."""

    def __init__(self, board, i=0):
        self.line = line = Line(board, virtual=True)
        self.o = line.wall.outlets[i]
        self.car = self.o.car
        machine.utime = self  # (the ADC asks the wall once a tick)
        self.pins = pins = board.CONNECTORS[i]
        # Any unit's ADC will do, but where a degree counts, or what is above its straight part.
        right = "ntc" in pins or "mcp9700" in pins or hasattr(board, "SENSE_CURVE")
        machine.ADC.unit([128 if right else random.randrange(256) for _ in range(4)])
        fit = fitting.Fitting(board, Plain, True, self.driver)
        self.state = states.FREE  # what the lamp shows
        self.fw = fit.outlet(pins)
        fit.lamp(self.fw, pins, self)
        self.c = self.fw.controller
        self.slots = limits.Limits(board.MAX_mA)
        self.allow_mA = OFFER_mA
        self.moves = []
        self.fw.meter.moved = lambda *move: self.moves.append(move)
        self.reading = None
        self.due_ms = 0
        self.phases = 3 if getattr(board, "METER", "sdm630") == "sdm630" else 1
        self.sees_diode = pins.get("peak", {"low": 0})["low"] is not None

    def driver(self, module, name):
        make = fitting.driver(module, name)
        pulses = (module, name) == ("s0", "Meter")
        return (lambda path, **pins: make(**pins)) if pulses else make

    def ticks_us(self):
        return self.line.wall.now_ms * 1000

    def tick(self):
        line, fw = self.line, self.fw
        line.wall.advance(line.wall.now_ms + TICK_ms)
        line.panel.advance()
        machine.interrupts()
        now_ms = line.wall.now_ms
        while now_ms >= self.due_ms:
            if not self.reading:
                fw.meter.closed = self.c.closed
                self.reading = fw.meter.read()
            try:
                self.due_ms += self.reading.send(None)
            except StopIteration:
                self.reading = None
                self.due_ms += 1000
                fw.metered()
        fw.limit(self.slots)
        self.slots.resolve(0)
        fw.tick(time.ticks_ms(), min(self.allow_mA, self.slots.value_mA))

    def run(self, ms):
        for _ in range(ms // TICK_ms):
            self.tick()

    def until(self, done, most_ms, what=""):
        ms = 0
        while not done():
            assert ms < most_ms, "%s: not within %d ms; %s" % (what, most_ms, self)
            self.tick()
            ms += TICK_ms
        return ms

    def __str__(self):
        parts = [(type(p).__name__, p.fault, p.busy, p.ready) for p in self.c.parts]
        return "%s fault %d closed %s pilot %d mA meter %s %s" % (
            pilot.STATES[self.c.state],
            self.c.fault,
            self.c.closed,
            self.c.pilot_mA,
            getattr(self.fw.meter, "why", None),
            parts,
        )

    def has(self, part):
        if part == "heat":
            return any(sensor in self.pins for sensor in SENSORS)
        return not part or part in self.pins

    def set(self, name):
        if name in WALL_FAULTS:
            WALL_FAULTS[name][0](self.o)
        else:
            self.car.faults.add(name)

    def clear(self, name):
        if name in WALL_FAULTS:
            WALL_FAULTS[name][1](self.o)
        else:
            self.car.faults.discard(name)

    def charge(self):
        """A car is plugged in and draws; nothing is wrong."""
        if self.c.state == pilot.A:
            self.run(3000)
            self.car.plug()
        self.until(lambda: self.o.closed and self.car.current_mA > 5000, 50000, "charge")
        self.run(1500)
        assert not self.c.fault and self.c.closed and self.c.pilot_mA == OFFER_mA, str(self)

    def unplug(self):
        self.car.unplug()
        self.until(lambda: self.c.state == pilot.A and not self.o.plugged, 15000, "unplug")


# What `fault NAME` does at a connector that has the part it needs (None: every connector). Each
# is a function of a Site that charges, and of the name.

BY_ITSELF, UNPLUGGED, PERSON = "by itself", "unplugged", "a person"


def stops(fault, most_ms, over, back_ms=0):
    """It is seen within `most_ms`; energy goes as the fault's reaction says; it ends as `over`
    says: by itself after `back_ms` (and 3 s at most)."""

    def check(s, name):
        s.set(name)
        s.until(lambda: s.c.fault == fault, most_ms, "fault %d" % fault)
        reaction = faults.REACTION[fault]
        if reaction >= faults.OPEN:
            assert not s.c.closed and not s.o.coil
            assert s.o.duty == (0 if reaction == faults.OPEN_F else 65535), s.o.duty
        else:
            assert s.o.duty == 65535
            s.until(lambda: not s.o.coil, 6100, "opens")
        s.until(lambda: s.o.duty == 65535, 400, "X1")
        s.clear(name)
        if over == BY_ITSELF:
            s.run(back_ms - 3000)
            assert back_ms <= 3000 or s.c.fault == fault
            s.until(lambda: not s.c.fault, 6000, "over")
        else:
            s.run(3000)
            assert s.c.fault == fault, str(s)
            s.unplug()
            if over == PERSON:
                s.run(3000)
                assert s.c.fault == fault and s.c.reset()
            s.until(lambda: not s.c.fault, 3000, "over")
        assert not s.o.coil or over == BY_ITSELF

    return check


def meter_lost(most_s):
    """The connector has no more than meter_lost_mA until the meter is believed again."""

    def check(s, name):
        s.set(name)
        s.until(lambda: s.c.fault == faults.METER, 1000 * most_s, "lost")
        s.until(lambda: s.c.pilot_mA == 6000, 100, "6 A")
        assert s.c.closed and s.slots.values[limits.METER] == 6000
        s.clear(name)
        s.until(lambda: not s.c.fault, 12000, "believed")
        s.until(lambda: s.c.pilot_mA == OFFER_mA, 6000, "more again")
        assert s.c.closed

    return check


def register_moves(s, name):
    """The meter counts on from elsewhere: the transaction's energy is told of it."""
    s.run(2000)
    moves = len(s.moves)
    s.set(name)
    s.until(lambda: len(s.moves) > moves, 15000, "moved")
    before_Wh, now_Wh = s.moves[-1]
    assert (now_Wh > before_Wh) == (name == "meter-ahead") and not s.c.fault and s.c.closed


def welded(s, name):
    s.set(name)
    s.run(1000)
    s.allow_mA = 0
    s.until(lambda: s.c.fault == faults.WELDED, 5000, "welded")
    assert not s.o.coil and s.o.duty == 0
    s.car.unplug()
    s.run(2000)
    assert s.o.duty == 0 and not s.c.reset()
    s.clear(name)
    s.run(2000)
    assert s.c.fault == faults.WELDED and s.c.reset()
    s.until(lambda: not s.c.fault and s.o.duty == 65535, 2000, "over")


def plugged_in(s, name):
    """The fault is there before the car is."""
    s.unplug()
    s.set(name)
    s.run(3000)
    s.car.plug()


def does_not_close(s, name):
    plugged_in(s, name)
    s.until(lambda: s.c.fault == faults.NOT_CLOSED, 20000, "not closed")
    assert not s.o.coil
    s.clear(name)
    s.until(lambda: s.o.closed and not s.c.fault, 25000, "tries again")


def fails_its_test(s, name):
    if "test" in s.pins["residual"]:
        plugged_in(s, name)
        s.until(lambda: s.c.fault == faults.RESIDUAL_TEST, 5000, "test")
        s.run(3000)
        assert not s.o.coil and not s.c.pilot_mA


def warm(s, name):
    s.allow_mA = s.slots.hardware_mA
    s.until(lambda: s.c.pilot_mA > 16000, 7000, "all")
    s.set(name)
    s.until(lambda: s.c.pilot_mA == s.slots.hardware_mA // 2, 2500, "a half")
    assert not s.c.fault and s.c.closed
    s.clear(name)
    s.until(lambda: s.slots.values[limits.TEMPERATURE] is None, 2500, "cooled down")


def sensor_lost(s, name):
    s.set(name)
    s.run(55000)
    assert s.c.pilot_mA == OFFER_mA
    s.until(lambda: s.c.pilot_mA == 6000, 9000, "6 A")
    s.clear(name)
    s.until(lambda: s.slots.values[limits.TEMPERATURE] is None, 3000, "there again")


def lock_jams(s, name):
    plugged_in(s, name)
    s.until(lambda: s.c.fault == faults.LOCK, 20000, "lock")
    assert not s.o.coil and not s.c.pilot_mA
    s.clear(name)
    s.unplug()
    s.until(lambda: not s.c.fault, 5000, "over")


def lock_is_forced(s, name):
    if "sense" in s.pins["lock"]:
        s.set(name)
        s.until(lambda: not s.c.pilot_mA, 200, "no offer")
        s.until(lambda: s.o.locked, 5000, "locks again")
        s.charge()


def ignores_x1(s, name):
    s.set(name)
    s.allow_mA = 0
    s.tick()
    assert s.o.duty == 65535 and s.c.closed
    ms = s.until(lambda: not s.o.coil, 7000, "cut off")
    assert ms >= 5900 and s.car.current_mA


def pilot_breaks(s, name):
    s.set(name)
    s.until(lambda: not s.o.coil, 100, "opens")
    s.until(lambda: s.c.state == pilot.A, 100, "A")


def with_the_limit(mA, check):
    """The offer falls to `mA` with it."""

    def falls(s, name):
        s.set(name)
        s.allow_mA = mA
        check(s, name)

    return falls


def diode(s, name):
    if s.sees_diode:
        stops(faults.DIODE, 200, UNPLUGGED)(s, name)


def over_voltage(s, name):
    if s.phases == 3:  # (on L2)
        stops(faults.OVERVOLTAGE, 7000, BY_ITSELF, 60000)(s, name)


def goes_on(s, name):
    """No fault: it is within what is allowed, or cannot be seen."""
    s.set(name)
    s.run(30000)
    assert not s.c.fault and s.c.closed


def no_fault(s, name):
    """An odd car, from its plug-in on: nothing is wrong, and it is offered energy."""
    s.unplug()
    s.run(2000)
    s.set(name)
    s.car.plug()
    s.until(lambda: s.c.pilot_mA, 20000, "offer")
    offers = 0
    for _ in range(50000 // TICK_ms):
        s.tick()
        assert not s.c.fault, str(s)
        offers += s.c.pilot_mA > 0
    assert offers * TICK_ms > 30000
    if name == "slow":  # (it was woken in between)
        s.until(lambda: s.c.closed, 60000, "closes")
    assert s.c.closed or name in ("c-pulses", "latch-on-f", "full", "top-up"), str(s)


def takes_no_more(s, name):
    """The battery is full: B, and the contactor opens without a fault."""
    s.car.left_Wh = 1
    s.set(name)
    s.until(lambda: not s.o.coil, 60000, "full")
    s.until(lambda: s.c.state == pilot.B, 3 * TICK_ms, "B")  # (it is sure of that later)
    assert not s.c.fault, str(s)


_VOLTS = stops(faults.UNDERVOLTAGE, 7000, BY_ITSELF, 60000)
_OVERCURRENT = stops(faults.OVERCURRENT, 14000, UNPLUGGED)
TABLE = {
    "weld": ("mirror", welded),
    "stuck-open": ("mirror", does_not_close),
    "residual": ("residual", stops(faults.RESIDUAL, 1000, PERSON)),
    "residual-broken": ("residual", fails_its_test),
    "pe-loss": ("earth", stops(faults.PE, 200, BY_ITSELF, 60000)),
    "duty-stuck": ("readback", with_the_limit(8000, stops(faults.DUTY, 700, UNPLUGGED))),
    "interlock": ("interlock", stops(faults.INTERLOCK, 200, UNPLUGGED)),
    "overheat": ("heat", stops(faults.OVERHEATED, 2500, BY_ITSELF)),
    "warm": ("heat", warm),
    "sensor-lost": ("heat", sensor_lost),
    "lock-jam": ("lock", lock_jams),
    "lock-forced": ("lock", lock_is_forced),
    "cable-loss": ("proximity", stops(faults.CABLE, 200, UNPLUGGED)),
    "cable-bad": ("proximity", stops(faults.CABLE, 1000, UNPLUGGED)),
    "under-voltage": ("meter", _VOLTS),
    "over-voltage": ("meter", over_voltage),
    "phase-loss": (None, goes_on),  # (a phase that has no voltage may not be there at all)
    "meter-lost": ("meter", meter_lost(64)),
    "meter-garbles": ("meter", meter_lost(64)),
    "meter-reset": ("meter", register_moves),
    "meter-back": ("meter", register_moves),
    "meter-ahead": ("meter", register_moves),
    "meter-frozen": ("meter", meter_lost(25)),
    "meter-energy-frozen": ("meter", meter_lost(120)),
    "meter-zero-energy": ("meter", meter_lost(10)),
    "meter-zero-volts": ("meter", meter_lost(6)),
    "meter-nan": ("meter", meter_lost(8)),
    "meter-inf": ("meter", meter_lost(8)),
    "meter-negative": ("meter", meter_lost(8)),
    "meter-other-phases": ("meter", goes_on),  # (all three carry the same)
    "diode-short": (None, diode),
    "pilot-short": (None, stops(faults.PILOT_SHORT, 200, BY_ITSELF)),
    "pilot-open": (None, pilot_breaks),
    "ventilation": (None, stops(faults.VENTILATION, 500, BY_ITSELF)),
    "ignore-x1": (None, ignores_x1),
    "draws-low": (None, ignores_x1),
    "ignore-duty": ("meter", with_the_limit(8000, _OVERCURRENT)),
    "overdraw-110": (None, goes_on),  # (as 0.5 A more may be the meter's error)
    "overdraw": ("meter", _OVERCURRENT),
    "overdraw-200": ("meter", stops(faults.OVERLOAD, 6000, UNPLUGGED)),
    "simplified": (None, no_fault),
    "slow": (None, no_fault),
    "c-pulses": (None, no_fault),
    "bcb": (None, no_fault),
    "disturb": (None, goes_on),
    "sleeper": (None, no_fault),
    "latch-on-f": (None, no_fault),
    "full": (None, takes_no_more),
    "top-up": (None, takes_no_more),
}


# What the other parts do while a car charges, by the board's key.


def heat(s):
    assert abs(s.fw.derating.temperature_dC - s.o.temperature_dC) <= 15


def measures(s):
    meter = s.fw.meter
    seen = s.phases
    assert [abs(mA - OFFER_mA) < 300 for mA in meter.current_mA] == [True] * seen + [False] * (
        3 - seen
    )
    assert all(abs(mV - 230000) < 1000 for mV in meter.voltage_mV[:seen])
    assert abs(meter.power_W - 2300 * seen) < 100 or s.phases == 1


def counts(s):
    before_Wh, energy_uWh = s.fw.meter.energy_Wh, s.o.energy_uWh
    s.run(20000)
    counted_Wh = s.fw.meter.energy_Wh - before_Wh
    assert abs(counted_Wh - (s.o.energy_uWh - energy_uWh) // 1000000) <= 3 < counted_Wh


def one_phase(s):
    assert s.o.phases_relay and s.car.supplied == 3
    s.fw.phases.wanted = 1
    s.until(lambda: not s.o.phases_relay, 8000, "one phase")
    assert not s.o.closed
    s.until(lambda: s.o.closed, 70000, "goes on")
    assert s.car.supplied == 1
    s.fw.phases.wanted = 3
    s.run(20000)  # (of at least 300 s)
    assert not s.o.phases_relay


def lights(s):
    lamp = s.line.panel.of(s.o, "led")
    seen = set()
    for s.state in (states.FREE, states.FAULTED):
        lit = [0] * len(lamp.lit)
        for _ in range(2000 // TICK_ms):
            s.tick()
            lit = [n + on for n, on in zip(lit, lamp.lit)]
        assert any(lit), s.state
        seen.add(tuple(lit))
    assert len(seen) == 2


def pressed(s):
    assert not s.fw.button.take()
    s.line.panel.of(s.o, "button").press(300)
    s.run(1000)
    assert s.fw.button.take() == 1
    s.line.panel.of(s.o, "button").press(4000)
    s.run(5000)
    assert s.fw.button.take() == 2


PARTS = {
    "pilot": lambda s: s.o.duty == pilot.duty_u16(OFFER_mA),
    "sense": lambda s: s.c.state == pilot.C,
    "contactor": lambda s: s.o.closed,
    "peak": lambda s: s.fw.line.high_mV > 4500 and s.fw.line.low_mV < -10000,
    "meter": measures,
    "s0": counts,
    "phases": one_phase,
    "proximity": lambda s: s.slots.values[limits.CABLE] == 32000,
    "lock": lambda s: s.o.locked and s.fw.lock.ready,
    "residual": lambda s: s.fw.residual.ready,
    "mirror": lambda s: s.fw.mirror.live is True,
    "interlock": lambda s: s.fw.interlock.live is True,
    "earth": lambda s: s.fw.earth.live is True,
    "readback": lambda s: s.fw.readback.ready and not s.fw.readback.wrong,
    "ntc": heat,
    "mcp9700": heat,
    "ds18b20": heat,
    "led": lights,
    "button": pressed,
}


class Other:
    """Parts that no board of ours has."""

    CHIP, MAX_mA, PHASES = "ESP32", 32000, 3
    SENSE_ZERO_uV, SENSE_PER_V_uV = reference.SENSE_ZERO_uV, reference.SENSE_PER_V_uV
    METER_UART = {"id": 2, "tx": 17, "rx": 16}
    __name__ = "other"

    def __init__(self, **parts):
        self.METER = parts.pop("METER", "sdm630")
        self.CONNECTORS = (dict(parts, pilot=27, sense=36, contactor=33),)


OTHERS = (
    Other(
        s0={"pin": 4},
        mirror={"pin": 35, "ac": True},
        earth={"pin": 14, "ac": True},
        interlock={"pin": 13, "ac": True},
        readback={"pin": 34},
    ),
    Other(
        METER="pzem",
        meter=1,
        peak={"low": 39},
        interlock={"pin": 14, "live": 0, "pull": 2},
        readback={"pin": 34, "live": 0},
        ntc={"pin": 32, "r25_ohm": 10000, "pullup_ohm": 10000, "supply_mV": 3300},
    ),
    Other(peak={"low": None}, residual={"fault": 13, "level": 0, "pull": 1}),
)


def charging(board, i):
    """A Site where a car charges; copies of this process go on from there."""
    s = Site(board, i)
    s.charge()
    s.run(2000)  # (the meter has been read meanwhile)
    return s


def parts_work(board, i=0):
    s = charging(board, i)
    for part in sorted(s.pins):
        apart(part_works, s, part)


def part_works(s, part):
    assert PARTS[part](s) is not False, (part, str(s))
    s.charge()


def faults_show(board, names, i=0, turn=None):
    """`turn`: of the names this run's share, which is another one for each turn."""
    s = charging(board, i)
    for n in range(len(names)) if turn is None else share(len(names), turn):
        if s.has(TABLE[names[n]][0]):
            apart(fault_shows, s, names[n], board)


def fault_shows(s, name, board):
    try:
        TABLE[name][1](s, name)
    except AssertionError as e:
        raise AssertionError("%s: %s: %s" % (board.__name__, name, e))


def board(name):
    return __import__("firmware.boards." + name, None, None, ("CONNECTORS",))


WALLS, CARS = sorted(WALL_FAULTS), sorted(FAULTS)
ODD = [name for name in CARS if TABLE[name][1] in (no_fault, goes_on, takes_no_more)]
FAULTY = [name for name in CARS if name not in ODD]


def test_nothing_is_left_out():
    """Each name and each part has its row; each board its test."""
    assert sorted(TABLE) == sorted(WALLS + CARS)
    assert sorted(PARTS) == sorted(
        ["pilot", "sense", "contactor", "meter"] + list(check_board._PARTS)
    )
    names = [name.split(".")[0] for name in os.listdir("firmware/boards")]
    assert sorted(names) == sorted(BOARDS), names


BOARDS = (
    "reference reference_full wall devkitc_s3 ee_minimal ee_minimal_s3 ee_devkitc ee_s2_da"
    " smartevse_v3 wrover_full"
).split()


def test_every_part_of_every_board_works():
    for name in BOARDS:
        for i in range(len(board(name).CONNECTORS)):
            parts_work(board(name), i)
    for other in OTHERS:
        parts_work(other)


def test_the_walls_faults_on_reference():
    faults_show(reference, WALLS, 0, 0)


def test_the_walls_faults_on_reference_full():
    faults_show(board("reference_full"), WALLS)


def test_the_walls_faults_on_the_second_of_the_wall():
    faults_show(wall, WALLS, 1, 1)


def test_the_walls_faults_on_the_boards_of_others():
    others = "devkitc_s3", "ee_minimal", "ee_minimal_s3", "ee_devkitc", "ee_s2_da", "smartevse_v3"
    for turn, name in zip((1, 2, 0, 1, 2, 0), others):
        faults_show(board(name), WALLS, 0, turn)


def test_the_walls_faults_on_parts_of_no_board():
    for other in OTHERS:
        faults_show(other, WALLS)


def test_the_cars_faults_on_every_board():
    for turn, name in enumerate(BOARDS):
        faults_show(board(name), FAULTY, 0, turn)


def test_the_cars_faults_on_parts_of_no_board():
    for other in OTHERS:
        faults_show(other, FAULTY)


def test_odd_cars_on_every_kind_of_pilot_line():
    for turn, one in enumerate((reference, board("smartevse_v3"), OTHERS[1])):
        faults_show(one, ODD, 0, turn)
