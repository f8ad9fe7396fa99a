"""One connector of the wall: contactor, meter, sensors, socket, and the car at it.

Plain attributes are what is true of it; nominal values, unless `vary(dice)` makes it one of many.
"""

from sim.car import Car, Dice

VOLT_mV = 230000
AMBIENT_dC = 250
CLOSE_ms = 40  # contactor travel
OPEN_ms = 30
_LIVE_mV = 100000  # a phase with less than this is dead
_TAU_ms = 900000  # of the housing's temperature
_HEAT_A2 = 40  # square ampere per 0.1 degC: 32 A make it 25 degC warmer


class Outlet:
    """One connector: its car, contactor, meter and sensors.

    | attribute | the truth about |
    |---|---|
    | duty, driven | what the station drives: pilot (0: -12 V, 65535: +12 V), contactor coil |
    | stuck | what the pilot's driver sends instead, whatever it is given; None: it obeys |
    | coil | it has current: it is driven, and nothing has taken its supply |
    | closed, live | main contacts; load side live: closed, or welded |
    | welded, stuck_open | one pole is stuck closed; the contacts do not close |
    | phases_relay | L2 and L3 are connected |
    | volts_mV | L1, L2, L3 to N |
    | pe_ok | the protective earth of the supply |
    | loop_closed | the loop of the emergency stop, as the station's input sees it: nothing else \
hangs on it here |
    | dimmed | the grid operator's contact, of the whole station at outlet 1, is closed; None: it \
chatters |
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
        self.wrong = set()  # faults.happen
        self.duty = 0  # without power the pilot is low: state F to a car
        self.stuck = None
        self.coil = self.driven = False
        self.closed = self.live = False
        self.coil_ms = 0
        self.welded = self.stuck_open = False
        self.phases_relay = True
        self.volts_mV = [VOLT_mV] * 3
        self.pe_ok = self.loop_closed = True
        self.dimmed = False
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

    def wire(self):
        """The duty as a car, and the station's sense pins, see it."""
        duty = self.duty if self.stuck is None else self.stuck
        return duty + self.skew_u16 if 0 < duty < 65535 else duty

    def pilot_mV(self):
        """The levels of the pilot's high and low part, with noise."""
        high, low = self.car.pilot_mV(self.wire(), self.plus_mV, self.minus_mV, self.source_ohm)
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
        car.step(dt, self.wire(), live)
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
