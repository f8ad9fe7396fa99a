"""OCPP 1.6 LocalAuthListManagement. Each handler gets requests.Requests."""

import asyncio
from micropython import const

from firmware import lazy
from firmware.clock import parse_iso

_MAX_SENT = const(50)  # tags in one message (a key says it too): so many fit into the heap
_MAX_VERSION = const(0x7FFFFFFF)


def GetLocalListVersion(unit, payload):
    """5.10: 0 without a list, -1 where none is used."""
    used = unit.settings.value("list")
    return {"listVersion": unit.station.local().version() if used else -1}


async def SendLocalList(unit, payload):
    """5.15: the list that there is stays in force until the new one is on flash."""
    if not unit.settings.value("list"):
        return {"status": "NotSupported"}
    local, version = unit.station.local(), payload["listVersion"]
    anew = payload["updateType"] == "Full"
    sent = payload.get("localAuthorizationList", ())
    if not anew and version <= local.version():
        return {"status": "VersionMismatch"}
    try:
        # (0 is that of an empty list)
        if not (0 < version <= _MAX_VERSION or version == 0 and not sent):
            raise ValueError("no list can have version %d" % version)
        if len(sent) > _MAX_SENT:
            raise ValueError("%d tags at once, %d can be taken" % (len(sent), _MAX_SENT))
        if anew and [one for one in sent if "idTagInfo" not in one]:
            raise ValueError("a tag without idTagInfo")
        for _ in local.update(version, _entries(local, sent), anew):
            await asyncio.sleep_ms(0)
    except ValueError as e:
        unit.log("local list refused: %s" % e)
        return {"status": "Failed"}
    return {"status": "Accepted"}


def _entries(local, sent):
    # AuthorizationData (7.1) as tags.Tags.update() wants them.
    statuses = lazy.load("ocpp.v16.words").TOKENS.split(" ")
    for one in sent:
        info = one.get("idTagInfo")
        status = expiry_s = group = None
        if info:
            status, group = statuses.index(info["status"]), local.group(info.get("parentIdTag"))
            expiry_s = parse_iso(info["expiryDate"]) if "expiryDate" in info else None
        yield one["idTag"], status, expiry_s, group, 0
