"""What profiles and the evaluator cost: the scripts in mp/ on LittleFS over a flash in RAM."""

import json

from bench import measurement, micropython
from host.build import ROOT, build


def script(name):
    """The figures that mp/NAME.py prints."""
    tree = build()
    path = tree, tree / "lib", ROOT / "tests/unit", ROOT / "tools/bench/mp"
    figures = json.loads(micropython(f"import {name}", heap="8M", path=path))
    return {key: round(value, 3) for key, value in figures.items()}


@measurement
def evaluator():
    """Evaluator.at and composite() by profiles x periods, horizon and anchor. Times are this
    machine's, about 100 to 160 times shorter than an ESP32's (micropython.md 8)."""
    return script("bench_evaluator")


@measurement
def profiles():
    """Flash and RAM per profile, the wear of SetChargingProfile, a boot with all of them."""
    return script("bench_store")
