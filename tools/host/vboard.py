"""tools/vboard: a virtual ESP32 on the desk. Real mpremote talks to it.

It has a serial line (a pty, and with --tcp a socket://127.0.0.1:PORT), a flash of 2 MB with
LittleFS in a file of its own, and on its pins what tools/station has there: mains, contactor,
meter, car. It runs boot.py and main.py from its flash; without them there is the REPL, as on a
new board.
"""

import argparse
import asyncio
import time
from pathlib import Path

from host.build import BuildError
from host.romfs import in_place
from host.serial_line import SerialLine
from host.station.arguments import Parser, find_interpreter
from host.station.board import CHIPS, Board
from host.station.chip import HARD_RESET, PWRON_RESET, SOFT_RESET, WDT_RESET, Chip
from host.station.control import CommandError, Control, number
from host.station.station import Station
from host.station.terminal import log

FLASH, PHASE, BREAK, INTERRUPT = 64, 65, 66, 0x8000  # as in sim/vboard.py and sim/esp32/bus.py
ROMFS_BYTES = 192 * 4096  # docs/flashing.md
CTRL_C = 3
IDLE_s = 0.1
RESTART_s = 0.5  # an interpreter that ends sooner than this waits for as long before the next
ROM_SAYS = {
    PWRON_RESET: "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
    HARD_RESET: "rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
    WDT_RESET: "rst:0x8 (TG1WDT_SYS_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
}
HELP = """commands on the control port, one a line; each is answered by one JSON object:
  reset                              the EN button
  power-cut [off_s]                  the power fails at once, for off_s seconds (default 1)
  power-cut-at N [BYTES] [off_s]     it fails at the Nth write or erase of the flash from now on,
                                     after so many bytes of it (default 0)
  flash                              how many of them there were since the start
  line                               does the REPL read, or does code run?
  plug, unplug, ready, pause, card, press, ev, fault, clear, state, quit: as in tools/station"""
FEW = 2  # numbers that power-cut-at takes besides N


class SerialBoard(Board):
    """The interpreter with its own REPL, on the serial line `line`."""

    OPTIONS = ("-i",)
    ENTRY = "import vboard; vboard.boot(globals())"

    def __init__(self, args, flash, world, line):
        super().__init__(args, flash, world)
        self.line = line

    def prepare(self):
        super().prepare()
        if self.args.romfs and in_place(self.args.interpreter):  # (it can be written: in the heap)
            self.heap += self.args.romfs.stat().st_size

    def code(self):
        return self.args.romfs or ""

    def start(self, fd, rtc_ms, cause):
        tty = self.line.start()
        words = [*self.words(fd, rtc_ms, cause), str(int(self.line.raw))]
        self.spawn(words, (fd,), stdin=tty, stdout=tty, stderr=tty)
        self.line.started(self.process.pid)


class SerialChip(Chip):
    """Its flash may lose its power in the middle of a write: fails(off_s) is called."""

    def __init__(self, world, answered, reset, line, fails):
        super().__init__(world, True, answered, reset)
        self.line = line
        self.fails = fails
        self.asked = 0, time.monotonic()  # when the board looked last: in the world, and here
        self.flash_ops = 0
        self.cut = None  # (flash_ops when the power fails, bytes that are still written, off_s)
        self.cutting = False  # those bytes are being written

    def start(self, bus):
        watchdog = self.watchdog_s  # (that nothing stops, not a soft reset either)
        if self.cause != SOFT_RESET:
            watchdog, self.line.raw = None, False
            self.line.say(f"ets Jul 29 2019 12:21:46\r\n\r\n{ROM_SAYS[self.cause]}\r\n")
        super().start(bus)
        self.watchdog_s, self.fed = watchdog, time.monotonic()
        self.asked = self.world.wall.now_ms, self.fed

    def serve(self, op, pin, value, payload):
        self.line.looked()
        self.asked = self.world.wall.now_ms, time.monotonic()
        if op == FLASH:
            return self.flash_op(value), 0, 0, b""
        if op == PHASE:
            self.line.phase(value)
            return 0, 0, 0, b""
        if op == BREAK:
            self.line.breaks = value == CTRL_C
            return 0, 0, 0, b""
        return super().serve(op, pin, value, payload)

    def interrupt(self, op):
        # (LittleFS would take one in the middle of a write for a broken flash)
        return INTERRUPT if op not in (FLASH, PHASE) and self.line.interrupt() else 0

    def flash_op(self, size):
        """-> -1, or how many bytes of this write or erase are done before the power fails."""
        if self.cutting:
            self.cutting = False
            self.fails(self.cut[2])
            self.cut = None
            return -1
        if self.cut and self.flash_ops == self.cut[0]:
            self.cutting = True
            return min(size, self.cut[1])
        self.flash_ops += 1
        return -1


