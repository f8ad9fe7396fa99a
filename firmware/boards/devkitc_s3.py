"""A map for the ESP32-S3-DevKitC-1 with PSRAM (N8R2, N8R8, N16R8), one outlet: pilot, contactor,
meter. A proposal, never run on hardware by its authors. No strapping pin, USB, console, flash or
PSRAM is used.

GPIO  use                               why there
4     pilot PWM, to the +-12 V driver
5     contactor                         external pull-down
1     pilot sense                       ADC1
18/17 RS485 to the meter, RX/TX         UART1; 8 drives its direction
21    heartbeat                         for the monostable in the coil's supply, if there is one"""

from .reference import *  # noqa: F403

CHIP = "ESP32S3"
PSRAM = True
CONNECTORS = ({"pilot": 4, "sense": 1, "contactor": 5, "meter": 1},)
METER_UART = {"id": 1, "tx": 17, "rx": 18, "de": 8}
HEARTBEAT = 21
