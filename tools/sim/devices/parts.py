"""Devices that are a level, a pulse or a voltage on a pin or two."""

import math

PINS = ("a", "b", "sense", "fault", "test", "pin")  # the keys of a board's part that are pins


class Device:
    """At one outlet, as the board describes it."""

    def __init__(self, outlet, data):
        self.outlet = outlet
        self.data = data
        self.now_ms = 0
        self.begin()

    def begin(self):
        pass

    def now(self, now_ms):
        """World time goes on; called before everything else."""
        dt, self.now_ms = now_ms - self.now_ms, now_ms
        if dt > 0:
            self.step(dt)

    def step(self, dt):
        pass

    def off(self):
        """Nothing drives the pins."""

    def out(self, key, value):
        pass

    def level(self, key):
        return 0

    def edges(self, key):
        """How often the pin changed since it was asked last."""
        return 0

    def duty(self, key):
        """The share of a period of 1 kHz that the pin is high, of 65535, where it has a wave."""
        return 0

    def uV(self, key):
        return 0


class LockMotor(Device):
    """The bolt moves while one side of the bridge is driven; 300 to 700 ms from end to end."""

    travel_ms = 400

    def begin(self):
        self._at_ms = self.travel_ms if self.outlet.locked else 0
        self._driven = {"a": 0, "b": 0}
        self.both = False  # the bridge was driven at both sides

    def step(self, dt):
        way = self._driven["a"] - self._driven["b"]
        if way and not self.outlet.lock_jam:
            self._at_ms = max(0, min(self._at_ms + way * dt, self.travel_ms))
            self.outlet.locked = self._at_ms == self.travel_ms

    def off(self):
        self._driven["a"] = self._driven["b"] = 0

    def out(self, key, value):
        self._driven[key] = value
        self.both = self.both or self._driven["a"] and self._driven["b"]

    def level(self, key):
        locked = self.data.get("locked", 1)
        return locked if self.outlet.locked else 1 - locked


class Residual(Device):
    """Trips on 6 mA within a second, the faster the more; its test takes 100 ms to show. It sees
    only what flows: nothing behind an open contactor."""

    def begin(self):
        self._leaking_ms = self._test_ms = 0
        self._quiet_ms = 1000
        self._testing = False
        self._seen = False  # the output when edges() was asked last

    def step(self, dt):
        outlet = self.outlet
        if outlet.residual_broken:
            outlet.residual_trip = False
            return
        mA = outlet.residual_mA if outlet.live else 0
        self._leaking_ms = self._leaking_ms + dt if mA >= 6 else 0
        self._test_ms = self._test_ms + dt if self._testing else 0
        leaks = mA >= 6 and self._leaking_ms >= (20 if mA >= 200 else 200 if mA >= 60 else 500)
        if leaks or self._test_ms >= 100:
            outlet.residual_trip = True
            self._quiet_ms = 0
        else:
            self._quiet_ms += dt
            if self._quiet_ms >= 200:
                outlet.residual_trip = False
        outlet.residual_test = self._testing or outlet.residual_test and outlet.residual_trip

    def off(self):
        self._testing = False

    def out(self, key, value):
        self._testing = value == self.data.get("test_level", 1)
        if self._testing:
            self.outlet.residual_test = True

    def level(self, key):
        level = self.data.get("level", 1)
        return level if self.outlet.residual_trip else 1 - level

    def edges(self, key):
        changed = self._seen != self.outlet.residual_trip
        self._seen = self.outlet.residual_trip
        return int(changed)


class Mirror(Device):
    """With `ac` an opto-coupler on 50 Hz: ten edges in 100 ms."""

    def begin(self):
        self._edges_ms = 0

    def live(self):
        return self.outlet.live

    def step(self, dt):
        if self.live():
            self._edges_ms += dt

    def level(self, key):
        live = self.data.get("live", 1)
        low = self.data.get("ac") and self.now_ms // 10 % 2
        return live if self.live() and not low else 1 - live

    def edges(self, key):
        n, self._edges_ms = divmod(self._edges_ms, 10)
        return n


class Earth(Mirror):
    """The same, of the protective earth: a monitor's contact, or an opto-coupler to a phase."""

    def live(self):
        return self.outlet.pe_ok


