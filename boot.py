# Runs first on every boot: safe outputs before anything is looked for. A reset of the processor
# lets go of no pin, a contactor stays closed over it (docs/hardware.md). Compiled on the board: so
# short, and all else is in pick.py.
import gc
import machine
import sys

gc.threshold(8192)  # a low peak keeps the heap in one piece and leaves the rest to TLS
if machine.reset_cause() != machine.PWRON_RESET:  # (after that nothing drives them)
    try:
        with open("/safe") as f:  # from the last start (firmware/app/build.py): pin, then level
            text = f.read()
    except OSError:
        text = ""
    for pin in text.split():
        try:
            machine.Pin(int(pin[:-1]), machine.Pin.OUT, value=int(pin[-1]))
        except Exception as e:
            sys.print_exception(e)
import pick  # noqa: E402, F401

del sys.modules["pick"], pick
