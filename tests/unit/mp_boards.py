"""boards/: every board is sound, and check.py refuses what is not."""

import sys

sys.path.append("tools")

import electrics
import strict_machine
from rig import raises

strict_machine.install()

from firmware import check_board
from firmware.check_board import check
from firmware.fitting import Fitting
from sim import pins

HEAP = "256K"


class Good:
    """A board with everything."""

    __name__ = "firmware.boards.good"

    def __init__(self, **changes):
        self.CHIP = "ESP32"
        self.CONNECTORS = (
            {
                "pilot": 27,
                "sense": 36,
                "contactor": 33,
                "meter": 1,
                "phases": {"pin": 25},
                "proximity": {"pin": 39, "pullup_ohm": 1000, "supply_mV": 3300},
                "residual": {"fault": 34, "level": 1, "test": 32},
                "mirror": {"pin": 35, "live": 0},
                "earth": {"pin": 14, "live": 0, "pull": 2},
                "lock": {"a": 21, "b": 22, "sense": 13, "locked": 0, "pull": 2},
                "ds18b20": {"pin": 4},
                "led": {"pins": (2, 12, 15)},
                "button": {"pin": 0},
            },
        )
        self.MAX_mA = 32000
        self.PHASES = 3
        self.METER_UART = {"id": 2, "tx": 17, "rx": 16, "de": 26}
        self.SENSE_ZERO_uV = 1330000
        self.SENSE_PER_V_uV = 102500
        for name, value in changes.items():
            if value is None:
                delattr(self, name)
            else:
                setattr(self, name, value)


def bare(**parts):
    c = {"pilot": 27, "sense": 36, "contactor": 33}
    for name, value in parts.items():
        if value is None:
            c.pop(name)
        else:
            c[name] = value
    return c


def refused(board, text):
    e = raises(ValueError, check, board)
    assert str(e) == "board good: " + text, str(e)
    assert "\n" not in str(e)


def refused_part(text, **parts):
    refused(Good(CONNECTORS=(bare(**parts),)), "connector 1: " + text)


def test_every_board_is_sound():
    names = []
    for board in strict_machine.boards():
        check(board)
        names.append(board.__name__.split(".")[-1])
    assert len(names) >= 8 and "reference" in names and "smartevse_v3" in names


def test_the_drivers_take_the_pins_of_every_board():
    # strict_machine has the pins of the chip, and no pins that drive where it cannot be
    for board in strict_machine.boards():
        fit = Fitting(board, electrics.Plain())
        for c in board.CONNECTORS:
            outlet = fit.outlet(c)
            fit.lamp(outlet, c, None)
            assert len(outlet.devices) == len([key for key in c if isinstance(c[key], dict)])
            assert strict_machine.pins[c["contactor"]] == (5000, 0)
            assert strict_machine.pins[c["pilot"]] == (1000, 65535)
            for part, keys in (
                ("phases", ("pin",)),
                ("lock", ("a", "b")),
                ("residual", ("test",)),
            ):
                for key in keys:
                    if key in c.get(part, ()):
                        assert strict_machine.pins[c[part][key]] == ("out", 0), (part, key)
        if any("meter" in c for c in board.CONNECTORS):
            assert strict_machine.pins[board.METER_UART["de"]] == ("out", 0)


def test_a_good_board_and_the_least_one():
    check(Good())
    check(Good(CONNECTORS=(bare(),), METER_UART=None))
    check(Good(CONNECTORS=(bare(lock=Good().CONNECTORS[0]["lock"], proximity=PP),)))


PP = {"pin": 39, "pullup_ohm": 1000, "supply_mV": 3300}


def test_what_is_missing_or_no_board():
    for name in ("CHIP", "CONNECTORS", "MAX_mA", "PHASES", "SENSE_ZERO_uV", "SENSE_PER_V_uV"):
        refused(Good(**{name: None}), name + " is missing")
    refused(Good(CHIP="ESP8266"), "CHIP: ESP8266 is not one of ESP32, ESP32S2, ESP32S3, ESP32C3")
    for wrong in ((), [], 5, (bare(),) * 5):
        refused(Good(CONNECTORS=wrong), "CONNECTORS: a tuple of 1 to 4 is expected")
    refused(Good(CONNECTORS=(5,)), "connector 1: a dict is expected")
    for wrong in (5999, 70001, "32", 32000.0):
        refused(Good(MAX_mA=wrong), "MAX_mA: 6000 to 63000 is expected")
    refused(Good(PHASES=2), "PHASES: 1 or 3 is expected")
    refused(Good(METER="abb"), "METER: sdm630, sdm120 or pzem is expected")
    for step_Wh in (0, 1001, "10"):
        refused(Good(METER_STEP_Wh=step_Wh), "METER_STEP_Wh: 1 to 1000 is expected")
    check(Good(METER_STEP_Wh=1000))
    refused(Good(METER_UART=None), "METER_UART is missing, there are meters")
    for key in ("pilot", "sense", "contactor"):
        refused_part(key + " is missing", **{key: None})


