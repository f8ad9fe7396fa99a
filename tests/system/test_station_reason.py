"""Why the limit is what it is, and the owner's say in it, seen by a Central System."""

import json

import pytest

from host.build import ROOT
from host.profile import profile

POLICY = """
def on_charging_profile(request, station):
    limit = request["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]
    return {7: "Rejected", 8: "NotSupported", 16: "Accepted"}.get(limit)

def local_limit(now, station):
    return 10000 if station.connectors[0].tx else None
"""


async def reason(b, number="1"):
    request = {"vendorId": "Pilotwire", "messageId": "LimitReason", "data": number}
    conf = await b.st.call("DataTransfer", request)
    assert conf["status"] == "Accepted", conf
    return json.loads(conf["data"])


async def test_limit_reason(bench):
    async with bench() as b:
        assert await reason(b) == {"limit_mA": None, "limit_by": None, "limit_next": None}
        await b.set_profile(profile(5, "Default", {0: 16}, level=3), 0)
        await b.set_profile(profile(6, "Max", {0: 20}, level=1), 0)
        said = await reason(b)
        by = {"source": "TxDefaultProfile", "profile": 5, "stackLevel": 3, "until": None}
        after = {
            "source": "ChargePointMaxProfile", "profile": 6, "stackLevel": 1, "limit_mA": 20000,
        }  # fmt: skip
        assert said == {"limit_mA": 16000, "limit_by": by, "limit_next": after}
        c = await b.process.connector()
        assert (c["limit_by"], c["limit_next"]) == (by, after)
        await b.st.call("ClearChargingProfile", {"id": 5})
        said = await reason(b)
        assert said["limit_by"]["profile"] == 6
        assert said["limit_next"] == {"source": "Hardware", "limit_mA": 32000}
        for request, status in (
            ({"vendorId": "Other"}, "UnknownVendorId"),
            ({"vendorId": "Pilotwire"}, "UnknownMessageId"),
            ({"vendorId": "Pilotwire", "messageId": "X"}, "UnknownMessageId"),
            ({"vendorId": "Pilotwire", "messageId": "LimitReason", "data": "2"}, "Rejected"),
            ({"vendorId": "Pilotwire", "messageId": "LimitReason"}, "Accepted"),
        ):
            assert (await b.st.call("DataTransfer", request))["status"] == status, request


async def test_policy(bench, tmp_path):
    path = tmp_path / "policy.py"
    path.write_text(POLICY)
    async with bench(policy=path) as b:
        for limit, status in ((7, "Rejected"), (8, "NotSupported"), (9, "Rejected")):
            await b.set_profile(profile(1, "Default", {0: limit}), 0, status)
        await b.set_profile(profile(2, "Default", {0: 16}), 0)
        conf = await b.st.call("ClearChargingProfile", {"id": 1})
        assert conf["status"] == "Unknown"  # what was refused is not stored
        await b.charge()
        await b.pilot(10000)
        said = await reason(b)
        assert said["limit_mA"] == 10000
        assert said["limit_by"] == {"source": "Policy", "until": None}  # said every second
        assert said["limit_next"]["profile"] == 2


@pytest.mark.parametrize("asked", [False, True])
async def test_composite_schedule_with_local_limits(bench, tmp_path, asked):
    """What holds at the moment but is not the installation's is reported only when asked for."""
    path = tmp_path / "policy.py"
    path.write_text(POLICY)
    config = tmp_path / "config.json"
    config.write_text('{"installation_mA": 20000}')
    async with bench(policy=path, config=config) as b:
        key = {"key": "CompositeScheduleLocalLimits", "value": str(asked).lower()}
        assert (await b.st.call("ChangeConfiguration", key))["status"] == "Accepted"
        await b.charge()
        await b.pilot(10000)
        ask = {"connectorId": 1, "duration": 60}
        schedule = (await b.st.call("GetCompositeSchedule", ask))["chargingSchedule"]
        want = [{"startPeriod": 0, "limit": 10 if asked else 20}]
        assert schedule["chargingSchedulePeriod"] == want


def test_the_example_policy_is_the_documented_one():
    text = (ROOT / "examples/policy.py").read_text()
    assert "def on_charging_profile(request, station)" in text
    assert "def local_limit(now, station)" in text
