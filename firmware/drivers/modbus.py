"""Meters by Modbus RTU on one UART: RS485 or, without `de`, TTL. One bus for all of them."""

import asyncio
import struct
from machine import UART, Pin
from micropython import const
from time import ticks_diff, ticks_ms

_ANSWER_ms = const(200)
_QUIET_ms = const(5)  # 3.5 characters at 9600 baud, between two frames

# What cannot be true. A fuse ends what is more; a register that rises faster, or falls, is another
# one; and none stands still while the power that it shows would have made _STILL_mWh. Both beside
# the least step that it was seen to make: behind current transformers that may be a kWh.
_MOST_mV = const(500000)
_MOST_mA = const(400000)
_MOST_W = const(600000)
_RISE_Wh_s = const(20)  # 72 kW
_STEP_Wh = const(40)  # and what a single has no digits for
_STILL_mWh = const(30000)
_STEP_mWh = const(1250)  # for each Wh of a step: its power and its energy need not agree
_DEAD_mV = const(50000)  # no phase has more: with the contactor closed
_STRAY_mA = const(2000)  # flows: with the contactor open
_ODD_ms = const(3000)  # either of these
_LOAD_mA = const(500)
_FROZEN_ms = const(20000)  # not a digit changes, with the contactor closed and such a current
_IDLE_ms = const(60000)  # or with less
_LONG_ms = const(10000000)
_EVIDENCE_ms = const(10000)  # at most, from one answer to the next
_STALE = const(5)  # failed readings in a row until the meter counts as lost
_FOLLOW = const(4)  # answers, after the first one of another register
_VOLTAGE = const(0)  # registers of Eastron's
_CURRENT = const(6)
_POWER_1 = const(12)
_POWER = const(52)  # (the single-phase ones have none)
_FREQUENCY = const(70)  # and right behind it the energy imported


