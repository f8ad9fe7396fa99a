"""ocpp/schema.py: what each fault is called, where it is said to be, and what a check costs."""

import gc
import json

from firmware.ocpp import schema
from firmware.ocpp.schema import check, error_for, known
from firmware.ocpp.v16 import shapes

schema.use(shapes)

BOTH = True
CHIP = True

TYPE = "TypeConstraintViolation"
PROPERTY = "PropertyConstraintViolation"
OCCURENCE = "OccurenceConstraintViolation"


def profile(periods=1, limit="16.1", **fields):
    """A SetChargingProfile request with all fields; `fields` replace those of the schedule."""
    text = ",".join(
        '{"startPeriod":%d,"limit":%s,"numberPhases":3}' % (900 * i, limit) for i in range(periods)
    )
    schedule = {
        "duration": 86400,
        "startSchedule": "2026-11-20T00:00:00Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": json.loads("[" + text + "]"),
        "minChargingRate": 6.0,
    }
    schedule.update(fields)
    return {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1_800_000_000,
            "transactionId": -1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Recurring",
            "recurrencyKind": "Daily",
            "validFrom": "2026-01-01T00:00:00.000+02:00",
            "validTo": "9999-12-31T23:59:59Z",
            "chargingSchedule": schedule,
        },
    }


def refused(code, description, action, payload):
    fault = check(action, payload)
    assert fault == (code, description), fault


def damage(action, answer):
    """What is said of an answer."""
    said = []
    schema.usable(action, answer, said.append)
    return said


def limit_fault(number):
    """The code that a limit gets, None if it passes; `number` is JSON text."""
    fault = check("SetChargingProfile", profile(limit=number))
    assert fault is None or ".chargingSchedulePeriod[0].limit: " in fault[1], fault
    return fault and fault[0]


# What conforms


def test_a_request_and_a_confirmation_of_one_name_are_two_tables():
    """(What conforms at all: tests/prove_link, and every message of the system tests.)"""
    assert check("DataTransfer", {"vendorId": "x"}) is None
    refused(OCCURENCE, "vendorId: it is required", "DataTransfer", {"status": "Accepted"})
    assert damage("DataTransfer", {"vendorId": "x"}) == ["answer to DataTransfer: no status"]
    assert damage("DataTransfer", {"status": "Accepted"}) == []
    assert check("SetChargingProfile", profile(96)) is None


# What does not


def test_the_payload_is_an_object():
    for payload in (None, [], "x", 1, True, 1.5):
        refused("FormationViolation", "payload: object expected", "ClearCache", payload)


