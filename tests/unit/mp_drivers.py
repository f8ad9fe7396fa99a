"""drivers/ on the simulated machine module: the pilot's levels, the meter's numbers."""

import random
import struct
import sys
import utime

from rig import HEAP_LOCKED, PINS, HIGH_mV, adc_units, in_state, seeded
from turns import calls_in_a_row

sys.path[:0] = ["tools", "tools/sim/esp32"]
import machine

import bus  # the simulated chip's line to the wall: here it ends in this process

from firmware.boards import wall
from firmware.drivers.modbus import Bus, Eastron, crc16, thousandths
from firmware.drivers.outputs import Contactor
from firmware.drivers.pilot_line import PilotLine
from firmware.electrical import pilot as levels
from sim.devices import line as devices

BOTH = True
FLOOR_mV = (142000 - wall.SENSE_ZERO_uV) * 1000 // wall.SENSE_PER_V_uV  # the ADC's end


class Line(devices.Line):
    """Notes the order of outputs, those by PWM too."""

    def __init__(self):
        super().__init__(wall)
        self.log = []

    def ask(self, op, pin=0, value=0, payload=b""):
        if len(self.log) == 9:  # only a few are of interest, and many would fragment the heap
            self.log.pop(0)
        if op in (bus.PWM, bus.PIN_OUT):
            self.log.append((pin, value))
        return super().ask(op, pin, value, payload)


line = Line()


def a_pilot(pins=PINS[0]):
    return PilotLine(pins["pilot"], pins["sense"], wall.SENSE_ZERO_uV, wall.SENSE_PER_V_uV)


# The pilot


def check(pilot, high_mV, low_mV, what):
    utime.sleep_us(1100)  # the simulated ADC asks the wall once a millisecond
    high_mV, low_mV = max(high_mV, FLOOR_mV), max(low_mV, FLOOR_mV)
    for _ in range(15):
        pilot.sample()
        got = pilot.high_mV, pilot.low_mV
        assert abs(got[0] - high_mV) <= 210 and abs(got[1] - low_mV) <= 210, (what, got)


def test_levels_of_every_state_at_every_duty():
    pilot = a_pilot()
    car = line.wall.outlets[0].car
    for state in "ABCDE":
        in_state(car, state)
        for permille in list(range(100, 893, 11)) + [892]:
            duty = permille * 65536 // 1000
            pilot.set(duty)
            low = 0 if state == "E" else -12000
            check(pilot, HIGH_mV[state], low, (state, permille))
        pilot.set(65535)
        check(pilot, HIGH_mV[state], HIGH_mV[state], (state, "X1"))
        pilot.set(0)
        low = 0 if state == "E" else -12000
        check(pilot, low, low, (state, "F"))


def test_an_adc_that_is_60_mV_wrong_sees_every_state():
    """Without a calibration, where all else is as it should be."""
    car = line.wall.outlets[0].car
    for unit in adc_units(machine.ADC):
        pilot = a_pilot()
        for s, name in enumerate("ABCDE"):
            in_state(car, name)
            for duty in (6560, 17476, 58458, 65535):
                pilot.set(duty)
                for _ in range(3):
                    utime.sleep_us(1100)
                    pilot.sample()
                    what = unit, name, duty, pilot.high_mV, pilot.low_mV
                    for before in range(5):
                        assert levels.state(pilot.high_mV, before) == s, what
                    assert levels.clear(pilot.high_mV), what
                    if duty < 65535 and name != "E":
                        assert pilot.low_mV <= levels.DIODE_mV, what


