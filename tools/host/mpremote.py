"""mpremote, with an eye on the line: a board that has gone, or restarts, is an error at once.

    python -m host.mpremote SILENT_s WORDS

As it comes, mpremote waits for ever for a board that has lost its power in the middle of a file.
Here it gives up after SILENT_s without a byte, or when the chip's boot loader speaks, and presses
Ctrl-C a second time if the first does not lead into the raw REPL; with 0 (for the REPL) only what
goes wrong is put into one line.
"""

import re
import signal
import sys
import time

import mpremote.main
from mpremote.transport import TransportError
from mpremote.transport_serial import SerialTransport

GONE = "the board has stopped answering"
RESTARTED = "the board restarted in the middle"
_LOOK_s = 0.1
_BOOT = re.compile(rb"rst:0x[0-9a-f]+ \(")  # of the chip's boot loader
_ENTER_s = 6  # for a board to let go of what it does, each of two times
_KEPT = 32  # bytes that are looked at once more


class Line:
    """The serial port of a transport; all else as it is."""

    def __init__(self, serial, transport, silent_s):
        self._serial, self._transport, self._silent_s = serial, transport, silent_s
        self._tail = b""
        self.enter()
        serial.timeout = _LOOK_s

    def enter(self):
        """The raw REPL is about to be asked for."""
        self._entering = self._heard = time.monotonic()

    def __getattr__(self, name):
        return getattr(self._serial, name)

    def write(self, data):
        self._heard = time.monotonic()
        return self._serial.write(data)

    def inWaiting(self):  # noqa: N802  (the name is pyserial's)
        waiting = self._serial.in_waiting
        if not waiting:
            self._silent()
        return waiting

    def read(self, size=1):
        """All of `size` bytes: whoever asks has seen that they come, or cannot go on without."""
        data = b""
        while len(data) < size:
            more = self._serial.read(size - len(data))
            data += more
            if more:
                self._heard = time.monotonic()
            else:
                self._silent()
        self._tail = (self._tail + data)[-_KEPT:]
        if self._transport.in_raw_repl:  # (before that it may well be starting)
            if _BOOT.search(self._tail):
                raise TransportError(RESTARTED)
        elif time.monotonic() - self._entering > _ENTER_s:  # it prints and prints
            raise TransportError("could not enter raw repl")
        return data

    def _silent(self):
        silent_s = time.monotonic() - self._heard
        if self._transport.in_raw_repl and silent_s > self._silent_s:
            raise TransportError(GONE)
        if not self._transport.in_raw_repl and silent_s > min(self._silent_s, _ENTER_s):
            raise TransportError("could not enter raw repl")


def watch(silent_s):
    """Every SerialTransport from here on has such a line, and asks for the raw REPL twice.

    What was typed while a board started is still to be read when Ctrl-C has stopped its firmware:
    the way into raw paste puts its friendly REPL into paste mode, where Ctrl-A is text."""
    init, enter = SerialTransport.__init__, SerialTransport.enter_raw_repl

    def watched(self, *words, **options):
        init(self, *words, **options)
        self.serial = Line(self.serial, self, silent_s)

    def insistent(self, *words, **options):
        try:
            return enter(self, *words, **options)
        except TransportError:
            self.serial.enter()
        return enter(self, *words, **options)

    SerialTransport.__init__, SerialTransport.enter_raw_repl = watched, insistent


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # (whoever started it ends it)
    silent_s = float(sys.argv.pop(1))
    if silent_s:
        watch(silent_s)
    sys.argv[0] = "mpremote"
    try:
        return mpremote.main.main()
    except TransportError as e:
        print(f"mpremote: {e}", file=sys.stderr)
    except OSError as e:
        print(f"mpremote: OSError: {e}: device disconnected", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
