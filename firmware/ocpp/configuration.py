# The OCPP configuration keys: one table: name, type, default, limits, access. Values that were
# changed are kept in one JSON file. Knows nothing of messages.

import json
from micropython import const

_PATH = "/ocpp.json"
MAX_KEYS = const(40)  # in one GetConfiguration request

# name: default, least, most (numbers); a str or bool default has no limits. Read-only keys have
# no entry in _WRITABLE.
_WRITABLE = {
    "AuthorizeRemoteTxRequests": (False,),
    "CompositeScheduleLocalLimits": (False,),  # ours: also cable, temperature, policy ...
    "ConnectionTimeOut": (60, 1, 86400),
    "HeartbeatInterval": (300, 1, 86400),
    "MeterValueSampleInterval": (60, 0, 86400),
    "StopTransactionOnInvalidId": (True,),
    "WebSocketPingInterval": (60, 0, 3600),
}


class Configuration:
    """`value(name)` is what the station goes by."""

    def __init__(self, fixed, log, path=_PATH):
        """`fixed`: the read-only keys of this unit, by name, as strings."""
        self._fixed = fixed
        self._path = path
        self._log = log
        self._stored = {}
        try:
            with open(path) as f:
                stored = json.load(f)
            for name, value in stored.items():
                if self._problem(name, value):
                    log("ocpp.json: %s ignored" % name)
                else:
                    self._stored[name] = value
        except OSError:
            pass  # nothing was changed yet
        except (ValueError, AttributeError):
            log("ocpp.json: damaged, defaults are used")

    def value(self, name):
        """The value as bool, int or str."""
        if name in self._stored:
            return self._stored[name]
        return _WRITABLE[name][0] if name in _WRITABLE else self._fixed[name]

    def _problem(self, name, value):
        entry = _WRITABLE.get(name)
        if entry is None or type(value) is not type(entry[0]):
            return True
        return len(entry) == 3 and not entry[1] <= value <= entry[2]

    def set(self, name, text):
        """Change a key, durably. Returns the status of ChangeConfiguration.conf."""
        if name in self._fixed:
            return "Rejected"
        if name not in _WRITABLE:
            return "NotSupported"
        if isinstance(_WRITABLE[name][0], bool):
            value = {"true": True, "false": False}.get(text.lower())
        else:
            try:
                value = int(text)
            except ValueError:
                value = None
        if self._problem(name, value):
            return "Rejected"
        return "Accepted" if self.put(name, value) else "Rejected"

    def put(self, name, value):
        """Set a key to a value that is known to be good; nothing is written if it had it.

        False where the flash is full: then the old value stays."""
        if self.value(name) == value:
            return True
        stored = dict(self._stored)
        stored[name] = value
        text = json.dumps(stored)
        try:
            with open(self._path, "w") as f:
                f.write(text)
        except OSError as e:
            self._log("ocpp.json not written: %s" % e)
            return False
        self._stored = stored
        return True

    def entries(self, names):
        """(configurationKey list, unknownKey list) of GetConfiguration.conf; no names: all."""
        keys, unknown = [], []
        for name in names or sorted(list(self._fixed) + list(_WRITABLE)):
            if name in self._fixed or name in _WRITABLE:
                value = self.value(name)
                if isinstance(value, bool):
                    value = "true" if value else "false"
                keys.append({"key": name, "readonly": name in self._fixed, "value": str(value)})
            else:
                unknown.append(name)
        return keys, unknown
