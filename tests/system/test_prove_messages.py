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
SECONDS = 35  # and 25 of frames (test_prove_link_frames.py)
FOUND = {
    "unchecked": ("answer", "raised"),
    "twice": ("unwanted",),
    "interns": ("names",),
    "leaks": ("leak",),
    "hasty": ("overlap", "raised"),
    "generous": ("profile",),
}


def test_random_messages(micropython, micropython32):
    """Nothing is violated, and a lot has happened."""
    print(f"seed {SEED}")
    said = []
    found = messages.prove(SEED, seconds=SECONDS, say=said.append)
    print("\n".join(said))
    assert not found, json.dumps(found)
    for port in messages.PORTS:
        (line,) = [line for line in said if line.startswith(port)]
        assert int(line.split()[1]) > 500, line


@pytest.mark.parametrize("name", messages.SABOTAGE)
def test_a_broken_station_is_caught(name, micropython):
    found = messages.prove(SEED, 40000, 60, ["mp64"], name, lambda text: None)
    assert found, name
    assert found["violation"].split(":")[0] in FOUND[name], found["violation"]
    if name not in ("interns", "leaks"):
        assert len(found["orders"]) <= 6, found["orders"]


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
