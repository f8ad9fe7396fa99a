"""Is a board's data file sound? Asked once at boot, and forgotten then; and before config.json
gets another one, by the unit's page or make config."""

import sys

try:
    from machine import Pin as _look  # ValueError if MicroPython has no such pin; drives none
except ImportError:  # (on a PC)
    _look = int

# What a pin is used as: an ADC's, an input, an output, x: an output that moves something.
_ANY = ("a", "i", "o", "x")
_PSRAM = "is the PSRAM's on this module"

_CHIPS = ("ESP32", "ESP32S2", "ESP32S3", "ESP32C3")
# by chip: how many numbers its pins have; UARTs beside the console's; SPIs
_PINS = (40, 47, 49, 22)
_UARTS = (2, 1, 2, 1)
_SPIS = (2, 2, 2, 1)
_INPUT_ONLY = (range(34, 40), (46,), (), ())
_NO_S_ADC1 = (0,) + tuple(range(11, 49))
_NO_ADC1 = (range(32), _NO_S_ADC1, _NO_S_ADC1, range(5, 22))
_STRAPPING = ((0, 2, 5, 12, 15), (0, 45, 46), (0, 3, 45, 46), (2, 8, 9))
_CONSOLE = ((1, 3), (19, 20, 43, 44), (19, 20, 43, 44), range(18, 22))
# Use, what keeps a pin from it, the pins of each chip in turn.
_RULES = (
    (_ANY, "belongs to the flash", (range(6, 12), range(26, 33), range(26, 33), range(11, 18))),
    (_ANY, "does not exist", ((24, 28, 29, 30, 31), range(22, 26), range(22, 26), ())),
    (_ANY, _PSRAM, ((16, 17), (), range(33, 38), ())),  # (quad PSRAM leaves the S3's free)
    (_ANY, "is the console", _CONSOLE),
    (("a",), "is not of ADC1, the only one beside Wi-Fi", _NO_ADC1),
    (("o", "x"), "is input only", _INPUT_ONLY),
    (("x",), "is a strapping pin, which moves at reset", _STRAPPING),
)

# part: (pins and their use, other keys that it needs, those that it may have)
_DIVIDER = ("pullup_ohm", "supply_mV")
_PARTS = {
    "peak": ({"low": "a"}, (), ("zero_uV", "per_V_uV")),
    "phases": ({"pin": "x"}, (), ("level", "min_s")),
    "lock": ({"a": "x", "b": "x", "sense": "i"}, (), ("locked", "pull", "pulse_ms")),
    "residual": ({"fault": "i", "test": "x"}, (), ("level", "pull", "test_level")),
    "mirror": ({"pin": "i"}, (), ("live", "ac", "pull")),
    "interlock": ({"pin": "i"}, (), ("live", "ac", "pull")),
    "earth": ({"pin": "i"}, (), ("live", "ac", "pull")),
    "readback": ({"pin": "i"}, (), ("live", "pull")),
    "proximity": ({"pin": "a"}, _DIVIDER, ()),
    "ntc": ({"pin": "a"}, ("r25_ohm",) + _DIVIDER, ()),
    "mcp9700": ({"pin": "a"}, (), ()),
    "ds18b20": ({"pin": "o"}, (), ()),
    "led": ({"pins": "o"}, (), ("on",)),
    "button": ({"pin": "i"}, (), ("pressed", "pull")),
    "s0": ({"pin": "i"}, (), ("per_kWh", "level", "pull")),
}
_BUSES = {
    "METER_UART": ({"tx": "o", "rx": "i", "de": "o"}, ("id",), ("baud",)),
    "RC522": ({"sck": "o", "mosi": "o", "miso": "i", "cs": "o", "rst": "o"}, ("id",), ()),
    "PN532": ({"tx": "o", "rx": "i"}, ("id",), ()),
    "DIM": ({"pin": "i"}, (), ("live", "ac", "pull", "power_W")),
}
_OPTIONAL = ("low", "sense", "test", "de", "rst")  # pins that a part or bus may lack

# least and most, by key of a connector or part
_RANGES = {
    "meter": (1, 247),
    "supply_mV": (1000, 3300),
    "pullup_ohm": (100, 100000),
    "r25_ohm": (1000, 100000),
    "pulse_ms": (100, 1000),
    "min_s": (10, 3600),
    "per_kWh": (1, 10000),
    "power_W": (0, 100000),
}
_BITS = ("level", "locked", "live", "test_level", "on", "pressed")


