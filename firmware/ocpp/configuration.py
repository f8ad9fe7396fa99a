"""The OCPP configuration keys and their values; those that were changed are kept in one JSON file.
What keys there are says keys.py, which is in RAM only while it is needed."""

import json
from binascii import unhexlify
from micropython import const

from firmware import lazy

_PATH = const("/ocpp.json")
MAX_KEYS = const(50)  # in one GetConfiguration request
_ACCESS = const(3)  # in a line of keys.py
_TYPE = const(4)


class Configuration:
    """`value(setting)` is what the station goes by; keys.py maps the names. fixed: what this unit
    says itself, by key; gives: bits of the measurands that have a source (metering.gives); stored:
    the changed values by key, as in the file: bool, int, str; only read it; config: this unit's
    Config; refused, failed: what the next dial goes by besides (security.py)."""

    def __init__(self, fixed, log, gives=0xFFF, path=_PATH):
        # `_values`: of the keys that the station goes by, one text; a dict would be twice as much.
        self.fixed = fixed
        self.gives = gives
        self._path = path
        self._log = log
        self.stored = {}
        self.config = None
        self.refused = False
        self.failed = 0
        keys = _keys()
        try:
            with open(path) as f:
                stored = json.load(f)
            for name, value in stored.items():
                # "-": what security.py keeps until a new one has worked
                old = name[:1] == "-"
                line = keys.find(name[old:], self)
                if old and line and line[_TYPE] not in "hl":
                    line = None
                self.stored[name] = value
                good = keys.check(line, keys.text(line, self, name), self) if line else None
                if line and old and value == "":
                    good = value  # (the password of config.json)
                # (a number or a flag must be one, not a text that says so; config.json may say
                # more than an "l" that was stored)
                if (
                    None in (good, value)
                    or isinstance(value, str) != (line[_TYPE] in "mph")
                    or line[_TYPE] == "l"
                    and good != value
                ):
                    log("ocpp.json: %s ignored" % name)
                    del self.stored[name]
        except OSError:
            pass  # nothing was changed yet
        except (ValueError, AttributeError):
            log("ocpp.json: damaged, defaults are used")
        self._values = keys.values(self)

    def value(self, setting):
        """The value as bool or int; of a list of measurands its bits (metering.py)."""
        at = self._values.find("\n" + setting + " ")
        if at < 0:
            raise KeyError(setting)
        at += len(setting) + 2
        text = self._values[at : self._values.find("\n", at)]
        return int(text) if text < "A" else text == "True"

    def password(self):
        """The AuthorizationKey for the next dial, as bytes; None: that of config.json."""
        key = self.stored.get("-AuthorizationKey" if self.refused else "AuthorizationKey")
        return unhexlify(key) if key else None

    def set(self, name, text):
        """Change a key, durably. Returns the status of ChangeConfiguration.conf."""
        keys = _keys()
        line = keys.find(name, self)
        if not line:
            return "NotSupported"
        text = keys.known(line, text, self)
        value = keys.check(line, text, self)
        if value is None:
            return "Rejected"
        if line[_TYPE] in "hl":
            done = lazy.load("ocpp.security").change(self, name, value, self._log)
        else:
            stored = dict(self.stored)
            stored[name] = text if line[_TYPE] in "mp" else value
            same = keys.text(line, self) == keys.text(line, self, None, stored)
            done = same or self.write(stored)
        if not done:
            return "Rejected"
        return "RebootRequired" if line[_ACCESS] == "rb" else "Accepted"

    def put(self, setting, value):
        """Change a setting to a value that is known to be good; nothing is written if it had it.
        False where the flash is full: then the old value stays."""
        if self.value(setting) == value:
            return True
        stored = dict(self.stored)
        stored[_keys().key(setting, self)] = value
        return self.write(stored)

    def write(self, stored):
        """Put other values into force, durably; False where the flash is full."""
        if stored == self.stored:
            return True
        try:
            with open(self._path, "w") as f:
                f.write(json.dumps(stored))
        except OSError as e:
            self._log("ocpp.json not written: %s" % e)
            return False
        self.stored = stored
        self._values = _keys().values(self)
        return True

    def pieces(self, names, printable):
        """A function that gives GetConfiguration.conf as pieces of JSON; no names: all."""
        keys = _keys()
        names = names or [line[0] for line in keys.lines(self)]
        stored = self.stored  # (as it is now, whatever is changed while the answer leaves)
        return lambda: keys.pieces(self, names, printable, stored)


def _keys():
    return lazy.load("ocpp.keys")
