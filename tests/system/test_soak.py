"""A share of `python -m tests.prove_link.soak`."""

import os
import sys

import pytest
from station_driver import assert_orderly

from host.build import ROOT

sys.path.insert(0, str(ROOT))

from tests.prove_link import soak  # noqa: E402

CONNECTS = 40


@pytest.mark.parametrize("protocol", soak.LONG)
async def test_forty_connections(micropython32, protocol):
    """However they end, the heap is afterwards what it was."""
    seed = int(os.environ["PILOTWIRE_SEED"])
    begin, now, output = await soak.soak(CONNECTS, seed, protocol=protocol)
    print(f"live after {soak.FIRST}: {begin} bytes, after {CONNECTS}: {now} bytes")
    assert now - begin <= soak.ALLOWED
    assert_orderly(output)
