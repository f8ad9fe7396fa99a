"""No meter, or one that gives pulses (S0): a contact that closes for 30 to 100 ms each."""

from machine import Pin
from micropython import const
from time import ticks_diff, ticks_ms

_BOUNCE_ms = const(20)
_KEEP_Wh = const(50)  # counted since it was written: 220 times an hour at 11 kW
_QUIET = const(10)  # readings without a pulse, and it is written too


class NoMeter:
    """The interface of modbus.Meter: nothing is billed, and nothing is watched."""

    energy_Wh = power_W = frequency_cHz = 0
    current_mA = voltage_mV = (0, 0, 0)
    readings = gives = 0

    def known(self):
        """True: nothing is awaited."""
        return True

    async def read(self):
        """Count a reading."""
        self.readings += 1


class Meter(NoMeter):
    """Energy only. A broken wire cannot be told from no load. `energy_Wh` is `offset_Wh`, from the
    file `path`, and what was counted since: a power cut costs _KEEP_Wh at most while energy flows,
    and nothing _QUIET readings later."""

    gives = 0x01

    def __init__(self, pin, per_kWh=1000, level=0, pull=Pin.PULL_UP, path=None):
        self._per_kWh, self._level, self._path = per_kWh, level, path
        self._edge_ms = ticks_ms()
        self.offset_Wh = self.readings = self._pulses = self._quiet = 0
        self.moved = lambda *_: None
        try:
            with open(path) as f:
                self.offset_Wh = int(f.read())
        except (OSError, TypeError, ValueError):
            pass  # nothing was ever counted, or nobody keeps it
        self._kept_Wh = self.energy_Wh = self.offset_Wh  # (known before the first look)
        self._pin = Pin(pin, Pin.IN, pull)
        self._pin.irq(self._edge, Pin.IRQ_RISING | Pin.IRQ_FALLING)

    async def read(self):
        """Take over what was counted; once a second."""
        before_Wh = self.energy_Wh
        self.energy_Wh = self.offset_Wh + self._pulses * 1000 // self._per_kWh
        self._quiet = self._quiet + 1 if self.energy_Wh == before_Wh else 0
        if not self.readings:
            self.moved(None, self.energy_Wh)
        self.readings += 1
        least_Wh = self._kept_Wh + (1 if self._quiet == _QUIET else _KEEP_Wh)
        if self._path and self.energy_Wh >= least_Wh:
            self._kept_Wh = self.energy_Wh
            try:
                with open(self._path, "w") as f:
                    f.write(str(self._kept_Wh))
            except OSError:
                pass  # the flash is full: the next one may fit

    def _edge(self, pin):
        # Both edges, because the contact bounces at both; a pulse begins after a quiet time.
        now = ticks_ms()
        if pin() == self._level and ticks_diff(now, self._edge_ms) >= _BOUNCE_ms:
            self._pulses += 1
        self._edge_ms = now