def test_a_fault_is_named_by_its_path():
    where = "csChargingProfiles.chargingSchedule.chargingSchedulePeriod"
    request = profile(4)
    periods = request["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
    periods[3]["limit"] = "16"
    refused(TYPE, where + "[3].limit: number expected", "SetChargingProfile", request)
    periods[2] = None
    refused(TYPE, where + "[2]: object expected", "SetChargingProfile", request)
    del periods[1]["startPeriod"]
    refused(OCCURENCE, where + "[1].startPeriod: it is required", "SetChargingProfile", request)
    refused(
        TYPE,
        where + ": array expected",
        "SetChargingProfile",
        profile(chargingSchedulePeriod={}),
    )


def test_json_types():
    for value in (True, False, "1", 1.5, 1.0, None, [], {}):
        payload = {"connectorId": value}
        refused(TYPE, "connectorId: integer expected", "UnlockConnector", payload)
    for value in (1, 1.0, True, None, [], {}):
        refused(TYPE, "idTag: string expected", "RemoteStartTransaction", {"idTag": value})
        refused(TYPE, "key[1]: string expected", "GetConfiguration", {"key": ["a", value]})
    for value in ("1", True, [], {}):
        fault = check("SetChargingProfile", profile(minChargingRate=value))
        assert fault[0] == TYPE and fault[1].endswith(".minChargingRate: number expected"), fault


def test_null_in_an_answer_is_absent_where_the_field_is_optional():
    conf = {"idTagInfo": {"status": "Accepted", "expiryDate": None, "parentIdTag": None}}
    assert damage("Authorize", conf) == []
    assert conf == {"idTagInfo": {"status": "Accepted"}}
    conf = {"idTagInfo": None, "x": None}
    assert damage("StopTransaction", conf) == [] and conf == {"x": None}
    assert damage("Authorize", {"idTagInfo": None}) == ["answer to Authorize: no idTagInfo"]


def test_what_can_be_used_of_a_damaged_answer():
    until = "2030-01-01T00:00:00Z"
    for action, answer, use, says in (
        ("Authorize", {"idTagInfo": {"status": "Ok"}}, {"idTagInfo": {"status": None}}, 1),
        ("Authorize", {"idTagInfo": []}, {"idTagInfo": {}}, 2),
        ("Authorize", {"idTagInfo": None}, {"idTagInfo": None}, 1),
        (
            "StartTransaction",
            {"transactionId": "-123", "idTagInfo": {"status": 1, "expiryDate": until}},
            {"transactionId": -123, "idTagInfo": {"status": None, "expiryDate": until}},
            1,
        ),
        ("StartTransaction", {"transactionId": "12a"}, {"transactionId": None}, 2),
        ("StartTransaction", {"transactionId": 1.5}, {"transactionId": None}, 2),
        ("StartTransaction", {"transactionId": True}, {"transactionId": None}, 2),
        ("StartTransaction", {"transactionId": "9" * 20}, {"transactionId": 10**20 - 1}, 1),
        ("StartTransaction", {"transactionId": "9" * 21}, {"transactionId": None}, 2),
        ("StartTransaction", {"transactionId": "--5"}, {"transactionId": None}, 2),
        ("StartTransaction", {"transactionId": "-"}, {"transactionId": None}, 2),
        ("StartTransaction", {"transactionId": ""}, {"transactionId": None}, 2),
        (
            "BootNotification",
            {"status": "Accepted", "interval": " ", "currentTime": 5, "x": [1]},
            {"status": "Accepted", "interval": None, "currentTime": None, "x": [1]},
            2,
        ),
        (
            "DataTransfer",
            {"status": "Accepted", "data": 5},
            {"status": "Accepted", "data": None},
            1,
        ),
        ("StopTransaction", "ok", {}, 1),
        ("MeterValues", [1], {}, 1),
    ):
        said = []
        assert schema.usable(action, answer, said.append) == use, (answer, said)
        assert len(said) == says and all(["answer to " + action in s for s in said]), said


def test_null_in_a_request_is_a_wrong_type():
    for action, payload, text in (
        ("TriggerMessage", {"requestedMessage": None}, "requestedMessage: string"),
        (
            "TriggerMessage",
            {"requestedMessage": "Heartbeat", "connectorId": None},
            "connectorId: integer",
        ),
        (
            "ClearChargingProfile",
            {"chargingProfilePurpose": None},
            "chargingProfilePurpose: string",
        ),
        ("GetConfiguration", {"key": None}, "key: array"),
        (
            "RemoteStartTransaction",
            {"idTag": "A", "chargingProfile": None},
            "chargingProfile: object",
        ),
        ("DataTransfer", {"vendorId": "x", "data": None}, "data: string"),
    ):
        refused(TYPE, text + " expected", action, payload)
        assert not damage("Authorize", {"idTagInfo": {"status": "Accepted", "expiryDate": None}})
        refused(TYPE, text + " expected", action, payload)  # (whatever was checked before)
    for field in ("duration", "startSchedule", "minChargingRate"):
        fault = check("SetChargingProfile", profile(**{field: None}))
        assert fault[0] == TYPE and "." + field + ": " in fault[1], fault


def test_strings_are_counted_in_characters():
    assert check("RemoteStartTransaction", {"idTag": "\u00e9" * 20}) is None
    refused(
        PROPERTY, "idTag: at most 20 characters", "RemoteStartTransaction", {"idTag": "x" * 21}
    )
    refused(PROPERTY, "key[0]: at most 50 characters", "GetConfiguration", {"key": ["x" * 51]})
    assert check("DataTransfer", {"vendorId": "x", "data": "y" * 4000}) is None


def test_enumerations():
    refused(PROPERTY, "type: 'soft' is none of Hard|Soft", "Reset", {"type": "soft"})
    for value in ("", "Hard|Soft", "|", "Hard ", " ", "Har"):
        assert check("Reset", {"type": value})[0] == PROPERTY, value


def test_dates():
    for value in ("", "yesterday", "2026-13-01T00:00:00Z", "2026-11-20", "9" * 5000):
        said = damage("Heartbeat", {"currentTime": value})
        assert len(said) == 1 and said[0].endswith(" is no date-time"), said
    said = damage("Heartbeat", {"currentTime": 0})
    assert said == ["answer to Heartbeat: currentTime: string expected"]


def test_numbers_with_any_decimals():
    """The schemas want multiples of 0.1; what is none is understood, the domain rounds it down."""
    numbers = "0 0.0 -0.0 16 16.1 0.3 1.6e1 32767.9 -16.1 0.30000000000000004 32768.05 1000000.2"
    for number in (numbers + " 16.15 0.01 8.228260869565219 -16.15 1e-9").split():
        assert limit_fault(number) is None, number


def test_what_json_makes_infinite_is_refused():
    for number in ("1e999", "-1e999", "1e39"):
        assert limit_fault(number) == PROPERTY, number
    assert limit_fault("100000000000000000000") is None  # an integer: how large, the domain says


def test_a_description_is_short_and_printable():
    fault = check("TriggerMessage", {"requestedMessage": "\ud800\x00\u00e9" + "x" * 4000})
    assert fault[0] == PROPERTY
    assert len(fault[1]) == 120 and all(" " <= c <= "~" for c in fault[1]), fault
    assert fault[1].startswith("requestedMessage: '"), fault


def test_too_many_items_are_not_even_looked_at():
    refused(OCCURENCE, "key: too many items", "GetConfiguration", {"key": [None] * 1001})
    for n in (1000, 0):
        assert check("GetConfiguration", {"key": ["a"] * n}) is None


def test_nesting_is_followed_only_as_deep_as_the_table():
    deep = []
    for _ in range(1000):
        deep = [deep]
    refused(TYPE, "key[0]: string expected", "GetConfiguration", {"key": deep})
    assert check("ClearCache", {"extra": deep}) is None


# Fields that the schema does not have


def test_extra_fields_are_tolerated():
    request = profile(3)
    periods = request["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"]
    for i in (1, 2):
        periods[i]["vendor\n"] = 1
    assert check("SetChargingProfile", request) is None
    assert check("ClearCache", {"x" * 500: None}) is None
    assert check("Reset", {"type": "x", "extra": 1})[0] == PROPERTY


def test_an_extra_field_does_not_stand_in_for_an_absent_one():
    refused(OCCURENCE, "type: it is required", "Reset", {"Type": "Hard"})


# Actions


def test_unknown_and_unsupported_actions():
    for action in ("LogStatusNotification", "SignCertificate", "BootNotification", "Heartbeat"):
        assert not known(action) and error_for(action) == "NotSupported", action
    crafted = [
        "@Profile",
        ">Authorize",
        "GetLog SendLocalList",
        "ClearCache:\nReset",
        "\nReset",
    ]
    for action in ["", "Foo", "reset", "Reset ", "R\u00e9set", None, 1, [], {}] + crafted:
        assert not known(action) and error_for(action) == "NotImplemented", action


def test_the_shapes_are_those_of_the_version_that_is_spoken():
    class Shapes:
        TABLE = (
            "\nblock.GetVariables: requestId i"
            "\nblock.Update: listVersion i x ?*@Info\n@Info: status A|B\n"
        )
        OTHERS = " Reset "
        CODES = "Format", "Occurrence", "Frame", None

    assert not known("GetVariables") and schema.module("Reset") == "core"
    schema.use(Shapes)
    assert known("GetVariables") and schema.module("GetVariables") == "block"
    assert not known("Reset") and error_for("Reset") == "NotSupported"
    assert error_for("ClearCache") == "NotImplemented"
    refused("Occurrence", "requestId: it is required", "GetVariables", {})
    refused("Format", "payload: object expected", "GetVariables", [])
    payload = {"listVersion": 1, "x": [{"status": "B"}, {}]}
    refused("Occurrence", "x[1].status: it is required", "Update", payload)
    schema.use(shapes)


# What OCPP 2.0.1 has beside that


def use_201():
    from firmware.ocpp.v201 import shapes

    schema.use(shapes)


def test_codes_are_spelt_as_the_version_does():
    use_201()
    refused("FormatViolation", "payload: object expected", "ClearCache", [])
    refused("OccurrenceConstraintViolation", "type: it is required", "Reset", {})
    refused(PROPERTY, "type: 'Hard' is none of Immediate|OnIdle", "Reset", {"type": "Hard"})
    refused(TYPE, "severity: integer expected", "SetMonitoringLevel", {"severity": "5"})


def test_arrays_have_items_and_not_too_many():
    use_201()
    code = "OccurrenceConstraintViolation"
    refused(code, "getVariableData: items expected", "GetVariables", {"getVariableData": []})
    ids = {"requestId": 1, "chargingProfile": {"chargingProfileId": [1] * 1000}}
    assert check("GetChargingProfiles", ids) is None
    ids["chargingProfile"]["chargingProfileId"] *= 2
    path = "chargingProfile.chargingProfileId"
    refused(code, path + ": too many items", "GetChargingProfiles", ids)
    sources = {"chargingLimitSource": ["EMS", "SO", "CSO", "Other"]}
    request = {"requestId": 1, "chargingProfile": sources}
    assert check("GetChargingProfiles", request) is None
    sources["chargingLimitSource"].append("EMS")
    path = "chargingProfile.chargingLimitSource"
    refused(code, path + ": too many items", "GetChargingProfiles", request)
    sources["chargingLimitSource"] = ["EMS", "Grid"]
    text = path + "[1]: 'Grid' is none of EMS|Other|SO|CSO"
    refused(PROPERTY, text, "GetChargingProfiles", request)
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [None] * 1024}
    profile = {"id": 1, "stackLevel": 0, "chargingSchedule": [schedule]}
    profile["chargingProfilePurpose"], profile["chargingProfileKind"] = "TxProfile", "Absolute"
    request = {"evseId": 1, "chargingProfile": profile}
    path = "chargingProfile.chargingSchedule[0].chargingSchedulePeriod"
    refused(TYPE, path + "[0]: object expected", "SetChargingProfile", request)
    schedule["chargingSchedulePeriod"].append(None)
    refused(code, path + ": too many items", "SetChargingProfile", request)


