# What main.py runs: the firmware, with outputs that are safe on every way out. Knows how a run can
# end; crash.py decides whether there is one, and keeps the record.

import gc
import machine
import sys
from micropython import const

from firmware import safe

_REPL_ms = const(600000)  # for a person who has stopped the firmware; then the unit starts again

last = None  # a line about the crash that this run came after; "" if there was none


def load(name):
    """A module of firmware/ that stays loaded for as long as the caller holds it."""
    path = "firmware." + name
    module = __import__(path, None, None, ("_",))
    del sys.modules[path]
    delattr(sys.modules["firmware"], name)
    return module


def run():
    """Run the firmware, if this boot is not for maintenance or safe mode. Resets the chip where
    the run wants it; returns, or raises KeyboardInterrupt, where a person is to have the REPL."""
    _before()
    if last is None:
        return
    app = end = None
    again = True
    try:
        try:
            from firmware import app

            app.main()
            # config.json has to be mended; or the code that reads it, on trial
            again = len(load("crash").read()) > 2
        finally:
            while True:
                try:
                    safe.now()
                    break
                except KeyboardInterrupt:
                    pass  # again and again, it does not keep this from its end
    except KeyboardInterrupt:
        _stopped(app)
        raise
    except SystemExit as e:
        end = e.args[0] if e.args else "no memory even to say why"
    except Exception as e:
        end = e
    if app:
        app.unit = None  # there may be no memory left: that may be why
        app.asyncio.new_event_loop()
    gc.collect()
    try:
        load("crash").after(end or None)
    except Exception as e:  # (no memory for that either)
        sys.print_exception(e)
    if again:
        machine.reset()


def _before():
    # (A function of its own: what it had in its hands is not found by the garbage collector.)
    global last
    last = load("crash").before()


def clear():
    """The run is good; see crash.py."""
    load("crash").clear()


def _stopped(app):
    # By Ctrl-C. The watchdog cannot be stopped, only be made slower.
    machine.RTC().memory(b"0")
    if app and app.unit:
        machine.WDT(timeout=_REPL_ms)
        print("Stopped, contactors are open. In ten minutes the unit starts by itself.")
