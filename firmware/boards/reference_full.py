"""The reference map with every part but interlock and readback (no pin is left): a socket with
lock, for a plain ESP32-WROOM (wrover_full.py: with PSRAM). A proposal, never run on hardware.

GPIO       use                                why there
27 33 36   pilot, contactor, pilot sense      as in reference.py
16/17      RS485 to the meter, RX/TX          UART2's own pins; 26 drives its direction
25         contactor of L2 and L3             external pull-down, as on 33
39         proximity                          ADC1; 1 kohm to 3.3 V
34 / 32    residual current: fault / test     34 is input only and has no pulls: an external
                                              pull-up, so that a broken wire is a fault
35         load side of the contactor         an opto-coupler that pulls low when it is live;
                                              external pull-up
21 / 22    lock motor, to lock / to unlock    external pull-downs on the H-bridge
13         switch of the bolt                 closed (low) when locked
4          DS18B20                            external 4.7 kohm to 3.3 V
18 19 23 5 RC522: SCK MISO MOSI CS            VSPI's own pins; CS rests high, as GPIO 5 wants it
14         protective earth                   the contact of its monitor, or an opto-coupler
                                              with a capacitor: low while it is there
2 12 15    lamp: red, green, blue             they blink at reset, which a lamp may; to ground,
                                              so that 12 is low then, as the flash wants it
0          button                             the module's BOOT button"""

from .reference import *  # noqa: F403

CONNECTORS = (
    dict(
        CONNECTORS[0],  # noqa: F405
        phases={"pin": 25},
        proximity={"pin": 39, "pullup_ohm": 1000, "supply_mV": 3300},
        residual={"fault": 34, "level": 1, "test": 32},
        mirror={"pin": 35, "live": 0},
        earth={"pin": 14, "live": 0, "pull": 2},
        lock={"a": 21, "b": 22, "sense": 13, "locked": 0, "pull": 2, "pulse_ms": 600},
        ds18b20={"pin": 4},
        led={"pins": (2, 12, 15)},
        button={"pin": 0},
    ),
)
METER_UART = {"id": 2, "tx": 17, "rx": 16, "de": 26}
RC522 = {"id": 2, "sck": 18, "mosi": 23, "miso": 19, "cs": 5}
