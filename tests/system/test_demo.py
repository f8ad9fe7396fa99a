"""`make run`: it says where to watch it, and leaves nothing behind. (What it shows is held by
test_station_day.py.)"""

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path

from host.build import ROOT
from host.demo import PAGE
from host.process import WAIT_s, poll


def children(pid):
    """Process ids of all that stem from `pid`."""
    out = []
    for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        out += [int(one), *children(one)]
    return out


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def line(demo, text):
    """The next one that it prints with `text` in it."""
    while text not in (said := await demo.stdout.readline()):
        assert said, "it has ended"
    return said


async def test_ctrl_c_ends_all_that_make_run_has_started(micropython):
    """The whole group gets it, as from a terminal. Port 8080 is another's."""
    with ExitStack() as held:
        try:
            held.enter_context(socket.create_server(("127.0.0.1", PAGE)))
        except OSError:  # it is another's indeed
            pass
        demo = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "host.demo", env={**os.environ, "PYTHONPATH": "tools"},
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            first = (await asyncio.wait_for(line(demo, b""), WAIT_s)).decode()
            page, wall = re.findall(r"http://127\.0\.0\.1:(\d+)", first)
            assert first.startswith("Watch it: ") and int(page) != PAGE != int(wall)
            await asyncio.wait_for(line(demo, b"plugged in"), WAIT_s)
            started = children(demo.pid)
            assert len(started) == 2, "the station, and its board"
            os.killpg(demo.pid, signal.SIGINT)
            assert await asyncio.wait_for(demo.wait(), WAIT_s) == 130
            await poll(lambda: not any(map(runs, started)), WAIT_s, "they have ended")
        finally:
            if demo.returncode is None:
                os.killpg(demo.pid, signal.SIGTERM)
                await demo.wait()
