"""Reference map for an ESP32, with PSRAM (WROVER) or without (WROOM), one outlet: pilot,
contactor, meter. A proposal, never run on hardware by its authors. reference_full.py has every
part.

GPIO  use                               why there
27    pilot PWM, to the +-12 V driver   free, not a strapping pin
33    contactor                         stays low at power-on (26 and 27 are said to twitch)
36    pilot sense                       ADC1 (ADC2 is dead while Wi-Fi is on), input only
13/23 RS485 to the meter, RX/TX         UART2; 26 drives its direction

Calibration: what the sense pin shows at 0 V of the pilot, and per volt of it."""

CHIP = "ESP32"
CONNECTORS = ({"pilot": 27, "sense": 36, "contactor": 33, "meter": 1},)
MAX_mA = 32000  # what contactor, wiring and connector are built for
PHASES = 3
METER_UART = {"id": 2, "tx": 23, "rx": 13, "de": 26}
SENSE_ZERO_uV = 1330000
SENSE_PER_V_uV = 102500
