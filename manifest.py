# For people who freeze Pilotwire into a MicroPython of their own: the code then runs in place from
# the chip's flash, as from a ROMFS image. In the folder ports/esp32 of MicroPython:
#
#     make BOARD=ESP32_GENERIC FROZEN_MANIFEST=/path/to/pilotwire/manifest.py
#
# boot.py, pick.py and main.py stay files on the board (mpremote cp boot.py pick.py main.py :).
# The files of the unit's page are data and not frozen: it needs an image. Never tried.

metadata(description="Charge-point firmware: OCPP 1.6J and IEC 61851-1", version="0.1.0")
include("$(PORT_DIR)/boards/manifest.py")
package("firmware", opt=1)
package("upki", base_path="lib", opt=1)
package("uwebsockets", base_path="lib", opt=1)