class Bus:
    """Reads registers, one request at a time: all meters are read by one task."""

    def __init__(self, id, tx, rx, de=None, baud=9600):
        self._uart = UART(id, baud, tx=tx, rx=rx)
        self._drive = None if de is None else Pin(de, Pin.OUT, value=0)
        self._baud = baud

    async def read(self, address, register, n):
        """The bytes of `n` input registers. Raises OSError when no good answer comes."""
        request = struct.pack(">BBHH", address, 4, register, n)
        request += struct.pack("<H", crc16(request))
        while self._uart.any():  # what is left of an answer that came too late
            self._uart.read()
        if self._drive:
            self._drive(1)
        self._uart.write(request)
        await asyncio.sleep_ms(len(request) * 11000 // self._baud + 1)
        if self._drive:
            self._drive(0)
        size = 5 + 2 * n
        answer = b""
        # (No look before the last character can have come: each costs a step of the loop.)
        wait_ms = max(size * 10000 // self._baud, _QUIET_ms)
        for _ in range((_ANSWER_ms - wait_ms) // _QUIET_ms + 1):
            await asyncio.sleep_ms(wait_ms)
            wait_ms = _QUIET_ms
            if self._uart.any():
                answer += self._uart.read() or b""
                if len(answer) >= size:
                    break
        good = len(answer) == size and answer[:3] == bytes((address, 4, 2 * n))
        if not good or struct.unpack("<H", answer[-2:])[0] != crc16(answer[:-2]):
            raise OSError("meter %d: no good answer" % address)
        return answer[3:-2]


class Meter:
    """What all meters share, and the latest reading: `energy_Wh`, `power_W`, `current_mA` and
    `voltage_mV` (three phases), `frequency_cHz` (a voltage or frequency of 0: unknown), `readings`
    (a count that rises with each). `gives` says what is measured: from bit 0 on energy, power,
    three currents, three voltages; bit 11 the frequency. A meter on the bus has `_read()`, which
    returns (voltages, currents, power, energy, frequency) and raises OSError where nothing comes,
    ValueError where it is not a number.

    An answer that cannot be true is no reading: `why` says so, or is None. Inputs: `closed`: the
    contactor is; `moved(before_Wh, now_Wh)` is called when the register is another one, and with
    None for the first reading; `step_Wh`: by how much it rises at least, 0 until that was seen."""

    gives = 0x8FF

    def __init__(self, bus, address):
        self._bus, self._address = bus, address
        self._failed = _STALE
        self.energy_Wh = self.power_W = self.frequency_cHz = self.readings = self.step_Wh = 0
        self.current_mA = self.voltage_mV = (0, 0, 0)
        self.closed = False
        self.moved = lambda *_: None
        self._asked_ms = ticks_ms()
        self._gap_ms = 0  # since the latest reading
        self.why = self._last = None  # the latest answer,
        self._same_ms = 0  # and for how long it has been the same
        self._odd_ms = -1  # voltage or current contradict the contactor so long; -1: they do not
        self._still_mWh = 0  # shown since the energy rose
        self._other_Wh, self._others = 0, -1  # another register's first energy; what followed it

    def known(self):
        """False until the first reading, and once the meter has stopped answering, or lies."""
        return self._failed < _STALE

    async def read(self):
        """Ask for new values; once a second. Raises nothing: known(), and `why` if it lies."""
        now = ticks_ms()
        dt = min(ticks_diff(now, self._asked_ms), _LONG_ms)
        self._asked_ms = now
        self._gap_ms = min(self._gap_ms + dt, _LONG_ms)
        answer = why = None
        try:
            answer = await self._read()
            why = self._doubt(answer, dt)
        except ValueError as e:
            why = str(e)
        except OSError:
            pass
        self.why = why
        if why or not answer:
            self._failed = min(self._failed + 1, _STALE)
            return
        self.voltage_mV, self.current_mA, self.power_W, self.energy_Wh, cHz = answer
        self.frequency_cHz = cHz if 4000 <= cHz <= 7000 else 0
        self._failed = self._gap_ms = 0
        self._others = -1
        self.readings += 1

    def _doubt(self, answer, dt):
        mV, mA, power_W, energy_Wh, cHz = answer
        most_mA = max(mA)
        if min(min(mV), min(mA), power_W, energy_Wh, cHz) < 0:
            return "it is negative"
        if max(mV) > _MOST_mV or most_mA > _MOST_mA or power_W > _MOST_W:
            return "it is too much"
        # What has to go on for a while: then the meter is lost at once.
        dt = min(dt, _EVIDENCE_ms)
        last, self._last = self._last, answer
        same = self.closed and answer == last
        self._same_ms = min(self._same_ms + dt, _LONG_ms) if same else 0
        mWh = min(self._still_mWh + power_W * dt // 3600, _LONG_ms)
        self._still_mWh = mWh if last and energy_Wh == last[3] else 0
        if max(mV) < _DEAD_mV if self.closed else most_mA >= _STRAY_mA:
            self._odd_ms = 0 if self._odd_ms < 0 else min(self._odd_ms + dt, _LONG_ms)
        else:
            self._odd_ms = -1
        if self._still_mWh >= _STILL_mWh + _STEP_mWh * self.step_Wh:
            why = "its energy stands still"
        elif self._same_ms >= (_FROZEN_ms if most_mA >= _LOAD_mA else _IDLE_ms):
            why = "it stands still"
        elif self._odd_ms >= 0:
            why = "no voltage" if self.closed else "a current through an open contactor"
            if self._odd_ms < _ODD_ms:  # (the contactor may just have moved)
                return why
        else:
            return self._jumps(energy_Wh, last, power_W)
        self._failed = _STALE
        return why

    def _jumps(self, energy_Wh, last, power_W):
        if not self.readings:
            self.moved(None, energy_Wh)
            return None
        rise_Wh = energy_Wh - self.energy_Wh
        if 0 <= rise_Wh <= _rise_Wh(self._gap_ms) + self.step_Wh:
            if rise_Wh and not 0 < self.step_Wh <= rise_Wh:
                self.step_Wh = rise_Wh
            return None
        # Believed when it goes on from there as a register does.
        most_Wh = _rise_Wh(_EVIDENCE_ms) + self.step_Wh
        follows = self._others >= 0 and 0 <= energy_Wh - last[3] <= most_Wh
        if not follows:
            self._other_Wh = energy_Wh
        self._others = self._others + 1 if follows else 0
        if self._others < _FOLLOW or power_W >= 100 and energy_Wh == self._other_Wh:
            return "its energy jumps"
        self.moved(self.energy_Wh, self._other_Wh)
        return None


class Eastron(Meter):
    """SDM630, SDM72 (three `phases`), SDM120, SDM230 (one): float32, by the maker's table."""

    def __init__(self, bus, address, phases=3):
        super().__init__(bus, address)
        self._phases = phases
        if phases == 1:
            self.gives = 0x827

    async def _read(self):
        n = self._phases
        if n == 3:
            v1, v2, v3, i1, i2, i3 = await self._floats(_VOLTAGE, 6)
        else:  # what lies between is not there
            (v1,) = await self._floats(_VOLTAGE, 1)
            (i1,) = await self._floats(_CURRENT, 1)
            v2 = v3 = i2 = i3 = 0
        (power,) = await self._floats(_POWER if n == 3 else _POWER_1, 1)
        mHz, energy = await self._floats(_FREQUENCY, 2)
        # (the energy's register has kWh)
        return (v1, v2, v3), (i1, i2, i3), _quiet(power, 20000) // 1000, energy, (mHz + 5) // 10

    async def _floats(self, register, n):
        words = struct.unpack(">%dI" % n, await self._bus.read(self._address, register, 2 * n))
        return [_quiet(thousandths(w), 100) for w in words]


class Pzem(Meter):
    """PZEM-004T v3, of one phase: scaled integers, low word first."""

    gives = 0x827

    async def _read(self):
        data = await self._bus.read(self._address, 0, 8)
        dV, mA, mA_high, dW, dW_high, Wh, Wh_high, dHz = struct.unpack(">8H", data)
        power_W = (dW_high << 16 | dW) // 10
        return (dV * 100, 0, 0), (mA_high << 16 | mA, 0, 0), power_W, Wh_high << 16 | Wh, dHz * 10


def _rise_Wh(ms):
    # The most that a register can rise in that time.
    return ms * _RISE_Wh_s // 1000 + _STEP_Wh


def _quiet(value, noise):
    # What is negative by no more than the noise around zero is zero.
    return 0 if -noise < value < 0 else value


def thousandths(word):
    """An IEEE 754 single, given as its 32 bits, times 1000, as an int rounded towards zero, in
    integers: the ESP32's own float would round the product once more. ValueError: it is not a
    number, infinite, or more than any meter shows."""
    exponent = (word >> 23 & 0xFF) - 150
    if exponent >= 30:
        raise ValueError("it is not a number")
    product = (word & 0x7FFFFF | 0x800000) * 1000
    product = product << exponent if exponent >= 0 else product >> -exponent
    return -product if word >> 31 else product


def crc16(data):
    """Modbus CRC."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
