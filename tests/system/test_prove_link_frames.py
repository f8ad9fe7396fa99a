"""A share of `make prove` for frames, and the proof that the prover finds what is broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.prove_link import frames  # noqa: E402

SEED = int(os.environ["PILOTWIRE_SEED"])
FRAMES = 40000
FOREVER_s = 10**9  # (so many frames, however busy the machine is)


def test_random_frames(micropython, micropython32):
    said = []
    found = frames.prove(
        SEED, FRAMES, FOREVER_s, ["mp64", "mp32"], say=lambda line, **more: said.append(line)
    )
    print(f"seed {SEED}", *said, sep="\n")
    assert not found, json.dumps(found)
    assert len(said) == 2
    for line in said:
        assert int(line.split()[1]) >= FRAMES // 2, line
        for code in (1000, 1002, 1005, 1006, 1007, 1009):  # all the ways it ends have been there
            assert f" x {code}" in line, line


@pytest.mark.parametrize("name", frames.SABOTAGE)
def test_a_broken_client_is_caught(name, micropython):
    found = frames.prove(SEED, 200000, FOREVER_s, ["mp64"], name, lambda *line, **more: None)
    assert found, name
    assert found["oracle"] != found["client"]
    assert len(found["frames"]) <= 6, found


def test_the_command(tmp_path, micropython):
    """Exit 1 and a stream that can be played again; exit 0 when all is well."""
    command = [sys.executable, "-m", "tests.prove_link", "--ports", "mp64", "--seed", str(SEED)]
    broken = ["--only", "frames", "--sabotage", "reserved-bits-pass"]
    done = subprocess.run(command + broken, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1, done
    assert f"seed {SEED}" in done.stdout
    path = tmp_path / "stream.json"
    path.write_text(done.stdout.splitlines()[-1])
    again = command + ["--replay", str(path)]
    assert subprocess.run(again + broken[2:], cwd=ROOT).returncode == 1
    assert subprocess.run(again, cwd=ROOT).returncode == 0
    few = command + ["--only", "frames", "--count", "500"]
    assert subprocess.run(few, cwd=ROOT).returncode == 0
