"""What a connector and a transaction's end can be, by number (each protocol has its own words);
and what is told or asked beside transactions (storage/journal.py), which waits in RAM."""

from collections import namedtuple
from micropython import const

from firmware.electrical import faults, pilot

_TICKS = const(0x3FFFFFFF)
_GRACE_ms = const(10000)  # a car may take so long to close S2 before it counts as pausing
_MOMENT_ms = const(10000)
_UNKNOWN_ms = const(-1)
_LEFT = const(4)  # ticks, or it is between two states for good
_NEVER = const(-1)

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

# What kind of token it is.
NO_TOKEN = const(-1)  # there is none yet
CARD = const(0)  # what a reader reads, and whatever has no other kind
CENTRAL = const(1)  # the Central System has made it
LOCAL_TOKEN = const(2)  # the station has made it
NOBODY = const(3)  # nobody is to be asked
KEY_CODE = const(4)
CONTRACT = const(5)
MAC_ADDRESS = const(6)
VICINITY_CARD = const(7)

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
INTERLOCK = const(9)  # an emergency stop, or what else opens its loop
MASTER = const(10)  # a token of the group that may end every transaction
TIME_OUT = const(11)  # no car came
CAR = const(12)  # it takes no more energy
PAUSE = const(13)  # the station gives it none


class Shown:
    """Which of these a connector shows: what is there, what is offered, what is drawn."""

    def __init__(self):
        self.fault = faults.NONE  # the one that goes with the state
        self.finished = _NEVER  # Controller.visit when a transaction ended
        self._offered_ms = _UNKNOWN_ms  # since when the car has been offered energy
        self._withheld_ms = _UNKNOWN_ms  # since when it has not, in a transaction

    def changed(self, connector, now_ms):
        """Bring the state of `connector` up to date; True when it, or its fault, has changed."""
        before = connector.state, self.fault
        # (In the middle of leaving a state, which takes some ticks, it is as before.)
        if connector.settled() and not 0 < connector.controller.other < _LEFT:
            self.fault = connector.controller.fault  # (once: the tick goes on meanwhile)
            connector.state = self._state(connector, now_ms)
        return (connector.state, self.fault) != before

    def _state(self, connector, now_ms):
        c = connector.controller
        if faults.REACTION[self.fault]:
            self._offered_ms = _UNKNOWN_ms
            return FAULTED
        if not connector.tx:
            self._withheld_ms = _UNKNOWN_ms
            if not connector.operative:
                return OUT_OF_SERVICE
            cable = connector.proximity and connector.proximity.plugged  # in the socket
            if not connector.plugged() and not cable and not connector.cable_of:
                self.finished = _NEVER
                if connector.reserved:
                    return RESERVED
                free = OUT_OF_SERVICE if connector.ending == 2 else FREE
                return PLUGGED if connector.waits else free
            # It ended with the car that is there or was the last; or after that had left.
            now, then = c.visit, self.finished
            ended = then != _NEVER and now - then <= then & 1
            if ended and not connector.waits:
                return ENDING
            return RESERVED if connector.reserved else PLUGGED
        # What stays while nothing is decided; a transaction is past FREE and ENDING.
        going = PLUGGED <= connector.state <= PAUSED_BY_STATION
        same = connector.state if going else PLUGGED
        if connector.stopping():
            return same
        if not connector.tx.authorised:
            return PLUGGED if connector.claim() is None else ENDING
        if not connector.plugged():
            waits = connector.course.alone_ms is not None and same == PLUGGED
            return PLUGGED if waits else PAUSED_BY_CAR
        if not c.pilot_mA:
            self._offered_ms = _UNKNOWN_ms
            if self._withheld_ms == _UNKNOWN_ms:
                self._withheld_ms = now_ms
            # What a lock, a self-test or the next tick withholds for a moment is no suspension.
            short = (now_ms - self._withheld_ms) & _TICKS < _MOMENT_ms
            may = pilot.advertisable_mA(connector.allow_mA)
            return same if short and may else PAUSED_BY_STATION
        self._withheld_ms = _UNKNOWN_ms
        if c.closed or self._offered_ms == _UNKNOWN_ms:
            self._offered_ms = now_ms
        if c.closed:
            return CHARGING
        if connector.state == CHARGING or (now_ms - self._offered_ms) & _TICKS >= _GRACE_ms:
            return PAUSED_BY_CAR
        return same


# Connector `number` (0: the charge point itself) was in `state` with `fault` from `time_s` on.
Notice = namedtuple("Notice", ("number", "state", "fault", "time_s"))
# `data` for the party named `vendor`, by the owner's rules (policy.py); texts.
Transfer = namedtuple("Transfer", ("vendor", "message", "data"))


class Ask:
    """May `token` charge at `connector` (None: where its car comes), or end what goes on there?
    Then, once it may, what waits there for its car.

    | profile   | record of the transaction to come, or None |
    | ticks_ms  | when it was shown last, or accepted |
    | visit, tx | Controller.visit and the transaction of then, if it has a token |
    | group     | of the token, or None |
    | kind      | of the token, above |
    | request   | the number of the request that named it, or None |
    | wait_s    | how long it waits for a car |
    | early     | it was accepted before its car was there |
    | begins    | so is the transaction that it begins |
    | roams     | it named no connector: it goes where the car does |"""

    def __init__(self, token, connector, profile, ticks_ms, kind=CARD, request=None):
        self.token, self.connector, self.profile = token, connector, profile
        self.kind, self.request = kind, request
        self.ticks_ms = ticks_ms
        self.visit = connector.controller.visit if connector else 0
        self.tx = connector.claim() if connector else None
        self.group, self.wait_s = None, 0
        self.roams = self.early = self.begins = False
