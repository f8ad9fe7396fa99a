"""This unit's config.json: fields, defaults, checks. Not the OCPP keys (ocpp/configuration.py)."""

import json
import re
from micropython import const

_ADDRESS = const("an address like 192.168.1.2")
_PROTOCOLS = const('a list like ["ocpp2.0.1", "ocpp1.6"]')
_KEY = const("8 to 63 characters, 64 hex digits, or none")
_NETWORKS = const('up to 4 of {"ssid": ..., "password": 8 to 63 characters}')

# field: (type, default, check or None, what the check wants)
_FIELDS = {
    "url": (list, None, lambda v: _are_urls(v), "ws:// or wss://..., or a list of 1 to 4"),
    "id": (str, None, lambda v: 0 < len(v) <= 48, "1 to 48 characters"),
    "protocols": (list, ["ocpp2.0.1", "ocpp1.6"], lambda v: _are_names(v), _PROTOCOLS),
    "password": (str, "", None, None),
    "root_check": (bool, False, None, None),
    "security_profile": (int, 0, lambda v: 0 <= v <= 3, "from 0 to 3"),
    "board": (str, "reference", lambda v: v[:1].isalpha(), "the name of a board"),
    "connectors": (int, 1, lambda v: 1 <= v <= 4, "from 1 to 4"),
    "max_mA": (int, 32000, lambda v: 6000 <= v <= 80000, "6000 to 80000"),
    "installation_mA": (int, 0, lambda v: v == 0 or 6000 <= v <= 80000, "0 or 6000 to 80000"),
    "hold_limit": (bool, False, None, None),
    "resume": (bool, True, None, None),
    "meter_lost_mA": (int, 6000, lambda v: v == 0 or 6000 <= v <= 80000, "0 or 6000 to 80000"),
    "policy_broken_mA": (int, 6000, lambda v: v == 0 or 6000 <= v <= 80000, "0 or 6000 to 80000"),
    "plug_and_charge": (str, "", lambda v: _is_tag(v), "at most 20 characters of ASCII"),
    "start_delay_s": (int, 0, lambda v: 0 <= v <= 1800, "0 to 1800 seconds"),
    "wake": (bool, True, None, None),
    "ventilation": (bool, False, None, None),
    "voltage_V": (int, 230, lambda v: 100 <= v <= 300, "100 to 300 volts"),
    "vendor": (str, "Pilotwire", lambda v: 0 < len(v) <= 20, "1 to 20 characters"),
    "model": (str, "ESP32", lambda v: 0 < len(v) <= 20, "1 to 20 characters"),
    "serial": (str, "", lambda v: len(v) <= 25, "at most 25 characters"),
    "ssid": (str, "", lambda v: len(v) <= 32, "at most 32 characters"),
    "wifi_password": (str, "", lambda v: _is_key(v), _KEY),
    "networks": (list, [], lambda v: _networks(v) is not None, _NETWORKS),
    "ip": (str, "", lambda v: not v or _is_address(v), _ADDRESS),
    "netmask": (str, "255.255.255.0", lambda v: _is_address(v), "an address like 255.255.255.0"),
    "gateway": (str, "", lambda v: not v or _is_address(v), _ADDRESS),
    "dns": (str, "", lambda v: not v or _is_address(v, True), _ADDRESS),
    "hostname": (str, "", lambda v: v == _hostname(v), "at most 32 letters, digits and hyphens"),
    "country": (str, "", lambda v: re.match("([A-Z][A-Z])?$", v), "two capital letters"),
    "ntp": (str, "", lambda v: len(v) <= 253, "at most 253 characters"),
    "page": (dict, {}, lambda v: _is_page(v), "what make config PAGE=password writes"),
    "watchdog_s": (int, 0, lambda v: v == 0 or 2 <= v <= 60, "0 or 2 to 60 seconds"),
    "update_signed": (bool, False, None, None),
    "log": (int, 2, lambda v: 0 <= v <= 3, "0 (errors) to 3 (debug)"),
}


def _are_urls(urls):
    good = [type(t) is str and (t[:5] == "ws://" or t[:6] == "wss://") for t in urls]
    return 0 < len(urls) <= 4 and all(good)


def _are_names(names):
    return 0 < len(names) == len(set([name for name in names if type(name) is str]))


def _is_tag(text):  # (that can be sent as it is, as an idTag)
    return len(text) <= 20 and all([" " <= c <= "~" for c in text])


def _is_key(text):  # (WPA's passphrase, or the key itself)
    if len(text) == 64:
        return all([c in "0123456789abcdef" for c in text.lower()])
    return not text or 8 <= len(text.encode()) <= 63


