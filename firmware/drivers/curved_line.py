"""A pilot whose sense voltage leaves the ADC's straight part: calibrated point by point."""

from .pilot_line import PilotLine


class CurvedLine(PilotLine):
    """`curve`: ((uV at the ADC, mV of the pilot), ...), rising; straight between, and beyond."""

    def __init__(self, pwm_pin, adc_pin, curve):
        self._uV = [uV for uV, _ in curve]
        self._pilot_mV = [mV for _, mV in curve]
        super().__init__(pwm_pin, adc_pin, 0, 100)

    def _mV(self, uV):
        at, mV = self._uV, self._pilot_mV
        i = 1
        while i < len(at) - 1 and uV > at[i]:
            i += 1
        # (in 100 uV: the product stays a small integer)
        dx, x = (at[i] - at[i - 1]) // 100, (uV - at[i - 1]) // 100
        return mV[i - 1] + (mV[i] - mV[i - 1]) * x // dx
