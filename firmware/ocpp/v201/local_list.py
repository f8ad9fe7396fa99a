"""OCPP 2.0.1, D: the local authorization list. Each handler gets requests.Requests."""

from firmware import lazy
from firmware.ocpp.v201.refusal import refused


def GetLocalListVersion(unit, payload):
    """D02: 0 without a list, and where none is used (D02.FR.03)."""
    used = unit.settings.value("list")
    return {"versionNumber": unit.station.local().version() if used else 0}


async def SendLocalList(unit, payload):
    """D01: the list that there is stays in force until the new one is on flash."""
    if not unit.settings.value("list"):
        return refused("Failed", "NotEnabled", "LocalAuthListCtrlr.Enabled is false")
    shared = lazy.load("ocpp.local_list")
    version, anew = payload["versionNumber"], payload["updateType"] == "Full"
    sent = payload.get("localAuthorizationList", ())
    if not version:  # (D01.FR.18)
        return refused("Failed", "ValueZeroNotAllowed", "no list can have version 0")
    try:
        await shared.update(unit.station.local(), version, _entries, sent, anew)
    except shared.Mismatch as e:
        return refused("VersionMismatch", "ValueTooLow", str(e))
    except ValueError as e:
        many = len(sent) > shared.MOST
        return refused("Failed", "TooManyElements" if many else "InvalidValue", str(e))
    return {"status": "Accepted"}


def _entries(local, sent):
    # AuthorizationData (D01) as tags.Tags.update() wants them.
    words = lazy.load("ocpp.v201.words")
    for one in sent:
        token, info = one["idToken"], one.get("idTokenInfo")
        said = words.token_info(info, local) if info else (None, None, None)
        yield (token["idToken"],) + said + (words.kind(token),)
