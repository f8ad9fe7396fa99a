"""Meters on Modbus RTU, frame by frame: Eastron SDM630 and SDM120, PZEM-004T v3."""

import struct


class Meters:
    """All meters of the board, of one kind, at the addresses that the board says. `late_ms`: until
    the answer begins to arrive."""

    late_ms = 20

    def __init__(self, outlets, kind):
        self._outlets = outlets
        self._registers = {"sdm630": _sdm630, "sdm120": _sdm120, "pzem": _pzem}[kind]

    def answer(self, request):
        """-> ms until it comes, the frame or b"" """
        if len(request) != 8 or crc16(request[:-2]) != request[-2] | request[-1] << 8:
            return self.late_ms, b""
        address, function, register, n = struct.unpack(">BBHH", request[:6])
        for outlet in self._outlets:
            if outlet.pins.get("meter") == address and not outlet.meter_lost:
                frame = self._frame(outlet, address, function, register, n)
                return self.late_ms, outlet.garble(frame) if outlet.meter_garbles else frame
        return self.late_ms, b""

    def _frame(self, outlet, address, function, register, n):
        registers = self._registers(outlet)
        if outlet.meter_lies:
            registers = self._lie(outlet, registers)
        fault = 0
        if function != 4:
            fault = 1
        elif not 1 <= n <= 80 or not all(r in registers for r in range(register, register + n)):
            fault = 2  # (a real SDM answers 0 in the gaps of its table; ours takes no chances)
        if fault:
            frame = bytes((address, function | 0x80, fault))
        else:
            frame = bytes((address, function, 2 * n))
            for r in range(register, register + n):
                frame += struct.pack(">H", registers[r])
        return frame + struct.pack("<H", crc16(frame))

    def _lie(self, outlet, registers):
        """What a meter that is out of order shows in frames that are right."""
        lie, kept = outlet.meter_lies, outlet.meter_shows
        if not kept:  # as it was when that began
            kept.update(registers)
        floats = self._registers is not _pzem
        energy = (72, 73) if floats else (5, 6)
        if lie == "frozen":
            return kept
        if lie == "other-phases":
            out = dict(registers)
            if floats and 10 in registers:
                for r, to in ((0, 2), (2, 4), (4, 0), (6, 8), (8, 10), (10, 6)):
                    out[r], out[r + 1] = registers[to], registers[to + 1]
            return out
        for r in registers:
            if lie == "nan" or lie == "inf":  # (a PZEM has no such thing: all ones)
                high = 0x7FC0 if lie == "nan" else 0x7F80
                registers[r] = (0 if r & 1 else high) if floats else 0xFFFF
            elif lie == "zero-volts" and r < (6 if floats else 1):
                registers[r] = 0
            elif lie == "zero-energy" and r in energy:
                registers[r] = 0
            elif lie == "energy-frozen" and r in energy:
                registers[r] = kept[r]
            elif lie == "negative" and floats and not r & 1 and 6 <= r <= 52:
                registers[r] |= 0x8000  # currents and power
            elif lie == "negative" and not floats and r in (2, 4):
                registers[r] = 0xFFFF
        return registers


def _floats(values):
    registers = {}
    for register, value in values.items():
        registers[register], registers[register + 1] = struct.unpack(
            ">HH", struct.pack(">f", value)
        )
    return registers


def _sdm630(o):
    show = o.meter_permille / 1000000
    amps, volts = [mA * show for mA in o.car.phase_mA()], [mV / 1000 for mV in o.shown_mV()]
    return _floats(
        {
            0: volts[0],
            2: volts[1],
            4: volts[2],
            6: amps[0],
            8: amps[1],
            10: amps[2],
            52: o.power_W() * show * 1000,
            70: 49.98,
            72: o.register_uWh() / 1e9,
        }
    )


def _sdm120(o):
    show = o.meter_permille / 1000000
    return _floats(
        {
            0: o.shown_mV()[0] / 1000,
            6: o.car.phase_mA()[0] * show,
            12: o.power_W() * show * 1000,
            70: 49.98,
            72: o.register_uWh() / 1e9,
        }
    )


def _pzem(o):
    mA = o.car.phase_mA()[0] * o.meter_permille // 1000
    dW = o.power_W() * o.meter_permille // 100
    Wh = o.register_uWh() // 1000000
    words = (o.shown_mV()[0] // 100, mA & 0xFFFF, mA >> 16, dW & 0xFFFF, dW >> 16)
    return dict(enumerate(words + (Wh & 0xFFFF, Wh >> 16, 499, 100, 0)))


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
