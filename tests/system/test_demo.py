"""`make run`: it says where to watch it, and leaves nothing behind. (What it shows is held by
test_station_day.py.)"""

import asyncio
import os
import re
import signal
import socket
import sys
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from host.build import ROOT
from host.demo import PAGE
from host.process import WAIT_s, poll

# make run WATCH=1 of a day that is over as soon as the station is there.
SHORT = """
import sys
from host import demo

async def play(cs, station):
    await cs.wait_station("DEMO", demo.DEADLINE_s)
    return 0

demo.play = play
sys.exit(demo.main())
"""


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


@asynccontextmanager
async def demonstration(*words, **environment):
    """A make run; -> its process, the first line that it prints."""
    demo = await asyncio.create_subprocess_exec(
        sys.executable, *words, env={**os.environ, "PYTHONPATH": "tools", **environment},
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        yield demo, (await asyncio.wait_for(line(demo, b""), WAIT_s)).decode()
    finally:
        if demo.returncode is None:
            os.killpg(demo.pid, signal.SIGTERM)
            await demo.wait()


async def ends(demo, kill, signum):
    """The exit status that it has by that signal; all that it has started end with it."""
    started = children(demo.pid)
    assert len(started) == 2, "the station, and its board"
    kill(demo.pid, signum)
    status = await asyncio.wait_for(demo.wait(), WAIT_s)
    await poll(lambda: not any(map(runs, started)), WAIT_s, "they have ended")
    return status


async def test_ctrl_c_ends_all_that_make_run_has_started(micropython):
    """The whole group gets it, as from a terminal. Port 8080 is another's."""
    with ExitStack() as held:
        try:
            held.enter_context(socket.create_server(("127.0.0.1", PAGE)))
        except OSError:  # it is another's indeed
            pass
        async with demonstration("-m", "host.demo") as (demo, first):
            page, wall = re.findall(r"http://127\.0\.0\.1:(\d+)", first)
            assert first.startswith("Watch it: ") and int(page) != PAGE != int(wall)
            await asyncio.wait_for(line(demo, b"plugged in"), WAIT_s)
            assert await ends(demo, os.killpg, signal.SIGINT) == 130


@pytest.mark.parametrize("kill, signum", [(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)])
async def test_what_stays_is_there_until_ctrl_c(micropython, kill, signum):
    """With WATCH=1. Then it exits with what the day came to."""
    async with demonstration("-c", SHORT, WATCH="1") as (demo, first):
        said = (await asyncio.wait_for(line(demo, b"The station goes on: "), WAIT_s)).decode()
        urls = r"http://127\.0\.0\.1:\d+"
        assert re.findall(urls, said) == re.findall(urls, first)
        await asyncio.wait_for(line(demo, b"Ctrl-C ends it."), WAIT_s)
        assert await ends(demo, kill, signum) == 0
