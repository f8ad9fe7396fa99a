"""What the profiles allowed when the power failed: a cap until the time is known again, for those
who would rather charge too little than by a schedule that cannot be placed (config.json:
hold_limit). The file stays under 128 bytes: LittleFS keeps that inline, almost without wear."""

import json
from micropython import const

_LEAST_mA = const(6000)


class Held:
    """`mA`: by connector, what the profiles allowed last; None: they did not limit."""

    def __init__(self, path, connectors, log):
        self._path = path
        self._log = log
        self._changed = False
        self.mA = [None] * connectors
        try:
            with open(path) as f:
                kept = json.load(f)
            # (as many as there were connectors then)
            self.mA = [x if x is None else int(x) for x in kept] + self.mA[len(kept) :]
        except OSError:
            pass  # nothing was in force yet
        except (ValueError, TypeError) as e:
            log("%s: %r: 6 A are held" % (path, e))
            self.mA = [_LEAST_mA] * connectors

    def keep(self, number, limit_mA):
        """Connector `number` has this limit now; durable with the next write()."""
        if self.mA[number - 1] != limit_mA:
            self.mA[number - 1] = limit_mA
            self._changed = True

    def write(self):
        """What keep() was told is on flash, if the flash lets it."""
        if self._changed:
            self._changed = False
            try:
                with open(self._path, "w") as f:
                    f.write(json.dumps(self.mA))
            except OSError as e:
                self._log("%s: %s" % (self._path, e))
