"""What one connector has below its state, as its board's file names it. fitting.py makes it."""

from micropython import const

from firmware.charging import limits
from firmware.electrical import pilot

_RESTS = const(3)  # ticks without a look at a pilot that no car is at: one comes 75 ms later


class Outlet:
    """Its tick, and what its parts allow. controller: electrical.controller.Controller; line,
    contactor, meter: drivers; devices: the other drivers, update() once a tick, before the
    controller's; button: drivers.panel.Button; the parts of electrical/. None: there is none."""

    def __init__(self, line, contactor, meter):
        self.line, self.contactor, self.meter = line, contactor, meter
        self.devices = []
        self.proximity = self.residual = self.mirror = self.earth = self.lock = self.phases = None
        self.interlock = self.readback = self.derating = self.overcurrent = self.supply = None
        self.controller = self.button = None
        self._duty, self._closed = pilot.STEADY, False  # as they are driven
        self._rests = 0

    def tick(self, now_ms, allow_mA):
        """One step, every 25 ms: readings in, pilot and contactor out. `allow_mA` is what the car
        may draw per phase. Allocates nothing."""
        for device in self.devices:
            device.update()
        c = self.controller
        if self._rests and self._vacant(c):
            self._rests -= 1
        else:
            self.line.sample()
            self._rests = _RESTS
        if self.proximity:  # (its slot comes up to 100 ms later: too late for a cable)
            allow_mA = min(allow_mA, self.proximity.rating_mA)
        c.tick(now_ms, self.line.high_mV, self.line.low_mV, allow_mA)
        if c.closed and c.other:  # the car may have left C
            self.line.sample()
            c.look(self.line.high_mV)
        if self._closed and not c.closed:
            self.contactor.set(False)  # opening comes before everything else
        if self._duty != c.duty_u16:
            self.line.set(c.duty_u16)
        if c.closed and not self._closed:
            self.contactor.set(True)
        self._duty, self._closed = c.duty_u16, c.closed

    def _vacant(self, c):
        # No car for certain, and nothing is done with the pilot.
        quiet = c.duty_u16 == pilot.STEADY and not (c.other or c.closed or c.bench)
        return quiet and c.known and c.state == pilot.A and pilot.clear(self.line.high_mV)

    def metered(self):
        """Hand the latest reading to the parts that watch it."""
        meter = self.meter
        if self.overcurrent:
            self.overcurrent.current_mA = max(meter.current_mA)
            self.overcurrent.readings = meter.readings
            self.overcurrent.lost = bool(meter.why and not meter.known())
            supply = self.supply
            volts = meter.known() and [mV for mV in meter.voltage_mV if mV] or (0,)
            supply.low_mV, supply.high_mV = min(volts), max(volts)  # (no tick comes between)
            supply.readings = meter.readings

    def limit(self, slots):
        """Put what the parts allow into `slots` (charging.limits.Limits); True if that changed."""
        changed = False
        for source, limit_mA in (
            (limits.CABLE, self.proximity and self.proximity.rating_mA or None),
            (limits.TEMPERATURE, self.derating and self.derating.limit_mA(slots.hardware_mA)),
            (limits.METER, self.overcurrent and self.overcurrent.limit_mA()),
        ):
            if slots.values[source] != limit_mA:
                slots.put(source, limit_mA)
                changed = True
        return changed
