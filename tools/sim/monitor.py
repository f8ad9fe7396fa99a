"""The safety monitor: somebody who knows docs/electrical.md 5 and 8, and nothing of the firmware.

It sees what is true of an outlet (car, contactor, currents, faults), what the station drives
(pilot, coil), what it was granted, and the time. look() after every step of the station raises
Violation at the first thing that must not be. Runs on CPython and on MicroPython.

Deadlines for reactions are counted in the station's own time: a step that comes late, because
flash, TLS or a collection held the program up, counts as one tick. In such a stall the hardware
(docs/hardware.md) protects, not the program. The contactor's travel is not part of a deadline
either.
"""

from sim.car import offered_mA

TICK_ms = 25
X1 = 65535
F = 0
LONG_ms = 3600000

LEAVE_C_ms = 100  # hazards 1, 2, 6: any state but C
TRIP_ms = 50  # hazard 3, to the software
DIODE_ms = 3000
WELD_ms = 1200  # 1 s after opening, and the contactor's travel
NOT_CLOSED_ms = 1200
NOT_CLOSED_OFF_ms = 10000
RETRIES = 3
PE_ms = 100
VOLTAGE_ms = 5100  # 5 s and the tick that acts
VOLTAGE_BACK_ms = 60000
LOW_mV, HIGH_mV = 207000, 253000
CABLE_ms = 100
CHANGED_ms = 1000  # another cable
LOCK_ms = 16000  # it tries to lock again, then lets the car stop
METER_ms = 2200  # a reading old, and one more to be sure
OVER_ms = 7000
FAR_OVER_ms = 1000
OBEY_ms = 6000
HOT_ms = 2500  # a reading of the temperature, and a tick
SETTLE_ms = 1100  # after power-up the sensor of residual current counts for nothing
SENSOR_ms = 60000
SENSOR_LONG_ms = 600000
DUTY_ms = 5000
MIN_OFF_ms = 5000
CLOSE_ms = 3000
STABLE_ms = 450  # of C before closing: pulses of 250 ms are not a wish to charge
OFFER_ms = 15000  # nothing forbids it, and still nothing is offered
LOAD_mA = 1000  # more than this is under load
NOISE_mA = 1000
TRACE = 60  # lines kept

TEST_F_ms = 100  # the station measures its own -12 V once a power-up, thrice if it sees none
TESTS_F = 3

CHATTER_ms = 30000  # after D or E

_SWITCHING = ("weld", "not closed")  # which are there for a moment after every switching
_KEPT = {
    "residual": "person",
    "weld": "person",
    "not closed": "person",
    "diode": "unplug",
    "cable": "unplug",
    "overcurrent": "unplug",
}
PARTS = (
    "residual", "mirror", "earth", "overcurrent", "derating", "proximity", "lock", "phases",
    "supply",
)  # fmt: skip


class Violation(Exception):
    """`rule` is a word; `trace` the changes that led there, the oldest first."""

    def __init__(self, rule, text, now_ms, trace):
        super().__init__("%s at %d ms: %s" % (rule, now_ms, text))
        self.rule, self.text, self.now_ms, self.trace = rule, text, now_ms, trace


