"""The electric car at the end of the cable, and what it does to the control pilot.

First principles: resistances, a diode and the source's 1 kOhm give the voltages
(docs/electrical.md 1); the car's reactions lie inside the deadlines of IEC 61851-1
(docs/electrical.md 3) unless a fault says
otherwise. `Car()` is a car of nominal values; `vary(dice)` makes it one of many.
Plain integers; runs on CPython and on MicroPython.
"""

from sim.inlet import Inlet

S2_DELAY_ms = 800  # from the offer of energy to S2 closed
FOLLOW_ms = 500  # from a new duty to the current following it
STOP_ms = 1500  # from X1 to no current; S2 opens then (the standard allows 3 s)
UP_mA_s = 4000
DOWN_mA_s = 20000
MARGIN_mA = 100  # a car stays a little under what it is offered

# What can be wrong with a car (or its cable), or odd about it, by the name that `fault` takes.
FAULTS = (
    "diode-short",
    "pilot-short",  # pilot to PE: state E
    "pilot-open",  # the pilot's wire breaks, the car goes on as long as it may without one
    "ventilation",  # asks for state D
    "ignore-x1",  # goes on as if nothing had happened
    "ignore-duty",  # never takes less than it was once offered
    "draws-low",  # draws 6 A at a duty below 8 %, and at X1
    "overdraw-110",  # percent of what it is offered
    "overdraw",  # 120 %
    "overdraw-200",
    "simplified",  # no S2: from A straight to C, 10 A at most
    "slow",  # 30 s until S2 closes
    "c-pulses",  # 250 ms of C again and again while it waits (BMW iX3)
    "bcb",  # two pulses of 200 ms in X1: wants to be woken
    "disturb",  # the pilot's level jumps for 550 ms after a change of the duty (BMW PHEV)
    "sleeper",  # sleeps in B until it has seen 3 s of F
    "latch-on-f",  # once it has seen F it stays in B until it is plugged in again
    "full",  # the battery: the current goes down, then C -> B
    "top-up",  # full, but wakes for 20 s every 2 minutes
)
_PERCENT = (("overdraw-110", 110), ("overdraw", 120), ("overdraw-200", 200))
_WAKE_ms = 3000  # of F


class Dice:
    """Random integers, the same on every interpreter for the same seed."""

    def __init__(self, seed):
        self._x = seed % 1073741788 + 1

    def below(self, n):
        """0 .. n - 1, for n up to a million"""
        self._x = self._x * 48271 % 1073741789
        return (self._x >> 6) % n

    def between(self, low, high):
        """low .. high"""
        return low + self.below(high - low + 1)

    def one_of(self, things):
        return things[self.below(len(things))]


