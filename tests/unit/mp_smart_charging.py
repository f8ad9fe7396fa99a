"""ocpp.v16.smart_charging: a payload becomes a record."""

import json
import struct

from rig import raises

from firmware.charging import profile
from firmware.charging.profile import HEADER
from firmware.ocpp.rpc import CallError
from firmware.ocpp.v16 import smart_charging
from firmware.storage.transactions import Transaction

HEAP = "256K"
BOTH = True
CHIP = True

PAYLOAD = (
    '{"chargingProfileId":1,"stackLevel":0,"chargingProfilePurpose":"%s",'
    '"chargingProfileKind":"Relative",%s"chargingSchedule":{"chargingRateUnit":"A",'
    '"chargingSchedulePeriod":[{"startPeriod":0,"limit":%s}]}}'
)


class Unit:
    """requests.Requests, as far as a record asks it."""

    def __init__(self, log, station=None):
        self.log = log
        self.station = station


def record(fields="", limit="16", purpose="TxDefaultProfile"):
    """(record, what was logged) of a ChargingProfile; `limit` as JSON text."""
    said = []
    p = json.loads(PAYLOAD % (purpose, fields, limit))
    return smart_charging.record(p, 0, Unit(said.append)), said


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


def test_from_1_to_3_phases():
    for phases in range(-1, 6):
        p = json.loads(PAYLOAD % ("TxDefaultProfile", "", '16,"numberPhases":%d' % phases))
        if 1 <= phases <= 3:
            assert smart_charging.record(p, 0, Unit(print))[HEADER + 1] == phases << 24 | 160
        else:
            raises(smart_charging.Refused, smart_charging.record, p, 0, Unit(print))


def test_periods_begin_at_0_and_increase():
    def starting(*starts):
        p = json.loads(PAYLOAD % ("TxDefaultProfile", "", "16"))
        periods = [{"startPeriod": start, "limit": 16} for start in starts]
        p["chargingSchedule"]["chargingSchedulePeriod"] = periods
        return smart_charging.record(p, 0, Unit(print))

    for starts in ((1,), (-1,), (0, 0), (0, 60, 60), (0, 60, 59), (5, 60)):
        raises(smart_charging.Refused, starting, *starts)
    w = starting(0, 60, 61)
    assert [w[HEADER + i] for i in (0, 2, 4)] == [0, 60, 61]


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


def test_a_transaction_id_becomes_the_number_of_what_runs_there():
    """The records know no transactionId: any that fits 63 bits, 0 and -1 too, names a transaction
    on its connector or none."""

    class Connector:
        tx = None

        def __init__(self, number, tx_number, id):
            self.number = number
            if tx_number:
                self.tx = Transaction(tx_number, number, "TAG", 0, 0)
                self.tx.id = id

    class Station:
        connectors = (
            Connector(1, 7, 2**62),
            Connector(2, 8, 0),
            Connector(3, None, None),
            Connector(4, 9, None),
        )

    def number(transaction_id, connector):
        p = json.loads(PAYLOAD % ("TxProfile", '"transactionId":%d,' % transaction_id, "16"))
        return profile.transaction(smart_charging.record(p, connector, Unit(print, Station)))

    assert number(2**62, 1) == 7 and number(0, 2) == 8
    for id, connector in ((2**62, 2), (0, 1), (1, 3), (7, 1), (9, 4), (-1, 4), (2**62, 0)):
        assert number(id, connector) == -1, "no transaction has that number"
    e = raises(CallError, number, 2**63, 1)
    assert e.code == "PropertyConstraintViolation"
