# Runs first on every boot: safe outputs before anything is looked for. A reset of the processor
# lets go of no pin, a contactor stays closed over it (docs/hardware.md). Compiled on the board: so
# short, and all else is in pick.py.
import gc
import machine
import sys

gc.threshold(16384)  # a low peak keeps the heap in one piece and leaves the rest to TLS


def rest():
    with open("/safe", "rb") as f:  # what the last start drove (firmware/crash.py)
        for pin in f.read().split():
            try:
                machine.Pin(int(pin), machine.Pin.OUT, value=0)
            except Exception as e:
                sys.print_exception(e)


while machine.reset_cause() != machine.PWRON_RESET:  # (after that nothing drives them)
    try:
        rest()
    except KeyboardInterrupt:
        continue  # again and again, it does not keep this from its end
    except Exception:  # (there is none yet)
        pass
    break
import pick  # noqa: E402, F401

del sys.modules["pick"], pick, rest
