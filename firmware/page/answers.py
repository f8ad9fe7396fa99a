"""What a GET of the page is answered: its files, and data as JSON. Loaded for one."""

import json
import network
import os
from binascii import hexlify
from micropython import const

from firmware import lazy, log
from firmware.charging import profile
from firmware.clock import format_iso

_DAY_s = const(86400)
_FILES = const(
    b"/ index.html text/html; charset=utf-8|/page.css page.css text/css|"
    b"/page.js page.js text/javascript; charset=utf-8"
)


def find(page, request):
    """-> kind, more headers, the pieces of the answer. Raises ValueError."""
    path = request.path.split(b"?")[0]
    for line in _FILES.split(b"|"):
        place, name, kind = line.split(b" ", 2)
        if place == path:
            head, pieces = _file(name.decode())
            return kind, head, pieces
    if path in (b"/log", b"/config") and not request.signed_in:
        raise ValueError(401, "sign in first")
    if path == b"/log":
        return b"text/plain; charset=utf-8", b"", (log.tail(),)
    if path == b"/diagnostics":
        return lazy.load("page.diagnostics").find(page, request)
    if path == b"/config":
        pieces = lazy.load("page.fields").pieces()
    elif path == b"/update":
        pieces = lazy.load("page.update").stands(page)
    elif path == b"/state":
        pieces = _state(page, request.signed_in)
    else:
        _, _, what, number = (b"/" + path).split(b"/", 3) if path.count(b"/") == 2 else [b""] * 4
        connectors = page.unit.station.connectors
        if not number.isdigit() or not int(number[:4]) <= len(connectors):
            raise ValueError(404, "nothing is there")
        number = int(number[:4])
        if what == b"plan":
            pieces = _plan(page.unit.station, number)
        elif what == b"history" and number:
            pieces = _history(page, number)
        else:
            raise ValueError(404, "nothing is there")
    return b"application/json", b"", pieces


def _file(name):
    # Compressed, or (installed by mip) as in the source.
    path = __import__("firmware").__path__ + "/page/" + name
    for end, head in ((".gz", b"Content-Encoding: gzip\r\n"), ("", b"")):
        try:
            size = os.stat(path + end)[6]
            return head + b"Content-Length: %d\r\n" % size, _pieces(path + end, size)
        except OSError:
            pass
    raise ValueError(404, "the page's files are not on this unit")


def _pieces(path, size):
    buf = memoryview(bytearray(512))
    with open(path, "rb") as f:
        while size:
            n = f.readinto(buf[:size])
            if not n:
                break
            size -= n
            yield buf[:n]


def _state(page, signed_in):
    # The report, in pieces, and what only a page says beside it.
    unit, before = page.unit, '{"report":{'
    report = unit.status()
    connectors = report.pop("connectors")
    for key in report:
        yield (before + json.dumps(key) + ":" + json.dumps(report[key])).encode()
        before = ","
    before = ',"connectors":['
    for c in connectors:
        if not signed_in:  # (who has it may charge; when a car leaves is nobody's business)
            c["idTag"] = None
            if c["tx"]:
                c["tx"]["needs"] = None
        yield (before + json.dumps(c)).encode()
        before = ","
    yield b"]},"
    yield ('"unit":' + json.dumps(_facts(unit, signed_in)) + "}").encode()


def _facts(unit, signed_in):
    wlan, rssi = network.WLAN(network.WLAN.IF_STA), None
    try:
        rssi = wlan.status("rssi")
    except OSError:  # (not in a network: the simulator's page)
        pass
    return {
        "signed_in": signed_in,
        "version": lazy.load("version").VERSION,
        "board": unit.config.board,
        "id": unit.config.id,
        "up_s": unit.up_s,
        "time_known": unit.clock.known(),
        "ssid": wlan.config("ssid"),
        "ip": wlan.ifconfig()[0],
        "rssi_dBm": rssi,
        "protocol": unit.link.ws.protocol if unit.link.online else None,
        "profiles": unit.station.store.count(),
        "hardware_mA": [c.limits.hardware_mA for c in unit.station.connectors],
    }


def _plan(station, number):
    # The composite schedule of a day: [start in s, 0.1 A, phases or 0, who decides: one of `by`].
    profiles = lazy.load("station.profiles")
    yield None
    now, schedule = profiles.schedule(station, number, _DAY_s, profile.AMPS, apart=True)
    yield None
    while profiles.compose(station, schedule):
        yield None
    out, length_s, by = schedule.out, schedule.length_s, []
    yield b'{"t":"%s","length_s":%d,"periods":[' % (format_iso(now).encode(), length_s)
    before = b""
    for i in range(0, len(out), 3):
        who = schedule.by[i // 3]
        if who not in by:
            by.append(who)
        yield before + b"[%d,%d,%d,%d]" % (tuple(out[i : i + 3]) + (by.index(who),))
        before = b","
    before, purposes = b'],"by":[', lazy.load("names").PURPOSES
    source = lazy.load("ocpp.reason").source
    for who in by:
        if who is not None:
            who = source(who, None, purposes) if type(who) is int else source(0, who, purposes)
        yield before + json.dumps(who).encode()
        before = b","
    yield b"]}"


def _history(page, number):
    history, unit = page.history, page.unit
    t = format_iso(unit.clock.now() - (unit.up_s - history.t_s))
    yield b'{"t":"%s","step_s":%d,"samples":"' % (t.encode(), history.step_s)
    for piece in history.pieces(number):
        for i in range(0, len(piece), 512):
            yield hexlify(piece[i : i + 512])
    yield b'"}'