def board(config, checked=None):
    """The module of boards/ that a Config names, checked, unless it is the one named `checked`.
    Raises ValueError: what is wrong, in one line."""
    try:
        board = __import__("firmware.boards." + config.board, None, None, ("CONNECTORS",))
    except ImportError:
        raise ValueError("config.json: board: there is no " + config.board)
    if config.board != checked:
        check(board)
    most = len(board.CONNECTORS)
    if config.connectors > most:
        raise ValueError("config.json: connectors: %s has %d" % (config.board, most))
    return board


def check(board):
    """Raises ValueError: one line that says what is wrong with `board`, a module of boards/."""
    _Check(board)


class _Check:
    def __init__(self, board):
        self._board, self._used = board, {}
        chip = self._get("CHIP")
        self._want(chip in _CHIPS, "CHIP: %s is not one of %s" % (chip, ", ".join(_CHIPS)))
        # it ends in "with ESP32-S3" or the like, but not on a PC
        this = str(sys.implementation).split(" with ")[-1].replace("-", "")
        this = this[:7] if this[:7] in _CHIPS else this[:5]
        good = this == chip or this not in _CHIPS
        self._want(good, "CHIP: it is for an %s, this is an %s" % (chip, this))
        self._psram, self._i = getattr(board, "PSRAM", False), _CHIPS.index(chip)
        connectors = self._get("CONNECTORS")
        good = isinstance(connectors, tuple) and 1 <= len(connectors) <= 4
        self._want(good, "CONNECTORS: a tuple of 1 to 4 is expected")
        for number, c in enumerate(connectors, 1):
            self._want(isinstance(c, dict), "connector %d: a dict is expected" % number)
        # (above 63 A a burst can miss the low part of a period)
        most_mA = 80000 if all("peak" in c for c in connectors) else 63000
        self._range("MAX_mA", self._get("MAX_mA"), 6000, most_mA)
        self._want(self._get("PHASES") in (1, 3), "PHASES: 1 or 3 is expected")
        good = getattr(board, "METER", "sdm630") in ("sdm630", "sdm120", "pzem")
        self._want(good, "METER: sdm630, sdm120 or pzem is expected")
        self._range("METER_STEP_Wh", getattr(board, "METER_STEP_Wh", 1), 1, 1000)
        self._sense()
        for number, c in enumerate(connectors, 1):
            self._connector("connector %d" % number, c)
        meters = [c["meter"] for c in connectors if "meter" in c]
        good = not meters or hasattr(board, "METER_UART")
        self._want(good, "METER_UART is missing, there are meters")
        self._want(len(set(meters)) == len(meters), "two meters have one address")
        ids = []  # of UARTs
        for name in _BUSES:
            if hasattr(board, name):
                bus, spi = getattr(board, name), name == "RC522"
                self._keys(name, bus, _BUSES[name])
                self._values(name, name, bus)
                if name == "DIM":
                    continue
                self._range(name + ": id", bus["id"], 1, (_SPIS if spi else _UARTS)[self._i])
                ids += () if spi else (bus["id"],)
        self._want(len(set(ids)) == len(ids), "METER_UART and PN532 are one UART")
        if hasattr(board, "HEARTBEAT"):
            self._pin("HEARTBEAT", board.HEARTBEAT, "x")

    def _connector(self, where, c):
        for key, use in (("pilot", "x"), ("sense", "a"), ("contactor", "x")):
            self._want(key in c, "%s: %s is missing" % (where, key))
            self._pin("%s: %s" % (where, key), c[key], use)
        self._ranges(where, c)
        self._want("meter" not in c or "s0" not in c, where + ": meter and s0: one of them")
        for key in sorted(set(c) - {"pilot", "sense", "contactor", "meter"}):
            place = "%s: %s" % (where, key)
            self._want(key in _PARTS, place + ": there is no such part")
            self._keys(place, c[key], _PARTS[key])
            self._values(place, key, c[key])
        sensors = [key for key in ("ntc", "mcp9700", "ds18b20") if key in c]
        self._want(len(sensors) < 2, where + ": two temperature sensors")
        good = "lock" not in c or "proximity" in c
        self._want(good, where + ": a lock needs proximity, which sees the plug")

    def _keys(self, where, part, description):
        pins, needs, may = description
        self._want(isinstance(part, dict), where + ": a dict is expected")
        for key in part:
            good = key in pins or key in needs + may
            self._want(good, "%s: %s: there is no such key" % (where, key))
        for key in sorted(pins):
            pin = part.get(key)
            if pin is None:
                self._want(key in _OPTIONAL, "%s: %s is missing" % (where, key))
            elif key == "pins":
                good = isinstance(pin, tuple) and len(pin) in (1, 3)
                self._want(good, where + ": pins: a tuple of 1 or 3 is expected")
                for one in pin:
                    self._pin(where, one, pins[key])
            else:
                self._pin("%s: %s" % (where, key), pin, pins[key])
                up = description in (_PARTS["button"], _PARTS["s0"])  # by themselves
                pull = part.get("pull", 2 if up else None)
                self._want(pull in (None, 1, 2), where + ": pull: 1 (down) or 2 (up) is expected")
                good = not pull or pins[key] != "i" or pin not in _INPUT_ONLY[self._i]
                self._want(good, "%s: GPIO %d has no pull" % (where, pin))
        for key in needs:
            self._want(key in part, "%s: %s is missing" % (where, key))

    def _values(self, where, key, part):
        for name in _BITS:
            self._want(part.get(name, 0) in (0, 1), "%s: %s: 0 or 1 is expected" % (where, name))
        self._ranges(where, part)
        if key == "peak":
            self._want("low" in part, where + ": low: a pin, or None for no diode check")
            good = ("zero_uV" in part) == ("per_V_uV" in part)
            self._want(good, where + ": zero_uV and per_V_uV: both or none")
        elif key == "interlock":  # (with `ac` a wire that is broken has no edges)
            good = part.get("ac") or part.get("pull") != 1 + part.get("live", 1)
            self._want(good, where + ": with this pull a broken wire is a closed loop")
        elif key == "proximity":  # the largest resistor that means a cable
            mV = part["supply_mV"] * 2460 // (2460 + part["pullup_ohm"])
            self._want(mV <= 2450, where + ": 2460 ohm show as %d mV, the ADC ends at 2450" % mV)
        elif key == "ntc":
            good = part["r25_ohm"] <= part["pullup_ohm"] <= part["r25_ohm"] * 3
            self._want(good, where + ": pullup_ohm: one to three times r25_ohm is expected")

    def _sense(self):
        curve = getattr(self._board, "SENSE_CURVE", None)
        if curve is None:
            zero, per_V = self._get("SENSE_ZERO_uV"), self._get("SENSE_PER_V_uV")
            good = type(zero) is int and type(per_V) is int and per_V >= 1000
            self._want(good, "SENSE_ZERO_uV, SENSE_PER_V_uV: whole numbers are expected")
            for volt in (12, -12):
                uV = zero + volt * per_V
                why = "%d V of the pilot show as %d mV, the ADC is straight from 100 to 2450:"
                why = (why + " SENSE_CURVE is needed") % (volt, uV // 1000)
                self._want(50000 <= uV <= 2600000, why)
            return
        good = not hasattr(self._board, "SENSE_ZERO_uV")
        self._want(good, "SENSE_CURVE and SENSE_ZERO_uV: one of them")
        good = len(curve) > 1 and not any("peak" in c for c in self._get("CONNECTORS"))
        self._want(good, "SENSE_CURVE: two points or more, and no peak detector")
        for i in range(1, len(curve)):
            good = curve[i][0] - curve[i - 1][0] >= 1000 and curve[i][1] - curve[i - 1][1] >= 100
            self._want(good, "SENSE_CURVE: point %d does not rise" % (i + 1))
        good = curve[0][1] <= -10500 and curve[-1][1] >= 10500
        self._want(good, "SENSE_CURVE: from -10500 to 10500 mV at least is expected")

    def _pin(self, where, pin, use):
        self._want(type(pin) is int, where + ": a GPIO's number is expected")
        said = "%s: GPIO %d " % (where, pin)
        self._want(0 <= pin < _PINS[self._i], said + "does not exist")
        for uses, why, pins in _RULES:
            good = use not in uses or pin not in pins[self._i]
            self._want(good or why is _PSRAM and not self._psram, said + why)
        try:
            _look(pin)
        except ValueError:  # (what is left: it is one for a module with PSRAM)
            self._want(False, said + _PSRAM)
        self._want(pin not in self._used, said + "is also %s" % self._used.get(pin))
        self._used[pin] = where

    def _ranges(self, where, part):
        for key in part:
            if key in _RANGES:
                self._range("%s: %s" % (where, key), part[key], *_RANGES[key])

    def _range(self, where, value, least, most):
        good = type(value) is int and least <= value <= most
        self._want(good, "%s: %d to %d is expected" % (where, least, most))

    def _get(self, name):
        self._want(hasattr(self._board, name), name + " is missing")
        return getattr(self._board, name)

    def _want(self, good, text):
        if not good:
            name = getattr(self._board, "__name__", "").split(".")[-1]
            raise ValueError("board %s: %s" % (name, text))
