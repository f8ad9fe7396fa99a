"""Sizes and speeds of the firmware as one JSON object: `make bench`, `python -m bench --only X`.

A measurement is a function without arguments that returns what JSON can say. It lives in any
module of this package, under @measurement, and its name is the key in the output. What it repeats
it repeats rounds(n) times: with --quick, which tests/system/test_bench.py uses, once.
"""

import os
import shutil
import subprocess

from host.build import ROOT

MICROPYTHON = os.environ.get("MICROPYTHON") or str(ROOT / ".venv/bin/micropython")
MICROPYTHON32 = os.environ.get("MICROPYTHON32") or str(ROOT / "build/micropython32/micropython32")
MICROPYTHON_ESP = os.environ.get("MICROPYTHON_ESP") or str(
    ROOT / "build/micropython-esp/micropython-esp"
)
# Whose figures of memory count; where it is the 64-bit port, objects are larger than the ESP32's.
PORT = MICROPYTHON32 if shutil.which(MICROPYTHON32) else MICROPYTHON

# So many times slower than this PC is an ESP32, at 160 and at 240 MHz: by six of MicroPython's own
# benchmarks, whose times on a chip were published (100 to 130 and 67 to 87). Never measured here.
CHIP_160, CHIP_240 = 115, 77

MEASUREMENTS = {}
quick = False  # the least work with which every measurement still runs; the figures say little


def rounds(n, least=1):
    """How often to do what makes a figure trustworthy when it is done `n` times."""
    return least if quick else n


def measurement(function):
    MEASUREMENTS[function.__name__] = function
    return function


def micropython(script, *, exe=PORT, heap="1M", path=(), timeout=60):
    """The output of `script` in a fresh interpreter; RuntimeError if that fails."""
    command = [exe, "-X", f"heapsize={heap}", "-c", script]
    env = {**os.environ, "MICROPYPATH": ":".join([*map(str, path), ".frozen"])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError((done.stdout + done.stderr).strip() or f"exit {done.returncode}")
    return done.stdout


@measurement
def port():
    """What the figures of memory are for."""
    return {"word_bytes": 4 if int(micropython("import sys; print(sys.maxsize)")) < 2**31 else 8}


def min_heap(works, low=8 << 10, high=512 << 10, step=256):
    """The smallest heap in bytes, to within `step`, for which works(bytes) is true.

    works() gets the number for -X heapsize= and says whether the program ran well with it. None:
    not even `high` is enough.
    """
    if not works(high):
        return None
    while not quick and high - low > step:
        middle = (low + high) // 2
        if works(middle):
            high = middle
        else:
            low = middle
    return high


def measure(names):
    """Runs the named measurements; one that fails has {"error": ...} for its value."""
    results = {}
    for name in names:
        try:
            results[name] = MEASUREMENTS[name]()
        except Exception as error:  # one broken measurement must not hide the others
            results[name] = {"error": f"{type(error).__name__}: {error}"}
    return results


def failed(results):
    """Names of what measure() could not measure, also of parts: ["heap_import.firmware.app"]."""
    names = []
    for name, value in results.items():
        if value is None or name == "error":
            names.append(name)
        elif isinstance(value, dict):
            inner = failed(value)
            names += [name] if "error" in inner else [f"{name}.{n}" for n in inner]
    return names
