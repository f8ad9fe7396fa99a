"""make bench: every measurement still runs. What it measures is not looked at, for that depends
on the machine; each does the least work with which all of its code runs (--quick)."""

import asyncio
import json
import os
import signal
import sys

from station_driver import share

import bench
from bench.__main__ import load
from host.build import ROOT
from host.romfs import build_image, build_simulator_image

AT_ONCE = 4  # much of it is waiting


async def measure(name, turn):
    """What the measurement says, or {"error": ...}."""
    async with turn:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench", "--quick", "--only", name,
            env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            out, said = await process.communicate()
        finally:
            if process.returncode is None:  # the test has been given up
                process.send_signal(signal.SIGINT)
    try:
        return json.loads(out)[name]
    except (ValueError, KeyError):
        return {"error": f"exit {process.returncode}: {said.decode()}"}


async def test_every_measurement_runs(micropython32):
    build_image(), build_simulator_image()  # (not by all of them at the same time)
    load()
    turn = asyncio.Semaphore(AT_ONCE)
    names = share(bench.MEASUREMENTS)
    values = await asyncio.gather(*[measure(name, turn) for name in names])
    results = dict(zip(names, values, strict=True))
    print(json.dumps(results, indent=2))
    assert bench.failed(results) == []
    assert len(results) > 3


def test_a_measurement_that_fails_is_told(monkeypatch):
    def broken():
        raise ValueError("no figure")

    monkeypatch.setattr(bench, "MEASUREMENTS", {"broken": broken, "port": lambda: {"bytes": 4}})
    results = bench.measure(["broken", "port"])
    assert results == {"broken": {"error": "ValueError: no figure"}, "port": {"bytes": 4}}
    results["table"] = {"one": 1, "two": {"error": "x"}, "none": None}
    assert bench.failed(results) == ["broken", "table.two", "table.none"]
