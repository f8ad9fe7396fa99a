"""How a reset that was asked for comes about. Loaded for that."""

import asyncio
import time
from micropython import const

from firmware import lazy, log
from firmware.station import states
from firmware.station.security import RESET
from firmware.station.update import INSTALLING

_POLL_ms = const(100)
_END_ms = const(15000)  # how long a reset waits for transactions to end and to be told


async def end(unit, kind, how):
    """End transactions and tell them first (OCPP 1.6 ed. 2, 5.14; 2.0.1, B12); then raises
    SystemExit. `kind`: "Hard", which does not wait until they are told; "Immediate"; "Soft";
    "memory": for want of it. `how`: a word of how a run begins (crash.py)."""
    why = "for want of memory" if kind == "memory" else kind
    log.info("restart: " + why)
    hard = kind == "Hard"
    for c in unit.station.connectors:
        c.stop(states.HARD_RESET if hard or kind == "Immediate" else states.SOFT_RESET)
    began = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), began) < _END_ms:
        unit.station.poll()
        for c in unit.station.connectors:  # (also when another update is asked for)
            c.ending = True
        talking = unit.link.online and unit.outbox.ready()
        update = unit.station.update
        told = hard or not talking or not (unit.station.journal.head() or update and update.news)
        if told and not any([c.tx for c in unit.station.connectors]):
            break
        await asyncio.sleep_ms(_POLL_ms)
    if update and update.state == INSTALLING:
        why, how = "for an update", "update"
        update.switch(lazy.load("slots").switch)
    lazy.load("station.security").note(unit.station, RESET, why)
    if unit.page:
        lazy.load("page.kept").save(unit, unit.page.history)
    await leave(unit.link)
    raise SystemExit(0, how)


async def leave(link):
    """Before a restart: close the connection, if there is one, within a second."""
    if link.online:
        link.why = "restart"
        link.ws.leave_ms = 1000
        await link.ws.close(1012)
