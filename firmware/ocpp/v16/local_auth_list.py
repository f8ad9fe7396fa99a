"""OCPP 1.6 LocalAuthListManagement. Each handler gets requests.Requests."""

from firmware import lazy
from firmware.clock import parse_iso


def GetLocalListVersion(unit, payload):
    """5.10: 0 without a list, -1 where none is used."""
    used = unit.settings.value("list")
    return {"listVersion": unit.station.local().version() if used else -1}


async def SendLocalList(unit, payload):
    """5.15: the list that there is stays in force until the new one is on flash."""
    if not unit.settings.value("list"):
        return {"status": "NotSupported"}
    shared = lazy.load("ocpp.local_list")
    version, anew = payload["listVersion"], payload["updateType"] == "Full"
    sent = payload.get("localAuthorizationList", ())
    try:
        await shared.update(unit.station.local(), version, _entries, sent, anew)
    except shared.Mismatch:
        return {"status": "VersionMismatch"}
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