PSRAMS = (("ESP32", 18, (16, 17)), ("ESP32S3", 38, (33, 34, 35, 36, 37)))


def on_the_chip(psram, board, why=None):
    """The check runs on a chip, with an image of MicroPython for PSRAM or without."""
    strict_machine.chip, strict_machine.psram = board.CHIP, psram
    try:
        refused(board, why) if why else check(board)
    finally:
        strict_machine.chip, strict_machine.psram = "ESP32", False


def least(chip, **pins):
    """The least board of a chip, with `pins` elsewhere."""
    c = {"pilot": 4, "sense": 1, "contactor": 5}
    if chip == "ESP32":
        c = {"pilot": 27, "sense": 36, "contactor": 33}
    elif chip == "ESP32C3":
        c = {"pilot": 6, "sense": 1, "contactor": 7}
    c.update(pins)
    return Good(CHIP=chip, CONNECTORS=(c,), METER_UART=None)


def test_pins_that_are_the_psrams():
    """The board says that there is one; or it does not, but MicroPython is one for PSRAM."""
    for chip, free, taken in PSRAMS:
        on_the_chip(True, least(chip, pilot=free))
        for pin in taken:
            why = "connector 1: pilot: GPIO %d is the PSRAM's on this module" % pin
            board = least(chip, pilot=pin)
            on_the_chip(False, board)
            on_the_chip(True, board, why)
            board.PSRAM = True
            refused(board, why)


def test_a_board_of_another_chip():
    class Here:
        implementation = None

    check_board.sys, real = Here, check_board.sys
    try:
        for name, chip in (
            ("Generic ESP32 module with SPIRAM with ESP32", "ESP32"),
            ("TinyPICO with ESP32-PICO-D4", "ESP32"),
            ("Generic ESP32S3 module with Octal-SPIRAM with ESP32-S3", "ESP32S3"),
            ("Generic ESP32S3 module with ESP32S3", "ESP32S3"),
            ("LOLIN_S2_MINI with ESP32-S2FN4R2", "ESP32S2"),
            ("ESP32C3 module with ESP32-C3", "ESP32C3"),
            ("linux [GCC 14.2.1] version", None),
        ):
            Here.implementation = str(real.implementation).replace("linux", name)
            for other in ("ESP32", "ESP32S2", "ESP32S3", "ESP32C3"):
                if chip in (other, None):
                    on_the_chip(False, least(other))
                else:
                    why = "CHIP: it is for an %s, this is an %s" % (other, chip)
                    refused(least(other), why)
    finally:
        check_board.sys = real


# what a pin is to be: a part of connector 1, or a bus, with the pin; how the chip opens it
USES = (
    (pins.LEDC, lambda pin: {"contactor": pin}),
    (pins.OUT, lambda pin: {"phases": {"pin": pin}}),
    (pins.OUT, lambda pin: {"led": {"pins": (pin,)}}),
    (pins.IN, lambda pin: {"residual": {"fault": pin}}),
    (pins.IN | pins.PULL, lambda pin: {"button": {"pin": pin}}),
    (pins.IN | pins.PULL, lambda pin: {"s0": {"pin": pin}}),
    (pins.ADC, lambda pin: {"mcp9700": {"pin": pin}}),
    (7 | pins.PULL, lambda pin: {"ds18b20": {"pin": pin}}),
)


def test_what_is_not_refused_the_chip_can_do():
    """For every pin of every chip, and every use of it."""
    good = bad = 0
    for chip in ("ESP32", "ESP32S2", "ESP32S3", "ESP32C3"):
        for psram in (False, True):
            for use, part in USES:
                for pin in range(60):
                    board = least(chip, **part(pin))
                    board.PSRAM = psram
                    can = pins.opened(chip, psram, pin, use)[0] == pins.GOOD
                    try:
                        check(board)
                        good += 1
                        assert can, (chip, psram, use, pin)
                    except ValueError:
                        bad += not can
    assert good > 900 and bad > 1000


