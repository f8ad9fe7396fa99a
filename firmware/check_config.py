"""Does a Config (config.py) fit its board, and this firmware? Asked at a start (app/build.py), and
before one is stored, by the unit's page or make config. What does not raises ConfigError."""

from firmware import lazy
from firmware.config import ConfigError


def board(config, checked=None):
    """The module of boards/ that it names, checked. Where the unit runs on one, `checked` names
    that, and any other is in RAM only for as long as the caller holds it."""
    name = "firmware.boards." + config.board
    try:
        board = __import__(name, None, None, ("CONNECTORS",))
    except ImportError:
        raise ConfigError("config.json: board: there is no " + config.board)
    if config.board != checked:
        if checked:
            lazy.forget(name)
        try:
            lazy.load("check_board").check(board)  # (9 KB that nothing needs afterwards)
        except ValueError as e:
            raise ConfigError(str(e))
    most = len(board.CONNECTORS)
    if config.connectors > most:
        raise ConfigError("config.json: connectors: %s has %d" % (config.board, most))
    return board


def protocols(config):
    """Some of them this firmware speaks, and no others."""
    spoken = [protocol for protocol, _ in lazy.load("ocpp.versions").PACKAGES]
    if [name for name in config.protocols if name not in spoken]:
        raise ConfigError("config.json: protocols: there are " + ", ".join(spoken))


def dialled(config, settings, level):
    """By security profile `level` there is an address to dial, of config.json or of the Central
    System (which a PC does not know)."""
    if not lazy.load("ocpp.addresses").dialled(config, settings, level):
        why = "config.json: url: none for SecurityProfile %d: 0 and 1 dial ws://, 2 and 3 wss://"
        raise ConfigError(why % level)


def urls(config):
    """Each has a host. (Not asked at a start: what cannot be reached is in the log.)"""
    for url in config.url:
        place = url.split("/")[2]
        name, colon, port = place.partition(":")
        good = name and (port.isdigit() and 0 < int(port[:6]) < 65536 if colon else True)
        if not good or [c for c in url if c in "@#" or not " " < c < "\x7f"]:
            why = "config.json: url: %s is not ws://HOST:PORT/PATH (or wss://...)"
            raise ConfigError(why % url)