class Interlock(Mirror):
    """The same, of an emergency stop's loop: its contacts, or an opto-coupler behind them."""

    def live(self):
        return self.outlet.loop_closed


class Dim(Mirror):
    """The same, of the grid operator's contact, which may chatter."""

    def live(self):
        o = self.outlet
        return o.dice.below(2) == 0 if o.dimmed is None else o.dimmed


class Readback(Device):
    """A comparator at 0 V behind the pilot's driver, before its resistor: no car is in it."""

    def duty(self, key):
        duty = self.outlet.wire()
        return duty if self.data.get("live", 1) else 65535 - duty

    def level(self, key):
        return int(self.now_ms * 7 % 64 * 1024 < self.duty(key))  # (anywhere in the period)


class Relay(Device):
    def begin(self):
        self.outlet.phases_relay = False

    off = begin

    def out(self, key, value):
        self.outlet.phases_relay = value == self.data.get("level", 1)


class Proximity(Device):
    def uV(self, key):
        supply_uV = self.data["supply_mV"] * 1000
        ohm = self.outlet.cable_ohm
        return supply_uV if ohm is None else supply_uV * ohm // (ohm + self.data["pullup_ohm"])


class Ntc(Device):
    """`shorted`: the wires touch."""

    shorted = False

    def uV(self, key):
        supply_uV = self.data["supply_mV"] * 1000
        if self.outlet.sensor_lost:
            return supply_uV
        if self.shorted:
            return 0
        kelvin = 273.15 + self.outlet.temperature_dC / 10
        ohm = self.data["r25_ohm"] * math.exp(3950 * (1 / kelvin - 1 / 298.15))
        return int(supply_uV * ohm / (ohm + self.data["pullup_ohm"]))


class Mcp9700(Device):
    def uV(self, key):
        return 0 if self.outlet.sensor_lost else (500 + self.outlet.temperature_dC) * 1000


class Led(Device):
    """`lit`: of each lamp."""

    def begin(self):
        self.lit = [False] * len(self.data["pins"])

    off = begin

    def out(self, key, value):
        self.lit[key] = value == self.data.get("on", 1)


class Button(Device):
    """A chip that the host lets starve misses no press: it has to look LOOKS times before the
    finger goes, which waits LATE_ms for that at most."""

    LOOKS, LATE_ms = 3, 5000
    down = False
    _left_ms = None  # until it may go up; negative while it waits to be seen
    _looks = 0

    def press(self, ms):
        """It is down for so long, by the wall's clock."""
        self.down, self._left_ms, self._looks = True, ms, self.LOOKS

    def step(self, dt):
        if self.down and self._left_ms is not None:
            self._left_ms -= dt
            if self._left_ms <= (0 if self._looks <= 0 else -self.LATE_ms):
                self.down, self._left_ms = False, None

    def off(self):
        self._looks = 0

    def level(self, key):
        self._looks -= self.down
        pressed = self.data.get("pressed", 0)
        return pressed if self.down else 1 - pressed


class S0(Device):
    """A pulse of 60 ms each Wh or whatever the meter makes; a wall that was busy catches up."""

    def begin(self):
        self._counted = self._pulses()
        self._low = False
        self._for_ms = 0

    def _pulses(self):
        return self.outlet.energy_uWh * self.data.get("per_kWh", 1000) // 1000000000

    def step(self, dt):
        self._for_ms += dt

    def level(self, key):
        level = self.data.get("level", 0)
        return level if self._low else 1 - level

    def edges(self, key):
        if self._for_ms < 60 or not self._low and self._counted >= self._pulses():
            return 0
        self._low = not self._low
        self._counted += self._low
        self._for_ms = 0
        return 1


MAKERS = {
    "lock": LockMotor,
    "residual": Residual,
    "mirror": Mirror,
    "earth": Earth,
    "interlock": Interlock,
    "dim": Dim,
    "readback": Readback,
    "phases": Relay,
    "proximity": Proximity,
    "ntc": Ntc,
    "mcp9700": Mcp9700,
    "led": Led,
    "button": Button,
    "s0": S0,
}
