"""What a POST to the page does, and who may: the password, sessions. Loaded for one."""

import asyncio
import json
import os
import time
from binascii import hexlify, unhexlify
from hashlib import sha256
from micropython import const

from firmware import lazy, log
from firmware.station import states

_SESSION_s = const(43200)
_SESSIONS = const(4)
_PAUSE_s = const(2)  # after a wrong password; doubled each time
_PAUSE_MAX_s = const(32)
_ROUNDS = const(8)  # of the hash, then others have their turn: some 10 ms of an ESP32
_PASSWORD = const(128)  # bytes
_TAG = const(20)


async def do(page, request):
    """Carry out a POST -> more headers, the pieces of the answer. Raises ValueError."""
    machine = request.machine and request.path in (b"/limit", b"/needs")
    # (a page of another site sends its own)
    if request.origin != b"http://" + request.host and (request.origin or not machine):
        none = "no Origin, and not /limit or /needs with the token"
        raise ValueError(403, "it comes from another site" if request.origin else none)
    if request.path == b"/update":
        said = await lazy.load("page.update").take(page, request)
        return b"", (json.dumps({"said": said}).encode(),)
    try:
        values = lazy.load("ocpp.text").loads(bytearray(request.body), False)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise ValueError(400, "a JSON object is expected")
    path = request.path
    if path == b"/login":
        return await _sign_in(page, values.get("password"))
    if not (request.signed_in or machine):
        raise ValueError(401, "sign in first")
    if path == b"/logout":
        page.sessions.clear()
        return b"", (b'{"said":"signed out, everywhere"}',)
    actions = (b"/start", _start), (b"/stop", _stop), (b"/clear", _clear), (b"/needs", _needs)
    for name, action in actions:
        if name == path:
            said = action(page.unit.station, _connector(page.unit, values), values)
            break
    else:
        if path == b"/config":
            said = await lazy.load("page.fields").put(page.unit, values, derived)
        else:
            said = _whole(page.unit, path, values)
    log.info("page: " + path.decode())
    await asyncio.sleep_ms(0)
    sharing = page.unit.station.sharing
    if not sharing.due_s:  # what was changed is in force before the answer leaves
        sharing.evaluate(page.unit.clock.now(), time.ticks_ms())
    return b"", (json.dumps({"said": said}).encode(),)


def _whole(unit, path, values):
    # What is of the whole station.
    if path == b"/restart":
        unit.reset("Soft", "local")
        return "transactions end, then it restarts"
    if path != b"/limit":
        raise ValueError(404, "nothing is there")
    words = _words(values)
    try:
        return unit.station.impose(words)
    except ValueError as e:
        raise ValueError(400, str(e))


def _words(values):
    words = values.get("words")
    if type(words) is not str:
        raise ValueError(400, "words are expected")
    return words


def _connector(unit, values):
    number = values.get("connector")
    if type(number) is not int or not 1 <= number <= len(unit.station.connectors):
        raise ValueError(400, "there is no such connector")
    return unit.station.connectors[number - 1]


def _start(station, c, values):
    tag = values.get("tag")
    if type(tag) is not str or not 0 < len(tag) <= _TAG:
        raise ValueError(400, "a tag has 1 to %d characters" % _TAG)
    if [b for b in tag.encode() if not 32 < b < 127]:
        raise ValueError(400, "a tag is of letters, digits and signs")
    if c.claim() or c.waits:
        raise ValueError(409, "it is in use, or waits for a car")
    if c.ending or not c.operative:
        raise ValueError(409, "it is out of service")
    if not station.access().tag(tag, c.number):
        raise ValueError(409, "this tag was there a moment ago")
    return "the tag is asked about"


def _stop(station, c, values):
    tx = c.claim()
    if tx:
        c.stop(states.LOCAL, tx.token, tx.kind)
    elif c.waits:
        c.waits = None
    else:
        raise ValueError(409, "nothing runs there")
    return "it ends"


def _clear(station, c, values):
    if not station.kept.clear_faults(c):
        raise ValueError(409, "not with a car, a welded contactor or a sensor that has tripped")
    return "faults that waited for a person are cleared"


def _needs(station, c, values):
    needs, words = lazy.load("station.needs"), _words(values).split()
    if not 2 <= len(words) <= 3:
        raise ValueError(400, "words: as 20 kWh 07:30")
    try:
        why = needs.put(station, c.number, *needs.read(station, words))
    except ValueError as e:
        raise ValueError(400, str(e))
    if why:
        raise ValueError(409, why)
    return "its car needs " + needs.text(c)


async def _sign_in(page, password):
    up_s = page.unit.up_s
    if up_s < page.again_s:
        raise ValueError(429, "too many tries: again in %d s" % (page.again_s - up_s))
    if type(password) is not str or len(password := password.encode()) > _PASSWORD:
        raise ValueError(400, "no password")
    rounds, salt, digest = page.secret.split(":")
    if await derived(password, unhexlify(salt), int(rounds)) != unhexlify(digest):
        page.wrong = min(page.wrong + 1, 8)
        page.again_s = up_s + min(_PAUSE_s << page.wrong - 1, _PAUSE_MAX_s)
        log.warning("page: a wrong password")
        raise ValueError(401, "the password is wrong")
    page.wrong = 0
    page.sessions[:] = [one for one in page.sessions if up_s < one[1]][1 - _SESSIONS :]
    cookie = hexlify(os.urandom(16))
    page.sessions.append((sha256(cookie).digest(), up_s + _SESSION_s))
    log.info("page: signed in")
    head = b"Set-Cookie: pilotwire=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict\r\n"
    return head % (cookie, _SESSION_s), (b'{"said":"signed in"}',)


async def derived(password, salt, rounds):
    """PBKDF2 with HMAC-SHA-256 (RFC 8018, 5.2), 32 bytes; `password` as bytes."""
    if len(password) > 64:
        password = sha256(password).digest()
    key = password + bytes(64 - len(password))
    inner, outer = bytes([b ^ 0x36 for b in key]), bytes([b ^ 0x5C for b in key])
    u, out = salt + b"\0\0\0\1", 0
    for i in range(rounds):
        u = sha256(outer + sha256(inner + u).digest()).digest()
        out ^= int.from_bytes(u, "big")
        if i % _ROUNDS == 0:
            await asyncio.sleep_ms(0)
    return out.to_bytes(32, "big")