class SerialControl(Control):
    HELP = HELP
    WORDS = {**Control.WORDS, "reset": 0, "line": 0, "flash": 0}

    def ask(self, command):
        name = command["do"]  # what the firmware would have to help with
        raise CommandError(f"{name}: not on the virtual board; tools/station has it")

    def do_speed(self, words):
        self.ask({"do": "speed"})

    def do_reset(self, words):
        self.need_power()
        self.station.press_en()

    def do_power_cut_at(self, words):
        numbers = [number(word) for word in words]
        if not 1 <= len(numbers) <= 1 + FEW or min(numbers) < 0 or not numbers[0]:
            raise CommandError("power-cut-at N [BYTES] [off_s]: whole numbers, N from 1")
        after, off_s = [*numbers[1:], *(0, 1)[len(numbers) - 1 :]]
        chip = self.station.chip
        chip.cut = chip.flash_ops + numbers[0] - 1, after, off_s

    def do_line(self, words):
        return {"repl": bool(self.station.chip.bus) and not self.station.line.running()}

    def do_flash(self, words):
        return {"operations": self.station.chip.flash_ops}


class VirtualBoard(Station):
    """The wall, and a board on it that has a serial line."""

    NAME = "vboard"

    def __init__(self, args):
        self.line = SerialLine()
        self.since = 0.0  # when the interpreter was started
        super().__init__(args)

    def parts(self, flash):
        board = SerialBoard(self.args, flash, self.world, self.line)
        chip = SerialChip(self.world, board.answered, self.reset, self.line, self.power_cut)
        return board, chip, SerialControl(self)

    def start_board(self):
        if self.chip.cause == SOFT_RESET:
            self.line.say("MPY: soft reboot\r\n")
        else:
            self.boots()
        super().start_board()
        self.since = time.monotonic()

    def stop_board(self):
        super().stop_board()
        if self.chip.cause == SOFT_RESET:
            self.world.wall.ledc_off()
        self.line.stop(forget=self.chip.cause != SOFT_RESET)

    async def crashed(self, code):
        """The interpreter has ended: with 0 by Ctrl-D, or sys.exit() in the REPL."""
        self.chip.cause = HARD_RESET if code < 0 else SOFT_RESET
        if code < 0:
            log(f"vboard: signal {-code} has ended the interpreter; it starts again")
        self.stop_board()
        if code and time.monotonic() - self.since < RESTART_s:
            await asyncio.sleep(RESTART_s)
        if self.powered and not self.chip.bus:
            self.start_board()

    def reset(self):
        """machine.reset(), machine.soft_reset(), the watchdog or the button: see chip.cause."""
        if self.chip.bus and not self.over.is_set():
            self.stop_board()
            self.start_board()

    def press_en(self):
        kept, self.chip.cause = self.chip.memory, PWRON_RESET
        self.switch_off()
        self.start_board()  # (the chip calls it power-on, but RTC memory has not lost its power)
        self.chip.memory = kept

    def power_cut(self, off_s):
        self.chip.cause = PWRON_RESET  # (nothing that was typed is kept)
        super().power_cut(off_s)

    async def state(self):
        """What can be seen from outside."""
        return self.world.seen(self.powered)

    # --- from start to end

    async def leave(self):
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
            if self.chip.bus:
                at_ms, at = self.chip.asked
                idle_ms = int((time.monotonic() - at) * 1000)
                if idle_ms > IDLE_s * 1000:
                    self.world.wall.advance(at_ms + idle_ms)


def arguments(argv=None):
    parser = Parser(
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
    add("--romfs", metavar="IMAGE", type=Path, help="a ROMFS partition of 768 KB, in this file")
    add("--control", type=int, metavar="PORT", help="TCP port on 127.0.0.1 for commands; 0: any")
    add("--trace", metavar="FILE", help="one JSON object a line for every change on the pins")
    add("--chip", default="off", choices=CHIPS, help="what the board computes, writes and waits "
        "for takes as long as on that chip; off (default): as on this PC. Its interpreter is the "
        "32-bit one, which is too old for mpremote: for a REPL that is typed at")  # fmt: skip
    add("--heap", default="1M", help="default 1M: objects are twice as large as on an ESP32")
    add("--interpreter", help="MicroPython unix port (default: $MICROPYTHON or the one in .venv); "
        "mpremote needs 1.27 or newer, for its raw REPL")  # fmt: skip
    args = parser.parse_args(argv)
    find_interpreter(parser, args)
    for name in ("control", "tcp"):
        if not 0 <= (getattr(args, name) or 0) <= 65535:
            parser.error(f"--{name}: 0 to 65535")
    if not 1 <= args.connectors <= 4:
        parser.error("--connectors: 1 to 4")
    if args.romfs:
        args.romfs = args.romfs.absolute()
        if not args.romfs.exists():
            args.romfs.write_bytes(b"\xff" * ROMFS_BYTES)
    args.unit, args.code = {"board": args.board}, None
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