def test_booleans():
    use_201()
    request = {"requestId": 1, "report": True, "clear": False}
    assert check("CustomerInformation", request) is None
    for value in (0, 1, "true", None, []):
        request["clear"] = value
        refused(TYPE, "clear: boolean expected", "CustomerInformation", request)


def test_integers_from_0():
    use_201()

    def fault(level):
        period = {"startPeriod": 0, "limit": 16}
        entry = {"relativeTimeInterval": {"start": 0}, "ePriceLevel": level}
        schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
        schedule["salesTariff"] = {"id": 1, "salesTariffEntry": [entry]}
        profile = {"id": 1, "stackLevel": 0, "chargingSchedule": [schedule]}
        profile["chargingProfilePurpose"], profile["chargingProfileKind"] = "TxProfile", "Absolute"
        fault = check("SetChargingProfile", {"evseId": 1, "chargingProfile": profile})
        return fault and (fault[0], fault[1].rpartition(".")[2])

    assert fault(0) is None and fault(5) is None
    assert fault(-1) == (PROPERTY, "ePriceLevel: at least 0 expected")
    for level in (1.0, True, "1", None):
        assert fault(level) == (TYPE, "ePriceLevel: integer expected"), level


def test_anything():
    use_201()
    for data in (None, True, 1.5, "x", [], {}, [{"a": None}]):
        assert check("DataTransfer", {"vendorId": "x", "data": data}) is None, data
        answer = {"status": "Accepted", "data": data}
        assert damage("DataTransfer", answer) == []
        assert answer.get("data") == data


