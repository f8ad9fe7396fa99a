"""One tick of the electrical side while a car charges. MicroPython; prints one JSON object.

The chip is made of constants, which cost next to nothing: the figures are the firmware's.
"""

import asyncio  # noqa: F401  (these while there is the real time)
import gc
import json
import micropython
import sys
from collections import OrderedDict
from time import clock, ticks_diff

import uwebsockets  # noqa: F401

TIMES, ROUNDS = 1000, 1 if "quick" in sys.argv else 15
PILOT, SENSE, CONTACTOR, RESIDUAL, TEST, LIVE = 27, 36, 33, 34, 32, 35  # as on both boards
HIGH_uV, LOW_uV = 1945000, 100000  # of the sense pin: state C, -12 V
CABLE_uV = 600000  # 220 ohm
levels = {LIVE: 1, TEST: 0, 0: 1}


class Pin:
    IN = OUT = PULL_UP = IRQ_RISING = IRQ_FALLING = 1

    def __init__(self, id, mode=-1, pull=-1, value=None):
        self.id = id
        levels.setdefault(id, 0)

    def __call__(self, value=None):
        if value is None:
            return levels[self.id]
        levels[self.id] = value

    def irq(self, handler, trigger):
        pass


class PWM:
    def __init__(self, pin, freq, duty_u16):
        self._pin = pin.id
        self.duty_u16(duty_u16)

    def duty_u16(self, duty):
        levels[self._pin] = duty

    def freq(self):
        return 1000


_us = 0  # what the burst's own clock shows


def looked():
    global _us
    _us = (_us + 8) & 0x3FFFFFFF
    return _us


class ADC:
    ATTN_11DB = 3

    def __init__(self, pin, atten):
        self._sense = pin.id == SENSE
        self._low = False

    def read_uv(self):
        global _us
        if not self._sense:
            return CABLE_uV
        self._low = not self._low
        _us += 83
        return LOW_uV if self._low and 0 < levels[PILOT] < 65535 else HIGH_uV


class UART:
    def __init__(self, *a, **kw):
        pass


class Timer:
    def __init__(self, id):
        pass

    def init(self, period, callback):
        pass


class OneWire:
    """25 degC."""

    def __init__(self, pin):
        self._data = b"\x90\x01\x4b\x46\x7f\xff\x10\x10\x00"
        self._at = -1

    def reset(self):
        self._at = -1
        return True

    def writebyte(self, value):
        pass

    def readbyte(self):
        self._at += 1
        return self._data[self._at]

    def crc8(self, data):
        return 0


class Chip:
    """The modules machine, onewire and time; 25 ms pass from tick to tick."""

    Pin, PWM, ADC, UART, OneWire, Timer = Pin, PWM, ADC, UART, OneWire, Timer
    PWRON_RESET = 1
    ms = 2**30 - 20000  # ticks wrap soon

    def reset_cause(self):
        return 5


chip = Chip()
chip.ticks_ms = lambda: chip.ms
chip.ticks_diff = ticks_diff
chip.ticks_us = looked
for name in ("machine", "esp32", "network", "onewire", "time"):
    sys.modules[name] = chip

from firmware import config, fitting  # noqa: E402
from firmware.app.tasks import Ticker  # noqa: E402
from firmware.boards import reference, reference_full  # noqa: E402
from firmware.charging import limits  # noqa: E402
from firmware.station import connector  # noqa: E402

out = OrderedDict()


class Unit:
    """One connector that charges, and its ticks."""

    def __init__(self, board):
        self.config = config.check({"url": "ws://c", "id": "B"})
        fit, pins = fitting.Fitting(board, self.config, False), board.CONNECTORS[0]
        self.unit = fit.outlet(pins)
        slots = limits.Limits(board.MAX_mA)
        self.connector = connector.Connector(1, self.unit, slots, None, None)
        fit.lamp(self.unit, pins, self.connector)
        self.ticker = Ticker([self.unit], [self.connector])
        self.controller, self.overcurrent = self.connector.controller, self.unit.overcurrent
        self.connector.allow_mA = 16000
        for _ in range(4000):
            self.tick()
        c = self.controller
        if not c.closed or c.fault or c.pilot_mA != 16000:
            raise ValueError((c.closed, c.fault, c.pilot_mA, c.state))

    def tick(self):
        levels[RESIDUAL] = levels[TEST]  # it trips while it is tested
        levels[LIVE] = 0 if levels[CONTACTOR] else 1
        if self.overcurrent:
            self.overcurrent.readings += 1
        chip.ms = (chip.ms + 25) & (2**30 - 1)
        self.ticker.tick(None)


def cost(name, function, arg):
    """us of CPU and bytes of one of the TIMES that function(arg) does it; nothing may be
    allocated."""
    least = 1e9
    for _ in range(ROUNDS):
        gc.collect()
        began = clock()
        function(arg)
        least = min(least, 1e6 * (clock() - began))
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    function(arg)
    out[name + "_heap_bytes"] = (gc.mem_alloc() - before) / TIMES
    gc.enable()
    out[name + "_us"] = least / TIMES
    micropython.heap_lock()  # (also what would be freed at once)
    try:
        function(arg)
    finally:
        micropython.heap_unlock()


def controller(c):
    now_ms = c._last_ms
    for _ in range(TIMES):
        now_ms = (now_ms + 25) & (2**30 - 1)
        c.tick(now_ms, 6000, -12000, 16000)


def drivers(devices):
    for _ in range(TIMES):
        for device in devices:
            device.update()


def sample(line):
    for _ in range(TIMES):
        line.sample()


def whole(unit):
    for _ in range(TIMES):
        unit.tick()


reference.CONNECTORS = ({"pilot": PILOT, "sense": SENSE, "contactor": CONTACTOR},)
for board, parts in ((reference, "without_parts"), (reference_full, "all_parts")):
    u = Unit(board)
    cost("whole_tick_" + parts, whole, u)
    cost("drivers_" + parts, drivers, u.unit.devices)
    cost("pilot_sample_" + parts, sample, u.unit.line)
    cost("controller_" + parts, controller, u.controller)
u.unit.line.set(6554)
cost("pilot_sample_6_A", sample, u.unit.line)
u.unit.line.set(65535)
cost("pilot_sample_no_pwm", sample, u.unit.line)
out["parts"] = len(u.controller.parts)
out["drivers"] = len(u.unit.devices)
print(json.dumps(out))
