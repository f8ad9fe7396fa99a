"""The ESP32-S2-DA board of the project esp32-evse (dzurikmiroslav). Never run on hardware by us.

fact                                     from
pins                                     its cfg/esp32s2da/board.yaml
1330 mV at 0 V, 102.5 mV per volt        calculated from the wiki's levels, as in ee_devkitc.py
1 kohm to 3.3 V at the proximity pin     calculated from its levels; measure yours
fault output high when tripped           chosen here, as in its documented sensor; verify
three phases, 32 A, SDM630 at address 1  chosen here (its own six ADC channels need C code)

Left out: the sensor's test on GPIO 26, which MicroPython's image for the S2 keeps for the PSRAM,
whether there is one or not: press the sensor's own button. And the lock on GPIO 20 and 19. These
are the S2's USB lines, and MicroPython's firmware has its console there, which pulls one of them
up: the motor would run. A socket needs one without USB first, then {"lock": {"a": 20, "b": 19,
"sense": 34}} and a change of check_board.py."""

CHIP = "ESP32S2"
CONNECTORS = (
    {
        "pilot": 33,
        "sense": 4,
        "contactor": 21,
        "meter": 1,
        "proximity": {"pin": 3, "pullup_ohm": 1000, "supply_mV": 3300},
        "residual": {"fault": 41, "level": 1},
        "ds18b20": {"pin": 42},
        "led": {"pins": (37, 35, 36)},  # the lamps "error", "Wi-Fi", "charging"
        "button": {"pin": 0},
    },
)
MAX_mA = 32000
PHASES = 3
METER_UART = {"id": 1, "tx": 38, "rx": 40, "de": 39}
SENSE_ZERO_uV = 1330000
SENSE_PER_V_uV = 102500