def test_custom_data_may_stand_anywhere():
    use_201()
    custom = {"vendorId": "x", "any": [None]}
    item = {"component": {"name": "A"}, "variable": {"name": "B"}}
    for place in (item, item["component"], item["variable"]):
        place["customData"] = custom
    assert check("GetVariables", {"getVariableData": [item], "customData": custom}) is None


def test_what_can_be_used_of_a_damaged_answer_in_2_0_1():
    use_201()
    info = {"reasonCode": "x" * 21, "additionalInfo": None}
    answer = {"status": "Rejected", "interval": "60", "currentTime": "2026-11-20T12:00:00Z"}
    answer["statusInfo"] = info
    said = damage("BootNotification", answer)
    assert said == ["answer to BootNotification: reasonCode: at most 20 characters"], said
    assert answer["interval"] == 60 and info == {"reasonCode": None}
    info = {"status": "Accepted", "evseId": [], "groupIdToken": {"idToken": "G", "type": "?"}}
    said = damage("Authorize", {"idTokenInfo": info})
    assert len(said) == 2, said
    group = {"idToken": "G", "type": None}
    assert info == {"status": "Accepted", "evseId": None, "groupIdToken": group}


def test_actions_of_2_0_1_that_are_not_ours():
    use_201()
    for action in ("Get15118EVCertificate", "SetDisplayMessage", "PublishFirmware", "Heartbeat"):
        assert not known(action) and error_for(action) == "NotSupported", action
    crafted = ["SetDisplayMessage UnpublishFirmware", " ", "15118", "Get15118EVCertificate "]
    for action in ["ChangeConfiguration", "StartTransaction", "", None, 5, []] + crafted:
        assert not known(action) and error_for(action) == "NotImplemented", action


