"""tools/station as a process, for the demonstration, the benchmarks and the system tests.

Everything waits on a line of output, a trace line or the state, with a deadline in real seconds.
Ends only the process that it started.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

from host.build import ROOT
from host.csms import WAIT_s, parse_time

TOOL = ROOT / "tools/station"


# Answers to a command that is to be given again: at once, and when the tag was away for so long.
EARLY = "the station is starting"
THERE = "the tag was there a moment ago: it counts once"
AWAY_s = 5


async def poll(test, timeout, what):
    """Wait until test() (plain or async) is true; -> its value. AssertionError names `what`."""
    deadline = time.monotonic() + timeout
    while True:
        value = test()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what() if callable(what) else what}: not within {timeout} s")
        await asyncio.sleep(0.005)


class StationProcess:
    """One run of tools/station (or `tool`) with `words`; its trace goes into `folder`.

    quiet: keep its output to `output`, instead of printing it too. many: it is many stations,
    which have no trace.
    """

    def __init__(self, folder, *words, quiet=False, tool=TOOL, many=False):
        self.tool = tool
        self.folder = Path(folder)
        self.quiet = quiet
        self.trace_path = self.folder / "trace"
        self.words = ["--control", "0", *(() if many else ("--trace", self.trace_path)), *words]
        self.process = None
        self.output = []  # lines of stdout and stderr
        self.port = None
        self._reader = self._writer = None
        self._asking = asyncio.Lock()
        self._trace = []
        self._trace_at = 0

    async def start(self):
        self.trace_path.unlink(missing_ok=True)
        self._trace, self._trace_at = [], 0
        self.process = await asyncio.create_subprocess_exec(
            self.tool, *[str(word) for word in self.words],
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "PILOTWIRE_PYTHON": sys.executable},
        )  # fmt: skip
        self._copying = asyncio.create_task(self._copy())
        line = await self.wait_output("control on 127.0.0.1:")
        self.port = int(line.rsplit(":", 1)[1])
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def _copy(self):
        async for line in self.process.stdout:
            self.output.append(line.decode(errors="replace").rstrip("\n"))
            if not self.quiet:
                print("  |", self.output[-1])

    async def wait_output(self, text, timeout=WAIT_s, since=0):
        """The first line of output with `text` in it."""

        def find():
            found = [line for line in self.output[since:] if text in line]
            assert found or self.process.returncode is None, "\n".join(self.output)
            return found

        return (await poll(find, timeout, f"output with {text!r}"))[0]

    # The control port

    async def command(self, text):
        """The answer to one line, whatever it is."""
        async with self._asking:
            self._writer.write(text.encode() + b"\n")
            return json.loads(await asyncio.wait_for(self._reader.readline(), WAIT_s))

    async def do(self, text):
        """A command that must be taken; waits while the firmware is starting, and until a tag
        that began or ended something just now counts again."""

        async def taken():
            answer = await self.command(text)
            error = answer.get("error")
            answer.pop("note", None)
            assert error in (EARLY, THERE) or answer == {"ok": True}, f"{text}: {answer}"
            if error == THERE:  # (each look at it would begin that time anew)
                await self.passes(AWAY_s)
            return not error

        await poll(taken, WAIT_s, text)

    async def passes(self, seconds):
        """Wait until more than so many seconds went by on the station's clock."""

        async def now():
            return parse_time((await self.state())["t"])

        async def over():
            return (await now() - begin).total_seconds() > seconds

        begin = await now()
        await poll(over, WAIT_s, f"{seconds} s")

    async def state(self):
        return await self.command("state")

    async def connector(self, number=1):
        return (await self.state())["connectors"][number - 1]

    async def until(self, test, number=1, timeout=WAIT_s):
        """Wait until test(connector of `state`) holds; -> that connector."""
        last = {}

        async def look():
            last.update(await self.connector(number))
            return dict(last) if test(last) else None

        return await poll(look, timeout, lambda: f"state, which is {last}")

    async def escort(self, lead_s):
        """Until it is cancelled: simulated time goes at most `lead_s` past what this process, and
        with it the Central System in it, has had the time for."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            while True:
                writer.write(b"escort %d\n" % lead_s)
                if not await reader.readline():
                    return  # it has ended
                await asyncio.sleep(0.001)
        except ConnectionError:
            pass
        finally:
            writer.close()

    # The trace

    def trace(self, what=None, connector=None):
        """All lines so far, of one kind and connector if said."""
        with open(self.trace_path) as f:
            f.seek(self._trace_at)
            while True:
                line = f.readline()
                if not line.endswith("\n"):
                    break
                self._trace_at = f.tell()
                self._trace.append(json.loads(line))
        return [
            e for e in self._trace
            if what in (None, e["what"]) and connector in (None, e["connector"])
        ]  # fmt: skip

    def mark(self):
        """The present position in the trace, for `since`."""
        return len(self.trace())

    async def traced(self, what, test=lambda e: True, connector=1, since=0, timeout=WAIT_s):
        """The first trace line of that kind after position `since` for which test(line) holds."""

        def find():
            for e in self.trace()[since:]:
                if e["what"] == what and e["connector"] == connector and test(e):
                    return e
            return None

        def missing():
            lines = [e for e in self._trace[since:] if e["what"] == what]
            return f"trace line {what}; there are {lines}"

        return await poll(find, timeout, missing)

    # The end

    def board_pids(self):
        """The process ids of the interpreters that run the firmware: our process's children."""
        task = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(pid) for pid in Path(task).read_text().split()]

    def board_pid(self):
        """The one of them, of one station."""
        children = self.board_pids()
        assert len(children) == 1, children
        return children[0]

    def kill_board(self):
        """The chip dies on the spot."""
        os.kill(self.board_pid(), signal.SIGKILL)

    async def stop(self, signum=signal.SIGTERM):
        """End the station as a person would; -> its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signum)
        return await self.ended()

    async def ended(self):
        try:
            code = await asyncio.wait_for(self.process.wait(), WAIT_s)
        finally:
            self.kill()
        await self._copying
        if self._writer:
            self._writer.close()
        return code

    def kill(self):
        if self.process and self.process.returncode is None:
            self.process.kill()
