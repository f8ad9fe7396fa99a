"""What a connector, a transaction's end and a token can be, by number. Each protocol version has
its own words for them."""

from micropython import const

# The state of a connector.
FREE = const(0)
PLUGGED = const(1)  # a car, a cable, or who waits for one; or nothing is decided yet
CHARGING = const(2)
PAUSED_BY_CAR = const(3)
PAUSED_BY_STATION = const(4)
ENDING = const(5)  # the transaction has ended, its car or cable is still there
RESERVED = const(6)
OUT_OF_SERVICE = const(7)
FAULTED = const(8)

# What ended a transaction.
LOCAL = const(0)
REMOTE = const(1)
UNPLUGGED = const(2)
POWER_LOSS = const(3)
FAULT = const(4)
SOFT_RESET = const(5)
HARD_RESET = const(6)
UNLOCK = const(7)
REFUSED = const(8)  # the Central System does not accept its token
