"""A share of `python -m tests.prove_link.soak`."""

import os
import sys

from station_driver import assert_orderly

from host.build import ROOT

sys.path.insert(0, str(ROOT))

from tests.prove_link import soak  # noqa: E402

CONNECTS = 40


async def test_forty_connections(micropython32):
    """However they end, the heap is afterwards what it was."""
    begin, now, output = await soak.soak(CONNECTS, int(os.environ["PILOTWIRE_SEED"]))
    print(f"live after {soak.FIRST}: {begin} bytes, after {CONNECTS}: {now} bytes")
    assert now - begin <= soak.ALLOWED
    assert_orderly(output)
