"""tools/sim/monitor.py: every rule by itself, on an outlet that is moved by hand."""

from rig import a_wall

from sim.monitor import PARTS, Monitor, Violation
from sim.rules.deadlines import X1, F

D16, D10, D6 = 17476, 10922, 6560


class Stage:
    """An outlet with a car in state C that was offered 16 A for long, nothing closed yet."""

    def __init__(self, parts=()):
        self.o = a_wall().outlets[0]
        self.car = self.o.car
        self.m = Monitor(self.o, parts)
        self.m.granted_mA = 16000
        self.o.duty = X1
        self.run(11000)
        self.car.plug()
        self.o.duty = D16
        self.run(6000)
        self.car.s2 = True
        self.o.locked = self.m.tested = True
        self.run(500)

    def run(self, ms, dt_ms=25):
        for _ in range(ms // dt_ms):
            self.m.look(dt_ms)

    def duty(self, duty, ms):
        """The pilot has this duty, and `ms` pass."""
        self.o.duty = duty
        self.run(ms)

    def close(self, mA=10000):
        self.o.coil = True
        self.run(25)
        self.o.closed = self.o.live = True
        self.car.current_mA = mA
        self.run(6000)
        return self

    def open(self):
        self.o.coil = False
        self.run(25)
        self.o.closed = self.o.live = False
        self.car.current_mA = 0
        return self


def breaks(rule, function, *args):
    try:
        function(*args)
    except Violation as e:
        assert e.rule == rule, e
        assert e.trace and rule in str(e)
        return e
    raise AssertionError("not found: " + rule)


def test_all_is_well():
    s = Stage(PARTS).close()
    s.run(20000)
    s.o.duty, s.m.granted_mA = X1, 0
    s.run(1000)
    s.car.s2, s.car.current_mA = False, 0
    s.run(50)
    s.open()
    s.run(60000)
    assert s.m.closings == s.m.openings == 1 and not s.m.load_openings


def test_leaving_c():
    for fault in ("", "pilot-short", "pilot-open", "ventilation"):
        s = Stage().close()
        s.car.s2 = fault == "ventilation"
        s.car.faults.add(fault)
        s.run(75)
        breaks("open", s.run, 25)
        s = Stage().close()
        s.car.s2 = fault == "ventilation"
        s.car.faults.add(fault)
        s.run(75)
        s.open()
    # what comes late does so once
    s = Stage().close()
    s.car.s2 = False
    s.run(3000, 3000)
    s.run(50)
    breaks("open", s.run, 25)


def stage(closed=None, **now):
    """A stage with all parts, whose contactor is closed with a current of so many mA, or open;
    and what is so `now`, of the outlet, of what the monitor is told, or of the car."""
    s = Stage(PARTS)
    if closed is not None:
        s.close(closed)
    for name, value in now.items():
        owner = [x for x in (s.o, s.m, s.car) if hasattr(x, name)][0]
        setattr(owner, name, value)
    return s


def test_what_breaks_a_rule_at_once():
    for rule, s, act in (
        # closing: not in C, without an offer, untested, not locked
        ("close", stage(s2=False), "close"),
        ("close", stage(duty=X1), "close"),
        ("close", stage(tested=False), "close"),
        ("close", stage(locked=False), "close"),
        ("load", stage(10000), "open"),
        ("limit", stage(10000, granted_mA=15998), "run"),
        ("x1", stage(10000, granted_mA=5999), "run"),
        ("open", stage(10000, duty=F), "run"),
        ("phases", stage(10000, phases_relay=False), "run"),
        ("duty", stage(duty=1), "run"),
        ("duty", stage(duty=3000), "run"),
        ("duty", stage(duty=5242), "run"),
        ("duty", stage(duty=62915), "run"),
        ("duty", stage(duty=65534), "run"),
    ):
        breaks(rule, getattr(s, act), *([25] if act == "run" else []))
    stage(phases_relay=False).run(25)  # (nothing is closed)


def closes(s, good):
    """It closes; that is chatter if it is not `good`."""
    if good:
        s.close()
    else:
        breaks("chatter", s.close)


def test_closing():
    s = Stage()
    s.car.s2 = False
    s.run(25)
    s.car.s2 = True
    breaks("close", s.close)  # a pulse
    s = Stage()
    s.car.faults.add("diode-short")
    breaks("close", s.close)
    for ms, good in ((3000, False), (4950, False), (4975, True)):
        s = Stage().close(0).open()
        s.duty(X1, ms - 25)
        s.duty(D16, 25)
        closes(s, good)


def test_after_d_and_e():
    for fault in ("ventilation", "pilot-short"):
        for ms, good in ((20000, False), (30500, True)):
            s = Stage()
            s.car.faults.add(fault)
            s.duty(X1, 1000)
            s.car.faults.clear()
            s.run(ms - 1000)
            s.duty(D16, 1000)
            closes(s, good)


def test_under_load():
    s = Stage().close()
    s.car.faults.add("ignore-x1")
    s.duty(X1, 5900)
    breaks("load", s.open)
    s = Stage().close()
    s.car.faults.add("ignore-x1")
    s.duty(X1, 6025)
    s.open()
    assert s.m.load_openings == 1
    s = Stage().close()
    s.car.faults.add("ignore-x1")
    s.duty(X1, 6025)
    breaks("x1-ignored", s.run, 100)
    Stage().close(500).open()


def test_the_duty():
    # less at any time, more not within 5 s
    s = Stage().close()
    for s.o.duty in (D10, D6):
        s.run(25)
    s.run(4900)
    s.o.duty = D10
    breaks("spacing", s.run, 25)
    s = Stage().close()
    s.duty(D6, 5000)
    s.duty(D10, 25)


def test_a_car_that_should_follow():
    s = Stage().close(15900)
    s.run(10000)
    s.duty(D6, 5000)
    breaks("follow", s.run, 100)
    s = Stage().close(15900)
    s.run(10000)
    s.m.told_mA = 10000
    breaks("told", s.run, 25)


def test_faults_that_open():
    def residual(s):
        s.o.residual_trip = True

    def earth(s):
        s.o.pe_ok = False

    def cable(s):
        s.o.cable_ohm = None

    def diode(s):
        s.car.faults.add("diode-short")

    def voltage(s):
        s.o.volts_mV[1] = 260000

    def lock(s):
        s.o.locked = False

    for act, rule, ms in (
        (residual, "residual", 25),
        (earth, "pe", 100),
        (cable, "cable", 100),
        (diode, "latched", 100),
        (voltage, "offer", 5100),
        (lock, "lock", 16000),
    ):
        s = Stage(PARTS).close()
        act(s)
        s.run(ms)
        if rule not in ("latched", "offer"):
            s.o.duty = X1 if ms < 6000 else D16
        breaks(rule, s.run, 200)


def test_a_trip_is_for_good():
    s = Stage(PARTS).close()
    s.o.residual_trip = True
    s.run(25)
    s.o.duty = X1
    s.open()
    s.run(100)
    s.o.residual_trip = False
    s.run(10000)
    s.o.duty = D16
    breaks("latched", s.run, 25)
    s.o.duty = X1
    s.car.unplug()
    s.run(1000)
    s.m.person()
    s.duty(D16, 25)


def test_the_contactor_welds_or_does_not_close():
    s = Stage(PARTS).close(0)
    s.o.coil = False
    s.duty(X1, 1300)
    s.o.duty = D16
    breaks("latched", s.run, 25)
    s = Stage(PARTS)
    s.o.coil = True
    s.run(1200)
    breaks("not-closed", s.run, 100)
    s = Stage(PARTS)
    s.o.coil = True
    s.run(1150)
    s.o.coil = False
    s.run(6000)
    breaks("retries", s.close)


def test_too_much_current():
    s = Stage(PARTS)
    s.car.faults.add("overdraw-200")
    e = breaks("overcurrent", s.close, 25900)
    assert "150" in e.text
    s = Stage(PARTS)
    s.car.faults.add("overdraw")
    s.close(19200)
    s.run(3000)
    breaks("overcurrent", s.run, 1000)


def test_heat():
    s = Stage(PARTS).close()
    s.o.temperature_dC = 720
    s.run(2500)
    breaks("hot", s.run, 100)
    s = Stage(PARTS)
    s.m.hardware_mA = 16000
    s.close()
    s.o.temperature_dC = 660
    breaks("warm", s.run, 8000)
    s = Stage(PARTS).close()
    s.o.sensor_lost = True
    breaks("sensor", s.run, 70000)


def test_it_must_charge():
    s = Stage()
    breaks("dead", s.run, 4000)
    # whatever the reason: it should not have been offered
    s = Stage(PARTS)
    s.o.locked = s.m.tested = False
    breaks("dead", s.run, 4000)
    s = Stage().close(0).open()
    breaks("dead", s.run, 3100)
    s = Stage().close(0).open()
    s.duty(X1, 4000)
    s.duty(D16, 2500)
    s.close()
    s = Stage()
    s.o.duty = X1
    breaks("idle", s.run, 16000)
    # but not when something is, or was, in the way
    for name, value in (("residual_mA", 30), ("lock_jam", True), ("meter_lost", True)):
        s = Stage(PARTS)
        setattr(s.o, name, value)
        s.run(60000)


def test_a_power_cut():
    s = Stage().close()
    s.o.coil = s.o.closed = s.o.live = False
    s.o.duty = X1
    s.car.current_mA = 0
    s.m.power_up(True)
    s.run(9000)
    s.o.duty = D16
    breaks("chatter", s.close)
