"""The monitors that the Central System has set on variables (N04), kept over reboots in one file;
and what they see (N07, N08). In RAM only while there are some."""

import asyncio
import json
import os
from binascii import crc32
from micropython import const

from firmware import lazy

_FILE = const("/monitors")  # in the station's folder
_KEPT_ms = const(60000)  # between two writes of which thresholds are exceeded
_STEP = const(4)  # monitors of one step of the loop
_DAY_s = const(86400)

# Types of a monitor, and what triggers an event (alerts.py).
_UPPER = const(0)
_LOWER = const(1)
_DELTA = const(2)
_PERIODIC = const(3)
_ALIGNED = const(4)
_TRIGGERS = const(b"\0\0\1\2\2")

_facts = lazy.load("ocpp.v201.facts")


class Monitor:
    """A Monitor; the first eight are kept.

    | id       | given by the station, above 0 |
    | name     | "component variable[/instance]", as in device_model.py |
    | number   | of its EVSE; 0: of the station |
    | type     | 0 UpperThreshold 1 LowerThreshold 2 Delta 3 Periodic 4 PeriodicClockAligned |
    | severity | 0 to 9 |
    | limit    | threshold, delta, or interval in s |
    | in_tx    | it watches in transactions only |
    | on       | the threshold is exceeded, and that was told |
    | kind, source | of the Row: what it is, and what stands behind it |
    | seen     | of a delta: what was told last, or was so when it was set |
    | left     | of an interval: ms that are left; or the latest instant that is past, or None |"""

    def __init__(self, kept, row):
        self.id, self.name, self.number, self.type, self.severity = kept[:5]
        self.limit, self.in_tx, self.on = kept[5:]
        self.kind, self.source = row.kind, row.value
        self.seen = None
        self.left = self.limit * 1000 if self.type == _PERIODIC else None

    def kept(self):
        """What the file has of it."""
        fixed = [self.id, self.name, self.number, self.type, self.severity]
        return fixed + [self.limit, self.in_tx, self.on]


class Monitors:
    """`list` is that of all; of the Alerts that they tell."""

    MOST = 16

    def __init__(self, told):
        self._told = told
        self._path = told.station.auth + _FILE
        self.list = []
        self._unsaved = False  # an `on` has changed
        self._since_ms = _KEPT_ms  # the latest write for that
        kept = self._read()
        if kept:
            model = lazy.load("ocpp.v201.device_model").Model(told)
            for one in kept:
                row = model.named(one[1], one[2])
                if row and one[3] in self.types(row):
                    self.list.append(self.made(one, row))
        if len(self.list) < len(kept):  # (other firmware, or parts, than when they were set)
            told.log("%d monitors are of what is not there" % (len(kept) - len(self.list)))

    def _read(self):
        try:
            with open(self._path) as f:
                crc, text = f.read(8), f.read()
            if crc and int(crc, 16) != crc32(text.encode()):
                raise ValueError("check sum")
            return json.loads(text) if crc else []  # (it was being made)
        except OSError:
            return []
        except ValueError as e:
            self._told.log("monitors are lost: %s" % e)
            return []

    def types(self, row):
        """The types that the variable of a device_model.Row can have: none where it never changes,
        or nobody looks at it."""
        if row.value[0] == "!" or row.value == "@":
            return ()
        thresholds = (_UPPER, _LOWER) if row.kind in "id" else ()
        return thresholds + (_DELTA, _PERIODIC, _ALIGNED)

    def made(self, kept, row):
        """A Monitor, which watches from now on."""
        m = Monitor(kept, row)
        if m.type == _DELTA:
            m.seen = self._value(m)
        return m

    def put(self, monitors):
        """These are all of them, durably. False: the flash refused, nothing changed."""
        try:
            if monitors:
                text = json.dumps([m.kept() for m in monitors])
                try:
                    os.mkdir(self._told.station.auth)
                except OSError:
                    pass  # (it is there)
                with open(self._path, "w") as f:
                    f.write("%08x%s" % (crc32(text.encode()), text))
            elif self.list:
                os.remove(self._path)
        except OSError as e:
            self._told.log("monitors not written: %s" % e)
            return False
        self.list = monitors
        self._unsaved = False
        return True

    async def poll(self, passed_ms):
        """Look at each; once a second."""
        for i, m in enumerate(self.list):
            self._look(m, passed_ms)
            if i % _STEP == _STEP - 1:
                await asyncio.sleep_ms(0)
        self._since_ms += passed_ms
        if self._unsaved and self._since_ms >= _KEPT_ms:
            self._since_ms = 0
            self.put(self.list)

    def _look(self, m, passed_ms):
        station = self._told.station
        now_s = station.clock.now()
        due = m.type > _DELTA and self._due(m, now_s, passed_ms)
        if not self._told.wanted(m.severity):
            return
        if m.in_tx and not [c for c in station.connectors if c.tx and m.number in (0, c.number)]:
            m.seen, self._unsaved = None, self._unsaved or m.on
            m.on = False
            return
        value = self._value(m)
        if m.type == _DELTA and value != "":  # ("": nobody knows it just now)
            due = m.seen not in (None, "") and _differs(m, value)
            if due or m.seen in (None, ""):
                m.seen = value
        elif m.type < _DELTA and value != "":
            value = float(value)
            over = value > m.limit if m.type == _UPPER else value < m.limit
            if over != m.on:
                m.on = over
                self._unsaved = due = True
        if due:
            cleared = m.type < _DELTA and not m.on
            said = m.severity, now_s, _TRIGGERS[m.type], self._text(m), m.name, m.number
            self._told.add(*said, m.id, None, cleared)

    def _due(self, m, now_s, passed_ms):
        if m.type == _PERIODIC:
            m.left -= passed_ms
            if m.left > 0:
                return False
            m.left = max(m.left + m.limit * 1000, 0)
            return True
        if not self._told.station.clock.known():
            return False
        before, m.left = m.left, now_s - now_s % _DAY_s % int(m.limit)
        return before is not None and before < m.left

    def _value(self, m):
        # As it can be compared; "": not known.
        settings = self._told.settings
        if m.source[0] == "@":
            return _facts.now(self._told, m.name, m.number)
        try:
            value = settings.value(m.source[1:])
        except KeyError:  # (a text that the station does not go by)
            return settings.stored.get(m.source[1:], "-")
        return value / 10 if m.kind == "d" else value

    def _text(self, m):
        if m.source[0] == "@":
            return _facts.text(self._value(m))
        model = lazy.load("ocpp.v201.device_model").Model(self._told)
        row = model.named(m.name, m.number)
        return "" if model.mutability(row) == "WriteOnly" else model.text(row)  # (N07.FR.10)


def _differs(m, value):  # N07.FR.18, N07.FR.19
    if m.kind not in "id":
        return value != m.seen
    by = abs(float(value) - float(m.seen))
    return by > 0 and by >= m.limit
