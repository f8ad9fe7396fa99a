"""Temperature by an MCP9700: 500 mV at 0 degC, 10 mV per degC."""

from .analog import FLOOR_uV, mean_uV, reader


class Mcp9700:
    """Feeds derating.Derating. Out of -32..150 degC, which the ADC cannot tell
    from no voltage at all: None, the sensor is lost."""

    def __init__(self, part, pin):
        self._part, self._read = part, reader(pin)

    def update(self):
        """Read the temperature; once a tick."""
        uV = mean_uV(self._read)
        good = uV is not None and FLOOR_uV <= uV <= 2000000
        self._part.temperature_dC = (uV - 500000) // 1000 if good else None
