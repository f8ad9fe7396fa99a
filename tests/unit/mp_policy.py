"""session.policy: the owner's rules, and what becomes of their mistakes."""

import sys

from firmware.charging import limits
from firmware.session.policy import Policy


class Module:
    pass


class Connector:
    def __init__(self):
        self.limits = limits.Limits(32000)


class Station:
    def __init__(self):
        self.connectors = [Connector(), Connector()]
        self.due_s = 99


def policy(**hooks):
    """-> Policy of a module with these functions, and what it logs."""
    module = Module()
    for name, function in hooks.items():
        setattr(module, name, function)
    sys.modules["policy"] = module
    said = []
    return Policy(said.append), said


def fails(*_):
    raise KeyError("x")


def test_absent():
    sys.modules.pop("policy", None)
    said = []
    p = Policy(said.append)
    station = Station()
    assert p.on_charging_profile({}, station) == "Accepted"
    p.local_limit(0, station)
    assert not said and station.due_s == 99


def test_without_functions():
    p, said = policy()
    station = Station()
    assert p.on_charging_profile({}, station) == "Accepted"
    p.local_limit(0, station)
    assert said == ["policy.py is in force"]


def test_on_charging_profile():
    asked = []

    def hook(request, station):
        asked.append((request, station))
        return answer

    p, said = policy(on_charging_profile=hook)
    station = Station()
    for answer in ("Accepted", "Rejected", "NotSupported"):
        assert p.on_charging_profile({"a": 1}, station) == answer
    assert asked[0] == ({"a": 1}, station)
    for answer in (None, True, "accepted", 1, ["Accepted"]):
        n = len(said)
        assert p.on_charging_profile({}, station) == "Rejected", answer
        assert len(said) == n + 1
    p, said = policy(on_charging_profile=fails)
    assert p.on_charging_profile({}, station) == "Rejected" and "KeyError" in said[-1]


def test_local_limit():
    p, said = policy(local_limit=lambda now, station: limit)
    station = Station()
    limit = 10000
    p.local_limit(1000, station)
    assert station.due_s == 0
    for c in station.connectors:
        c.limits.resolve(1000)
        assert (c.limits.limit_mA, limits.SOURCES[c.limits.source]) == (10000, "Policy")
    station.due_s = 99
    p.local_limit(1001, station)
    assert station.due_s == 99  # nothing new
    c.limits.resolve(1060)
    assert c.limits.limit_mA == 10000
    c.limits.resolve(1061)
    assert c.limits.limit_mA is None  # not repeated for a minute
    limit = None
    p.local_limit(1062, station)
    station.connectors[0].limits.resolve(1062)
    assert station.connectors[0].limits.limit_mA is None


def test_local_limit_that_is_wrong_changes_nothing():
    p, said = policy(local_limit=lambda now, station: limit)
    station = Station()
    limit = 0
    p.local_limit(0, station)
    for limit in (-1, 6.5, "6000", [6000]):
        n = len(said)
        p.local_limit(1, station)
        station.connectors[0].limits.resolve(1)
        assert station.connectors[0].limits.limit_mA == 0 and len(said) == n + 1, limit
    p, said = policy(local_limit=fails)
    p.local_limit(2, station)
    assert station.connectors[0].limits.get(limits.POLICY) == 0 and "KeyError" in said[-1]


def test_the_example_runs():
    sys.modules.pop("policy", None)
    sys.path.insert(0, "examples")
    said = []
    p = Policy(said.append)
    assert said == ["policy.py is in force"], said

    def request(purpose, limit, **schedule):
        schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": limit}]
        profile = {"chargingProfilePurpose": purpose, "chargingSchedule": schedule}
        return {"connectorId": 0, "csChargingProfiles": profile}

    ask = p.on_charging_profile
    assert ask(request("ChargePointMaxProfile", 0), None) == "Accepted"
    assert ask(request("TxDefaultProfile", 0), None) == "Rejected"
    assert ask(request("TxDefaultProfile", 0, duration=60), None) == "Accepted"
    assert ask(request("TxDefaultProfile", 6), None) == "Accepted"
    station = Station()
    for hour, limit in ((16, None), (17, 10000), (19, 10000), (20, None)):
        p.local_limit(86400 * 2500 + hour * 3600, station)
        assert station.connectors[1].limits.get(limits.POLICY) == limit, hour


def test_on_data_transfer():
    answered = []
    p, said = policy(on_data_transfer=lambda *args: answered.append(args))
    p.on_data_transfer({"vendorId": "x"}, None, "station")
    assert answered == [({"vendorId": "x"}, None, "station")]
    p, said = policy(on_data_transfer=fails)
    p.on_data_transfer({}, {"status": "Accepted"}, Station())
    assert len(said) == 2 and "on_data_transfer" in said[1]
    p, said = policy()
    p.on_data_transfer({}, None, Station())
    assert len(said) == 1
