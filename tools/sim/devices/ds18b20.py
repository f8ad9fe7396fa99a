"""A DS18B20, alone on its 1-wire bus, byte by byte."""

from sim.devices.parts import Device

RESET, READ = 257, 256  # values of the bus's operation ONEWIRE; below: a byte that is written
POWER_ON = 850  # degC tenths


class Ds18b20(Device):
    """`noisy`: a bit of every answer is wrong; `stuck`: the line is at 0 for ever."""

    noisy = stuck = False

    def begin(self):
        self._shown_dC = POWER_ON
        self._reserved = 0x0C
        self._converting_ms = None
        self._answer = b""
        self._asked = None

    def off(self):
        self.begin()

    def step(self, dt):
        if self._converting_ms is not None:
            self._converting_ms += dt
            if self._converting_ms >= 750:
                self._converting_ms = None
                self._shown_dC = self.outlet.temperature_dC
                self._reserved = 0x10

    def wire(self, value):
        if self.stuck:
            return 1 if value == RESET else 0
        if self.outlet.sensor_lost:
            self.begin()
            return 0 if value == RESET else 0xFF
        if value == RESET:
            self._asked = "rom"
            self._answer = b""
            return 1
        if value == READ:
            byte, self._answer = (self._answer or b"\xff")[0], self._answer[1:]
            return byte
        if self._asked == "rom":
            self._asked = "function" if value == 0xCC else None
        elif self._asked == "function":
            if value == 0x44:
                self._converting_ms = 0
            elif value == 0xBE:
                raw = self._shown_dC * 16 // 10
                data = bytes((raw & 0xFF, raw >> 8 & 0xFF, 75, 70, 0x7F, 0xFF, self._reserved, 16))
                data += bytes((crc8(data),))
                self._answer = bytes((data[0] ^ 1,)) + data[1:] if self.noisy else data
            self._asked = None
        return 0


def crc8(data):
    crc = 0
    for byte in data:
        for i in range(8):
            crc = crc >> 1 ^ (0x8C if (crc ^ byte >> i) & 1 else 0)
    return crc
