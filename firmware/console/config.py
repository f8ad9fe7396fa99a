"""Console commands (line.py) about settings and records: keys, journal, log, the restart."""

import json
import os
from micropython import const

from firmware import lazy
from firmware import log as messages
from firmware.clock import format_iso
from firmware.storage.transactions import Folder

_ACCESS = const(2)  # in a line of keys.py
_TYPE = const(3)
_CHANGED = const(
    "Accepted: in force from now on|RebootRequired: in force after a reset|"
    "Rejected: it stays as it was"
)

# What a value may be, by its type in keys.py.
_WANTED = const(
    "true or false|%s to %s|%s to %s|%s to %s hexadecimal digits|RST or 0.RST,1.STR ..., at most"
    " %s|measurands of docs/configuration.md, at most %s|%s to %s characters"
)


def config(unit, name=None, value=None):
    """Show keys and fields, or one of them, or give it a value."""
    keys = unit.outbox.module("keys")
    yield None
    settings = unit.settings
    if name and not keys.find(name, settings):
        yield from _find(name, value)
        return
    if value is not None:
        status = unit.handle("ChangeConfiguration", {"key": name, "value": value})["status"]
        after, unit.rpc.after = unit.rpc.after, None
        if after:
            after()
        yield [text for text in _CHANGED.split("|") if text.startswith(status)][0]
    for line in [keys.find(name, settings)] if name else keys.lines(settings):
        out = line[0] + " = "
        out += "(not shown)" if line[_TYPE] == "h" else keys.text(line, settings)
        if line[_ACCESS] == "ro":
            out += "  (read-only)"
        elif value is not None:
            wants = _WANTED.split("|")["bilhpmt".find(line[_TYPE])]
            out += "  (%s)" % (wants % tuple(line[5:]) if "%" in wants else wants)
        yield out
    fields = {} if name else _read()
    for key in sorted(fields):
        yield "config.json %s = %s  (read-only)" % (key, _printable(key, fields[key]))


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
    if "password" in key and value:
        return "(not shown)"
    if isinstance(value, list):
        return [entry.get("ssid") if isinstance(entry, dict) else entry for entry in value]
    return value


def journal(unit):
    """What is still to be told of transactions: from flash, as it would be after a power cut."""
    folder = Folder("/tx", messages.error)
    numbers = lazy.load("storage.resume").numbers(folder)
    for number in numbers:
        tx = folder.read(number)
        if tx:
            told = "not told yet" if tx.id is None else "its id is %d" % tx.id
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
    unit.reset(kind)
    yield "transactions end, then the unit restarts"
