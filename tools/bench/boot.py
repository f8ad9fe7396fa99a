"""How soon after a reset the outputs are safe, in the chip's milliseconds."""

from bench import CHIP_160, CHIP_240, measurement, micropython, rounds
from host.build import ROOT

# As the board has it: boot.py is read and compiled, then it drives what /safe says: here a unit of
# four connectors with a lock each. The least of all runs is the one that nothing has disturbed.
SCRIPT = """
import io, sys, time

class Pin:
    OUT = 3
    def __init__(self, id, mode, *, value):
        pass

class machine:
    PWRON_RESET, Pin = 1, Pin
    reset_cause = lambda: 3

class pick:
    pass

sys.modules["machine"], sys.modules["pick"] = machine, pick
safe = " ".join(["%02d%d" % (pin, pin > 30) for pin in range(20, 36)])
space = dict(open=lambda path: io.StringIO(safe))
least_us = 1 << 30
for _ in range({rounds}):
    sys.modules["pick"] = pick
    begin = time.ticks_us()
    with open({path!r}) as f:
        exec(compile(f.read(), "boot.py", "exec"), dict(space))
    least_us = min(least_us, time.ticks_diff(time.ticks_us(), begin))
print(least_us)
"""


@measurement
def boot_to_safe():
    """Without the flash's reads, which are two files of under 1 KB: some 2 ms more."""
    host_us = int(micropython(SCRIPT.format(rounds=rounds(500, 20), path=str(ROOT / "boot.py"))))
    return {
        "host_us": host_us,
        "esp32_160_ms": host_us * CHIP_160 / 1000,
        "esp32_240_ms": host_us * CHIP_240 / 1000,
    }