def test_pins_that_cannot_do_it():
    for pin, why in (
        (34, "is input only"),
        (39, "is input only"),
        (2, "is a strapping pin, which moves at reset"),
        (12, "is a strapping pin, which moves at reset"),
        (6, "belongs to the flash"),
        (11, "belongs to the flash"),
        (1, "is the console"),
        (3, "is the console"),
        (40, "does not exist"),
        (24, "does not exist"),
        (-1, "does not exist"),
    ):
        for key in ("pilot", "contactor"):
            refused_part("%s: GPIO %d %s" % (key, pin, why), **{key: pin})
        refused_part("phases: pin: GPIO %d %s" % (pin, why), phases={"pin": pin})
        lock = {"a": pin, "b": 22}
        refused_part("lock: a: GPIO %d %s" % (pin, why), lock=lock, proximity=PP)
        sensor = {"fault": 13, "test": pin}
        refused_part("residual: test: GPIO %d %s" % (pin, why), residual=sensor)
    for wrong in ("27", 27.0, True):
        refused_part("pilot: a GPIO's number is expected", pilot=wrong)
    for pin in (4, 25, 27):
        why = "GPIO %d is not of ADC1, the only one beside Wi-Fi" % pin
        refused_part("sense: " + why, sense=pin, pilot=26)
        refused_part("proximity: pin: " + why, proximity=dict(PP, pin=pin), pilot=26)
    refused_part("led: GPIO 34 is input only", led={"pins": (34,)})
    refused_part("ds18b20: pin: GPIO 35 is input only", ds18b20={"pin": 35})


def test_other_chips_have_other_pins():
    for chip, pin, why in (
        ("ESP32S2", 46, "is input only"),
        ("ESP32S2", 45, "is a strapping pin, which moves at reset"),
        ("ESP32S2", 30, "belongs to the flash"),
        ("ESP32S2", 19, "is the console"),
        ("ESP32S2", 43, "is the console"),
        ("ESP32S2", 23, "does not exist"),
        ("ESP32S3", 3, "is a strapping pin, which moves at reset"),
        ("ESP32S3", 26, "belongs to the flash"),
        ("ESP32S3", 20, "is the console"),
        ("ESP32S3", 49, "does not exist"),
        ("ESP32C3", 8, "is a strapping pin, which moves at reset"),
        ("ESP32C3", 12, "belongs to the flash"),
        ("ESP32C3", 18, "is the console"),
        ("ESP32C3", 22, "does not exist"),
    ):
        check(least(chip))
        text = "connector 1: contactor: GPIO %d %s" % (pin, why)
        refused(least(chip, contactor=pin), text)
    for chip, pin in (("ESP32S2", 12), ("ESP32S3", 12), ("ESP32C3", 5)):
        text = "connector 1: sense: GPIO %d is not of ADC1, the only one beside Wi-Fi" % pin
        refused(least(chip, sense=pin), text)
    for name, bus in (
        ("PN532", {"id": 2, "tx": 10, "rx": 3}),
        ("RC522", {"id": 2, "sck": 10, "mosi": 3, "miso": 0, "cs": 4}),
    ):
        board = least("ESP32C3")
        setattr(board, name, bus)
        refused(board, name + ": id: 1 to 1 is expected")


def test_the_grid_operators_contact():
    one = (bare(),)
    check(Good(CONNECTORS=one, DIM={"pin": 4, "live": 0, "pull": 2, "power_W": 0}))
    for data, why in (
        ({}, "pin is missing"),
        (4, "a dict is expected"),
        ({"pin": 27}, "pin: GPIO 27 is also connector 1: pilot"),
        ({"pin": 34, "pull": 2}, "GPIO 34 has no pull"),
        ({"pin": 4, "live": 2}, "live: 0 or 1 is expected"),
        ({"pin": 4, "power_W": -1}, "power_W: 0 to 100000 is expected"),
        ({"pin": 4, "mA": 6000}, "mA: there is no such key"),
    ):
        refused(Good(CONNECTORS=one, DIM=data), "DIM: " + why)


def test_pins_used_twice():
    refused_part("contactor: GPIO 27 is also connector 1: pilot", contactor=27)
    refused_part("button: pin: GPIO 33 is also connector 1: contactor", button={"pin": 33})
    refused_part(
        "lock: b: GPIO 21 is also connector 1: lock: a", lock={"a": 21, "b": 21}, proximity=PP
    )
    two = (bare(), {"pilot": 25, "sense": 36, "contactor": 32})
    refused(Good(CONNECTORS=two), "connector 2: sense: GPIO 36 is also connector 1: sense")
    uart = {"id": 2, "tx": 27, "rx": 16}
    refused(Good(METER_UART=uart), "METER_UART: tx: GPIO 27 is also connector 1: pilot")


