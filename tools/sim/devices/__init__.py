"""What hangs on the pins of a board, beside contactor and car: simulated at line or register
level, so that the firmware's own drivers talk to it. They read and write the Outlet's attributes.

Runs in the wall's process (tools/host/station), and on MicroPython in the unit tests.
"""

from sim.devices import parts
from sim.pins import opened

# operations of sim/esp32/bus.py
PIN_OUT, PIN_IN, ADC, UART, SPI, ONEWIRE, EDGES, OPEN = 1, 2, 3, 4, 10, 11, 12, 24
SUPPLY_uV = 3300000  # of the chip, whose pins take no more


class Panel:
    """The devices of `board` on the outlets of `wall`. `reader` is the RFID reader, or None; its
    `cards` are those that lie there. `of(outlet, part)` is one device."""

    def __init__(self, board, wall):
        self._wall = wall
        self._board = board
        self._devices = {}
        self._pins = {}  # pin: (device, what the board calls it there)
        self._now_ms = wall.now_ms
        self.reader = None
        self._card = b""
        self._turns_ms = []  # when it comes or goes, by the wall's clock; it lies there now
        for outlet in wall.outlets:
            for part, data in outlet.pins.items():
                if isinstance(data, dict):
                    self._add(outlet, part, data)
        self.dims = hasattr(board, "DIM")
        if self.dims:
            self._add(wall.outlets[0], "dim", board.DIM)
        if hasattr(board, "RC522"):
            from sim.devices.rc522 import Rc522

            self.reader = Rc522()
            for key in ("cs", "rst"):
                if key in board.RC522:
                    self._pins[board.RC522[key]] = self.reader, key
        elif hasattr(board, "PN532"):
            from sim.devices.pn532 import Pn532

            self.reader = Pn532()
        if hasattr(board, "METER_UART"):
            from sim.devices.meters import Meters

            self._meters = Meters(wall.outlets, getattr(board, "METER", "sdm630"))
            for outlet in wall.outlets:
                outlet.meter_step_Wh = getattr(board, "METER_STEP_Wh", 0)

    def _add(self, outlet, part, data):
        if part == "ds18b20":
            from sim.devices.ds18b20 import Ds18b20 as make
        elif part == "peak":
            return
        else:
            make = parts.MAKERS[part]
        device = make(outlet, data)
        self._devices[outlet.number, part] = device
        for key, pin in data.items():
            if key == "pins":
                for i, p in enumerate(pin):
                    self._pins[p] = device, i
            elif key in parts.PINS and pin is not None:
                self._pins[pin] = device, key

    def of(self, outlet, part):
        return self._devices[outlet.number, part]

    def advance(self):
        """The devices live until the wall's now."""
        if self._now_ms != self._wall.now_ms:
            self._now_ms = self._wall.now_ms
            while self._turns_ms and self._turns_ms[0] <= self._now_ms:
                self._turns_ms.pop(0)
                self.reader.put(*() if self.reader.cards else (self._card,))
            for device in self._devices.values():
                device.now(self._now_ms)

    def lay(self, uid, turns_ms):
        """A card (b"": none) lies on the reader from now on, for the first of `turns_ms`, then it
        is away for the second, and so on."""
        self.reader.put(*(uid,) if uid else ())
        self._card = uid
        self._turns_ms = []
        at_ms = self._wall.now_ms
        for ms in turns_ms:
            at_ms += ms
            self._turns_ms.append(at_ms)

    def no_power(self):
        """The chip is off, or EN is pressed: nothing drives its pins."""
        self.advance()
        for device in self._devices.values():
            device.off()

    def serve(self, op, pin, value, payload):
        """One operation of the chip; -> three values, payload."""
        self.advance()
        if op == OPEN:
            board = self._board
            psram = getattr(board, "PSRAM", False)
            came, errno, text = opened(getattr(board, "CHIP", "ESP32"), psram, pin, value)
            return came, errno, 0, text.encode()
        if op == ADC:
            return self._adc(pin) + (b"",)
        if op == UART:
            board = self._board
            if hasattr(board, "METER_UART") and pin == board.METER_UART["id"]:
                late_ms, answer = self._meters.answer(payload)
                return late_ms, 0, 0, answer
            return 0, 0, 0, self.reader.uart(payload) if self.reader else b""
        if op == SPI:
            return 0, 0, 0, self.reader.spi(payload) if self.reader else b"\xff" * len(payload)
        device, key = self._pins.get(pin, (None, None))
        a = b = 0
        if op == PIN_OUT:
            self._wall.out(pin, value)
        if device:
            if op == PIN_OUT:
                device.out(key, value)
            elif op == PIN_IN:
                a, b = device.level(key), device.duty(key)
            elif op == EDGES:
                a = device.edges(key)
            elif op == ONEWIRE:
                a = device.wire(value)
        return a, b, 0, b""

    # --- analog

    def _adc(self, pin):
        """High and low level in uV and the duty between them; 65535: it is steady."""
        for outlet in self._wall.outlets:
            pins = outlet.pins
            peak = pins.get("peak")
            if pins["sense"] == pin:
                high, low = outlet.pilot_mV()
                high = self._uV(high)
                wave = high, self._uV(low), outlet.wire()
                return wave if peak is None else (high, high, 65535)
            if peak and peak["low"] == pin:
                low_mV = outlet.pilot_mV()[0 if outlet.wire() == 65535 else 1]
                if "zero_uV" in peak:
                    uV = _clip(peak["zero_uV"] + low_mV * peak["per_V_uV"] // 1000)
                else:
                    uV = self._uV(low_mV)
                return uV, uV, 65535
        device, key = self._pins.get(pin, (None, None))
        uV = _clip(device.uV(key)) if device else 0
        return uV, uV, 65535

    def _uV(self, mV):
        curve = getattr(self._board, "SENSE_CURVE", None)
        if curve is None:
            return _clip(self._board.SENSE_ZERO_uV + mV * self._board.SENSE_PER_V_uV // 1000)
        i = 1
        while i < len(curve) - 1 and mV > curve[i][1]:
            i += 1
        (uV0, mV0), (uV1, mV1) = curve[i - 1], curve[i]
        return _clip(uV0 + (mV - mV0) * (uV1 - uV0) // (mV1 - mV0))


def _clip(uV):
    return max(0, min(uV, SUPPLY_uV))
