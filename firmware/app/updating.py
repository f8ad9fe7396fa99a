"""What an update (station/update.py) has the app do: download, restart. Loaded for that."""

import asyncio
from binascii import hexlify, unhexlify
from micropython import const

from firmware import lazy, log
from firmware.network import wifi
from firmware.station.security import BAD_SIGNATURE
from firmware.station.update import INSTALLING, LOADED, closed, pause

_TRIES = const(3)  # to find memory


async def step(app, update):
    """The turn of the app; raises nothing."""
    try:
        if update.state == INSTALLING:
            log.info("update: it is installed, the unit restarts")
            return app.reset("Soft", "update")
        await (_check if update.state == LOADED else _load)(app, update)
    except Exception as e:  # (no memory to load it, a fault of ours)
        if update.loading():
            _failed(app, update, "%s: %s" % (type(e).__name__, e), False)


async def _check(app, update):
    # The signature.
    good, why = None, "no memory to check the signature"
    for _ in range(_TRIES):
        try:
            good, why = await _is_good(update, app.station.clock.now())
            break
        except MemoryError:
            await asyncio.sleep(10)
    if not update.loading():
        return
    update.checked(good)
    if good:
        return log.info("update: its signature is good")
    _tell(app, why)
    if good is False:
        lazy.load("station.security").note(app.station, BAD_SIGNATURE, why)


async def _is_good(update, now_s):
    # -> (is it? None: who knows; why not)
    good = None
    try:
        chain, signature = update.proof()
        digest, check = unhexlify(update.digest), lazy.load("signatures").check_file
        good = False
        await check(chain, signature, digest, now_s)
        return True, ""
    except ValueError as e:
        return good, "the signature cannot be read: %s" % e if good is None else str(e)
    except OSError as e:
        return None, "the signature cannot be checked: %s" % e


async def _load(app, update):
    # Tries until it is there: from where it broke off. What is wrong with the file is no matter
    # of another try.
    release = lazy.load("release").Release
    signed = app.config.update_signed and not update.signed()  # (else all of it is, checked later)
    sink = release(signed)
    try:
        # What runs may be on trial: the slot that is to be emptied is the one from before.
        while len(lazy.load("crash").read()) > 2:
            await asyncio.sleep(1)
        while True:
            await _rest(app, update)
            if not update.loading():
                return
            why, again = "it is cut short", True
            try:
                await lazy.load("network.transfer").download(
                    update.location,
                    _Guard(app, update, sink),
                    sink.at,
                    lambda: _trust(app),
                    wifi.resolve,
                )
                slot = sink.end()
                if slot:
                    log.info("update: version %s is in slot %s" % (sink.version, slot))
                    digest = hexlify(sink.digest()).decode()
                    return update.loaded(slot, lazy.load("slots").current(), digest)
            except OSError as e:
                why = str(e)
            except MemoryError:  # (nobody knows how much the sink had taken: anew)
                why = "no memory"
                sink.close()
                sink = release(signed)
            except ValueError as e:
                why, again = str(e), False
            if not update.loading() or not _failed(app, update, why, again):
                return
            await asyncio.sleep(update.pause_s)
    finally:
        sink.close()


async def _rest(app, update):
    # Until it may be written.
    paused = False
    while closed(app.outlets):
        if not paused:
            pause(update, True)
        paused = True
        await asyncio.sleep(1)
    if paused:
        pause(update, False)


def _failed(app, update, why, again):
    # True: there is to be another try.
    again = update.failed(again)
    _tell(app, why, not again)
    return again


def _tell(app, why, over=True):
    # The log, and the Central System when it is over.
    log.warning("update: %s" % why)
    if over:
        app.outbox.info = "update: " + why
        app.station.tell(None, app.station.clock.now())


def _trust(app):  # as the link does: by /certs, with the unit's own certificate where it has one
    security, settings = lazy.load("ocpp.security"), app.settings
    return security.load(max(2, security.level(settings.config, settings)))


class _Guard:
    # The sink, as long as the update is wanted.

    def __init__(self, app, update, sink):
        self._app, self._update, self._sink = app, update, sink
        self.begin = sink.begin

    async def write(self, data):
        await _rest(self._app, self._update)
        if not self._update.loading():
            raise ValueError("another one was asked for")
        await self._sink.write(data)
