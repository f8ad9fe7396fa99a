"""tools/sim/car.py and wall.py: what the simulated world does, against the numbers of
docs/electrical.md."""

import random

from rig import HIGH_mV, SHORTED_mV, a_wall, seeded, share

from sim.car import FAULTS, Car, Dice, offered_mA
from sim.faults import WALL_FAULTS
from sim.wall import Wall

SWEEPS = ("test_every_car_obeys_in_time",)

X1 = 65535
D16 = 17476
D6 = 6560
PINS = ({"pilot": 27, "sense": 36, "contactor": 33, "meter": 1},)


class Scene:
    """A wall with one outlet; time moves in steps of 25 ms."""

    def __init__(self, *faults):
        self.wall = a_wall()
        self.outlet = self.wall.outlets[0]
        self.car = self.outlet.car
        self.car.faults.update(faults)

    def run(self, ms, duty=None, coil=None):
        if duty is not None:
            self.outlet.duty = duty
        if coil is not None and coil != self.outlet.coil:
            self.outlet.coil = coil
            self.outlet.coil_ms = 0
        for _ in range(ms // 25):
            self.wall.advance(self.wall.now_ms + 25)
        return self.car

    def until(self, done, most_ms=60000):
        passed = 0
        while not done(self.car):
            assert passed < most_ms
            self.run(25)
            passed += 25
        return passed

    def plugged(self, ms, duty):
        """The car has come, and `ms` with this duty have passed."""
        self.car.plug()
        self.run(ms, duty)
        return self

    def charging(self, duty=D16):
        self.plugged(1000, duty)
        assert self.car.state() == "C"
        self.run(10000, duty, True)
        return self


def test_levels_from_first_principles():
    car = Car()
    for state in "ABCDE":
        car.faults = (
            {"pilot-short"} if state == "E" else {"ventilation"} if state == "D" else set()
        )
        car.plugged, car.s2 = state != "A", state in "CD"
        assert car.state() == state
        for duty in (D6, D16):
            high, low = car.pilot_mV(duty)
            assert abs(high - HIGH_mV[state]) < 5 and low == (0 if state == "E" else -12000)
        assert car.pilot_mV(X1) == (high, high) and car.pilot_mV(0) == (low, low)
        if state in SHORTED_mV:
            car.faults.add("diode-short")
            assert abs(car.pilot_mV(D16)[1] - SHORTED_mV[state]) < 5


def test_tolerances_stay_inside_the_windows():
    seeded("tolerances")
    for _ in range(200):
        wall = Wall(PINS, lambda *a: None, (), random.randrange(1 << 20))
        outlet = wall.outlets[0]
        car = outlet.car
        outlet.duty = D16
        for state, mV in (("A", 12000), ("B", 9000), ("C", 6000), ("D", 3000)):
            car.plugged, car.s2 = state != "A", state in "CD"
            car.faults = {"ventilation"} if state == "D" else set()
            high, low = outlet.pilot_mV()
            assert abs(high - mV) < 1000 and -12800 < low < -11200, (state, high, low)


def test_a_seed_makes_the_same_car_everywhere():
    dice = Dice(7)
    assert [dice.below(1000) for _ in range(6)] == [33, 517, 156, 563, 162, 142]
    car, other = Car(), Car()
    car.vary(Dice(42))
    other.vary(Dice(42))
    assert car.ohm == other.ohm and car.s2_delay_ms == other.s2_delay_ms


def test_it_charges_and_obeys():
    s = Scene().charging()
    assert s.car.phase_mA() == [15899, 15899, 15899]
    assert s.outlet.closed and s.outlet.live and s.outlet.power_W() == 15899 * 690 // 1000
    s.outlet.duty = D6
    assert s.until(lambda c: c.current_mA <= 6000) <= 5000
    s.outlet.duty = X1
    assert s.until(lambda c: c.state() == "B") <= 3000 and not s.car.current_mA


def test_every_car_obeys_in_time():
    seeded("obey")
    for _ in share(60):
        s = Scene()
        s.car.vary(Dice(random.randrange(1 << 20)))
        s.car.left_Wh = None
        s.car.plug()
        s.outlet.duty = 55705
        assert s.until(lambda c: c.state() == "C") <= 8100
        s.run(80000, coil=True)
        assert s.car.current_mA == min(s.car.max_mA, 50899)
        s.outlet.duty = D6
        assert s.until(lambda c: c.current_mA <= 6000) <= 5000
        s.outlet.duty = 55705
        s.run(80000)
        s.outlet.duty = X1
        assert s.until(lambda c: c.state() == "B") <= 3000


def test_overdraw():
    for name, mA in (("overdraw-110", 17488), ("overdraw", 19078), ("overdraw-200", 31798)):
        s = Scene(name)
        s.car.max_mA = 32000
        assert s.charging().car.current_mA == mA and not s.car.compliant(), name


def test_cars_that_do_not_listen():
    s = Scene("ignore-x1").charging()
    s.run(20000, X1)
    assert s.car.state() == "C" and s.car.current_mA > 15000
    s = Scene("ignore-duty").charging()
    s.run(20000, D6)
    assert s.car.current_mA > 15000
    s.run(5000, X1)
    assert s.car.state() == "B"
    s = Scene("draws-low").charging()
    s.run(20000, X1)
    assert 5000 < s.car.current_mA <= 6000


def test_cars_that_are_slow_or_sleep():
    s = Scene("slow").plugged(29000, D16)
    assert s.car.state() == "B"
    s.run(2000)
    assert s.car.state() == "C"
    s = Scene("sleeper").plugged(60000, D16)
    assert s.car.state() == "B"
    s.run(4000, 0)
    s.run(2000, D16)
    assert s.car.state() == "C"
    s = Scene("latch-on-f").plugged(1000, 0)
    s.run(60000, D16)
    assert s.car.state() == "B"
    s.car.unplug()
    s.car.plug()
    s.run(2000)
    assert s.car.state() == "C"


def test_a_battery_gets_full():
    s = Scene()
    s.car.left_Wh = 1000
    s.car.taper_Wh = 500
    s.charging()
    assert s.car.current_mA == 15899
    s.until(lambda c: c.current_mA < 10000, 600000)
    s.until(lambda c: c.state() == "B", 3600000)
    assert not s.car.current_mA
    s = Scene("full").plugged(10000, D16)
    assert s.car.state() == "B"
    s = Scene("top-up")
    s.car.plug()
    seen = ""
    for _ in range(250):
        state = s.run(1000, D16, s.car.state() == "C").state()
        seen += state if state != seen[-1:] else ""
    assert seen == "CBCBC" or seen == "BCBCBC", seen


def test_pulses():
    for name, duty, each_ms in (("c-pulses", D16, 250), ("bcb", X1, 200)):
        s = Scene(name)
        s.car.plug()
        s.car.wants = False
        s.outlet.duty = duty
        lengths, length = [], 0
        for _ in range(21000 // 25):
            s.run(25)
            if s.car.state() == "C":
                length += 25
            elif length:
                lengths.append(length)
                length = 0
        assert len(lengths) >= 4 and max(lengths) <= each_ms, (name, lengths)


def test_the_rest_of_the_odd_ones():
    s = Scene("simplified").plugged(50, X1)
    assert s.car.state() == "C"
    s.run(10000, 34952, True)
    assert 9000 < s.car.current_mA <= 10000
    s = Scene("pilot-open")
    s.car.plug()
    assert s.car.state() == "A"
    s = Scene("disturb").charging()
    calm = s.car.pilot_mV(D16)[0]
    levels = []
    s.outlet.duty = 20000
    for _ in range(40):
        s.run(25)
        levels.append(s.car.pilot_mV(20000)[0])
    assert max(levels) > calm + 1500 and levels[-1] == calm
    odd = [abs(level - calm) > 1000 for level in levels]
    assert not any(odd[i] and odd[i + 1] for i in range(39))
    s = Scene().charging()
    s.car.unplug()
    assert s.car.state() == "A" and s.car.phase_mA() == [0, 0, 0]


def test_unknown_names_do_nothing():
    assert len(set(FAULTS)) == len(FAULTS)
    s = Scene("no-such-thing").charging()
    assert s.car.current_mA > 15000
    assert offered_mA(D16) == 15999


def test_the_contactor_takes_its_time():
    s = Scene()
    s.outlet.close_ms, s.outlet.open_ms = 100, 75
    s.run(75, X1, True)
    assert not s.outlet.closed
    s.run(25)
    assert s.outlet.closed and s.outlet.live
    s.run(50, coil=False)
    assert s.outlet.closed
    s.run(25)
    assert not s.outlet.closed and not s.outlet.live


def test_every_fault_of_the_wall_comes_and_goes():
    s = Scene().charging()
    o = s.outlet
    o.cable_ohm, o.locked = 220, True

    def facts():
        names = sorted(k for k in o.__dict__ if k[0] != "_" and k not in ("car", "dice", "pins"))
        return [(k, str(o.__dict__[k])) for k in names]

    before = facts()
    for name in sorted(WALL_FAULTS):
        put, clear = WALL_FAULTS[name]
        put(o)
        assert facts() != before, name
        clear(o)
        if name == "lock-forced":
            o.locked = True
        assert facts() == before, name


def test_a_welded_pole():
    s = Scene().charging()
    WALL_FAULTS["weld"][0](s.outlet)
    s.run(1000, coil=False)
    assert not s.outlet.closed and s.outlet.live and s.car.phase_mA()[1:] == [0, 0]
    assert s.car.current_mA
    WALL_FAULTS["weld"][1](s.outlet)
    s.run(100)
    assert not s.outlet.live and not s.car.current_mA
    WALL_FAULTS["stuck-open"][0](s.outlet)
    s.run(1000, coil=True)
    assert not s.outlet.closed and not s.outlet.live


def test_phases_and_mains():
    s = Scene().charging()
    s.outlet.phases_relay = False
    s.run(100)
    assert s.car.phase_mA()[1:] == [0, 0] and s.outlet.power_W() == 15899 * 230 // 1000
    s.outlet.phases_relay = True
    WALL_FAULTS["phase-loss"][0](s.outlet)
    s.run(100)
    assert s.car.phase_mA()[2] == 0 and s.car.phase_mA()[1]
    s.outlet.volts_mV[:] = (0, 0, 0)
    s.run(100)
    assert not s.outlet.live and not s.car.current_mA


def test_the_plug_stays_while_it_is_locked():
    s = Scene()
    s.car.cable_ohm = 680
    s.car.plug()
    assert s.outlet.cable_ohm == 680
    s.outlet.locked = True
    s.car.unplug()
    s.run(1000)
    assert s.car.state() == "A" and s.outlet.cable_ohm == 680
    s.outlet.locked = False
    s.run(25)
    assert s.outlet.cable_ohm is None


def test_a_cable_has_two_ends():
    s = Scene()
    car, o = s.car, s.outlet
    car.plug("station")
    s.run(100)
    assert car.state() == "A" and o.cable_ohm == 220 and not car.plugged
    car.plug("ev")
    s.run(100)
    assert car.state() == "B" and car.plugged
    assert car.unplug("ev")
    s.run(100)
    assert car.state() == "A" and o.cable_ohm == 220 and o.plugged
    assert car.unplug("station")
    assert o.cable_ohm is None and not o.plugged
    car.plug("ev")  # the other way round
    s.run(100)
    assert car.state() == "A" and o.cable_ohm is None
    car.plug("station")
    s.run(100)
    assert car.state() == "B"
    o.locked = True
    assert not car.unplug("station") and car.state() == "B" and o.cable_ohm == 220
    o.locked = False
    assert car.unplug("station") and car.state() == "A" and car.in_car
    car.plug("station")
    s.run(100)
    assert car.state() == "B" and car.wants


def test_a_plug_pulled_out_of_the_socket_takes_the_current_along():
    s = Scene().charging()
    assert s.car.unplug("station")
    s.run(25)
    assert s.car.phase_mA() == [0, 0, 0] and s.car.state() == "A"


def test_it_gets_warm():
    s = Scene()
    s.car.max_mA = 32000
    s.charging(34952)
    s.wall.advance(s.wall.now_ms + 3600000)
    warm = s.outlet.temperature_dC
    assert 450 < warm < 520, warm
    s.run(25, coil=False)
    s.wall.advance(s.wall.now_ms + 7200000)
    assert s.outlet.temperature_dC < 260
