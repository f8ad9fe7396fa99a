"""Updates of the firmware that the Central System asks for, for every version. Loaded for that."""

from micropython import const

from firmware import lazy
from firmware.clock import parse_iso
from firmware.station.security import BAD_SIGNER

# What ask() says.
DONE = const(0)
INSTEAD = const(1)  # of another one, which is over
REFUSED = const(2)
BAD = const(3)  # the signer

_OFTEN_s = const(60)


async def ask(unit, location, from_s, payload, job=None, install_s=0, proof=None):
    """There is to be an update, in place of one that is not yet being installed -> one of the
    above, and why not. `payload` may say how often it is tried; job: the request's number; proof:
    (who signs, signature): who that is is checked before anything is fetched, the signature when
    all of it is there."""
    station = unit.station
    done, why = await _signer(unit, proof[0]) if proof else (DONE, "")
    before = station.update
    if not done:
        tries = lazy.load("ocpp.uploads").tries(payload)
        update = lazy.load("station.update").Update(station)
        if update.ask(location, from_s, *tries, job, install_s, proof):
            return INSTEAD if before and not before.over() else DONE, ""
        done, why = REFUSED, "another one is being installed, or the flash is full"
    unit.log("update refused: " + why)
    return done, why


async def ask_for(unit, payload, proof):
    """The same of a request that has a number, and says in `firmware` from where and when."""
    firmware = payload["firmware"]
    return await ask(
        unit,
        firmware["location"],
        parse_iso(firmware["retrieveDateTime"]),
        payload,
        payload["requestId"],
        parse_iso(firmware.get("installDateTime", "2020-01-01T00:00:00Z")),
        proof,
    )


async def _signer(unit, chain):
    station = unit.station
    if not station.clock.known():
        return REFUSED, "who signs cannot be checked, the time is not known"
    try:
        await lazy.load("signatures").signer(chain, station.clock.now())
    except ValueError as e:
        lazy.load("station.security").note(station, BAD_SIGNER, str(e), _OFTEN_s)
        return BAD, str(e)
    except OSError as e:
        return REFUSED, "who signs cannot be checked: %s" % e
    return DONE, ""
