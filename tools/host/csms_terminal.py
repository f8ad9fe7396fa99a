"""The terminal of tools/csms: a prompt, traffic above it, scripts."""

import asyncio
import os
import re
import signal
import sys
import threading
from pathlib import Path

from host.csms_profiles import CommandError


class Terminal:
    """Standard output and input, shared by the traffic and the prompt."""

    def __init__(self, quiet):
        self.quiet = quiet
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.prompt = ""

    def show(self, line, red=False):
        """Print a line above the prompt. What a station sent must not steer the terminal."""
        line = re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda m: f"\\x{ord(m[0]):02x}", line)
        if self.colour and red:
            line = f"\x1b[31m{line}\x1b[0m"
        if self.prompt:
            line = f"\r\x1b[K{line}"
        try:
            print(line, flush=True)
            if self.prompt:
                print(self.prompt, end="", flush=True)
        except BrokenPipeError:  # | head: nobody reads any more
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.kill(os.getpid(), signal.SIGTERM)

    def log(self, line):
        """The log of the Central System: traffic; violations are shown even when quiet."""
        wrong = " !! " in line[:80]
        if wrong or not self.quiet:
            self.show(line, red=wrong)

    def lines(self):
        """A queue of the lines typed or piped in, None at the end."""
        loop, queue = asyncio.get_running_loop(), asyncio.Queue()

        def read():
            # In a thread: asyncio cannot wait on a file. os.read: a thread that is blocked in
            # sys.stdin would hold its lock and break the exit of the interpreter.
            rest = b""
            try:
                while piece := os.read(0, 4096):
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        loop.call_soon_threadsafe(
                            queue.put_nowait, line.decode("utf-8", "replace")
                        )
            except OSError:
                pass
            try:
                if rest:
                    loop.call_soon_threadsafe(queue.put_nowait, rest.decode("utf-8", "replace"))
                loop.call_soon_threadsafe(queue.put_nowait, None)
            except RuntimeError:
                pass  # the loop has ended

        threading.Thread(target=read, daemon=True).start()
        return queue


async def run_script(shell, path):
    """Run the commands of a file; the exit code."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        print(f"tools/csms: {path}: {getattr(error, 'strerror', error)}", file=sys.stderr)
        return 1
    shell.folder = Path(path).parent
    shell.patience = 30
    for number, line in enumerate(lines, 1):
        line = line.strip()
        tolerant = line.startswith("- ")
        line = line[2:].strip() if tolerant else line
        if line and not line.startswith("#"):
            shell.show(f"> {line}")
        try:
            failure = "refused" if await shell.run(line) else None
        except CommandError as error:
            failure = str(error)
        if failure and tolerant:
            shell.show(f"{failure} (going on)")
        elif failure:
            print(f"{path}:{number}: {line}: {failure}", file=sys.stderr, flush=True)
            return 1
        if shell.done:
            break
    shell.patience = 0
    return 0


async def run_prompt(shell, terminal):
    """Run the commands of standard input until it ends."""
    lines = terminal.lines()
    if sys.stdin.isatty() and sys.stdout.isatty():
        terminal.show('Type "help" for the commands.')
        terminal.prompt = "> "
        print(terminal.prompt, end="", flush=True)
    while not shell.done:
        line = await lines.get()
        if line is None:
            if not terminal.prompt:
                terminal.show("The input has ended, and so does this; --no-prompt goes on without")
            break
        try:
            await shell.run(line)
        except CommandError as error:
            terminal.show(str(error), red=True)
        if terminal.prompt and not shell.done:
            print(f"\r\x1b[K{terminal.prompt}", end="", flush=True)
    terminal.prompt = ""
