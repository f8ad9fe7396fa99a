"""What the board asks of the wall over its socket, and what the wall keeps for the chip."""

import asyncio
import json
import math
import struct
import time
from datetime import datetime, timedelta, timezone

from host.station.terminal import log

PWRON_RESET, HARD_RESET, WDT_RESET, SOFT_RESET = 1, 2, 3, 5
# as in sim/esp32/bus.py; the rest: Panel
PWM, WDT, FEED, RTC, RESET, SAY, WIFI, MEMORY = 0, 5, 6, 7, 8, 9, 13, 14
# What a Wi-Fi network is to the chip: reasons why not, 0 and 1 aside (sim/esp32/network.py).
AIR = {"on": 0, "off": 201, "locked": 202, "no-dhcp": 1}
REQUEST = struct.Struct("<BBHiQ")
RTC_TOLERANCE_ms = 5000
EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)  # of the RTC
MS = timedelta(milliseconds=1)


class Chip:
    """The board's line to `world`. `answered(dict)` gets what the firmware answers to a command,
    `reset()` is called when it resets itself.

    | attribute  | meaning |
    |---|---|
    | bus        | the socket; None: the chip is off |
    | cause      | of the start that is, or comes |
    | rtc_ms     | what the RTC shows, in ms since 2000, when world time is 0 |
    | memory     | of the RTC |
    | watchdog_s | its time; None: it does not run |
    | fed        | when on the host's clock |
    | fed_ms     | world time then |
    | gone       | the board has let go of the socket: it ends |
    | wake       | is called when Station.watch() has something to see |
    | waiting    | the board has come to where its escort lets it go on to |
    | escorted   | when on the host's clock the escort has spoken |
    """

    def __init__(self, world, true_clock, answered, reset):
        self.world = world
        self.bus = None
        self.cause = PWRON_RESET
        self.rtc_ms = 0
        self.memory = b""
        self.watchdog_s = None
        self.fed = self.escorted = 0.0
        self.fed_ms = 0
        self.waiting = self.gone = False
        self.wake = lambda: None
        self._true_clock = true_clock
        self._answered = answered
        self._reset = reset
        self._inbox = b""
        self._escort_ms = None  # the board may go on until this world time

    def start(self, bus):
        """It has its power, or comes out of reset; what it asks comes by the socket `bus`."""
        if self.cause == PWRON_RESET:
            self.rtc_ms = -self.world.wall.now_ms
            self.memory = b""
        bus.setblocking(False)
        self.bus, self._inbox, self.waiting, self.gone = bus, b"", False, False
        self.watchdog_s = None
        asyncio.get_running_loop().add_reader(bus, self.read)

    def stop(self):
        if self.bus:
            asyncio.get_running_loop().remove_reader(self.bus)
            self.bus.close()
            self.bus = None

    def read(self):
        """Serve what has come."""
        try:
            data = self.bus.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self.bus)
            self.gone = True
            self.wake()
            return
        self._inbox += data
        self._serve_inbox()

    def _serve_inbox(self):
        wall = self.world.wall
        while len(self._inbox) >= REQUEST.size:
            op, pin, length, value, now_ms = REQUEST.unpack_from(self._inbox)
            end = REQUEST.size + length
            if len(self._inbox) < end:
                return
            self.waiting = self._escort_ms is not None and now_ms > self._escort_ms
            if self.waiting:
                return
            payload, self._inbox = self._inbox[REQUEST.size : end], self._inbox[end:]
            wall.advance(now_ms)
            self.world.moved()
            if op == FEED or op == WDT:
                self.fed_ms = now_ms
            elif self.world.chip and self.hangs(now_ms):
                return
            a, b, c, answer = self.serve(op, pin, value, payload)
            if self.bus is None:
                return
            try:
                length = len(answer) | self.interrupt(op)
                self.bus.sendall(struct.pack("<iiiH", a, b, c, length) + answer)
            except OSError:  # it has died since it asked; watch() will see
                return

    def hangs(self, now_ms):
        """The watchdog bites at the board's own time."""
        late = bool(self.watchdog_s) and now_ms - self.fed_ms > self.watchdog_s * 1000
        if late:
            self.fed = -math.inf
            self.wake()
        return late

    def interrupt(self, op):
        """INTERRUPT, as in sim/esp32/bus.py, if somebody has typed Ctrl-C; nobody can here."""
        return 0

    def serve(self, op, pin, value, payload):
        """One operation of the chip; -> three values, payload."""
        a, b, c, answer = 0, 0, 0, b""
        if op == FEED:
            self.fed = time.monotonic()
        elif op == PWM:
            self.world.wall.pwm(pin, int.from_bytes(payload, "little"), value)
        elif op == WDT:
            self.watchdog_s = value / 1000
            self.fed = time.monotonic()
        elif op == RTC:
            a, b = divmod(self._set_rtc(value * 1000 + int.from_bytes(payload, "little")), 1000)
        elif op == MEMORY and value:
            self.memory = bytes(payload)
        elif op == MEMORY:
            answer = self.memory
        elif op == SAY:
            self._said(json.loads(payload))
        elif op == WIFI and payload:
            a = self.world.air.get(payload.decode(), 0)
        elif op == WIFI:  # what is in sight
            air = self.world.air.items()
            answer = "\n".join(name for name, why in air if why != AIR["off"]).encode()
        elif op == RESET:
            self.cause = value
            asyncio.get_running_loop().call_soon(self._reset)
        else:
            a, b, c, answer = self.world.panel.serve(op, pin, value, payload)
        return a, b, c, answer

    def escort(self, lead_s):
        """Let the board go on for `lead_s` from now on, None: for ever; -> the world time."""
        now_ms = self.world.wall.now_ms
        self.escorted = self.fed = time.monotonic()
        self._escort_ms = None if lead_s is None else now_ms + lead_s * 1000
        if self.waiting and self.bus:
            self._serve_inbox()
        return now_ms

    def _set_rtc(self, shown_ms):
        """The firmware sets its clock; -> rtc_ms.

        Simulated time that runs faster runs away from the Central System's clock. There what that
        one says of now is taken for the simulated now if it is right about the real one.
        """
        # Before the watchdog runs nobody has asked the Central System: it is the last time known.
        if self.world.real or self._true_clock or not self.watchdog_s:
            self.rtc_ms = shown_ms - self.world.wall.now_ms
        else:
            wrong_ms = shown_ms - (datetime.now(timezone.utc) - EPOCH) // MS
            if abs(wrong_ms) <= RTC_TOLERANCE_ms:
                wrong_ms = 0
            self.rtc_ms = (self.world.started - EPOCH) // MS + wrong_ms
        return self.rtc_ms

    def _said(self, message):
        if "answer" in message:
            self._answered(message["answer"])
        else:
            number, outlets = message.pop("connector"), self.world.wall.outlets
            # (by its page the unit can be told of more of them; they begin without a limit)
            if number <= len(outlets):
                self.world.changed(outlets[number - 1], "limit", message)
            elif message.get("limit_mA") is None:
                log(f"station: connector {number} is not on this wall: --connectors {number}")
