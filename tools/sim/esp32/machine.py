# The part of the ESP32's machine module that the firmware uses, over the bus to the wall.

import time
import utime
from micropython import const
from umachine import *  # noqa: F403

import bus

del time_pulse_us  # noqa: F821 (the unix port's)

PWRON_RESET, HARD_RESET, WDT_RESET, SOFT_RESET = 1, 2, 3, 5
_cause = PWRON_RESET
_PERIOD_us = 1002  # of a PWM of 1 kHz: 998.4 Hz
_EDGE_us = 6  # of the pilot, with what stands before the ADC
_FLOOR_uV = 142000  # the ADC's, at 11 dB
_STRAIGHT_uV = 2450000  # up to here it is straight
_1970_2000_s = 946684800  # from the unix port's epoch to the chip's
_watched = []  # pins with an interrupt
_OPEN = const(24)  # an operation of bus.py: what a pin is to be, as sim/pins.py has it
_PULL = const(8)
_LEDC = const(16)
_ADC = const(17)
_TX = const(18)
_UART = const(20)
_STOPS = const(2)
_SECOND = const(3)
_TIMEDOUT = const(116)


def __getattr__(name):
    if name == "SPI":  # few boards have one, or the other
        from spi import SPI

        return SPI
    if name == "time_pulse_us":
        from pulse import time_pulse_us

        return time_pulse_us
    raise AttributeError(name)


def freq(Hz):
    if bus.chip:
        bus.chip.freq(Hz)


unique_id = None  # (board.py gives the chip one)


def opened(pin, use):
    """Raise what the port raises where `pin` cannot be that; -> True: it cannot beside Wi-Fi."""
    came, errno, _, text = bus.ask(_OPEN, pin, use)
    if came == _STOPS:
        _end(WDT_RESET)
    text = str(text, "utf-8")
    if text:
        raise OSError(errno, text) if errno else ValueError(text)
    return came == _SECOND


class Pin:
    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_UP, PULL_DOWN = 2, 1
    IRQ_RISING, IRQ_FALLING = 1, 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None):
        self.id = id
        use = max(mode, 0) or (value is not None)
        opened(id, use | _PULL if pull in (1, 2) else use)
        if value is not None:
            self.value(value)

    def value(self, value=None):
        if value is None:
            return bus.ask(bus.PIN_IN, self.id)[0]
        bus.ask(bus.PIN_OUT, self.id, value)

    __call__ = value

    def irq(self, handler=None, trigger=3):
        self._handler = handler
        _watched.append(self)


def interrupts():
    """Run the handlers of what happened: an interrupt waits for the timer's next callback."""
    for pin in _watched:
        for _ in range(bus.ask(bus.EDGES, pin.id)[0]):
            pin._handler(pin)


class PWM:
    def __init__(self, pin, freq=5000, duty_u16=32768):
        opened(pin.id, _LEDC)
        self._pin = pin.id
        self._freq = freq
        self.duty_u16(duty_u16)

    def duty_u16(self, duty=None):
        if duty is None:
            return self._duty
        if not 0 <= duty <= 65536:
            raise ValueError("duty_u16 must be from 0 to 65536")
        self._duty = duty
        bus.ask(bus.PWM, self._pin, min(duty, 65535), self._freq.to_bytes(4, "little"))

    def freq(self):
        return 1000000 // _PERIOD_us if self._freq == 1000 else self._freq

    def deinit(self):
        self.duty_u16(0)


# Of a unit's ADC: offset in uV, slope and bend in ppm, its end in uV, a 47th of the most noise.
made = 0, 0, 0, 3135000, 430


