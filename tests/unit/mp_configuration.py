"""ocpp/configuration.py and v16/keys.py: types, limits, what survives, and what is damaged."""

import json
import os

import flash
from rig import raises, scratch

from firmware import lazy
from firmware.charging import change, profile
from firmware.ocpp.configuration import Configuration
from firmware.ocpp.v16 import configuration as key_messages
from firmware.storage import tags

keys = lazy.load("ocpp.v16.keys")


class Keyed(Configuration):
    """With what OCPP 1.6 asks of it."""

    def set(self, name, text):
        if "." not in name:
            return key_messages.change(self, name, text)
        assert key_messages.change(self, name, text) == "NotSupported", "in OCPP 1.6"
        try:
            done = keys.put(self, keys.find(name, self), text)
        except ValueError:
            done = False
        return {True: "Accepted", None: "RebootRequired", False: "Rejected"}[done]

    def pieces(self, names):
        return key_messages.pieces(self, names)


HEAP = "800K"
BOTH = True
CHIP = True
SWEEPS = ("test_a_power_cut_in_every_write",)
FIXED = {"connectors": 2, "security": 0, "phase_switching": "false", "root_check": False}
ALL = 0xFFF  # of the measurands
LISTS = [
    "MeterValuesAlignedData", "MeterValuesSampledData", "StopTxnAlignedData", "StopTxnSampledData"
]  # fmt: skip
said = []


PATH = scratch("ocpp")


def fresh(**more):
    try:
        os.remove(PATH)
    except OSError:
        pass
    return again(**more)


def again(measurands=ALL, at=None, **more):
    said.clear()
    fixed = dict(FIXED)
    fixed.update(more)
    c = Keyed(fixed, said.append, measurands, at or PATH)
    c.config = UNIT
    return c


class UNIT:
    password = ""


def stored(text):
    with open(PATH, "w") as f:
        f.write(text)
    return again()


def get(c, *names):
    """(key, value, readonly) triples and unknown keys of GetConfiguration.conf."""
    conf = json.loads("".join(c.pieces(names)()))
    assert sorted(conf) in (["configurationKey"], ["configurationKey", "unknownKey"])
    for entry in conf["configurationKey"]:
        secret = entry["key"] == "AuthorizationKey"
        assert sorted(entry) == ["key", "readonly"] + ([] if secret else ["value"]), entry
        assert secret or isinstance(entry["value"], str)
        assert type(entry["readonly"]) is bool and len(entry["key"]) <= 50
    triples = [(e["key"], e.get("value"), e["readonly"]) for e in conf["configurationKey"]]
    return triples, conf.get("unknownKey", [])


def text(c, name):
    if "." in name:
        assert get(c, name) == ([], [name]), "in OCPP 1.6"
        return keys.text(keys.find(name, c), c)
    triples, unknown = get(c, name)
    assert triples[0][0] == name and len(triples) == 1 and not unknown
    return triples[0][1]


def names_of(c, dotted=False):
    """Those of OCPP 1.6; with those that only 2.0.1 has."""
    return [line[0] for line in keys.lines(c) if dotted or "." not in line[0]]


def in_force(c, key):
    """What the unit goes by."""
    return c.value(keys.find(key, c)[1])


def rows(*kinds, access=("rw", "rb")):
    every = [line.split(" ") for line in keys._TABLE]
    return [r for r in every if r[3] in kinds and r[2] in access]


def numbers():
    return [(r[0], int(r[4]), int(r[5]), int(r[6])) for r in rows("i")]


def flags():
    return [(r[0], r[4] == "true") for r in rows("b")]


def defaults(c):
    return all(in_force(c, n) == default for n, default, _, _ in numbers()) and all(
        in_force(c, n) is default for n, default in flags()
    )


# The table


