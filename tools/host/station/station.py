"""The front door: power, resets, and the run of a station from start to end."""

import asyncio
import os
import signal
import socket
import sys
import termios
import time
from pathlib import Path

from host.station.arguments import load_board
from host.station.board import Board, open_flash
from host.station.chip import HARD_RESET, PWRON_RESET, SOFT_RESET, WDT_RESET, Chip
from host.station.control import Control
from host.station.terminal import log, open_terminal
from host.station.wall_page import open_pages
from host.station.world import World

END_s = 10  # for the firmware to leave its outputs safe at the end
ESCORT_s = 10  # who has said nothing for so long, in real time, is not waited for any more
BOOT_ms = 700  # of a chip: the panic's text, its boot loaders, MicroPython (0.5 to 1 s, estimated)
CATCH_UP_s = 60  # for a board whose time is a chip's
BUSY_s = 6  # a host may keep a board or its wall from running, where no chip would be late; more
# where it is seen that they waited for a processor
LOOK_s, MOMENT_s = 1, 0.02  # between looks at the watchdog; while something is going on
CRASH_s = 1  # between a crash and the next start, so that a crash loop stays readable


async def woken(wake, most_s):
    """Wait until the event `wake` is set, or for so long."""
    try:
        await asyncio.wait_for(wake.wait(), most_s)
    except asyncio.TimeoutError:
        pass
    wake.clear()


