"""The serial line of the virtual board, on an asyncio loop.

Console: the terminal that the interpreter has for stdin and stdout. SerialLine joins it with where
a person or mpremote plugs in (plugs.py) as a UART does: with a Ctrl-C that interrupts, and a REPL
that is still in raw mode after a soft reset.
"""

import asyncio
import os
import pty
import re
import signal
import termios
import time
import tty

from host.plugs import Plugs

# The interpreter's REPL clears every local mode of its terminal while it reads, and sets them back
# while code runs. This one means nothing to a raw terminal, so it tells the two apart. (But not
# for code that came by raw paste: the unix port forgets to set them back.)
_MARK = termios.NOFLSH
_LFLAG = 3
_LOOK_s = 0.02
_HOLD_s = 3  # what is typed after Ctrl-C waits for the REPL, but no longer
_INSIST_s = 0.1  # code that does not look at the chip for so long gets Ctrl-C as a signal
_CTRL_A, _CTRL_C = b"\x01", b"\x03"
_PROMPT, _RAW_PROMPT = b">>> ", b"raw REPL; CTRL-B to exit\r\n>"
_FRIENDLY = b'Type "help()" for more information.\r\n'
_MOUNT = b"\x18"  # begins what mpremote's mount says over the line, which is not text
_PASTE, _END, _PASTE_DONE = b"\x05A\x01", b"\x04", b"\x04>"
_NEVER = float("inf")
RUNNING, REPL = 0, 1  # phases of a start, as in sim/vboard.py


class Console:
    """The interpreter's terminal; `printed(data)` gets what it prints. `slave` is for its process,
    closed by `started()`."""

    def __init__(self, printed):
        self.printed = printed
        self.master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        modes = termios.tcgetattr(self.slave)
        modes[_LFLAG] |= _MARK
        termios.tcsetattr(self.slave, termios.TCSANOW, modes)
        os.set_blocking(self.master, False)

    def started(self):
        os.close(self.slave)
        asyncio.get_running_loop().add_reader(self.master, self.drain)

    def close(self):
        self.drain()
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self.master)

    def running(self):
        """True while code runs, False while the REPL reads."""
        return bool(termios.tcgetattr(self.master)[_LFLAG] & _MARK)

    def write(self, data):
        """-> how many bytes it has taken"""
        try:
            return os.write(self.master, data)
        except (BlockingIOError, OSError):  # (full, or the interpreter has ended)
            return 0

    def drain(self):
        """Hand on what has been printed so far."""
        try:
            while data := os.read(self.master, 65536):
                self.printed(data)
        except BlockingIOError:
            pass
        except OSError:  # the interpreter has ended
            asyncio.get_running_loop().remove_reader(self.master)


