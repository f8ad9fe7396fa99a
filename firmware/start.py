# What main.py runs: the firmware, with outputs that are safe on every way out. Knows how a run can
# end; crash.py decides whether there is one, and keeps the record.

import gc
import machine
import os
import sys

from firmware import safe

last = None  # a line about the crash that this run came after; "" if there was none


def crash(name, *args):
    """Call a function of crash.py, which is in RAM only for as long as that takes."""
    path = "firmware.crash"
    module = __import__(path, None, None, ("_",))
    del sys.modules[path], sys.modules["firmware"].crash
    return getattr(module, name)(*args)


def run():
    """Run the firmware, if this boot is not for maintenance or safe mode. Resets the chip where
    the run wants it; returns, or raises KeyboardInterrupt, where a person is to have the REPL."""
    global last
    last = crash("before")
    if last is None:
        return
    app = end = None
    again = True
    try:
        try:
            from firmware import app

            end = app.main()
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
        crash("stopped", app, *e.args)
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
        if again:
            crash("after", end or None)
        else:
            crash("stopped", None)
    except Exception as e:  # (no memory for that either)
        sys.print_exception(e)
    if again:
        machine.reset()
