"""config.py: every field missing, of the wrong type, out of range: one clear message."""

import json

from rig import raises, scratch

from firmware import config
from firmware.config import ConfigError, check, load

BOTH = True
CHIP = True

LEAST = {"url": "ws://csms.example/ocpp", "id": "CP-1"}

# No secret of the page: by its rounds, digits, parts.
WRONG = ("0:%s:%s", "20001:%s:%s", "x:%s:%s", "1:%s:A%s", "1:g%s:%s", "1:%s:%s:", "1%s:%s")

SECRET = "1000:%s:%s" % ("0f" * 16, "a9" * 32)

# field: (default; None where it is required), what is good, what is out of range
FIELDS = {
    "url": (
        None,
        (["ws://x"], ["ws://x:1/y", "wss://x", "ws://y", "ws://z"]),
        (
            "",
            "http://x",
            "x",
            "ws:/x",
            "wss:/x",
            [],
            [""],
            ["ws://x", "x"],
            ["ws://x", 5],
            ["ws://x"] * 5,
        ),
    ),
    "id": (None, ("1", "x" * 48), ("", "x" * 49)),
    "protocols": (
        ["ocpp2.0.1", "ocpp1.6"],
        (["ocpp2.0.1"], ["ocpp2.0.1", "ocpp1.6"], ["ocpp1.6", "ocpp2.0.1"]),
        ([], ["ocpp1.6", "ocpp1.6"], ["ocpp2.0.1", 5], [["ocpp1.6"]]),
    ),
    "password": ("", ("", "0123456789abcdef"), ()),
    "security_profile": (0, (0, 1, 2, 3), (-1, 4)),
    "root_check": (False, (True, False), ()),
    "board": ("reference", ("reference", "wall"), ("", "__init__", ".", "../x")),
    "connectors": (1, (1, 4), (0, 5, -1, 2**40)),
    "max_mA": (32000, (6000, 32000, 80000), (5999, 80001, 0, -6000)),
    "installation_mA": (0, (0, 6000, 80000), (1, 5999, 80001, -1)),
    "hold_limit": (False, (False, True), ()),
    "resume": (True, (False, True), ()),
    "meter_lost_mA": (6000, (0, 6000, 80000), (1, 5999, 80001, -1)),
    "policy_broken_mA": (6000, (0, 6000, 80000), (1, 5999, 80001, -1)),
    "plug_and_charge": ("", ("", "x", "x" * 20), ("x" * 21, "caf\xe9", "a\tb")),
    "start_delay_s": (0, (0, 1, 1800), (-1, 1801)),
    "wake": (True, (False, True), ()),
    "ventilation": (False, (False, True), ()),
    "voltage_V": (230, (100, 230, 300), (99, 301, 0, -230)),
    "vendor": ("Pilotwire", ("x", "x" * 20), ("", "x" * 21)),
    "model": ("ESP32", ("x", "x" * 20), ("", "x" * 21)),
    "serial": ("", ("", "x" * 25), ("x" * 26,)),
    "ssid": ("", ("", "x" * 32), ("x" * 33,)),
    "wifi_password": ("", ("", "x" * 8, "x" * 63, "5a" * 32), ("x", "x" * 7, "x" * 64, "5a" * 33)),
    "networks": (
        [],
        (),  # (see below)
        (
            ["x"],
            [{}],
            [{"ssid": ""}],
            [{"ssid": "x" * 33}],
            [{"ssid": 5}],
            [{"ssid": "x", "password": None}],
            [{"ssid": "x", "password": "x" * 64}],
            [{"ssid": "x", "key": "y"}],
            [{"ssid": "x"}] * 5,
        ),
    ),
    "ip": ("", ("",), ("x", "1.2.3", "1.2.3.256", "1.2.3.4.5", "1.2.3.-4", "::1")),
    "netmask": ("255.255.255.0", ("255.255.0.0",), ("", "24", "/24")),
    "gateway": ("", ("", "192.168.1.1"), ("x", "1.2.3")),
    "dns": ("", ("", "9.9.9.9", "127.0.0.1:5300"), ("x", "1.2.3", "1.2.3.4:", "1.2.3.4:70000")),
    "hostname": (
        None,
        ("a", "Wallbox-2", "x" * 32),
        ("x" * 33, "a b", "a_b", "a.b", "-a", "a-", "caf\xe9"),
    ),
    "country": ("", ("", "DE"), ("de", "D", "DEU", "1A", "\xc4A")),
    "ntp": ("", ("", "ntp.example", "x" * 253), ("x" * 254,)),
    "watchdog_s": (2, (2, 60), (1, 61, -8)),
    "page": (
        {},
        ({}, {"password": SECRET}, {"password": SECRET, "port": 8080, "token": "5" * 64}),
        [{"password": text % ("0f" * 16, "a9" * 32)} for text in WRONG]
        + [{"port": 80}, {"password": 1}, {"password": "secret"}, {"password": SECRET, "x": 80}]
        + [{"password": SECRET, "token": text} for text in ("", "5" * 63, "5" * 63 + ":", 5, None)]
        + [{"password": SECRET, "port": port} for port in (0, 65536, -1, "80", True, None)],
    ),
    "update_signed": (False, (True, False), ()),
    "log": (2, (0, 3), (-1, 4)),
}


def refused(name, values):
    text = str(raises(ConfigError, check, values))
    assert text.startswith("config.json: %s: " % name), (name, text)
    assert "\n" not in text and len(text) < 100, text
    return text


def with_field(name, value):
    values = dict(LEAST)
    values[name] = value
    return values


def test_the_table_of_this_test_is_complete():
    assert sorted(FIELDS) == sorted(config._FIELDS)


