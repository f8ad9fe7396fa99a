"""The wall that the station hangs on: mains, contactors, meters, cables and cars.

It outlives power cuts and resets of the station. World time is integer milliseconds, moved by
`advance`; nothing here reads a clock. Runs on CPython and on MicroPython.
"""

import struct

from sim.car import Car, offered_mA

VOLT = 230
CLOSE_ms = 40  # contactor travel
OPEN_ms = 30
TRACE_STEP_mA = 2000  # a car's current is traced when it moved this far, or has settled
SENSE_ZERO_uV = 1330000
SENSE_PER_mV_uV = 102.5
_STEP_ms = 50


class Outlet:
    """One connector: its car, contactor and meter."""

    def __init__(self, number, pins, meter_Wh):
        self.number = number
        self.pins = pins
        self.car = Car()
        self.duty = 0  # without power the pilot is low: state F to a car
        self.coil = False
        self.closed = False
        self.coil_ms = 0
        self.energy_uWh = meter_Wh * 1000000
        self.meter_lost = False
        self.traced_mA = -1
        self.traced_state = None

    def power_W(self):
        return sum(self.car.phase_mA()) * VOLT // 1000


class Wall:
    """`on_change(outlet, what, fields)` is called for every change that a trace shows."""

    def __init__(self, connectors, on_change, meters_Wh=()):
        self.now_ms = 0
        self.on_change = on_change
        self.outlets = []
        for i, pins in enumerate(connectors):
            start_Wh = meters_Wh[i] if i < len(meters_Wh) else 1000
            self.outlets.append(Outlet(i + 1, pins, start_Wh))

    def outlet_of(self, pin, use):
        for outlet in self.outlets:
            if outlet.pins[use] == pin:
                return outlet
        return None

    # --- what the chip does

    def pwm(self, pin, freq, duty):
        outlet = self.outlet_of(pin, "pilot")
        if outlet:
            if duty != outlet.duty:
                outlet.duty = duty
                fields = {"duty_u16": duty, "advertised_mA": offered_mA(duty)}
                self.on_change(outlet, "pilot", fields)
            return
        outlet = self.outlet_of(pin, "contactor")
        if outlet and outlet.coil != (duty >= 32768):
            outlet.coil = duty >= 32768
            outlet.coil_ms = 0

    def adc(self, pin):
        """The two levels at a sense pin in uV, and the duty between them."""
        outlet = self.outlet_of(pin, "sense")
        if outlet is None:
            return 0, 0, 0
        high, low = outlet.car.pilot_mV(outlet.duty)
        return self._sense(high), self._sense(low), outlet.duty

    def _sense(self, mV):
        return SENSE_ZERO_uV + int(mV * SENSE_PER_mV_uV)

    def no_power(self):
        """The chip is off or in reset: nothing drives its pins."""
        for outlet in self.outlets:
            self.pwm(outlet.pins["pilot"], 0, 0)
            self.pwm(outlet.pins["contactor"], 0, 0)

    def modbus(self, request):
        """The answer of the meter that a Modbus RTU request is for, or b""."""
        if len(request) != 8 or crc16(request[:-2]) != request[-2] | request[-1] << 8:
            return b""
        address, function, register, n = struct.unpack(">BBHH", request[:6])
        if function != 4 or not 1 <= address <= len(self.outlets):
            return b""
        outlet = self.outlets[address - 1]
        if outlet.meter_lost:
            return b""
        currents = outlet.car.phase_mA()
        values = {
            0: VOLT,
            2: VOLT,
            4: VOLT,
            6: currents[0] / 1000,
            8: currents[1] / 1000,
            10: currents[2] / 1000,
            52: outlet.power_W(),
            72: outlet.energy_uWh / 1e9,
        }
        answer = struct.pack(">BBB", address, function, 2 * n)
        for r in range(register, register + n, 2):
            answer += struct.pack(">f", values.get(r, 0))
        return answer + struct.pack("<H", crc16(answer))

    # --- physics

    def advance(self, now_ms):
        """Let the world go on until `now_ms`."""
        while self.now_ms < now_ms:
            left = now_ms - self.now_ms
            # (coarser where a lot of time passes at once: fast simulations)
            dt = min(left, _STEP_ms if left <= 20000 else 1000)
            self.now_ms += dt
            for outlet in self.outlets:
                self._step(outlet, dt)

    def _step(self, outlet, dt):
        car = outlet.car
        outlet.energy_uWh += outlet.power_W() * dt * 10 // 36
        outlet.coil_ms += dt
        if outlet.coil != outlet.closed:
            if outlet.coil_ms >= (CLOSE_ms if outlet.coil else OPEN_ms):
                outlet.closed = outlet.coil
                load = car.current_mA
                self.on_change(outlet, "contactor", {"closed": outlet.closed, "load_mA": load})
        before = car.current_mA
        car.step(dt, outlet.duty, outlet.closed)
        state = car.state()
        moved = abs(car.current_mA - outlet.traced_mA)
        settled = moved and car.current_mA == before
        if state != outlet.traced_state or moved >= TRACE_STEP_mA or settled:
            outlet.traced_state = state
            outlet.traced_mA = car.current_mA
            self.on_change(outlet, "car", {"state": state, "ev_mA": car.phase_mA()})


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
