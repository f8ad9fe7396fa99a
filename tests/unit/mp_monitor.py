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
    s.run(25)
    s.open()
    s.run(60000)
    assert s.m.closings == s.m.openings == 1 and not s.m.load_openings


def test_leaving_c():
    for fault in ("", "pilot-short", "pilot-open", "ventilation"):
        s = stage(10000, s2=fault == "ventilation", faults={fault})
        s.run(25)
        s.open()
    # what comes late does so once
    s = stage(10000, s2=False)
    s.run(3000, 3000)
    breaks("open", s.run, 25)


def test_a_step_that_takes_time():
    """What it drives is judged by what it read, how long by when it drove."""
    s = stage()
    s.m.reads(25)
    s.car.s2 = False  # (nobody could know)
    s.o.coil = True
    s.m.drives(25)
    s.run(25)
    s.run(19, 19)  # (too soon after the one before)
    breaks("open", s.run, 25)
    for spread_ms in (3, 4):
        s = stage(9000, spread_ms=spread_ms)
        s.duty(D10, 5000)
        s.o.duty = D16
        s.m.reads(25)
        if spread_ms == 3:
            breaks("spacing", s.m.drives, 21)
        else:
            s.m.drives(21)


def test_a_stop_that_is_over_waits_for_a_car_that_has_gone_for_long():
    for away_ms, idle in ((550, False), (650, True)):
        s = stage(loop_closed=False, duty=X1)
        s.run(100)
        s.o.loop_closed = True
        s.run(1000)
        s.car.unplug()
        s.run(away_ms)
        s.car.plug()
        s.run(60000)
        if idle:
            breaks("idle", s.run, 30000)
        else:
            s.run(30000)


def test_another_cable_is_a_reason_to_open_under_load():
    s = stage(10000, cable_ohm=680)
    s.open()
    assert s.m.load_openings == 1


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


def test_what_breaks_a_rule_after_a_while():
    """(rule, current with which it is closed or None, what is so from then on, ms that are good,
    ms in which the rule is broken)"""
    for rule, mA, now, good_ms, ms in (
        ("open", 10000, {"s2": False}, 25, 25),
        ("open", 10000, {"s2": False, "faults": {"pilot-short"}}, 25, 25),
        ("open", 10000, {"s2": False, "faults": {"pilot-open"}}, 25, 25),
        ("open", 10000, {"faults": {"ventilation"}}, 25, 25),
        ("x1-ignored", 10000, {"faults": {"ignore-x1"}, "duty": X1}, 6025, 100),
        ("follow", 15900, {"duty": D6}, 5000, 100),
        ("told", 15900, {"told_mA": 10000}, 0, 25),
        ("residual", 10000, {"residual_trip": True}, 25, 200),
        ("pe", 10000, {"pe_ok": False}, 100, 200),
        ("interlock", 10000, {"loop_closed": False}, 100, 25),
        ("cable", 10000, {"cable_ohm": None}, 100, 200),
        ("latched", 10000, {"faults": {"diode-short"}}, 100, 200),
        ("offer", 10000, {"volts_mV": [230000, 260000, 230000]}, 5100, 200),
        ("lock", 10000, {"locked": False}, 16000, 200),
        ("not-closed", None, {"coil": True}, 1200, 100),
        ("overcurrent", 10000, {"faults": {"overdraw-200"}, "current_mA": 25900}, 0, 6000),
        ("overcurrent", 10000, {"faults": {"overdraw"}, "current_mA": 19200}, 9000, 1000),
        ("hot", 10000, {"temperature_dC": 720}, 2500, 100),
        ("warm", 10000, {"hardware_mA": 16000, "temperature_dC": 660}, 0, 8000),
        ("sensor", 10000, {"sensor_lost": True}, 0, 70000),
        # whatever the reason: it should not have been offered
        ("dead", None, {}, 0, 4000),
        ("dead", None, {"locked": False, "tested": False}, 0, 4000),
        ("idle", None, {"duty": X1}, 0, 16000),
    ):
        s = stage(mA, **now)
        s.run(good_ms)
        if rule in ("residual", "pe", "interlock", "cable"):
            s.o.duty = X1  # (what is late is the contactor)
        breaks(rule, s.run, ms)
    # but not when something is, or was, in the way
    for name, value in (("residual_mA", 30), ("lock_jam", True), ("meter_lost", True)):
        stage(**{name: value}).run(60000)


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
    s = stage(10000, faults={"ignore-x1"})
    s.duty(X1, 5900)
    breaks("load", s.open)
    s = stage(10000, faults={"ignore-x1"})
    s.duty(X1, 6025)
    s.open()
    assert s.m.load_openings == 1
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


def test_an_interlock_that_is_closed_again():
    """Nothing is offered before the car was unplugged, also to one that came to the open loop."""
    for came_to_it in (False, True):
        s = stage(loop_closed=False, duty=X1)
        if came_to_it:
            s.car.unplug()
            s.run(1000)
            s.car.plug()
        s.run(200)
        s.o.loop_closed = True
        s.run(100000)
        s.o.duty = D16
        breaks("latched", s.run, 25)
        s.o.duty = X1
        s.car.unplug()
        s.run(1000)
        s.duty(D16, 25)


def stuck(s):
    """10 A are allowed; the driver sends the duty of 16."""
    s.o.stuck = D16
    s.m.granted_mA = 10000
    return s


def test_a_pilot_that_sends_another_duty():
    """The contactor opens within a second; the car has to go, and the next one finds it right."""
    s = stuck(stage(10000))
    s.duty(D10, 900)
    breaks("latched", s.run, 200)  # (it offers, too)
    s = stuck(stage(10000))
    s.duty(D10, 500)
    s.duty(X1, 400)
    breaks("wire", s.run, 200)
    s = stuck(stage(10000))
    s.duty(D10, 900)
    s.o.duty = X1
    s.open()  # under load
    s.run(200)
    s.o.stuck = None
    s.run(100000)
    s.o.duty = D10
    breaks("latched", s.run, 25)
    s.o.duty = X1
    s.car.unplug()
    s.run(1000)
    s.duty(D10, 25)
    # nobody can be asked for what the station cannot see
    s = stuck(Stage(set(PARTS) - {"readback"}).close())
    s.duty(D10, 20000)


def test_no_offer_and_no_closing_with_an_open_interlock():
    s = stage(loop_closed=False)
    s.duty(D16, 100)
    breaks("latched", s.run, 25)
    s = stage(loop_closed=False)
    s.run(75)
    breaks("close", s.close)


def test_the_contactor_welds_or_does_not_close():
    s = Stage(PARTS).close(0)
    s.o.coil = False
    s.duty(X1, 1300)
    s.o.duty = D16
    breaks("latched", s.run, 25)
    s = stage(coil=True)
    s.run(1150)
    s.o.coil = False
    s.run(6000)
    breaks("retries", s.close)


def test_it_must_charge_again():
    s = Stage().close(0).open()
    breaks("dead", s.run, 3100)
    s = Stage().close(0).open()
    s.duty(X1, 4000)
    s.duty(D16, 2500)
    s.close()


def test_a_power_cut():
    s = Stage().close()
    s.o.coil = s.o.closed = s.o.live = False
    s.o.duty = X1
    s.car.current_mA = 0
    s.m.power_up(True)
    s.run(9000)
    s.o.duty = D16
    breaks("chatter", s.close)
