"""The map of reference_full.py for an ESP32 with PSRAM (WROVER), where 16 and 17 are the
PSRAM's. A proposal, never run on hardware by its authors.

GPIO  use                               why there
15/2  RS485 to the meter, RX/TX         the lamp's in reference_full.py. 2 has to be low or open
                                        when the flash is written over the serial line: no pull-up
                                        at the transceiver's DI; 26 drives its direction
12    lamp, one colour                  to ground, so that 12 is low at reset, as the flash wants
else  as in reference_full.py"""

from .reference_full import *  # noqa: F403

PSRAM = True
CONNECTORS = (dict(CONNECTORS[0], led={"pins": (12,)}),)  # noqa: F405
METER_UART = {"id": 2, "tx": 2, "rx": 15, "de": 26}
