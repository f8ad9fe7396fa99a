"""What profiles, the evaluator and the journal cost: the scripts in mp/ on LittleFS over a flash
in RAM."""

import json

import bench
from bench import measurement, micropython
from host.build import ROOT, build


def script(name):
    """The figures that mp/NAME.py prints."""
    tree = build(ROOT / "build/bench", constants=False)  # (the scripts name them)
    path = tree, tree / "lib", ROOT / "tests/unit", ROOT / "tools/bench/mp"
    words = ["quick"] if bench.quick else []
    run = f"import sys; sys.argv.extend({words}); import {name}"
    figures = json.loads(micropython(run, heap="8M", path=path))
    return {key: round(value, 3) for key, value in figures.items()}


@measurement
def evaluator():
    """Evaluator.at and Composite by profiles x periods, horizon and anchor. Times are this
    machine's, about 100 to 160 times shorter than an ESP32's."""
    return script("bench_evaluator")


@measurement
def profiles():
    """Flash and RAM per profile, the wear of SetChargingProfile, a boot with all of them."""
    return script("bench_store")


@measurement
def journal():
    """us, erases, bytes programmed and reads of the flash for each start, sample and stop:
    append_alone_* on an empty flash, append_* for the 99 transactions after it while the Central
    System is away, answered_* when it has taken them. Each lasts an hour, with a sample a minute;
    live_*: RAM that all that wait take. Erases count joins of small files. Most
    of the time goes into the flash, which is in RAM and in Python: an ESP32's differs."""
    return script("bench_journal")
