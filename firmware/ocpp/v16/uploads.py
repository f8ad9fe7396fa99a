"""OCPP 1.6: files that leave, by GetDiagnostics and the security white paper's GetLog, one at a
time. Each handler gets requests.Requests."""

from micropython import const

from firmware import lazy

_DIAGNOSTICS = const("DiagnosticsStatusNotification")
_LOG = const("LogStatusNotification")


def GetDiagnostics(unit, payload):
    """5.9: who asks again is told the name of the one that leaves; nothing is sent beside a log,
    and then there is no name."""
    running, uploads = unit.outbox.running, lazy.load("ocpp.uploads")
    if running.get(_LOG):
        return {}
    if running.get(_DIAGNOSTICS):
        return {"fileName": running[_DIAGNOSTICS][1]}
    name = uploads.name(unit, "")
    times = uploads.time(payload, "startTime"), uploads.time(payload, "stopTime")
    job = _diagnostics(unit, (payload["location"], name) + times, *uploads.tries(payload))
    uploads.begin(unit, _DIAGNOSTICS, "Uploading", name, job, _ended)
    return {"fileName": name}


def GetLog(unit, payload):
    """White paper: in place of the one that leaves, of which no more is told then, for there is no
    word for it. That of GetDiagnostics ends as one that failed."""
    try:
        name, runs = lazy.load("ocpp.uploads").get_log(unit, payload, _ended)
    except ValueError:
        return {"status": "Rejected"}
    return {"status": "AcceptedCanceled" if runs else "Accepted", "filename": name}


def _ended(action, status):
    return "UploadFailed" if action == _DIAGNOSTICS else None


async def _diagnostics(unit, *args):
    uploads = lazy.load("ocpp.uploads")
    why = await uploads.sent(unit, "diagnostics not sent", *args)
    uploads.note(unit, _DIAGNOSTICS, "UploadFailed" if why else "Uploaded")
