"""Does the duty that was set leave the pilot's driver? What a car hears cannot be believed else.
docs/electrical.md 5, hazard 18."""

from micropython import const

from . import faults, pilot

# A percentage point and a half: one by IEC 61851-1, and by how much a reading is off.
_OFF_u16 = const(983)
_READINGS = const(8)  # in a row: an interrupt at an edge spoils one


class Readback:
    """Input `duty_u16`: the share of a period that the pilot was seen above 0 V, of 65536; what no
    duty can be: no wave of 1 kHz; None: there is no new reading."""

    def __init__(self):
        self.fault = faults.NONE
        self.ready = self.busy = False
        self.duty_u16 = None
        self.wrong = 0  # output: readings in a row against what is believed: the next is urgent

    def tick(self, dt_ms, c):
        """Judge a new reading (see controller.py); c.duty_u16 has been driven since the last tick.
        The next car finds it as it is now: the one that was told something else has to go."""
        seen = self.duty_u16
        if seen is None:
            return
        self.duty_u16 = None
        well = abs(seen - c.duty_u16) <= _OFF_u16
        if self.fault:
            well = well and c.state == pilot.A
        self.wrong = self.wrong + 1 if well != (not self.fault) else 0
        if self.wrong == _READINGS:
            self.wrong = 0
            self.fault = faults.NONE if well else faults.DUTY
        self.ready = not self.fault
