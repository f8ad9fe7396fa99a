# MicroPython's unix port with the ESP32 port's options: see chip.h.
FROZEN_MANIFEST = $(VARIANT_DIR)/manifest.py
MP_CONFIGFILE = <chip.h>
LDFLAGS_EXTRA += -Wl,--wrap=gc_init,--wrap=mp_cstack_init_with_sp_here
