"""What an update (station/update.py) has the app do: download, restart. Loaded for that."""

import asyncio
from micropython import const

from firmware import lazy, log
from firmware.network import wifi

_INSTALLING = const(4)  # of station/update.py


async def step(app, update):
    """The turn of the app; raises nothing."""
    try:
        if update.state == _INSTALLING:
            log.info("update: it is installed, the unit restarts")
            return app.reset("Soft")
        await _load(app, update)
    except Exception as e:  # (no memory to load it, a fault of ours)
        if update.loading():
            _failed(app, update, "%s: %s" % (type(e).__name__, e), False)


async def _load(app, update):
    # Tries until it is there: from where it broke off. What is wrong with the file is no matter
    # of another try.
    release = lazy.load("release").Release
    sink = release(app.config.update_signed)
    try:
        # What runs may be on trial: the slot that is to be emptied is the one from before.
        while len(lazy.load("crash").read()) > 2:
            await asyncio.sleep(1)
        while True:
            await _rest(app)
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
                    return update.loaded(slot, lazy.load("slots").current())
            except OSError as e:
                why = str(e)
            except MemoryError:  # (nobody knows how much the sink had taken: anew)
                why = "no memory"
                _close(sink)
                sink = release(app.config.update_signed)
            except ValueError as e:
                why, again = str(e), False
            if not update.loading() or not _failed(app, update, why, again):
                return
            await asyncio.sleep(update.pause_s)
    finally:
        _close(sink)


async def _rest(app):
    # Nothing is written while a contactor is closed: an erase holds up the tick that opens it.
    while any([outlet.controller.closed for outlet in app.outlets]):
        await asyncio.sleep(1)


def _close(sink):
    try:
        sink.close()
    except OSError:
        pass  # (the file was cut short anyway)


def _failed(app, update, why, again):
    # True: there is to be another try.
    log.warning("update: %s" % why)
    again = update.failed(again)
    if not again:  # the Central System is told why, too
        app.outbox.info = "update: " + why
        app.station.tell(None, app.station.clock.now())
    return again


def _trust(app):  # as the link does: by /certs, with the unit's own certificate where it has one
    security, settings = lazy.load("ocpp.security"), app.settings
    return security.load(max(2, security.level(settings.config, settings)))


class _Guard:
    # The sink, as long as the update is wanted.

    def __init__(self, app, update, sink):
        self._app, self._update, self._sink = app, update, sink
        self.begin = sink.begin

    async def write(self, data):
        await _rest(self._app)
        if not self._update.loading():
            raise ValueError("another one was asked for")
        await self._sink.write(data)
