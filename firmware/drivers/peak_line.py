"""The control pilot behind peak detectors: an op-amp holds the level, one slow reading will do."""

from .analog import mean_uV, reader
from .outputs import pilot_pwm


class PeakLine:
    """As PilotLine. `low_pin` None: there is no detector for the low part, and so **no diode
    check**: `low_mV` is then what a good diode would show. `low_*`: its calibration, if it has
    one of its own (per volt negative: it inverts)."""

    def __init__(
        self, pwm_pin, high_pin, low_pin, zero_uV, per_V_uV, low_zero_uV=None, low_per_V_uV=None
    ):
        self._pwm, self._duty = pilot_pwm(pwm_pin), 65535
        self._high = reader(high_pin)
        self._low = None if low_pin is None else reader(low_pin)
        self._high_at = self._low_at = zero_uV, per_V_uV // 100
        if low_zero_uV is not None:
            self._low_at = low_zero_uV, low_per_V_uV // 100
        self.high_mV = self.low_mV = 0

    def set(self, duty_u16):
        """Drive the pilot, of 65536; 65535 is +12 V, 0 is -12 V."""
        self._duty = duty_u16
        self._pwm.duty_u16(duty_u16)

    def sample(self):
        """Read both levels, in mV of the pilot."""
        self.high_mV = self.low_mV = _pilot_mV(self._high, self._high_at)
        if self._low:
            self.low_mV = _pilot_mV(self._low, self._low_at)
        elif 0 < self._duty < 65535:
            self.low_mV = -12000


def _pilot_mV(read, at):
    uV = mean_uV(read)
    return 0 if uV is None else (uV - at[0]) * 10 // at[1]
