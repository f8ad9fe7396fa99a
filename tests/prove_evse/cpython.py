"""player.py as a process of CPython."""

import sys

from tests.prove_evse.__main__ import host

player, _ = host()
sys.exit(0 if player.main(sys.argv) else 1)
