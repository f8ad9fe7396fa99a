"""The control pilot of one connector on real pins: PWM out, ADC in."""

from machine import ADC, Pin
from micropython import const
from time import ticks_diff, ticks_us

from .outputs import pilot_pwm

_EDGE_us = const(13)  # the slowest: 10 us by IEC 61851-1, and what stands before the ADC
_SEEN_us = const(4000)  # reads times the shorter part of a period: four of them fall into it
_STEADY = const(13)  # reads of a pilot without PWM
_MOST = const(59)
_NONE = const(1 << 22)  # above every reading
_LONGEST_us = const(14000)  # of a burst
_SPREAD_uV = const(150000)  # of readings of one level, by the ADC's noise
_FEW = const(3)  # readings that agree are a level
_APART_mV = const(3000)  # less is no PWM,
_SHORT_mV = const(1500)  # unless both levels are about 0 V
_HELD = const(2)  # ticks

_readings = [_NONE] * _MOST  # of the burst that is made, whose ever it is


class PilotLine:
    """`set(duty)` drives; `sample()` reads both levels into `high_mV`, `low_mV` (of the pilot).
    An ADC that fails reads as 0 V, which is a short circuit: no charging."""

    def __init__(self, pwm_pin, adc_pin, zero_uV, per_V_uV):
        self._pwm = pilot_pwm(pwm_pin)
        self._period_us = 1000000 // self._pwm.freq()  # (the ESP32 makes 998 or 1,002 Hz of 1,000)
        self._read = ADC(Pin(adc_pin), atten=ADC.ATTN_11DB).read_uv  # (looking it up allocates)
        self._zero_uV = zero_uV
        self._per_10mV_uV = per_V_uV // 100
        self._reads = _STEADY
        self._read_us = 150  # what one takes on this chip
        self._shift_us = 0
        self._missed = 0
        self._late = True
        self.high_mV = 0
        self.low_mV = 0

    def set(self, duty_u16):
        """Drive the pilot, of 65536; 65535 is +12 V, 0 is -12 V."""
        self._pwm.duty_u16(duty_u16)
        self._reads = _STEADY
        if 0 < duty_u16 < 65535:
            shorter_us = min(duty_u16, 65536 - duty_u16) * self._period_us // 65536 - _EDGE_us
            self._reads = 23
            for reads in (29, 37, 47, _MOST):
                if self._reads * shorter_us >= _SEEN_us or reads * self._read_us > _LONGEST_us:
                    break
                self._reads = reads

    def sample(self):
        """Make a burst of reads and take the levels from it. Where too few readings agree, or the
        program was held up, what was seen before stands for two ticks; then, or at once where PWM
        shows one level only, it is 0 V. Allocates nothing."""
        n = self._some()
        high_mV = self._level(n - 1, n, -1)
        low_mV = self._level(0, n, 1)
        both = high_mV is not None and low_mV is not None
        apart = self._reads == _STEADY or both and high_mV - low_mV >= _APART_mV
        # PWM without its other part was not seen; without both it is shorted.
        if both and (apart or -_SHORT_mV < high_mV < _SHORT_mV):
            self._missed = 0
        elif self._missed < _HELD and (self._late or not both):
            self._missed += 1
            return
        else:
            high_mV = low_mV = 0
        self.high_mV = high_mV
        self.low_mV = low_mV

    def _some(self):
        try:
            return self._burst()
        except OSError:
            self._missed = _HELD
            return 0

    def _burst(self):
        # Into _readings, then sorted, -> how many. Each phase of the PWM is seen once, however
        # long a read takes and wherever the burst begins: the period has as many parts as there
        # are reads, a prime number, so that any other stride comes to each of them.
        read = self._read
        period_us = self._period_us
        n = self._reads
        stride = self._read_us * n // period_us + 1
        if stride % n == 0:
            stride += 1
        self._shift_us = at_us = (self._shift_us + 7) % 20  # (the next burst sees others)
        quick_us = 300
        last_us = -1
        i = k = 0
        begin = ticks_us()
        while i < n:
            now_us = ticks_diff(ticks_us(), begin)
            if last_us >= 0:
                quick_us = min(quick_us, now_us - last_us)
                last_us = -1
            if now_us >= at_us:
                if now_us > _LONGEST_us:
                    break
                _readings[i] = read()
                i += 1
                last_us = now_us
                end_us = ticks_diff(ticks_us(), begin)
                if end_us > _LONGEST_us:
                    break
                while at_us < end_us - 8:
                    k += 1
                    at_us = self._shift_us + k * stride * period_us // n
        self._read_us = quick_us + 15
        self._late = i < n or k > n + 1
        for k in range(i, _MOST):
            if _readings[k] == _NONE:
                break
            _readings[k] = _NONE
        _readings.sort()
        return i

    def _level(self, at, n, step):
        # The median of the readings from `at` on that are within _SPREAD_uV of the first, three or
        # more: those that are of an edge are its last ones. Or None.
        end = _end(at, n, step)
        if (end - at) * step < _FEW:  # (again without one that is alone)
            at += step
            end = _end(at, n, step)
            if (end - at) * step < _FEW:
                return None
        n = (end - at) * step // 2 * step  # half of them
        return self._mV((_readings[at + n] + _readings[end - step - n]) // 2)

    def _mV(self, uV):
        return (uV - self._zero_uV) * 10 // self._per_10mV_uV


def _end(at, n, step):
    i = at
    while 0 <= i < n and abs(_readings[i] - _readings[at]) <= _SPREAD_uV:
        i += step
    return i
