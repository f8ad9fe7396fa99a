"""ocpp/configuration.py: types, limits, what survives, and what is damaged."""

import os

from rig import raises

from firmware.ocpp import configuration
from firmware.ocpp.configuration import Configuration

FIXED = {"NumberOfConnectors": "2", "SupportedFeatureProfiles": "Core,SmartCharging"}
said = []


def path():
    return "/tmp/pilotwire-ocpp-%d.json" % id(said)


def fresh():
    try:
        os.remove(path())
    except OSError:
        pass
    return again()


def again():
    said.clear()
    return Configuration(FIXED, said.append, path())


def stored(text):
    with open(path(), "w") as f:
        f.write(text)
    return again()


def defaults(c):
    return all(c.value(name) == entry[0] for name, entry in configuration._WRITABLE.items())


def numbers():
    return [(n, e) for n, e in configuration._WRITABLE.items() if len(e) == 3]


def flags():
    return [n for n, e in configuration._WRITABLE.items() if isinstance(e[0], bool)]


def test_defaults_are_good_values():
    c = fresh()
    assert defaults(c) and not said
    for name, (default, least, most) in numbers():
        assert least <= default <= most, name
    assert c.value("NumberOfConnectors") == "2"
    raises(KeyError, c.value, "NoSuchKey")


def test_numbers_and_their_limits():
    c = fresh()
    for name, (_, least, most) in numbers():
        for value in (least, most, least + 1, most - 1):
            assert c.set(name, str(value)) == "Accepted" and c.value(name) == value, (name, value)
        for text in (str(least - 1), str(most + 1), "-1", str(2**31), "9" * 400):
            assert c.set(name, text) == "Rejected", (name, text)
        for text in ("", " ", "x", "1.0", "1.5", "1e3", "0x10", "true", "null", "--1", "1 2"):
            assert c.set(name, text) == "Rejected", (name, text)
        assert c.value(name) == most - 1, name


def test_flags():
    c = fresh()
    for name in flags():
        for text, value in (("true", True), ("false", False), ("True", True), ("FALSE", False)):
            assert c.set(name, text) == "Accepted" and c.value(name) is value, (name, text)
        for text in ("", "1", "0", "yes", "t", "tru", "true ", "null"):
            assert c.set(name, text) == "Rejected", (name, text)
        assert c.value(name) is False


def test_keys_that_cannot_be_set():
    c = fresh()
    for name in FIXED:
        assert c.set(name, "2") == "Rejected", name
    for name in ("NoSuchKey", "", "heartbeatinterval", "HeartbeatInterval "):
        assert c.set(name, "1") == "NotSupported", name
    assert defaults(c)


def test_values_survive():
    c = fresh()
    expected = {}
    for name, (_, least, _) in numbers():
        c.set(name, str(least))
        expected[name] = least
    for name in flags():
        c.set(name, "true")
        expected[name] = True
    c = again()
    for name, value in expected.items():
        assert c.value(name) == value and type(c.value(name)) is type(value), name
    assert not said


def test_only_a_change_is_written():
    c = fresh()
    c.set("HeartbeatInterval", "300")  # as it was
    raises(OSError, os.stat, path())
    c.set("HeartbeatInterval", "301")
    assert again().value("HeartbeatInterval") == 301
    assert c.put("HeartbeatInterval", 302)
    assert again().value("HeartbeatInterval") == 302


def test_a_write_that_fails_changes_nothing():
    c = fresh()
    c._path = "/tmp/there/is/none"
    assert c.set("HeartbeatInterval", "99") == "Rejected"
    assert not c.put("HeartbeatInterval", 99)
    assert c.value("HeartbeatInterval") == 300
    assert len(said) == 2 and "not written" in said[0]


def test_a_damaged_file_means_defaults():
    for text in ("", "{", "garbage", "[]", "null", "3", '"x"', '{"HeartbeatInterval":', "\0"):
        c = stored(text)
        assert defaults(c), text
        assert said == ["ocpp.json: damaged, defaults are used"], (text, said)
        assert c.set("HeartbeatInterval", "77") == "Accepted"  # and can be written again
        assert again().value("HeartbeatInterval") == 77


def test_single_bad_entries_are_left_out():
    c = stored(
        '{"HeartbeatInterval":0,"ConnectionTimeOut":"60","MeterValueSampleInterval":true,'
        '"WebSocketPingInterval":1.5,"StopTransactionOnInvalidId":1,"NoSuchKey":1,'
        '"NumberOfConnectors":9,"AuthorizeRemoteTxRequests":true}'
    )
    assert c.value("AuthorizeRemoteTxRequests") is True and c.value("NumberOfConnectors") == "2"
    assert c.set("AuthorizeRemoteTxRequests", "false") == "Accepted" and defaults(c)
    assert len(said) == 7, said
    for line in said:
        assert line.startswith("ocpp.json: ") and line.endswith(" ignored"), line


def test_get_configuration():
    c = fresh()
    c.set("HeartbeatInterval", "60")
    keys, unknown = c.entries(())
    names = [entry["key"] for entry in keys]
    assert names == sorted(list(FIXED) + list(configuration._WRITABLE)) and not unknown
    for entry in keys:
        assert sorted(entry) == ["key", "readonly", "value"] and isinstance(entry["value"], str)
        assert entry["readonly"] == (entry["key"] in FIXED)
    keys, unknown = c.entries(["HeartbeatInterval", "nothing", "StopTransactionOnInvalidId", ""])
    assert [(k["key"], k["value"]) for k in keys] == [
        ("HeartbeatInterval", "60"),
        ("StopTransactionOnInvalidId", "true"),
    ]
    assert unknown == ["nothing", ""]


def test_every_key_fits_into_one_request():
    assert len(fresh().entries(())[0]) <= configuration.MAX_KEYS
