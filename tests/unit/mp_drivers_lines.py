"""The pilot behind peak detectors, and on a sense pin that is calibrated point by point."""

import sys

sys.path[:0] = ["tools", "tools/sim/esp32"]

from rig import HEAP_LOCKED, HIGH_mV, SHORTED_mV, in_state

from firmware.boards import smartevse_v3
from firmware.drivers.curved_line import CurvedLine
from firmware.drivers.peak_line import PeakLine
from firmware.drivers.pilot_line import PilotLine
from sim.devices.line import Line

HEAP = "256K"
ZERO, PER_V = 1330000, 102500


class Board:
    CHIP = "ESP32"
    SENSE_ZERO_uV = ZERO
    SENSE_PER_V_uV = PER_V

    def __init__(self, **peak):
        self.CONNECTORS = ({"pilot": 27, "sense": 36, "contactor": 33, "peak": peak},)


def read(line, pilot):
    import utime

    utime.sleep_us(1100)
    pilot.sample()
    return pilot.high_mV, pilot.low_mV


def near(got, wanted, mV=280):
    return abs(got[0] - wanted[0]) <= mV and abs(got[1] - wanted[1]) <= mV


def test_peak_detectors():
    own = {"zero_uV": 200000, "per_V_uV": -150000}  # it inverts
    for peak in ({"low": 39}, dict(low=39, **own)):
        line = Line(Board(**peak))
        calibration = (peak["zero_uV"], peak["per_V_uV"]) if "zero_uV" in peak else ()
        pilot = PeakLine(27, 36, 39, ZERO, PER_V, *calibration)
        for state in "ABCD":
            in_state(line.outlet.car, state)
            for duty in (6560, 17476, 62914):
                pilot.set(duty)
                got = read(line, pilot)
                assert near(got, (HIGH_mV[state], -11800)), (state, duty, got)  # (142 mV)
        in_state(line.outlet.car, "B")
        line.outlet.car.faults.add("diode-short")
        pilot.set(17476)
        assert near(read(line, pilot), (HIGH_mV["B"], SHORTED_mV["B"]))


def test_a_peak_detector_for_the_high_level_only():
    line = Line(Board(low=None))
    pilot = PeakLine(27, 36, None, ZERO, PER_V)
    in_state(line.outlet.car, "C")
    got = read(line, pilot)
    assert near(got, (HIGH_mV["C"], HIGH_mV["C"]))  # X1 from the first moment
    pilot.set(17476)
    assert near(read(line, pilot), (HIGH_mV["C"], -12000))
    in_state(line.outlet.car, "E")
    assert near(read(line, pilot), (0, -12000))


def test_an_adc_that_fails_is_a_short_circuit():
    def broken():
        raise OSError(5)

    Line(Board(low=39))
    peak = PeakLine(27, 36, 39, ZERO, PER_V)
    peak._high = peak._low = broken
    burst = PilotLine(27, 36, ZERO, PER_V)
    burst._read = broken
    for pilot in (peak, burst):
        pilot.high_mV, pilot.low_mV = 6000, -12000
        pilot.sample()
        assert (pilot.high_mV, pilot.low_mV) == (0, 0)


def test_smartevse_sees_every_state_though_its_adc_ends_below_12_V():
    line = Line(smartevse_v3)
    pilot = CurvedLine(19, 39, smartevse_v3.SENSE_CURVE)
    for state in "ABCDE":
        in_state(line.outlet.car, state)
        for duty in (6560, 17476, 34952):
            pilot.set(duty)
            got = [read(line, pilot) for _ in range(5)][-1]
            high = 11250 if state == "A" else HIGH_mV[state]
            low = 0 if state == "E" else -12000
            assert near(got, (high, low), 150), (state, duty, got)
        assert (got[0] > 10500) == (state == "A")


def test_the_curve_at_its_points_between_and_beyond():
    Line(smartevse_v3)
    curve = smartevse_v3.SENSE_CURVE
    pilot = CurvedLine(19, 39, curve)
    for uV, mV in curve:
        assert pilot._mV(uV) == mV
    for (uV, mV), (uV2, mV2) in zip(curve, curve[1:]):
        assert abs(pilot._mV((uV + uV2) // 2) - (mV + mV2) // 2) <= 2
    assert pilot._mV(3155000) == 10500 + 937
    assert pilot._mV(100000) == -12750
    before = -20000
    for uV in range(0, 3300000, 5000):
        assert pilot._mV(uV) >= before
        before = pilot._mV(uV)


class Steady:
    def read_uv(self):
        return 2560000


def test_sampling_allocates_nothing():
    Line(smartevse_v3)
    curved = CurvedLine(19, 39, smartevse_v3.SENSE_CURVE)
    peak = PeakLine(27, 36, 39, ZERO, PER_V)
    burst = PilotLine(27, 36, ZERO, PER_V)
    read = Steady().read_uv
    curved._read = burst._read = peak._high = peak._low = read
    with HEAP_LOCKED:
        for _ in range(50):
            curved.sample()
            peak.sample()
            burst.sample()
    assert burst.high_mV == peak.high_mV == 12000
