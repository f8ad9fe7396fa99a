"""OCPP 1.6 FirmwareManagement, and signed updates (security white paper); its diagnostics are in
uploads.py. Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy
from firmware.clock import parse_iso
from firmware.ocpp.rpc import CallError

# Of an update, by a state of station/update.py (7.25; FirmwareStatusEnumType of the white paper);
# "-": is not told.
_STATUSES = const(
    "Idle Downloading Downloaded DownloadFailed Installing Installed InstallationFailed Installing"
    " Downloaded InstallationFailed Downloaded"
)
_SIGNED = const(
    "DownloadScheduled Downloading Downloaded DownloadFailed Installing Installed"
    " InstallationFailed Installing SignatureVerified InvalidSignature InstallScheduled"
)
_ANSWERS = const("Accepted AcceptedCanceled Rejected InvalidCertificate")  # by ocpp/updates.py
_LOCATION = const(512)


async def UpdateFirmware(unit, payload):
    """5.19: in place of one that is not yet being installed."""
    if len(payload["location"]) > _LOCATION:
        raise CallError("PropertyConstraintViolation", "location: at most %d" % _LOCATION)
    updates, from_s = lazy.load("ocpp.updates"), parse_iso(payload["retrieveDate"])
    await updates.ask(unit, payload["location"], from_s, payload)
    return {}


async def SignedUpdateFirmware(unit, payload):
    """L01 of the white paper."""
    firmware = payload["firmware"]
    proof = firmware["signingCertificate"], firmware["signature"]
    done, _ = await lazy.load("ocpp.updates").ask_for(unit, payload, proof)
    return {"status": _ANSWERS.split(" ")[done]}


def told(state, job=None):
    """The payload of FirmwareStatusNotification; with a `job`, of the signed one."""
    if job is None:
        return {"status": _STATUSES.split(" ")[state]}
    return {"status": _SIGNED.split(" ")[state], "requestId": job}
