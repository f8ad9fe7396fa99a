"""A board on a serial port, through mpremote: run code on it, copy files, reset it.

Every call is a process of its own, as a person would start it, and leaves the board as it found
it: nothing resets it that does not say so. What is wrong comes as a PortError of one line.
"""

import ast
import os
import re
import subprocess
import sys
import time
from pathlib import Path

CALL_s = 120  # of one mpremote; what it copies comes in small files
BOOT_s = 20  # until a board answers after a reset
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

    def call(self, *words, timeout=CALL_s, quiet=True, folder=None):
        """Run `mpremote connect NAME resume WORDS` in `folder`; -> what it prints. quiet=False: it
        prints it itself, as it comes."""
        command = [sys.executable, "-m", "mpremote", "connect", self.name, "resume", *words]
        pipe = subprocess.PIPE if quiet else None
        try:
            done = subprocess.run(
                command,
                stdout=pipe,
                stderr=subprocess.PIPE,
                text=True,
                timeout=timeout,
                cwd=folder,
            )
        except subprocess.TimeoutExpired:
            raise PortError(f"{self.name}: the board has stopped answering") from None
        if done.returncode:
            raise PortError(f"{self.name}: {explain(done.stderr, done.stdout or '')}")
        return done.stdout or ""

    def run(self, code):
        """Run Python on the board; -> what it prints. Stops the firmware if it runs."""
        return self.call("exec", code)

    def ask(self, code):
        """Run Python that ends by printing a literal; -> its value."""
        said = self.run(code).strip()
        try:
            return ast.literal_eval(said.splitlines()[-1])
        except (ValueError, SyntaxError, IndexError):
            raise PortError(f"{self.name}: the board said {said[-200:]!r}") from None

    def reset(self):
        """A hard reset that is no try of a slot on trial (docs/updates.md); returns at once."""
        self.restart(RESET)

    def restart(self, code):
        """Run code that ends in a reset; does not wait for its end."""
        self.call("exec", "--no-follow", code)
        if self.name.startswith("/dev/tty"):
            time.sleep(_SERIAL_s)

    def wait(self, code):
        """After a reset: ask until there is an answer; -> it."""
        deadline = time.monotonic() + BOOT_s
        while True:
            try:
                return self.ask(code)
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


def explain(error, output=""):
    """One line of what mpremote said."""
    text = error + output
    if "could not enter raw repl" in text:
        return (
            "nothing answers as MicroPython does: is it the right port, and is MicroPython on the "
            "board (make micropython)?"
        )
    if "failed to access" in text:
        return "cannot be opened: does another program (mpremote, a terminal) have it?"
    if re.search(r"No space left|ENOSPC|Errno 28|OSError: 28", text):
        return "the board's flash is full: make backup, then make erase and begin anew"
    if re.search("Errno 5]|SerialException|OSError: .*device|disconnected|Broken pipe", text):
        return "the line to the board was cut"
    lines = [line for line in error.splitlines() if line.strip()] or output.splitlines()
    return lines[-1].removeprefix("mpremote: ") if lines else "mpremote failed and did not say why"
