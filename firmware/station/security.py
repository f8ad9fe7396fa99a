"""Security events, as numbers: each protocol has names for them. Loaded when one happens: who only
imports a number loads nothing, on the board (tools/host/inline.py)."""

from micropython import const

from firmware import lazy
from firmware.clock import UNSET_s

FIRMWARE_UPDATED = const(0)
NOT_AUTHENTICATED = const(1)  # we, at the Central System
CENTRAL_NOT_AUTHENTICATED = const(2)  # it, at us
CLOCK_SET = const(3)
STARTED = const(4)
RESET = const(5)
LOG_CLEARED = const(6)
RECONFIGURED = const(7)  # what makes the connection secure
NO_MEMORY = const(8)
BAD_MESSAGES = const(9)
REPLAY = const(10)
TAMPERED = const(11)
BAD_SIGNATURE = const(12)
BAD_SIGNER = const(13)  # the certificate of who has signed an update
BAD_CENTRAL_CERTIFICATE = const(14)
BAD_OWN_CERTIFICATE = const(15)  # that was to become ours
BAD_TLS_VERSION = const(16)
BAD_CIPHER = const(17)

# Those that are told: what the white paper calls critical, and what a person has to see to.
_TOLD = const(0x3F9F9)


def note(station, event, text="", every_s=0):
    """A security event has happened: it is in the log, and told where it is critical. every_s: no
    more than one of its kind in so many seconds. Raises nothing."""
    try:
        told, kept = _TOLD >> event & 1, log(station)
        if kept.add(event, text, told, every_s) and told or kept.lost:
            station.untold = station.untold or 1
            station.notify()
    except (MemoryError, OSError) as e:
        station.log("security log: %r" % e)


def moved(station, jump):
    """The clock is set: what was noted before lies `jump` s later. Raises nothing."""
    try:
        log(station).moved(jump)
    except (MemoryError, OSError) as e:
        station.log("security log: %r" % e)


def least_s(time_s):
    """The time of a line; where the clock was never set the earliest that it can have been."""
    return time_s if time_s >= 0 else time_s + UNSET_s


def log(station):
    """That of events (storage/security.py), of this moment."""
    storage = lazy.load("storage.security")
    return storage.log(station.auth, station.clock.now(), LOG_CLEARED)
