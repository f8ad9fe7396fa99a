"""A share of `python -m tests.prove_link.messages`, and the proof that it finds what is broken."""

import json
import os
import subprocess
import sys

import pytest

from host.build import ROOT

sys.path.insert(0, str(ROOT))

from tests.prove_link import messages  # noqa: E402

SEED = int(os.environ["PILOTWIRE_SEED"])
COUNT = 8000
FOUND = {
    "unchecked": ("answer", "raised"),
    "twice": ("unwanted",),
    "interns": ("names",),
    "leaks": ("leak",),
    "hasty": ("overlap", "raised"),
    "generous": ("profile",),
}


def test_random_messages(micropython, micropython32, micropython_esp):
    """Nothing is violated, and a lot has happened."""
    print(f"seed {SEED}")
    said = []
    found = messages.prove(SEED, COUNT, say=said.append)
    print("\n".join(said))
    assert not found, json.dumps(found)
    for port in messages.PORTS:
        (line,) = [line for line in said if line.startswith(port)]
        assert int(line.split()[1]) >= COUNT // len(messages.PORTS), line
        assert "'profiles stored'" in line, line


@pytest.mark.parametrize("port", messages.PORTS)
def test_a_limit_that_no_float32_tells_from_a_tenth(
    port, micropython, micropython32, micropython_esp
):
    """161.1 / 3, of seed 231629438: on every port 53.7, and so says the oracle."""
    period = {"startPeriod": 0, "limit": 161.1 / 3}
    assert 53.6999 < period["limit"] < 53.7
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    profile = {
        "chargingProfileId": 11,
        "stackLevel": 7,
        "chargingProfilePurpose": "ChargePointMaxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    payload = {"connectorId": 0, "csChargingProfiles": profile}
    order = ["m", json.dumps([2, "1", "SetChargingProfile", payload])]
    assert not messages.replay({"orders": [order]}, port)


def test_what_goes_only_together_is_left_out_together():
    """(Each of 13 orders was needed for another one.)"""
    pairs = [(n, n + 6) for n in range(1, 7)]

    def fails(orders):
        return 0 in orders and all((a in orders) == (z in orders) for a, z in pairs)

    assert messages.fewest(list(range(13)), fails) == [0]


@pytest.mark.parametrize("name", messages.SABOTAGE)
def test_a_broken_station_is_caught(name, micropython):
    found = messages.prove(SEED, 40000, ports=["mp64"], sabotage=name, say=lambda text: None)
    assert found, name
    assert found["violation"].split(":")[0] in FOUND[name], found["violation"]
    if name not in ("interns", "leaks"):
        # (8: until a status of diagnostics is told, which comes behind four other messages)
        assert len(found["orders"]) <= 8, found["orders"]


def test_the_command(tmp_path, micropython):
    """Exit 1 and orders that can be played again; exit 0 when all is well."""
    command = [sys.executable, "-m", "tests.prove_link.messages", "--ports", "mp64"]
    command += ["--seed", str(SEED)]
    done = subprocess.run(
        [*command, "--count", "20000", "--sabotage", "generous"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done
    assert "VIOLATION" in done.stdout and f"seed {SEED}" in done.stdout
    path = tmp_path / "found.json"
    path.write_text(done.stdout[done.stdout.index('{"orders"') :])
    again = [*command, "--replay", str(path)]
    assert subprocess.run([*again, "--sabotage", "generous"], cwd=ROOT).returncode == 1
    assert subprocess.run(again, cwd=ROOT).returncode == 0
