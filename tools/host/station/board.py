"""The board as a process: the interpreter that plays the chip, and its flash."""

import asyncio
import fcntl
import json
import os
import subprocess
from pathlib import Path

from host.build import SIMULATOR, build
from host.romfs import build_image, build_simulator_image, in_place

FLASH_BYTES = 512 * 4096  # the vfs partition of a 4 MB ESP32
FLASH_LEAST = 16 * 4096
# What stands in for the chip shares the firmware's heap: this much of it on the 32-bit port.
SIMULATOR_HEAP = 9 << 10
CPU_HEAP = 7 << 10  # the same for sim/esp32/cpu.py
# The fastest that a chip can be, MHz; each starts with 160. esp32@160 stays there, as a C3 does.
CHIPS = {"off": 0, "esp32": 240, "esp32@160": 160, "esp32s3": 240}
ANSWER_s = 10  # for the firmware to answer a command


class Board:
    """Started and stopped any number of times, with the flash image `flash`."""

    OPTIONS = ()
    ENTRY = "import board; board.start()"

    def __init__(self, args, flash, world):
        self.args = args
        self.flash = flash
        self.world = world
        self.process = None
        self._started = False
        self.out = None  # a file descriptor for what it prints; None: where this process prints
        self._words = None  # to the board: commands, a line each
        self._answers = asyncio.Queue()
        self._asking = asyncio.Lock()

    def code(self):
        """Build what the board runs; -> its path, or "" if all of it is on its flash."""
        made = {"romfs": build_image, "files": build}.get(self.args.code)
        return made() if made else Path(self.args.code).absolute()

    def prepare(self, images=None):
        """Build what it runs, or take what another board has: the images that this returns."""
        images = images or (build_simulator_image(), self.code())
        self._simulator, self._code = images
        self.heap = self.args.heap + SIMULATOR_HEAP + (self.args.chip != "off") * CPU_HEAP
        if not in_place(self.args.interpreter):  # the images take heap: not the firmware's
            for image in (self._simulator, self._code):
                self.heap += image.stat().st_size if image and image.is_file() else 0
        return images

    def words(self, fd, rtc_ms, cause):
        """The words that start the interpreter as the chip, its line to the wall on `fd`."""
        return [
            self.args.interpreter,
            "-X",
            f"heapsize={self.heap}",
            *self.OPTIONS,
            "-c",
            f"import rom, sys; rom.simulator(sys.argv.pop(1)); {self.ENTRY}",
            str(self._simulator),
            str(self._code),
            str(fd),
            str(self.flash),
            str(self.world.speed),
            str(CHIPS[self.args.chip]),
            str(self.world.wall.now_ms),
            str(self.world.host_us()),
            str(rtc_ms),
            str(cause),
            str(int(self.world.calibrated)),
        ]

    def start(self, fd, rtc_ms, cause):
        """Start the interpreter, with what is to be on its flash."""
        commands, told = os.pipe()
        self.spawn(
            [*self.words(fd, rtc_ms, cause), str(commands)],
            (fd, commands),
            stdin=subprocess.PIPE,  # the serial line: what is typed on the firmware's console
            stdout=self.out,
            stderr=self.out,
        )
        os.close(commands)
        self._words = os.fdopen(told, "wb")
        os.set_blocking(self.process.stdin.fileno(), False)
        # (not as arguments: the unix port takes none longer than 255 bytes)
        # (what was changed by the unit's page stays, for as long as this runs)
        config = "?/config.json" if self._started else "/config.json"
        self._started = True
        files = {
            config: json.dumps(self.args.unit, ensure_ascii=False),
            "/policy.py": self.args.policy,
        }
        self.tell({**files, **self.args.certs})

    def spawn(self, words, fds, **files):
        self.process = subprocess.Popen(
            words,
            env={**os.environ, "MICROPYPATH": f"{SIMULATOR}/tools/sim:.frozen"},
            pass_fds=fds,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for us; Station.leave passes it on
            **files,
        )

    def stop(self):
        """The chip stops wherever it is."""
        if self.runs():
            self.process.kill()  # before its pins go: it must not see them go
        if self.process:
            self.process.wait()
        for file in (self.process and self.process.stdin, self._words):
            if file:
                close(file)
        if self._asking.locked():
            self.answered({"error": "the station is starting"})

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def kept_waiting_s(self):
        """How long it and this process, the wall, have waited for a processor so far: a busy host
        is no hang."""
        out = 0
        for pid in (self.process and self.process.pid, os.getpid()):
            try:
                out += int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
            except (OSError, IndexError, ValueError):
                pass  # (it has ended, or this is no Linux)
        return out

    def answered(self, answer):
        self._answers.put_nowait(answer)

    async def ask(self, command):
        """Have the firmware carry out a command; -> its answer."""
        async with self._asking:
            while not self._answers.empty():
                self._answers.get_nowait()
            if not self.tell(command):
                return {"error": "the station is starting"}
            try:
                return await asyncio.wait_for(self._answers.get(), ANSWER_s)
            except asyncio.TimeoutError:
                return {"error": "the station does not answer"}

    def tell(self, command):
        """Give the board a command; False if there is nobody to take it."""
        try:
            # (MicroPython makes two lone surrogates of an escaped pair)
            self._words.write(json.dumps(command, ensure_ascii=False).encode() + b"\n")
            self._words.flush()
        except (OSError, ValueError):  # (ValueError: closed by stop)
            return False
        return True

    def type(self, data):
        """Type on the firmware's console. What it has no room for is lost, as on a serial line."""
        try:
            os.write(self.process.stdin.fileno(), data)
        except (OSError, ValueError):  # (ValueError: no power)
            pass


def close(file):
    try:
        file.close()
    except OSError:  # what was not written yet has nobody to go to
        pass


def open_flash(path):
    """-> (path of the flash image, True if it goes when the station ends)"""
    temporary = path is None
    if temporary:
        import tempfile  # (as in host/romfs.py)

        handle, path = tempfile.mkstemp(prefix="pilotwire-flash-")
        os.close(handle)
    path = Path(path).absolute()
    if not path.exists() or path.is_file() and path.stat().st_size == 0:
        path.write_bytes(b"\xff" * FLASH_BYTES)
    elif not path.is_file() or path.stat().st_size % 4096 or path.stat().st_size < FLASH_LEAST:
        raise SystemExit(f"station: {path} is not a flash image (a file of whole 4 KB blocks)")
    try:
        # Kept open, and so locked, as long as this process lives.
        fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"station: {path}: another station runs on this flash") from None
    return path, temporary
