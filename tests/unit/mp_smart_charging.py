"""ocpp.v16.smart_charging: a payload becomes a record."""

import json
import struct

from firmware.charging import profile
from firmware.charging.profile import HEADER
from firmware.ocpp.v16.smart_charging import SmartCharging

HEAP = "256K"


def record(fields="", limit="16", purpose="TxDefaultProfile"):
    """(record, what was logged) of a ChargingProfile; `limit` as JSON text."""
    said = []
    p = json.loads(
        '{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"%s",'
        '"chargingProfileKind":"Relative",%s"chargingSchedule":{"chargingRateUnit":"A",'
        '"chargingSchedulePeriod":[{"startPeriod":0,"limit":%s}]}}' % (purpose, fields, limit)
    )
    return SmartCharging(None, said.append).record(p, 0), said


def tenths(limit):
    return record(limit=limit)[0][HEADER + 1]


def test_a_limit_with_more_than_one_decimal_is_rounded_down():
    for text, wanted in (
        ("8.228260869565219", 82),
        ("16.15", 161),
        ("16.1999", 161),
        ("9.99999", 99),
        ("6.09", 60),
        ("0.05", 0),
        ("1e-9", 0),
        ("32767.95", 327679),
        ("3680.06", 36800),
    ):
        assert tenths(text) == wanted, (text, tenths(text))


def test_a_tenth_is_a_tenth():
    """Also as a float32, which the ESP32 has, and one that was read a little wrong."""

    def float32(x):
        return struct.unpack("f", struct.pack("f", x))[0]

    for n in list(range(1000)) + list(range(36000, 36300)) + list(range(220000, 220200)):
        assert tenths("%d.%d" % (n // 10, n % 10)) == n, n
        near = float32(n / 10)
        for x in (near - near / (1 << 23), near, near + near / (1 << 23)):
            if n < 80000:  # (above, a tenth of a watt is no longer sure)
                assert tenths("%.9g" % x) == n, (n, x)
    assert tenths("99999.9") == 999999
    assert tenths("1000000") == tenths("1e30") == 10000000


def test_a_transaction_id_on_another_purpose_is_ignored_and_logged():
    for purpose in ("ChargePointMaxProfile", "TxDefaultProfile"):
        w, said = record('"transactionId":1743197615,', purpose=purpose)
        assert profile.transaction(w) is None
        assert len(said) == 1 and "transactionId is ignored" in said[0], said
    w, said = record('"transactionId":0,', purpose="TxProfile")
    assert profile.transaction(w) == 0 and not said
