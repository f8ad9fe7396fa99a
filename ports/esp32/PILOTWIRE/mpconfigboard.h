// A charge point on an ESP32 without PSRAM (WROOM, 4 MB of flash): docs/flashing.md.
#define MICROPY_HW_BOARD_NAME "Pilotwire"
#define MICROPY_HW_MCU_NAME "ESP32"

// The code is run in place, from the partition romfs.
#define MICROPY_VFS_ROM (1)

// What no charge point uses, and takes memory that Wi-Fi and TLS need.
#define MICROPY_PY_BLUETOOTH (0)
#define MICROPY_PY_ESPNOW (0)
