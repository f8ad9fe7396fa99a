# Which connectors the Central System has taken out of service (ChangeAvailability), over every
# reboot. A file of a few bytes: LittleFS keeps it inline.

import json


class Availability:
    """`out`: the numbers that are out of service; 0 is the charge point as a whole."""

    def __init__(self, path, log):
        self._path = path
        self._log = log
        self.out = []
        try:
            with open(path) as f:
                self.out = [int(number) for number in json.load(f)]
        except OSError:
            pass  # nothing was ever changed
        except (ValueError, TypeError) as e:
            log("%s: %r: all are in service" % (path, e))

    def set(self, numbers, operative):
        """Put `numbers` into service, or out of it; False: the flash refused, nothing changed."""
        out = [n for n in self.out if n not in numbers]
        if not operative:
            out += numbers
        if sorted(out) == sorted(self.out):
            return True
        try:
            with open(self._path, "w") as f:
                f.write(json.dumps(out))
        except OSError as e:
            self._log("%s: %s" % (self._path, e))
            return False
        self.out = out
        return True
