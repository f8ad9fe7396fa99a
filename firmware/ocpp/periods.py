"""A long charging profile without its objects: 96 periods as dicts are 7 KB of heap, as text they
are in the receive buffer anyway. Knows JSON and one field's name; must not know what it means."""

import json
from micropython import const

_LONG = const(1024)  # frames below are parsed whole; the profile's other fields fit into it
_PIECE = const(256)  # looked at at once: so much is free in one piece also beside a long profile
_ITEM = const(160)  # a longer item is no period
_FIELD = const(b'"chargingSchedulePeriod"')
_SPACE = const(b" \t\r\n")


class Periods:
    """A JSON array of flat objects as a sequence; an item is parsed when it is looked at. Valid
    as long as the text is: until the next message is received."""

    def __init__(self, text, at):
        """`text` from `at`, the first item's brace. Raises ValueError unless all items are flat
        objects; `end` is where the closing bracket stands."""
        self._text = text
        self._first = self._at = at  # of the item that comes next
        self._i = self._n = 0
        while True:
            item = bytes(text[self._at : self._past()])
            # (json.loads makes up for a value that is missing with what follows the item)
            if json.loads(b"[" + item + b",{0:1}]")[1:] != [{0: 1}]:
                raise ValueError
            self._n += 1
            self.end = _skip(text, self._past())  # the comma or bracket behind the item
            if text[self.end] != 0x2C:  # ","
                break
            self._at = _skip(text, self.end + 1)
        if text[self.end] != 0x5D:  # "]"
            raise ValueError
        self._at = at

    def _past(self):
        # Where the item at hand ends.
        if self._text[self._at] != 0x7B:  # "{"
            raise ValueError
        n = bytes(self._text[self._at : self._at + _ITEM]).find(b"}") + 1
        if not n:
            raise ValueError
        return self._at + n

    def __len__(self):
        return self._n

    def __getitem__(self, i):
        if not 0 <= i < self._n:
            raise IndexError("no such period")
        if i < self._i:
            self._i, self._at = 0, self._first
        while self._i < i:
            self._at = _skip(self._text, _skip(self._text, self._past()) + 1)
            self._i += 1
        return json.loads(self._text[self._at : self._past()])


def _skip(text, at):
    while text[at] in _SPACE:
        at += 1
    return at


def loads(text):
    """json.loads(text), but an escaped pair is the one character that it stands for, and of a long
    charging profile the periods are Periods."""
    for at in range(0, len(text), _PIECE):
        piece = bytes(text[at : at + _PIECE + 2])
        if b"\\ud" in piece or b"\\uD" in piece:
            text = _join(bytes(text))
            break
    if len(text) > _LONG:
        try:
            return _cut(text)
        except (ValueError, KeyError, TypeError, IndexError):
            pass  # not that simple, or not right: the whole of it decides
    return json.loads(text)


def _join(text):
    # MicroPython's json makes two lone surrogates of \ud83d\udd0c, and nothing could be sent back
    # that has them. So the character stands there itself. (Not by chr(), which keeps it for ever.)
    out = bytearray()
    done = 0
    at = text.find(b"\\")
    while at >= 0:
        size = 2  # of the escape: a backslash that is meant is none again
        if text[at + 1 : at + 2] == b"u" and text[at + 6 : at + 8] == b"\\u":
            try:
                high = int(text[at + 2 : at + 6], 16) - 0xD800
                low = int(text[at + 8 : at + 12], 16) - 0xDC00
            except ValueError:
                low = -1
            if 0 <= low < 1024 and 0 <= high < 1024:
                c = 0x10000 + (high << 10 | low)
                out += text[done:at]
                out += bytes((0xF0 | c >> 18, 128 | c >> 12 & 63, 128 | c >> 6 & 63, 128 | c & 63))
                size = 12
                done = at + 12
        at = text.find(b"\\", at + size)
    out += text[done:]
    return out


def _cut(text):
    # Parse what stands around the array, with an empty one in its place.
    for end in range(_PIECE, _LONG + 1, _PIECE):
        head = bytes(text[:end])
        name = head.find(_FIELD)
        at = head.find(b"[", name) + 1
        if name >= 0 and at:
            break
    if name < 0 or not at or head[name + len(_FIELD) : at - 1].strip() != b":":
        raise ValueError
    periods = Periods(text, _skip(text, at))
    tail = bytes(text[periods.end :])
    # (one field of that name, and none in disguise)
    if len(tail) > _LONG or _FIELD in tail or b"\\" in head[:name] or b"\\" in tail:
        raise ValueError
    frame = json.loads(head[:at] + tail)
    payload = frame[3]
    name = "csChargingProfiles" if "csChargingProfiles" in payload else "chargingProfile"
    schedule = payload[name]["chargingSchedule"]
    if schedule["chargingSchedulePeriod"] != []:
        raise ValueError
    schedule["chargingSchedulePeriod"] = periods
    return frame
