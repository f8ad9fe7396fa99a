"""The electric car at the end of the cable, and what it does to the control pilot.

First principles: resistances, a diode and the source's 1 kOhm give the voltages (evse.md 1.1);
the car's reactions lie inside the deadlines of IEC 61851-1 (evse.md 1.4) unless a fault says
otherwise.
Plain integers; runs on CPython and on MicroPython.
"""

S2_DELAY_ms = 800  # from the offer of energy to S2 closed
FOLLOW_ms = 500  # from a new duty to the current following it
STOP_ms = 1500  # from X1 to no current; S2 opens then (the standard allows 3 s)
UP_mA_s = 4000
DOWN_mA_s = 20000
MARGIN_mA = 100  # a car stays a little under what it is offered

# What can be wrong with a car (or its cable), by the name that `fault` takes.
FAULTS = ("diode-short", "pilot-short", "ventilation", "ignore-x1", "overdraw")


def offered_mA(duty):
    """What a duty (of 65536) tells a car: the table of evse.md 1.3, the car's side."""
    if duty < 5243 or duty > 63569:
        return 0
    if duty < 6554:
        return 6000
    if duty <= 55705:
        return duty * 1875 // 2048
    return min(80000, duty * 15625 // 4096 - 160000)


class Car:
    """`plug`, `unplug`, `ready`, `pause` are the driver's; `step` is physics."""

    def __init__(self):
        self.plugged = False
        self.wants = False  # S2 may close when energy is offered
        self.s2 = False
        self.max_mA = 16000
        self.phases = 3
        self.current_mA = 0  # per phase in use
        self.faults = set()
        self._offer = 0  # what it follows
        self._seen = 0  # the latest offer on the wire, and for how long
        self._seen_ms = 0

    def plug(self):
        self.plugged = self.wants = True

    def unplug(self):
        self.plugged = self.wants = self.s2 = False
        self.current_mA = self._offer = self._seen = 0

    def step(self, dt_ms, duty, mains):
        """`dt_ms` pass with `duty` on the pilot; `mains`: the contactor is closed."""
        if not self.plugged:
            return
        offer = offered_mA(duty)
        if "ignore-x1" in self.faults and not offer:
            offer = self._seen
        if offer != self._seen:
            self._seen = offer
            self._seen_ms = 0
        self._seen_ms += dt_ms
        if self._seen_ms >= FOLLOW_ms:
            self._offer = offer
        target = 0
        if mains and self.s2 and self.wants and self._offer:
            # whichever is less: what it follows, or what is on the wire by now
            target = min(min(self._offer, offer or self._offer) - MARGIN_mA, self.max_mA)
            if "overdraw" in self.faults:
                target = target * 6 // 5
        if not mains:
            self.current_mA = 0
        elif self.current_mA < target:
            self.current_mA = min(target, self.current_mA + UP_mA_s * dt_ms // 1000)
        else:
            self.current_mA = max(target, self.current_mA - DOWN_mA_s * dt_ms // 1000)
        if self.s2:
            if (not self.wants or not offer and self._seen_ms >= STOP_ms) and not self.current_mA:
                self.s2 = False
        elif self.wants and offer and self._seen_ms >= S2_DELAY_ms:
            self.s2 = True

    def phase_mA(self):
        """Current of L1, L2, L3."""
        return [self.current_mA if i < self.phases else 0 for i in range(3)]

    def state(self):
        """The pilot state that this car makes: A, B, C, D or E."""
        if "pilot-short" in self.faults:
            return "E"
        if not self.plugged:
            return "A"
        if not self.s2:
            return "B"
        return "D" if "ventilation" in self.faults else "C"

    def pilot_mV(self, duty):
        """The levels of the pilot's high and low part, for a +-12 V source of 1 kOhm."""
        resistance = {"B": 2740, "C": 882, "D": 246}.get(self.state())
        if self.state() == "E":
            high = 0
        elif resistance is None:
            high = 12000
        else:
            high = 12000 - 11300 * 1000 // (1000 + resistance)
        low = -12000
        if resistance and "diode-short" in self.faults:
            low = -12000 * resistance // (1000 + resistance)
        if self.state() == "E":
            low = 0
        if duty == 0:
            high = low
        elif duty >= 65535:
            low = high
        return high, low
