"""A share of `make prove`, and the proof that the prover finds what is broken."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.prove_evse.__main__ import host, prove  # noqa: E402

SEED = int(os.environ["PILOTWIRE_SEED"]) % 100000 * 10 + 100000000
EVENTS = 6000
SHARE = 2400  # of the million of make prove
FOREVER_s = 10**9  # (so many events, however busy the machine is)
# Those that a few hundred events are sure to find; the others: --sabotage NAME.
BROKEN = (
    "opens-late",
    "a-tick-late",
    "ignores-diode",
    "forgets-trip",
    "starts-by-itself",
    "changes-often",
    "offers-more",
    "closes-early",
    "opens-hastily",
    "unlocks-early",
    "blind-to-lock",
    "blind-to-cable",
    "blind-to-interlock",
    "blind-to-duty",
)


def quiet(*args, **options):
    pass


def test_random_events(micropython, micropython32):
    """Nothing is violated, and a lot has happened."""
    print(f"seed {SEED}")
    done, found = prove(SEED, SHARE, FOREVER_s, ["mp64", "mp32"])
    assert not found, json.dumps(found)
    for port, did in done.items():
        assert did["events"] >= SHARE // 2 and did["closings"] > 20 and len(did["hazards"]) > 5, (
            port
        )


def test_the_chips_time():
    """Ticks are 10 to 80 ms apart, but where the flash erases a sector for long."""
    host()
    from tests.prove_evse import chip

    print(f"seed {SEED}")
    for load in range(len(chip.LOADS)):
        c = chip.Chip(SEED, load)
        apart = []
        for _ in range(5000):
            begin_ms = c.next_ms()
            assert c.end_ms <= c.between_ms < begin_ms
            apart.append(begin_ms - c.read_ms)
            c.read_ms, c.end_ms = begin_ms, begin_ms + c.tick_ms
        long = [ms for ms in apart[1:] if ms > 80]
        assert min(apart[1:]) >= 10 and len(long) < 50 and max(apart) < 25 + 400 + 25, apart
        assert not load or max(apart) > 70


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_controller_is_caught(name, micropython):
    rules = host()[1].ALL[name].rules
    done, found = prove(SEED, 200000, FOREVER_s, ["mp64"], name, quiet)
    assert found, done
    assert found["violation"] in rules, found
    assert len(found["events"]) <= 15, found["events"]
    assert found["trace"]


def test_the_command(tmp_path, micropython):
    """Exit 1 and a list of events that can be played again; exit 0 when all is well."""
    command = [sys.executable, "-m", "tests.prove_evse", "--ports", "mp64", "--seed", str(SEED)]
    done = subprocess.run(
        command + ["--events", "100000", "--sabotage", "closes-early"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done
    assert "VIOLATION" in done.stdout and f"seed {SEED}" in done.stdout
    start = done.stdout.index('{"events"')
    events, _ = json.JSONDecoder().raw_decode(done.stdout[start:])
    path = tmp_path / "events.json"
    path.write_text(json.dumps(events))
    again = command + ["--replay", str(path)]
    assert subprocess.run(again + ["--sabotage", "closes-early"], cwd=ROOT).returncode == 1
    assert subprocess.run(again, cwd=ROOT).returncode == 0
