"""Meters: SDM630, SDM120 and PZEM-004T on the simulated Modbus line, S0 pulses."""

import asyncio
import os
import sys

sys.path[:0] = ["tools", "tools/sim/esp32"]

import machine
import time

from rig import HEAP_LOCKED, scratch

from firmware.drivers import s0
from firmware.drivers.modbus import Bus, Eastron, Pzem
from sim.devices.line import Line

HEAP = "256K"
CHIP = True
SWEEPS = ("test_what_was_counted_outlives_a_power_cut", "test_lost_and_garbled")
UART = {"id": 2, "tx": 17, "rx": 16, "de": 26}


class Board:
    CHIP = "ESP32"
    METER_UART = UART

    def __init__(self, kind="sdm630", **parts):
        self.METER = kind
        self.CONNECTORS = (
            dict(pilot=27, sense=36, contactor=33, meter=7, **parts),
            dict(pilot=25, sense=39, contactor=32, meter=8),
        )


def a_meter(kind):
    line = Line(Board(kind))
    bus = Bus(**UART)
    make = {
        "sdm630": lambda: Eastron(bus, 7),
        "sdm120": lambda: Eastron(bus, 7, 1),
        "pzem": lambda: Pzem(bus, 7),
    }[kind]
    meter = make()
    meter.closed = True
    return line, meter


def load(line):
    outlet = line.outlet
    outlet.volts_mV[:] = [229500, 231000, 230200]
    outlet.car.plug()
    outlet.car.current_mA = 15875
    outlet.energy_uWh = 70123 * 1000000
    return outlet


def near(got, wanted, by):
    return len(got) == 3 and all([abs(g - w) <= by for g, w in zip(got, wanted)])


async def test_what_each_meter_shows():
    for kind, phases in (("sdm630", 3), ("sdm120", 1), ("pzem", 1)):
        line, meter = a_meter(kind)
        assert not meter.known() and meter.readings == 0 and meter.voltage_mV == (0, 0, 0)
        outlet = load(line)
        await meter.read()
        assert meter.known() and meter.readings == 1, kind
        volts = (229500, 231000, 230200) if phases == 3 else (229500, 0, 0)
        amps = (15875, 15875, 15875) if phases == 3 else (15875, 0, 0)
        assert near(meter.voltage_mV, volts, 100), (kind, meter.voltage_mV)
        assert near(meter.current_mA, amps, 2), (kind, meter.current_mA)
        assert abs(meter.power_W - outlet.power_W()) <= 1, kind
        assert meter.frequency_cHz == (4990 if kind == "pzem" else 4998), kind
        assert abs(meter.energy_Wh - 70123) <= 4, (kind, meter.energy_Wh)


async def test_large_numbers_of_a_pzem():
    line, meter = a_meter("pzem")
    outlet = load(line)
    outlet.car.max_mA = outlet.car.current_mA = 80000  # more than 16 bits of mA and of 0.1 W
    outlet.energy_uWh = 9999999 * 1000000
    await meter.read()
    assert near(meter.current_mA, (80000, 0, 0), 0) and meter.energy_Wh == 9999999
    assert meter.power_W == outlet.power_W()


async def test_lost_and_garbled():
    for kind in ("sdm630", "sdm120", "pzem"):
        line, meter = a_meter(kind)
        outlet = load(line)
        await meter.read()
        for fault in ("meter_lost", "meter_garbles"):
            before = (meter.energy_Wh, meter.power_W, meter.current_mA, meter.voltage_mV)
            setattr(outlet, fault, True)
            for i in range(6):
                await meter.read()
                assert meter.known() == (i < 4), (kind, fault, i)
            now = (meter.energy_Wh, meter.power_W, meter.current_mA, meter.voltage_mV)
            assert now == before, (kind, fault)
            setattr(outlet, fault, False)
            await meter.read()
            assert meter.known(), (kind, fault)
        assert meter.readings == 3


async def test_late_answers():
    line, meter = a_meter("pzem")
    load(line)
    meters = line.panel._meters
    meters.late_ms = 150
    await meter.read()
    assert meter.readings == 1
    meters.late_ms = 3000  # (a busy machine asks for longer than 200 ms)
    await meter.read()
    assert meter.readings == 1
    meters.late_ms = 20
    await asyncio.sleep_ms(3000)  # (it has arrived: nobody may take it for the next one)
    await meter.read()
    assert meter.readings == 2


