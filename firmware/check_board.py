"""Is a board's data file sound? Asked once at boot; forgotten then."""

# chip: (pins, what cannot drive, ADC1, strapping, flash, console and USB)
_CHIPS = {
    "ESP32": (
        tuple(range(24)) + tuple(range(25, 28)) + tuple(range(32, 40)),
        range(34, 40),
        range(32, 40),
        (0, 2, 5, 12, 15),
        range(6, 12),
        (1, 3),
    ),
    "ESP32S2": (
        tuple(range(22)) + tuple(range(26, 47)),
        (46,),
        range(1, 11),
        (0, 45, 46),
        range(27, 33),
        (19, 20, 43, 44),
    ),
    "ESP32S3": (
        tuple(range(22)) + tuple(range(26, 49)),
        (),
        range(1, 11),
        (0, 3, 45, 46),
        range(26, 33),
        (19, 20, 43, 44),
    ),
}

# pins of the chip that a module with PSRAM has none of (octal on the S3: quad leaves them free)
_PSRAM = {"ESP32": (16, 17), "ESP32S2": (26,), "ESP32S3": range(33, 38)}

_ADC, _IN, _OUT, _ACTUATOR = "ADC", "input", "output", "actuator"

# part: (pins and their use, other keys that it needs, those that it may have)
_DIVIDER = ("pullup_ohm", "supply_mV")
_PARTS = {
    "peak": ({"low": _ADC}, (), ("zero_uV", "per_V_uV")),
    "phases": ({"pin": _ACTUATOR}, (), ("level", "min_s")),
    "lock": ({"a": _ACTUATOR, "b": _ACTUATOR, "sense": _IN}, (), ("locked", "pull", "pulse_ms")),
    "residual": ({"fault": _IN, "test": _ACTUATOR}, (), ("level", "pull", "test_level")),
    "mirror": ({"pin": _IN}, (), ("live", "ac", "pull")),
    "earth": ({"pin": _IN}, (), ("live", "ac", "pull")),
    "proximity": ({"pin": _ADC}, _DIVIDER, ()),
    "ntc": ({"pin": _ADC}, ("r25_ohm",) + _DIVIDER, ()),
    "mcp9700": ({"pin": _ADC}, (), ()),
    "ds18b20": ({"pin": _OUT}, (), ()),
    "led": ({"pins": _OUT}, (), ("on",)),
    "button": ({"pin": _IN}, (), ("pressed", "pull")),
    "s0": ({"pin": _IN}, (), ("per_kWh", "level", "pull")),
}
_OPTIONAL = ("low", "sense", "test")  # pins that a part may lack

_BUSES = {
    "METER_UART": ({"tx": _OUT, "rx": _IN, "de": _OUT}, ("id",), ("baud",)),
    "RC522": ({"sck": _OUT, "mosi": _OUT, "miso": _IN, "cs": _OUT, "rst": _OUT}, ("id",), ()),
    "PN532": ({"tx": _OUT, "rx": _IN}, ("id",), ()),
}
_OPTIONAL_OF_BUS = ("de", "baud", "rst")
_PULL_NONE_UP_DOWN = (None, 1, 2)


def check(board):
    """Raises ValueError: one line that says what is wrong with `board`, a module of boards/."""
    _Check(board).run()


