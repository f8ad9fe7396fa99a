"""The safety monitor: somebody who knows docs/electrical.md 5 and 8, and nothing of the firmware.

It sees what is true of an outlet (car, contactor, currents, faults), what the station drives
(pilot, coil), what it was granted, and the time. look() after every step of the station raises
Violation at the first thing that must not be. Runs on CPython and on MicroPython.

Deadlines for reactions are counted in the station's own time: a step that comes late, because
flash, TLS or a collection held the program up, counts as one tick. In such a stall the hardware
(docs/hardware.md) protects, not the program. The contactor's travel is not part of a deadline
either.

Where a step takes time, what it drives is judged by what was true when it read (reads()), and how
long something was driven by when it was (drives()).
"""

from sim.rules import contactor, hazards, pilot
from sim.rules.deadlines import (
    TESTS_F,
    X1,
    DUTY_ms,
    EARLY_ms,
    LONG_ms,
    MIN_OFF_ms,
    NOISE_mA,
    TICK_ms,
    WELD_ms,
)

TRACE = 60  # lines kept
PARTS = (
    "residual", "mirror", "interlock", "earth", "readback", "overcurrent", "derating", "proximity",
    "lock", "phases", "supply",
)  # fmt: skip


class Violation(Exception):
    """`rule` is a word; `trace` the changes that led there, the oldest first."""

    def __init__(self, rule, text, now_ms, trace):
        super().__init__("%s at %d ms: %s" % (rule, now_ms, text))
        self.rule, self.text, self.now_ms, self.trace = rule, text, now_ms, trace


