"""Why the limit is what it is, and the owner's say in it, seen by a Central System."""

import json

import pytest
from station_driver import share

from host.process import WAIT_s
from host.profile import profile

POLICY = """
def on_profile(profile, station):
    return {7000: False, 16000: True}.get(next(profile.periods())[1])

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


async def test_policy(bench):
    async with bench(policy=POLICY) as b:
        await b.set_profile(profile(1, "Default", {0: 7}), 0, "Rejected")
        await b.set_profile(profile(2, "Default", {0: 16}), 0)
        await b.ask("ClearChargingProfile", "Unknown", id=1)
        await b.charge()
        await b.pilot(10000)
        said = await reason(b)
        assert said["limit_mA"] == 10000
        assert said["limit_by"] == {"source": "Policy", "until": None}  # said every second
        assert said["limit_next"]["profile"] == 2


async def test_composite_schedule_with_local_limits(bench):
    """What holds at the moment but is not the installation's is reported only when asked for."""
    async with bench(policy=POLICY, config={"installation_mA": 20000}) as b:
        await b.charge()
        await b.pilot(10000)
        for asked, limit in (("false", 20), ("true", 10)):
            await b.key("CompositeScheduleLocalLimits", asked)
            assert await b.composite(60) == [(0, limit)]


# policy.py that is broken

WORKS = """
def on_profile(profile, station):
    return True

def local_limit(now, station):
    return 8000
"""
# A fault by its name: the owner's file, and what `state` says of it.
BROKEN = {
    "syntax": ("def local_limit(now, station)\n    return 8000\n", "import: SyntaxError"),
    "raises": ("def local_limit(now, station):\n    return {}[now]\n", "local_limit: KeyError"),
    "float": (WORKS.replace("8000", "8000.0"), "local_limit: ValueError"),
    "slow": (
        "import time\n"
        + WORKS.replace("    return 8000", "    time.sleep_ms(400)\n    return 8000"),
        "local_limit: ValueError('it took ",
    ),
    "data transfer": (
        "def local_limit(now, station):\n    if station.online and not asked:\n"
        "        asked.append(station.transfer('Owner', 'Limit', ''))\n    return 8000\n"
        "def on_transfer(transfer, accepted):\n    pass\nasked = []\n",
        "on_transfer: TypeError",
    ),
}


def own(b, since=0):
    """What the Central System was told of connector 0: (errorCode, vendorErrorCode, info)."""
    told = b.st.received("StatusNotification", since)
    told = [p for p in told if p["connectorId"] == 0]
    assert all(p["status"] == "Available" for p in told)
    return [(p["errorCode"], p.get("vendorErrorCode"), p.get("info")) for p in told]


def forgive(b):
    """A traceback of policy.py is what an owner wants to see; once, and no error."""
    said = [line for line in b.process.output if line.split()[1:3] == ["W", "policy.py:"]]
    tracebacks = [line for line in b.process.output if "Traceback" in line]
    b.process.output = [line for line in b.process.output if "Traceback" not in line]
    return said, tracebacks


@pytest.mark.parametrize("name", share(BROKEN))
async def test_a_broken_policy_caps_every_connector_and_is_told(bench, name):
    text, fault = BROKEN[name]
    async with bench(policy=text, connectors=2) as b:
        assert [(await b.process.connector(n))["limit_mA"] for n in (1, 2)] <= [8000] * 2
        p = await b.st.expect(
            "StatusNotification",
            lambda p: p["connectorId"] == 0 and p["errorCode"] == "OtherError",
            WAIT_s,
        )
        state = await b.process.state()
        assert state["policy"].startswith("policy.py: " + fault), state["policy"]
        assert (p["status"], p["vendorErrorCode"]) == ("Available", "Policy")
        assert p["info"] == state["policy"][:50]
        # A profile is stored, also one that the owner's rule might refuse, and the cap holds.
        await b.set_profile(profile(1, "Default", {0: 16}), 0)
        await b.charge()
        await b.pilot(6000)
        c = await b.process.connector()
        assert (c["limit_mA"], c["limit_by"]["source"]) == (6000, "Policy")
        assert c["limit_next"]["profile"] == 1
        # What is lower than the cap holds too; never more, however long it lasts.
        await b.set_profile(profile(2, "Default", {0: 0}, level=1), 0)
        await b.pilot(0)
        await b.clear(id=2)
        await b.pilot(6000)
        since = await b.now()
        while (await b.now() - since).total_seconds() < 90:
            c = await b.process.connector(2)
            assert c["limit_mA"] == 6000 and c["limit_by"]["source"] == "Policy"
        assert max(e["advertised_mA"] for e in b.process.trace("pilot")) < 8001
        await b.do("console status")
        await b.process.wait_output(state["policy"])
        said, tracebacks = forgive(b)
        assert len(said) == len(tracebacks) == 1, (said, tracebacks)
        told = [t for t in own(b) if t[0] != "NoError"]
        assert set(told) == {("OtherError", "Policy", state["policy"][:50])} and len(told) <= 2


async def test_a_policy_that_breaks_and_is_well_again(bench):
    """on_profile that fails is capped before its answer leaves; the next connection is
    told of it too, and the end of it."""
    async with bench(
        policy="def on_profile(profile, station):\n"
        "    return {10000: True, 12000: False}[next(profile.periods())[1]]\n",
        config={"policy_broken_mA": 7000},
    ) as b:
        assert (await b.process.state())["policy"] is None
        await b.set_profile(profile(1, "Default", {0: 10}), 0)
        await b.charge()
        await b.pilot(10000)
        mark = b.st.mark()
        await b.set_profile(profile(2, "Default", {0: 9}, level=1), 0)
        c = await b.process.connector()
        assert (c["limit_mA"], c["limit_by"]["source"]) == (7000, "Policy")
        assert c["limit_next"]["profile"] == 2
        await b.pilot(7000)
        before = b.st
        await b.st.expect(
            "StatusNotification", lambda p: p["connectorId"] == 0 and "info" in p, WAIT_s, mark
        )
        await b.st.drop()
        await b.again(before)
        assert own(b)[-1][:2] == ("OtherError", "Policy")
        await b.set_profile(profile(3, "Default", {0: 12}, level=2), 0, "Rejected")
        mark = b.st.mark()
        await b.pilot(9000)
        await b.st.expect(
            "StatusNotification",
            lambda p: p["connectorId"] == 0 and p["errorCode"] == "NoError",
            WAIT_s,
            mark,
        )
        assert (await b.process.state())["policy"] is None
        assert await b.process.wait_output("policy.py is in force again")
        forgive(b)


async def test_a_broken_policy_may_mean_nothing_at_all(bench):
    async with bench(policy=BROKEN["syntax"][0], config={"policy_broken_mA": 0}) as b:
        await b.do("plug")
        await b.do("tag TAG")
        await b.status("SuspendedEVSE")
        assert {e["duty_u16"] for e in b.process.trace("pilot")} <= {0, 65535}
        forgive(b)


async def test_without_a_policy_nothing_of_it_is_there(bench):
    async with bench() as b:
        await b.do("console >>> [m for m in __import__('sys').modules if 'policy' in m]")
        await b.process.wait_output("[]")
        state = await b.process.state()
        assert state["policy"] is None and own(b) == [("NoError", None, None)]