def test_the_table():
    c = fresh()
    names = names_of(c, True)
    assert names == sorted(names) and len(set(names)) == len(names)
    for name in names:
        r = keys.find(name, c)
        assert r[0] == name and r[2] in ("rw", "ro", "rb", "un") and r[3] in "bilsmphtodqn", r
        assert (r[1] == "-") == (r[2] == "ro" and r[4] != "-"), r  # (the unit says "-")
        limits = r[3] in "hltd" or r[3] == "i" and r[2] != "ro"
        assert len(r) == (7 if limits else 6 if r[3] in "mpo" else 5), r
        assert "" not in r and (r[2] == "ro" or keys.wants(r))
    settings = [keys.find(name, c)[1] for name in names]
    settings = [setting for setting in settings if setting != "-"]
    assert len(set(settings)) == len(settings)
    for setting in settings:
        assert keys.key(setting, c) == c.key(setting) in names
        assert keys.key("-" + setting, c) == "-" + c.key(setting)
    assert len(names_of(c)) <= int(text(c, "GetConfigurationMaxKeys"))


def test_what_it_says_of_other_modules():
    c = fresh()
    for name, value in (
        ("ChargeProfileMaxStackLevel", profile.MAX_LEVEL),
        ("ChargingScheduleMaxPeriods", profile.MAX_PERIODS),
        ("MaxChargingProfilesInstalled", change.MAX_PROFILES),
        ("LocalAuthListMaxLength", tags.MAX_LIST),
    ):
        assert text(c, name) == str(value), name
    for name in LISTS:
        assert text(c, name + "MaxLength") == keys.find(name, c)[5]


def test_keys_that_the_specification_requires():
    """Section 9, less those whose effect does not exist yet: these are not pretended."""
    names = names_of(fresh())
    for name in """AuthorizeRemoteTxRequests ClockAlignedDataInterval ConnectionTimeOut
            ConnectorPhaseRotation GetConfigurationMaxKeys HeartbeatInterval MeterValuesAlignedData
            MeterValuesSampledData MeterValueSampleInterval NumberOfConnectors StopTxnAlignedData
            StopTxnSampledData StopTransactionOnInvalidId SupportedFeatureProfiles
            TransactionMessageAttempts TransactionMessageRetryInterval ChargeProfileMaxStackLevel
            ChargingScheduleAllowedChargingRateUnit ChargingScheduleMaxPeriods
            MaxChargingProfilesInstalled LocalAuthorizeOffline LocalPreAuthorize ResetRetries
            AllowOfflineTxForUnknownId AuthorizationCacheEnabled LocalAuthListEnabled
            MaxEnergyOnInvalidId AuthorizationKey StopTransactionOnEVSideDisconnect
            UnlockConnectorOnEVSideDisconnect MinimumStatusDuration
            LocalAuthListMaxLength SendLocalListMaxLength ReserveConnectorZeroSupported""".split():
        assert name in names, name
    for name in "LightIntensity BlinkRepeat".split():
        assert fresh().set(name, "1") == "NotSupported", name


def test_what_the_unit_says_itself_is_read_only():
    name = "UnlockConnectorOnEVSideDisconnect"
    c = fresh()
    assert c.set(name, "false") == "Accepted" and c.set(name, "true") == "Accepted"
    c = again(unlock_unplugged=False)  # the same flash in a unit without a lock
    assert get(c, name) == ([(name, "false", True)], [])
    assert c.set(name, "true") == c.set(name, "false") == "Rejected"


def test_the_table_is_not_kept():
    import gc
    import sys

    c = fresh()
    c.set("HeartbeatInterval", "9")
    get(c)
    assert "firmware.ocpp.v16.keys" not in sys.modules
    gc.collect()


# Values


def test_defaults_are_good_values():
    c = fresh()
    assert defaults(c) and not said
    for name, default, least, most in numbers():
        assert least <= default <= most, name
    assert [in_force(c, name) for name in LISTS] == [0xFFF, 0xFFF, 0, 0]
    assert text(c, "StopTxnSampledData") == "" and text(c, "NumberOfConnectors") == "2"
    for name in ("nothing", "HeartbeatInterval", "NumberOfConnectors", "", "-", "heartbeat_s 300"):
        raises(KeyError, c.value, name)


def test_numbers_and_their_limits():
    for name, _, least, most in numbers():
        c = fresh()
        for value in (least, most, least + 1, most - 1):
            assert c.set(name, str(value)) == "Accepted" and in_force(c, name) == value, (
                name,
                value,
            )
            assert text(c, name) == str(value)
        for bad in (str(least - 1), str(most + 1), "-1", str(2**31), "9" * 400):
            assert c.set(name, bad) == "Rejected", (name, bad)
        for bad in ("", " ", "x", "1.0", "1.5", "1e3", "0x10", "true", "null", "--1", "1 2"):
            assert c.set(name, bad) == "Rejected", (name, bad)
        assert in_force(c, name) == most - 1, name