class Monitor:
    """Set granted_mA (and what else changed) before each look().

    | attribute  | meaning |
    |---|---|
    | fitted     | names of PARTS that this connector has: others cannot be asked for |
    | granted_mA | what the station may offer as of now |
    | told_mA    | what the station says a car may draw; None: not asked |
    | tested     | the residual current sensor passed a test since this car came |
    | excuse_ms  | so long anything may have opened the contactor: set by who disturbed a reading |
    | hold_ms    | so long it need not offer anything: a random delay, a phase switch |
    | spread_ms  | from reading to driving one step takes so much longer than another: what a \
station counts from step to step may be so much shorter at its outputs |
    | strayed    | what was read last was spoilt by the car |
    """

    def __init__(self, outlet, fitted=PARTS, hardware_mA=32000):
        self.outlet = outlet
        self.fitted = set(fitted)
        self.hardware_mA = hardware_mA
        self.now_ms = 0
        self.trace = []
        self.granted_mA = self.spread_ms = 0
        self.closings = self.openings = self.load_openings = self.changes = 0
        self.hazards_seen = set()
        self.power_up(True)

    def power_up(self, cut):
        """The station starts; `cut`: its power had failed, so nobody knows for how long."""
        self.coil = False
        self.relay = self.outlet.phases_relay
        self.duty = X1
        self.up_ms = 0
        self.duty_ms = self.f_ms = LONG_ms
        self.off_ms = -1  # since the first look: before it the station has no clock
        self.need_off_ms = 2 * MIN_OFF_ms if cut else MIN_OFF_ms
        self.latched = {}  # rule -> "person" or "unplug": when it ends
        self.doubt = {}  # the same, of what the station may have seen and kept
        self.active = {}  # hazard -> for so long, in the station's time
        self.began_ms = {}  # hazard -> when it may have begun, at the earliest
        self.since = {}  # hazard -> when it ended
        self.seen_long = {}  # hazard -> it was there long enough to be seen
        self.gone = 0  # readings in a row without a car
        self.gone_ms = self.not_c_ms = self.c_ms = self.x1_ms = 0
        self.want_ms = self.idle_ms = self.cable_ms = 0
        self.offers = [(0, 0)]  # (since when, offer)
        self.told_mA = None
        self.heard_ms = 0  # since the meter can be read again
        self.shown_wrong = False  # the voltage, when the meter was last heard of
        self.voltage_at_ms = -LONG_ms  # when it was wrong for so long that the station must know
        self.tested = False
        self.tests_left = TESTS_F
        self.excuse_ms = self.hold_ms = 0
        self.calm_ms = 0  # without anything that is not as it should be
        self.dead_closings = 0  # in a row that closed nothing
        self.was_live = False
        self.plain_ms = 0  # the car has been compliant so long
        self.note("power up")

    def person(self):
        """Somebody clears what only a person may clear."""
        if self.outlet.car.state() == "A" and not self.outlet.coil:
            self.latched.clear()
            for name in list(self.doubt):
                if self.doubt[name] != "power":
                    del self.doubt[name]
            for name in self.active:
                self.active[name] = 0  # it has to be found again
            self.dead_closings = 0
            self.note("a person clears faults")

    def stray(self):
        """The latest reading of the pilot was spoilt: what was being made sure of begins anew."""
        self.not_c_ms = self.gone_ms = self.gone = 0
        self.excuse_ms = max(self.excuse_ms, 3 * TICK_ms)
        for name in ("state D", "state E"):
            if name in self.active:
                self.active[name] = 0
        self.since["stray"] = self.now_ms
        self.calm_ms = 0

    def unlocks(self):
        """The motor pulls the bolt back: not before the contacts are open, and known to be."""
        live_ms = self.active.get("weld", 0) if "mirror" in self.fitted else 0
        if self.coil or live_ms > WELD_ms:
            self.fail("unlock", "under %s" % ("a weld" if live_ms else "a closed contactor"))

    def note(self, text):
        self.trace.append("%8d %s" % (self.now_ms, text))
        if len(self.trace) > 2 * TRACE:
            del self.trace[:TRACE]

    def fail(self, rule, text):
        raise Violation(rule, text, self.now_ms, self.trace[-TRACE:])

    def offered_before(self, ms):
        """The most that was offered in the last `ms`."""
        most = 0
        for i in range(len(self.offers) - 1, -1, -1):
            since, offer = self.offers[i]
            most = max(most, offer)
            if self.now_ms - since >= ms:
                break
        return most

    def look(self, dt_ms):
        """`dt_ms` after the last look the station has read its inputs and set its outputs."""
        self.reads(dt_ms)
        self.drives(dt_ms)

    def reads(self, dt_ms):
        """The station reads its inputs, `dt_ms` after it did so before."""
        outlet = self.outlet
        car = outlet.car
        core = self._core = min(dt_ms, TICK_ms)
        self.now_ms += dt_ms
        self.up_ms += core
        self.state = state = car.state()
        self.locked = outlet.locked
        self.excuse_ms = max(0, self.excuse_ms - dt_ms)
        self.strayed = bool(car.faults) and car.disturbs()
        if self.strayed:
            self.stray()
        self.hold_ms = max(0, self.hold_ms - dt_ms)
        if state == "C":
            self.not_c_ms = 0
            self.c_ms += min(dt_ms, 2 * TICK_ms)  # (what it was in a stall nobody knows)
        else:
            self.not_c_ms += core if dt_ms >= EARLY_ms else 0
            self.c_ms = 0
        hazards.look(self, state, core, dt_ms)

    def drives(self, dt_ms):
        """It has set its outputs by what it read, `dt_ms` after it did so before."""
        outlet = self.outlet
        state, core = self.state, self._core
        duty, coil = outlet.duty, outlet.coil
        pilot.look(self, state, duty, coil, core, dt_ms)
        contactor.look(self, state, duty, coil, core, dt_ms)
        self._car(dt_ms)
        if outlet.phases_relay != self.relay:
            self.note("L2 and L3 " + ("on" if outlet.phases_relay else "off"))
            if coil or outlet.closed or self.off_ms < 100:
                self.fail("phases", "switched %d ms after opening" % self.off_ms)
            self.relay = outlet.phases_relay
        self.coil, self.duty = coil, duty
        if self.strayed:
            self.stray()

    def _car(self, dt_ms):
        car = self.outlet.car
        mA = car.current_mA
        if not car.compliant() or not self.outlet.coil and self.outlet.live:
            self.plain_ms = 0  # (behind a welded contactor anything may come)
            return
        self.plain_ms += dt_ms
        if mA and self.plain_ms > 2 * DUTY_ms:
            most = self.offered_before(DUTY_ms + dt_ms)
            slack = NOISE_mA + (1250 if most > 51000 else 0)
            if mA > most + slack:
                self.fail("follow", "%d mA drawn, %d offered" % (mA, most))
            told = self.told_mA
            if told is not None and self.outlet.coil and mA > told + slack:
                self.fail("told", "%d mA drawn, %d told" % (mA, told))