def test_heartbeat():
    check(Good(HEARTBEAT=19))
    refused(Good(HEARTBEAT=27), "HEARTBEAT: GPIO 27 is also connector 1: pilot")
    refused(Good(HEARTBEAT=38), "HEARTBEAT: GPIO 38 is input only")
    refused(Good(HEARTBEAT={"pin": 19}), "HEARTBEAT: a GPIO's number is expected")
    why = "HEARTBEAT: GPIO 5 is a strapping pin, which moves at reset"
    refused(Good(HEARTBEAT=5), why)


def test_parts_that_are_not_as_they_should_be():
    refused_part("buzzer: there is no such part", buzzer={"pin": 4})
    refused_part("lock: a dict is expected", lock=21, proximity=PP)
    refused_part("lock: b is missing", lock={"a": 21}, proximity=PP)
    refused_part("lock: c: there is no such key", lock={"a": 21, "b": 22, "c": 4}, proximity=PP)
    refused_part("a lock needs proximity, which sees the plug", lock={"a": 21, "b": 22})
    for wrong in (99, 1001, "300"):
        lock = {"a": 21, "b": 22, "pulse_ms": wrong}
        refused_part("lock: pulse_ms: 100 to 1000 is expected", lock=lock, proximity=PP)
    for wrong in (9, 3601, 60.0):
        refused_part("phases: min_s: 10 to 3600 is expected", phases={"pin": 25, "min_s": wrong})
    refused_part("earth: pin is missing", earth={"live": 0})
    refused_part("earth: live: 0 or 1 is expected", earth={"pin": 14, "live": True + 1})
    refused_part("interlock: pin is missing", interlock={"live": 0})
    refused_part("interlock: live: 0 or 1 is expected", interlock={"pin": 14, "live": 2})
    refused_part("interlock: GPIO 35 has no pull", interlock={"pin": 35, "live": 0, "pull": 2})
    for n, loop in enumerate(({"pull": 2}, {"pull": 1}, {"live": 0, "pull": 1})):
        loop["pin"] = 14
        if n == 1:  # (the level of a closed loop is 1 if it is not said)
            check(Good(CONNECTORS=(bare(interlock=loop),)))
        else:
            why = "interlock: with this pull a broken wire is a closed loop"
            refused_part(why, interlock=loop)
            check(Good(CONNECTORS=(bare(interlock=dict(loop, ac=True)),)))
    refused_part("readback: pin is missing", readback={"live": 0})
    refused_part("readback: ac: there is no such key", readback={"pin": 14, "ac": True})
    refused_part("readback: GPIO 35 has no pull", readback={"pin": 35, "pull": 2})
    check(Good(CONNECTORS=(bare(readback={"pin": 35, "live": 0}),)))
    for loop in ({"pin": 14, "live": 0, "pull": 2}, {"pin": 35}, {"pin": 35, "live": 0}):
        check(Good(CONNECTORS=(bare(interlock=loop),)))
    loop = {"pin": 14, "live": 0}
    two = bare(interlock=loop), bare(pilot=25, sense=39, contactor=32, interlock=loop)
    why = "connector 2: interlock: pin: GPIO 14 is also connector 1: interlock: pin"
    refused(Good(CONNECTORS=two), why)
    refused_part("residual: fault is missing", residual={"test": 32})
    refused_part("residual: level: 0 or 1 is expected", residual={"fault": 34, "level": 2})
    refused_part("mirror: GPIO 35 has no pull", mirror={"pin": 35, "pull": 2})
    refused_part("button: GPIO 35 has no pull", button={"pin": 35})  # (it pulls up by itself)
    check(Good(CONNECTORS=(bare(button={"pin": 35, "pull": None}),)))
    refused_part("mirror: pull: 1 (down) or 2 (up) is expected", mirror={"pin": 4, "pull": 3})
    refused_part("led: pins: a tuple of 1 or 3 is expected", led={"pins": (2, 14)})
    refused_part("led: pins: a tuple of 1 or 3 is expected", led={"pins": 14})
    refused_part("proximity: pullup_ohm is missing", proximity={"pin": 39, "supply_mV": 3300})
    refused_part(
        "proximity: supply_mV: 1000 to 3300 is expected", proximity=dict(PP, supply_mV=5000)
    )
    refused_part(
        "proximity: 2460 ohm show as 2909 mV, the ADC ends at 2450",
        proximity=dict(PP, pullup_ohm=330),
    )
    ntc = {"pin": 39, "r25_ohm": 10000, "pullup_ohm": 10000, "supply_mV": 3300}
    check(Good(CONNECTORS=(bare(ntc=ntc),)))
    for pullup in (9900, 31000):
        refused_part(
            "ntc: pullup_ohm: one to three times r25_ohm is expected",
            ntc=dict(ntc, pullup_ohm=pullup),
        )
    refused_part("ntc: r25_ohm: 1000 to 100000 is expected", ntc=dict(ntc, r25_ohm=100))
    refused_part("two temperature sensors", ntc=ntc, ds18b20={"pin": 4})
    refused_part("s0: per_kWh: 1 to 10000 is expected", s0={"pin": 4, "per_kWh": 0})
    refused_part("meter and s0: one of them", s0={"pin": 4}, meter=1)
    for wrong in (0, 248, "1"):
        refused_part("meter: 1 to 247 is expected", meter=wrong)
    two = (bare(meter=1), {"pilot": 25, "sense": 39, "contactor": 32, "meter": 1})
    refused(Good(CONNECTORS=two), "two meters have one address")


