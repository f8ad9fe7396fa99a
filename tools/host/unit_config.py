"""The config.json of a unit: asks for it, has the firmware's own checks look at it, writes it.

    PORT=... [FILE=FILE] [SSID=... WIFI_PASSWORD=... URL=... ID=... KEY=... BOARD=... PAGE=...
    SET="..."]
    python -m host.unit_config

All by the environment, so that no shell and no make changes what was typed. With values, nothing
is asked. The other fields stay as they are on the board.
"""

import getpass
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from host import page_password
from host.build import ROOT
from host.port import Port, front

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
SECRET = ("wifi_password", "password", "page")
# Runs on MicroPython, from the sources: what the unit itself would say at boot.
CHECK = """
import json, sys
sys.path[:] = ["", "lib", ".frozen"]
from firmware import check_board, config
from firmware.ocpp import addresses, versions
values, here = json.loads(sys.stdin.read())
if here:
    check_board.sys = type("", (), {"implementation": here})
try:
    c = config.check(values)
    check_board.board(c)
    addresses.url(c)
    versions.protocols(c)
except ValueError as e:
    print(e)
    sys.exit(3)
"""


HERE = "import sys; print(repr(str(sys.implementation)))"


class ConfigError(Exception):
    """The line that the unit would print at boot."""


def interpreter():
    return os.environ.get("MICROPYTHON") or str(ROOT / ".venv/bin/micropython")


def check(values, here=None):
    """Raises ConfigError unless the firmware would start with this config.json. `here`: what the
    chip's MicroPython says of itself (HERE)."""
    done = subprocess.run(
        [interpreter(), "-c", CHECK], input=json.dumps([values, here]), cwd=ROOT, text=True,
        capture_output=True, env={**os.environ, "MICROPYPATH": ".frozen"},
    )  # fmt: skip
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise ConfigError(said[-1] if said else "MicroPython cannot check it: make setup")


def complaint(values, name):
    """What is wrong with one of these fields, "" if nothing is."""
    only = {"url": "ws://x", "id": "x"}
    only.update((k, values[k]) for k in ("board", name) if k in values)
    try:
        check(only)
    except ConfigError as e:
        return str(e) if str(e).startswith(f"config.json: {name}: ") else ""
    return ""


def said():
    """FIELD=VALUE words of what a person has put into the environment."""
    words = [
        f"{field}={os.environ[name]}" for name, field in NAMES.items() if os.environ.get(name)
    ]
    if os.environ.get("PAGE"):
        words.append(page(os.environ["PAGE"]))
    more = os.environ.get("SET", "").strip()
    # (a value goes on until the next NAME=: it may have blanks in it)
    return words + re.split(r"\s+(?=\w+=)", more) if more else words


def page(text):
    """FIELD=VALUE of what PAGE says: off; on, then a password is made, and told; or a password.
    With each a token for programs is made, and told."""
    if text == "off":
        return "page="
    if text == "on":
        text = page_password.made()
        print(f"password of the unit's page, said here and never again: {text}")
    least, most = page_password.LEAST, page_password.MOST
    if len(text) < least or len(text.encode()) > most:
        raise ConfigError(f"PAGE: on, off, or a password of {least} characters to {most} bytes")
    token = page_password.made_token()
    print(f"token for programs, said here and never again: {token}")
    return "page=" + json.dumps(page_password.page(text, token))


# Fields that have a variable of their own.
NAMES = {
    "SSID": "ssid",
    "WIFI_PASSWORD": "wifi_password",
    "URL": "url",
    "ID": "id",
    "KEY": "password",
    "BOARD": "board",
}


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
            raise ConfigError(f"{word}: FIELD=VALUE is expected (in SET)")
        if text:
            # (an id or a password of digits is text: only where the old one is not, or is none)
            values[name] = text if name in TEXTS else value_of(text)
        else:
            values.pop(name, None)
    return values


TEXTS = ("id", "password", "ssid", "wifi_password", "board", "serial", "vendor", "model")


def ask(old):
    """Ask a person, with what is there as the proposal, again where that cannot be; -> FIELD=VALUE
    words."""
    words = []
    for name, question in ASKED:
        was = old.get(name, "")
        shown = "kept" if was and name in SECRET else was
        prompt = f"{question}{f' [{shown}]' if shown else ''}: "
        while True:
            try:
                text = getpass.getpass(prompt) if name in SECRET else input(prompt)
            except EOFError:
                raise KeyboardInterrupt("nothing was written") from None
            text = text if name in SECRET else text.strip()
            wrong = text and complaint(changed(old, [*words, f"{name}={text}"]), name)
            if not wrong:
                break
            print(wrong)
        if text:
            words.append(f"{name}={text}")
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
    anything is written; where the words alone are wrong, before the board is touched."""
    given = changed({}, words)
    for name in given:
        if wrong := complaint(given, name):
            raise ConfigError(wrong)
    if path:
        values = changed(load(path), words)
        check(values)
    elif not words and not sys.stdin.isatty():
        raise ConfigError("say what: make config SSID=... WIFI_PASSWORD=... URL=... ID=...")
    elif not words:
        with port.borrowed():
            old = read(port)
        try:  # (the board runs meanwhile)
            words = ask(old)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("nothing was written") from None
    with port.borrowed():
        if not path:
            values = changed(read(port), words)
        # (before the map of another chip drives a pin of the flash)
        check(values, port.ask(HERE))
        # (an escaped pair would become two characters on the unit: ocpp/text.py)
        port.put(json.dumps(values, indent=1, ensure_ascii=False).encode(), PATH)
    return values


def load(path):
    """The config.json in a file. Raises ConfigError."""
    try:
        values = json.loads(Path(path).read_text())
    except (OSError, ValueError) as e:
        raise ConfigError(f"{path}: {e}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: an object is expected")
    return values


def shown(values):
    """Line by line, without the secrets."""
    return [f"{k}: {'(set)' if k in SECRET else json.dumps(v)}" for k, v in values.items()]


def main():
    port = Port(os.environ.get("PORT", ""))
    values = configure(port, said(), os.environ.get("FILE"))
    print("\n".join(shown(values)))
    print("written; the board restarts")


if __name__ == "__main__":
    front("config", main, ConfigError)
