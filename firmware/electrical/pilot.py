"""The control pilot in numbers: amps <-> duty, millivolts -> state. IEC 61851-1 Annex A; the
numbers: docs/electrical.md 1 and 2. Pure integers, nothing allocates."""

from micropython import const

_FOLLOW_ms = const(5000)  # a car has so long to follow less (seq. 6)
_PLACES = const(4)

STEADY = const(65535)  # duty of the steady +12 V: X1, no energy offered
FAULT = const(0)  # steady -12 V: state F

_MIN_mA = const(6000)
_MIN_DUTY = const(6560)  # of 6 A: 10 % and no less, by the 13 bits of an S2 or S3 too
_MAX_mA = const(80000)

# Decision levels between the states A, B, C, D, E: midpoints of the nominal voltages.
STATES = "ABCDEF"
A = const(0)
B = const(1)
C = const(2)
D = const(3)
E = const(4)
F = const(5)
_LEVELS_mV = const((10500, 7500, 4500, 1500))
_HYSTERESIS_mV = const(300)
DIODE_mV = const(-10000)  # the low phase is above this only when the car's diode is shorted


def duty_u16(limit_mA):
    """Duty (of 65536) that advertises `limit_mA` or just less; STEADY below 6 A. 6 A are 10 % or
    just above (6,005 mA): below that a car need not know what is meant. 51 A < limit <= 52.5 A
    cannot be told apart on the wire and becomes 51 A. The fractions are reduced so that no product
    leaves the ESP32's 31-bit small ints."""
    limit_mA = advertisable_mA(limit_mA)
    if not limit_mA:
        return STEADY
    if limit_mA <= 51000:
        return max(limit_mA * 2048 // 1875, _MIN_DUTY)
    return (limit_mA + 160000) * 4096 // 15625


def advertisable_mA(limit_mA):
    """What of `limit_mA` the pilot can say: 0 below 6 A, the gap as 51 A, 80 A at most."""
    if limit_mA < _MIN_mA:
        return 0
    if 51000 < limit_mA < 52502:  # up to here the floor still falls to 85.0 %: 51 A
        return 51000
    return min(limit_mA, _MAX_mA)


def state(high_mV, before):
    """The state (A..E) of the pilot's high level, coming from state `before`.

    Half of the gap on either side of a decision level still belongs to `before`."""
    s = A
    for level in _LEVELS_mV:
        level += _HYSTERESIS_mV if s < before else -_HYSTERESIS_mV
        if high_mV >= level:
            break
        s += 1
    return s


def clear(high_mV):
    """Whether the level is inside a window: 1.2 V around 12, 9, 6, 3 and 0 V. Outside lie the
    hysteresis of the decision levels and what no car can make."""
    return -1200 <= high_mV < 13200 and (high_mV + 1200) % 3000 < 2400


class Draw:
    """The offers of the last 5 s. Where there were more than it has places for, one counts as the
    next higher: too much rather than too little."""

    def __init__(self):
        self._mA = [0] * _PLACES
        self._ms = [0] * _PLACES  # how much longer a car may draw that

    def count(self, dt_ms):
        """Time passes; 5 s, and nothing is left of it."""
        if not max(self._ms):
            return
        for i in range(_PLACES):
            self._ms[i] = max(self._ms[i] - dt_ms, 0)
            if not self._ms[i]:
                self._mA[i] = 0

    def was(self, mA):
        """`mA` were offered until now."""
        for i in range(_PLACES):
            if self._mA[i] <= mA:
                self._mA[i] = 0
        i = self._mA.index(min(self._mA))
        self._mA[i] = max(self._mA[i], mA)
        self._ms[i] = _FOLLOW_ms

    def most_mA(self, mA):
        """The highest of `mA`, which are offered now, and of all that."""
        return max(mA, max(self._mA))
