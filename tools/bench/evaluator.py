"""What the evaluator costs, on the 32-bit port: 16 profiles of 24 periods, as budgeted."""

import json

from bench import measurement, micropython
from host.build import build

SCRIPT = """
import gc, json, time
from firmware.charging import profile
from firmware.charging.schedule import Evaluator, composite

class Store:
    def __init__(self, records):
        self.records = records
    def whole(self, w):
        return w

DAY = 86400
def make(n, periods):
    # (levels of a Daily TxDefaultProfile; the upper half is not valid yet, so that it is walked)
    out = []
    for i in range(n):
        steps = [(DAY // periods * k, 60 + (k * 7 + i) % 260, 0) for k in range(periods)]
        out.append(profile.pack(
            i, 1, (n - 1 - i) % 16, profile.TX_DEFAULT, profile.RECURRING, steps, start=0,
            valid_from=300000000 if i < n // 2 else 0,
        ))
    return out

result = {}
for n, periods in ((1, 24), (16, 24), (32, 96)):
    ev = Evaluator(Store(make(n, periods)))
    t = 217332000
    ev.at(1, t, t)
    gc.collect()
    before = gc.mem_alloc()
    began = time.ticks_us()
    for i in range(1000):
        ev.at(1, t + 97 * i, t)
    took = time.ticks_diff(time.ticks_us(), began)
    bytes_each = (gc.mem_alloc() - before) // 1000
    began = time.ticks_us()
    out = composite(ev, (1,), t, DAY, [t, t], [False, True], [0, 320], 0, 96)
    composite_us = time.ticks_diff(time.ticks_us(), began)
    result["%d x %d" % (n, periods)] = {
        "at_us": took / 1000, "at_bytes": bytes_each,
        "composite_24h_us": composite_us, "composite_periods": (len(out) - 1) // 3,
    }
print(json.dumps(result))
"""


@measurement
def evaluator():
    """limit_at and a 24-hour composite by number of profiles and periods; the time is this
    machine's, about 100 to 160 times shorter than an ESP32's (micropython.md 8)."""
    return json.loads(micropython(SCRIPT, path=(build(),)))
