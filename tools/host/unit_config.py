"""The config.json of a unit: asks for it, has the firmware's own checks look at it, writes it.

    python -m host.unit_config PORT [--file FILE] [FIELD=VALUE ...]

With values, nothing is asked. The other fields stay as they are on the board.
"""

import argparse
import getpass
import json
import os
import subprocess
import sys
from pathlib import Path

from host.build import ROOT
from host.port import Port, PortError

PATH = "/config.json"
# What is asked for: field, question, may it be left empty
ASKED = (
    ("ssid", "Wi-Fi network (empty: none)"),
    ("wifi_password", "Wi-Fi password"),
    ("url", "Central System, without the station's id (ws://HOST:PORT/PATH)"),
    ("id", "chargePointId"),
    ("password", "password of the station at the Central System (empty: none)"),
    ("board", "board (a file of firmware/boards)"),
    ("connectors", "connectors in use"),
)
SECRET = ("wifi_password", "password")
# Runs on MicroPython, from the sources: what the unit itself would say at boot.
CHECK = """
import json, sys
sys.path[:] = ["", "lib", ".frozen"]
from firmware import check_board, config
try:
    c = config.check(json.loads(sys.stdin.read()))
    try:
        board = __import__("firmware.boards." + c.board, None, None, ("CONNECTORS",))
    except ImportError:
        raise config.ConfigError("config.json: board: there is no " + c.board)
    check_board.check(board)
    if c.connectors > len(board.CONNECTORS):
        n = len(board.CONNECTORS)
        raise config.ConfigError("config.json: connectors: %s has %d" % (c.board, n))
except ValueError as e:
    print(e)
    sys.exit(3)
"""


class ConfigError(Exception):
    """The line that the unit would print at boot."""


def interpreter():
    return os.environ.get("MICROPYTHON") or str(ROOT / ".venv/bin/micropython")


def check(values):
    """Raises ConfigError unless the firmware would start with this config.json."""
    done = subprocess.run(
        [interpreter(), "-c", CHECK], input=json.dumps(values), cwd=ROOT, text=True,
        capture_output=True, env={**os.environ, "MICROPYPATH": ".frozen"},
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise ConfigError(said[-1] if said else "MicroPython cannot check it: make setup")


def value_of(text):
    """What a word says: a number, true, false, a list or an object as in JSON, otherwise text."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if value is None or isinstance(value, float) else value


def changed(old, words):
    """`old` with FIELD=VALUE words applied; an empty value takes a field away."""
    values = dict(old)
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise ConfigError(f"{word}: FIELD=VALUE is expected")
        if text:
            # (an id or a password of digits is text: only where the old one is not, or is none)
            values[name] = text if name in TEXTS else value_of(text)
        else:
            values.pop(name, None)
    return values


TEXTS = ("id", "password", "ssid", "wifi_password", "board", "serial", "vendor", "model")


def ask(old):
    """Ask a person, with what is there as the proposal; -> FIELD=VALUE words."""
    words = []
    for name, question in ASKED:
        was = old.get(name, "")
        shown = "kept" if was and name in SECRET else was
        prompt = f"{question}{f' [{shown}]' if shown else ''}: "
        text = getpass.getpass(prompt) if name in SECRET else input(prompt)
        if text.strip():
            words.append(f"{name}={text.strip()}")
    return words


def read(port):
    """config.json of the board; {} if there is none."""
    text = port.ask(
        "try:\n    with open('/config.json') as f:\n        print(repr(f.read()))\n"
        "except OSError:\n    print(repr(''))"
    )
    try:
        values = json.loads(text) if text else {}
    except ValueError:
        values = None
    if not isinstance(values, dict):
        print("config.json on the board is no JSON object: it is replaced", file=sys.stderr)
        return {}
    return values


def configure(port, words, path=None):
    """Change the board's config.json and restart it; -> the new one. Raises ConfigError before
    anything is written."""
    old = read(port)
    if path:
        try:
            old = json.loads(Path(path).read_text())
        except (OSError, ValueError) as e:
            raise ConfigError(f"{path}: {e}") from None
    if not words and not path:
        if not sys.stdin.isatty():
            raise ConfigError("say what: make config SSID=... WIFI_PASSWORD=... URL=... ID=...")
        words = ask(old)
    values = changed(old, words)
    check(values)
    port.put(json.dumps(values, indent=1).encode(), PATH)
    port.reset()
    return values


def shown(values):
    """Line by line, without the secrets."""
    return [f"{k}: {'(set)' if k in SECRET else json.dumps(v)}" for k, v in values.items()]


def main():
    parser = argparse.ArgumentParser(prog="config", description=__doc__.splitlines()[0])
    parser.add_argument("port")
    parser.add_argument("--file", help="take this config.json, in place of the board's")
    parser.add_argument("words", nargs="*", metavar="FIELD=VALUE")
    args = parser.parse_args()
    try:
        values = configure(Port(args.port), args.words, args.file)
    except (PortError, ConfigError) as e:
        sys.exit(f"config: {e}")
    print("\n".join(shown(values)))
    print("written; the board restarts")


if __name__ == "__main__":
    main()
