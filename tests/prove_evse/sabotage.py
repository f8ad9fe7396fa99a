"""Controllers that are broken on purpose: each must be caught, or the monitor proves nothing.

A saboteur stands between the world and a sound controller: it bends what the controller is told,
or what it says.
"""

from sim.car import offered_mA
from sim.rules.deadlines import X1


class Sound:
    """Bends nothing."""

    rules = ()  # of the monitor, one of which must catch it
    needs = None  # a part
    prefer = None  # the fault that brings it out

    def __init__(self, c, parts):
        self.c = c
        self.parts = parts
        self.duty_u16, self.closed, self.may_draw_mA = X1, False, 0

    def tick(self, now_ms, high_mV, low_mV, allow_mA):
        c = self.c
        high_mV, low_mV, allow_mA = self.told(high_mV, low_mV, allow_mA)
        c.tick(now_ms, high_mV, low_mV, allow_mA)
        self.may_draw_mA = c.may_draw_mA
        closed, self.closed, self.duty_u16 = self.closed, c.closed, c.duty_u16
        self.says(closed, high_mV, allow_mA)

    def told(self, high_mV, low_mV, allow_mA):
        return high_mV, low_mV, allow_mA

    def says(self, closed, high_mV, allow_mA):
        pass


class OpensLate(Sound):
    # ("load": the fault that wanted it open may be over by then.)
    rules = ("open", "f", "residual", "pe", "x1-ignored", "told", "load")
    late = 0

    def says(self, closed, high_mV, allow_mA):
        self.late = self.late + 1 if closed and not self.c.closed else 0
        if 0 < self.late <= 3:
            self.closed = True


class IgnoresDiode(Sound):
    rules = ("close", "latched", "diode")
    prefer = "diode-short"

    def told(self, high_mV, low_mV, allow_mA):
        return high_mV, -12000, allow_mA


class ForgetsTrip(Sound):
    rules = ("latched",)
    prefer = "residual"
    needs = "residual"

    def says(self, closed, high_mV, allow_mA):
        part = self.parts.get("residual")
        if part and part.fault and not part.tripped:
            part.reset()


class ChangesOften(Sound):
    rules = ("spacing", "limit", "told")

    def says(self, closed, high_mV, allow_mA):
        if offered_mA(self.duty_u16) and 6000 <= allow_mA <= 51000:
            self.duty_u16 = allow_mA * 2048 // 1875


class OffersMore(Sound):
    rules = ("limit", "cable", "warm")

    def says(self, closed, high_mV, allow_mA):
        if offered_mA(self.duty_u16):
            self.duty_u16 = min(self.duty_u16 * 21 // 20, 55705)


class OffersForever(Sound):
    """Does not see that a limit has become 0."""

    rules = ("x1", "hot", "offer", "sensor")

    def told(self, high_mV, low_mV, allow_mA):
        return high_mV, low_mV, allow_mA or 6000


class ClosesEarly(Sound):
    rules = ("close", "chatter")

    def says(self, closed, high_mV, allow_mA):
        if offered_mA(self.duty_u16) and 5000 < high_mV < 7000:
            self.closed = True


class WaitsForever(Sound):
    """Keeps the contactor closed when a car ignores X1."""

    rules = ("x1-ignored", "hot", "overcurrent", "voltage", "pe", "not-closed", "told")
    prefer = "ignore-x1"

    def says(self, closed, high_mV, allow_mA):
        if closed and 5000 < high_mV < 7000 and self.duty_u16 == X1:
            self.closed = True


class OpensHastily(Sound):
    # ("chatter": the sound one never opened, and goes on a moment later.)
    rules = ("load", "chatter")

    def says(self, closed, high_mV, allow_mA):
        if self.duty_u16 == X1:
            self.closed = False


class NeverCloses(Sound):
    rules = ("dead", "idle")

    def says(self, closed, high_mV, allow_mA):
        self.closed = False


class _Blind(Sound):
    """Bends the input `what` of the part `needs`."""

    what = None
    value = None

    def told(self, high_mV, low_mV, allow_mA):
        part = self.parts.get(self.needs)
        if part:
            setattr(part, self.what, self.value)
        return high_mV, low_mV, allow_mA


class BlindToWeld(_Blind):
    rules = ("latched", "close", "not-closed")
    prefer = "weld"
    needs, what, value = "mirror", "live", None


class BlindToLock(_Blind):
    rules = ("close", "lock")
    prefer = "lock-jam"
    needs, what, value = "lock", "locked", True


class UnlocksEarly(Sound):
    """Lets the plug go as soon as nothing is offered any more."""

    rules = ("unlock", "lock")
    needs = "lock"

    def says(self, closed, high_mV, allow_mA):
        if closed and self.duty_u16 == X1 and self.needs in self.parts:
            self.parts[self.needs].drive = -1


class BlindToCurrent(_Blind):
    rules = ("overcurrent",)
    prefer = "overdraw-200"
    needs, what, value = "overcurrent", "current_mA", 0


class BlindToHeat(_Blind):
    rules = ("hot", "warm", "sensor")
    prefer = "overheat"
    needs, what, value = "derating", "temperature_dC", 250


class BlindToEarth(_Blind):
    rules = ("pe", "offer", "close")
    prefer = "pe-loss"
    needs, what, value = "earth", "live", True


class BlindToVoltage(_Blind):
    rules = ("voltage", "offer", "close")
    prefer = "over-voltage"
    needs, what, value = "supply", "low_mV", 230000


class BlindToCable(_Blind):
    rules = ("cable", "offer", "close")
    prefer = "cable-loss"
    needs, what, value = "proximity", "cable_ohm", 100


class BlindToLeakage(_Blind):
    rules = ("residual", "close", "latched", "idle")
    prefer = "residual"
    needs, what, value = "residual", "tripped", False


ALL = {
    "opens-late": OpensLate,
    "ignores-diode": IgnoresDiode,
    "forgets-trip": ForgetsTrip,
    "changes-often": ChangesOften,
    "offers-more": OffersMore,
    "offers-forever": OffersForever,
    "closes-early": ClosesEarly,
    "waits-forever": WaitsForever,
    "opens-hastily": OpensHastily,
    "never-closes": NeverCloses,
    "blind-to-weld": BlindToWeld,
    "blind-to-lock": BlindToLock,
    "unlocks-early": UnlocksEarly,
    "blind-to-current": BlindToCurrent,
    "blind-to-heat": BlindToHeat,
    "blind-to-earth": BlindToEarth,
    "blind-to-voltage": BlindToVoltage,
    "blind-to-cable": BlindToCable,
    "blind-to-leakage": BlindToLeakage,
}