def test_flags():
    for name, _ in flags():
        c = fresh()
        for word, value in (("true", True), ("false", False), ("True", True), ("FALSE", False)):
            assert c.set(name, word) == "Accepted" and in_force(c, name) is value, (name, word)
            assert text(c, name) == word.lower()
        for bad in ("", "1", "0", "yes", "t", "tru", "true ", "null"):
            assert c.set(name, bad) == "Rejected", (name, bad)
        assert in_force(c, name) is False


def test_lists_of_measurands():
    for name in LISTS:
        c = fresh()
        for value, bits in (
            ("Energy.Active.Import.Register", 0x001),
            ("Power.Active.Import", 0x002),
            ("Current.Import", 0x01C),
            ("Voltage", 0x0E0),
            ("Current.Offered", 0x100),
            ("Power.Offered", 0x200),
            ("Temperature", 0x400),
            ("Frequency", 0x800),
            ("Current.Import.L1", 0x004),
            ("Current.Import.L2,Current.Import.L3", 0x018),
            ("Voltage.L2", 0x040),
            ("Voltage.L1-N,Voltage.L3-N", 0x0A0),
            ("Voltage,Voltage.L1,Voltage", 0x0E0),
            (" Power.Offered , Temperature ", 0x600),
            ("", 0),
            (" ", 0),
        ):
            assert c.set(name, value) == "Accepted", (name, value)
            assert in_force(c, name) == bits and text(c, name) == value, (name, value)
            assert in_force(again(), name) == bits and text(again(), name) == value and not said
        assert c.set(name, ",".join(["Voltage"] * 12)) == "Accepted"
        before = text(c, name)
        for bad in (
            "x", "voltage", "Energy", ",", "Voltage,", ",Voltage", "Voltage,,Temperature",
            "Voltage;Temperature", "Voltage Temperature", "SoC", "Frequency.L1", "RPM",
            "Energy.Active.Export.Register", "Energy.Active.Import.Interval", "Current.Export",
            "Power.Reactive.Import", "Voltage,SoC", "Voltage.L4", "Voltage.L0", "Voltage.N",
            "Voltage.L1-L2", "Voltage.L", "Current.Import.L1-N", "Temperature.L1",
            "Power.Active.Import.L1", "Energy.Active.Import.Register.L2", "Voltage.L1.L1",
            ",".join(["Voltage"] * 13), "0", "true",
        ):  # fmt: skip
            assert c.set(name, bad) == "Rejected", (name, bad)
        assert in_force(c, name) == 0x0E0 and text(c, name) == before


def test_measurands_without_a_source():
    c = fresh(measurands=0x301)  # an S0 meter: energy, and what is offered
    assert c.value("sampled") == 0x301
    offered = "Current.Offered,Power.Offered"
    assert text(c, "MeterValuesSampledData") == "Energy.Active.Import.Register," + offered
    for bad in ("Voltage", "Power.Active.Import", "Current.Offered,Current.Import", "Temperature"):
        assert c.set("MeterValuesSampledData", bad) == "Rejected", bad
    assert c.set("MeterValuesSampledData", "Power.Offered") == "Accepted"
    c = fresh(measurands=0x327)  # one phase
    assert c.set("MeterValuesSampledData", "Voltage,Current.Import") == "Accepted"
    assert c.value("sampled") == 0x024
    assert c.set("MeterValuesSampledData", "Voltage.L2") == "Rejected"
    c = fresh(measurands=0x300)  # no meter
    assert c.value("sampled") == 0x300
    assert text(c, "MeterValuesAlignedData") == offered
    c = fresh(measurands=0)
    assert c.value("sampled") == 0 and text(c, "MeterValuesAlignedData") == ""
    # The board was changed: what has lost its source is told, and the default holds.
    c = fresh()
    assert c.set("MeterValuesAlignedData", "Voltage,Temperature") == "Accepted"
    c = again(measurands=0x301)
    assert c.value("aligned") == 0x301
    assert said == ["ocpp.json: MeterValuesAlignedData ignored"]


