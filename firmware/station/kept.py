"""What of the station outlives every reboot beside its transactions (class Kept). The file stays
under 128 bytes: LittleFS keeps it inline."""

import json
from micropython import const

_VERSION = const(1)
_LEAST_mA = const(6000)
_WHOLE = const(-1)


class Kept:
    """Lists; put() and set() change them, durably.

    | out       | numbers of the connectors that are out of service; 0: the charge point, with all
      of them; -1: it alone, so that they are as they were when it is back |
    | charged   | numbers of the connectors with a car that has charged: the plug-and-charge token
      has had its turn |
    | latched   | [connector, fault] of faults that a person has to clear |
    | held      | by connector what the profiles allowed last, in mA; None: they did not; with
      hold_limit a cap until the time is known again |"""

    def __init__(self, path, connectors, log):
        self._path, self._connectors, self._log = path, connectors, log
        self.out, self.charged, self.latched = [], [], []
        self.held = [None] * len(connectors)
        try:
            with open(path) as f:
                kept = json.load(f)
            if kept["version"] != _VERSION:
                raise ValueError(kept["version"])
            out, charged = list(map(int, kept["out"])), list(map(int, kept["charged"]))
            latched = [[int(number), int(fault)] for number, fault in kept["latched"]]
            held = [x if x is None else int(x) for x in kept["held"]]
            self.out, self.charged, self.latched = out, charged, latched
            self.held = held + self.held[len(held) :]  # (as many as there were connectors then)
        except OSError:
            pass  # none was ever set
        except (KeyError, TypeError, ValueError) as e:
            log("%s: %r: nothing is set, and 6 A are held" % (path, e))
            self.held = [_LEAST_mA] * len(connectors)

    def set(self, key, values, on):
        """Add `values` to the list that is attribute `key`, or take them out of it. As put()."""
        before = getattr(self, key)
        if all([(x in before) is on for x in values]):
            return True
        return self.put(key, [x for x in before if x not in values] + (values if on else []))

    def put(self, key, values):
        """Attribute `key` is the list `values`. False: the flash refused, nothing changed."""
        before = getattr(self, key)
        if values == before:
            return True
        setattr(self, key, values)
        kept = {"version": _VERSION, "out": self.out, "charged": self.charged}
        kept.update(latched=self.latched, held=self.held)
        try:
            with open(self._path, "w") as f:
                f.write(json.dumps(kept, separators=(",", ":")))
        except OSError as e:
            self._log("%s: %s" % (self._path, e))
            setattr(self, key, before)
            return False
        return True

    def put_in_service(self):
        """Every connector is in service or not, as it was set to be."""
        for c in self._connectors:
            c.operative = c.number not in self.out and _WHOLE not in self.out

    def in_service(self):
        """False: all of the charge point is out of service, and no transaction has yet to end."""
        whole = 0 in self.out or _WHOLE in self.out
        return not whole or any([c.tx and not c.operative for c in self._connectors])

    def clear_faults(self, c):
        """A person clears the faults of connector `c`; True if that was possible (Controller)."""
        done = c.controller.reset()
        if done:
            self.set("latched", [x for x in self.latched if x[0] == c.number], False)
        return done