class Station:
    """The wall (`world`), the board on it and its chip's line. `await run()` until `quit`."""

    NAME = "station"  # in what it prints

    def __init__(self, args):
        self.args = args
        board = load_board(args)
        self._flash, self._temporary = open_flash(args.flash)
        meters = None if self._temporary else Path(f"{self._flash}.meters")
        chip = args.chip != "off"
        self.world = World(board, args.connectors, args.speed, meters, args.trace, chip)
        self.powered = True
        self._returning = None  # the timer of _power_back
        self.over = asyncio.Event()
        self._wake = asyncio.Event()  # watch() has something to see
        self.status = 0  # 1: the firmware has given up
        self.board, self.chip, self.control = self.parts(self._flash)
        self.chip.wake = self._wake.set

    def parts(self, flash):
        """What a station of another kind has others of."""
        board = Board(self.args, flash, self.world)
        chip = Chip(self.world, self.args.true_clock, board.answered, self.reset)
        return board, chip, Control(self)

    # The board's power and resets

    def start_board(self):
        """Give the board its power, or let it come out of reset."""
        here, there = socket.socketpair()
        if self.world.real:
            self.world.wall.advance(self.world.host_ms())
        self.chip.start(here)
        self.board.start(there.fileno(), self.chip.rtc_ms, self.chip.cause)
        there.close()

    def stop_board(self):
        """The chip stops wherever it is. What drives its pins, LEDC and levels, goes on."""
        self.board.stop()
        self.chip.stop()
        if self.chip.cause != SOFT_RESET:
            self.world.wall.reset()

    def switch_off(self):
        """Its power fails, or EN is pressed: the pins are let go."""
        self.stop_board()
        self.world.no_power()

    def reset(self):
        if self.chip.bus and not self.over.is_set():
            log(f"{self.NAME}: reset")
            self.stop_board()
            self.boots()
            self.start_board()

    def boots(self):
        """The time between a reset and the first line of boot.py, in which nobody controls the
        pins. (At speed 1 it passes anyway, while the board's process starts.)"""
        wall = self.world.wall
        if not self.world.real:
            wall.advance(wall.now_ms + BOOT_ms)
            self.world.moved()

    def power_cut(self, off_s):
        log(f"{self.NAME}: power fails for {off_s:g} s")
        self.switch_off()
        self.powered = False
        self._wake.set()
        self.world.moved()
        if self._returning:
            self._returning.cancel()
        later = asyncio.get_running_loop().call_later
        self._returning = later(off_s / self.world.speed, self._power_back)

    def _power_back(self):
        self._returning = None
        if not self.over.is_set():
            log(f"{self.NAME}: power returns")
            self.powered = True
            self.chip.cause = PWRON_RESET
            self.start_board()

    async def watch(self):
        """Restart what crashed or hung, move the world while the board has no power."""
        chip = self.chip
        # (A board whose time is a chip's waits for the host after each long step; chip.hangs().)
        late_s = CATCH_UP_s if self.world.chip else BUSY_s
        fed, before_s, kept_s = chip.fed, 0, 0
        while True:
            await woken(self._wake, MOMENT_s if chip.gone or not self.powered else LOOK_s)
            now = time.monotonic()
            if chip.waiting and now - chip.escorted > ESCORT_s:
                chip.escort(None)
            last_s, kept_s = kept_s, self.board.kept_waiting_s() if chip.watchdog_s else 0
            if chip.fed != fed:  # (some time since the last look)
                fed, before_s = chip.fed, min(last_s, kept_s)
            if not self.powered:
                self.world.wall.advance(self.world.host_ms())
            elif chip.bus and not self.board.runs():
                await self.crashed(self.board.process.returncode)
            elif chip.watchdog_s and not chip.waiting:
                over_s = now - fed - chip.watchdog_s - late_s
                if over_s > 0 and over_s > kept_s - before_s:
                    log(f"{self.NAME}: the watchdog bites")
                    chip.cause = WDT_RESET
                    self.reset()

    async def crashed(self, code):
        self.stop_board()
        if code == 0:  # it said why on its console: a configuration that a person has to mend
            log(f"{self.NAME}: the firmware has given up")
            self.status = 1
            self.over.set()
            await asyncio.Event().wait()
        log(f"{self.NAME}: the firmware ended with {code}; it starts again")
        await asyncio.sleep(CRASH_s)
        if self.powered and not self.chip.bus:
            self.chip.cause = HARD_RESET
            self.boots()
            self.start_board()

    async def state(self):
        if self.powered:
            state = await self.board.ask({"do": "state"})
            if "error" not in state:
                outlets = self.world.wall.outlets
                for connector, outlet in zip(state["connectors"], outlets, strict=False):
                    connector["ev_mA"] = outlet.car.phase_mA()  # measured at the plug
                return state
        return self.world.seen(self.powered)

    # From start to end

    def begin(self):
        """World time is 0, and the power is switched on."""
        self.world.begin()  # (building took a while)
        self.start_board()

    async def live(self):
        """Until `over`: whatever has crashed or hangs starts again."""
        watch = asyncio.create_task(self.watch())
        over = asyncio.create_task(self.over.wait())
        try:
            await asyncio.wait((watch, over), return_when=asyncio.FIRST_COMPLETED)
            if not self.over.is_set():
                await watch  # it has failed: say how
        finally:
            watch.cancel()
            over.cancel()

    async def run(self):
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, self.over.set)
        server = walls = terminal = None
        try:
            self.board.prepare()
            if self.args.control is not None:
                server, port = await self.control.listen(self.args.control)
                log(f"{self.NAME}: control on 127.0.0.1:{port}")
            walls = await open_pages(self)
            self.begin()
            if self.args.console:
                terminal = open_terminal(self.board.type)
            await self.live()
        finally:
            try:
                await self.leave()
                self.end()
                for one in (server, walls):
                    if one:
                        one.close()
            finally:  # (last, and now: it must not wait for who reads no more)
                if terminal:
                    termios.tcsetattr(sys.stdin, termios.TCSANOW, terminal)
        return self.status

    async def leave(self):
        """Ctrl-C to the board: it leaves its outputs safe by itself, while what else there is in
        this process goes on."""
        self.over.set()
        if self.board.runs():
            # Not SIGINT: in the middle of a collection it would leave the unix port's heap locked.
            self.board.tell({"do": "interrupt"})
        until = time.monotonic() + END_s
        while self.board.runs():
            if time.monotonic() > until:
                log(f"{self.NAME}: does not end by itself")
                break
            await asyncio.sleep(0.01)

    def end(self):
        """Power off, files closed."""
        self.switch_off()
        self.world.end()
        if self._temporary:
            os.unlink(self._flash)