def rating_mA(ohm):
    """What a cable with this resistor carries (docs/electrical.md 4); 0: none, or broken."""
    if ohm is None or ohm < 60 or ohm > 4500:
        return 0
    return 63000 if ohm <= 140 else 32000 if ohm <= 308 else 20000 if ohm <= 936 else 13000


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
    """

    def __init__(self, outlet, fitted=PARTS, hardware_mA=32000):
        self.outlet = outlet
        self.fitted = set(fitted)
        self.hardware_mA = hardware_mA
        self.now_ms = 0
        self.trace = []
        self.granted_mA = 0
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
        self.drawing_mA = 0
        self.stall_ms = 0
        self.note("power up")

    def person(self):
        """Somebody clears what only a person may clear."""
        if self.outlet.car.state() == "A" and not self.outlet.coil:
            self.latched.clear()
            self.doubt.clear()
            for name in self.active:
                self.active[name] = 0  # it has to be found again
            self.dead_closings = 0
            self.note("a person clears faults")

    def stray(self):
        """The latest reading of the pilot was spoilt: what was being made sure of begins anew."""
        self.not_c_ms = self.gone_ms = 0
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
        outlet = self.outlet
        car = outlet.car
        core = min(dt_ms, TICK_ms)
        self.now_ms += dt_ms
        self.up_ms += core
        state = car.state()
        duty, coil = outlet.duty, outlet.coil
        self.excuse_ms = max(0, self.excuse_ms - dt_ms)
        if car.faults and car.disturbs():
            self.stray()
        self.hold_ms = max(0, self.hold_ms - dt_ms)
        if state == "C":
            self.not_c_ms = 0
            self.c_ms += dt_ms
        else:
            self.not_c_ms += core
            self.c_ms = 0
        self._hazards(state, core, dt_ms)
        self._pilot(state, duty, coil, core, dt_ms)
        self._contactor(state, duty, coil, core, dt_ms)
        self._car(dt_ms)
        if outlet.phases_relay != self.relay:
            self.note("L2 and L3 " + ("on" if outlet.phases_relay else "off"))
            if coil or outlet.closed or self.off_ms < 100:
                self.fail("phases", "switched %d ms after opening" % self.off_ms)
            self.relay = outlet.phases_relay
        self.coil, self.duty = coil, duty
        if car.faults and car.disturbs():
            self.stray()

    # --- what may be wrong, as it is in truth

    def _hazards(self, state, core, dt_ms):
        outlet, fitted = self.outlet, self.fitted
        metered = not (outlet.meter_lost or outlet.meter_garbles)
        found = []
        # (in state F the station cannot see whether there is a car)
        if state != "A":
            self.gone_ms = 0
        elif self.duty != F:
            self.gone_ms += core
        if state == "A":
            # Between 50 and 100 ms nobody can ask whether the station has seen the car go.
            if self.gone_ms > 4 * TICK_ms:
                self.tested = False
                self._forget(self.doubt)
            if self.gone_ms >= 2 * TICK_ms:
                self._forget(self.latched)
                self.seen_long.clear()
        elif state == "E" or state == "D":
            if self.duty != F:
                found.append("state " + state)
        elif "diode-short" in outlet.car.faults:
            if offered_mA(self.duty):
                found.append("diode")
        if outlet.lock_jam or not metered:
            found.append("other")
        if outlet.residual_mA or outlet.residual_broken:
            found.append("other")
            self.doubt["residual test"] = "person"
        if not outlet.car.compliant():
            self.doubt["car"] = "unplug"
        if outlet.residual_trip and not outlet.residual_test and "residual" in fitted:
            found.append("residual" if self.up_ms > SETTLE_ms else "other")
            self.doubt["residual"] = "person"
        if not outlet.pe_ok and "earth" in fitted:
            found.append("pe")
        if "proximity" in fitted and state != "A" and not rating_mA(outlet.cable_ohm):
            found.append("cable")
        if "lock" in fitted and not outlet.locked and self.coil:
            found.append("lock")
        if "supply" in fitted and metered:
            # (a phase without any is not there: a car may go on with the others)
            volts = [mV for mV in outlet.volts_mV if mV]
            if volts and (min(volts) < LOW_mV or max(volts) > HIGH_mV):
                found.append("voltage")
            # (the latest reading may be from before it was right again, or the meter silent)
            old = self.lately("voltage", METER_ms) or self.heard_ms < METER_ms
            self.shown_wrong = "voltage" in found or self.shown_wrong and old
            self.heard_ms += dt_ms
        else:
            self.heard_ms = 0
        if "mirror" in fitted:
            if outlet.live and not self.coil:
                found.append("weld")
            elif self.coil and not outlet.live:
                found.append("not closed")
        if "derating" in fitted:
            if outlet.sensor_lost:
                found.append("sensor")
            elif outlet.temperature_dC >= 715:
                found.append("hot")
            elif outlet.temperature_dC >= 655:
                found.append("warm")
        mA = outlet.car.current_mA
        if mA and "overcurrent" in fitted and metered:
            most = self.offered_before(DUTY_ms)
            if most and mA * 98 > (most + 500) * 110 + 10000:
                found.append("overcurrent")
                if mA * 98 > most * 150 + 10000:
                    found.append("far overcurrent")
            if most and mA * 102 > most * 150 - 10000:
                found.append("perhaps far")  # (as the meter may show it)
        active, since = self.active, self.since
        if not found and not active:
            self.calm_ms += dt_ms
            return
        for name in list(active):
            if name not in found:
                if name == "voltage" and active[name] > VOLTAGE_ms:
                    self.voltage_at_ms = self.now_ms
                del active[name]
                since[name] = self.now_ms
        self.calm_ms = 0 if found else self.calm_ms + dt_ms
        for name in found:
            if name not in active:
                active[name] = 0
                self.seen_long[name] = False
                self.began_ms[name] = self.now_ms - dt_ms
                if name not in _SWITCHING:
                    self.note("hazard: " + name)
            active[name] += core
            # (three readings in a row are seen for sure; a car that goes takes it along)
            if active[name] >= 4 * TICK_ms:
                self.seen_long[name] = True
            self.hazards_seen.add(name)
            if name in _KEPT and (name not in _SWITCHING or active[name] >= 200):
                self.doubt[name] = _KEPT[name]
        if "residual" in active and active["residual"] >= TRIP_ms:
            self._latch("residual", "person")
        if "weld" in active and active["weld"] > WELD_ms:
            self._latch("weld", "person")
        if "diode" in active and active["diode"] > LEAVE_C_ms:
            self._latch("diode", "unplug")

    def _forget(self, kept):
        for name in list(kept):
            if kept[name] == "unplug":
                del kept[name]

    def _latch(self, rule, until):
        if rule not in self.latched:
            self.latched[rule] = until
            self.note("latched: " + rule)

    def lately(self, name, ms):
        """True if a hazard is there, or was within the last `ms`."""
        if name in self.active:
            return True
        return name in self.since and self.now_ms - self.since[name] <= ms

    def lasting(self, name, ms):
        """True if a hazard is there and may have been for `ms`, the stalls counted in
        full (`active` counts what the firmware had the time to see)."""
        return name in self.active and self.now_ms - self.began_ms[name] >= ms

    # --- the pilot

    def _pilot(self, state, duty, coil, core, dt_ms):
        offer = offered_mA(duty)
        was = self.duty
        pwm = offer > 0
        if not pwm and duty not in (X1, F) or duty > 62914 and duty != X1:
            self.fail("duty", "%d means nothing" % duty)
        granted = self.granted_mA
        if pwm and granted < 6000:
            self.fail("x1", "%d mA offered, %d granted: X1 is immediate" % (offer, granted))
        if offer > granted:
            self.fail("limit", "%d mA offered, %d granted: less is immediate" % (offer, granted))
        self.duty_ms += dt_ms
        if duty != was:
            if 0 < offered_mA(was) < offer and self.duty_ms < DUTY_ms:
                self.fail("spacing", "more is offered %d ms after a change" % self.duty_ms)
            f_ms = self.f_ms + dt_ms
            if was == F and f_ms < 300:
                if f_ms >= TEST_F_ms and not coil and self.tests_left:
                    self.tests_left -= 1
                elif self.calm_ms < 1000:
                    self.fail("f", "state F for %d ms" % f_ms)
            self.note("duty %d, %d mA (granted %d)" % (duty, offer, granted))
            self.duty_ms = 0
            self.changes += 1
            self.offers.append((self.now_ms, offer))
            if len(self.offers) > 40:
                del self.offers[:20]
        self.f_ms = self.f_ms + dt_ms if duty == F == was else 0
        self.x1_ms = self.x1_ms + dt_ms if duty == X1 and was == X1 else 0
        if pwm and self.latched:
            self.fail("latched", "offers with " + ", ".join(self.latched))
        if pwm and self.active:
            self._no_offer(offer)
        if pwm and "proximity" in self.fitted and state != "A":
            most = rating_mA(self.outlet.cable_ohm)
            self.cable_ms = self.cable_ms + core if offer > most else 0
            if self.cable_ms > CHANGED_ms:
                self.fail("cable", "%d mA offered on a cable for %d" % (offer, most))
        else:
            self.cable_ms = 0

    def _no_offer(self, offer):
        """What must not be offered although it is granted."""
        active, hw = self.active, self.hardware_mA
        if active.get("pe", 0) > PE_ms or active.get("cable", 0) > CABLE_ms:
            self.fail("offer", "%d mA offered without PE or cable" % offer)
        if active.get("voltage", 0) > VOLTAGE_ms:
            self.fail("offer", "%d mA offered at a wrong voltage" % offer)
        if active.get("hot", 0) > HOT_ms:
            self.fail("hot", "%d mA offered" % offer)
        if active.get("warm", 0) > HOT_ms and offer > hw // 2:
            self.fail("warm", "%d mA offered" % offer)
        lost = active.get("sensor", 0)
        if lost > SENSOR_ms + HOT_ms and offer > 6000 or lost > SENSOR_LONG_ms + HOT_ms:
            self.fail("sensor", "%d mA offered without knowing the temperature" % offer)
        if active.get("overcurrent", 0) > OVER_ms + METER_ms:
            self.fail("overcurrent", "still offered")

    # --- the contactor

    def _contactor(self, state, duty, coil, core, dt_ms):
        outlet = self.outlet
        self.off_ms = core if self.off_ms < 0 else self.off_ms + dt_ms
        if coil and not self.coil:
            self._closing(state, duty)
        elif self.coil and not coil:
            self._opening(state, duty)
        if coil:
            self._stays_closed(state, duty, dt_ms)
            if outlet.live:
                self.was_live = True
                self.dead_closings = 0
        self._must_close(state, duty, coil, dt_ms)

    def _closing(self, state, duty):
        outlet, fitted = self.outlet, self.fitted
        self.note("coil on")
        self.closings += 1
        if state != "C" or self.c_ms < STABLE_ms:
            self.fail("close", "in %s, %d ms of C" % (state, self.c_ms))
        if not offered_mA(duty):
            self.fail("close", "without an offer")
        if self.off_ms < self.need_off_ms:
            self.fail("chatter", "closed after %d ms, not %d" % (self.off_ms, self.need_off_ms))
        if self.latched:
            self.fail("latched", "closed with " + ", ".join(self.latched))
        if "diode" in self.active:
            self.fail("close", "with a shorted diode")
        for name in ("state D", "state E"):
            if self.lately(name, CHATTER_ms - 200) and self.seen_long.get(name):
                self.fail("chatter", "closed soon after %s" % name)
        for name in ("pe", "cable", "residual"):
            if self.active.get(name, 0) > TRIP_ms:
                self.fail("close", "with " + name)
        if self.now_ms - self.voltage_at_ms < VOLTAGE_BACK_ms - 1100:
            self.fail("close", "less than %d ms after a wrong voltage" % VOLTAGE_BACK_ms)
        if "lock" in fitted and not outlet.locked:
            self.fail("close", "not locked")
        if "residual" in fitted and not self.tested:
            self.fail("close", "without a test of the residual current sensor")
        if self.dead_closings:
            if self.dead_closings > RETRIES:
                self.fail("retries", "closes for the %dth time in vain" % (RETRIES + 2))
            if self.off_ms < NOT_CLOSED_OFF_ms:
                self.fail("retries", "closes again after %d ms" % self.off_ms)
        self.was_live = False
        self.on_at_ms = self.now_ms

    def _opening(self, state, duty):
        self.note("coil off, %d mA" % self.outlet.car.current_mA)
        self.openings += 1
        if "mirror" in self.fitted and not self.was_live and self.now_ms - self.on_at_ms >= 1100:
            self.dead_closings += 1
        mA = self.outlet.car.current_mA
        if mA > LOAD_mA and state == "C" and not self.excuse_ms:
            self.load_openings += 1
            if self.x1_ms < OBEY_ms and not self._demanded():
                self.fail("load", "opened with %d mA after %d ms of X1" % (mA, self.x1_ms))
        self.off_ms = 0
        self.need_off_ms = MIN_OFF_ms

    def _demanded(self):
        """True if a fault wants the contactor open under load."""
        if self.not_c_ms or self.latched:
            return True
        for name in ("residual", "pe", "cable", "lock", "diode", "not closed"):
            if self.lately(name, 1000):
                return True
        return (
            self.lasting("voltage", 2900)
            or self.lasting("perhaps far", 500)
            or self.lately("hot", 3000)
            and self.x1_ms >= 4900
            or self.lasting("sensor", SENSOR_ms)
            or self.lately("voltage", 1100)
            or self.shown_wrong
        )

    def _stays_closed(self, state, duty, dt_ms):
        active = self.active
        if self.not_c_ms + TICK_ms > LEAVE_C_ms:
            self.fail("open", "closed in %s" % state)
        if duty == F:
            self.fail("open", "closed in F")
        if self.x1_ms > OBEY_ms + dt_ms:
            self.fail("x1-ignored", "still closed after %d ms of X1" % self.x1_ms)
        if not active:
            return
        if active.get("residual", 0) + TICK_ms > TRIP_ms + TICK_ms:
            self.fail("residual", "still closed")
        if active.get("diode", 0) > DIODE_ms:
            self.fail("diode", "still closed")
        if active.get("pe", 0) + TICK_ms > PE_ms + TICK_ms:
            self.fail("pe", "still closed")
        if active.get("cable", 0) > CABLE_ms:
            self.fail("cable", "still closed")
        if active.get("lock", 0) > LOCK_ms:
            self.fail("lock", "still closed")
        if active.get("not closed", 0) > NOT_CLOSED_ms:
            self.fail("not-closed", "still tries")
        if active.get("far overcurrent", 0) > FAR_OVER_ms + METER_ms:
            self.fail("overcurrent", "still closed at more than 150 %")
        if active.get("overcurrent", 0) > OVER_ms + METER_ms + OBEY_ms + TICK_ms:
            self.fail("overcurrent", "still closed")
        if active.get("hot", 0) > HOT_ms + OBEY_ms:
            self.fail("hot", "still closed")
        if active.get("voltage", 0) > VOLTAGE_ms:
            self.fail("voltage", "still closed")

    def _must_close(self, state, duty, coil, dt_ms):
        """It must also charge: a station that does nothing would be safe."""
        fine = (
            not self.excuse_ms
            and not self.active
            and not self.latched
            and not self.doubt
            and not self.dead_closings
            and self.calm_ms > (2000 if not self.since else 66000)
        )
        # A car in C that was offered energy has it within 3 s (docs/electrical.md 3, seq. 4): who
        # has to rest the contactor, to lock or to test must not offer it so early.
        if fine and state == "C" and offered_mA(duty) and not coil:
            self.want_ms += min(dt_ms, TICK_ms)
            if self.want_ms > CLOSE_ms:
                self.fail("dead", "offers %d mA and does not close" % offered_mA(duty))
        else:
            self.want_ms = 0
        if fine and state in "BC" and self.granted_mA >= 6000 and duty == X1 and not self.hold_ms:
            self.idle_ms += min(dt_ms, TICK_ms)
            if self.idle_ms > OFFER_ms:
                self.fail("idle", "offers nothing of %d mA" % self.granted_mA)
        else:
            self.idle_ms = 0

    # --- the car

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
