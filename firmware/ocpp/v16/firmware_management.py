"""OCPP 1.6 FirmwareManagement, and signed updates (security white paper); its diagnostics are in
uploads.py. Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy
from firmware.clock import parse_iso
from firmware.ocpp.rpc import CallError
from firmware.station.security import BAD_SIGNER

# Of an update, by a state of station/update.py (7.25; FirmwareStatusEnumType of the white paper).
_STATUSES = const(
    "Idle Downloading Downloaded DownloadFailed Installing Installed InstallationFailed Installing"
    " Downloaded InstallationFailed Downloaded"
)
_SIGNED = const(
    "DownloadScheduled Downloading Downloaded DownloadFailed Installing Installed"
    " InstallationFailed Installing SignatureVerified InvalidSignature InstallScheduled"
)
_OFTEN_s = const(60)
_LOCATION = const(512)


def UpdateFirmware(unit, payload):
    """5.19: in place of one that is not yet being installed."""
    if len(payload["location"]) > _LOCATION:
        raise CallError("PropertyConstraintViolation", "location: at most %d" % _LOCATION)
    _ask(unit, payload["location"], payload["retrieveDate"], payload)
    return {}


async def SignedUpdateFirmware(unit, payload):
    """L01 of the white paper: in place of one that is not yet being installed. Who signs is
    checked before anything is fetched, the signature when all of it is there."""
    firmware, station = payload["firmware"], unit.station
    chain, signature = firmware["signingCertificate"], firmware["signature"]
    if not station.clock.known():
        unit.log("update refused: who signs cannot be checked, the time is not known")
        return {"status": "Rejected"}
    try:
        await lazy.load("signatures").signer(chain, station.clock.now())
    except ValueError as e:
        unit.log("update refused: %s" % e)
        lazy.load("station.security").note(station, BAD_SIGNER, str(e), _OFTEN_s)
        return {"status": "InvalidCertificate"}
    except OSError as e:
        unit.log("update refused: who signs cannot be checked: %s" % e)
        return {"status": "Rejected"}
    install_s = parse_iso(firmware.get("installDateTime", "2020-01-01T00:00:00Z"))
    before = station.update
    job = payload["requestId"], install_s, (chain, signature)
    if not _ask(unit, firmware["location"], firmware["retrieveDateTime"], payload, job):
        return {"status": "Rejected"}
    return {"status": "AcceptedCanceled" if before and not before.over() else "Accepted"}


def _ask(unit, location, when, payload, job=()):
    tries = lazy.load("ocpp.v16.uploads").tries(payload)
    update = lazy.load("station.update").Update(unit.station)
    done = update.ask(location, parse_iso(when), *(tries + job))
    if not done:
        unit.log("update: another one is being installed, or the flash is full")
    return done


def told(state, job=None):
    """The payload of FirmwareStatusNotification; with a `job`, of the signed one."""
    if job is None:
        return {"status": _STATUSES.split(" ")[state]}
    return {"status": _SIGNED.split(" ")[state], "requestId": job}
