"""OCPP 1.6 FirmwareManagement. Each handler gets requests.Requests."""

import asyncio
import re
from micropython import const

from firmware import lazy
from firmware.clock import format_iso, parse_iso
from firmware.ocpp.rpc import CallError

# Of an update, by a state of station/update.py (7.25).
_STATUSES = const(
    "Idle Downloading Downloaded DownloadFailed Installing Installed InstallationFailed Installing"
)
_LOCATION = const(512)
_DIAGNOSTICS = const("DiagnosticsStatusNotification")
_TRIES = const(3)  # where nobody says how many
_PAUSE_s = const(60)
_MOST = const(100)
_LONGEST_s = const(86400)


def GetDiagnostics(unit, payload):
    """5.9: one upload at a time, whose name who asks again is told."""
    running = unit.outbox.running.get(_DIAGNOSTICS)
    if running:
        return {"fileName": running[1]}
    id = re.sub(b"[^-A-Za-z0-9._]", b"_", unit.settings.config.id.encode()).decode()
    now = format_iso(unit.station.clock.now()).replace(":", "").replace("-", "")
    name = "pilotwire-%s-%s.txt" % (id, now)
    tries = min(max(payload.get("retries", _TRIES), 1), _MOST)
    pause_s = min(max(payload.get("retryInterval", _PAUSE_s), 0), _LONGEST_s)
    since_s, until_s = [
        parse_iso(payload[key]) if key in payload else None for key in ("startTime", "stopTime")
    ]
    args = payload["location"], name, since_s, until_s

    def begin():  # (the answer has left)
        lazy.load("ocpp.jobs").note(unit.outbox, _DIAGNOSTICS, "Uploading", name)
        asyncio.create_task(_upload(unit, args, tries, pause_s))

    unit.rpc.after = begin
    return {"fileName": name}


async def _upload(unit, args, tries, pause_s):
    status = "UploadFailed"
    try:
        while True:
            try:
                await unit.send(*args)
                status = "Uploaded"
                return
            except Exception as e:
                unit.log("diagnostics not sent: %s" % (e.args[0] if e.args else repr(e)))
                tries -= 1
                if tries <= 0 or isinstance(e, ValueError):  # (that no try can mend)
                    return
            await asyncio.sleep(pause_s)
    finally:
        lazy.load("ocpp.jobs").note(unit.outbox, _DIAGNOSTICS, status)


def UpdateFirmware(unit, payload):
    """5.19: in place of one that is not yet being installed."""
    if len(payload["location"]) > _LOCATION:
        raise CallError("PropertyConstraintViolation", "location: at most %d" % _LOCATION)
    tries = min(max(payload.get("retries", _TRIES), 1), _MOST)
    pause_s = min(max(payload.get("retryInterval", _PAUSE_s), 0), _LONGEST_s)
    update = lazy.load("station.update").Update(unit.station)
    if not update.ask(payload["location"], parse_iso(payload["retrieveDate"]), tries, pause_s):
        unit.log("update: another one is being installed")
    return {}


def told(state):
    """The payload of FirmwareStatusNotification."""
    return {"status": _STATUSES.split(" ")[state]}
