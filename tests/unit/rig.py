# What the unit tests stand on: levels of the pilot, a wall in virtual time, random choices.

import binascii
import micropython
import os
import random
import sys

sys.path.append("tools")

from sim.wall import Wall

TICK_ms = 25
PINS = (
    {"pilot": 27, "sense": 36, "contactor": 33, "meter": 1},
    {"pilot": 25, "sense": 39, "contactor": 32, "meter": 2},
    {"pilot": 18, "sense": 34, "contactor": 21, "meter": 3},
    {"pilot": 19, "sense": 35, "contactor": 22, "meter": 4},
)
HIGH_mV = {"A": 12000, "B": 8979, "C": 5996, "D": 2932, "E": 0}
SHORTED_mV = {"B": -8791, "C": -5624, "D": -2369}  # the low part behind a shorted diode


def seeded(name):
    """The random module, with PILOTWIRE_SEED, which it prints."""
    seed = int(os.getenv("PILOTWIRE_SEED"))
    print(f"{name}: seed {seed}")
    random.seed(seed)
    return random


def scratch(name):
    """A path on the host that no other process has (an object's address is the same in many)."""
    return f"/tmp/pilotwire-{name}-{binascii.hexlify(os.urandom(8)).decode()}"


def share(total, turn=0):
    """Which of so many cases of a sweep this run looks at: every third, and those of the next
    seed (or turn) are others; with PILOTWIRE_ALL (make prove) every one."""
    if os.getenv("PILOTWIRE_ALL"):
        return range(total)
    return range((int(os.getenv("PILOTWIRE_SEED")) + turn) % 3, total, 3)


def due(case):
    """Is it one of this run's share?"""
    return bool(len(share(1, -case)))


def levels(state, duty, diode=True):
    """high_mV, low_mV that a car in `state` makes of `duty`."""
    high = HIGH_mV[state]
    if duty == 65535:
        return high, high
    low = 0 if state == "E" else -12000
    return high, low if diode else SHORTED_mV.get(state, low)


def a_wall(connectors=1):
    """A Wall whose meters are of no interest, with its pilots at X1."""
    wall = Wall(PINS[:connectors], lambda outlet, what, fields: None)
    for outlet in wall.outlets:
        wall.pwm(outlet.pins["pilot"], 1000, 65535)
    return wall


def in_state(car, state):
    """Make the car show `state`."""
    car.faults.clear()
    car.unplug()
    if state == "E":
        car.faults.add("pilot-short")
    elif state != "A":
        car.plug()
        car.s2 = state in "CD"
        if state == "D":
            car.faults.add("ventilation")


def drive(wall, outlet, controller):
    """Bring a controller's outputs to the wall, as app/tasks.py does after a tick."""
    wall.pwm(outlet.pins["pilot"], 1000, controller.duty_u16)
    wall.pwm(outlet.pins["contactor"], 5000, 65535 if controller.closed else 0)


def adc_units(ADC):
    """Makes the simulated ADC each of the units that are the most wrong, then a right one."""
    try:
        for i in range(8):
            ADC.unit([255 if i >> bit & 1 else 0 for bit in range(3)] + [255])
            yield i
    finally:
        ADC.unit((128, 128, 128, 128))


class Locked:
    """`with HEAP_LOCKED:` whatever allocates in the block raises MemoryError."""

    def __enter__(self):
        micropython.heap_lock()

    def __exit__(self, kind, error, trace):
        micropython.heap_unlock()


HEAP_LOCKED = Locked()


def raises(kind, function, *args, **more):
    """The exception of class `kind` that function(*args, **more) must raise."""
    try:
        result = function(*args, **more)
    except kind as e:
        return e
    raise AssertionError(f"{result!r} instead of {kind.__name__}")


async def raised(kind, awaitable):
    """The same of what is awaited."""
    try:
        result = await awaitable
    except kind as e:
        return e
    raise AssertionError(f"{result!r} instead of {kind.__name__}")
