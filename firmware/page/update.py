"""An update of the firmware that the owner brings (docs/updates.md): POST /update, the file is its
body, into the code slot that does not run; GET /update, where that stands. Loaded for one."""

import asyncio
import json
from micropython import const

from firmware import lazy, log
from firmware.station.update import ASKED, INSTALLING, LOADED, SWITCHED, closed

_MOST = const(2097152)  # bytes; what fits is a matter of the flash
_CHARGES = const("a car charges, and nothing is written meanwhile: bring it again later")


async def take(page, request):
    """Take the file -> what is said then. Raises ValueError: why not; OSError: the connection is
    broken."""
    try:
        return await _take(page, request)
    except ValueError as e:
        status, why = e.args if len(e.args) == 2 else (400, str(e))
        log.warning("page: update: " + why)
        raise ValueError(status, why)


async def _take(page, request):
    unit = page.unit
    why = _hinders(unit)
    if why:
        raise ValueError(409, why)
    if not 0 < request.left <= _MOST:
        raise ValueError(413, "an update has 1 to %d bytes" % _MOST)
    updates = lazy.load("station.update")
    update = updates.Update(unit.station)
    if not updates.bring(update):
        raise ValueError(409, "another one is being installed, or the flash is full")
    task = asyncio.create_task(_load(page, request, update))
    update.stop = task.cancel
    try:
        version = await task
    except asyncio.CancelledError:
        raise ValueError(409, "the Central System has asked for another one")
    waits = any([c.tx for c in unit.station.connectors])
    when = "when the last transaction has ended" if waits else "now"
    said = version, lazy.load("version").VERSION, when
    return "version %s is there, in place of %s: the unit restarts %s, then it is on trial" % said


async def _load(page, request, update):
    # -> its version
    unit, slot = page.unit, None
    sink = lazy.load("release").Release(unit.config.update_signed)
    log.info("page: an update comes")
    try:
        sink.begin(0, request.left)
        while request.left:
            piece = await request.take()
            if closed(unit.outlets):
                raise ValueError(409, _CHARGES)
            await sink.write(piece)
            page.history.look()
        slot = sink.end()
        if not slot:
            raise ValueError("it is cut short")
    finally:
        sink.close()
        if not slot:
            update.failed(False)
    log.info("page: update: version %s is in slot %s" % (sink.version, slot))
    update.loaded(slot, lazy.load("slots").current())
    return sink.version


def _hinders(unit):
    # Why there can be no update now, or None.
    update = unit.station.update
    if _trial() is not None:
        return "the version that runs is on trial, for five minutes at most"
    if update and not update.over():
        if update.state in (INSTALLING, SWITCHED):
            return "an update is being installed"
        if update.state == ASKED:
            return "the Central System has asked for an update"
        if update.state < LOADED:
            return "an update is being loaded"
        return "an update is there: it is installed when the last transaction has ended"
    return _CHARGES if closed(unit.outlets) else None


def _trial():
    # Starts that the version that runs may still fail, or None.
    words = lazy.load("crash").read()
    return int(words[2]) if words[2:] and words[0] == lazy.load("slots").current() else None


def stands(page):
    """-> pieces of an answer:

    | slot | that runs |
    | trial | starts that it may still fail, or null: it is not on trial |
    | hinders | why there can be no update now, or null |"""
    unit, slot = page.unit, lazy.load("slots").current()
    told = {"slot": slot, "trial": _trial(), "hinders": _hinders(unit)}
    return (json.dumps(told).encode(),)
