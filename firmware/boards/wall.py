"""A wall with up to four outlets on one ESP32, meters 1 to 4 on one RS485 line. This is the
board that tools/station simulates for --connectors 2 to 4; it was never built."""

from .reference import *  # noqa: F403

CONNECTORS = (
    {"pilot": 27, "sense": 36, "contactor": 33, "meter": 1},
    {"pilot": 25, "sense": 39, "contactor": 32, "meter": 2},
    {"pilot": 18, "sense": 34, "contactor": 21, "meter": 3},
    {"pilot": 19, "sense": 35, "contactor": 22, "meter": 4},
)
