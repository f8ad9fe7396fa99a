"""For a connector without a meter: nothing is billed, and nothing is watched."""


class Meter:
    """The interface of modbus.Meter."""

    energy_Wh = power_W = frequency_cHz = 0
    current_mA = voltage_mV = (0, 0, 0)
    readings = gives = 0

    def known(self):
        """True: nothing is awaited."""
        return True

    async def read(self):
        """Count a reading."""
        self.readings += 1
