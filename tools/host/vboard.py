"""tools/vboard: a virtual ESP32 on the desk. Real mpremote talks to it.

It has a serial line (a pty, and with --tcp a socket://127.0.0.1:PORT), a flash of 2 MB with
LittleFS in a file of its own, and on its pins what tools/station has there: mains, contactor,
meter, car. It runs boot.py and main.py from its flash; without them there is the REPL, as on a
new board.
"""

import argparse
import asyncio
import subprocess
import time
from pathlib import Path

from host import station
from host.build import BuildError
from host.romfs import build_simulator_image, in_place
from host.serial_line import SerialLine
from host.station import CommandError, Station, log, number

FLASH, PHASE, INTERRUPT = 64, 65, 0x8000  # as in sim/vboard.py and sim/esp32/bus.py
ROMFS_BYTES = 128 * 4096  # docs/flashing.md
IDLE_s = 0.1
RESTART_s = 0.5  # an interpreter that ends sooner than this waits for as long before the next
ROM_SAYS = {
    station.PWRON_RESET: "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
    station.HARD_RESET: "rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
    station.WDT_RESET: "rst:0x8 (TG1WDT_SYS_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
}
HELP = """commands on the control port, one a line; each is answered by one JSON object:
  reset                              the EN button
  power-cut [off_s]                  the power fails at once, for off_s seconds (default 1)
  power-cut-at N [BYTES] [off_s]     it fails at the Nth write or erase of the flash from now on,
                                     after so many bytes of it (default 0)
  flash                              how many of them there were since the start
  line                               does the REPL read, or does code run?
  plug, unplug, ready, pause, card, press, ev, fault, clear, state, quit: as in tools/station"""
NOT_HERE = ("tag", "speed")  # what the firmware would have to help with
FEW = 2  # numbers that power-cut-at takes besides N


class VirtualBoard(Station):
    """The wall, and a board on it that has a serial line."""

    NAME = "vboard"

    def __init__(self, args):
        super().__init__(args)
        self.line = SerialLine()
        self.asked = 0, time.monotonic()  # when the board looked last: in the world, and here
        self.since = 0.0  # when the interpreter was started
        self.flash_ops = 0
        self.cut = None  # (flash_ops when the power fails, bytes that are still written, off_s)
        self.cutting = False  # those bytes are being written

    # --- the chip

    def prepare(self):
        self.simulator = build_simulator_image()
        self.code = self.args.romfs or ""
        self.more_heap = station.SIMULATOR_HEAP
        if not in_place(self.args.interpreter):
            self.more_heap += self.simulator.stat().st_size
        if self.code:
            self.more_heap += self.code.stat().st_size

    def chip(self, fd):
        words = super().chip(fd)
        at = words.index("-c")
        start = "import rom, sys; rom.simulator(sys.argv.pop(1)); import vboard; "
        words[at : at + 2] = ["-i", "-c", start + "vboard.boot(globals())"]
        return [*words, str(int(self.line.raw))]

    def start_board(self):
        watchdog = self.watchdog_s  # (that nothing stops, not a soft reset either)
        if self.cause != station.SOFT_RESET:
            watchdog, self.line.raw = None, False
            self.line.say(f"ets Jul 29 2019 12:21:46\r\n\r\n{ROM_SAYS[self.cause]}\r\n")
        super().start_board()
        self.watchdog_s, self.fed = watchdog, time.monotonic()

    def spawn(self, words, fd):
        tty = self.line.start()
        self.process = subprocess.Popen(
            words, stdin=tty, stdout=tty, stderr=tty, pass_fds=(fd,), cwd="/",
            env=self.environment(), start_new_session=True,
        )  # fmt: skip
        self.line.started(self.process.pid)
        self.since = time.monotonic()
        self.asked = self.wall.now_ms, self.since

    def stop_board(self):
        super().stop_board()
        self.line.stop(forget=self.cause != station.SOFT_RESET)

    async def crashed(self, code):
        """The interpreter has ended: with 0 by Ctrl-D, or sys.exit() in the REPL."""
        self.cause = station.HARD_RESET if code < 0 else station.SOFT_RESET
        if code < 0:
            log(f"vboard: signal {-code} has ended the interpreter; it starts again")
        self.stop_board()
        if code and time.monotonic() - self.since < RESTART_s:
            await asyncio.sleep(RESTART_s)
        if self.powered and not self.bus:
            self.restart()

    def reset(self):
        """machine.reset(), machine.soft_reset(), the watchdog or the button: see self.cause."""
        if self.bus and not self.over.is_set():
            self.stop_board()
            self.restart()

    def restart(self):
        if self.cause == station.SOFT_RESET:
            self.line.say("MPY: soft reboot\r\n")
        self.start_board()

    def serve(self, op, pin, value, payload):
        self.line.looked()
        self.asked = self.wall.now_ms, time.monotonic()
        if op == FLASH:
            return self.flash_op(value), 0, 0, b""
        if op == PHASE:
            self.line.phase(value)
            return 0, 0, 0, b""
        return super().serve(op, pin, value, payload)

    def interrupt(self, op):
        # (LittleFS would take one in the middle of a write for a broken flash)
        return INTERRUPT if op not in (FLASH, PHASE) and self.line.interrupt() else 0

    def flash_op(self, size):
        """-> -1, or how many bytes of this write or erase are done before the power fails."""
        if self.cutting:
            self.cutting = False
            self.power_cut(self.cut[2])
            self.cut = None
            return -1
        if self.cut and self.flash_ops == self.cut[0]:
            self.cutting = True
            return min(size, self.cut[1])
        self.flash_ops += 1
        return -1

    # --- the control port

    async def command(self, words):
        name, words = (words or [""])[0], words[1:]
        if name in NOT_HERE:
            raise CommandError(f"{name}: not on the virtual board; tools/station has it")
        if name == "reset" and not words:
            self.need_power()
            kept, self.cause = self.memory, station.PWRON_RESET
            self.reset()  # (the chip calls it power-on, but RTC memory has not lost its power)
            self.memory = kept
        elif name == "power-cut-at":
            numbers = [number(word) for word in words]
            if not 1 <= len(numbers) <= 1 + FEW or min(numbers) < 0 or not numbers[0]:
                raise CommandError("power-cut-at N [BYTES] [off_s]: whole numbers, N from 1")
            after, off_s = [*numbers[1:], *(0, 1)[len(numbers) - 1 :]]
            self.cut = self.flash_ops + numbers[0] - 1, after, off_s
        elif name == "line" and not words:
            return {"repl": bool(self.bus) and not self.line.running()}
        elif name == "flash" and not words:
            return {"operations": self.flash_ops}
        elif name == "help":
            return {"help": HELP.splitlines()}
        else:
            return await super().command([name, *words] if name else [])
        return {"ok": True}

    def power_cut(self, off_s):
        self.cause = station.PWRON_RESET  # (nothing that was typed is kept)
        super().power_cut(off_s)

    async def state(self):
        """What can be seen from outside."""
        return self.seen()

    # --- from start to end

    def leave(self):
        """Nothing: the power is switched off."""

    async def run(self):
        await self.line.open(self.args.link, self.args.tcp)
        log(f"vboard: {self.args.link or self.line.path}")
        if self.line.port:
            log(f"vboard: socket://127.0.0.1:{self.line.port}")
        try:
            return await super().run()
        finally:
            self.line.close()

    async def watch(self):
        await asyncio.gather(super().watch(), self.line.look(), self.time())

    async def time(self):
        """The world goes on while the board does not look at it: in the REPL nobody does."""
        while True:
            await asyncio.sleep(IDLE_s)
            if self.bus:
                at_ms, at = self.asked
                idle_ms = int((time.monotonic() - at) * 1000)
                if idle_ms > IDLE_s * 1000:
                    self.wall.advance(at_ms + idle_ms)


