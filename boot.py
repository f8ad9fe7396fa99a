# Runs first on every boot: outputs safe before anything else can fail. Must not raise: MicroPython
# would skip main.py.
import gc
import sys

gc.threshold(8192)  # a low peak keeps the heap in one piece and leaves the rest to TLS
try:
    from firmware import safe

    safe.now()
except Exception as e:
    sys.print_exception(e)
