"""ocpp/v201: the device model. Its table, what stands behind it, one value for two languages; and
slots of addresses (ocpp/addresses.py)."""

import asyncio
import json
import os

from rig import raises, scratch
from world import World

from firmware import lazy
from firmware.ocpp import addresses
from firmware.ocpp.configuration import Configuration
from firmware.ocpp.rpc import CallError

HEAP = "900K"
BOTH = True
KEYS = lazy.load("ocpp.v16.keys")
MODEL = lazy.load("ocpp.v201.device_model")
VARIABLES = lazy.load("ocpp.v201.variables")
PATH = scratch("ocpp")
FIXED = {"connectors": 2, "security": 0, "phase_switching": "false", "root_check": False}


class Config:
    url = ["ws://a/", "ws://b/"]
    id, password, ntp, networks = "CP1", "secret", "", ()


class Rpc:
    size, answer_s, after = 0, 30, None


class Outbox:
    identity = "Pilotwire", "ESP32", "123", "0.1.0", None, 0
    alerts = None


class Unit:
    """requests.Requests, as far as the device model asks it."""

    def __init__(self):
        try:
            os.remove(PATH)
        except OSError:
            pass
        self.said, self.closed = [], []
        self.world = World(2)
        self.station, self.rpc, self.outbox = self.world.station, Rpc(), Outbox
        self.start()

    def start(self):
        self.settings = Configuration(FIXED, self.said.append, path=PATH)
        self.settings.config, self.settings.slot = Config, 1

    def close(self, reason):
        self.closed.append(reason)


def call(unit, action, entries):
    field = action[0].lower() + action[1:-1]
    answer = asyncio.run(getattr(VARIABLES, action)(unit, {field + "Data": entries}))
    return json.loads("".join(answer()))[field + "Result"]


def entry(row, **more):
    component, variable = row.names()
    return dict(component=component, variable=variable, **more)


def rows(unit):
    return list(MODEL.Model(unit).rows())


def set_one(unit, row, text):
    (result,) = call(unit, "SetVariables", [entry(row, attributeValue=text)])
    return result["attributeStatus"]


def get_one(unit, row):
    (result,) = call(unit, "GetVariables", [entry(row)])
    assert result["attributeStatus"] == "Accepted", result
    return result["attributeValue"]


def test_the_table():
    names = [tuple(line.split(" ")[:2]) for line in MODEL._TABLE]
    assert names == sorted(names) and len(set(names)) == len(names)
    settings = [line.split(" ")[4][1:] for line in MODEL._TABLE if line.split(" ")[4][0] in "=~"]
    assert len(set(settings)) == len(settings), "a setting has one variable"
    unit = Unit()
    model = MODEL.Model(unit)
    kinds = {"b": "b", "i": "il", "d": "d", "M": "mo", "O": "o", "Q": "q", "s": "th"}
    for line in MODEL._TABLE:
        words = line.split(" ")
        assert len(words) in (5, 6) and words[2] in "bidstOMQ" and words[4][0] in "=~!@", line
        row = MODEL.Row(line, 0)
        if row.value[0] in "=~":
            key = KEYS.named(row.value[1:], unit.settings)
            assert key[3] in kinds[row.kind], line
    there = {row.component for row in rows(unit)}
    told = {row.text() for row in rows(unit)}
    for line in MODEL._TABLE:
        row = MODEL.Row(line, 0)
        assert (row.text() in told) == (row.component in there), line
    for row in rows(unit):
        about = model.characteristics(row)
        listed = row.kind in "OMQ"
        assert bool(about.get("valuesList")) == listed, row.names()
        text = model.text(row)
        if row.kind == "b":
            assert text in ("true", "false"), row.names()
        elif row.kind == "i":
            assert "minLimit" not in about or int(text) >= about["minLimit"]
            assert "maxLimit" not in about or int(text) <= about["maxLimit"], (row.names(), text)
        elif listed:
            assert all(
                [word in about["valuesList"].split(",") for word in text.split(",") if word]
            )


