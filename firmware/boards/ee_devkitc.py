"""The ESP32-DevKitC board of the project esp32-evse (dzurikmiroslav). Never run on hardware by us.

fact                                     from
pins, and that there is one relay        its cfg/esp32devkitc/board.yaml
1330 mV at 0 V, 102.5 mV per volt        calculated from its wiki: 2560 2251 1948 1636 mV at
                                         12, 9, 6, 3 V; calibrate yours
1 kohm to 3.3 V at the proximity pin     calculated from its levels 1650 820 430 mV; verify
one phase, 32 A, SDM120 at address 1     chosen here: the board has one channel of current and
                                         voltage, which only C code could sample

Its relay is on GPIO 26, of which some report a twitch at power-on. It has neither a residual
current sensor nor a lock: for a fixed cable, behind a type B residual current device."""

CHIP = "ESP32"
CONNECTORS = (
    {
        "pilot": 27,
        "sense": 36,
        "contactor": 26,
        "meter": 1,
        "proximity": {"pin": 39, "pullup_ohm": 1000, "supply_mV": 3300},
        "ds18b20": {"pin": 16},
        "led": {"pins": (18, 17, 19)},  # the lamps "error", "Wi-Fi", "charging"
        "button": {"pin": 0},
    },
)
MAX_mA = 32000
PHASES = 1
METER = "sdm120"
METER_UART = {"id": 1, "tx": 25, "rx": 32, "de": 33}
SENSE_ZERO_uV = 1330000
SENSE_PER_V_uV = 102500
