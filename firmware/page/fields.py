"""config.json by the page: its fields with what is wanted of them, and new values for some, which
are checked as at a start before any is stored. Loaded for that; who asks is signed in."""

import asyncio
import json
import os
import re
from binascii import hexlify

from firmware import lazy, log
from firmware.station.security import RECONFIGURED

_PATH = "/config.json"
_SECRET = "a password of 8 to 64 characters, 128 bytes"  # (of the page; actions.py takes no more)
_BYTES = 128
_SECURITY = ("page", "password", "root_check", "security_profile", "update_signed")


def pieces():
    """All fields as JSON. What is secret is null; of a network there is the name."""
    config, values = lazy.load("config"), _read()
    yield None
    before = b'{"fields":['
    for name in config.names():
        default, wants = config.find(name)
        wants = _SECRET if name == "page" else wants
        value = config.shown(name, values.get(name, default))
        row = {"name": name, "value": value, "set": name in values, "wants": wants}
        yield before + json.dumps(row).encode()
        before = b","
    yield b"]}"


async def put(unit, given, derived):
    """Store `given`, values by field; None: the default. -> what was done, in words. Raises
    ValueError with the status of HTTP, and then nothing is stored. derived: as in actions.py."""
    config, old = lazy.load("config"), _read()
    new = dict(old)
    await asyncio.sleep_ms(0)
    try:
        for name, value in given.items():
            if not config.find(name):
                config.check({name: value})  # (which says so)
            _printable(name, value)
            if name == "networks" and isinstance(value, list):
                value = _with_passwords(value, old.get(name, ()))
            if name == "page":  # (which is there, or nobody could ask)
                value = await _page(value, old[name], derived)
            new[name] = value
            if value is None:
                del new[name]
        changed = [name for name in sorted(given) if new.get(name) != old.get(name)]
        if not changed:
            return "nothing has changed"
        await _check(unit, config.check(new))
    except ValueError as e:
        raise ValueError(400, str(e))
    await asyncio.sleep_ms(0)
    crash, text = lazy.load("crash"), json.dumps(new)
    await asyncio.sleep_ms(0)
    try:
        crash.replace(_PATH, text)
    except OSError:
        raise ValueError(409, "the flash is full: it stays as it was")
    await asyncio.sleep_ms(0)
    for name in changed:
        if name in _SECURITY:
            lazy.load("station.security").note(unit.station, RECONFIGURED, name)
    names = ", ".join(changed)
    log.info("page: config.json: " + names)
    return "stored: %s; in force after a restart" % names


async def _check(unit, config):
    # It is one that this unit starts with.
    await asyncio.sleep_ms(0)
    running = unit.config.board
    try:
        lazy.load("check_board").board(config, running)
    finally:
        if config.board != running:
            lazy.forget("firmware.boards." + config.board)
    await asyncio.sleep_ms(0)
    lazy.load("ocpp.versions").protocols(config)
    addresses, settings = lazy.load("ocpp.addresses"), unit.settings
    addresses.url(config)
    await asyncio.sleep_ms(0)
    level = max(config.security_profile, settings.stored.get("security", 0))
    addresses.usable(config, settings, level)


def _with_passwords(networks, old):
    # A network without a word about its password keeps it.
    out = []
    for one in networks:
        if isinstance(one, dict) and "password" not in one:
            one = ([known for known in old if known["ssid"] == one.get("ssid")] + [one])[0]
        out.append(one)
    return out


def _printable(name, value):
    # (nobody could be told a lone surrogate: what it is in never leaves as UTF-8, and whoever gets
    # it ends the connection. What a person cannot see they have not meant.)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            _printable(name, one)
    elif type(value) is str:
        data = value.encode()
        if [b for b in data if b < 32 or b == 127] or re.search(b"\xed[\xa0-\xbf]", data):
            raise ValueError("config.json: %s: it has what cannot be seen" % name)


async def _page(password, old, derived):
    # The field `page` with another password.
    good = type(password) is str and 8 <= len(password) <= 64
    if not good or len(password := password.encode()) > _BYTES:
        raise ValueError("config.json: page: %s is expected" % _SECRET)
    rounds, salt = old["password"].split(":")[0], os.urandom(16)
    digest = await derived(password, salt, int(rounds))
    secret = ":".join([rounds, hexlify(salt).decode(), hexlify(digest).decode()])
    return dict(old, password=secret)


def _read():
    with open(_PATH) as f:
        return json.load(f)
