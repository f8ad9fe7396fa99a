"""The settings that the Central System can change; those that were changed are kept in one JSON
file. Which there are says keys.py of the last package in versions.py, loaded when needed."""

import json
from binascii import unhexlify
from micropython import const

from firmware import lazy

_PATH = const("/ocpp.json")
_SETTING = const(1)  # in a line of keys.py
_TYPE = const(3)


class Configuration:
    """`value(setting)` is what the station goes by. fixed: what this unit says itself, by setting;
    gives: bits of the measurands that have a source (metering.gives); stored: the changed values
    by setting: bool, int, str (the file has the keys' names); only read it; config: this unit's
    Config; slot: where the Central System was dialled last (addresses.py), or 0; refused, failed:
    what the next dial goes by besides (security.py): bit 0 of refused: the password before has its
    turn, bit 1: the root before has it."""

    def __init__(self, fixed, log, gives=0xFFF, path=_PATH):
        # `_values`: of the keys that the station goes by, one text; a dict would be twice as much.
        self.fixed = fixed
        self.gives = gives
        self._path = path
        self.log = log
        self.stored = {}
        self.config = None
        self.slot = self.refused = self.failed = 0
        keys = self.keys()
        try:
            with open(path) as f:
                for name, value in json.load(f).items():
                    # "-": what security.py keeps until a new one has worked
                    old = name[:1] == "-"
                    line = keys.find(name[old:], self)
                    kind = line and line[_TYPE]
                    if old and line and kind not in "hl":
                        line = None
                    setting = line and "-" * old + line[_SETTING]
                    self.stored[setting] = value
                    good = keys.check(line, keys.text(line, self, setting), self) if line else None
                    if line and old and value == "":
                        good = value  # (the password of config.json)
                    # (a number or a flag must be one, not a text that says so; config.json may say
                    # more than an "l" that was stored)
                    wrong = None in (good, value) or kind == "l" and good != value
                    if wrong or isinstance(value, str) != (kind in "mphtodqn"):
                        log("ocpp.json: %s ignored" % name)
                        del self.stored[setting]
        except OSError:
            pass  # nothing was changed yet
        except (ValueError, AttributeError):
            log("ocpp.json: damaged, defaults are used")
        self._values = keys.values(self)

    def value(self, setting):
        """The value as bool, int or text; of a list of measurands its bits (metering.py), of words
        their bits in the order of the table, of a decimal its tenths."""
        at = self._values.find("\n" + setting + " ")
        if at < 0:
            raise KeyError(setting)
        at += len(setting) + 2
        text = self._values[at : self._values.find("\n", at)]
        if text[:1] == '"':
            return text[1:]
        return int(text) if text < "A" else text == "True"

    def password(self):
        """The password for the next dial, as bytes; None: that of config.json."""
        key = self.stored.get("-password" if self.refused & 1 else "password")
        if key and key[:1] == ":":
            return key[1:].encode()
        return unhexlify(key) if key else None

    def keys(self):
        """keys.py, the part of this that is in RAM only for as long as the caller holds it."""
        return lazy.load(lazy.load("ocpp.versions").PACKAGES[-1][1] + ".keys")

    def text(self, setting):
        """The value as text, as people and /ocpp.json have it; "": there is none."""
        keys = self.keys()
        return keys.text(keys.named(setting, self), self)

    def key(self, setting):
        """The name by which the file, and people, know a setting."""
        return self.keys().key(setting, self)

    def put(self, setting, value):
        """Change a setting to a value that is known to be good; nothing is written if it had it.
        False where the flash is full: then the old value stays."""
        had = self.stored.get(setting) if isinstance(value, str) else self.value(setting)
        if had == value:
            return True
        stored = dict(self.stored)
        stored[setting] = value
        return self.write(stored)

    def write(self, stored):
        """Put other values into force, durably; False where the flash is full."""
        if stored == self.stored:
            return True
        keys = self.keys()
        try:
            with open(self._path, "w") as f:
                f.write(json.dumps({keys.key(name, self): stored[name] for name in stored}))
        except OSError as e:
            self.log("ocpp.json not written: %s" % e)
            return False
        self.stored = stored
        self._values = keys.values(self)
        return True
