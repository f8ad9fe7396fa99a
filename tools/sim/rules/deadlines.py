"""The numbers of docs/electrical.md 4, 5 and 8, as the monitor holds a station to them."""

TICK_ms = 25
EARLY_ms = 20  # a reading that comes sooner after the one before says nothing new
X1 = 65535
F = 0
LONG_ms = 3600000

OPEN_ms = 60  # hazards 1, 2, 6: any state but C; the contactor travels for the rest of 100
SEEN_ms = 100  # of a shorted diode: the station must know
TRIP_ms = 50  # hazard 3, to the software
DIODE_ms = 3000
WELD_ms = 1200  # 1 s after opening, and the contactor's travel
NOT_CLOSED_ms = 1200
NOT_CLOSED_OFF_ms = 10000
RETRIES = 3
PE_ms = 100  # an open interlock too
WIRE_ms = 1000  # the pilot's driver does not send what it is given
OFF_u16 = 1200  # by more than that
RELEASE_ms = 600  # of that, until it must be over
VOLTAGE_ms = 5100  # 5 s and the tick that acts
VOLTAGE_BACK_ms = 60000
LOW_mV, HIGH_mV = 207000, 253000
CABLE_ms = 100
CHANGED_ms = 1000  # another cable
LOCK_ms = 16000  # it tries to lock again, then lets the car stop
METER_ms = 2200  # a reading old, and one more to be sure
OVER_ms = 7000
FAR_OVER_ms = 1000
OBEY_ms = 6000
HOT_ms = 2500  # a reading of the temperature, and a tick
SETTLE_ms = 1100  # after power-up the sensor of residual current counts for nothing
SENSOR_ms = 60000
SENSOR_LONG_ms = 600000
DUTY_ms = 5000
MIN_OFF_ms = 5000
CLOSE_ms = 3000
STABLE_ms = 450  # of C before closing: pulses of 250 ms are not a wish to charge
OFFER_ms = 15000  # nothing forbids it, and still nothing is offered
SIX_mA = 6005  # how a car reads the 10 % that 6 A are, in whole steps of 13 bits
LOAD_mA = 1000  # more than this is under load
NOISE_mA = 1000
TEST_F_ms = 100  # the station measures its own -12 V once a power-up, thrice if it sees none
TESTS_F = 3
CHATTER_ms = 30000  # after D or E


def rating_mA(ohm):
    """What a cable with this resistor carries (docs/electrical.md 4); 0: none, or broken."""
    if ohm is None or ohm < 60 or ohm > 4500:
        return 0
    return 63000 if ohm <= 140 else 32000 if ohm <= 308 else 20000 if ohm <= 936 else 13000