def test_a_shorted_diode_shows():
    pilot = a_pilot()
    car = line.wall.outlets[0].car
    for state, low in (("B", -8791), ("C", -5624)):
        in_state(car, state)
        car.faults.add("diode-short")
        for mA in range(6000, 32001, 1000):
            pilot.set(mA * 2048 // 1875)
            check(pilot, HIGH_mV[state], low, (state, mA))


def test_four_pilots_do_not_see_each_other():
    pilots = [a_pilot(pins) for pins in PINS]
    for i, state in enumerate("ABCD"):
        in_state(line.wall.outlets[i].car, state)
        pilots[i].set((8738, 65535, 17476, 34952)[i])
    for i, state in enumerate("ABCD"):
        check(pilots[i], HIGH_mV[state], HIGH_mV[state] if i == 1 else -12000, state)


def test_outputs_begin_safe():
    line.log.clear()
    a_pilot()
    c = Contactor(33)
    assert line.log == [(27, 65535), (33, 0)]
    line.wall.advance(1000)
    assert not line.wall.outlets[0].closed
    c.set(True)
    line.wall.advance(2000)
    assert line.wall.outlets[0].closed
    c.set(False)
    line.wall.advance(3000)
    assert not line.wall.outlets[0].closed


class Steady:
    """An ADC whose readings are in a list already."""

    def __init__(self, readings):
        self.readings = readings
        self.i = 0

    def read_uv(self):
        self.i += 1
        if self.i == len(self.readings):
            self.i = 0
        return self.readings[self.i]


def test_sampling_allocates_nothing():
    pilot = a_pilot()
    pilot.set(17476)
    readings = [(2560000, 142000)[i % 2] + 7 * i for i in range(61)]
    pilot._read = Steady(readings).read_uv
    with HEAP_LOCKED:
        for _ in range(100):
            pilot.sample()
    assert abs(pilot.high_mV - 12000) < 10 and abs(pilot.low_mV + 11590) < 10


def test_a_reading_that_is_alone_moves_nothing():
    pilot = a_pilot()
    for wrong_mV in (3000, -3000):
        for at in range(13):
            readings = [1330000] * 14
            readings[at] += 102500 * wrong_mV // 1000
            pilot._read = Steady(readings).read_uv
            pilot.sample()
            assert (pilot.high_mV, pilot.low_mV) == (0, 0), at


def test_where_too_few_agree_what_was_seen_stands_for_two_ticks():
    pilot = a_pilot()
    pilot.set(17476)
    none = [1330000 + 160000 * i for i in range(14)]
    for readings, ticks in ((none, (12000, 12000, 0, 0)), ([2560000] * 24, (0, 0))):
        pilot._read = Steady([2560000, 142000, 2560000, 142000, 2560000]).read_uv
        pilot.sample()
        assert pilot.high_mV == 12000, "levels are apart, and near enough"
        pilot._read = Steady(readings).read_uv
        for wanted in ticks:  # (all that there is, at one level, is not too few)
            pilot.sample()
            assert pilot.high_mV == wanted, readings


# The meter


def test_crc_vectors():
    for data, crc in (
        (b"", 0xFFFF),
        (b"123456789", 0x4B37),
        (b"\x01\x04\x00\x00\x00\x02", 0xCB71),  # from the SDM630's manual: 71 CB
        (b"\x01\x03\x00\x00\x00\x01", 0x0A84),
        (b"\x11\x03\x00\x6b\x00\x03", 0x8776),
    ):
        assert crc16(data) == crc, (data, hex(crc16(data)))


def exact(word):
    """thousandths() in the plainest way: numerator and denominator."""
    exponent, fraction = word >> 23 & 0xFF, word & 0x7FFFFF
    if word >> 31:
        return -exact(word & 0x7FFFFFFF)
    if exponent == 0:
        return fraction * 1000 // 2**149
    fraction = (fraction + 2**23) * 1000
    return fraction * 2**exponent // 2**150


def test_thousandths_of_random_words():
    seeded("thousandths")
    for i in range(20000):
        word = random.getrandbits(16) << 16 | random.getrandbits(16)
        if i & 1:  # of a size that a meter shows
            word = word & 0x7FFFFF | random.randrange(100, 160) << 23
        if (word >> 23 & 0xFF) - 150 >= 30:
            assert no_number(word), hex(word)  # or more than any meter shows
        else:
            assert thousandths(word) == exact(word), hex(word)


def no_number(word):
    try:
        thousandths(word)
    except ValueError:
        return True
    return False


def test_thousandths_of_numbers():
    def word(x):
        return struct.unpack("<I", struct.pack("<f", x))[0]

    for x, expected in (
        (0.0, 0),
        (1.0, 1000),
        (16.0, 16000),
        (0.5, 500),
        (230.25, 230250),
        (99999.5, 99999500),
        (-1.0, -1000),
        (-0.0, 0),
        (1e-20, 0),
        (-1e-20, 0),
    ):
        assert thousandths(word(x)) == expected, x
    for x in (0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FFFFFFF, 0x7F7FFFFF):
        assert no_number(x), hex(x)
    # 16777.216 kWh: here a register step is more than one Wh
    assert 16777215 <= thousandths(word(16777.216)) <= 16777217


# What else may come over the line: with a UART of our own


class Uart:
    def __init__(self):
        self.requests = []
        self.script = []  # of every request: [(after how many any(), bytes)]
        self.coming = []
        self.here = b""

    def write(self, data):
        self.requests.append(bytes(data))
        self.coming += self.script.pop(0) if self.script else []

    def any(self):
        self.here += b"".join([data for after, data in self.coming if after <= 1])
        self.coming = [(after - 1, data) for after, data in self.coming if after > 1]
        return len(self.here)

    def read(self):
        data, self.here = self.here, b""
        return data or None


def frame(address, words, function=4):
    data = struct.pack(">BBB", address, function, 4 * len(words))
    data += b"".join([struct.pack(">I", w) for w in words])
    return data + struct.pack("<H", crc16(data))


def a_bus(*script):
    b = Bus(2, 17, 16, 26)
    b._uart = Uart()
    b._uart.script = list(script)
    return b


async def floats(b, address, register, n):
    return struct.unpack(">%dI" % n, await b.read(address, register, 2 * n))


async def refused(b, *args):
    try:
        answer = await floats(b, *args)
    except OSError:
        return
    raise AssertionError("%r was believed" % (answer,))


async def test_the_request_on_the_wire():
    b = a_bus([(1, frame(1, (0x43660000,)))])
    line.log.clear()
    assert await floats(b, 1, 0, 1) == (0x43660000,)
    assert b._uart.requests == [b"\x01\x04\x00\x00\x00\x02\x71\xcb"]  # as in the manual
    assert line.log == [(26, 1), (26, 0)]  # the line is driven, and let go


async def test_an_answer_in_pieces():
    whole = frame(1, (0x41800000,))
    b = a_bus([(i + 1, whole[i : i + 1]) for i in range(len(whole))])
    assert await floats(b, 1, 52, 1) == (0x41800000,)


async def test_wrong_answers():
    good = frame(1, (0x41800000,))
    for answer in (
        good[:-1] + bytes([good[-1] ^ 1]),
        good[:5] + bytes([good[5] ^ 0x10]) + good[6:],
        good[:-1],
        good + b"\0",
        good + good,
        b"\0" + good,
        frame(2, (0x41800000,)),
        frame(1, (0x41800000,), 3),
        frame(1, (1, 2)),
        b"\x01\x84\x02\xc2\xc1",  # an exception of the meter
        b"\xff" * 9,
        b"",
    ):
        await refused(a_bus([(1, answer)]), 1, 52, 1)


async def test_a_late_answer_is_not_taken_for_the_next_one():
    late = frame(1, (0x11111111,))
    b = a_bus([(60, late)], [(2, frame(1, (0x22222222,)))])
    await refused(b, 1, 52, 1)
    for _ in range(60):
        b._uart.any()  # it arrives before the next request
    assert await floats(b, 1, 72, 1) == (0x22222222,)
    # in the middle of the next one, of another meter: that one fails, rather than be fooled
    b = a_bus([(45, late)], [(10, frame(2, (0x22222222,)))])
    await refused(b, 1, 52, 1)
    await refused(b, 2, 72, 1)


async def test_a_failed_part_leaves_the_whole_reading_as_it_was():
    one, two = frame(1, (0x41800000,)), frame(1, (0x43660000,) * 3 + (0x41800000,) * 3)
    last = frame(1, (0x42480000, 0x41800000))  # 50 Hz, 16 kWh
    for n in range(3):
        answers = [[(1, two)], [(1, one)], [(1, last)]]
        answers[n] = []
        meter = Eastron(a_bus(*answers), 1)
        await meter.read()
        assert (meter.energy_Wh, meter.power_W, meter.current_mA) == (0, 0, (0, 0, 0)), n
        assert meter.voltage_mV == (0, 0, 0)
        assert not meter.known() and not meter.readings
    meter = Eastron(a_bus([(1, two)], [(1, one)], [(1, last)]), 1)
    meter.closed = True
    await meter.read()
    assert (meter.energy_Wh, meter.power_W, meter.current_mA) == (16000, 16, (16000,) * 3)
    assert meter.voltage_mV == (230000,) * 3 and meter.frequency_cHz == 5000


async def test_reading_leaves_the_tick_its_time():
    line.wall.outlets[2].meter_lost = True
    calls, _ = await calls_in_a_row(bus, Eastron(Bus(2, 17, 16, 26), 3).read())
    assert 0 < calls < 20, calls
