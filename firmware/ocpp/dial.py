"""Makes the connection to the Central System: which address, and when; security.py knows with what
credentials. In RAM only while there is no connection: what it has to remember is in the Link."""

import asyncio
import os
import re
import time
from micropython import const

import uwebsockets
from firmware import lazy

_DIAL_s = const(30)  # for the look-up, TCP, TLS and the upgrade together
_AGAIN_s = const(3600)  # between two of its events of one kind: about the same,
_SOON_s = const(300)  # about another failure than the one before
_ENOMEM = const(12)  # (of mbedTLS, whose memory is not this heap)

security = lazy.load("ocpp.security")


async def connect(link):
    """The next WebSocket to the Central System, of `link` (link.Link); tries for ever, or until
    there is no memory for it, a MemoryError.
    The addresses are dialled in order, without a pause, each as often as is set, with back-off
    between. When all of them were, that is a round, the back-off comes and then the first again.
    After a connection that was no good the next address follows, after a good one a new round."""
    config, settings = link.config, link.settings
    ways, times = _ways(link)
    while True:
        if link.number >= len(ways) * times:
            link.number = 0
            await delay(link)
            ways, times = _ways(link)
        elif link.number % times:
            await delay(link)
        settings.slot, profile, link.answer_s, url = ways[link.number // times]
        url = url.rstrip("/") + "/" + _quoted(config.id)
        link.number += 1
        try:
            ws = await asyncio.wait_for(_open(link, url, profile), _DIAL_s)
            link.log("connected to %s, %s" % (url, ws.protocol))
            security.worked(config, settings, link.log, link.outbox.note, profile)
            return ws
        except asyncio.TimeoutError:
            error = OSError("nothing was heard within %d s from %s" % (_DIAL_s, url))
        except (OSError, ValueError, MemoryError) as e:
            error = e
        failure = lazy.load("ocpp.failure")
        why = failure.explain(error, config, settings, url, profile)
        if len(ways) > 1:
            why = "address %d: %s" % ((link.number - 1) // times + 1, why)
        link.record(why)
        event = failure.event(error, profile)
        if event is not None:  # (a new one soon, one that is repeated by the back-off seldom)
            again = link.ends[-1][1] > 1
            link.outbox.note(event, why, _AGAIN_s if again else _SOON_s)
        if security.failed(settings, error, link.log):
            link.number -= 1  # at once, with what was in force before
        if isinstance(error, MemoryError) or getattr(error, "errno", 0) == _ENOMEM:
            raise MemoryError  # (another address does not help: a task that begins anew may)


def _ways(link):
    # The addresses of a round, and how often each is dialled. Their order is that of the start.
    settings = link.settings
    if link.order is None:
        link.order = settings.stored.get("slots", "")
    least = security.level(link.config, settings)
    ways = security.addresses.dialled(link.config, settings, least, link.order)
    return ways, settings.value("dial_attempts")


async def delay(link):
    """Back-off as in OCPP 2.0.1; something is by chance, or a fleet would come back at once."""
    value = link.settings.value
    doubled = min(link.steps, value("backoff_doublings"))
    link.steps += 1
    wait_ms = 1000 * min(value("backoff_s") << doubled, 3600)
    wait_ms += int.from_bytes(os.urandom(3), "big") % (1000 * value("backoff_random_s") + 1)
    began_ms, up = time.ticks_ms(), True
    while True:
        was, up = up, not link.network or link.network()
        left_ms = wait_ms - time.ticks_diff(time.ticks_ms(), began_ms)
        if up and not was:  # the network was what was missing
            link.steps = left_ms = 0
        if up and left_ms <= 0:
            return
        await asyncio.sleep_ms(500 if link.network else left_ms)


async def _open(link, url, profile):
    ssl, user, password = security.prepare(link.config, link.settings, url, profile)
    found = []

    async def resolve(host):
        found[:] = host, await _address(link, host)
        return found[1]

    ws = await uwebsockets.connect(
        url,
        link.config.protocols,
        user,
        password,
        ssl,
        rx_size=link.rx,
        tx_size=link.tx,
        resolve=resolve,
    )
    if found[0] != found[1]:
        link.known[found[0]] = found[1]
    return ws


async def _address(link, host):  # by DNS; where that is dead for 15 s, or 5, as it was last
    known, why = link.known.get(host), "nobody answers"
    try:
        return await asyncio.wait_for(link.resolve(host), 5 if known else 15)
    except asyncio.TimeoutError:
        pass
    except OSError as e:
        why = str(e)
    if not known:
        raise OSError("%s is not found: %s" % (host, why))
    link.log("%s is not found: %s; %s, where it was last" % (host, why, known))
    return known


def _quoted(text):
    # One element of the path (OCPP-J 1.6, 3.1.1; RFC 3986). By bytes: docs/memory.md, Names.
    odd = rb"[^-A-Za-z0-9._~:@!$&'()*+,;=]"
    return re.sub(odd, lambda m: b"%%%02X" % m.group(0)[0], text.encode()).decode()
