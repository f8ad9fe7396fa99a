"""The list of tokens that the Central System keeps here, for every version of OCPP. Loaded for one
request."""

import asyncio
from micropython import const

MOST = const(50)  # tokens in one message (a setting says it too): so many fit into the heap
_MAX_VERSION = const(0x7FFFFFFF)


class Mismatch(Exception):
    """A change of the list has no higher version than the list has."""


async def update(local, version, entries, sent, anew):
    """Put the `sent` entries, of which entries(sent) makes those of storage/tags.py, into the list
    of `local`, or make it of them alone (`anew`): the list that there is stays in force until the
    new one is on flash. Raises Mismatch, or ValueError: it says why."""
    if not anew and version <= local.version():
        raise Mismatch("the list has version %d already" % local.version())
    # (0 is that of an empty list)
    if not (0 < version <= _MAX_VERSION or version == 0 and not sent):
        raise ValueError("no list can have version %d" % version)
    if len(sent) > MOST:
        raise ValueError("%d tokens at once, %d can be taken" % (len(sent), MOST))
    made = entries(local, sent)
    if anew:
        made = _whole(made)
    for _ in local.update(version, made, anew):
        await asyncio.sleep_ms(0)


def _whole(entries):
    for entry in entries:
        if entry[1] is None:
            raise ValueError("nothing is said of a token in a whole list")
        yield entry
