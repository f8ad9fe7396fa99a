# Runs the firmware. How a run may end, and that the outputs are safe then: firmware/start.py.
import sys

if sys.implementation.version[:3] < (1, 26, 1):
    print(
        "Pilotwire needs MicroPython 1.26.1 or newer, this is %d.%d.%d: see docs/flashing.md"
        % sys.implementation.version[:3]
    )
else:
    from firmware import start

    start.run()
