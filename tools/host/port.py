"""A board on a serial port, through mpremote: run code on it, copy files, reset it.

Every call is a process of its own, as a person would start it, and leaves the board as it found
it: nothing resets it that does not say so. What is wrong comes as a PortError of one line.
"""

import ast
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

CALL_s = 120  # of one mpremote; what it copies comes in small files
SILENT_s = 15  # without a byte from the board, while it has something to do
BOOT_s = 20  # until a board answers after a reset
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}  # of mpremote
RESET = """
import machine, time
try:
    machine.RTC().memory(b"stop")
except (AttributeError, TypeError):  # (no ESP32)
    pass
time.sleep_ms(50)
machine.reset()
"""
_AGAIN_s = 0.3
_AWAY_s = 5  # without a byte: a board that should answer at once does not
_SERIAL_s = 1  # a chip on a real line takes so long to start


class PortError(Exception):
    """The port, the board or mpremote: one line that says what is wrong and what to do."""


class Port:
    """`name`: /dev/ttyUSB0, COM5, socket://127.0.0.1:PORT, or a link to the virtual board's pty.
    Raises PortError if there is no such thing or it may not be used."""

    def __init__(self, name):
        if not name:
            raise PortError(
                "no PORT: say make ... PORT=/dev/ttyUSB0 (.venv/bin/mpremote connect list shows "
                "what is plugged in)"
            )
        if name.startswith("/"):
            name = os.path.realpath(name)  # (mpremote knows a pty by its name)
            if not os.path.exists(name):
                raise PortError(
                    f"{name}: there is no such port: is the board plugged in, with a cable that "
                    "carries data?"
                )
            if not os.access(name, os.R_OK | os.W_OK):
                raise PortError(
                    f"{name}: no permission: on Debian and Ubuntu sudo adduser $USER dialout, "
                    "then log in anew"
                )
        self.name = name
        self.touched = False  # its firmware may have been stopped

    def call(self, *words, timeout=CALL_s, silent_s=SILENT_s, quiet=True, folder=None):
        """Run `mpremote connect NAME resume WORDS` in `folder`; -> what it prints. quiet=False: it
        prints it itself, as it comes. The board may be busy without a word for `silent_s`."""
        before, self.touched = self.touched, True
        with subprocess.Popen(
            self.command(silent_s, *words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=folder,
            env=ENVIRONMENT,
        ) as process:
            try:
                said, error = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                raise PortError(f"{self.name}: {GONE}") from None
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            why = explain(error, said or "")
            if why in (NOBODY, BUSY):
                self.touched = before
            if before:  # it was there a moment ago
                why = {BUSY: CUT, NOBODY: GONE}.get(why, why)
            raise PortError(f"{self.name}: {why}")
        return said or ""

    def command(self, silent_s, *words):
        """mpremote as a process, to be run in ENVIRONMENT."""
        start = [sys.executable, "-m", "host.mpremote", str(silent_s), "connect", self.name]
        return [*start, "resume", *words]

    @contextlib.contextmanager
    def borrowed(self):
        """The firmware stands still for what is done inside; it starts again at the end, however
        that comes. Ctrl-C becomes a KeyboardInterrupt that says what became of the board."""
        try:
            yield
        except BaseException as e:
            left = "nothing was done to the board"
            if self.touched:
                left = "the board restarts"
                try:
                    with unbroken():
                        self.reset()
                except PortError:
                    left = "the board does not answer: press EN"
            if isinstance(e, KeyboardInterrupt):
                raise KeyboardInterrupt(left) from None
            raise
        with unbroken():
            self.reset()

    def run(self, code, silent_s=SILENT_s):
        """Run Python on the board; -> what it prints. Stops the firmware if it runs."""
        return self.call("exec", code, silent_s=silent_s, timeout=max(CALL_s, 2 * silent_s))

    def ask(self, code, silent_s=SILENT_s):
        """Run Python that ends by printing a literal; -> its value."""
        said = self.run(code, silent_s).strip()
        try:
            return ast.literal_eval(said.splitlines()[-1])
        except (ValueError, SyntaxError, IndexError):
            raise PortError(f"{self.name}: the board said {said[-200:]!r}") from None

    def reset(self):
        """A hard reset that is no try of a slot on trial (docs/updates.md); returns at once."""
        self.restart(RESET)

    def restart(self, code):
        """Run code that ends in a reset; does not wait for its end."""
        self.call("exec", "--no-follow", code, silent_s=_AWAY_s)
        if self.name.startswith("/dev/tty"):
            time.sleep(_SERIAL_s)

    def wait(self, code):
        """After a reset: ask until there is an answer; -> it."""
        deadline = time.monotonic() + BOOT_s
        while True:
            try:
                return self.ask(code, _AWAY_s)
            except PortError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_AGAIN_s)

    def put(self, data, path):
        """Replace the file `path` on the board: the old one or the new one, whatever happens."""
        folder = Path("build")
        folder.mkdir(exist_ok=True)
        made = folder / f".put-{os.getpid()}"
        try:
            made.touch(mode=0o600)  # (config.json has passwords)
            made.write_bytes(data)
            self.call(
                "cp", "-f", str(made), f":{path}.new",
                "+", "exec", f"import os; os.rename({path + '.new'!r}, {path!r})",
            )  # fmt: skip
        finally:
            made.unlink(missing_ok=True)


@contextlib.contextmanager
def unbroken():
    """No Ctrl-C inside: somebody has pressed it already, or there is only a moment to go."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def front(name, run, *errors):
    """Run a tool and exit. What it could not do is one line, and the code 1; 130 after Ctrl-C.
    `errors`: its own, besides PortError."""
    # Into a pipe too, what was said before stands before the error, which is not buffered.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        code = run()
    except KeyboardInterrupt as e:
        print(f"\n{name}: stopped by Ctrl-C; {e.args[0] if e.args else 'nothing was done'}")
        code = 130
    except (PortError, *errors) as e:
        code = f"{name}: {e}"
    sys.exit(code)


NOBODY = (
    "nothing answers as MicroPython does: is it the right port, and is MicroPython on the "
    "board (make micropython)?"
)
BUSY = "cannot be opened: does another program (mpremote, a terminal) have it?"
GONE = "the board has stopped answering: has it power? Then try again"
CUT = "the line to the board was cut: plug it in again, then try again"
RESTARTED = "the board restarted in the middle (power, EN, its watchdog): try again"


def explain(error, output=""):
    """One line of what mpremote said."""
    text = error + output
    if "could not enter raw repl" in text:
        return NOBODY
    if "failed to access" in text:
        return BUSY
    if re.search("restarted in the middle|raw paste|EOF reception|could not exec", text):
        return RESTARTED  # (its first byte may be where mpremote waits for one of its own)
    if "stopped answering" in text:
        return GONE
    if re.search(r"No space left|ENOSPC|Errno 28|OSError: 28", text):
        return "the board's flash is full: make backup, then make erase and begin anew"
    if re.search("Errno 5]|SerialException|OSError: .*device|disconnected|Broken pipe", text):
        return CUT
    lines = [line for line in error.splitlines() if line.strip()] or output.splitlines()
    return lines[-1].removeprefix("mpremote: ") if lines else "mpremote failed and did not say why"