def arguments(argv=None):
    parser = station.Parser(
        prog="tools/vboard",
        description=__doc__,
        epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("flash", metavar="IMAGE", help="the flash; made if there is none, as erased")
    add("--link", metavar="PATH", help="symbolic link to the pty, for PORT=PATH")
    add("--tcp", type=int, metavar="PORT", help="the line also as socket://127.0.0.1:PORT; 0: any")
    add("--board", default="reference", help="what hangs on the pins (firmware/boards)")
    add("--connectors", type=int, default=1, help="1 to 4 (default 1)")
    add("--romfs", metavar="IMAGE", type=Path, help="a ROMFS partition of 512 KB, in this file")
    add("--control", type=int, metavar="PORT", help="TCP port on 127.0.0.1 for commands; 0: any")
    add("--trace", metavar="FILE", help="one JSON object a line for every change on the pins")
    add("--heap", default="1M", help="default 1M: objects are twice as large as on an ESP32")
    add("--interpreter", help="MicroPython unix port (default: $MICROPYTHON or the one in .venv); "
        "mpremote needs 1.27 or newer, for its raw REPL")  # fmt: skip
    args = parser.parse_args(argv)
    station.find_interpreter(parser, args)
    for name in ("control", "tcp"):
        if not 0 <= (getattr(args, name) or 0) <= 65535:
            parser.error(f"--{name}: 0 to 65535")
    if not 1 <= args.connectors <= 4:
        parser.error("--connectors: 1 to 4")
    if args.romfs:
        args.romfs = args.romfs.absolute()
        if not args.romfs.exists():
            args.romfs.write_bytes(b"\xff" * ROMFS_BYTES)
    args.unit = {"board": args.board}
    args.speed, args.true_clock, args.console = 1, True, False
    return args


def main():
    args = arguments()
    try:
        raise SystemExit(asyncio.run(VirtualBoard(args).run()))
    except (BuildError, OSError) as e:
        raise SystemExit(f"vboard: {e}") from None


if __name__ == "__main__":
    main()
