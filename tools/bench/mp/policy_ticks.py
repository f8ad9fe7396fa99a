"""A policy.py for a measurement: once a second it says how many times the pilot was sampled, how
often later than 50 ms after the time before, and the longest such gap."""

import utime

count = late = worst = before = 0
sampled = None


def sample():
    global count, late, worst, before
    now = utime.ticks_us()
    gap = utime.ticks_diff(now, before)
    before = now
    count += 1
    late += gap > 50000
    worst = max(worst, gap)
    sampled()


def local_limit(now_s, station):
    global sampled, before, count, late, worst
    if sampled is None:
        from firmware import start

        line = start.unit.outlets[0].line
        sampled, line.sample = line.sample, sample
        before = utime.ticks_us()
    print(f"ticks {count} late {late} gap_us {worst}")
    count = late = worst = 0
