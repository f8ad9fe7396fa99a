"""The minimal ESP32-S3 board of the project esp32-evse (dzurikmiroslav); its S2 has the same pins.
Never run on hardware by us. Facts as in ee_minimal.py, from cfg/esp32s3minimal/board.yaml."""

from .ee_minimal import *  # noqa: F403

CHIP = "ESP32S3"
CONNECTORS = ({"pilot": 6, "sense": 4, "contactor": 5, "button": {"pin": 0}},)
