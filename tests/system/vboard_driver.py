"""A virtual board in a test: tools/vboard as a process, and what make does with it.

The board and mpremote are real time: nothing here depends on how fast the machine is, but on what
the board prints, on its trace and on what the Central System hears, with deadlines.
"""

import asyncio
import contextlib
import os
import pty
import signal
import subprocess
import sys
import time

from host.build import ROOT
from host.image import make_image
from host.process import StationProcess, WAIT_s, poll

MAKE_s = 3 * WAIT_s
ID = "VB1"
SETTINGS = {"url": "ws://127.0.0.1:9/ocpp", "id": ID}  # nobody listens there


class Board:
    """`async with Board(folder) as b`: `b.process` is the wall (commands as of tools/vboard),
    `b.port` the link to the serial line."""

    def __init__(self, folder, *words):
        self.flash = folder / "flash.img"
        self.port = str(folder / "tty")
        tool = ROOT / "tools/vboard"
        options = (self.flash, "--link", self.port, *words)
        self.process = StationProcess(folder, *options, quiet=True, tool=tool)

    async def __aenter__(self):
        await self.process.start()
        return self

    async def __aexit__(self, kind, error, tb):
        code = await self.process.stop()
        assert kind or code == 0, "\n".join(self.process.output)

    async def make(self, target, code=0, **variables):
        """Run `make TARGET PORT=... NAME=VALUE`; -> what it prints. `code`: 0 or an error."""
        variables = {"PORT": self.port, **variables}
        words = [f"{k}={v}" for k, v in variables.items()]
        done = await run("make", "-s", target, *words)
        assert bool(done.returncode) == bool(code), done.stdout
        return done.stdout

    async def mpremote(self, *words, resume=True, code=0):
        """Real mpremote; -> what it prints."""
        start = ["connect", os.path.realpath(self.port), *(["resume"] if resume else [])]
        done = await run(sys.executable, "-m", "mpremote", *start, *words)
        assert done.returncode == code, done.stdout
        return done.stdout

    async def eval(self, expression):
        return (await self.mpremote("eval", expression)).strip()


async def run(*words):
    """Run a program to its end."""
    words = [str(w) for w in words]

    def call():
        return subprocess.run(
            words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, timeout=MAKE_s,
            env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")},
        )  # fmt: skip

    return await asyncio.to_thread(call)


def flash(folder, **more):
    """A flash for a Board: the firmware, and SETTINGS with what is other there."""
    (folder / "flash.img").write_bytes(make_image(512 * 4096, {**SETTINGS, **more}))


async def runs(b):
    """Wait until the firmware's console answers: what is typed sooner is lost."""
    with Listener(b.port) as line:
        for _ in range(10):
            line.type("\rstatus\r")  # (it may be starting)
            with contextlib.suppress(AssertionError):
                await line.until("connector 1: ", 3)
                return
    raise AssertionError(f"the firmware does not run: {line.text!r}")


class Listener:
    """What the board prints, with nothing sent to it: as a terminal that is just open."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        os.close(self.fd)

    def read(self):
        try:
            while data := os.read(self.fd, 4096):
                self.text += data.decode(errors="replace")
        except BlockingIOError:
            pass
        return self.text

    async def until(self, text, timeout=WAIT_s):
        """Wait until the board has printed `text`; -> all so far."""
        await poll(lambda: text in self.read(), timeout, lambda: f"{text!r} in {self.text!r}")
        return self.text

    async def either(self, *texts):
        """Wait until the board has printed one of `texts`; -> all so far."""
        await poll(lambda: any(text in self.read() for text in texts), WAIT_s, repr(texts))
        return self.text

    def type(self, text):
        """What was printed before is forgotten."""
        self.read()
        self.text = ""
        os.write(self.fd, text.encode())


class Terminal:
    """A program on a terminal of its own, as a person has it."""

    def __init__(self, *words):
        pid, fd = pty.fork()
        if not pid:
            # (a shell has what it runs in the background ignore Ctrl-C, and all that comes of it)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.chdir(ROOT)
            os.environ.pop("MAKEFLAGS", None)
            os.execvp(words[0], [str(w) for w in words])
        self.pid, self.fd = pid, fd
        self.text = ""
        os.set_blocking(fd, False)

    def read(self):
        try:
            while data := os.read(self.fd, 4096):
                self.text += data.decode(errors="replace")
        except OSError:  # nothing there; or it has ended
            pass
        return self.text

    async def until(self, text, timeout=WAIT_s):
        """Wait for `text` in what comes after the last answer."""
        await poll(lambda: text in self.read(), timeout, lambda: f"{text!r} in {self.text!r}")

    def type(self, text):
        self.text = ""
        os.write(self.fd, text.encode())

    async def interrupted(self):
        """Press Ctrl-C until it ends, as a person does; -> its exit code. (One that comes just
        before Python waits for a key is seen with the next key only.)"""
        self.type("\x03")
        return await self.ended("\x03")

    async def ended(self, again=""):
        """-> its exit code. `again`: what is pressed every other second."""
        status = []
        pressed = time.monotonic()

        def over():
            nonlocal pressed
            self.read()
            if again and time.monotonic() > pressed + 2:
                pressed = time.monotonic()
                os.write(self.fd, again.encode())
            pid, code = os.waitpid(self.pid, os.WNOHANG)
            status.append(code)
            return pid

        await poll(over, WAIT_s, "the end of the program")
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status[-1])