class _Check:
    def __init__(self, board):
        self._board = board
        self._used = {}

    def run(self):
        board = self._board
        chip = self._get("CHIP")
        if chip not in _CHIPS:
            self._refuse("CHIP: %s is not one of %s" % (chip, ", ".join(sorted(_CHIPS))))
        self._chip = _CHIPS[chip]
        self._psram = getattr(board, "PSRAM", False) and _PSRAM[chip]
        connectors = self._get("CONNECTORS")
        if not isinstance(connectors, tuple) or not 1 <= len(connectors) <= 4:
            self._refuse("CONNECTORS: a tuple of 1 to 4 is expected")
        for number, c in enumerate(connectors, 1):
            if not isinstance(c, dict):
                self._refuse("connector %d: a dict is expected" % number)
        most_mA = 80000
        if not all("peak" in c for c in connectors):
            most_mA = 70000  # (above, a burst can miss the low part of a period)
        self._range("MAX_mA", self._get("MAX_mA"), 6000, most_mA)
        if self._get("PHASES") not in (1, 3):
            self._refuse("PHASES: 1 or 3 is expected")
        if getattr(board, "METER", "sdm630") not in ("sdm630", "sdm120", "pzem"):
            self._refuse("METER: sdm630, sdm120 or pzem is expected")
        self._range("METER_STEP_Wh", getattr(board, "METER_STEP_Wh", 1), 1, 1000)
        self._sense()
        meters = []
        for number, c in enumerate(connectors, 1):
            self._connector("connector %d" % number, c)
            if "meter" in c:
                meters.append(c["meter"])
        if meters and not hasattr(board, "METER_UART"):
            self._refuse("METER_UART is missing, there are meters")
        if len(set(meters)) < len(meters):
            self._refuse("two meters have one address")
        uarts = []
        for name in _BUSES:
            if hasattr(board, name):
                self._keys(name, getattr(board, name), _BUSES[name], _OPTIONAL_OF_BUS)
                if name != "RC522":
                    uarts.append(getattr(board, name)["id"])
                    most = 2 if chip != "ESP32S2" else 1
                    self._number(name, getattr(board, name), "id", 1, most)
        if len(set(uarts)) < len(uarts):
            self._refuse("METER_UART and PN532 are one UART")

    def _connector(self, where, c):
        for key, use in (("pilot", _ACTUATOR), ("sense", _ADC), ("contactor", _ACTUATOR)):
            if key not in c:
                self._refuse("%s: %s is missing" % (where, key))
            self._pin("%s: %s" % (where, key), c[key], use)
        if "meter" in c:
            self._number(where, c, "meter", 1, 247)
            if "s0" in c:
                self._refuse(where + ": meter and s0: one of them")
        for key in sorted(c):
            if key in ("pilot", "sense", "contactor", "meter"):
                continue
            if key not in _PARTS:
                self._refuse("%s: %s: there is no such part" % (where, key))
            self._keys("%s: %s" % (where, key), c[key], _PARTS[key], _OPTIONAL)
            self._values("%s: %s" % (where, key), key, c[key])
        if len([key for key in ("ntc", "mcp9700", "ds18b20") if key in c]) > 1:
            self._refuse(where + ": two temperature sensors")
        if "lock" in c and "proximity" not in c:
            self._refuse(where + ": a lock needs proximity, which sees the plug")

    def _keys(self, where, part, description, optional):
        pins, needs, may = description
        if not isinstance(part, dict):
            self._refuse(where + ": a dict is expected")
        for key in part:
            if key not in pins and key not in needs and key not in may:
                self._refuse("%s: %s: there is no such key" % (where, key))
        for key in sorted(pins):
            if part.get(key) is None:
                if key not in optional:
                    self._refuse("%s: %s is missing" % (where, key))
            elif key == "pins":
                if not isinstance(part[key], tuple) or len(part[key]) not in (1, 3):
                    self._refuse(where + ": pins: a tuple of 1 or 3 is expected")
                for pin in part[key]:
                    self._pin(where, pin, pins[key])
            else:
                self._pin("%s: %s" % (where, key), part[key], pins[key])
                pull = part.get("pull")
                if pull not in _PULL_NONE_UP_DOWN:
                    self._refuse(where + ": pull: 1 (down) or 2 (up) is expected")
                if pull and pins[key] == _IN and part[key] in self._chip[1]:
                    self._refuse("%s: GPIO %d has no pull" % (where, part[key]))
        for key in needs:
            if key not in part:
                self._refuse("%s: %s is missing" % (where, key))

    def _values(self, where, key, part):
        if key == "peak":
            if "low" not in part:
                self._refuse(where + ": low: a pin, or None for no diode check")
            if ("zero_uV" in part) != ("per_V_uV" in part):
                self._refuse(where + ": zero_uV and per_V_uV: both or none")
        elif key in ("proximity", "ntc"):
            self._number(where, part, "supply_mV", 1000, 3300)
            self._number(where, part, "pullup_ohm", 100, 100000)
        for name in ("level", "locked", "live", "test_level", "on", "pressed"):
            if part.get(name, 0) not in (0, 1):
                self._refuse("%s: %s: 0 or 1 is expected" % (where, name))
        if key == "proximity":  # the largest resistor that means a cable
            mV = part["supply_mV"] * 2460 // (2460 + part["pullup_ohm"])
            if mV > 2450:
                self._refuse(where + ": 2460 ohm show as %d mV, the ADC ends at 2450" % mV)
        elif key == "ntc":
            self._number(where, part, "r25_ohm", 1000, 100000)
            if not part["r25_ohm"] <= part["pullup_ohm"] <= part["r25_ohm"] * 3:
                self._refuse(where + ": pullup_ohm: one to three times r25_ohm is expected")
        elif key == "lock":
            self._number(where, part, "pulse_ms", 100, 1000)
        elif key == "phases":
            self._number(where, part, "min_s", 10, 3600)
        elif key == "s0":
            self._number(where, part, "per_kWh", 1, 10000)

    def _sense(self):
        curve = getattr(self._board, "SENSE_CURVE", None)
        if curve is None:
            zero, per_V = self._get("SENSE_ZERO_uV"), self._get("SENSE_PER_V_uV")
            if type(zero) is not int or type(per_V) is not int or per_V < 1000:
                self._refuse("SENSE_ZERO_uV, SENSE_PER_V_uV: whole numbers are expected")
            for volt in (12, -12):
                uV = zero + volt * per_V
                if not 50000 <= uV <= 2600000:
                    self._refuse(
                        "%d V of the pilot show as %d mV, the ADC is straight from 100 to 2450:"
                        " SENSE_CURVE is needed" % (volt, uV // 1000)
                    )
            return
        if hasattr(self._board, "SENSE_ZERO_uV"):
            self._refuse("SENSE_CURVE and SENSE_ZERO_uV: one of them")
        if len(curve) < 2 or any("peak" in c for c in self._get("CONNECTORS")):
            self._refuse("SENSE_CURVE: two points or more, and no peak detector")
        for i in range(1, len(curve)):
            uV, mV = curve[i]
            if uV - curve[i - 1][0] < 1000 or mV - curve[i - 1][1] < 100:
                self._refuse("SENSE_CURVE: point %d does not rise" % (i + 1))
        if curve[0][1] > -10500 or curve[-1][1] < 10500:
            self._refuse("SENSE_CURVE: from -10500 to 10500 mV at least is expected")

    def _pin(self, where, pin, use):
        pins, input_only, adc1, strapping, flash, console = self._chip
        if type(pin) is not int:
            self._refuse(where + ": a GPIO's number is expected")
        why = None
        if pin in flash:
            why = "belongs to the flash"
        elif pin not in pins:
            why = "does not exist"
        elif self._psram and pin in self._psram:
            why = "is the PSRAM's on this module"
        elif pin in console:
            why = "is the console"
        elif use == _ADC and pin not in adc1:
            why = "is not of ADC1, the only one beside Wi-Fi"
        elif use in (_OUT, _ACTUATOR) and pin in input_only:
            why = "is input only"
        elif use == _ACTUATOR and pin in strapping:
            why = "is a strapping pin, which moves at reset"
        elif pin in self._used:
            why = "is also %s" % self._used[pin]
        if why:
            self._refuse("%s: GPIO %d %s" % (where, pin, why))
        self._used[pin] = where

    def _number(self, where, part, key, least, most):
        if key in part:
            self._range("%s: %s" % (where, key), part[key], least, most)

    def _range(self, where, value, least, most):
        if type(value) is not int or not least <= value <= most:
            self._refuse("%s: %d to %d is expected" % (where, least, most))

    def _get(self, name):
        if not hasattr(self._board, name):
            self._refuse(name + " is missing")
        return getattr(self._board, name)

    def _refuse(self, text):
        name = getattr(self._board, "__name__", "").split(".")[-1]
        raise ValueError("board %s: %s" % (name, text))
