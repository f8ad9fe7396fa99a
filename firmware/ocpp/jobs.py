"""What is told now and then, for every version: of long jobs, an upload or an update; of security
events; and what the Central System has triggered. Loaded for that."""

import asyncio
from micropython import const

from firmware import lazy
from firmware.station import metering

_AT_ONCE = const(8)  # lines of the log


def note(outbox, action, status, name=None, task=None):
    """A job `name`, of which `action` tells, has come to `status`; None: it is over. That is told
    in order; who triggers `action` meanwhile hears where it stands. `task` does it."""
    outbox.running[action] = name and (status, name, task)
    del outbox.news[:-7]
    outbox.news.append((action, status))
    outbox.notify()


async def tell(outbox, silent):
    """The oldest of its news. What is lost with the connection, or not answered, is told again;
    but not to who never answers that (`silent`)."""
    one = outbox.news[0]
    if await _told(outbox, silent, *outbox.message("status", *one)) and one in outbox.news[:1]:
        outbox.news.pop(0)


async def tell_update(outbox, update, silent):
    """The same of an update, whose news outlive the power."""
    if await _told(outbox, silent, *outbox.message("updated", update.news[0])):
        update.told()


async def security(outbox, silent):
    """The same of the oldest security event, which does so too."""
    station, events = outbox.station, lazy.load("station.security")
    try:
        line = await _oldest(station, events.log(station))
    except OSError as e:
        return _broken(station, e)
    if not line:
        return
    action, payload = outbox.message("security", line[3], events.least_s(line[1]), line[4])
    told = await _told(outbox, silent, action, payload)
    station.untold = 2 if action in silent else 1
    if told:
        try:
            events.log(station).told(line[0])
        except OSError as e:
            _broken(station, e)


async def _oldest(station, log):
    # The oldest line that is to be told, or None: there is none any more. They are looked for from
    # the newest on, a few at a time: where all is told but one, that is all that is read.
    line, last, mark, n = None, 0, log.untold(), 0
    if mark is not None:
        lines = log.back()
        for one in lines:
            last = last or one[0]
            if one[0] < mark:
                break
            line = one if one[2] else line
            n += 1
            if n % _AT_ONCE == 0:
                await asyncio.sleep_ms(0)
        lines.close()
        if not line:
            log.told(last)
    if log.untold() is None:
        station.untold = 0
    return line


def _broken(station, e):  # (until the next one happens: not again and again)
    station.log("security log: %r" % e)
    station.untold = 0


async def _told(outbox, silent, action, payload):
    before = action in silent
    conf = await outbox.ask(action, payload)
    return conf is not None or outbox.refused or before


async def say(outbox, action, number):
    """What was triggered: that action, of connector `number` (None: all). What is neither the
    boot message nor a heartbeat, a notice or a sample, is of a job."""
    boots, _, notice, sample = outbox.module("messages").ACTIONS[:4]
    station, now_s = outbox.station, outbox.station.clock.now()
    if action == outbox.beats:
        return await outbox.registration.beat()
    if action == boots:
        return await outbox.registration.boot()
    if action not in (notice, sample):
        job = outbox.running.get(action) or (None,)
        return await outbox.ask(*outbox.message("status", action, job[0], station.update))
    if action == notice and not number:
        await outbox.say(station.notice(None, now_s))
    for c in station.connectors:
        if number in (None, c.number) or number == 0 and action == sample:
            if action == sample:
                s = station.metering.take(c, now_s, "sampled", metering.TRIGGER)
                await outbox.ask(*outbox.message("samples", c.number, c.tx, s))
            else:
                await outbox.say(station.notice(c, now_s))