def test_objects_are_those_of_the_version_too():
    class Numbers:
        TABLE = "\nblock.Put: x @Object\n@Object: y i\n>Say: x @Object\n"
        OTHERS = " "
        CODES = "Format", "Occurrence", "Frame", None

    class Texts:
        TABLE = Numbers.TABLE.replace("y i", "y s5")
        OTHERS, CODES = Numbers.OTHERS, Numbers.CODES

    for _ in range(2):
        for version, good, bad in ((Numbers, 1, "a"), (Texts, "a", 1)):
            schema.use(version)
            assert check("Put", {"x": {"y": good}}) is None
            assert check("Put", {"x": {"y": bad}})[0] == TYPE
    for version, good in ((Numbers, 1), (Texts, "a")):
        schema.use(version)
        assert damage("Say", {"x": {"y": good}}) == []


# Costs


def cost(function, *args):
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    function(*args)
    after = gc.mem_alloc()
    gc.enable()
    return after - before


def cost_of_periods(n, limit):
    request = profile(n, limit)
    check("SetChargingProfile", request)  # interns a few letters, once
    return cost(check, "SetChargingProfile", request)


def test_a_check_of_96_periods_costs_little_heap():
    one = cost_of_periods(1, "16")
    assert one < 8 * 1024
    assert cost_of_periods(96, "16") == one
    # A fractional limit costs one float: 16 bytes on the ESP32, 32 on the 64-bit port.
    assert cost_of_periods(96, "16.5") <= one + 96 * 32
