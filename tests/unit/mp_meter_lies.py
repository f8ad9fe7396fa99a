"""Meters whose frames are right and whose registers are not: what a driver believes, and for how
long. The registers are the simulated meters', asked without a line in between."""

import asyncio
import random
import struct
import sys

sys.path[:0] = ["tools", "tools/sim/esp32"]

import time

from rig import due

from firmware.drivers import modbus
from sim.devices.meters import Meters
from sim.faults import WALL_FAULTS
from sim.wall import Wall

HEAP = "512K"
SWEEPS = ("test_an_honest_meter_is_believed",)
KINDS = ("sdm630", "sdm120", "pzem")


class Bus:
    def __init__(self, meters):
        self.meters = meters

    async def read(self, address, register, n):
        request = struct.pack(">BBHH", address, 4, register, n)
        request += struct.pack("<H", modbus.crc16(request))
        frame = self.meters.answer(request)[1]
        if len(frame) != 5 + 2 * n:
            raise OSError("no answer")
        return frame[3:-2]


class Site:
    """A meter, its driver, a car that draws `mA`, a contactor."""

    def __init__(self, kind, Wh=1000):
        self.ms = 2**30 - 30000  # ticks wrap soon
        assert asyncio and time
        modbus.ticks_ms = lambda: self.ms % 2**30
        modbus.ticks_diff = lambda a, b: (a - b + 2**29) % 2**30 - 2**29
        wall = Wall(({"meter": 7},), None, (Wh,))
        self.outlet = wall.outlets[0]
        self.meters = Meters(wall.outlets, kind)
        bus = Bus(self.meters)
        self.meter = modbus.Pzem(bus, 7) if kind == "pzem" else None
        self.meter = self.meter or modbus.Eastron(bus, 7, 3 if kind == "sdm630" else 1)
        self.moves = []
        self.meter.moved = lambda *move: self.moves.append(move)
        self.kind = kind
        self.whys = set()  # every reason of a doubt
        self.counted_uWh = 0  # as the meter counts: of the phases that it has

    async def run(self, seconds, mA=0, closed=True, period_ms=1000):
        """-> seconds until the meter counted as lost, or None"""
        car = self.outlet.car
        for i in range(seconds * 1000 // period_ms):
            car.current_mA = mA() if callable(mA) else mA
            if self.kind != "sdm630":
                car.phases = 1
            took_uWh = self.outlet.power_W() * period_ms * 10 // 36
            self.outlet.energy_uWh += took_uWh
            self.counted_uWh += took_uWh
            self.ms += period_ms
            self.meter.closed = closed
            before = self.meter.known()
            await self.meter.read()
            if self.meter.why:
                self.whys.add(self.meter.why)
            if before and not self.meter.known():
                return (i + 1) * period_ms // 1000
        return None

    def lie(self, name):
        WALL_FAULTS["meter-" + name][0](self.outlet)

    def clear(self, name):
        WALL_FAULTS["meter-" + name][1](self.outlet)

    def shown(self):
        m = self.meter
        return m.energy_Wh, m.power_W, m.current_mA, m.voltage_mV, m.frequency_cHz, m.readings


async def test_an_honest_meter_is_believed():
    """Cars of every current, idle ones in C, open contactors, old registers, slow looks."""
    for kind in KINDS:
        for Wh in (0, 70123, 99999000 if kind != "pzem" else 9999000):
            s = Site(kind, Wh)
            random.seed(Wh + len(kind))
            await s.run(300, 0, closed=False)
            for mA in (6000, 63000, 16000, 0, 300, 1000, 31900, 0):
                await s.run(150, mA)
                await s.run(10, mA, period_ms=2000)
            for _ in range(60):
                await s.run(10, random.getrandbits(15))
            await s.run(120, 0)  # an idle car in C
            await s.run(300, 0, closed=False)
            assert not s.whys and s.meter.known() and len(s.moves) == 1, (kind, Wh, s.whys)
            shown_uWh = (s.meter.energy_Wh - Wh) * 1000000
            assert abs(shown_uWh - s.counted_uWh) < 9000000, (kind, Wh)


async def test_a_silence_is_no_lie():
    for kind in KINDS:
        s = Site(kind)
        await s.run(30, 16000)
        s.outlet.meter_lost = True
        await s.run(900, 16000)
        assert not s.meter.known() and s.meter.why is None
        s.outlet.meter_lost = False
        await s.run(2, 16000)
        assert s.meter.known() and not s.whys and len(s.moves) == 1
        assert abs(s.meter.energy_Wh - 1000 - s.counted_uWh // 1000000) <= 1


# After how many seconds at most a lie is not believed any more: with a car that draws 63 A (while
# 32 A are offered), 6 A, nothing; None: nobody can know.
LIES = {
    "nan": (5, 5, 5),
    "inf": (5, 5, 5),
    "negative": (5, 5, 5),
    "zero-volts": (5, 5, 5),
    "zero-energy": (9, 80, 6),
    "energy-frozen": (9, 80, None),
    "frozen": (9, 21, 61),  # (idle: not even the voltage moves)
}


async def test_what_cannot_be_true_is_no_reading():
    n = 0
    for kind in KINDS:
        for name in sorted(LIES):
            for mA, most_s in zip((63000, 6000, 0), LIES[name]):
                n += 1
                if not due(n + n // 3):
                    continue
                if kind != "sdm630" and most_s in (9, 80):
                    most_s *= 3  # (one phase)
                if name == "negative" and kind != "pzem" and not mA:
                    continue  # (-0.0 is 0)
                if kind == "pzem" and name == "inf":
                    continue
                s = Site(kind)
                await s.run(60, mA)
                before, moves = s.shown(), len(s.moves)
                s.lie(name)
                lost_s = await s.run(150, mA)
                if name == "zero-energy" and not mA:  # nothing is lost by it: another register
                    assert lost_s is None and s.moves[1:] == [(before[0], 0)], (lost_s, s.moves)
                    continue
                if most_s is None:
                    assert lost_s is None and not s.whys
                    continue
                assert lost_s is not None and lost_s <= most_s, (kind, name, mA, lost_s)
                assert s.meter.why and len(s.moves) == moves
                if most_s == 5:  # nothing of it was ever shown
                    assert s.shown() == before, (kind, name)
                assert 0 <= s.meter.energy_Wh - before[0] <= 13, (kind, name, mA)
                await s.run(600, mA)
                assert not s.meter.known()
                s.clear(name)
                lost_s = await s.run(6, mA)
                assert s.meter.known() and s.meter.why is None, (kind, name, mA, s.whys)
                # What flowed meanwhile is not lost: its register knows it.
                assert abs(s.meter.energy_Wh - 1000 - s.counted_uWh // 1000000) <= 1


async def test_frozen_while_the_car_takes_more():
    """The values stay those of 16 A, or of nothing at all, and the car goes to 63 A."""
    for kind in KINDS:
        for shown_mA, most_s in ((16000, 21), (0, 61)):
            s = Site(kind)
            await s.run(30, shown_mA)
            s.lie("frozen")
            await s.run(1, shown_mA)
            lost_s = await s.run(90, 63000)
            assert lost_s and lost_s <= most_s, (kind, shown_mA, lost_s)


async def test_a_current_through_an_open_contactor():
    for kind in KINDS:
        s = Site(kind)
        await s.run(30, 16000)
        s.lie("frozen")
        await s.run(1, 16000)
        assert await s.run(30, 0, closed=False) <= 5
        assert s.meter.why == "a current through an open contactor"
        s.clear("frozen")
        await s.run(1, 0, closed=False)
        assert s.meter.known()


async def test_other_phases_are_believed():
    s = Site("sdm630")
    s.outlet.car.phases = 1
    await s.run(30, 16000)
    s.lie("other-phases")
    assert await s.run(300, 16000) is None and not s.whys
    assert max(s.meter.current_mA) == 16000


async def test_another_register_goes_on_from_what_was_seen():
    """It begins anew, falls, is replaced, comes back: a few readings are none, no energy is."""
    for kind in KINDS:
        for names in (("reset",), ("back",), ("ahead",), ("reset", "ahead", "back", "reset")):
            for mA in (16000, 0):
                s = Site(kind, 20000)
                await s.run(30, mA)
                shift_Wh = 0
                for name in names:
                    before_Wh = s.meter.energy_Wh
                    s.lie(name)
                    assert await s.run(20, mA) is None, (kind, name)
                    old_Wh, new_Wh = s.moves[-1]
                    assert old_Wh == before_Wh, (kind, name, s.moves)
                    shift_Wh += old_Wh - new_Wh
                    assert s.meter.readings and s.meter.why is None
                s.clear(name)  # the old one is back
                assert await s.run(20, mA) is None
                shift_Wh += s.moves[-1][0] - s.moves[-1][1]
                assert len(s.moves) == 2 + len(names) and s.whys == {"its energy jumps"}
                # Lost is what flowed from one reading to the first of the next register.
                went_Wh = s.meter.energy_Wh + shift_Wh - 20000
                lost_Wh = s.counted_uWh // 1000000 - went_Wh
                assert -1 <= lost_Wh <= 5 * (1 + len(names)), (kind, names, mA, lost_Wh)


async def test_a_moment_of_another_register_is_nothing():
    for kind in KINDS:
        s = Site(kind)
        await s.run(30, 16000)
        for name in ("zero-energy", "ahead", "back", "nan"):
            s.lie(name)
            assert await s.run(4, 16000) is None
            s.clear(name)
            await s.run(30, 16000)
        assert len(s.moves) == 1 and s.meter.known()
        assert abs(s.meter.energy_Wh - 1000 - s.counted_uWh // 1000000) <= 1


STEPS_Wh = 1, 10, 100, 1000


def coarse(kind, step_Wh, told, Wh=123456):
    """A site whose meter's register has such steps, and whose board says so or not."""
    s = Site(kind, Wh)
    s.outlet.meter_step_Wh = step_Wh
    if told:
        s.meter.step_Wh = step_Wh
    return s


def near(shown_Wh, Wh):
    """A single has no digits for all of it."""
    return abs(shown_Wh - Wh) <= 1


async def charge(s, mA, Wh):
    """So much flows; -> seconds until the meter counted as lost first, or None"""
    until_uWh = s.counted_uWh + Wh * 1000000
    first_s, seconds = None, 0
    while s.counted_uWh < until_uWh:
        seconds += 1
        if await s.run(1, mA) and first_s is None:
            first_s = seconds
    return first_s


async def test_a_register_with_steps_is_believed():
    """Behind current transformers, or in kWh: no doubt where the board says so, and none of its
    steps is another register."""
    for kind in KINDS:
        for step_Wh in STEPS_Wh:
            s = coarse(kind, step_Wh, True)
            await s.run(5, 0, closed=False)
            first_Wh = s.meter.energy_Wh
            assert near(first_Wh, 123456 // step_Wh * step_Wh)
            for mA in (63000, 16000, 32000):
                lost_s = await charge(s, mA, 2 * step_Wh + 50)
                assert lost_s is None and not s.whys, (kind, step_Wh, mA, s.whys)
            await s.run(300, 0)
            assert len(s.moves) == 1 and s.meter.known() and not s.whys, (kind, step_Wh)
            went_uWh = (s.meter.energy_Wh - 123456) * 1000000
            assert abs(went_uWh - s.counted_uWh) <= (step_Wh + 1) * 1000000, (kind, step_Wh)


async def test_steps_that_nobody_told_of_are_learned():
    """By the first that is seen. Until then it may be in doubt, but is never another register, and
    what is billed is what it shows."""
    for kind in KINDS:
        for step_Wh in STEPS_Wh:
            s = coarse(kind, step_Wh, False)
            await charge(s, 32000, step_Wh + 500)
            assert s.meter.known() and len(s.moves) == 1, (kind, step_Wh, s.moves)
            s.whys.clear()
            for mA in (16000, 63000):
                await charge(s, mA, 2 * step_Wh)
            assert not s.whys and len(s.moves) == 1 and s.meter.known(), (kind, step_Wh, s.whys)
            assert near(s.meter.energy_Wh, s.outlet.register_uWh() // 1000000)
            # (what the driver knows: no more than it needs)
            known_Wh = s.meter.step_Wh
            assert near(known_Wh, step_Wh) or step_Wh <= known_Wh < 13, (step_Wh, known_Wh)


async def test_a_register_with_steps_that_lies_is_found_out():
    """It stands still for longer than it can; falls; goes on as another one."""
    for kind in KINDS:
        for step_Wh in STEPS_Wh:
            for told in (True, False):
                s = coarse(kind, step_Wh, told)
                await charge(s, 32000, 2 * step_Wh + 100)
                before_Wh, moves = s.meter.energy_Wh, len(s.moves)
                s.lie("energy-frozen")
                most_Wh = 35 + s.meter.step_Wh * 5 // 4
                most_s = most_Wh * 3600 // (32 * 230 * (3 if kind == "sdm630" else 1)) + 2
                lost_s = await s.run(3 * most_s, 32000)
                assert lost_s and lost_s <= most_s, (kind, step_Wh, lost_s, most_s)
                assert s.meter.why == "its energy stands still", s.meter.why
                s.clear("energy-frozen")
                await charge(s, 32000, step_Wh + 50)
                assert s.meter.known() and len(s.moves) == moves, (kind, step_Wh)
                assert near(s.meter.energy_Wh, s.outlet.register_uWh() // 1000000)
                assert s.meter.energy_Wh > before_Wh
                for name in ("reset", "ahead"):
                    old_Wh = s.meter.energy_Wh
                    s.lie(name)
                    n = s.meter.readings
                    await s.run(3, 32000)
                    assert s.meter.readings == n and s.meter.why == "its energy jumps", name
                    await charge(s, 32000, 2 * step_Wh + 50)
                    assert s.meter.known() and s.moves[-1][0] == old_Wh, (kind, step_Wh, name)
                    new_Wh = s.moves[-1][1]
                    assert s.meter.energy_Wh - new_Wh >= step_Wh - 1, (kind, step_Wh, name)
                    moves += 1
                    assert len(s.moves) == moves, (kind, step_Wh, name, s.moves)


async def test_noise_around_zero_is_zero():
    s = Site("sdm630")
    await s.run(3, 0)

    def show(register, x):
        word = struct.unpack("<I", struct.pack("<f", x))[0]
        real = type(s.meters)("", "sdm630")._registers

        def registers(outlet):
            values = real(outlet)
            values[register], values[register + 1] = word >> 16, word & 0xFFFF
            return values

        s.meters._registers = registers

    for register, x, believed in (
        (52, -0.0, True), (52, -15.0, True), (52, -25.0, False), (52, -3600.0, False),
        (6, -0.05, True), (6, -0.2, False), (8, -16.0, False), (0, -0.0, True), (2, -230.0, False),
        (0, 499.0, True), (0, 501.0, False), (10, 399.0, True), (10, 401.0, False),
        (52, 700000.0, False), (72, -1.0, False), (72, 1e12, False), (70, -50.0, False),
        (52, 3e38, False),
    ):  # fmt: skip
        s.meters._registers = type(s.meters)("", "sdm630")._registers
        await s.run(1, 0)
        assert s.meter.why is None
        n = s.meter.readings
        show(register, x)
        await s.run(1, 0)
        assert (s.meter.readings > n) == believed, (register, x, s.meter.why)
        assert s.meter.power_W >= 0 and min(s.meter.current_mA) >= 0
    s.meters._registers = type(s.meters)("", "sdm630")._registers
    await s.run(1, 0)
    show(70, 12.0)  # no frequency of any mains: not said
    await s.run(1, 0)
    assert s.meter.known() and s.meter.frequency_cHz == 0
