"""What the tests of updates by the Central System share: a release of this build, a server that
has it, the request, and what the station tells."""

import contextlib
import functools
from datetime import timedelta

from station_driver import ID

from host import release
from host.csms import format_time
from host.csms_update import FileServer
from host.process import WAIT_s

NAME = "FirmwareStatusNotification"
HEAP = "1M"  # (from files the code is in the heap)
NEW = "9.9.9"


@functools.cache
def release_file():
    """The bytes of a release of this build, which calls itself NEW."""
    return release.make(text=NEW)


@contextlib.asynccontextmanager
async def serving(*data, name="/x.upd", ssl=None):
    server = FileServer(ssl=ssl)
    for one in data:
        server.files[name] = one
    await server.start()
    try:
        yield server
    finally:
        server.stop()


async def update(b, server, path="/x.upd", at_s=-1, **more):
    """UpdateFirmware; -> the mark before."""
    mark = b.st.mark()
    when = format_time(await b.now() + timedelta(seconds=at_s))
    payload = {"location": server.url(path), "retrieveDate": when, **more}
    assert await b.st.call("UpdateFirmware", payload) == {}
    return mark


def told(b, since=0, name=NAME):
    return [p["status"] for p in b.st.received(name, since)]


async def until(b, status, since=0, name=NAME):
    """Wait for it, over connections; -> all that was told."""

    def find():
        b.st = b.cs.stations.get(ID, b.st)
        return status in told(b, since, name)

    await b.cs.until(find, WAIT_s)
    return told(b, since, name)


async def triggered(b):
    mark = b.st.mark()
    await b.ask("TriggerMessage", requestedMessage=NAME)
    return (await b.st.expect(NAME, None, WAIT_s, mark))["status"]
