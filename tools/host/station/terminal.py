"""Standard input and output of a station."""

import asyncio
import os
import select
import sys
import termios
import tty


def log(text):
    print(text, flush=True)


def open_terminal(typed):
    """Have typed(bytes) called with what comes by stdin, character by character if that is a
    terminal; -> what tcsetattr() is to give it back, or None. Its Ctrl-C stays ours."""
    loop, before = asyncio.get_running_loop(), None

    def read():
        data = os.read(sys.stdin.fileno(), 1024)
        if data:
            typed(data)
        elif not before or hung_up(sys.stdin):
            loop.remove_reader(sys.stdin)
            log("station: nothing more is typed: the input has ended")

    if sys.stdin.isatty():
        before = termios.tcgetattr(sys.stdin)
        tty.setcbreak(sys.stdin)
        # Ctrl-C throws away what was typed, also what the loop has just been told of: that read
        # must not wait for the next key, for the station would wait with it.
        modes = termios.tcgetattr(sys.stdin)
        modes[6][termios.VMIN] = 0
        termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
    try:
        loop.add_reader(sys.stdin, read)
    except PermissionError:  # a file, or /dev/null: it is all there already
        typed(sys.stdin.buffer.read())
        log("station: nothing more is typed: the input has ended")
    return before


def hung_up(file):
    """True if there is nobody at the other end of this terminal."""
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