async def test_another_address_and_a_line_without_direction():
    line, meter = a_meter("sdm630")
    other = Eastron(Bus(**UART), 9)
    await other.read()
    assert not other.known()
    bus = Bus(id=2, tx=17, rx=16)  # TTL
    line.outputs.clear()
    meter = Eastron(bus, 8)
    await meter.read()
    assert meter.known() and not line.outputs


async def test_the_wrong_kind_of_meter_is_not_believed():
    line, _ = a_meter("sdm120")
    meter = Eastron(Bus(**UART), 7, 3)
    await meter.read()
    assert not meter.known()


# S0


def pulses(line, meter, count):
    for _ in range(count):
        line.outlet.energy_uWh += 1000000
        line.advance(250)


async def test_pulses_are_counted():
    line = Line(Board(s0={"pin": 4}), virtual=True)
    meter = s0.Meter(4)
    assert meter.known() and meter.energy_Wh == 0
    line.advance(1000)
    pulses(line, meter, 7)
    meter.offset_Wh = 1000
    assert meter.energy_Wh == 0
    await meter.read()
    assert meter.energy_Wh == 1007 and meter.readings == 1
    assert meter.power_W == 0 and meter.current_mA == meter.voltage_mV == (0, 0, 0)


async def test_what_was_counted_outlives_a_power_cut():
    path = scratch("s0")
    total = exact_Wh = 0
    try:
        for boot in range(4):
            line = Line(Board(s0={"pin": 4}), virtual=True)
            meter = s0.Meter(4, path=path)
            moves = []
            meter.moved = lambda *move, moves=moves: moves.append(move)
            line.advance(1000)
            first_Wh = meter.energy_Wh
            await meter.read()
            begin_Wh = meter.energy_Wh
            assert begin_Wh == first_Wh  # never 0 and then what it was
            assert moves == [(None, begin_Wh)] and total - 50 < begin_Wh <= total, (boot, total)
            assert boot != 2 or begin_Wh == exact_Wh
            pulses(line, meter, 130)
            writes = path_of(path)
            await meter.read()
            assert meter.energy_Wh == begin_Wh + 130, (boot, meter.energy_Wh, begin_Wh)
            total = meter.energy_Wh
            assert path_of(path) == str(total) != writes
            for _ in range(49):
                pulses(line, meter, 1)
                await meter.read()
            assert path_of(path) == str(total)  # (not at every pulse)
            total += 49
            if boot % 2:  # the car is full: then all of it is kept
                for _ in range(10):
                    assert path_of(path) != str(total)
                    await meter.read()
                assert path_of(path) == str(total)
                pulses(line, meter, 1)  # (and one more counts as well)
                for _ in range(11):
                    await meter.read()
                total = exact_Wh = total + 1
                assert path_of(path) == str(total)
        with open(path, "w") as f:
            f.write("no number")
        assert s0.Meter(4, path=path).offset_Wh == 0
        line = Line(Board(s0={"pin": 4}), virtual=True)
        meter = s0.Meter(4, path="/nowhere/s0")  # what cannot be kept is counted all the same
        line.advance(1000)
        pulses(line, meter, 60)
        await meter.read()
        assert meter.energy_Wh == 60
    finally:
        os.remove(path)


def path_of(path):
    try:
        with open(path) as f:
            return f.read()
    except OSError:
        return ""


async def test_pulses_that_are_not_a_Wh():
    line = Line(Board(s0={"pin": 4, "per_kWh": 100, "level": 1}), virtual=True)
    meter = s0.Meter(4, 100, 1)
    line.advance(1000)
    pulses(line, meter, 35)
    await meter.read()
    assert meter.energy_Wh == 30


async def test_a_contact_that_bounces():
    line = Line(Board(s0={"pin": 4}), virtual=True)
    meter = s0.Meter(4)
    level = 1

    def pin():
        return level

    def edge(to, after_ms):
        nonlocal level
        line.wall.now_ms += after_ms
        level = to
        meter._edge(pin)

    for _ in range(10):
        edge(0, 500)  # closes
        edge(1, 1)
        edge(0, 2)
        edge(1, 1)
        edge(0, 1)
        edge(1, 45)  # opens
        edge(0, 1)
        edge(1, 3)
        edge(0, 1)
        edge(1, 1)
    await meter.read()
    assert meter.energy_Wh == 10


def test_counting_allocates_nothing():
    line = Line(Board(s0={"pin": 4}), virtual=True)
    meter = s0.Meter(4)
    s0.ticks_ms = lambda: 5
    with HEAP_LOCKED:
        for _ in range(50):
            meter._edge(int)
    assert line and machine and time
