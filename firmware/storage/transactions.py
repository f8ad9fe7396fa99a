# One charging transaction and the file that remembers it. Knows seconds, Wh and a folder; must
# not know OCPP messages or hardware. A transaction is a file from its start until the Central
# System has answered its stop, so a power cut loses neither it nor what was measured. The file
# stays below 128 bytes: LittleFS keeps it inline in the directory, where a hundred have room.

import errno
import os
from binascii import crc32
from micropython import const

from .queue import SMALL, pack, unpack

_LAYOUT = const(4)  # the first byte of a file
_SEED = const(2)  # of the check byte of samples
_FIELDS = (  # in the order of the file
    "connector",
    "id_tag",
    "id",
    "start_s",
    "start_Wh",
    "origin_s",
    "denied",
    "seen_Wh",
    "stop_s",
    "stop_Wh",
    "cause",
    "stop_tag",
    "began",
    "ended",
    "parent",
    "offset_Wh",
    "fault",
)


class Transaction:
    """
    | attribute   | meaning |
    |---|---|
    | number      | our own number, rising; names the file |
    | connector   | 1..N |
    | id_tag      | who started it |
    | id          | transactionId, None until StartTransaction is answered |
    | start_s, start_Wh | timestamp and meterStart of StartTransaction.req |
    | origin_s    | the same instant on the clock as it is now: where Relative schedules begin |
    | denied      | the Central System does not accept its tag: MaxEnergyOnInvalidId, no more |
    | parent      | parentIdTag of id_tag, as far as it was ever told, or None |
    | seen_Wh     | what the meter showed at the latest sample |
    | offset_Wh   | to be added to its register: another one than at the start |
    | data        | samples (metering.py) for StopTransaction.req, in a file of their own |
    | stop_s, stop_Wh, cause, stop_tag | of its end (states.py has the causes); stop_s None while
      it runs |
    | fault       | what ended it (electrical/faults.py), where that was one |
    | began, ended | the places of its start and stop among all messages (journal.py); began is
                     None once the start was given up |
    """

    def __init__(self, number, connector, id_tag, start_s, start_Wh):
        self.number = number
        self.connector = connector
        self.id_tag = id_tag
        self.id = None
        self.start_s = start_s
        self.start_Wh = start_Wh
        self.origin_s = start_s
        self.denied = False
        self.seen_Wh = start_Wh
        self.data = []
        self.stop_s = None
        self.stop_Wh = None
        self.cause = None
        self.stop_tag = None
        self.began = None
        self.ended = None
        self.parent = None
        self.offset_Wh = 0
        self.fault = 0


class Folder:
    """The transactions on flash. Durable when a method returns."""

    def __init__(self, path, log):
        self.path = path
        self.log = log
        try:
            os.mkdir(path)
        except OSError:
            pass  # it is there

    def numbers(self):
        """The numbers of all that the Central System may not know to their end, rising."""
        return sorted([int(name) for name in os.listdir(self.path) if name.isdigit()])

    def read(self, number):
        """A Transaction. None: its file cannot be believed and has been removed."""
        path = "%s/%d" % (self.path, number)
        tx = Transaction(number, 0, "", 0, 0)
        try:
            with open(path, "rb") as f:
                data = f.read()
            values = unpack(data[1:])
            if data[0] != _LAYOUT or len(values) != len(_FIELDS):
                raise ValueError("fields")
            for key, value in zip(_FIELDS, values):
                like = getattr(tx, key)
                if like is False:
                    value = bool(value)
                elif like is not None and type(value) is not type(like):
                    raise ValueError(key)
                setattr(tx, key, value)
            tx.data = self._data(path)
        except (ValueError, KeyError, TypeError, IndexError) as e:
            # An empty file was never finished; any other is told and set out of the way.
            self.log("transaction file %d dropped: %r" % (number, e))
            os.remove(path)
            return None
        except OSError as e:
            if e.errno != errno.ENOENT:
                self.log("transaction file %d: %s" % (number, e))
            return None
        return tx

    def write(self, tx):
        """OSError where the flash is full: then what is there of it stays as it was."""
        # One write: a failed one commits nothing.
        data = bytes((_LAYOUT,)) + pack([getattr(tx, key) for key in _FIELDS])
        with open("%s/%d" % (self.path, tx.number), "wb") as f:
            f.write(data)

    def keep(self, tx):
        """Write its `data`; OSError where the flash is full. That file too stays small: of what
        lies between the first sample and the last every second one goes when there is too much."""
        while True:
            out = bytearray()
            before = ()
            for sample in tx.data:
                row = pack(sample, before)
                out.append(len(row))
                out.extend(row)
                before = sample
            if len(out) <= SMALL or len(tx.data) < 3:
                break
            tx.data = tx.data[:-1:2] + tx.data[-1:]
        with open("%s/%d.data" % (self.path, tx.number), "wb") as f:
            f.write(bytes((crc32(out, _SEED) & 0xFF,)) + out)

    def _data(self, path):
        out = []
        try:
            with open(path + ".data", "rb") as f:
                data = f.read()
        except OSError:
            return out  # none was asked for
        if data and crc32(data[1:], _SEED) & 0xFF != data[0]:
            self.log("%s.data damaged" % path)
            return out
        at = 1
        while at < len(data):
            end = at + 1 + data[at]
            out.append(unpack(data[at + 1 : end], out[-1] if out else ()))
            at = end
        return out

    def clock(self, jumps):
        """Keep those numbers, of how the clock was set (journal.py)."""
        with open(self.path + "/clock", "wb") as f:
            f.write(pack(jumps))

    def jumps(self):
        """What clock() kept."""
        try:
            with open(self.path + "/clock", "rb") as f:
                jumps = unpack(f.read())
                return list(jumps[: len(jumps) // 3 * 3])
        except (OSError, IndexError, ValueError):
            return []  # the clock never had to be corrected

    def remove(self, tx):
        path = "%s/%d" % (self.path, tx.number)
        os.remove(path)
        if tx.data:
            try:
                os.remove(path + ".data")
            except OSError:
                pass  # the flash was full
