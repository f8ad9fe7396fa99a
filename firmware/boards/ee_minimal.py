"""The minimal ESP32 board of the project esp32-evse (dzurikmiroslav): pilot and relay, no meter.
Never run on hardware by us.

fact                                     from
pins                                     its cfg/esp32minimal/board.yaml
1330 mV at 0 V, 102.5 mV per volt        calculated from its levels 2410 2104 1797 1491 mV
                                         (10.5 to 1.5 V) and 265 mV (-10.5 V); calibrate yours
one phase, 32 A                          chosen here"""

CHIP = "ESP32"
CONNECTORS = ({"pilot": 33, "sense": 35, "contactor": 32, "button": {"pin": 0}},)
MAX_mA = 32000
PHASES = 1
SENSE_ZERO_uV = 1330000
SENSE_PER_V_uV = 102500