class SerialLine:
    """What is typed goes to the interpreter when it can take it; what it prints, to the plugs.

    `raw`: the REPL is in raw mode, and is to be after a soft reset. `breaks`: Ctrl-C interrupts
    code, and is no byte like others (micropython.kbd_intr). For the chip's side:
    start(), started(pid), stop(), phase(value), looked() and interrupt().
    """

    def __init__(self):
        self.raw, self.breaks = False, True
        self._plugs = Plugs(self._typed)
        self.path = self._plugs.path
        self.port = None
        self._console = None
        self._pid = None
        self._waiting = b""  # was typed; the board has not been given it
        self._hold = _NEVER  # until then, or until the REPL reads, it is not
        self._entering = b""  # what is printed while the REPL is brought into raw mode
        self._wanted = None  # since when somebody waits for Ctrl-C to be taken
        self._looked = 0.0  # when the board has last looked at its chip
        self._tail = b""  # of what was printed
        self._text = True  # line ends are to be made for a terminal
        self._pasting = False  # code comes by raw paste
        self._pasted = False  # and runs

    async def open(self, link=None, port=None):
        """See Plugs.open."""
        await self._plugs.open(link, port)
        self.port = self._plugs.port

    def close(self):
        self._plugs.close()

    async def look(self):
        """Look at all that does not report by itself, for ever."""
        while True:
            await asyncio.sleep(_LOOK_s)
            self._plugs.look()
            if self._console:
                self._insist()
                self._feed()

    def say(self, text):
        """What the chip itself prints."""
        self._plugs.send(text.encode())

    # The chip's side

    def start(self):
        """-> the terminal for a new interpreter"""
        self._console = Console(self._printed)
        self._hold, self._entering, self._wanted = _NEVER, b"", None
        self._tail, self._text = b"", True
        self._pasting = self._pasted = False
        self.breaks = True
        return self._console.slave

    def started(self, pid):
        self._console.started()
        self._pid = pid

    def stop(self, forget):
        """The interpreter has ended. forget: what was typed is gone too."""
        if self._console:
            self._console.close()
            self._console = None
        if forget:
            self._waiting = b""

    def phase(self, value):
        """boot.py is about to run, or the REPL to begin."""
        self._console.drain()
        self._wanted = None
        if value == RUNNING:
            self._hold = 0
        elif self.raw:
            self._hold, self._entering = _NEVER, b"\n"
        else:
            self._hold = time.monotonic() + _HOLD_s
        self._feed()

    def looked(self):
        """Code has looked at the chip."""
        self._looked = time.monotonic()

    def interrupt(self):
        """True once for each Ctrl-C."""
        wanted, self._wanted = self._wanted, None
        return wanted is not None

    # What is typed

    def running(self):
        """True while code runs, False while the REPL reads."""
        return self._pasted or self._console.running()

    def _typed(self, data):
        if self._console:
            self._waiting += data
            self._feed()

    def _feed(self):
        if self._hold and self._hold != _NEVER:
            if not self.running():
                self._hold, self._wanted = 0, None  # (it has ended before it saw the Ctrl-C)
            elif time.monotonic() > self._hold:
                self._hold = 0
        while self._waiting and not self._hold:
            data = self._waiting
            if self.running():
                data = data.split(_CTRL_C, 1)[0] if self.breaks else data
                if not data:
                    self._waiting = self._waiting[1:]
                    # The interpreter takes a signal at any instruction, in the middle of a
                    # collection too, which would leave its heap locked for ever. So it is told
                    # when it looks at the chip, which the firmware does in every tick.
                    self._wanted = time.monotonic()
                    self._hold = self._wanted + _HOLD_s
                    return
            else:
                data = self._paste(data)
            taken = self._console.write(data)
            self._waiting = self._waiting[taken:]
            if not taken:
                return

    def _paste(self, data):
        # -> as much of it as the REPL reads before code runs
        if not self._pasting:
            self._pasting = self.raw and _PASTE in data
            return data
        data, end, _ = data.partition(_END)
        if end:
            self._pasting, self._pasted = False, True
        elif _CTRL_C in data:  # it is given up
            self._pasting = False
        return data + end

    def _insist(self):
        now = time.monotonic()
        if self._wanted is None or now - max(self._wanted, self._looked) < _INSIST_s:
            return
        self._wanted = None
        if self.running():
            os.kill(self._pid, signal.SIGINT)

    # What is printed

    def _printed(self, data):
        if self._entering:
            self._enter_raw(data)
            return
        seen = self._tail + data
        self._tail = seen[-64:]
        raw, friendly = seen.rfind(_RAW_PROMPT[:-1]), seen.rfind(_FRIENDLY)
        if raw != friendly:
            self.raw = raw > friendly
        if _PASTE_DONE in seen:
            self._pasted, self._tail = False, self._tail.rpartition(_PASTE_DONE)[2]
        if _MOUNT in data:
            self._text = False
        if self._text and not self.raw:
            # (the unix port leaves to its terminal what the ESP32 port does itself)
            data = re.sub(rb"(?<!\r)\n", b"\r\n", data)
        self._plugs.send(data)

    def _enter_raw(self, data):
        # The interpreter starts with its friendly REPL; nobody has to see that.
        prompted = _PROMPT in self._entering
        self._entering += data
        if _PROMPT in self._entering and not prompted:
            self._console.write(_CTRL_A)
        if _RAW_PROMPT in self._entering:
            data = self._entering[self._entering.index(_RAW_PROMPT) :]
            self._entering, self._hold = b"", 0
            self._printed(data)
            self._feed()