def _is_page(page):  # (of the password: rounds, salt, hash, as page/actions.py has them)
    secret, port, token = (
        page.get("password", ""),
        page.get("port", 80),
        page.get("token", "0" * 64),
    )
    texts = type(secret) is str and type(token) is str
    if not texts or type(port) is not int or len(page) > 1 + ("port" in page) + ("token" in page):
        return not page
    parts = (secret + ":" + token).encode().split(b":")
    good = len(parts) == 4 and parts[0].isdigit() and 0 < int(parts[0][:6]) <= 20000
    good = good and [len(part) for part in parts[1:]] == [32, 64, 64] and 0 < port < 65536
    return not page or good and not b"".join(parts).strip(b"0123456789abcdef")


def _networks(networks):  # as [(ssid, password)]; None if they are none
    out = []
    for n in networks:
        if not isinstance(n, dict) or len(n) > 1 + ("password" in n):
            return None
        ssid, password = n.get("ssid"), n.get("password", "")
        good = isinstance(ssid, str) and 0 < len(ssid) <= 32
        if not (good and isinstance(password, str) and _is_key(password)):
            return None
        out.append((ssid, password))
    return out if len(out) <= 4 else None


def _is_address(text, port=False):  # (one may follow)
    text, colon, number = text.partition(":")
    if colon and not (port and number.isdigit() and 0 < int(number) < 65536):
        return False
    parts = text.split(".")
    return len(parts) == 4 and all([p.isdigit() and int(p) < 256 for p in parts])


def _hostname(text):  # what is left of `text` as a name in a network (RFC 1123, 2.1)
    name = bytes([b if 48 <= b < 58 or 97 <= b | 32 < 123 else 45 for b in text.encode()])
    return name[:32].decode().strip("-")


_KINDS = {str: "text", int: "a whole number", bool: "true or false"}


class ConfigError(ValueError):
    """config.json cannot be used; the text names the field and what it should be."""


class Config:
    """The checked fields as attributes; meanings and units are in docs/configuration.md."""


def find(name):
    """(default, what is wanted in words) of a field, or None."""
    kind, default, _, wants = _FIELDS.get(name, (None,) * 4)
    return kind and (default, wants or _KINDS[kind])


def names():
    """Of all fields."""
    return list(_FIELDS)


def shown(name, value):
    """What anybody may see of a field's value: None of a password and the like, the names of
    networks."""
    if value and ("password" in name or isinstance(value, dict)):
        return None
    if isinstance(value, list):
        return [entry.get("ssid") if isinstance(entry, dict) else entry for entry in value]
    return value


def load(path="/config.json"):
    """Read and check the configuration. Raises ConfigError."""
    try:
        with open(path) as f:
            values = json.load(f)
    except OSError:
        raise ConfigError("config.json: there is none; see docs/configuration.md")
    except ValueError:
        raise ConfigError("config.json: not JSON")
    return check(values)


def check(values):
    """A Config of the dict `values`, defaults filled in. Raises ConfigError."""
    if not isinstance(values, dict):
        raise ConfigError("config.json: an object is expected")
    for name in values:
        if name not in _FIELDS:
            raise ConfigError("config.json: %s: no such field" % name)
    config = Config()
    for name, (kind, default, good, wants) in _FIELDS.items():
        value = values.get(name, default)
        if value is None:
            raise ConfigError("config.json: %s: is missing" % name)
        if name == "url" and type(value) is str:
            value = [value]  # one that stands for itself
        if type(value) is not kind:
            raise ConfigError("config.json: %s: %s is expected" % (name, _KINDS.get(kind, wants)))
        if good and not good(value):
            raise ConfigError("config.json: %s: %s is expected" % (name, wants))
        setattr(config, name, value)
    if not config.watchdog_s:  # TLS computes for up to 2 s in one piece (docs/security.md)
        config.watchdog_s = 8 if any([url[:4] == "wss:" for url in config.url]) else 2
    # `networks` as [(ssid, password)], the one of `ssid` first.
    config.networks = _networks(config.networks)
    if config.ssid:
        config.networks.insert(0, (config.ssid, config.wifi_password))
    if len(config.networks) > 4:
        raise ConfigError("config.json: networks: with ssid there are more than 4")
    # `ip` as network/join.py wants it, "" for DHCP.
    if config.ip:
        if not config.gateway:
            raise ConfigError("config.json: gateway: is missing, ip wants it")
        server = config.dns.partition(":")[0] or config.gateway
        config.ip = config.ip, config.netmask, config.gateway, server
    config.hostname = config.hostname or _hostname(config.id) or "station"
    return config
