"""The wall that the station hangs on: mains, contactors, meters, cables and cars.

It outlives power cuts and resets of the station. World time is integer milliseconds, moved by
`advance`; nothing here reads a clock. What is true of an outlet are plain attributes: the
simulated sensors and actuators read and write them. Nominal values, unless the wall gets a seed.
Runs on CPython and on MicroPython.
"""

import struct

from sim.car import Car, Dice, offered_mA

VOLT_mV = 230000
CLOSE_ms = 40  # contactor travel
OPEN_ms = 30
TRACE_STEP_mA = 2000  # a car's current is traced when it moved this far, or has settled
SENSE_ZERO_uV = 1330000
SENSE_PER_mV_uV = 102.5
_STEP_ms = 50
_LIVE_mV = 100000  # a phase with less than this is dead
_TAU_ms = 900000  # of the housing's temperature
_HEAT_A2 = 40  # square ampere per 0.1 degC: 32 A make it 25 degC warmer
AMBIENT_dC = 250


class Outlet:
    """One connector: its car, contactor, meter and sensors.

    | attribute | the truth about |
    |---|---|
    | duty, coil | what the station drives: pilot (0: -12 V, 65535: +12 V), contactor coil |
    | closed, live | main contacts; load side live: closed, or welded |
    | welded, stuck_open | one pole is stuck closed; the contacts do not close |
    | phases_relay | L2 and L3 are connected |
    | volts_mV | L1, L2, L3 to N |
    | pe_ok | the protective earth of the supply |
    | residual_mA, residual_trip, residual_broken | leakage; the sensor's output, set by the \
simulated sensor; it does not react any more |
    | residual_test | the trip is, or is going to be, the answer to a test |
    | plugged | a cable's plug is in the socket; its other end may be in the car or not |
    | cable_ohm | proximity resistor of that plug; None: none is seen |
    | locked, lock_jam | the plug's lock; it does not move |
    | temperature_dC, sensor_lost | of the housing, 0.1 degC; its sensor does not answer |
    | meter_lost, meter_garbles | the meter is silent; its frames are damaged |
    | meter_lies | how its right frames are untrue (devices/meters.py), or "" |
    | meter_shows | its registers when that began |
    | meter_offset_uWh | its register, less what it has counted: another one was put there |
    | meter_step_Wh | the least that its register rises by |
    """

    def __init__(self, number, pins, meter_Wh):
        self.number = number
        self.pins = pins
        self.car = Car(self)
        self.duty = 0  # without power the pilot is low: state F to a car
        self.coil = False
        self.closed = self.live = False
        self.coil_ms = 0
        self.welded = self.stuck_open = False
        self.phases_relay = True
        self.volts_mV = [VOLT_mV] * 3
        self.pe_ok = True
        self.residual_mA = 0
        self.residual_trip = self.residual_broken = self.residual_test = False
        self.plugged = False
        self.cable_ohm = None
        self.locked = self.lock_jam = False
        self.temperature_dC = self.ambient_dC = AMBIENT_dC
        self.sensor_lost = False
        self.energy_uWh = meter_Wh * 1000000
        self.meter_lost = self.meter_garbles = False
        self.meter_lies = ""
        self.meter_shows = {}
        self.meter_offset_uWh = 0
        self.meter_step_Wh = 0
        self._ripple = 0
        self.meter_permille = 1000  # what it shows of what is true
        self.close_ms = CLOSE_ms
        self.open_ms = OPEN_ms
        self.bounce_ms = 0  # so long after the contacts moved, `live` is anything
        self.plus_mV, self.minus_mV, self.source_ohm = 12000, -12000, 1000
        self.skew_u16 = 0  # the pilot's edges: what a car sees is this much longer
        self.noise_mV = 0  # of every reading of the pilot, +-
        self.dice = Dice(number)
        self.traced_mA = -1
        self.traced_state = None
        self._leaving = False
        self._heat = 0
        self._garbled = 0

    def vary(self, dice):
        """Tolerances of the hardware; those of the car are car.vary()'s."""
        self.dice = dice
        between = dice.between
        self.close_ms, self.open_ms = between(20, 110), between(10, 100)
        self.bounce_ms = between(0, 25)
        self.plus_mV, self.minus_mV = between(11400, 12600), -between(11400, 12600)
        self.source_ohm = between(970, 1030)
        self.skew_u16 = between(-150, 150)
        self.noise_mV = between(20, 100)
        self.meter_permille = between(990, 1010)

    def cable_in(self, ohm):
        self.plugged = True
        self.cable_ohm = ohm
        self._leaving = False

    def cable_out(self):
        """Its plug is drawn, or will be as soon as the lock lets it go."""
        self._leaving = True
        self._leave()

    def _leave(self):
        if not self.locked:
            self._leaving = self.plugged = False
            self.cable_ohm = None

    def power_W(self):
        if not self.car.current_mA:
            return 0
        power = 0
        for mA, mV in zip(self.car.phase_mA(), self.volts_mV):
            power += mA * (mV // 1000)
        return power // 1000

    def register_uWh(self):
        """The energy that the meter shows."""
        uWh = self.energy_uWh + self.meter_offset_uWh
        return uWh - uWh % (self.meter_step_Wh * 1000000) if self.meter_step_Wh else uWh

    def shown_mV(self):
        """The voltages as a meter shows them: no two readings of real mains are the same."""
        self._ripple = (self._ripple * 5 + 3) % 64
        ripple = self._ripple - 32
        return [mV + ripple if mV else 0 for mV in self.volts_mV]

    def pilot_mV(self):
        """The levels of the pilot's high and low part, with noise."""
        high, low = self.car.pilot_mV(self.duty, self.plus_mV, self.minus_mV, self.source_ohm)
        if self.noise_mV:
            noise = 2 * self.noise_mV + 1
            high += self.dice.below(noise) - self.noise_mV
            low += self.dice.below(noise) - self.noise_mV
        return high, low

    def garble(self, frame):
        """A meter's frame as a bad line brings it: damaged, short, or of somebody else."""
        self._garbled += 1
        kind = self._garbled % 3
        if kind == 0:
            return frame[:-3]
        at = 3 if kind == 1 else 0
        return frame[:at] + bytes((frame[at] ^ 0x55,)) + frame[at + 1 :]

    def step(self, dt):
        """`dt` ms pass. -> True if the contacts moved"""
        car = self.car
        self.energy_uWh += self.power_W() * dt * 10 // 36
        self.coil_ms += dt
        moved = False
        if self.coil != self.closed and self.coil_ms >= (
            self.close_ms if self.coil else self.open_ms
        ):
            if not self.coil or not self.stuck_open:
                self.closed = self.coil
                moved = True
        volts = self.volts_mV
        live = (self.closed or self.welded) and volts[0] >= _LIVE_mV
        car.supplied = 3
        if not self.closed or not self.phases_relay or volts[1] < _LIVE_mV:
            car.supplied = 1
        elif volts[2] < _LIVE_mV:
            car.supplied = 2
        duty = self.duty
        if self.skew_u16 and 0 < duty < 65535:
            duty += self.skew_u16
        car.step(dt, duty, live)
        self.live = live
        if self.bounce_ms and self.coil_ms < self.close_ms + self.bounce_ms and self.closed:
            self.live = live and self.dice.below(2) == 0
        if self._leaving:
            self._leave()
        heat = self.ambient_dC - self.temperature_dC
        if car.current_mA:
            heat += (car.current_mA // 1000) ** 2 // _HEAT_A2 * 10
        if heat:
            self._heat += heat * dt
            self.temperature_dC += self._heat // _TAU_ms
            self._heat %= _TAU_ms
        return moved


def _flag(name, value=True, normal=False):
    """(set, clear) of an attribute of an Outlet"""
    return lambda o: setattr(o, name, value), lambda o: setattr(o, name, normal)


def _lie(kind):
    def put(outlet):
        outlet.meter_lies = kind
        outlet.meter_shows.clear()

    def clear(outlet):
        outlet.meter_lies = ""
        outlet.meter_shows.clear()

    return put, clear


def _move(at_Wh=None, by_Wh=0):
    """The meter's register stands at `at_Wh`, or moves by `by_Wh`, and counts on from there: as
    after a reset of its own, or of another meter. Cleared: it is as it was."""

    def put(outlet):
        to_uWh = outlet.register_uWh() + by_Wh * 1000000 if at_Wh is None else at_Wh * 1000000
        outlet.meter_offset_uWh = max(to_uWh, 0) - outlet.energy_uWh

    return put, lambda o: setattr(o, "meter_offset_uWh", 0)


LIES = (
    "frozen", "energy-frozen", "zero-energy", "zero-volts", "nan", "inf", "negative",
    "other-phases",
)  # fmt: skip


def _set_ambient(outlet, dC):
    outlet.temperature_dC = outlet.ambient_dC = dC


def _set_volts(outlet, a, b=VOLT_mV, c=VOLT_mV):
    outlet.volts_mV[:] = (a, b, c)


def _plug_back(outlet):
    if outlet.plugged:
        outlet.cable_ohm = outlet.car.cable_ohm


# What can be wrong on the wall's side: name -> (set, clear), to be called with an Outlet.
WALL_FAULTS = {
    "weld": _flag("welded"),
    "stuck-open": _flag("stuck_open"),
    "residual": _flag("residual_mA", 30, 0),
    "residual-broken": _flag("residual_broken"),
    "pe-loss": _flag("pe_ok", False, True),
    "overheat": (lambda o: _set_ambient(o, 750), lambda o: _set_ambient(o, AMBIENT_dC)),
    "warm": (lambda o: _set_ambient(o, 660), lambda o: _set_ambient(o, AMBIENT_dC)),
    "sensor-lost": _flag("sensor_lost"),
    "lock-jam": _flag("lock_jam"),
    "lock-forced": (lambda o: setattr(o, "locked", False), lambda o: None),
    "cable-loss": (lambda o: setattr(o, "cable_ohm", None), _plug_back),
    "cable-bad": (lambda o: setattr(o, "cable_ohm", 20), _plug_back),
    "under-voltage": (lambda o: _set_volts(o, 195000), lambda o: _set_volts(o, VOLT_mV)),
    "over-voltage": (
        lambda o: _set_volts(o, VOLT_mV, 260000),
        lambda o: _set_volts(o, VOLT_mV),
    ),
    "phase-loss": (lambda o: _set_volts(o, VOLT_mV, VOLT_mV, 0), lambda o: _set_volts(o, VOLT_mV)),
    "meter-lost": _flag("meter_lost"),
    "meter-garbles": _flag("meter_garbles"),
    "meter-reset": _move(at_Wh=0),
    "meter-back": _move(by_Wh=-500),
    "meter-ahead": _move(by_Wh=50000),
}
for kind in LIES:
    WALL_FAULTS["meter-" + kind] = _lie(kind)


class Wall:
    """`on_change(outlet, what, fields)` is called for every change that a trace shows."""

    def __init__(self, connectors, on_change, meters_Wh=(), seed=None):
        self.now_ms = 0
        self.on_change = on_change
        self.outlets = []
        for i, pins in enumerate(connectors):
            start_Wh = meters_Wh[i] if i < len(meters_Wh) else 1000
            outlet = Outlet(i + 1, pins, start_Wh)
            if seed is not None:
                outlet.vary(Dice(seed + i))
                outlet.car.vary(outlet.dice)
            self.outlets.append(outlet)

    def outlet_of(self, pin, use):
        for outlet in self.outlets:
            if outlet.pins.get(use) == pin:
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
        high, low = outlet.pilot_mV()
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
        volts = outlet.volts_mV
        show = outlet.meter_permille
        values = {
            0: volts[0] / 1000,
            2: volts[1] / 1000,
            4: volts[2] / 1000,
            6: currents[0] * show / 1000000,
            8: currents[1] * show / 1000000,
            10: currents[2] * show / 1000000,
            52: outlet.power_W() * show / 1000,
            72: outlet.energy_uWh / 1e9,
        }
        answer = struct.pack(">BBB", address, function, 2 * n)
        for r in range(register, register + n, 2):
            answer += struct.pack(">f", values.get(r, 0))
        answer += struct.pack("<H", crc16(answer))
        return outlet.garble(answer) if outlet.meter_garbles else answer

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
        before = car.current_mA
        if outlet.step(dt):
            self.on_change(outlet, "contactor", {"closed": outlet.closed, "load_mA": before})
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
