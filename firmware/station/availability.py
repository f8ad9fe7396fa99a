"""Puts connectors, and all of the charge point, into and out of service. Loaded for that."""

from micropython import const

_WHOLE = const(-1)  # in Kept.out


def serve(station, number, operative, alone=False):
    """Connector `number` (0: all, and the charge point; or that `alone`, above them) is in service
    or not, over every reboot. Each of the two that 0 can be says what the other did in its own
    way. 0: it could not be kept; 1: done; 2: a transaction runs to its end first."""
    kept, every = station.kept, list(range(len(station.connectors) + 1))
    out = kept.out
    if not alone and _WHOLE in out:
        out = every
    elif alone and len(out) == len(every):
        out = [_WHOLE]
    numbers = [number] if number else [_WHOLE] if alone else every
    out = sorted([x for x in out if x not in numbers] + numbers * (not operative))
    if not kept.put("out", out):
        return 0
    kept.put_in_service()
    if not number and (operative or not kept.in_service()):
        station.tell(None, station.clock.now())
    station.notify()
    later = [c for c in station.connectors if c.tx and number in (0, c.number)]
    return 2 if later and not operative else 1