def _noise(dice):
    return 2 * (dice % 32 + dice // 32 % 32) + dice // 1024 % 64 - 93


class ADC:
    """As the chip's: 37 to 125 us a read, its own on each unit and pin; noise much like a normal
    distribution, up to 10 to 30 mV; nothing below 142 mV. From there to 2,450 mV a unit is wrong
    by 60 mV at most, which are an offset and a slope, and beyond by more: it bends, and ends at
    3,060 to 3,209 mV."""

    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = 0, 1, 2, 3

    @staticmethod
    def unit(seed):
        """Be those of one unit of many: four bytes say which."""
        global made
        a, b, c, d = seed
        ppm = (b - 128) * 95, (c - 128) * 390
        made = ((a - 128) * 234,) + ppm + (3060000 + b * 584, 215 + d * 430 // 255)

    def __init__(self, pin, *, atten=ATTN_0DB):
        self._second = opened(pin.id, _ADC)
        self._pin = pin.id
        self._at = self._world_us = -1
        self._dice = 12345 + pin.id + (unique_id()[-1] if unique_id else 0)
        self._read_us = 37 + self._dice * 75 % 65537 % 80

    # The signal runs freely, at what the divider makes of 1 kHz: the wall says how high its two
    # levels are and how long the high one lasts; from one to the other it takes some us.
    # (More than 11 places for names and values, and each call would take heap, which a chip's
    # does not: it would collect three times as often.)
    def read_uv(self):
        if self._second:
            self._beside_wifi()
        if bus.chip:
            at = bus.world_us // 4000
        else:  # (a tick's burst asks once, the reads of a program every ms)
            at = utime.ticks_us() // (4000 if bus.calling else 1000)
        if at != self._at or not bus.chip and bus.world_us != self._world_us:
            self._at = at
            self._ask()
        self._dice = self._dice * 75 % 65537
        phase_us = (bus.world_us % _PERIOD_us + bus.spin_us) % _PERIOD_us
        at = self._read_us + self._dice % 9
        if bus.chip:
            bus.chip.look(at)
        bus.looks = 0
        bus.spin_us += 0 if bus.chip else at
        level, other = self._high, self._low
        if phase_us >= self._high_us:
            level, other = other, level
            phase_us -= self._high_us
        if phase_us < _EDGE_us and self._high_us != _PERIOD_us:
            level = other + (level - other) // _EDGE_us * phase_us
        level += _noise(self._dice) * made[4] // 2
        return max(_FLOOR_uV, level // 1000 * 1000)

    def _ask(self):
        self._high, self._low, duty, _ = bus.ask(bus.ADC, self._pin)
        self._high = self._shown(self._high)
        self._low = self._shown(self._low)
        self._high_us = (duty + 33) * _PERIOD_us // 65536 if duty < 65535 else _PERIOD_us
        self._world_us = bus.world_us

    def _shown(self, uV):
        bent = max(uV - _STRAIGHT_uV, 0) // 1000 * made[2]
        uV += made[0] + (uV // 1000 * made[1] + bent) // 1000
        return min(uV, made[3])

    def _beside_wifi(self):
        import network

        if network.WLAN.radio and network.WLAN.radio.active():
            raise OSError(_TIMEDOUT, "ESP_ERR_TIMEOUT")


class Timer:
    PERIODIC = 1

    def __init__(self, id):
        if not 0 <= id <= 1:  # (what each chip has)
            raise ValueError("invalid Timer number")

    def init(self, *, mode=PERIODIC, period, callback):
        def call(timer):
            interrupts()
            callback(timer)

        bus.start(period * 1000, call)

    def deinit(self):
        bus.start(0, None)


class UART:
    """Request and answer only, as Modbus has it: what the wall answers arrives after a while."""

    def __init__(self, id, baudrate=9600, *, tx=None, rx=None):
        opened(id, _UART)
        opened(tx, _TX)
        opened(rx, 0)
        self._id = id
        self._answer = b""
        self._ready_ms = 0

    def write(self, data):
        late_ms, _, _, self._answer = bus.ask(bus.UART, self._id, 0, data)
        self._answer = bytes(self._answer)
        self._ready_ms = time.ticks_add(time.ticks_ms(), late_ms or 20)
        return len(data)

    def any(self):
        ready = time.ticks_diff(time.ticks_ms(), self._ready_ms) >= 0
        return len(self._answer) if ready else 0

    def read(self):
        answer, self._answer = self._answer, b""
        return answer


class RTC:
    def datetime(self, value=None):
        if value is None:
            s, ms = time.rtc()
            y, m, d, hh, mm, ss, weekday, _ = utime.gmtime(s + _1970_2000_s)[:8]
            return y, m, d, weekday, hh, mm, ss, ms * 1000
        y, m, d, _, hh, mm, ss, us = value
        seconds = utime.mktime((y, m, d, hh, mm, ss, 0, 0, 0)) - _1970_2000_s
        ms = (us // 1000).to_bytes(2, "little")
        bus.rtc_s, bus.rtc_ms = bus.ask(bus.RTC, 0, seconds, ms)[:2]

    def memory(self, data=None):
        if data is None:
            return bytes(bus.ask(bus.MEMORY)[3])
        bus.ask(bus.MEMORY, 0, 1, data)


class WDT:
    """Bites in real time, for what hangs is the process; or in the chip's. Of what is
    fed the wall hears once a second, the chip's ten times: it bites sooner by as much, at most."""

    def __init__(self, id=0, timeout=5000):
        self._ticks_ms = time.ticks_ms if bus.chip else utime.ticks_ms
        self._fed = self._ticks_ms()
        self._every_ms = 100 if bus.chip else 1000
        bus.ask(bus.WDT, 0, timeout)

    def feed(self):
        if utime.ticks_diff(self._ticks_ms(), self._fed) >= self._every_ms:
            self._fed = self._ticks_ms()
            bus.ask(bus.FEED)


def reset_cause():
    return _cause


def reset():
    _end(HARD_RESET)


def soft_reset():
    _end(SOFT_RESET)


def _end(cause):
    bus.ask(bus.RESET, 0, cause)
    while True:  # the wall ends this process
        utime.sleep(1)
