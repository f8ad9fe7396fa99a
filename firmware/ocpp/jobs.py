"""What is told now and then, for every version: of long jobs, an upload or an update; of security
events, and reservations that have ended; what the owner's rules tell; what the Central System has
triggered; and who may charge. Loaded for that."""

import asyncio
from micropython import const

from firmware import lazy
from firmware.station import metering

_ACCEPTED = const(0)  # of a token (storage/tags.py)
_AT_ONCE = const(8)  # lines of the log
_TALES = const(4)


async def authorize(outbox, ask):
    """Ask whether the token of `ask` may charge."""
    conf = status = group = None
    station = outbox.station
    try:
        conf = await outbox.ask(*outbox.message("authorize", ask.token, ask.kind))
    finally:  # (also of a connection that is lost)
        if conf is not None:
            number = ask.connector and ask.connector.number
            said = station, ask.token, ask.kind, conf, number
            status, group = outbox.message("heard", *said)
        elif not outbox.refused and station.local().offline(ask.token, ask.kind):
            status = _ACCEPTED
        if status == _ACCEPTED:
            station.access().authorised(ask, group)
        else:
            denied(outbox, ask.token, status)


async def present(outbox, said, gone_s):
    """While offline only the present counts: all of it, or after a short time what has changed.
    said: what was told last, by connector; it was offline since `gone_s`."""
    station = outbox.station
    now_s, limit_s = station.clock.now(), outbox.settings.value("offline_s")
    short = limit_s and said and 0 <= now_s - gone_s <= limit_s
    station.news.clear()
    if not short:
        said.clear()
        await outbox.say(station.notice(None, now_s))
    for c in station.connectors:
        if not short or said.get(c.number) != (c.state, c.shown.fault):
            station.tell(c, now_s)


def denied(outbox, token, status):
    """Log that `token` may not charge, and why: a status of storage/tags.py, or None."""
    why = "no answer" if status is None else outbox.module("words").TOKENS.split(" ")[status]
    outbox.log("tag %s not accepted: %s" % (token, why))


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


def begin(outbox, name, *args):
    """told(*args) of the version's module `name` yields what is told in several messages, one
    after the other: (action, payload)s, or None where it wants to rest. It begins when the answer
    to who asked for it is on its way and those before it are over (no more of it is in RAM until
    then), and goes on over lost connections. False: others have to end first."""
    if len(outbox.tales) >= _TALES:
        return False

    def start():
        outbox.tales.append([None, None, name, args])
        outbox.notify()

    outbox.rpc.after = start
    return True


async def go_on(outbox, silent):
    """The next message of what was begun first; what is lost with the connection comes again."""
    tale = outbox.tales[0]
    if tale[0] is None:
        tale[0] = outbox.module(tale[2]).told(*tale[3])
    while tale[1] is None:
        try:
            tale[1] = next(tale[0])
        except StopIteration:
            outbox.tales.pop(0)
            return
        await asyncio.sleep_ms(0)
    if await _told(outbox, silent, *tale[1]):
        tale[1] = None


async def tell_update(outbox, update, silent):
    """The same of an update, whose news outlive the power. Who triggers it hears the last one."""
    one = update.news[0]
    message = outbox.message("updated", one)
    if not message or await _told(outbox, silent, *message):
        if message:
            outbox.running[message[0]] = one, None, None
        update.told()


async def alert(outbox, silent):
    """The same of what its alerts have queued."""
    alerts = outbox.alerts
    events, message = alerts.message()
    if await _told(outbox, silent, *message):
        alerts.told(events)


async def limit(outbox, outside, who, silent):
    """The same of a limit from outside, as it is now, to `who` listens."""
    key, one = outside.news(who)
    message = outbox.message("limit", key, one, outbox.settings)
    if not message or await _told(outbox, silent, *message):
        outside.told(key, one)


async def tell_over(outbox, reservations, silent):
    """The same of a reservation that has ended by itself."""
    one = reservations.over[0]
    message = outbox.message("unreserved", *one)
    if not message or await _told(outbox, silent, *message):
        reservations.told(one)


async def transfer(outbox):
    """Tell what the owner's rules want told, and them what is answered."""
    station = outbox.station
    one = station.transfers.pop(0)
    conf = await outbox.ask(*outbox.message("transfer", one)) or {}
    if station.policy:
        accepted, data = outbox.message("answered", conf)
        station.policy.heard(one, accepted, data, station)


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


def carry_on(outbox):
    """Another language is spoken: what runs is told of in it at once, by a sample of each."""
    station = outbox.station
    for c in station.connectors:
        if c.tx:
            now_s, key = station.clock.now(), outbox.module("messages").TRIGGERED
            sample = station.metering.take(c, now_s, key, metering.TRIGGER)
            if sample:
                station.sample(c, sample)


async def say(outbox, action, number):
    """What was triggered: that action, of connector `number` (None: all). What is neither the
    boot message nor a heartbeat, a notice or a sample, is of a job."""
    messages = outbox.module("messages")
    boots, _, notice, sample = messages.ACTIONS[:4]
    key, messages = messages.TRIGGERED, None  # (who waits would keep it)
    await asyncio.sleep_ms(0)
    station, now_s = outbox.station, outbox.station.clock.now()
    if action == outbox.beats:
        return await outbox.registration.beat()
    if action == boots:
        return await outbox.registration.boot(True)
    if action not in (notice, sample):
        job, update = outbox.running.get(action) or (None,), station.update
        if update and update.location is None:  # (it was not asked for there)
            update = None
        return await outbox.ask(*outbox.message("status", action, job[0], update))
    if action == notice and not number:
        await outbox.say(station.notice(None, now_s))
    for c in station.connectors:
        if number in (None, c.number) or number == 0 and action == sample:
            if action == sample:
                s = station.metering.take(c, now_s, key, metering.TRIGGER)
                await asyncio.sleep_ms(0)
                await outbox.ask(*outbox.message("samples", c.number, c.tx, s))
            else:
                await outbox.say(station.notice(c, now_s))
