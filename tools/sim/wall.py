"""The wall that the station hangs on: mains, contactors, meters, cables and cars.

It outlives power cuts and resets of the station. World time is integer milliseconds, moved by
`advance`; nothing here reads a clock. What is true of an outlet are plain attributes: the
simulated sensors and actuators read and write them. Nominal values, unless the wall gets a seed.
Runs on CPython and on MicroPython.
"""

from sim.car import Dice, offered_mA
from sim.outlet import Outlet

HELD_ms = 500  # by the monostable in the supply of the coils, after an edge of the heartbeat
TRACE_STEP_mA = 2000  # a car's current is traced when it moved this far, or has settled
_STEP_ms = 50


class Wall:
    """`on_change(outlet, what, fields)` is called for every change that a trace shows. heartbeat:
    the pin whose edges hold the contactors; None: there is no such monostable."""

    def __init__(self, connectors, on_change, meters_Wh=(), seed=None, heartbeat=None):
        self.now_ms = 0
        self._heartbeat = heartbeat
        self._beat = 0, -HELD_ms  # its level, and when that changed last
        self.on_change = on_change
        self.outlets = []
        self._ledc = set()  # the pins that LEDC has been given since the processor's reset
        for i, pins in enumerate(connectors):
            start_Wh = meters_Wh[i] if i < len(meters_Wh) else 1000
            outlet = Outlet(i + 1, pins, start_Wh)
            if seed is not None:
                outlet.vary(Dice(seed + i))
                outlet.car.vary(outlet.dice)
            self.outlets.append(outlet)

    def outlet_of(self, pin, use):
        for outlet in self.outlets:
            if outlet.pins.get(use) == pin:
                return outlet
        return None

    # --- what the chip does

    def pwm(self, pin, freq, duty):
        """LEDC drives the pin from now on."""
        self._ledc.add(pin)
        self._drive(pin, duty)

    def _drive(self, pin, duty):
        outlet = self.outlet_of(pin, "pilot")
        if outlet:
            if duty != outlet.duty:
                outlet.duty = duty
                fields = {"duty_u16": duty, "advertised_mA": offered_mA(duty)}
                self.on_change(outlet, "pilot", fields)
            return
        outlet = self.outlet_of(pin, "contactor")
        if outlet:
            outlet.driven = duty >= 32768
            self._supply(outlet)

    def _supply(self, outlet):
        held = self._heartbeat is None or self.now_ms - self._beat[1] < HELD_ms
        if outlet.coil != (outlet.driven and held):
            outlet.coil = not outlet.coil
            outlet.coil_ms = 0

    def out(self, pin, level):
        """The pin is a plain output: what LEDC sent there has ended."""
        if pin == self._heartbeat and level != self._beat[0]:
            self._beat = level, self.now_ms
        self._ledc.discard(pin)
        self._drive(pin, 65535 if level else 0)

    def ledc_off(self):
        """A soft reset: the port stops what it knows of LEDC, low; plain outputs keep their level,
        and so does what LEDC has sent since before the processor's reset."""
        for pin in self._ledc:
            self._drive(pin, 0)

    def reset(self):
        """Of the processor: every pin goes on, but the port has forgotten what LEDC drives."""
        self._ledc.clear()

    def no_power(self):
        """Nothing drives the chip's pins: it is off, or EN is pressed."""
        self._ledc.clear()
        for outlet in self.outlets:
            self._drive(outlet.pins["pilot"], 0)
            self._drive(outlet.pins["contactor"], 0)

    # --- physics

    def advance(self, now_ms):
        """Let the world go on until `now_ms`."""
        while self.now_ms < now_ms:
            left = now_ms - self.now_ms
            # (coarser where a lot of time passes at once: fast simulations)
            dt = min(left, _STEP_ms if left <= 20000 else 1000)
            self.now_ms += dt
            for outlet in self.outlets:
                self._step(outlet, dt)

    def _step(self, outlet, dt):
        car = outlet.car
        before = car.current_mA
        if self._heartbeat is not None:
            self._supply(outlet)
        if outlet.step(dt):
            self.on_change(outlet, "contactor", {"closed": outlet.closed, "load_mA": before})
        state = car.state()
        moved = abs(car.current_mA - outlet.traced_mA)
        settled = moved and car.current_mA == before
        if state != outlet.traced_state or moved >= TRACE_STEP_mA or settled:
            outlet.traced_state = state
            outlet.traced_mA = car.current_mA
            self.on_change(outlet, "car", {"state": state, "ev_mA": car.phase_mA()})
