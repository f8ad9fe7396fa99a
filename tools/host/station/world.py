"""The wall of a station with its devices, and its time: by the host's clock, or the board's."""

import json
import time
from datetime import datetime, timedelta, timezone

from sim.devices import Panel
from sim.wall import Wall


class World:
    """`wall` and the devices on it (`panel`), `air`: the Wi-Fi networks that are not just there.

    `chip`: the board's time is a chip's. `speed` is simulated seconds per second. `meters` keeps
    what the meters show from run to run, None: nothing does.
    """

    def __init__(self, board, connectors, speed, meters, trace, chip=False):
        self.speed = speed
        self.chip = chip
        self.calibrated = hasattr(board, "SENSE_CURVE")  # by the levels that its own ADC shows
        # At speed 1 world time is the host's, always: what stalls or starts slowly, as a busy host
        # lets it, is late in it. (At other speeds it waits for the board.)
        self.real = speed == 1 and not chip
        self.begin()
        self._meters = meters
        self._trace = open(trace, "w", buffering=1) if trace else None
        self.wall = Wall(
            board.CONNECTORS[:connectors],
            self.changed,
            self._load_meters(),
            heartbeat=getattr(board, "HEARTBEAT", None),
        )
        self.panel = Panel(board, self.wall)
        self.air = {}  # a number of chip.AIR by SSID

    def begin(self):
        """World time is 0."""
        self._anchor = 0, time.monotonic()  # a world time, and when on the host that was
        self.started = datetime.now(timezone.utc)
        if not self.real:  # (reads better in a trace)
            self.started = self.started.replace(microsecond=0)

    def set_speed(self, speed):
        self.speed = speed
        self.real &= speed == 1
        self.moved()

    def utc(self):
        """Simulated UTC."""
        return self.started + timedelta(milliseconds=self.wall.now_ms)

    def host_ms(self):
        """World time by the host's clock."""
        at_ms, at = self._anchor
        return at_ms + int((time.monotonic() - at) * 1000 * self.speed)

    def host_us(self):
        """When it was this world time, by the host's clock; 0: now it is, for a board that has to
        start first."""
        at_ms, at = self._anchor
        return int(at * 1000000) + (self.wall.now_ms - at_ms) * 1000 if self.real else 0

    def moved(self):
        """The host's clock goes on from the world time that is now."""
        if not self.real:
            self._anchor = self.wall.now_ms, time.monotonic()

    def changed(self, outlet, what, fields):
        if self._trace:
            at = self.utc().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
            line = {"t": at, "ms": self.wall.now_ms, "connector": outlet.number, "what": what}
            self._trace.write(json.dumps({**line, **fields}) + "\n")

    def _load_meters(self):
        # A meter keeps counting where it was: its registers lie beside a --flash that is kept.
        try:
            return json.loads(self._meters.read_text()) if self._meters else ()
        except (OSError, ValueError):
            return ()

    def no_power(self):
        """The chip is off, or EN is pressed: its pins are let go."""
        self.wall.no_power()
        self.panel.no_power()
        if self._meters:
            values = [outlet.energy_uWh // 1000000 for outlet in self.wall.outlets]
            self._meters.write_text(json.dumps(values))

    def seen(self, powered):
        """`state` as it can be seen from outside, when nobody on the board can tell."""
        unknown = ("status", "transactionId", "idTag", "limit_mA", "limit_by")
        return {
            "t": self.utc().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "online": False,
            "boot": None,
            "link": None,
            "power": powered,
            "connectors": [
                {
                    "id": o.number,
                    "cp": o.car.state(),
                    **dict.fromkeys(unknown),
                    "pilot_mA": 0,
                    "duty_u16": o.duty,
                    "contactor": o.closed,
                    "ev_mA": o.car.phase_mA(),
                    "energy_Wh": o.energy_uWh // 1000000,
                }
                for o in self.wall.outlets
            ],
            "heap": None,
        }

    def end(self):
        """A second later the contactors have opened."""
        self.wall.advance(self.wall.now_ms + 1000)
        if self._trace:
            self._trace.close()
