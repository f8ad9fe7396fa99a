"""Controllers that are broken on purpose: each must be caught, or the monitor proves nothing.

A saboteur stands between the world and a sound controller: it bends what the controller is told,
or what it says.
"""

from sim.car import offered_mA
from sim.rules.deadlines import X1


class Sound:
    """Bends nothing."""

    other = 0  # (it is not asked to look again within a tick)
    known, bench = False, None  # (the pilot is read at every tick)
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


class ATickLate(Sound):
    """Sets its outputs only when the next tick comes."""

    rules = ("x1", "limit", "told", "open", "f", "residual", "pe", "interlock", "load", "close")

    def __init__(self, c, parts):
        super().__init__(c, parts)
        self._next = X1, False

    def says(self, closed, high_mV, allow_mA):
        now = self._next
        self._next = self.duty_u16, self.closed
        self.duty_u16, self.closed = now


class SlowToSee(Sound):
    """The car's state that it sees is a third of a second old."""

    rules = ("open", "close", "load", "chatter", "idle")

    def __init__(self, c, parts):
        super().__init__(c, parts)
        self._seen = []

    def tick(self, now_ms, high_mV, low_mV, allow_mA):
        seen = self._seen
        if not self.c.duty_u16:  # (in state F it sees its own -12 V)
            del seen[:]
        seen.append((now_ms, high_mV))
        while len(seen) > 1 and (now_ms - seen[1][0]) % (1 << 30) >= 333:
            del seen[0]
        super().tick(now_ms, seen[0][1], low_mV, allow_mA)


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


class StartsByItself(Sound):
    """Charges on as soon as the loop of the emergency stop is closed again."""

    rules = ("latched",)
    prefer = "interlock"
    needs = "interlock"

    def says(self, closed, high_mV, allow_mA):
        part = self.parts.get("interlock")
        if part and part.live:
            part._sure = 20  # (as if no car had been there)


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


def blind(part, what, value, prefer, *rules):
    """Bends the input `what` of the part."""

    class Blind(Sound):
        needs = part

        def told(self, high_mV, low_mV, allow_mA):
            if part in self.parts:
                setattr(self.parts[part], what, value)
            return high_mV, low_mV, allow_mA

    Blind.prefer, Blind.rules = prefer, rules
    return Blind


class UnlocksEarly(Sound):
    """Lets the plug go as soon as nothing is offered any more."""

    rules = ("unlock", "lock")
    needs = "lock"

    def says(self, closed, high_mV, allow_mA):
        if closed and self.duty_u16 == X1 and self.needs in self.parts:
            self.parts[self.needs].drive = -1


ALL = {
    "opens-late": OpensLate,
    "a-tick-late": ATickLate,
    "slow-to-see": SlowToSee,
    "ignores-diode": IgnoresDiode,
    "forgets-trip": ForgetsTrip,
    "starts-by-itself": StartsByItself,
    "changes-often": ChangesOften,
    "offers-more": OffersMore,
    "offers-forever": OffersForever,
    "closes-early": ClosesEarly,
    "waits-forever": WaitsForever,
    "opens-hastily": OpensHastily,
    "never-closes": NeverCloses,
    "blind-to-weld": blind("mirror", "live", None, "weld", "latched", "close", "not-closed"),
    "blind-to-lock": blind("lock", "locked", True, "lock-jam", "close", "lock"),
    "unlocks-early": UnlocksEarly,
    "blind-to-current": blind("overcurrent", "current_mA", 0, "overdraw-200", "overcurrent"),
    "blind-to-heat": blind("derating", "temperature_dC", 250, "overheat", "hot", "warm", "sensor"),
    "blind-to-earth": blind("earth", "live", True, "pe-loss", "pe", "offer", "close"),
    "blind-to-interlock": blind(
        "interlock", "live", True, "interlock", "interlock", "close", "latched"
    ),
    "blind-to-duty": blind("readback", "duty_u16", None, "duty-stuck", "wire", "latched", "idle"),
    "blind-to-voltage": blind(
        "supply", "low_mV", 230000, "over-voltage", "voltage", "offer", "close"
    ),
    "blind-to-cable": blind(
        "proximity", "cable_ohm", 100, "cable-loss", "cable", "offer", "close"
    ),
    "blind-to-leakage": blind(
        "residual", "tripped", False, "residual", "residual", "close", "latched", "idle"
    ),
}