def test_by_default_all_that_is_measured():
    c = fresh()
    every = (
        "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,Current.Offered,"
        "Power.Offered,Temperature,Frequency"
    )
    for name in ("MeterValuesSampledData", "MeterValuesAlignedData"):
        assert text(c, name) == every and in_force(c, name) == 0xFFF
        assert len(every) <= 500 and c.set(name, every) == "Accepted"  # (as it is told)
    for name in ("StopTxnSampledData", "StopTxnAlignedData"):
        assert text(c, name) == "" and in_force(c, name) == 0


def test_the_known_part_of_a_list():
    """With PilotwireAcceptKnownMeasurands; what is in force is what is told, then as ever."""
    key = "PilotwireAcceptKnownMeasurands"
    c = fresh(measurands=0x3FF)
    assert text(c, key) == "false"
    mixed = "SoC,Voltage, Current.Import.L1 ,RPM,Temperature,Voltage"
    for name in LISTS:
        before = text(c, name)
        assert c.set(name, mixed) == "Rejected" and text(c, name) == before
    assert c.set(key, "true") == "Accepted"
    long = ",".join(["Current.Export,Power.Offered,Energy.Active.Import.Register,SoC"] * 6)
    for name in LISTS:
        for given, taken, bits in (
            (mixed, "Voltage,Current.Import.L1", 0x0E4),
            (long, "Power.Offered,Energy.Active.Import.Register", 0x201),
            ("", "", 0),
            ("Voltage.L1-N,", "Voltage.L1-N", 0x020),
        ):
            assert c.set(name, given) == "Accepted", (name, given)
            assert text(c, name) == taken and in_force(c, name) == bits, (name, text(c, name))
        before = text(c, name)
        for bad in ("SoC", "SoC,RPM", "voltage", "Temperature", "Voltage.L1-L2", "0"):
            assert c.set(name, bad) == "Rejected" and text(c, name) == before, (name, bad)
        assert text(again(measurands=0x3FF), name) == before
    assert c.set("ConnectorPhaseRotation", "RST,XYZ") == "Rejected"
    assert c.set(key, "false") == "Accepted"
    assert c.set("StopTxnSampledData", mixed) == "Rejected"


def test_phase_rotation():
    name = "ConnectorPhaseRotation"
    c = fresh()
    assert text(c, name) == "Unknown"
    for value in ("RST", "0.RST", "0.RST,1.STR, 2.TRS", "NotApplicable", "1.Unknown", "2.TSR"):
        assert c.set(name, value) == "Accepted" and text(c, name) == value, value
        assert text(again(), name) == value
    for bad in ("", "R", "rst", "RSTR", "RST RTS", "3.RST", "-1.RST", "x.RST", "1.2.RST", "1.",
                "RST,", "1,RST", ",".join(["RST"] * 6)):  # fmt: skip
        assert c.set(name, bad) == "Rejected", bad
    assert text(c, name) == "2.TSR"


def test_the_authorization_key_is_never_told():
    c = fresh()
    assert c.password() is None and get(c, "AuthorizationKey") == (
        [("AuthorizationKey", None, False)], []
    )  # fmt: skip
    for bad in ("", "00" * 15, "00" * 21, "0" * 33, "x" * 32, "0g" * 16, "0x" + "00" * 16):
        assert c.set("AuthorizationKey", bad) == "Rejected", bad
    assert c.password() is None
    for key in ("00" * 16, "0123456789abcdefABCDEF0123456789ABCDEF01", "ff" * 20):
        assert c.set("AuthorizationKey", key) == "Accepted"
        for each in (c, again()):
            secret = bytes([int(key[i : i + 2], 16) for i in range(0, len(key), 2)])
            assert each.password() == secret
            assert get(each, "AuthorizationKey")[0] == [("AuthorizationKey", None, False)]
            assert key not in "".join(each.pieces(())())
    for bad in ("7", '"00"', "[]"):
        c = stored('{"AuthorizationKey": %s}' % bad)
        assert c.password() is None and said, bad


