"""OCPP 2.0.1, P: data transfer. A test is named
after its case of the certification tool: TC_P_01_CS is test_p_01_..."""

import pytest
from station_201 import assert_reason

from host.process import WAIT_s
from host.profile import in_201, profile

POLICY = """
asked = False
limit_mA = None

def local_limit(now, station):
    global asked
    if not asked:
        asked = station.transfer("Owner", "Limit", "EVSE 1")
    return limit_mA

def on_transfer(transfer, accepted, data, station):
    global limit_mA
    limit_mA = int(data) if accepted else 6000
"""


async def test_p_01_unknown_vendor_and_message(bench201):
    async with bench201() as b:
        for vendor, message, status in (
            ("com.example", None, "UnknownVendorId"),
            ("Pilotwire", None, "UnknownMessageId"),
            ("Pilotwire", "Ping", "UnknownMessageId"),
        ):
            payload = {"vendorId": vendor, **({"messageId": message} if message else {})}
            assert_reason(await b.ask("DataTransfer", status, **payload))


async def test_limit_reason(bench201):
    """Who decides an EVSE's limit; `data` may be any JSON."""
    async with bench201(connectors=2) as b:
        ask = {"vendorId": "Pilotwire", "messageId": "LimitReason"}
        await b.charge(evse=2)
        for data in (2, "2"):
            answer = await b.ask("DataTransfer", **ask, data=data)
            assert set(answer["data"]) == {"limit_mA", "limit_by", "limit_next"}
        assert "data" in await b.ask("DataTransfer", **ask)
        for data in (3, [], {"evse": 1}, None, True, "x"):
            await b.ask("DataTransfer", "Rejected", "UnknownEvse", **ask, data=data)


async def test_p_03_04_custom_data(bench201):
    """What others add is no fault, in a charging profile neither."""
    async with bench201() as b:
        custom = {"customData": {"vendorId": "com.example", "more": [1, {"a": None}]}}
        await b.ask("ClearCache", **custom)
        token = {"idToken": "X", "type": "ISO14443", **custom}
        await b.ask(
            "RequestStartTransaction", remoteStartId=1, evseId=1, idToken=token, **custom
        )  # fmt: skip
        day = in_201(profile(1, "Default", {0: 8}, startSchedule=await b.now()))
        (schedule,) = day["chargingSchedule"]
        for one in (day, schedule, *schedule["chargingSchedulePeriod"]):
            one.update(custom)
        await b.set_profile(day, 1)
        assert (await b.composite(60))[0][1] == 8


@pytest.mark.parametrize(
    ("answer", "mA"),
    [({"status": "Accepted", "data": 8000}, 8000), ({"status": "Rejected"}, 6000)],
)
async def test_to_the_central_system(bench201, answer, mA):
    """P02: an owner's rule asks for a limit, and goes by the answer, which may be any JSON."""
    b = bench201(policy=POLICY)
    b.cs.answer("DataTransfer", lambda payload: answer)
    async with b:
        asked = await b.st.expect("DataTransfer", None, WAIT_s)
        assert asked == {"vendorId": "Owner", "messageId": "Limit", "data": "EVSE 1"}
        await b.charge()
        await b.pilot(mA)