def offered_mA(duty):
    """What a duty (of 65536) tells a car: the table of docs/electrical.md 2, the car's side."""
    if duty < 5243 or duty > 63569:
        return 0
    if duty < 6554:
        return 6000
    if duty <= 55705:
        return duty * 1875 // 2048
    return min(80000, duty * 15625 // 4096 - 160000)


class Car(Inlet):
    """`plug`, `unplug`, `ready`, `pause` are the driver's; `step` is physics."""

    def __init__(self, outlet=None):
        super().__init__()
        self.outlet = outlet  # whose socket the cable goes into
        self.in_car = False  # its plug is in the car; the other one: Outlet.plugged
        self.wants = False  # S2 may close when energy is offered
        self.max_mA = 16000
        self.phases = 3
        self.supplied = 3  # phases that arrive at it
        self.current_mA = 0  # per phase in use
        self.left_Wh = None  # what the battery still takes; None: never full
        self.taper_Wh = 2000  # below this it takes less and less
        self.s2_delay_ms = S2_DELAY_ms
        self.follow_ms = FOLLOW_ms
        self.stop_ms = STOP_ms
        self.up_mA_s = UP_mA_s
        self.down_mA_s = DOWN_mA_s
        self.precharge_ms = 0  # no current so long after the mains came
        self.cable_ohm = 220  # its plug's proximity resistor: 32 A
        self._offer = 0  # what it follows
        self._seen = 0  # the latest offer on the wire, and for how long
        self._seen_ms = 0
        self._f_ms = 0  # of state F seen
        self._woken = self._latched = False
        self._mains_ms = 0
        self._age_ms = 0  # since it was plugged in
        self._took_uWh = 0

    def vary(self, dice):
        """Become one of the cars that are within the standard, with tolerances to match."""
        between = dice.between
        self.max_mA = dice.one_of((6000, 10000, 16000, 16000, 20000, 32000, 48000, 80000))
        self.phases = dice.one_of((1, 1, 2, 3, 3))
        self.s2_delay_ms = between(200, 2000) if dice.below(4) else between(200, 8000)
        self.follow_ms = between(200, 3500)
        self.stop_ms = between(300, 2000)
        self.up_mA_s = between(1000, 6000)
        self.down_mA_s = between(8000, 40000)
        self.precharge_ms = between(1000, 4000) if dice.below(2) else 0
        self.left_Wh = between(1, 60000) if not dice.below(4) else None
        self.cable_ohm = dice.one_of((1500, 680, 220, 220, 100)) * between(90, 110) // 100
        b, c, d = between(2658, 2822), between(1261, 1339), between(262, 278)
        c = b * c // (b + c)
        self.ohm = {"B": b, "C": c, "D": c * d // (c + d)}
        self.drop_mV = between(550, 850)

    def plug(self, end=None):
        """Both ends of its cable, or one: "ev", "station"."""
        if end != "station":
            self.in_car = self.wants = True
        if self.outlet and end != "ev":
            self.outlet.cable_in(self.cable_ohm)
        if self.in_car and (not self.outlet or self.outlet.plugged):
            self.plugged = True
            self._latched = self._woken = False
            self._age_ms = self._f_ms = 0

    def unplug(self, end=None):
        """Both ends, that in the socket as soon as the lock lets go; or one. False: the lock holds
        the one in the socket."""
        if end == "station" and self.outlet.locked:
            return False
        self.plugged = self.s2 = self._blip = False
        self.current_mA = self._offer = self._seen = 0
        if end != "station":
            self.in_car = self.wants = False
        if self.outlet and end != "ev":
            self.outlet.cable_out()
        return True

    def compliant(self):
        """True if it keeps to what the pilot says: for a monitor."""
        for name in self.faults:
            if name in ("ignore-x1", "ignore-duty", "draws-low") or name[:8] == "overdraw":
                return False
        return True

    def step(self, dt_ms, duty, mains):
        """`dt_ms` pass with `duty` on the pilot; `mains`: the contactor is closed."""
        if not self.plugged:
            return
        faults = self.faults
        self._age_ms += dt_ms
        if duty != self._duty:
            self._duty = duty
            self._duty_ms = 0
        self._duty_ms += dt_ms
        self._mains_ms = self._mains_ms + dt_ms if mains else 0
        if duty:
            self._f_ms = 0
        else:
            self._f_ms += dt_ms
            self._woken = self._woken or self._f_ms >= _WAKE_ms
            self._latched = self._latched or "latch-on-f" in faults
        offer = offered_mA(duty)
        wants = self.wants
        if faults:
            offer, wants = self._odd(offer, wants)
        if self.left_Wh is not None and self.left_Wh <= 0:
            wants = False
        if offer != self._seen:
            self._seen = offer
            self._seen_ms = 0
        self._seen_ms += dt_ms
        if self._seen_ms >= self.follow_ms or not offer and self._seen_ms >= FOLLOW_ms:
            self._offer = offer
        target = 0
        if mains and self.s2 and wants and self._offer and self._mains_ms > self.precharge_ms:
            # whichever is less: what it follows, or what is on the wire by now
            target = min(min(self._offer, offer or self._offer) - MARGIN_mA, self.max_mA)
            target = self._adjusted(target)
        if not mains:
            self.current_mA = 0
        elif self.current_mA < target:
            self.current_mA = min(target, self.current_mA + self.up_mA_s * dt_ms // 1000)
        elif self.current_mA > target:
            down = max(self.down_mA_s, self.max_mA) * dt_ms // 1000
            self.current_mA = max(target, self.current_mA - down)
        if self.left_Wh is not None and self.current_mA:
            self._took(dt_ms)
        if "simplified" in faults:
            self.s2 = True
        elif self.s2:
            if not self.current_mA:
                if not wants or not offer and self._seen_ms >= self.stop_ms:
                    self.s2 = False
        elif wants and offer:
            if self._seen_ms >= (30000 if "slow" in faults else self.s2_delay_ms):
                self.s2 = True

    def _odd(self, offer, wants):
        """-> offer, wants: what a car with its faults makes of them."""
        faults = self.faults
        if "pilot-open" in faults or "pilot-short" in faults:
            offer = 0
        if "ignore-x1" in faults and not offer:
            offer = self._seen
        if "ignore-duty" in faults and offer:
            offer = max(offer, self._seen)
        if "draws-low" in faults:
            offer = offer or 6000
        if "simplified" in faults:
            offer = min(offer, 10000 + MARGIN_mA)
        if "full" in faults or "top-up" in faults and self._age_ms % 120000 >= 20000:
            wants = False
        if "sleeper" in faults and not self._woken and not self.s2 or self._latched:
            wants = False
        self._blip = (
            "c-pulses" in faults
            and self._age_ms % 2000 < 250
            or "bcb" in faults
            and self._duty == 65535
            and self._age_ms % 10000 // 200 in (1, 3)
        )
        return offer, wants

    def _adjusted(self, target_mA):
        """The same with its faults, and with what its battery takes."""
        for name, percent in _PERCENT:
            if name in self.faults:
                target_mA = target_mA * percent // 100
        if self.left_Wh is not None and self.left_Wh < self.taper_Wh:
            target_mA = target_mA * max(self.left_Wh, self.taper_Wh // 10) // self.taper_Wh
        return target_mA

    def _took(self, dt_ms):
        n = min(self.phases, self.supplied)
        self._took_uWh += self.current_mA * n * dt_ms * 23 // 360
        self.left_Wh -= self._took_uWh // 1000000
        self._took_uWh %= 1000000

    def phase_mA(self):
        """Current of L1, L2, L3."""
        n = min(self.phases, self.supplied)
        return [self.current_mA if i < n else 0 for i in range(3)]
