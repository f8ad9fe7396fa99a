"""What can be wrong, the gravest first, which is what counts; what follows, how it goes by."""

from micropython import const

NONE = const(0)
WELDED = const(1)
RESIDUAL = const(2)
RESIDUAL_TEST = const(3)
INTERLOCK = const(4)
PE = const(5)
OVERLOAD = const(6)
PILOT_SHORT = const(7)
CABLE = const(8)
DIODE = const(9)
NOT_CLOSED = const(10)
DUTY = const(11)
VENTILATION = const(12)
UNDERVOLTAGE = const(13)
OVERVOLTAGE = const(14)
OVERHEATED = const(15)
OVERCURRENT = const(16)
LOCK = const(17)
PILOT_RANGE = const(18)
METER = const(19)
POLICY = const(20)  # of the charge point itself: the owner's rules are broken (policy.py)
LIST = const(21)  # of it too, for a moment: a tag of the local list was refused (tags.py)

# Reactions. All but REPORT forbid to offer energy, from the same tick on.
REPORT = const(0)  # it is only told; who sets a limit is told by the part (limit_mA)
_STOP = const(1)  # X1; the contactor opens when the car has left C, or after 6 s
STOP_5 = const(2)  # the same, after 5 s
OPEN = const(3)  # the contactor opens in the same tick; X1
OPEN_F = const(4)  # the contactor opens in the same tick; F for 300 ms, then X1

# What is seen after how long (by which part, or on the pilot), and when it is over:
#
# | fault         | reaction | seen                                  | over |
# |---------------|----------|---------------------------------------|------|
# | WELDED        | OPEN_F   | 500 ms after opening, live for 250 ms (mirror); F stays | reset |
# | RESIDUAL      | OPEN_F   | at the first reading (residual)       | reset |
# | RESIDUAL_TEST | OPEN_F   | 1 s of test without a trip, or 3 s until that ends | reset |
# | INTERLOCK     | OPEN_F   | at the first reading (interlock)      | 500 ms closed, unplugged |
# | PE            | OPEN_F   | at the first reading (earth)          | 60 s after it came back |
# | OVERLOAD      | OPEN_F   | 1 s and two readings above 150 % (overcurrent) | unplugged |
# | PILOT_SHORT   | OPEN_F   | 50 ms or 3 readings of state E        | state E is; closes in 30 s |
# | CABLE         | OPEN_F   | 3 readings of no cable; 500 ms of another one; 1 s of a car
# |               |          | that came without (proximity)         | unplugged |
# | DIODE         | OPEN     | 3 readings of the low phase           | unplugged |
# | NOT_CLOSED    | OPEN     | 1 s after closing, dead (mirror)      | after 10 s, thrice; reset |
# | DUTY          | OPEN     | 8 readings of another one (readback)  | 8 right ones, unplugged |
# | VENTILATION   | OPEN     | 50 ms or 3 readings of state D        | state D is; closes in 30 s |
# | UNDERVOLTAGE  | OPEN     | 4 s below 207 V (supply)              | 60 s inside the range |
# | OVERVOLTAGE   | OPEN     | 4 s above 253 V (supply)              | 60 s inside the range |
# | OVERHEATED    | STOP_5   | at the first reading of 71 degC (derating) | below 61 degC |
# | OVERCURRENT   | STOP     | 7 s above 110 % of 0.5 A more (overcurrent) | unplugged |
# | LOCK          | STOP     | 6 pulses of the motor in vain (lock)  | it moves, or need not |
# | PILOT_RANGE   | STOP     | 1 s between the windows of the states; or the self-test at
# |               |          | boot saw no -12 V: until power is cut | 1 s inside a window |
# | METER         | REPORT   | 60 s without a reading (overcurrent); answers that cannot be
# |               |          | true (drivers/modbus.py): five in a row, of no number, below zero,
# |               |          | too large, or of an energy that jumps; 3 s of no voltage with the
# |               |          | contactor closed, or of 2 A with it open; 30 Wh of the power shown
# |               |          | in which the energy stands still; not a digit changes in 20 s of
# |               |          | contactor and current, in 60 s without | a reading comes |
#
# reset: only by a person, Controller.reset(); all others go by themselves, as said, and not else.
# Those that end a transaction, as INTERLOCK does, and outlive a reset: a person has to come.
ENDING = (WELDED, RESIDUAL, RESIDUAL_TEST)
# How soon somebody has to see to it, as OCPP 2.0.1 counts: 0 danger, 1 hardware, 2 system failure,
# 3 critical, 4 error, 5 alert, 6 warning .. 9 debug. (Nobody opens an INTERLOCK for nothing: 0.)
SEVERITY = (
    b"\x09\x00\x00\x01\x00\x00\x03\x04\x04\x04\x01\x01\x05\x03\x03\x03\x04\x02\x04\x04\x06\x06"
)
REACTION = (
    b"\x00\x04\x04\x04\x04\x04\x04\x04\x04\x03\x03\x03\x03\x03\x03\x02\x01\x01\x01\x00\x00\x00"
)
