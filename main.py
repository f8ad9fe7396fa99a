# Runs the firmware and leaves the outputs safe on every way out.
import machine
import sys

from firmware import safe

restart = False
try:
    from firmware import app

    app.main()
except SystemExit:
    restart = True
except Exception as e:
    sys.print_exception(e)
    restart = True
finally:  # Ctrl-C comes this way too, on its way to the REPL
    safe.now()
if restart:
    machine.reset()
