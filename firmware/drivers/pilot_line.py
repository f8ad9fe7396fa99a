"""The control pilot of one connector on real pins: PWM out, ADC in."""

from machine import ADC, Pin
from micropython import const

from .outputs import pilot_pwm

_READS = const(48)  # 3 to 4 ms of the ESP32's ADC: a few periods of the 1 kHz pilot


class PilotLine:
    """`set(duty)` drives; `sample()` reads both levels into `high_mV`, `low_mV` (of the pilot).
    An ADC that fails reads as 0 V, which is a short circuit: no charging."""

    def __init__(self, pwm_pin, adc_pin, zero_uV, per_V_uV):
        self._pwm = pilot_pwm(pwm_pin)
        self._read = ADC(Pin(adc_pin), atten=ADC.ATTN_11DB).read_uv  # (looking it up allocates)
        self._zero_uV = zero_uV
        self._per_10mV_uV = per_V_uV // 100
        self.high_mV = 0
        self.low_mV = 0

    def set(self, duty_u16):
        """Drive the pilot, of 65536; 65535 is +12 V, 0 is -12 V."""
        self._pwm.duty_u16(duty_u16)

    def sample(self):
        """A burst without synchronisation to the PWM: the level is the mean of the three highest
        and of the three lowest readings. Allocates nothing."""
        read = self._read
        h1 = h2 = h3 = -1
        l1 = l2 = l3 = 10000000
        try:
            for _ in range(_READS):
                v = read()
                if v > h3:
                    if v > h1:
                        h1, h2, h3 = v, h1, h2
                    elif v > h2:
                        h2, h3 = v, h2
                    else:
                        h3 = v
                if v < l3:
                    if v < l1:
                        l1, l2, l3 = v, l1, l2
                    elif v < l2:
                        l2, l3 = v, l2
                    else:
                        l3 = v
        except OSError:
            self.high_mV = self.low_mV = 0
            return
        self.high_mV = self._mV((h1 + h2 + h3) // 3)
        self.low_mV = self._mV((l1 + l2 + l3) // 3)

    def _mV(self, uV):
        return (uV - self._zero_uV) * 10 // self._per_10mV_uV
