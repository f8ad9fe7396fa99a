"""A file for whoever looks after the unit: what it is, how it is, and what happened; or its log of
security events. Made while it leaves, a line at a time, without passwords. Loaded for that,
by app/diagnostics.py and the unit's page."""

import json
import re
import time
from micropython import const

from firmware import lazy, log
from firmware.clock import format_iso

_WRAP_s = const(1073741)  # (ticks begin again after 12 days)
_PIECE = const(512)
_RING = const(512)  # of log.py
_AT_ONCE = const(8)  # lines


def pieces(unit, since_s, until_s, security=False):
    """The file, as bytes, with the lines of the log between two instants, or None; `security`:
    that of security events is the file. Now and then nothing, so that no step is long."""
    lazy.forget("firmware.console")  # (the package, which its modules brought back)
    out, size = [], 0
    for line in (_events if security else _lines)(unit, since_s, until_s):
        line = line if isinstance(line, bytes) else line.encode()
        # (nobody needs to know as whom somewhere else is logged in)
        line = re.sub(rb"//[^/ ]*@", b"//", line)[:_PIECE]
        size += len(line) + 1
        if size > _PIECE or not line and security:
            yield b"".join(out)
            out, size = [], len(line) + 1
        if line or not security:
            out.append(line + b"\n")
    yield b"".join(out)


def _events(unit, since_s, until_s):
    # A line each; an empty one for some that are not wanted.
    security, words, n = lazy.load("station.security"), unit.outbox.module("words"), 0
    for _, time_s, _, event, text in security.log(unit.station).lines():
        t = security.least_s(time_s)
        if (since_s is None or t >= since_s) and (until_s is None or t <= until_s):
            yield ("%s %s %s" % (format_iso(t), words.event(event), text)).rstrip()
        else:
            n += 1
            if n % _AT_ONCE == 0:
                yield ""


def _lines(unit, since_s, until_s):
    status = lazy.load("console.status")
    yield from status.status(unit, unit.station.connectors)
    yield from status.faults(unit, unit.station.connectors)
    yield from status.session(unit, unit.station.connectors)
    status = None
    state = unit.status()
    yield "\n[state]"
    for key in sorted(state):
        value = state[key]
        for one in value if key == "connectors" else (value,):
            yield "%s %s" % (key, json.dumps(one))
    state = None
    console = lazy.load("console.config")
    yield "\n[journal]"
    yield from console.journal(unit)
    yield "\n[configuration]"
    for line in console.config(unit):
        if line:
            yield line
    console = None
    lazy.forget("firmware.console")
    yield "\n[crash]"
    try:
        with open("/crash", "rb") as f:
            yield from f.read().split(b"\n")
    except OSError:
        yield "none"
    yield "\n[log]"
    yield from _log(unit.clock, since_s, until_s)


def _log(clock, since_s, until_s):
    # Its lines know how long the unit had run: where the clock is known, when that was.
    text, now_s = log.tail(), time.ticks_ms() // 1000
    whole = len(text) < _RING
    for line in text.split(b"\n"):
        if not whole:  # (the oldest is cut)
            whole = True
            continue
        at, _, rest = line.partition(b" ")
        if not at.isdigit():
            continue
        if clock.known():
            t = clock.now() - (now_s - int(at)) % _WRAP_s
            if since_s is not None and t < since_s or until_s is not None and t > until_s:
                continue
            line = format_iso(t).encode() + b" " + rest
        yield line
