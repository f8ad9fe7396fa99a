"""A share of `python -m tests.prove.power` with this run's seed, and proof that it can fail."""

import asyncio
import os
import sys

import pytest

from host.build import ROOT

sys.path.insert(0, str(ROOT))

from tests.prove import power  # noqa: E402

SEED = int(os.environ["PILOTWIRE_SEED"])


def prove(*args, **more):
    said = []
    good = asyncio.run(power.prove(*args, **more, say=lambda *text, **_: said.extend(text)))
    print(*said, sep="\n")
    return good, said


def test_no_power_cut_and_no_request_lifts_a_limit(micropython):
    """Of as many chapters as begin within 20 s."""
    good, said = prove(SEED, 1000, seconds=20)
    assert good, said[-2:]


@pytest.mark.parametrize("flaw", sorted(power.FLAWS))
def test_a_station_that_lifts_a_limit_is_caught(flaw, micropython):
    """Profiles are ignored until the clock is set; what is replaced goes at once. (The first
    chapters of this seed find both.)"""
    good, said = prove(6, 50, flaw=flaw, ocpp="ocpp1.6")
    broken = [text for text in said if str(text).startswith("BROKEN")]
    assert not good and all("is offered" in text or "are offered" in text for text in broken), said
