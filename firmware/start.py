# Decides at boot whether the firmware runs, leaves the outputs safe on every way out, and notes
# how the run ended. RTC memory, which every reset but a power cut leaves alone, holds one of
#   maintain   the next boot is for maintenance (docs/updates.md)
#   run N      the firmware runs; the N runs before have crashed
#   N          it does not run; the last N runs have crashed

import machine
import sys
import time
from micropython import const

from firmware import safe

_RECORD = "/crash"
_SIZE = const(1000)  # of the record; the oldest crash gives way
_TRACE = const(500)  # of one traceback: its end
_CRASHES = const(3)  # in a row, then safe mode
_REPL_ms = const(600000)  # for a person who has stopped the firmware; then the unit starts again

last = None  # one line about the crash that this run came after


def run():
    """Run the firmware, if this boot is not for maintenance or safe mode. Resets the chip where
    the run wants it; returns, or raises KeyboardInterrupt, where a person is to have the REPL."""
    global last
    memory = machine.RTC().memory
    words = memory().split()
    cause = machine.reset_cause()
    if words == [b"maintain"]:
        if cause == machine.SOFT_RESET:
            machine.reset()  # (a soft reset leaves the watchdog running)
        memory(b"")
        print("Maintenance: the firmware does not run, contactors are open, no watchdog.")
        print("It starts at the next reset.")
        return
    crashes = int(words[-1]) if words and words[-1].isdigit() else 0
    if words[:1] == [b"run"]:  # nobody was left to note how it ended
        if cause == machine.WDT_RESET:
            _note("reset by the watchdog: the tick did not come")
            crashes += 1
        elif cause == machine.HARD_RESET:
            _note("the chip has reset itself")
            crashes += 1
        else:  # (the ESP32 calls a brown-out a power-on; so is its reset button)
            _note("the supply dipped, or the reset button was pressed")
    why = None
    if _held():
        why = "the button is held"
    elif crashes >= _CRASHES:
        why = "%d crashes in a row, see below" % crashes
    if why:
        memory(b"")
        print("SAFE MODE: %s. The firmware does not run, contactors are open." % why)
        print("It starts again at the next reset, by machine.reset() or the power.")
        print(_read())
        return
    if crashes or last:
        last = _read().split("\n")[0]
    memory(b"run %d" % crashes)
    end = None  # what it came to
    again = True
    app = None
    try:
        try:
            from firmware import app

            app.main()
            again = _on_trial()  # config.json has to be mended, or the code that reads it
        finally:
            _safe()
    except KeyboardInterrupt:
        memory(b"0")
        if app and app.unit and app.unit._watchdog:
            # It cannot be stopped, only be made slower.
            machine.WDT(timeout=_REPL_ms)
            print("Stopped, contactors are open. In ten minutes the unit starts by itself.")
        raise
    except SystemExit as e:
        end = e.args[0] if e.args else "no memory even to say why"
        if end == 0:
            end = None
    except Exception as e:
        end = e
    if end is not None:
        crashes += 1
        memory(b"%d" % crashes)
        _note(end)
    else:
        memory(b"0")
    if again:
        machine.reset()


def good():
    """The run has reached the Central System, or has lasted: what came before is forgiven, and a
    slot on trial is taken."""
    machine.RTC().memory(b"run 0")
    from firmware import slots

    slots.confirm()
    del sys.modules["firmware.slots"], sys.modules["firmware"].slots


def _safe():
    # Ctrl-C, again and again, does not keep it from its end.
    while True:
        try:
            return safe.now()
        except KeyboardInterrupt:
            pass


def _on_trial():
    from firmware import slots

    return len(slots.read()) > 2


def _held():
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


def _read():
    try:
        with open(_RECORD) as f:
            return f.read()
    except OSError:
        return ""


def _note(end):
    # `end`: an exception, or words. The newest crash stands first.
    global last
    try:
        import gc
        import io
        import os

        gc.collect()  # (there may be no memory left: that may be why)
        from firmware.clock import Clock, format_iso

        text = ""
        last = end
        if isinstance(end, BaseException):
            sys.print_exception(end)
            f = io.StringIO()
            sys.print_exception(end, f)
            text = f.getvalue()[-_TRACE:]
            last = "%s: %s" % (type(end).__name__, end)
        line = "%s after %d s, reset cause %d: %s\n" % (
            format_iso(Clock(None).now()),
            time.ticks_ms() // 1000,
            machine.reset_cause(),
            last,
        )
        print(line, end="")
        path = _RECORD + ".new"
        with open(path, "w") as f:
            f.write((line + text + _read())[:_SIZE])
        os.rename(path, _RECORD)
    except Exception as e:
        sys.print_exception(e)
