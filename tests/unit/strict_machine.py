# A machine module that lets nothing pass which would hurt a real charger. `pins` maps a pin to
# what drives it; `broken` holds pins whose driver raises; `log` has every output in its order;
# `chip` and `psram`, of its image, say which pins can do what.

import os
import sys

sys.path.append("tools")

from sim.pins import ADC as _ADC
from sim.pins import GOOD, LEDC, PULL, TX, opened

PWRON_RESET = 1

chip = "ESP32"
psram = False
pins = {}
broken = set()
log = []


def take(pin, use):
    """As the chip opens a pin. No pin of the flash is touched, no ADC that Wi-Fi needs."""
    came, errno, text = opened(chip, psram, pin, use)
    if text:
        raise OSError(errno, text) if errno else ValueError(text)
    assert came == GOOD, (pin, use)


class Pin:
    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_UP, PULL_DOWN = 2, 1
    IRQ_RISING, IRQ_FALLING = 1, 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None):
        self.id = id
        self.mode = mode
        take(id, max(mode, 0) | (PULL if pull in (1, 2) else 0))
        if mode == Pin.OUT:
            pins[id] = ("out", value)
            log.append((id, "out", value))

    def irq(self, handler, trigger):
        assert self.mode == Pin.IN

    def __call__(self, value):
        assert self.mode == Pin.OUT
        pins[self.id] = ("out", value)
        log.append((self.id, "out", value))


class Timer:
    def __init__(self, id):
        self.id = id

    def deinit(self):
        log.append(("timer", self.id, "stopped"))


class PWM:
    def __init__(self, pin, *, freq, duty_u16):  # neither has a default: 50 % would be 30 A
        take(pin.id, LEDC)
        self._pin = pin.id
        self._freq = freq
        self.duty_u16(duty_u16)

    def duty_u16(self, duty):
        assert isinstance(duty, int) and 0 <= duty <= 65535, duty
        if self._pin in broken:
            raise OSError(f"pin {self._pin} is broken")
        pins[self._pin] = (self._freq, duty)
        log.append((self._pin, self._freq, duty))

    def freq(self):
        return self._freq


class ADC:
    ATTN_11DB = 3

    def __init__(self, pin, *, atten):
        take(pin.id, _ADC)
        assert atten == ADC.ATTN_11DB
        self.uV = (2560000, 100000)  # what it reads, again and again
        self._i = 0

    def read_uv(self):
        self._i += 1
        if self._i >= len(self.uV):
            self._i = 0
        return self.uV[self._i]


class UART:
    """`answers`: for every request the pieces (after so many any() calls, bytes)."""

    def __init__(self, id, baudrate, *, tx, rx):
        take(tx, TX)
        self.requests = []
        self.answers = []
        self.coming = []
        self.asked = 0

    def write(self, data):
        self.requests.append(bytes(data))
        self.asked = 0
        if self.answers:
            self.coming += self.answers.pop(0)
        return len(data)

    def any(self):
        self.asked += 1
        return sum(len(data) for after, data in self.coming if after < self.asked)

    def read(self):
        now = [piece for piece in self.coming if piece[0] < self.asked]
        self.coming = [piece for piece in self.coming if piece[0] >= self.asked]
        return b"".join(data for after, data in now) or None


class OneWire:
    def __init__(self, pin):
        Pin(pin.id, Pin.OPEN_DRAIN, Pin.PULL_UP)


def boards():
    """Every board, on its own chip, with no pin driven yet."""
    global chip, psram
    for name in sorted(os.listdir("firmware/boards")):
        name = name.split(".")[0]
        board = __import__("firmware.boards." + name, None, None, ("CONNECTORS",))
        pins.clear()
        chip, psram = board.CHIP, getattr(board, "PSRAM", False)
        yield board
    chip, psram = "ESP32", False


def install():
    """Make this the machine module (and onewire) of all that is imported from now on."""
    sys.modules["machine"] = sys.modules["onewire"] = sys.modules[__name__]
