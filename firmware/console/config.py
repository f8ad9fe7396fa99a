"""Console commands (line.py) about settings and records: keys, journal, log, the restart."""

import json
import os
from micropython import const

from firmware import lazy
from firmware import log as messages
from firmware.clock import format_iso

_ACCESS = const(2)  # in a line of keys.py
_TYPE = const(3)


def config(unit, name=None, value=None):
    """Show settings and fields, or one of them, or give it a value. Settings have the names of
    /ocpp.json, whatever is spoken; one is also found by that of its variable, where there are."""
    settings = unit.settings
    keys = settings.keys()
    yield None
    if name and not keys.find(name, settings):
        name = _of_variable(unit, name) or name
        yield None
    if name and not keys.find(name, settings):
        yield from _find(name, value)
        return
    if value is not None:
        yield _change(unit, keys, name, value)
    for line in [keys.find(name, settings)] if name else keys.lines(settings):
        out = line[0] + " = "
        out += "(not shown)" if line[_TYPE] == "h" else keys.text(line, settings)
        if line[_ACCESS] in ("ro", "un"):
            out += "  (read-only)"
        elif name:
            out += "  (%s)" % keys.wants(line)
        yield out
    fields = {} if name else _read()
    for key in sorted(fields):
        yield "config.json %s = %s  (read-only)" % (key, _printable(key, fields[key]))


def _of_variable(unit, name):
    try:
        return unit.outbox.module("variables").key(unit.requests, name)
    except ImportError:  # (the version that is spoken has none)
        return None


def _change(unit, keys, name, value):
    settings = unit.settings
    try:
        done = keys.put(settings, keys.find(name, settings), value)
    except ValueError:
        done = False
    if done is False:
        return "Rejected: it stays as it was"
    if name in (keys.key("password", settings), keys.key("security", settings)):
        lazy.load("ocpp.security").changed(unit.requests, name)
        after, unit.rpc.after = unit.rpc.after, None
        after()
    return (
        "RebootRequired: in force after a reset"
        if done is None
        else "Accepted: in force from now on"
    )


def _read():
    with open("/config.json") as f:
        return json.load(f)


def _find(name, value):  # of config.json, which is the unit's owner's, and not changed here
    field = lazy.load("config").find(name)
    yield None
    if not field:
        yield "%s: no such key, of OCPP or of config.json; config shows all that there are" % name
        return
    if value is not None:
        yield "Rejected: a field of config.json, which make config changes; here it is read-only"
    fields = _read()
    text = _printable(name, fields.get(name, field[0]))
    default = "" if name in fields else ", the default"
    yield "config.json %s = %s%s  (%s; read-only)" % (name, text, default, field[1])


def _printable(key, value):  # without what nobody is to read over a shoulder
    shown = lazy.load("config").shown(key, value)
    return shown if shown is not None or value is None else "(not shown)"


def journal(unit):
    """What is still to be told of transactions: from flash, as it would be after a power cut."""
    folder = unit.station.journal.folder
    numbers = lazy.load("storage.resume").numbers(folder)
    for number in numbers:
        tx = folder.read(number)
        if tx:
            told = "not told yet" if tx.id is None else "its id is %s" % tx.name
            said = number, tx.connector, tx.token, told, format_iso(tx.start_s)
            text = "transaction %d: connector %d, tag %s, %s, since %s" % said
            yield text + ("" if tx.stop_s is None else ", stopped at " + format_iso(tx.stop_s))
    sizes = [entry[3] for entry in os.ilistdir("/samples") if len(entry[0]) > 1]
    said = len(numbers), sum(sizes), len(sizes)
    yield "%d transactions, %d bytes of samples in %d files" % said
    s = unit.station
    head = s.journal.head()
    if head:
        kind = "start|stop|sample|token|state|limit".split("|")[head[0]]
        yield "next to be told: %s of transaction %d" % (kind, head[1].number)
    else:
        yield "nothing waits to be told"
    waiting = len(s.news), len(s.samples), len(s.asks)
    yield "besides: %d statuses, %d meter values, %d tags to ask for" % waiting


def log(unit, level="", follow=""):
    """Show the log, set its level, or follow it until a key is pressed."""
    if level == "follow" and not follow:
        level, follow = follow, level
    levels = "error warning info debug".split(" ")
    if level and level not in levels or follow not in ("", "follow"):
        raise ValueError("it is used as: log [error|warning|info|debug] [follow]")
    before = messages.level
    if level:
        messages.level = levels.index(level)
    if follow:
        yield "until a key is pressed ..."
        try:
            yield True
        finally:
            messages.level = before
    elif level:
        yield "from now on: %s" % level
    else:
        yield from [b"|" + line for line in messages.tail().split(b"\n") if line]


def sign(unit):
    """Ask for a certificate of the unit's own."""
    if not unit.outbox.module("certificates").sign(unit):
        raise ValueError("set CpoName first, the organization of the certificate")
    yield "a key is made, then a certificate asked for; what becomes of it stands in the log"


def reset(unit, kind="Soft"):
    """End transactions, then restart."""
    kind = kind[:1].upper() + kind[1:].lower()
    if kind not in ("Soft", "Hard"):
        raise ValueError("it is used as: reset [hard]")
    unit.reset(kind, "local")
    yield "transactions end, then the unit restarts"