def test_defaults():
    c = check(LEAST)
    assert (c.url, c.id) == (["ws://csms.example/ocpp"], "CP-1")
    for name, (default, _, _) in FIELDS.items():
        assert default is None or getattr(c, name) == default, name
    assert c.hostname == "CP-1"


def test_good_values():
    for name, (_, good, _) in FIELDS.items():
        for value in good:
            assert getattr(check(with_field(name, value)), name) == value, (name, value)


def test_a_required_field_that_is_missing():
    for name in LEAST:
        values = dict(LEAST)
        del values[name]
        assert refused(name, values) == "config.json: %s: is missing" % name


def test_networks():
    """`ssid` is the first one, `networks` those after it."""
    one, two = {"ssid": "b", "password": "pppppppp"}, {"ssid": "c"}
    for more, networks in (
        ({}, []),
        ({"ssid": "a", "wifi_password": "qqqqqqqq"}, [("a", "qqqqqqqq")]),
        ({"networks": [one, two]}, [("b", "pppppppp"), ("c", "")]),
        ({"ssid": "a", "networks": [one]}, [("a", ""), ("b", "pppppppp")]),
        ({"networks": [one] * 4}, [("b", "pppppppp")] * 4),
    ):
        values = dict(LEAST)
        values.update(more)
        assert check(values).networks == networks
    values = dict(LEAST)
    values.update({"ssid": "a", "networks": [one] * 4})
    assert refused("networks", values).endswith("with ssid there are more than 4")


def test_a_static_address():
    values = dict(LEAST)
    assert check(values).ip == ""
    values["ip"] = "192.168.1.20"
    refused("gateway", values)
    values["gateway"] = "192.168.1.1"
    assert check(values).ip == ("192.168.1.20", "255.255.255.0", "192.168.1.1", "192.168.1.1")
    values["netmask"], values["dns"] = "255.255.0.0", "192.168.1.2:5300"
    assert check(values).ip == ("192.168.1.20", "255.255.0.0", "192.168.1.1", "192.168.1.2")


def test_the_name_in_the_network_is_the_id_unless_given():
    for id, hostname in (
        ("CP-1", "CP-1"),
        ("DE*ABC*E12_3", "DE-ABC-E12-3"),
        ("_x_", "x"),
        ("x" * 48, "x" * 32),
        ("caf\xe9", "caf"),
        ("@[`{/:", "station"),
    ):
        assert check({"url": "ws://x", "id": id}).hostname == hostname, id
    assert check({"url": "ws://x", "id": "y", "hostname": "z"}).hostname == "z"


def test_the_watchdog_waits_longer_where_tls_may_compute():
    for url, wanted_s in (("ws://x", 2), ("wss://x", 8), (["ws://wss", "wss://x"], 8)):
        assert check({"url": url, "id": "y"}).watchdog_s == wanted_s, url
        assert check({"url": url, "id": "y", "watchdog_s": 5}).watchdog_s == 5


def test_null_is_no_value():
    for name in FIELDS:
        refused(name, with_field(name, None))


def test_wrong_types():
    for name, (default, _, _) in FIELDS.items():
        if isinstance(default, bool):
            wrong, wanted = (1, 0, "true", 1.0, [], {}), "true or false is expected"
        elif isinstance(default, int):
            wrong, wanted = (
                (True, False, "8", "", 1.0, 8.5, [], {}, [8]),
                "a whole number is expected",
            )
        elif name == "page":
            wrong, wanted = (
                (1, True, "x", 1.5, []),
                "what make config PAGE=password writes is expected",
            )
        elif name == "url":
            wrong, wanted = (1, 0, True, False, 1.5, {}), "or a list of 1 to 4 is expected"
        elif name == "protocols":
            wrong, wanted = (1, 0, True, "ocpp1.6", {}), 'pp2.0.1", "ocpp1.6"] is expected'
        elif isinstance(default, list):
            wrong, wanted = (
                (1, 0, True, "x", {}, 1.5),
                '"password": 8 to 63 characters} is expected',
            )
        else:
            wrong, wanted = (1, 0, True, False, 1.5, [], {}, ["x"]), "text is expected"
        for value in wrong:
            assert refused(name, with_field(name, value)).endswith(wanted), (name, value)


def test_out_of_range():
    for name, (_, _, bad) in FIELDS.items():
        for value in bad:
            assert refused(name, with_field(name, value)).endswith(" is expected"), (name, value)


def test_a_field_that_is_not_known():
    # a misspelt limit must not be silently no limit
    for name in ("Url", "max_ma", "installation_A", "", "instalation_mA"):
        assert refused(name, with_field(name, 1)).endswith(": no such field")


def test_not_an_object():
    for values in (None, [], "x", 1, True, [LEAST]):
        assert str(raises(ConfigError, check, values)) == "config.json: an object is expected"


def write(data):
    path = scratch("config")
    with open(path, "wb") as f:
        f.write(data)
    return path


def test_from_a_file():
    path = write(json.dumps(LEAST).encode())
    assert load(path).id == "CP-1"


def test_a_file_that_is_missing_or_garbage():
    text = str(raises(ConfigError, load, "/tmp/there/is/none"))
    assert text.startswith("config.json: there is none")
    for data in (b"", b"{", b"url=ws://x", b"\xff\xfe{}", b"\0" * 64, b"{} {}", b"{'a':1}"):
        text = str(raises(ConfigError, load, write(data)))
        assert text == "config.json: not JSON", (data, text)
    for data in (b"null", b"3", b"[]", b'"x"'):
        assert "an object is expected" in str(raises(ConfigError, load, write(data))), data


def test_every_cut_of_a_file_is_refused():
    whole = json.dumps(LEAST).encode()
    for n in range(len(whole)):
        raises(ConfigError, load, write(whole[:n]))
