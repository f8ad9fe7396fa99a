"""What Evaluator.at and Composite cost. MicroPython; prints one JSON object."""

import gc
import json
from collections import OrderedDict

from bench_flash import DAY, LATER, T, a_flash, a_store, best_us, counted, live, place, put

from firmware.charging import profile
from firmware.charging.composite import Composite
from firmware.charging.schedule import Evaluator

ALL = 10000  # more room than any answer needs
YEARS_s = 20 * 31557600
out = OrderedDict()


class Counting(Evaluator):
    calls = 0

    def at(self, connector, t, tx_start, in_transaction=True, rate=0):
        self.calls += 1
        Evaluator.at(self, connector, t, tx_start, in_transaction, rate)


def walked(i, n, periods, **more):
    """Only the last of `n` is valid yet: every question walks over all of them."""
    i = i if i < n // 2 else i - n // 2 + 16 + (16 - (n - n // 2))
    if i < 31:
        more["valid_from"] = LATER
    return place(i, periods, **more)


def in_turn(i, n, periods):
    """Each of `n` decides for its share of the day."""
    k = 32 * i // n
    return place(k, periods, valid_to=None if i == n - 1 else T + DAY * (i + 1) // n)


def install(make, n, periods, **more):
    """-> flash, store"""
    chip = a_flash()
    store = a_store()
    for i in range(n):
        put(store, make(i, n, periods, **more))
    return chip, a_store()


def day(evaluator, duration_s=DAY, room=96, t=T):
    c = Composite(evaluator, (1,), t, duration_s, [t, t], [False, True], [0, 320], 0, room)
    while c.steps(ALL):
        pass
    return c


def many(evaluator, t):
    for _ in range(100):
        evaluator.at(1, t, T)
        t += 977


def loop(evaluator, t):
    for _ in range(100):
        t += 977


def at_us(evaluator):
    least = best_us(many, evaluator, T, count=15) - best_us(loop, evaluator, T, count=15)
    return least / 100


def calls(store, *args):
    counting = Counting(store)
    day(counting, *args)
    return counting.calls


def by_number(n, periods):
    tail = f"_{n}x{periods}"
    _, store = install(walked, n, periods)
    evaluator = Evaluator(store)
    many(evaluator, T)
    gc.collect()
    before = gc.mem_alloc()
    many(evaluator, T)
    out["at_heap_bytes" + tail] = (gc.mem_alloc() - before) / 100
    out["at_us" + tail] = at_us(evaluator)
    gc.collect()
    before = gc.mem_alloc()
    answer = day(evaluator)
    out["composite_24h_heap_bytes" + tail] = gc.mem_alloc() - before
    out["composite_24h_periods" + tail] = len(answer.out) // 3
    out["composite_24h_at_calls" + tail] = calls(store)
    out["composite_24h_us" + tail] = best_us(day, evaluator)
    answer = None

    # Periods come from flash, and stay until trim().
    chip, store = install(in_turn, n, periods)
    evaluator = Evaluator(store)
    start = live()
    _, _, reads, _ = counted(chip, day, evaluator, DAY, ALL)
    tail = "_in_turn" + tail
    out["composite_24h_live_until_trim_bytes" + tail] = live() - start
    out["composite_24h_flash_reads" + tail] = reads
    out["composite_24h_at_calls" + tail] = calls(store, DAY, ALL)
    out["composite_24h_us" + tail] = best_us(day, evaluator, DAY, ALL)
    store.trim()
    store.trim()


def by_horizon():
    _, store = install(walked, 1, 96)
    evaluator = Evaluator(store)
    for room, name in ((ALL, "all_periods"), (96, "room_96")):
        count = [calls(store, days * DAY, room) for days in (1, 7)]
        took = [best_us(day, evaluator, days * DAY, room) for days in (1, 7)]
        out["composite_at_calls_1d_" + name] = count[0]
        out["composite_at_calls_7d_" + name] = count[1]
        out["composite_us_1d_" + name] = took[0]
        out["composite_us_7d_" + name] = took[1]
        out["composite_time_7d_over_1d_" + name] = took[1] / took[0]


def by_anchor(kind, name):
    figures = []
    for start in (T - DAY, T - YEARS_s):
        # (an Absolute one is 24 hours long: what is left of it is its last period, for ever)
        _, store = install(walked, 1, 96, start=start, kind=kind)
        evaluator = Evaluator(store)
        many(evaluator, T)
        figures.append((at_us(evaluator), best_us(day, evaluator, times=20), calls(store)))
    near, far = figures
    out["at_time_20_years_over_yesterday_" + name] = far[0] / near[0]
    out["composite_time_20_years_over_yesterday_" + name] = far[1] / near[1]
    out["composite_at_calls_yesterday_" + name] = near[2]
    out["composite_at_calls_20_years_" + name] = far[2]


def no_change():
    """The most work that a request can ask for: many steps that change nothing, as the hardware
    gives less than any of them."""
    _, store = install(above, 32, 96)
    evaluator = Evaluator(store)
    answer = day(evaluator, 20 * DAY)
    out["composite_longest_periods_32x96"] = len(answer.out) // 3
    out["composite_longest_at_calls_32x96"] = calls(store, 20 * DAY)
    out["composite_longest_us_32x96"] = best_us(day, evaluator, 20 * DAY, count=3)


def above(i, n, periods):
    w = walked(i, n, periods)
    for k in range(profile.HEADER + 1, len(w), 2):
        w[k] += 1000
    return w


for n, periods in ((16, 24), (1, 96), (8, 96), (32, 96)):
    by_number(n, periods)
for what in ("at_us", "composite_24h_us", "composite_24h_us_in_turn"):
    for n in (8, 32):
        grown = out[f"{what}_{n}x96"] / out[f"{what}_1x96"]
        out[what.replace("_us", "_time") + f"_growth_{n}_over_1_profiles"] = grown
by_horizon()
by_anchor(profile.RECURRING, "daily")
by_anchor(profile.ABSOLUTE, "absolute")
no_change()
print(json.dumps(out))
