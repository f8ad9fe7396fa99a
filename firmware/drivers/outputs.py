"""Contactors and pilots of a board, and how to make them safe at once: contactor open, pilot X1,
no motor driven. pick.py calls safe() before anything can fail, main.py on every way out."""

from machine import PWM, Pin
from micropython import const

_PILOT_Hz = const(1000)
_CONTACTOR_Hz = const(5000)  # a timer of its own; far above what a coil follows
_OPEN = const(0)
_CLOSED = const(65535)
_X1 = const(65535)


class Contactor:
    """Driven through LEDC, because the ESP32 stops LEDC at a soft reset while a plain Pin keeps
    its level: a contactor on a plain Pin would stay closed (docs/electrical.md 7)."""

    def __init__(self, pin):
        self._pwm = PWM(Pin(pin), freq=_CONTACTOR_Hz, duty_u16=_OPEN)

    def set(self, closed):
        """Close or open it, at once."""
        self._pwm.duty_u16(_CLOSED if closed else _OPEN)


def pilot_pwm(pin):
    """The pilot's PWM at X1. Never made without a duty: the default is 50 %, which is 30 A."""
    return PWM(Pin(pin), freq=_PILOT_Hz, duty_u16=_X1)


def _at_rest(pin):
    Pin(pin, Pin.OUT, value=0)


def safe(board):
    """Open every contactor of `board`, then no energy offered, then no motor driven. Calls itself
    safe only if every output obeyed; goes on to the next when one fails."""
    failure = None
    for c in board.CONNECTORS:
        outputs = [(Contactor, c["contactor"]), (pilot_pwm, c["pilot"])]
        if "lock" in c:
            outputs += [(_at_rest, c["lock"]["a"]), (_at_rest, c["lock"]["b"])]
        for make, pin in outputs:
            try:
                make(pin)
            except Exception as e:
                failure = e
    if failure:
        raise failure
