"""Which pins a chip has, and what MicroPython says where one cannot be what it is to be.

From its ESP32 port (machine_pin.h, machine_pin.c, machine_adc.c, machine_uart.c, machine_hw_spi.c)
and the ESP-IDF's drivers below it. Which pins there are depends on the image: that of a module
with PSRAM has not those that the PSRAM takes. Runs on CPython and on MicroPython.
"""

# How a pin is opened: Pin's modes; with a pull; for LEDC, the ADC, a UART's tx, SPI's outputs. A
# look changes nothing. The last two open no pin: is there a UART or SPI of this number?
LOOK, IN, OUT, PULL = 0, 1, 3, 8
LEDC, ADC, TX, WIRE, UART, SPI = 16, 17, 18, 19, 20, 21

# What comes of it. The ADC that Wi-Fi needs opens, but cannot be read beside it.
GOOD, REFUSED, STOPS, SECOND = 0, 1, 2, 3

# Pins that the port has; those among them that are the flash's (to drive one stops the chip: it
# runs from there); the PSRAM's, with an image for that (of an S3: for octal PSRAM, as most have);
# inputs only; of the first ADC; of the second; how many UARTs and SPIs.
_CHIPS = {
    "ESP32": ("0-23 25-27 32-39", "6-11", "16-17", "34-39", "32-39", "0 2 4 12-15 25-27", 3, 2),
    "ESP32S2": ("0-21 33-46", "", "", "46", "1-10", "11-20", 2, 2),
    "ESP32S3": ("0-21 33-48", "", "33-37", "", "1-10", "11-20", 3, 2),
    "ESP32C3": ("0-13 20-21", "11-13", "", "", "0-4", "", 2, 1),
}
_INVALID_ARG = -258, "ESP_ERR_INVALID_ARG"


def opened(chip, psram, pin, use):
    """-> (what comes of it, errno of an OSError or 0 for a ValueError, its text)"""
    has, flash, taken, input_only, adc1, adc2, uarts, spis = _CHIPS[chip]
    if use == UART:
        return _refused("UART(%d) does not exist" % pin, not 0 <= pin < uarts)
    if use == SPI:
        return _refused("SPI(%d) doesn't exist" % pin, not 1 <= pin <= spis)
    if not _among(pin, has) or psram and _among(pin, taken):
        return _refused("invalid pin")
    if use == ADC:
        if _among(pin, adc1):
            return GOOD, 0, ""
        if chip == "ESP32C3" and pin == 5:
            return (REFUSED,) + _INVALID_ARG
        return (SECOND, 0, "") if _among(pin, adc2) else _refused("invalid pin")
    if use and _among(pin, flash):
        return STOPS, 0, ""
    if _among(pin, input_only):
        if use == LEDC:
            return (REFUSED,) + _INVALID_ARG
        if use == TX:
            return REFUSED, 1, "ESP_FAIL"
        if use == WIRE:
            return REFUSED, 1, "invalid configuration"
        if use < LEDC and use & 2:
            return _refused("pin can only be input")
        # (a chip says nothing, and the pin floats: no test would see it)
        return _refused("GPIO %d has no pull" % pin, use < LEDC and use & PULL)
    return GOOD, 0, ""


def _refused(text, really=True):
    return (REFUSED, 0, text) if really else (GOOD, 0, "")


def _among(pin, ranges):
    for part in ranges.split():
        first, _, last = part.partition("-")
        if int(first) <= pin <= int(last or first):
            return True
    return False