def test_every_setting_of_both_languages_has_a_variable():
    """But for what 2.0.1 says otherwise, or does not have."""
    settings = [line.split(" ")[4][1:] for line in MODEL._TABLE]
    left = []
    for line in KEYS.lines(Unit().settings):
        if line[1] != "-" and line[1] not in settings and not line[1].startswith("slot"):
            left.append(line[0])
    others = ["ConnectorPhaseRotation", "NumberOfConnectors", "OCPPCommCtrlr.Language"]
    assert left == others, left


def good(key, about):
    """A value that is another one than now."""
    if key[3] == "b":
        return None
    if key[3] in "il":
        return str(int(key[5]) + 1)
    return {"d": "2.5", "m": about.get("valuesList"), "o": "Authorized", "t": "An operator"}.get(
        key[3]
    )


def test_what_can_be_set_is_read_back_and_outlives_a_restart():
    unit = Unit()
    model, n = MODEL.Model(unit), 0
    for row in rows(unit):
        if model.mutability(row) != "ReadWrite":
            continue
        key = model.setting(row)
        before = get_one(unit, row)
        text = good(key, model.characteristics(row)) or (
            "false" if before == "true" else "2,1" if key[3] == "q" else "true"
        )
        status = set_one(unit, row, text)
        assert status == ("RebootRequired" if key[3] == "q" else "Accepted"), (row.names(), text)
        assert get_one(unit, row) == text, row.names()
        unit.start()
        assert get_one(unit, row) == text and not unit.said, (row.names(), unit.said)
        n += 1
        for bad in ("", "\0", "x" * 1000):
            if key[3] not in "t" and not (key[3] == "m" and not bad):
                assert set_one(unit, row, bad) == "Rejected", (row.names(), bad)
                assert get_one(unit, row) == text
    assert n > 35


def test_one_value_in_two_languages():
    unit = Unit()
    change = lazy.load("ocpp.v16.configuration").change
    model = MODEL.Model(unit)
    for key, name, text in (
        ("HeartbeatInterval", "OCPPCommCtrlr.HeartbeatInterval", "33"),
        ("MeterValuesSampledData", "SampledDataCtrlr.TxUpdatedMeasurands", "Voltage"),
        ("CpoName", "SecurityCtrlr.OrganizationName", "Somebody"),
        ("StopTransactionOnInvalidId", "TxCtrlr.StopTxOnInvalidId", "false"),
    ):
        component, _, variable = name.partition(".")
        row = model.find({"name": component}, {"name": variable})
        assert change(unit.settings, key, text) == "Accepted"
        assert get_one(unit, row) == text
    # what 2.0.1 has no name for is not told there
    row = model.find({"name": "SampledDataCtrlr"}, {"name": "TxUpdatedMeasurands"})
    named = "Temperature,Current.Import.L1,Voltage.L1-N"
    assert change(unit.settings, "MeterValuesSampledData", named) == "Accepted"
    assert get_one(unit, row) == "Current.Import,Voltage"
    assert set_one(unit, row, "Temperature") == "Rejected"
    # and OCPP 1.6 knows no name with a dot
    assert change(unit.settings, "OCPPCommCtrlr.OfflineThreshold", "3") == "NotSupported"


