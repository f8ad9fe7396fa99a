# MicroPython's unix port with the ESP32 port's options (chip.h) and what Debian freezes into its own.
FROZEN_MANIFEST = $(TOP)/debian/config/manifest.py
MP_CONFIGFILE = <chip.h>
LDFLAGS_EXTRA += -Wl,--wrap=gc_init,--wrap=mp_cstack_init_with_sp_here
