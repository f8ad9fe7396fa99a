"""Temperature by an NTC of B = 3950 to earth, against a pull-up."""

from micropython import const

from .analog import FLOOR_uV, mean_uV, reader

# Resistance in ten-thousandths of that at 25 degC, from -40 to 120 degC in steps of 10.
_TABLE = (
    "401860 200204 105385 58246 33621 20175 12535 8037 5301 3588 2486 1760 1270 934 698 529 407"
)
_TABLE = tuple(map(int, _TABLE.split()))
# No ADC ends below this: so looks an open wire, or the cold (-21 degC with a pull-up of r25_ohm).
_END_mV = const(3040)
_FIRST_dC = const(-400)
_LAST_dC = const(1200)
_STEP_dC = const(100)


class Ntc:
    """Feeds derating.Derating. Open, or as cold as what looks open: None, the sensor is lost. A
    short circuit reads as 120 degC, the safe side."""

    def __init__(self, part, pin, r25_ohm, pullup_ohm, supply_mV):
        self._part, self._read = part, reader(pin)
        self._scale = pullup_ohm * 1000 // r25_ohm
        self._supply_mV = supply_mV

    def update(self):
        """Read the temperature; once a tick."""
        self._part.temperature_dC = None
        uV = mean_uV(self._read)
        mV = _END_mV if uV is None else uV // 1000
        if mV < FLOOR_uV // 1000:  # (68 degC by now with the largest pull-up, or a short circuit)
            self._part.temperature_dC = _LAST_dC
            return
        left_mV = self._supply_mV - mV
        if mV >= _END_mV or left_mV * 20 < self._supply_mV:  # (a twentieth: what an ADC errs by)
            return
        ratio = mV * 10000 // left_mV * self._scale // 1000
        if ratio > _TABLE[0]:
            return
        i = 1
        while i < len(_TABLE) - 1 and ratio < _TABLE[i]:
            i += 1
        step = (_TABLE[i - 1] - ratio) * _STEP_dC // (_TABLE[i - 1] - _TABLE[i])
        self._part.temperature_dC = _FIRST_dC + (i - 1) * _STEP_dC + min(step, _STEP_dC)