def test_calibration():
    for zero, per_V in (("1", 1), (1330000, 102.5), (1330000, 0)):
        refused(
            Good(SENSE_ZERO_uV=zero, SENSE_PER_V_uV=per_V),
            "SENSE_ZERO_uV, SENSE_PER_V_uV: whole numbers are expected",
        )
    refused(
        Good(SENSE_ZERO_uV=1800000, SENSE_PER_V_uV=133000),
        "12 V of the pilot show as 3396 mV, the ADC is straight from 100 to 2450:"
        " SENSE_CURVE is needed",
    )
    refused(
        Good(SENSE_ZERO_uV=1000000),
        "-12 V of the pilot show as -230 mV, the ADC is straight from 100 to 2450:"
        " SENSE_CURVE is needed",
    )
    curve = ((200000, -12000), (3055000, 10500))
    check(Good(SENSE_CURVE=curve, SENSE_ZERO_uV=None))
    refused(Good(SENSE_CURVE=curve), "SENSE_CURVE and SENSE_ZERO_uV: one of them")
    for wrong, text in (
        (curve[:1], "two points or more, and no peak detector"),
        (curve + ((3055000, 11000),), "point 3 does not rise"),
        (curve + ((3100000, 10500),), "point 3 does not rise"),
        (((200000, -9000), curve[1]), "from -10500 to 10500 mV at least is expected"),
        ((curve[0], (3000000, 9000)), "from -10500 to 10500 mV at least is expected"),
    ):
        refused(Good(SENSE_CURVE=wrong, SENSE_ZERO_uV=None), "SENSE_CURVE: " + text)


def test_peak_detectors():
    check(Good(CONNECTORS=(bare(peak={"low": 39}),), MAX_mA=80000))
    check(Good(CONNECTORS=(bare(peak={"low": None}),)))
    low = {"low": 39, "zero_uV": 200000, "per_V_uV": -150000}
    check(Good(CONNECTORS=(bare(peak=low),)))
    refused_part("peak: low: a pin, or None for no diode check", peak={})
    refused_part("peak: zero_uV and per_V_uV: both or none", peak={"low": 39, "zero_uV": 1})
    refused(Good(MAX_mA=70001, CONNECTORS=(bare(),)), "MAX_mA: 6000 to 63000 is expected")


def test_buses():
    spi = {"id": 2, "sck": 18, "mosi": 23, "miso": 19, "cs": 5}
    hsu = {"id": 1, "tx": 18, "rx": 19}
    for good in ({"RC522": spi}, {"PN532": hsu}):
        check(Good(**good))
    refused(Good(RC522={"id": 2, "sck": 18}), "RC522: cs is missing")
    refused(Good(RC522=dict(spi, cs=35)), "RC522: cs: GPIO 35 is input only")
    check(Good(PN532=dict(hsu, rx=37)))
    refused(Good(PN532=dict(hsu, tx=37)), "PN532: tx: GPIO 37 is input only")
    refused(Good(PN532=dict(hsu, id=2)), "METER_UART and PN532 are one UART")
    for id in (0, 3, "1"):
        refused(Good(PN532=dict(hsu, id=id)), "PN532: id: 1 to 2 is expected")
    refused(Good(METER_UART={"id": 2, "tx": 17}), "METER_UART: rx is missing")
    refused(
        Good(METER_UART={"id": 2, "tx": 17, "rx": 16, "rts": 26}),
        "METER_UART: rts: there is no such key",
    )
    check(Good(METER_UART={"id": 2, "tx": 17, "rx": 16, "baud": 2400}))
