"""Files that leave because the Central System asked for them, one at a time, for every version:
what both languages say of it. Loaded for one request, and while one leaves."""

import asyncio
import re
from micropython import const

from firmware import lazy
from firmware.clock import format_iso, parse_iso

_LOG = const("LogStatusNotification")
_TRIES = const(3)  # where nobody says how many
_PAUSE_s = const(60)
_MOST = const(100)
_LONGEST_s = const(86400)


def get_log(unit, payload, ended):
    """GetLog: begin to send a log when the answer is on its way, in place of what leaves (`ended`:
    see begin()) -> (its name, does something leave?). Raises ValueError: it says why not."""
    log, id = payload["log"], payload["requestId"]
    since_s, until_s = time(log, "oldestTimestamp"), time(log, "latestTimestamp")
    if since_s is not None and until_s is not None and since_s > until_s:
        raise ValueError("oldestTimestamp is later than latestTimestamp")
    security = payload["logType"] == "SecurityLog"
    called = name(unit, "security-" if security else "")
    runs = any([_leaves(one) for one in unit.outbox.running.values()])
    args = log["remoteLocation"], called, since_s, until_s, security
    begin(unit, _LOG, ("Uploading", id), called, _log(unit, id, args, *tries(payload)), ended)
    return called, runs


def time(fields, name):
    """That date-time, or None: it is not there."""
    return parse_iso(fields[name]) if name in fields else None


def tries(payload):
    """(how often a file is tried, seconds between two tries), of a request."""
    tries = min(max(payload.get("retries", _TRIES), 1), _MOST)
    return tries, min(max(payload.get("retryInterval", _PAUSE_s), 0), _LONGEST_s)


def name(unit, kind):
    """What a file of that kind is called now."""
    id = re.sub(b"[^-A-Za-z0-9._]", b"_", unit.settings.config.id.encode()).decode()
    now = format_iso(unit.station.clock.now()).replace(":", "").replace("-", "")
    return "pilotwire-%s-%s%s.txt" % (id, kind, now)


def begin(unit, action, status, called, job, ended):
    """Begin the coroutine `job`, of which `action` tells, when the answer is on its way. What
    leaves then is cancelled; ended(its action, its status) says what that is to be told as, or
    None."""
    running = unit.outbox.running

    def start():
        for old, one in list(running.items()):
            if _leaves(one):
                one[2].cancel()
                running[old] = None
                said = ended(old, one[0])
                if said:
                    note(unit, old, said)
        note(unit, action, status, called, asyncio.create_task(job))

    unit.rpc.after = start


def _leaves(one):
    return bool(one) and one[2] is not None


def note(unit, *args):
    """See jobs.py."""
    lazy.load("ocpp.jobs").note(unit.outbox, *args)


async def _log(unit, id, *args):
    why = await sent(unit, "log not sent", *args)
    note(unit, _LOG, (_word(why) if why else "Uploaded", id))


async def sent(unit, what, args, tries, pause_s):
    """Try to send a file; None: it is; or why not, an exception, which is logged as `what`."""
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
