"""SmartEVSE v3.0 (not 3.1: its lock and RS485 are elsewhere). Never run on hardware by us.

fact                                     from
pins                                     SmartEVSE-3/src/esp32.h
the curve of the sense pin               its decision levels 1600 2000 2400 2735 3055 mV, taken
                                         for -1.5 1.5 4.5 7.5 10.5 V, and 200 mV (its 100 to
                                         300 mV) for -12 V; calibrate yours
1 kohm to 3.3 V at the proximity pin     calculated from its 1.3 / 0.6 / 0.3 V at 680 / 220 / 100
                                         ohm
fault output high when tripped, no test  its code, which tests the sensor by hand only
lock: high when locked, 600 ms           its code, for the motor type
second contactor switches L2 and L3      its C2 menu; how yours is wired is for you to see
32 A, Eastron SDM630 at address 10       chosen here (10 is its default address of the EV meter)

What 3055 mV means: the ESP32's ADC is straight up to 2450 mV only, and ends near 3150 mV. B, A
and half of C lie above. With zero and slope alone, a saturated 12 V would read as 10 V: an
unplugged car as plugged. So this board is calibrated point by point (drivers/curved_line.py)
through the levels at which its own firmware decides. Expect errors of some 100 mV at the ADC
above 2450 mV, which is 1 V of the pilot: less than the 1.5 V to the next decision, but it is
what the margin is for. Have a resistor changed rather than trust it: 12 V at 2450 mV.

Not driven: CPOFF (15), which cuts the pilot off; display (33 25 26 14 5), switch (16).
The lamp's blue is on GPIO 12, which sets the flash's voltage at reset: as built."""

CHIP = "ESP32"
CONNECTORS = (
    {
        "pilot": 19,
        "sense": 39,
        "contactor": 32,
        "meter": 10,
        "phases": {"pin": 27},
        "proximity": {"pin": 34, "pullup_ohm": 1000, "supply_mV": 3300},
        "residual": {"fault": 13, "level": 1},
        "lock": {"a": 17, "b": 18, "sense": 35, "locked": 1, "pulse_ms": 600},
        "mcp9700": {"pin": 36},
        "led": {"pins": (2, 4, 12)},
        "button": {"pin": 0},
    },
)
MAX_mA = 32000
PHASES = 3
METER_UART = {"id": 1, "tx": 21, "rx": 23, "de": 22}
SENSE_CURVE = (
    (200000, -12000),
    (1600000, -1500),
    (2000000, 1500),
    (2400000, 4500),
    (2735000, 7500),
    (3055000, 10500),
)
