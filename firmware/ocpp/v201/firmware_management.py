"""OCPP 2.0.1, L: updates of the firmware. Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy
from firmware.ocpp.v201.refusal import refused
from firmware.station.update import INSTALLED

# FirmwareStatusEnumType, by a state of station/update.py.
_STATUSES = const(
    "DownloadScheduled Downloading Downloaded DownloadFailed Installing Installed"
    " InstallationFailed InstallRebooting SignatureVerified InvalidSignature InstallScheduled"
    " DownloadPaused Downloading"
)
# By what ocpp/updates.py says.
_ANSWERS = const(
    "Accepted|AcceptedCanceled|Rejected FwUpdateInProgress|InvalidCertificate InvalidCertificate"
)


async def UpdateFirmware(unit, payload):
    """L01, and without a signature L02: in place of one that is not yet being installed."""
    firmware = payload["firmware"]
    proof = firmware.get("signingCertificate"), firmware.get("signature")
    if None in proof:
        if proof != (None, None):
            why = "signingCertificate and signature belong together"
            return refused("Rejected", "MissingParam", why)
        if unit.settings.config.update_signed:
            why = "update_signed wants signingCertificate and signature"
            return refused("Rejected", "MissingParam", why)
        proof = None
    done, why = await lazy.load("ocpp.updates").ask_for(unit, payload, proof)
    status, _, reason = _ANSWERS.split("|")[done].partition(" ")
    return refused(status, reason, why) if reason else {"status": status}


def told(state, job=None):
    """The payload of FirmwareStatusNotificationRequest; `job`: None where another version's
    request began it."""
    payload = {"status": _STATUSES.split(" ")[state]}
    if job is not None:
        payload["requestId"] = job
    return payload


def last(told, update):
    """What is triggered: the news of `update` that were told last, or where it stands; None: there
    is none, or it is installed (L01.FR.25, 26)."""
    if update and not update.over():
        return (update.state, update.job)
    state = told[0] if isinstance(told, (list, tuple)) else told
    return None if state == INSTALLED else told