def test_a_password_of_either_kind():
    """What stands behind a colon is the password itself; hexadecimal digits are its bytes."""
    unit = Unit()
    change = lazy.load("ocpp.v16.configuration").change
    row = MODEL.Model(unit).find({"name": "SecurityCtrlr"}, {"name": "BasicAuthPassword"})
    digits = "00112233445566778899aabbccddeeff"
    for text in (digits, "abcdefghijklmnop", "a*-_=:+|@." * 4, ":" * 16):
        assert set_one(unit, row, text) == "Accepted", text
        unit.start()
        assert unit.settings.password() == text.encode() and not unit.said
        (result,) = call(unit, "GetVariables", [entry(row)])
        assert result["attributeStatus"] == "Rejected" and "attributeValue" not in result
    assert change(unit.settings, "AuthorizationKey", digits) == "Accepted"
    unit.start()
    assert unit.settings.password() == bytes([17 * i for i in range(16)])
    for bad in ("a" * 15, "a" * 41, "a" * 15 + " ", "a" * 15 + "\u00e9", ""):
        assert set_one(unit, row, bad) == "Rejected", bad
    for bad in (":" + "a" * 16, ":" + digits):
        assert change(unit.settings, "AuthorizationKey", bad) == "Rejected", bad
    assert unit.settings.password() == bytes([17 * i for i in range(16)])


def test_too_much_for_one_message():
    unit = Unit()
    row = rows(unit)[0]
    for action, most in (("GetVariables", 16), ("SetVariables", 16)):
        found = MODEL.Model(unit).find(
            {"name": "DeviceDataCtrlr"}, {"name": "ItemsPerMessage", "instance": action}
        )
        assert get_one(unit, found) == str(most)
        more = {"attributeValue": "1"} if action == "SetVariables" else {}
        assert len(call(unit, action, [entry(row, **more)] * most)) == most
        e = raises(CallError, call, unit, action, [entry(row, **more)] * (most + 1))
        assert e.code == "OccurrenceConstraintViolation"
        unit.rpc.size = 8193
        assert (
            raises(CallError, call, unit, action, [entry(row, **more)]).code == "FormatViolation"
        )
        unit.rpc.size = 0


# The slots


def dialled(unit, profile=0, order=None):
    return [n for n, *_ in addresses.dialled(Config, unit.settings, profile, order)]


def test_which_slots_are_dialled():
    unit = Unit()
    assert dialled(unit) == [1, 2]
    assert addresses.put(unit.settings, 3, "0 20 ws://c/")
    assert dialled(unit) == [1, 2], "nobody has named it"
    assert addresses.slot(Config, unit.settings, 3) == (0, 20, "ws://c/")
    assert dialled(unit, 0, "3,1") == [3, 1] and dialled(unit, 0, "3,4") == [3]
    unit.settings.put("slot", 2)
    assert dialled(unit, 0, "3,1") == [3, 1, 2], "what was of use last comes behind"
    unit.start()
    assert dialled(unit, 0, "3") == [3, 2] and not unit.said
    assert dialled(unit, 0, "4") == [2]


def test_a_higher_security_profile_forgets_the_lower_ones():
    """A05.FR.06"""
    unit = Unit()
    assert addresses.put(unit.settings, 3, "2 20 wss://c/")
    assert addresses.put(unit.settings, 4, "1 20 ws://d/")
    assert dialled(unit, 0, "3,4,1") == [3, 4, 1] and dialled(unit, 2, "3,4,1") == [3]
    stored = dict(unit.settings.stored)
    stored["slots"] = "3,4,1"
    addresses.raised(stored, 2)
    assert "slot4" not in stored and stored["slot3"] and stored["slots"] == "3"


def test_what_is_a_slot():
    for good in ("0 1 ws://a", "1 600 WS://a/b", "2 30 wss://a", "3 30 wss://" + "a" * 506):
        assert addresses.check("n", good) == good
    for bad in (
        "", "0 30", "0 30 ws://", "0 0 ws://a", "0 601 ws://a", "4 30 wss://a", "-1 30 ws://a",
        "0 30 wss://a", "2 30 ws://a", "0 30 http://a", "0 30 ws://a b", "x 30 ws://a",
        "3 30 wss://" + "a" * 507,
    ):  # fmt: skip
        assert addresses.check("n", bad) is None, bad
    for bad in ("", "0", "5", "1,1", "1,,2", "1;2", "x", "-1", "1,2,3,4,1"):
        assert addresses.check("q", bad) is None, bad
    assert addresses.check("q", " 4, 1") == "4,1"
