"""Sizes and speeds of the firmware as one JSON object: `make bench`, `python -m bench --only X`.

A measurement is a function without arguments that returns what JSON can say. It lives in any
module of this package, under @measurement, and its name is the key in the output.
"""

import os
import shutil
import subprocess

from host.build import ROOT

MICROPYTHON = os.environ.get("MICROPYTHON") or str(ROOT / ".venv/bin/micropython")
MICROPYTHON32 = os.environ.get("MICROPYTHON32") or str(ROOT / "build/micropython32/micropython32")
# Whose figures of memory count; where it is the 64-bit port, objects are larger than the ESP32's.
PORT = MICROPYTHON32 if shutil.which(MICROPYTHON32) else MICROPYTHON

MEASUREMENTS = {}


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
    while high - low > step:
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
