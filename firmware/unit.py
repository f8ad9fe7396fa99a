# What one connector has beside its state: drivers and parts, as the board's file names them.

from firmware.charging import limits


class Unit:
    """
    | attribute | meaning |
    |---|---|
    | line, contactor, meter | drivers |
    | devices  | the other drivers: update() once a tick, before the controller's |
    | button   | drivers.button.Button, or None |
    | proximity, residual, mirror, lock, phases, derating, overcurrent, supply |
      parts of electrical/, None where the board has none |
    """

    def __init__(self, line, contactor, meter):
        self.line = line
        self.contactor = contactor
        self.meter = meter
        self.devices = []
        self.button = None
        self.proximity = self.residual = self.mirror = self.lock = self.phases = None
        self.derating = self.overcurrent = self.supply = None

    def metered(self):
        """Hand the latest reading to the parts that watch it."""
        meter = self.meter
        if self.overcurrent:
            self.overcurrent.current_mA = max(meter.current_mA)
            self.overcurrent.readings = meter.readings
            self.overcurrent.lost = bool(meter.why and not meter.known())
            volts = [mV for mV in meter.voltage_mV if mV] if meter.known() else ()
            self.supply.low_mV = min(volts) if volts else 0
            self.supply.high_mV = max(volts) if volts else 0
            self.supply.readings = meter.readings

    def limit(self, c):
        """Put what the parts allow into connector `c`'s slots; True if that changed."""
        changed = False
        for source, limit_mA in (
            (limits.CABLE, self.proximity and self.proximity.rating_mA or None),
            (limits.TEMPERATURE, self.derating and self.derating.limit_mA(c.limits.hardware_mA)),
            (limits.METER, self.overcurrent and self.overcurrent.limit_mA()),
        ):
            if c.limits.get(source) != limit_mA:
                c.limits.put(source, limit_mA)
                changed = True
        return changed
