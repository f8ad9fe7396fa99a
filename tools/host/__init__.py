"""The tools that run on the PC."""

import sys


def _end(kind, value, trace, before=sys.excepthook):
    # Ctrl-C while a tool is still being loaded; later it says more (port.front).
    if issubclass(kind, KeyboardInterrupt):
        print("\nstopped by Ctrl-C; nothing was done", file=sys.stderr)
    else:
        before(kind, value, trace)


sys.excepthook = _end
