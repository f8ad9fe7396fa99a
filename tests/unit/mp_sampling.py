"""drivers/pilot_line.py on ADCs of every speed: no state that is not there, none missed for long.

Each burst meets another phase of the PWM. What varies: duty from 6 to 63 A (each of these two a
third of the time), time of a read from 30 to 200 us (and by 0 to 10 us from read to read), noise
of a normal distribution, edges of 0 to 13 us, PWM of 996 to 1,004 Hz, time of a look at the clock
and of the program between two reads, 0 to 60 us, levels of A to D.

Noise up to 30 mV is three times its standard deviation, 3 to 10 mV. ADCs of 10 to 30 mV without
such an end must see no other state either."""

import math
import os

import strict_machine
from rig import seeded

strict_machine.install()

from firmware.drivers import pilot_line
from firmware.drivers.pilot_line import PilotLine

HEAP = "200K"
BURSTS = 10000000 if os.getenv("PILOTWIRE_ALL") else 4000
OF_ONE = 25  # bursts of one set of values
ZERO_uV, PER_V_uV = 1330000, 98000
FLOOR_uV = 142000
LEAST, MOST = 6560, 58458  # duties of 6 and 63 A
READ_us = 30, 37, 60, 83, 100, 111, 125, 142, 166, 200
USUAL_uV, ROUGH_uV = 10000, 30000  # standard deviation of the noise, at most
OFF_mV = 310  # of the pilot: 30 mV at the ADC
STATE_mV = 1200  # the same where another state begins, or the diode is in doubt
MISSED = 2  # ticks


def normal():
    """The values of a normal distribution, of 1000, that part it into 1024 equal parts."""
    values = []
    below = 0.0  # of all that there is, in 1024ths
    x = -6000
    while len(values) < 1024:
        below += math.exp(-x * x / 2e6) / math.sqrt(2 * math.pi) * 1.024
        x += 1
        while below > len(values) + 0.5 and len(values) < 1024:
            values.append(x)
    return values


NORMAL = normal()


class Adc:
    """One unit's. `random(n)`: 0 to n - 1."""

    def __init__(self, random, duty_u16, read_us, sigma_uV):
        self.random = random
        self.now_us = 0
        self.read_us = read_us
        self.duty_u16 = duty_u16
        self.jitter_us = 1 + 5 * random(3)
        self.look_us = 4 + random(5)
        self.between_us = random(4) * 20  # from a read to the next but for these looks
        self.looks = 0
        self.sigma = sigma_uV // 1414  # (two values are added)
        self.most_uV = 3 * sigma_uV if sigma_uV <= USUAL_uV else 9 * sigma_uV
        self.edge_ns = random(14) * 1000
        dHz = 9960 + random(81)
        self.Hz = (dHz + 5) // 10  # as the chip tells it
        self.period_ns = 1000000000 // dHz * 10
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
        r = self.random(1 << 20)
        noise_uV = (NORMAL[r & 1023] + NORMAL[r >> 10]) * self.sigma
        return max(FLOOR_uV, here + max(-self.most_uV, min(noise_uV, self.most_uV)))


class Equidistant(PilotLine):
    """As it was: read after read, whatever falls between them."""

    def _burst(self):
        for i in range(48):
            pilot_line._readings[i] = self._read()
        return 48


def wrong(kind, adc):
    """Play OF_ONE bursts -> ticks missed in all, the longest row of them, the worst level."""
    strict_machine.log.clear()
    strict_machine.PWM.freq = lambda _: adc.Hz
    pilot_line.ticks_us = adc.ticks_us
    pilot = kind(27, 36, ZERO_uV, PER_V_uV)
    pilot._read = adc.read_uv
    pilot.sample()  # (how long a read takes is not known at first)
    pilot.set(adc.duty_u16)
    pilot.sample()
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
        duty_u16 = (LEAST, MOST, LEAST + random(MOST - LEAST))[random(3)]
        yield duty_u16, READ_us[random(len(READ_us))]


def sweep(bursts, sigma_uV, most_mV):
    """Play so many bursts of ADCs with noise from a third of `sigma_uV` up to that."""
    random = seeded("sampling").randrange
    missed = worst_mV = 0
    for duty_u16, read_us in cells(random, bursts):
        sigma = sigma_uV // 3 + random(sigma_uV - sigma_uV // 3)
        some, row, off_mV = wrong(PilotLine, Adc(random, duty_u16, read_us, sigma))
        what = duty_u16, read_us, sigma, row, off_mV
        assert row <= MISSED, what
        assert off_mV <= most_mV, what
        missed += some
        worst_mV = max(worst_mV, off_mV)
    print(bursts, "bursts,", missed, "without a level, the worst", worst_mV, "mV off")
    return missed


def test_no_false_level_and_none_missed_for_more_than_two_ticks():
    assert sweep(BURSTS, USUAL_uV, OFF_mV) * 1000 <= BURSTS


def test_three_times_the_noise_is_no_other_state():
    assert sweep(BURSTS // 2, ROUGH_uV, STATE_mV) * 100 <= BURSTS // 2


def test_equidistant_reads_are_caught():
    random = seeded("sampling").randrange
    for duty_u16, read_us in ((LEAST, 111), (LEAST, 125), (LEAST, 142), (LEAST, 166), (MOST, 125)):
        for _ in range(400):
            adc = Adc(random, duty_u16, read_us, USUAL_uV)
            adc.jitter_us, adc.period_ns = 1, 1000000
            if wrong(Equidistant, adc)[2] > 1500:
                break
        else:
            raise AssertionError(read_us)
