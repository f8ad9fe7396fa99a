"""One charging transaction and the small file that remembers it (docs/storage.md) until the
Central System has answered its stop. Knows seconds, Wh and a folder, no messages, no hardware."""

import errno
import os
from binascii import crc32, hexlify
from micropython import const

from .rows import SMALL, pack, unpack

_LAYOUT = const(6)  # the first byte of a file
_BEHIND = const(18)  # it, 16 bytes of the uuid, and the length of the first row lie before that
BY_UUID = const(-2)  # an id: it is known by its uuid
STARTED = const(5)  # context of the sample that a start tells (station/metering.py)
_SEED = const(2)  # of the check byte of samples
_RISE_Wh_s = const(20)  # at most, of a meter
_FIRST = "connector kind token group id denied offset_Wh fault cause start_s start_Wh began seq"
# Behind them, as far as one says something: what firmware of before did not know.
_MORE = "reservation request stop_kind offline told over by flow_s away target_Wh until_s needs"
# Each as the difference from another, which is most often small, or the same.
_SECOND = "origin_s stop_s seen_Wh stop_Wh ended stop_token"
_OTHERS = "start_s start_s start_Wh start_Wh began token"


class Transaction:
    """One charging transaction: durable with Folder.write().

    | number      | our own number, rising; names the file |
    | uuid        | its name for all others: 36 characters, from the start |
    | connector   | 1..N |
    | token, kind | who charges: a text of 1 to 36 characters, and what kind of token it is; below
      0: nobody yet |
    | group       | of the token, as far as it was ever told, or None |
    | id          | what the Central System calls it, None until that is known |
    | start_s, start_Wh | when it began, and the meter then |
    | origin_s    | the same instant on the clock as it is now: where Relative schedules begin |
    | denied      | the Central System does not accept its token: refused_Wh, no more |
    | seen_Wh     | what the meter showed at the latest sample |
    | offset_Wh   | to be added to its register: another one than at the start |
    | data        | samples (metering.py) that its end tells, in a file of their own |
    | stop_s, stop_Wh, cause, stop_token | of its end (states.py has the causes); stop_s None while
      it runs |
    | over        | the cause (states.py) that has ended what its token may do, where the
      transaction has gone on after it; or None |
    | by          | what made it begin (journal.py) |
    | flow_s      | for so long energy has flowed |
    | away        | 1: there was no car at its end |
    | fault       | what ended it (electrical/faults.py), where that was one |
    | target_Wh, until_s | what the meter shows when its car has got what it needs, and when that
      leaves; 0: nobody has said it |
    | needs       | 0, or what of that is still to be told, what was answered (station/needs.py) |
    | seq         | how many messages there were of it so far: the number of the next one; 0: it is
      held back |
    | reservation | the id of the one by which it began, or None |
    | request     | the number of the request by which it began, or None |
    | stop_kind   | of stop_token |
    | offline     | bit 0: nobody could be told of its start at once, 1: of its stop |
    | cost        | what it costs so far, as far as that was ever told, or None; not on flash |
    | told        | by its uuid: 1 + `seq` of its first event that was told so; 0: none yet; below
      0: it is told by its id now, and so many of its events were told by the uuid before |
    | began, ended | the places of its start (None: given up) and stop in the journal |"""

    def __init__(self, number, connector, token, start_s, start_Wh, kind=0):
        self.number, self.connector = number, connector
        self._uuid = os.urandom(16)
        self.token, self.kind = token, kind
        self.start_s = self.origin_s = start_s
        self.start_Wh = self.seen_Wh = start_Wh
        self.denied = False
        self.data = []
        self.group = self.id = self.began = self.ended = self.reservation = None
        self.request = self.over = self.cost = None
        self.stop_kind = self.offline = self.told = self.by = self.flow_s = self.away = 0
        self.stop_s = self.stop_Wh = self.cause = self.stop_token = None
        self.offset_Wh = self.fault = self.seq = self.target_Wh = self.until_s = self.needs = 0

    @property
    def name(self):
        """What the Central System calls it, or None: it does not know of it yet."""
        return self.uuid if self.id == BY_UUID or self.told > 0 else self.id

    @property
    def authorised(self):
        """There is a token, which may still charge."""
        return self.kind >= 0 and self.over is None

    @property
    def uuid(self):
        """A random UUID (RFC 4122, version 4) as text."""
        b = bytearray(self._uuid)
        b[6] = b[6] & 0x0F | 0x40
        b[8] = b[8] & 0x3F | 0x80
        text = hexlify(b).decode()
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))

    def moved(self, before_Wh, now_Wh, now_s):
        """The meter shows another register: `now_Wh`, where `before_Wh` were (None: nothing since
        boot). What lies between is not the transaction's. True: `offset_Wh` has changed."""
        if before_Wh is None:
            passed_s = now_s - self.origin_s if now_s > self.origin_s else 86400  # (no clock)
            before_Wh = self.seen_Wh - self.offset_Wh
            if 0 <= now_Wh - before_Wh <= _RISE_Wh_s * passed_s:
                return False
        self.offset_Wh += before_Wh - now_Wh
        return True

    def pack(self):
        """All of it but `number` and `data`, as bytes."""
        more = self._get(_MORE)
        while more and (more[-1] is None or len(more) > 2 and not more[-1]):
            more.pop()
        first = pack(self._get(_FIRST) + more)
        data = bytes((_LAYOUT,)) + self._uuid + bytes((len(first),)) + first
        return data + pack(self._get(_SECOND), self._get(_OTHERS))

    def unpack(self, data):
        """Take what pack() gave. Raises ValueError or IndexError where it did not."""
        if data[0] != _LAYOUT:
            raise ValueError("layout")
        at = _BEHIND + data[_BEHIND - 1]
        self._uuid = bytes(data[1 : _BEHIND - 1])
        first = unpack(data[_BEHIND:at])
        self._set(_FIRST, first[:13])
        for name, value in zip(_MORE.split(), first[13:]):
            setattr(self, name, value)
        self._set(_SECOND, unpack(data[at:], self._get(_OTHERS)))

    def _get(self, names):
        return [getattr(self, name) for name in names.split()]

    def _set(self, names, values):
        names = names.split()
        if len(values) != len(names):
            raise ValueError("fields")
        for name, value in zip(names, values):
            like = getattr(self, name)
            if like is False:
                value = bool(value)
            elif like is not None and type(value) is not type(like):
                raise ValueError(name)
            setattr(self, name, value)


