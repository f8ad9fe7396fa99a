"""OCPP 1.6: files that leave, by GetDiagnostics and the security white paper's GetLog, one at a
time. Each handler gets requests.Requests."""

import asyncio
import re
from micropython import const

from firmware import lazy
from firmware.clock import format_iso, parse_iso

_DIAGNOSTICS = const("DiagnosticsStatusNotification")
_LOG = const("LogStatusNotification")
_TRIES = const(3)  # where nobody says how many
_PAUSE_s = const(60)
_MOST = const(100)
_LONGEST_s = const(86400)


def GetDiagnostics(unit, payload):
    """5.9: who asks again is told the name of the one that leaves; nothing is sent beside a log,
    and then there is no name."""
    running = unit.outbox.running
    if running.get(_LOG):
        return {}
    if running.get(_DIAGNOSTICS):
        return {"fileName": running[_DIAGNOSTICS][1]}
    name = _name(unit, "")
    args = payload["location"], name, _time(payload, "startTime"), _time(payload, "stopTime")
    _begin(unit, _DIAGNOSTICS, "Uploading", name, _diagnostics(unit, args, *tries(payload)))
    return {"fileName": name}


def GetLog(unit, payload):
    """White paper: in place of the one that leaves, of which no more is told then, for there is no
    word for it. That of GetDiagnostics ends as one that failed."""
    log, id = payload["log"], payload["requestId"]
    since_s, until_s = _time(log, "oldestTimestamp"), _time(log, "latestTimestamp")
    if since_s is not None and until_s is not None and since_s > until_s:
        return {"status": "Rejected"}
    security = payload["logType"] == "SecurityLog"
    name = _name(unit, "security-" if security else "")
    runs = unit.outbox.running.get(_LOG) or unit.outbox.running.get(_DIAGNOSTICS)
    args = log["remoteLocation"], name, since_s, until_s, security
    _begin(unit, _LOG, ("Uploading", id), name, _log(unit, id, args, *tries(payload)))
    return {"status": "AcceptedCanceled" if runs else "Accepted", "filename": name}


def _time(fields, name):
    return parse_iso(fields[name]) if name in fields else None


def tries(payload):
    """(how often a file is tried, seconds between two tries), of a request."""
    tries = min(max(payload.get("retries", _TRIES), 1), _MOST)
    return tries, min(max(payload.get("retryInterval", _PAUSE_s), 0), _LONGEST_s)


def _name(unit, kind):
    id = re.sub(b"[^-A-Za-z0-9._]", b"_", unit.settings.config.id.encode()).decode()
    now = format_iso(unit.station.clock.now()).replace(":", "").replace("-", "")
    return "pilotwire-%s-%s%s.txt" % (id, kind, now)


def _begin(unit, action, status, name, job):
    running = unit.outbox.running

    def begin():  # (the answer has left)
        for old in (_LOG, _DIAGNOSTICS):
            if running.get(old):
                running[old][2].cancel()
                running[old] = None
                if old == _DIAGNOSTICS:
                    _note(unit, old, "UploadFailed")
        _note(unit, action, status, name, asyncio.create_task(job))

    unit.rpc.after = begin


def _note(unit, *args):
    lazy.load("ocpp.jobs").note(unit.outbox, *args)


async def _diagnostics(unit, *args):
    why = await _sent(unit, "diagnostics not sent", *args)
    _note(unit, _DIAGNOSTICS, "UploadFailed" if why else "Uploaded")


async def _log(unit, id, *args):
    why = await _sent(unit, "log not sent", *args)
    _note(unit, _LOG, (_word(why) if why else "Uploaded", id))


async def _sent(unit, what, args, tries, pause_s):
    # None: it is; or why not, an exception.
    while True:
        try:
            return await unit.send(*args)
        except Exception as e:
            why = e
        unit.log("%s: %s" % (what, why.args[0] if why.args else repr(why)))
        tries -= 1
        if tries <= 0 or isinstance(why, ValueError):  # (that no try can mend)
            return why
        await asyncio.sleep(pause_s)


def _word(why):
    # What LogStatusNotification calls it (network/transfer.py: "host: HTTP 403 ...").
    text = str(why.args[0]) if why.args else ""
    if isinstance(why, ValueError):
        return "NotSupportedOperation" if text[:11] == "no transfer" else "BadMessage"
    said = text.partition(": ")[2]
    if said[:8] in ("HTTP 401", "HTTP 403", "FTP 530 ", "FTP 550 "):
        return "PermissionDenied"
    return "UploadFailure"