def test_a_text():
    """Of so many characters, whatever they are in; without controls and halves of characters."""
    c = fresh()
    assert text(c, "CpoName") == "" and "operator" not in c.stored
    for good in ("x", "The \xe9lectric & co.", "\u20ac" * 64, "true", "7", "-", ""):
        assert c.set("CpoName", good) == "Accepted", good
        for each in (c, again()):
            assert text(each, "CpoName") == each.stored["operator"] == good and not said
    assert c.set("CpoName", "kept") == "Accepted"
    for bad in ("x" * 65, "a\nb", "\0", "\x7f", "\ud800"):
        assert c.set("CpoName", bad) == "Rejected", bad
        assert text(c, "CpoName") == "kept"
    for bad in ("7", "true", "[]", '"%s"' % ("x" * 65)):
        c = stored('{"CpoName": %s}' % bad)
        assert text(c, "CpoName") == "" and said, bad


def test_keys_that_cannot_be_set():
    c = fresh()
    before = get(c)
    for r in rows("b", "i", "s", access=("ro",)):
        for value in (r[4], "2", "true", ""):
            assert c.set(r[0], value) == "Rejected", r
    for name in ("NoSuchKey", "", " ", "heartbeatinterval", "HeartbeatInterval ", "\n", "é",
                 "HeartbeatInterval rw", "HeartbeatInterval heartbeat_s rw i 300"):  # fmt: skip
        assert c.set(name, "1") == "NotSupported", name
        assert get(c, name) == ([], [name])
    assert defaults(c) and get(c) == before


def test_a_key_that_needs_a_reboot():
    table, load = keys._TABLE, Configuration.keys
    Configuration.keys = lambda c: keys
    try:
        keys._TABLE = table + ("Zzz zzz rb i 1 0 5",)
        c = fresh()
        assert c.set("Zzz", "4") == "RebootRequired" and again().value("zzz") == 4
        assert c.set("Zzz", "6") == "Rejected"
    finally:
        keys._TABLE = table
        Configuration.keys = load


# What survives


def test_values_survive():
    c = fresh()
    expected = {}
    for name, _, least, _ in numbers():
        c.set(name, str(least))
        expected[name] = least
    for name, default in flags():
        c.set(name, "false" if default else "true")
        expected[name] = not default
    for name in LISTS:
        c.set(name, "Voltage.L1,Power.Offered")
        expected[name] = 0x220
    c = again()
    for name, value in expected.items():
        assert in_force(c, name) == value and type(in_force(c, name)) is type(value), name
    assert not said


def test_only_a_change_is_written():
    c = fresh()
    c.set("HeartbeatInterval", "300")  # as it was
    assert c.put("heartbeat_s", 300)
    raises(OSError, os.stat, PATH)
    c.set("HeartbeatInterval", "301")
    assert again().value("heartbeat_s") == 301
    assert c.put("heartbeat_s", 302)
    assert again().value("heartbeat_s") == 302
    c.set("StopTxnSampledData", "Voltage")
    os.remove(PATH)
    c.set("StopTxnSampledData", "Voltage")
    raises(OSError, os.stat, PATH)


def test_a_write_that_fails_changes_nothing():
    c = fresh()
    c._path = "/tmp/there/is/none"
    assert c.set("HeartbeatInterval", "99") == "Rejected"
    assert c.set("MeterValuesSampledData", "Voltage") == "Rejected"
    assert not c.put("heartbeat_s", 99)
    assert c.value("heartbeat_s") == 300 and c.value("sampled") == 0xFFF
    assert len(said) == 3 and "not written" in said[0]


