"""drivers/pilot_line.py on ADCs of every speed: no state that is not there, none missed for long.

Each burst meets another phase of the PWM. What varies: duty from 6 to 63 A, time of a read from 30
to 200 us (and by 0 to 10 us from read to read), noise of 10 to 30 mV, edges of 0 to 13 us, PWM of
996 to 1,004 Hz, time of a look at the clock and of the program between two
reads, 0 to 60 us, levels of A to D."""

import os

import strict_machine
from rig import seeded

strict_machine.install()

from firmware.drivers import pilot_line
from firmware.drivers.pilot_line import PilotLine

BURSTS = 1000000 if os.getenv("PILOTWIRE_ALL") else 4000
OF_ONE = 25  # bursts of one set of values
ZERO_uV, PER_V_uV = 1330000, 98000
FLOOR_uV = 142000
READ_us = 30, 37, 60, 83, 100, 111, 125, 142, 166, 200
NOISE_mV = 310  # of the pilot: 30 mV at the ADC
MISSED = 2  # ticks


class Adc:
    """One unit's. `random(n)`: 0 to n - 1."""

    def __init__(self, random, duty_u16, read_us):
        self.random = random
        self.now_us = 0
        self.read_us = read_us
        self.duty_u16 = duty_u16
        self.jitter_us = 1 + 5 * random(3)
        self.look_us = 4 + random(5)
        self.between_us = random(4) * 20  # from a read to the next but for these looks
        self.looks = 0
        self.noise_uV = 10000 + random(20001)
        self.edge_ns = random(14) * 1000
        self.period_ns = 1000000000 // (996 + random(9))
        self.phase_ns = 0
        self.high_mV = (12000, 9000, 6000, 3000)[random(4)]
        self.high_uV = ZERO_uV + self.high_mV * PER_V_uV // 1000
        self.low_uV = ZERO_uV - 12 * PER_V_uV

    def ticks_us(self):
        self.looks += 1
        self.now_us += self.look_us + (self.between_us if self.looks == 2 else 0)
        return self.now_us

    def read_uv(self):
        self.looks = 0
        at = (self.now_us * 1000 + self.phase_ns) % self.period_ns
        self.now_us += self.read_us + self.random(self.jitter_us)
        end = self.period_ns * self.duty_u16 // 65536
        here, before = self.high_uV, self.low_uV
        if at >= end:
            at -= end
            here, before = before, here
        if at < self.edge_ns:
            here = before + (here - before) * (at // 100) // (self.edge_ns // 100)
        return max(FLOOR_uV, here + self.random(2 * self.noise_uV + 1) - self.noise_uV)


class Equidistant(PilotLine):
    """As it was: read after read, whatever falls between them."""

    def _burst(self):
        for i in range(48):
            pilot_line._readings[i] = self._read() >> 6
        return 48


def wrong(kind, adc):
    """Play OF_ONE bursts -> ticks missed in all, the longest row of them, the worst level."""
    strict_machine.log.clear()
    pilot_line.ticks_us = adc.ticks_us
    pilot = kind(27, 36, ZERO_uV, PER_V_uV)
    pilot._read = adc.read_uv
    pilot.set(adc.duty_u16)
    for _ in range(2):  # (how long a read takes is not known at first)
        pilot.sample()
    missed = longest = row = worst_mV = 0
    low_mV = (FLOOR_uV - ZERO_uV) * 1000 // PER_V_uV
    for _ in range(OF_ONE):
        adc.phase_ns = adc.random(1000000)
        pilot.sample()
        if pilot._missed:
            missed += 1
            row += 1
            longest = max(longest, row)
        else:
            row = 0
        off_mV = max(abs(pilot.high_mV - adc.high_mV), abs(pilot.low_mV - low_mV) - 200)
        worst_mV = max(worst_mV, off_mV)
    return missed, longest, worst_mV


def cells(random, bursts):
    for _ in range(bursts // OF_ONE):
        yield 6560 + random(58458 - 6560), READ_us[random(len(READ_us))]


def test_no_false_level_and_none_missed_for_more_than_two_ticks():
    random = seeded("sampling").randrange
    missed = worst_mV = 0
    for duty_u16, read_us in cells(random, BURSTS):
        some, row, off_mV = wrong(PilotLine, Adc(random, duty_u16, read_us))
        what = duty_u16, read_us, row, off_mV
        assert row <= MISSED, what
        assert off_mV <= NOISE_mV, what
        missed += some
        worst_mV = max(worst_mV, off_mV)
    print(BURSTS, "bursts,", missed, "without a level, the worst", worst_mV, "mV off")
    assert missed * 100 <= BURSTS


def test_equidistant_reads_are_caught():
    random = seeded("sampling").randrange
    for duty_u16, read_us in ((6560, 111), (6560, 125), (6560, 142), (6560, 166), (58458, 125)):
        off_mV = 0
        for _ in range(20):
            adc = Adc(random, duty_u16, read_us)
            adc.jitter_us, adc.period_ns = 1, 1000000
            off_mV = max(off_mV, wrong(Equidistant, adc)[2])
        assert off_mV > 1500, read_us
