"""The control pilot of one connector on real pins: PWM out, ADC in."""

from array import array
from machine import ADC, Pin
from micropython import const
from time import ticks_diff, ticks_us

from .outputs import pilot_pwm

_PERIOD_us = const(1000)  # of the PWM; the ESP32's divider makes 998.4 or 1001.6 of it
_EDGE_us = const(13)  # the slowest: 10 us by IEC 61851-1, and what stands before the ADC
_SEEN_us = const(4000)  # reads times the shorter part of a period: four of them fall into it
_STEADY = const(13)  # reads of a pilot without PWM
_MOST = const(97)
_LONGEST_us = const(14000)  # of a burst
_UNIT = const(6)  # readings are kept as uV >> 6
_HALF = const(32)
_AGREE = const(1015)  # 65 mV: the ADC's noise is up to 30 mV each way
_FEW = const(3)  # readings that agree are a level
_APART_mV = const(3000)  # less is no PWM,
_SHORT_mV = const(1500)  # unless both levels are about 0 V
_HELD = const(2)  # ticks

_readings = array("H", bytes(2 * _MOST))  # of the burst that is made, whose ever it is


class PilotLine:
    """`set(duty)` drives; `sample()` reads both levels into `high_mV`, `low_mV` (of the pilot).
    An ADC that fails reads as 0 V, which is a short circuit: no charging."""

    def __init__(self, pwm_pin, adc_pin, zero_uV, per_V_uV):
        self._pwm = pilot_pwm(pwm_pin)
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
            shorter_us = min(duty_u16, 65536 - duty_u16) * _PERIOD_us // 65536 - _EDGE_us
            for reads in (23, 29, 37, 47, 59, 71, _MOST):
                self._reads = reads
                if reads * shorter_us >= _SEEN_us:
                    break

    def sample(self):
        """Make a burst of reads and take the levels from it. Where too few readings agree, or the
        program was held up, what was seen before stands for two ticks; then, or at once where PWM
        shows one level only, it is 0 V. Allocates nothing."""
        try:
            n = self._burst()
        except OSError:
            n = 0
            self._missed = _HELD
        high_mV = self._level(n, 1)
        low_mV = self._level(n, -1)
        if high_mV is None or low_mV is None:
            seen = False
        elif self._reads == _STEADY or high_mV - low_mV >= _APART_mV:
            seen = True
        else:  # PWM without its other part was not seen; without both it is shorted
            seen = -_SHORT_mV < high_mV < _SHORT_mV
        if seen:
            self._missed = 0
        elif self._missed < _HELD and (self._late or high_mV is None or low_mV is None):
            self._missed += 1
            return
        else:
            high_mV = low_mV = 0
        self.high_mV = high_mV
        self.low_mV = low_mV

    def _burst(self):
        # Into _readings, -> how many. Each phase of the PWM is seen once, however long a read
        # takes and wherever the burst begins: the period has as many parts as there are reads, a
        # prime number, so that a stride of any other number of parts comes to each of them.
        read = self._read
        n = self._reads
        stride = self._read_us * n // _PERIOD_us + 1
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
                _readings[i] = read() >> _UNIT
                i += 1
                last_us = now_us
                end_us = ticks_diff(ticks_us(), begin)
                if end_us > _LONGEST_us:
                    break
                while at_us < end_us - 8:
                    k += 1
                    at_us = self._shift_us + k * stride * _PERIOD_us // n
        self._read_us = quick_us + 15
        self._late = i < n or k > n + 1
        return i

    def _level(self, n, sign):
        # The highest (1) or lowest (-1) voltage about which three of n readings agree, or None.
        # Their mean, without the one that is nearest to the other level: it may be of an edge.
        bound = 1 << 17
        for _ in range(2):  # (again without one that is alone)
            top = -1 << 17
            total = count = odd = 0
            for i in range(n):
                v = _readings[i] * sign
                if v >= bound:
                    continue
                if v > top + _AGREE:
                    top = total = odd = v
                    count = 1
                elif v >= top - _AGREE:
                    total += v
                    count += 1
                    if v < odd:
                        odd = v
            if count >= _FEW:
                return self._mV(((total - odd) * sign // (count - 1)) << _UNIT | _HALF)
            bound = top - _AGREE
        return None

    def _mV(self, uV):
        return (uV - self._zero_uV) * 10 // self._per_10mV_uV
