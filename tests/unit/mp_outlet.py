"""firmware/outlet.py: how often the pilot is read. (What a tick does with it: mp_evse_parts.py,
tests/prove_evse.)"""

from firmware.electrical import pilot
from firmware.electrical.controller import Controller
from firmware.outlet import Outlet

BOTH = True
MV = {"A": 12000, "B": 9000, "C": 6000}


class Line:
    """A pilot that a car can be at."""

    def __init__(self):
        self.real_mV, self.high_mV, self.low_mV, self.reads = MV["A"], 0, 0, 0
        self.duty = pilot.STEADY

    def sample(self):
        self.reads += 1
        self.high_mV = self.real_mV if self.duty else -12000
        self.low_mV = self.high_mV if self.duty == pilot.STEADY else -12000

    def set(self, duty):
        self.duty = duty


class Contactor:
    def set(self, on):
        pass


class Unit:
    def __init__(self, **more):
        self.line = Line()
        self.outlet = Outlet(self.line, Contactor(), None)
        self.outlet.controller = self.c = Controller(**more)
        self.now_ms = 0

    def ticks(self, n, allow_mA=0):
        """-> how many of them have read the pilot."""
        before = self.line.reads
        for _ in range(n):
            self.outlet.tick(self.now_ms, allow_mA)
            self.now_ms += 25
        return self.line.reads - before


def test_without_a_car_each_fourth_tick_reads():
    u = Unit()
    assert u.ticks(3) == 3 and u.c.known  # (until it is known)
    assert u.ticks(400) in (100, 101)


def test_a_car_is_noticed_at_most_three_ticks_later():
    for at in range(4):
        u = Unit()
        u.ticks(100 + at)
        u.line.real_mV = MV["B"]
        late = 0
        while not u.c.other:
            u.ticks(1)
            late += 1
        assert late <= 4
        assert u.ticks(2) == 2 and u.c.state == pilot.B
        assert u.ticks(100) == 100, "with a car each of them reads"
        u.line.real_mV = MV["A"]
        assert u.ticks(3) == 3 and u.c.state == pilot.A
        assert u.ticks(40) <= 11


def test_what_is_no_clear_a_is_read_at_each_tick():
    u = Unit()
    u.ticks(100)
    for mV in (10700, 13300):  # A by its hysteresis; more than any car can make
        u.line.real_mV = mV
        u.ticks(4)
        assert u.c.state == pilot.A and u.ticks(20) == 20


def test_what_drives_the_pilot_has_each_tick():
    u = Unit(self_test=True)
    states = []
    for _ in range(200):
        duty = u.c.duty_u16
        states.append((duty, u.ticks(1)))
    driven = [read for duty, read in states if duty != pilot.STEADY]
    assert driven and all(driven)

    class Bench:
        def drive(self, c, dt):
            pass

    u.c.bench = Bench()
    assert u.ticks(20) == 20
