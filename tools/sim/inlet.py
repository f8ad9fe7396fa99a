"""The car's end of the control pilot: which state it shows, and the levels that come of it."""


class Inlet:
    """What a car is to the pilot: resistors, a diode, S2, and what is wrong with them."""

    def __init__(self):
        self.plugged = False  # both ends of the cable are
        self.s2 = False
        self.faults = set()
        self.ohm = {"B": 2740, "C": 882, "D": 246}
        self.drop_mV = 700  # of its diode
        self.shows = None  # a loose contact: the state that the pilot shows instead
        self._duty = 0
        self._duty_ms = 10000  # since the duty changed
        self._blip = False  # the pilot shows C although S2 does not mean it

    def disturbs(self):
        """True while the level is not what the state would make it; never at two moments that
        are 25 ms apart."""
        return "disturb" in self.faults and self._duty_ms < 550 and self._duty_ms % 60 < 20

    def state(self):
        """The pilot state that this car makes: A, B, C, D or E."""
        faults = self.faults
        if self.shows:
            return self.shows
        if faults:
            if "pilot-short" in faults:
                return "E"
            if "pilot-open" in faults:
                return "A"
        if not self.plugged:
            return "A"
        if not self.s2:
            return "C" if self._blip and faults else "B"
        return "D" if "ventilation" in faults else "C"

    def pilot_mV(self, duty, plus_mV=12000, minus_mV=-12000, source_ohm=1000):
        """The levels of the pilot's high and low part, for a source like this."""
        state = self.state()
        ohm = self.ohm.get(state)
        low = minus_mV
        if state == "E":
            high = low = 0
        elif ohm is None:
            high = plus_mV
        else:
            high = plus_mV - (plus_mV - self.drop_mV) * source_ohm // (source_ohm + ohm)
            if self.faults:
                if "diode-short" in self.faults:
                    low = minus_mV * ohm // (source_ohm + ohm)
                if self.disturbs():
                    high += 2000
        if duty == 0:
            high = low
        elif duty >= 65535:
            low = high
        return high, low
