"""Slow voltages on ADC1: temperature, proximity, peak detectors."""

from machine import ADC, Pin

# An ESP32's ADC shows 142 mV where there is less, give or take its noise.
FLOOR_uV = 180000


def reader(pin):
    """The read_uv of a pin, looked up once (looking it up allocates)."""
    return ADC(Pin(pin), atten=ADC.ATTN_11DB).read_uv


def mean_uV(read):
    """Four readings, 0.3 ms; None if the ADC fails."""
    try:
        return (read() + read() + read() + read()) >> 2
    except OSError:
        return None
