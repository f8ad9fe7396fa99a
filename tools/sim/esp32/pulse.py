# machine.time_pulse_us() of the ESP32's port, on a pin that has a wave of 1 kHz or none.

from micropython import const

import bus

_PERIOD_us = const(1002)  # as in machine.py
_CALL_us = const(12)  # until it looks at the pin


def time_pulse_us(pin, level, timeout_us=1000000):
    """-2: the level did not come in so long, -1: it did not end. The wave runs freely, by the
    clock that ticks_us() shows."""
    high_us = (bus.ask(bus.PIN_IN, pin.id)[1] + 33) * _PERIOD_us // 65536
    if bus.chip:
        bus.chip.lock()  # (what is computed from here on is not the chip's)
    phase_us = ((bus.world_us if bus.chip else bus.spin_us) + _CALL_us) % _PERIOD_us
    if not level:  # (a wave that has its low part first)
        phase_us = (phase_us - high_us) % _PERIOD_us
        high_us = _PERIOD_us - high_us
    waits_us = 0 if phase_us < high_us else _PERIOD_us - phase_us
    us = high_us if waits_us else high_us - phase_us
    if not high_us or waits_us >= timeout_us:
        us, waits_us = -2, timeout_us
    elif high_us == _PERIOD_us or us >= timeout_us:
        us, waits_us = -1, waits_us + timeout_us
    _pass(_CALL_us + waits_us + max(us, 0))
    return us


def _pass(us):
    if bus.chip:
        bus.chip.look(us)
        bus.chip.free()
    else:
        bus.spin_us += us
    bus.looks = 0
