# What the ESP-IDF keeps for itself; the figures are those of an idle ESP32.

HEAP_DATA = 4


def idf_heap_info(capabilities):
    # (total, free, largest free block, minimum free ever) of each region
    return [(110000, 94256, 53248, 90000)]
