"""What main.py runs: builds the unit and runs it, with safe outputs on every way out. Knows how a
run can end; crash.py decides whether there is one, and keeps the record."""

import asyncio
import gc
import machine
import os
import sys

from firmware import lazy, safe

unit = None  # the running App, for tools
last = None  # a line about the crash that this run came after; "" if there was none


def crash(name, *args):
    """Call a function of crash.py, which is in RAM only for as long as that takes."""
    return getattr(lazy.load("crash"), name)(*args)


def run():
    """Run the firmware, if this boot is not for maintenance or safe mode. Resets the chip where
    the run wants it; returns, or raises KeyboardInterrupt, where a person is to have the REPL."""
    global last, unit
    last = crash("before")
    if last is None:
        return
    try:
        machine.freq(240000000)  # (MicroPython's own images start with 160)
    except ValueError:  # a chip that has no more
        pass
    end, again, asked = None, True, ()
    try:
        try:
            # (not above: pick.py makes the outputs safe with what it loads there)
            __import__("firmware.network.wifi", None, None, ("_",)).begin()
            unit, end = lazy.load("app.build").start(last)
            gc.collect()
            if unit:
                asyncio.run(unit.run())
            # config.json has to be mended; or the code that reads it, on trial
            again = len(crash("read")) > 2 and "config.json" in os.listdir("/")
        finally:
            while True:
                try:
                    safe.now()
                    break
                except KeyboardInterrupt:
                    pass  # again and again, it does not keep this from its end
    except KeyboardInterrupt as e:
        crash("stopped", unit, *e.args)
        raise
    except SystemExit as e:
        end = e.args[0] if e.args else "no memory even to say why"
        asked = e.args[1:]
    except Exception as e:
        end = e
    unit = None  # there may be no memory left: that may be why
    asyncio.new_event_loop()
    gc.collect()
    try:
        if again:
            crash("after", end or None, *asked)
        else:
            crash("stopped", None)
    except Exception as e:  # (no memory for that either)
        sys.print_exception(e)
    if again:
        machine.reset()
