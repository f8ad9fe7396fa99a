"""Decides at boot whether the firmware runs, and notes how runs end. Loaded while it is needed.
RTC memory, which every reset but a power cut leaves alone, holds one of
  maintain   the next boot is for maintenance (docs/updates.md)
  run N      the firmware runs; the N runs before have crashed
  run HOW 0  the same, after a reset that was asked for: a word of how runs begin
  N, HOW 0   it does not run; the last N runs have crashed
  stop       a person or a tool has ended the run: for pick.py the next start is no try
  back       pick.py has given a slot up, the record says why"""

import io
import machine
import os
import sys
import time
from micropython import const

from firmware import safe
from firmware.clock import Clock, format_iso

_PATH = const("/crash")
_CRASHES = const(3)  # in a row, then safe mode
# How a run can have begun; the protocol packages have their own words for it, by number.
_HOW = "power remote local scheduled watchdog crash update unknown"


def before():
    """A line about the run before if it crashed, else ""; None: do not run, it has said why."""
    memory = machine.RTC().memory
    words, cause = memory().split(), machine.reset_cause()
    if words == [b"maintain"]:
        if cause == machine.SOFT_RESET:
            machine.reset()  # (a soft reset leaves the watchdog running)
        memory(b"stop")
        print("Maintenance: the firmware does not run, contactors are open, no watchdog.")
        print("It starts at the next reset.")
        return None
    crashes, last = _in_a_row(), ""
    if words[:1] == [b"run"]:  # nobody was left to note how it ended
        last = "the supply dipped, or the reset button was pressed"
        if cause == machine.WDT_RESET:
            last = "reset by the watchdog: the tick did not come"
        elif cause == machine.HARD_RESET:
            last = "it ended without a word"
        if cause != machine.PWRON_RESET:  # (what the ESP32 also calls a brown-out, and its button)
            crashes += 1
        add(last)
    why = None
    if _button_down():
        why = "the button is held"
    elif crashes >= _CRASHES and len(read()) < 3:  # (on trial it is the slot from before soon)
        why = "%d crashes in a row" % crashes
    if why:
        memory(b"stop")
        print("SAFE MODE: %s. The firmware does not run, contactors are open." % why)
        print("It starts again at the next reset: machine.reset() or the power. /crash says:")
        print(_text(_PATH))
        return None
    asked = words[0] + b" " if len(words) == 2 and words[0] in _HOW.encode().split(b" ") else b""
    if crashes or last or words == [b"back"]:
        last = _text(_PATH).split("\n")[0]
    memory(b"run %s%d" % (asked, crashes))
    return last


def how(last):
    """How this run began, a number in _HOW; `last`: what before() has said of the one before."""
    words = _HOW.split(" ")
    asked = machine.RTC().memory().decode().split(" ")[1]
    if last:
        asked = "watchdog" if "watchdog" in last else "crash"
    elif machine.reset_cause() == machine.PWRON_RESET:
        asked = "power"
    return words.index(asked) if asked in words else len(words) - 1


def after(end, asked=""):
    """The run has ended: by `end`, an exception or a text, or orderly (None), as `asked`."""
    crashes = 0 if end is None else _in_a_row() + 1
    machine.RTC().memory(b"%s%d" % (asked and asked.encode() + b" ", crashes))
    if crashes and not add(end):  # the next boot notes it then
        machine.RTC().memory(b"run %d" % (crashes - 1))


def stopped(unit, *args):
    """The run of `unit` (or None) was ended by Ctrl-C, or (`args`) by who switches the unit
    off. The watchdog cannot be stopped, only be made slower."""
    machine.RTC().memory(b"stop")
    if unit:
        machine.WDT(timeout=600000)
        more = "" if args else " In ten minutes the unit starts by itself."
        print("Stopped, contactors are open." + more)
        if unit.link.online:  # (no task runs any more, and the unit may stay away)
            unit.link.ws.exit(1001)


def _in_a_row():
    words = machine.RTC().memory().split()
    return int(words[-1]) if words and words[-1].isdigit() else 0


def clear():
    """The run is good: what came before it is forgiven, and a slot on trial is taken."""
    machine.RTC().memory(b"run 0")
    words = read()
    # (one that an update has just switched to has not run yet)
    if words[2:] and sys.path[0] == "/" + words[0]:
        put(*words[:2])


def read():
    """The words of /slot (docs/updates.md): slot that runs, slot from before, tries left."""
    return _text("/slot").split() or ["rom"]


def put(*words):
    """Replace /slot, as replace() does."""
    replace("/slot", " ".join(words))


def replace(path, text):
    """Put `text` into the file, after a power cut the old or the new one. Raises OSError."""
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def at_rest(board):
    """The pins of /safe, pulled low by boot.py unless the power was off: contactors, motors, then
    pilots (F), tests of residual current. None high: it may be another board's contactor."""
    pins = [c["contactor"] for c in board.CONNECTORS]
    pins += [c["lock"][end] for c in board.CONNECTORS if "lock" in c for end in ("a", "b")]
    pins += [c["pilot"] for c in board.CONNECTORS]
    tests = [c["residual"] for c in board.CONNECTORS if "test" in c.get("residual", ())]
    pins += [test["test"] for test in tests if test.get("test_level", 1)]
    return " ".join([str(pin) for pin in pins])


def keep(board):
    """Leave them in /safe."""
    pins = at_rest(board)
    try:
        if _text("/safe") != pins:
            replace("/safe", pins)
    except OSError as e:
        print("/safe: %s" % e)


def _button_down():
    board = safe.board()
    try:
        for pins in board.CONNECTORS if board else ():
            if "button" in pins:
                b = pins["button"]
                pin = machine.Pin(b["pin"], machine.Pin.IN, b.get("pull", machine.Pin.PULL_UP))
                down = b.get("pressed", 0)
                if pin() == down:
                    time.sleep_ms(50)  # (it may bounce)
                    if pin() == down:
                        return True
    except Exception as e:  # (of a board that check_board will refuse)
        sys.print_exception(e)
    return False


def _text(path):  # of a small file; "" where it is not there, or damaged
    try:
        with open(path) as f:
            return f.read()
    except (OSError, ValueError):
        return ""


def add(end):
    """Put an exception, or a text, in front of the record. Raises nothing; False if it failed."""
    try:
        text, last = "", end
        if isinstance(end, BaseException):
            sys.print_exception(end)
            f = io.StringIO()
            sys.print_exception(end, f)
            text = f.getvalue()[-500:]  # its end
            last = "%s: %s" % (type(end).__name__, end)
        now, up_s = format_iso(Clock(None).now()), time.ticks_ms() // 1000  # (modulo 12 days)
        last = last.replace("\n", " ")[:100]
        line = "%s; %s, after %d s, reset cause %d\n" % (last, now, up_s, machine.reset_cause())
        print(line, end="")
        replace(_PATH, (line + text + _text(_PATH))[:1000])  # (the oldest crash gives way)
        return True
    except Exception as e:  # no memory, no room on the flash
        sys.print_exception(e)
        return False
