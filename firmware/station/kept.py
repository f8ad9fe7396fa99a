"""A few numbers that outlive every reboot: which connectors are out of service, where a car is
that has charged (negative: plug_tag of station.py), which faults wait for a person. A file under
128 bytes: LittleFS keeps it inline."""

import json


class Kept:
    """`numbers`: those that are set."""

    def __init__(self, path, log):
        self._path = path
        self._log = log
        self.numbers = []
        try:
            with open(path) as f:
                self.numbers = list(map(int, json.load(f)))
        except OSError:
            pass  # none was ever set
        except (ValueError, TypeError) as e:
            log("%s: %r: nothing is set" % (path, e))

    def set(self, numbers, on):
        """Set `numbers`, or clear them; False: the flash refused, nothing changed."""
        kept = [n for n in self.numbers if n not in numbers]
        if on:
            kept += numbers
        if sorted(kept) == sorted(self.numbers):
            return True
        try:
            with open(self._path, "w") as f:
                f.write(json.dumps(kept))
        except OSError as e:
            self._log("%s: %s" % (self._path, e))
            return False
        self.numbers = kept
        return True