class Folder:
    """The transactions on flash. Durable when a method returns."""

    def __init__(self, path, log):
        self.path, self.log = path, log
        try:
            os.mkdir(path)
        except OSError:
            pass  # it is there

    def read(self, number):
        """A Transaction. None: its file cannot be believed and has been removed."""
        path = "%s/%d" % (self.path, number)
        tx = Transaction(number, 0, "", 0, 0)
        try:
            with open(path, "rb") as f:
                tx.unpack(f.read())
            tx.data = self._data(path)
            return tx
        except (ValueError, TypeError, IndexError) as e:
            # An empty file was never finished; any other is told and set out of the way.
            self.log("transaction file %d dropped: %r" % (number, e))
            os.remove(path)
        except OSError as e:
            if e.errno != errno.ENOENT:
                self.log("transaction file %d: %s" % (number, e))
        return None

    def write(self, tx):
        """OSError where the flash is full: then what is there of it stays as it was."""
        data = tx.pack()  # (one write: a failed one commits nothing)
        with open("%s/%d" % (self.path, tx.number), "wb") as f:
            f.write(data)

    def keep(self, tx):
        """Write its `data`; OSError where the flash is full. That file too stays small: of what
        lies between the first sample and the last every second one goes when there is too much (of
        what lies behind that of the start, if there is one)."""
        while True:
            out = bytearray()
            before = ()
            for sample in tx.data:
                row = pack(sample, before)
                out.extend(bytes((len(row),)) + row)
                before = sample
            if len(out) <= SMALL or len(tx.data) < 3:
                break
            n = tx.data[0][-1] == STARTED
            tx.data = tx.data[:n] + tx.data[n:-1:2] + tx.data[-1:]
        with open("%s/%d" % (self.path, tx.number) + ".data", "wb") as f:
            f.write(bytes((crc32(out, _SEED) & 0xFF,)) + out)

    def _data(self, path):
        out, at, row = [], 1, ()
        try:
            with open(path + ".data", "rb") as f:
                data = f.read()
        except OSError:
            return out  # none was asked for
        if data and crc32(data[1:], _SEED) & 0xFF != data[0]:
            self.log("%s.data damaged" % path)
            return out
        while at < len(data):
            end = at + 1 + data[at]
            row = unpack(data[at + 1 : end], row)
            out.append(row)
            at = end
        return out

    def remove(self, tx):
        """All was answered: its files go."""
        path = "%s/%d" % (self.path, tx.number)
        os.remove(path)
        try:
            os.remove(path + ".data")
        except OSError:
            pass  # there is none
