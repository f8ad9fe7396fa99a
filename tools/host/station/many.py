"""Many stations in one process, for who puts load on a Central System: each has a wall, an
interpreter that runs the whole firmware, a flash and a life of its own."""

import asyncio
import os
import signal
from pathlib import Path

from host.station.many_control import ManyControl
from host.station.many_ids import raise_limit
from host.station.station import Station
from host.station.terminal import log

LINE = 4096  # bytes of one that are kept until it ends


class Lines:
    """What a board prints, with its station's id in front. `end` is where it prints to."""

    def __init__(self, name):
        self.name = name
        self._read, self.end = os.pipe()
        self._rest = b""
        os.set_blocking(self._read, False)
        asyncio.get_running_loop().add_reader(self._read, self.read)

    def read(self):
        try:
            self._rest += os.read(self._read, LINE)
        except BlockingIOError:
            return
        *lines, self._rest = self._rest.split(b"\n")
        if len(self._rest) >= LINE:
            lines, self._rest = [*lines, self._rest], b""
        self._say(lines)

    def _say(self, lines):
        for line in lines:
            log(f"{self.name}: {line.decode(errors='replace').rstrip()}")

    def close(self):
        """Nobody prints any more."""
        asyncio.get_running_loop().remove_reader(self._read)
        os.close(self.end)
        os.set_blocking(self._read, True)
        self._rest += b"".join(iter(lambda: os.read(self._read, LINE), b""))
        os.close(self._read)
        self._say(self._rest.splitlines())


class Many:
    """`await run()` until `quit` or Ctrl-C, or until the last of them has ended.

    | attribute | meaning |
    |---|---|
    | stations  | by id |
    | begun     | ids of those that have had their power |
    | ended     | ids of those that run no more: told to, or given up |
    """

    def __init__(self, args):
        self.args = args
        self.over = asyncio.Event()
        self.stations, self.begun, self.ended = {}, set(), set()
        self._images = None

    async def run(self):
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self.over.set)
        raise_limit(len(self.args.stations))
        server, lives = None, []
        try:
            self._make()
            if self.args.control is not None:
                server, port = await ManyControl(self).listen(self.args.control)
                log(f"station: control on 127.0.0.1:{port}")
            names = list(self.stations)
            log(f"station: {len(names)} stations, {names[0]} to {names[-1]}, "
                f"start within {self.args.spread:g} s")  # fmt: skip
            gap_s = self.args.spread / max(1, len(names) - 1)
            lives = [asyncio.create_task(self._life(n, i * gap_s)) for i, n in enumerate(names)]
            over = asyncio.create_task(self.over.wait())
            await asyncio.wait((over, asyncio.gather(*lives)), return_when="FIRST_COMPLETED")
            over.cancel()
        finally:
            for station in self.stations.values():
                station.over.set()
            if lives:
                await asyncio.wait(lives)
            for name in self.stations.keys() - self.ended:
                self.stations[name].end()
            if server:
                server.close()
        return max(station.status for station in self.stations.values())

    def _make(self):
        # Before the first starts: what is wrong with a flash is said now.
        for name, args in self.args.stations.items():
            if args.flash:
                Path(args.flash).parent.mkdir(parents=True, exist_ok=True)
            station = self.stations[name] = Station(args)
            station.NAME = name
            self._images = station.board.prepare(self._images)

    async def _life(self, name, after_s):
        # What befalls one station is no concern of the others.
        station = self.stations[name]
        lines = None
        try:
            await asyncio.wait_for(station.over.wait(), after_s)
        except asyncio.TimeoutError:
            pass
        try:
            if not station.over.is_set():
                lines = Lines(name)
                station.board.out = lines.end
                station.begin()
                self.begun.add(name)
                await station.live()
        except Exception as e:
            log(f"{name}: {type(e).__name__}: {e}: it runs no more")
            station.status = 1
        await station.leave()
        self.ended.add(name)
        station.end()
        if lines:
            lines.close()
        if not self.over.is_set() and len(self.ended) < len(self.stations):
            log(f"{name}: has ended; the others go on")