def test_a_power_cut_in_every_write():
    """Old or new; and what was answered Accepted is there."""
    changes = [
        ("HeartbeatInterval", "77"),
        ("MeterValuesSampledData", "Energy.Active.Import.Register,Voltage,Current.Import"),
        ("StopTransactionOnInvalidId", "false"),
        ("MeterValuesSampledData", "Voltage"),
        ("ConnectorPhaseRotation", "0.RST,1.STR,2.TRS"),
    ]
    cuts = 0
    for tear in (0, 3):
        dies_at = 0
        while True:
            chip = flash.Flash(8)
            flash.mount(chip)
            chip.on()
            chip.dies_at, chip.tear = dies_at, tear
            c = again(at="/flash/ocpp.json")
            states, accepted = [get(c)[0]], 0
            for name, value in changes:
                try:
                    if c.set(name, value) != "Accepted":
                        break
                except OSError:
                    break
                accepted += 1
                states.append(get(c)[0])
            if accepted == len(changes):
                break
            cuts += 1
            chip.on()
            flash.mount(chip)
            c = again(at="/flash/ocpp.json")
            now = get(c)[0]
            wanted = states[accepted]
            if now != wanted:  # then the change that was cut has just happened
                name, value = changes[accepted]
                assert text(c, name) == value
                assert [e for e in now if e[0] != name] == [e for e in wanted if e[0] != name]
            if accepted:
                assert not said, said
            assert c.set("HeartbeatInterval", "5") == "Accepted"
            assert again(at="/flash/ocpp.json").value("heartbeat_s") == 5
            dies_at += 1
    print("%d power cuts" % cuts)
    assert cuts > 10


def test_a_damaged_file_means_defaults():
    for damaged in ("", "{", "garbage", "[]", "null", "3", '"x"', '{"HeartbeatInterval":', "\0"):
        c = stored(damaged)
        assert defaults(c), damaged
        assert said == ["ocpp.json: damaged, defaults are used"], (damaged, said)
        assert c.set("HeartbeatInterval", "77") == "Accepted"  # and can be written again
        assert again().value("heartbeat_s") == 77


def test_single_bad_entries_are_left_out():
    c = stored(
        '{"HeartbeatInterval":0,"ConnectionTimeOut":"60","MeterValueSampleInterval":true,'
        '"WebSocketPingInterval":1.5,"StopTransactionOnInvalidId":1,"NoSuchKey":1,'
        '"NumberOfConnectors":9,"ClockAlignedDataInterval":null,"MeterValuesSampledData":"SoC",'
        '"MeterValuesAlignedData":5,"StopTxnSampledData":["Voltage"],"StopTxnAlignedData":null,'
        '"ConnectorPhaseRotation":"x","AuthorizeRemoteTxRequests":true}'
    )
    assert c.value("remote_authorise") is True and text(c, "NumberOfConnectors") == "2"
    assert c.set("AuthorizeRemoteTxRequests", "false") == "Accepted" and defaults(c)
    assert [in_force(c, name) for name in LISTS] == [0xFFF, 0xFFF, 0, 0]
    assert len(said) == 13, said
    for line in said:
        assert line.startswith("ocpp.json: ") and line.endswith(" ignored"), line


# GetConfiguration


def test_get_configuration():
    c = fresh()
    c.set("HeartbeatInterval", "60")
    triples, unknown = get(c)
    assert [t[0] for t in triples] == names_of(c) and not unknown
    for name, _, readonly in triples:
        assert readonly == (c.set(name, "\0") == "Rejected" and keys.find(name, c)[2] == "ro")
    triples, unknown = get(c, "HeartbeatInterval", "nothing", "StopTransactionOnInvalidId", 'q"')
    assert triples == [
        ("HeartbeatInterval", "60", False),
        ("StopTransactionOnInvalidId", "true", False),
    ]
    assert unknown == ["nothing", 'q"']
    assert get(c, "nothing") == ([], ["nothing"])


def test_what_is_told_does_not_change_while_it_leaves():
    """An answer is made twice, for its length and while it leaves."""
    for before in ("300", "60"):
        c = fresh()
        assert c.set("HeartbeatInterval", before) == "Accepted"
        pieces = c.pieces(())
        told = "".join(pieces())
        assert c.set("HeartbeatInterval", "3600") == "Accepted"
        assert "".join(pieces()) == told
        assert text(c, "HeartbeatInterval") == "3600"


def test_get_configuration_with_hundreds_of_keys():
    """Piece by piece, in a heap that the whole answer would not fit into twice."""
    asked = ["k%d" % i for i in range(500)] + ["HeartbeatInterval"] * 100
    triples, unknown = get(fresh(), *asked)
    assert unknown == asked[:500] and triples == [("HeartbeatInterval", "300", False)] * 100
